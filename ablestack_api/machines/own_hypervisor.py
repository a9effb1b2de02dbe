"""Whose machines this node may touch."""

from ablestack_api.core.errors import Conflict
from ablestack_api.core.settings import Settings

SYSTEM = "qemu:///system"


def require(settings: Settings) -> None:
    """A node in a folder (D2) leaves the machines of the system around it alone. Raises Conflict."""
    if not settings.is_whole_system and settings.libvirt_uri == SYSTEM:
        raise Conflict(
            f"this node lives in a folder, and {SYSTEM} belongs to the system around it; nothing was changed. "
            "ABLESTACK_LIBVIRT_URI names a libvirt of its own"
        )


def require_guest(settings: Settings) -> None:
    """Disks and services of the system around a node in a folder are not its own. Raises Conflict."""
    if not settings.is_whole_system:
        raise Conflict("this node lives in a folder: disks and services of the system around it are not touched")
