"""Where backups may be written: below a few roots, wherever links lead."""

import os

from ablestack_api.core.errors import bad_field
from ablestack_api.core.settings import Settings


def checked(settings: Settings, field: str, path: str) -> str:
    """The real path of a folder that may hold backups. Raises BadInput."""
    if not path.startswith("/"):
        raise bad_field(field, "not absolute", f"{field} must be an absolute path")
    if any(character in path for character in "\0\r\n") or len(path) > 1024:
        raise bad_field(field, "invalid", f"invalid {field}")
    real = os.path.realpath(settings.below(os.path.normpath(path)))
    roots = [os.path.realpath(settings.below(root)) for root in settings.backup_roots]
    if not any(real == root or real.startswith(root.rstrip("/") + "/") for root in roots):
        allowed = ", ".join(settings.backup_roots)
        raise bad_field(
            field, "outside", f"{field}: {path} is not below {allowed}; ABLESTACK_BACKUP_ROOTS allows further folders"
        )
    return real
