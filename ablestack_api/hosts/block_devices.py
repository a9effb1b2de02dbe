"""The block devices of this node: find one by its path, its disk, its partitions, and whether it may be written."""

import os
import stat
from dataclasses import dataclass
from errno import EBUSY

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hosts import device_uses
from ablestack_api.tools import lsblk

Device = lsblk.Device
LONGEST_PATH = 1024
LONGEST_SHOWN = 120
# What partitions and volumes are cut from.
WHOLE = ("disk", "mpath", "loop", "rom", "md")


@dataclass(frozen=True)
class BlockDevices:
    """One reading: `roots` as lsblk nests them. It does not follow later changes; read again after one."""

    settings: Settings
    roots: tuple[Device, ...]

    @classmethod
    def read(cls, env: Env) -> "BlockDevices":
        """A fresh reading. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
        return cls(env.settings, tuple(lsblk.read(env.runner)))

    def all(self) -> list[Device]:
        """Every device once, parents before what is built upon them."""
        return list({id(device): device for root in self.roots for device in root.family()}.values())

    def find(self, path: str, field: str = "disk") -> Device:
        """The device of a path below /dev, through symlinks (by-id, by-path, /dev/<group>/<volume> …).

        Raises BadInput naming `field` when it is no block device of this node.
        """
        _check_path(path, field)
        node = _resolved(self.settings, path)
        found = next((each for each in self.all() if node == each.node), None)
        found = found or next((each for each in self.all() if each.path in (node, path)), None)
        if found is None or not self._is_node_of(found, path):
            raise bad_field(field, f"{_shown(path)} is no block device of this node")
        return found

    def parent_disk(self, device: Device) -> Device:
        """The whole disk it is cut from or built upon: the multipath map where there is one, never one of its paths."""
        return self.parent_disks(device)[0]

    def parent_disks(self, device: Device) -> list[Device]:
        """The same for a volume that stands on several disks."""
        if map_ := next((child for child in device.children if child.is_multipath_map), None):
            return [map_]
        if _is_whole(device) or not device.parents:
            return [device]
        found = [disk for parent in device.parents for disk in self.parent_disks(parent)]
        return list({id(disk): disk for disk in found}.values())

    def partition(self, disk: Device, number: int) -> Device | None:
        """Partition `number` of a disk or multipath map, None while there is none."""
        for child in disk.children:
            if child.is_partition and self.partition_number(disk, child) == number:
                return child
        return None

    def partition_number(self, disk: Device, part: Device) -> int | None:
        """The number of a partition: the kernel's, a map's own (`part3-mpath-…`), else by the names it could have."""
        told = self._sysfs(part, "partition") or self._dm_uuid(part).partition("-")[0].removeprefix("part")
        if told.isdecimal():
            return int(told)
        for joint in ("", "p", "-part"):
            number = part.name.removeprefix(disk.name + joint)
            if part.name.startswith(disk.name + joint) and number.isdecimal():
                return int(number)
        return None

    def multipath_id(self, map_: Device) -> str:
        """The WWID of a multipath map, empty when the kernel tells none."""
        return self._dm_uuid(map_).partition("mpath-")[2]

    def is_system(self, device: Device) -> bool:
        return device_uses.is_system(device)

    def uses(self, device: Device) -> list[str]:
        """Why it must not be written, whoever forces it; empty when nobody owns it."""
        return device_uses.uses(device)

    def contents(self, device: Device) -> list[str]:
        """What would be lost, though nobody uses it: partitions, file systems."""
        return device_uses.contents(device)

    def require_free(self, device: Device, field: str, *, force: bool = False) -> None:
        """Before anything is written to it. `force` gives up what lies on it, never what is in use.

        Raises Conflict; members `device`, `reasons` and `force` (whether forcing would help).
        """
        taken = [*device_uses.unfit(device), *self.uses(device)]
        if not taken and self._is_claimed(device):
            taken = ["the kernel says that something holds it (another mount namespace, a program)"]
        lost = self.contents(device)
        if taken or (lost and not force):
            reasons = taken + [text for text in lost if text not in taken]
            advice = "choose another device" if taken else "choose another device, or force to lose what is on it"
            told = "; ".join(reasons)
            text = f"{field}: {device.path or device.node} cannot be used: {told}. Nothing was written to it; {advice}"
            raise Conflict(text, fields=[(field, told)], device=device.path, reasons=reasons, force=not taken)

    def _dm_uuid(self, device: Device) -> str:
        return self._sysfs(device, "dm/uuid")

    def _sysfs(self, device: Device, fact: str) -> str:
        """A fact of /sys/class/block, empty where the kernel has none."""
        try:
            with open(self.settings.below(f"sys/class/block/{device.kname}/{fact}"), encoding="utf-8") as file:
                return file.read().strip()
        except (OSError, ValueError):
            return ""

    def _is_node_of(self, device: Device, path: str) -> bool:
        """That the file really is this device; below another root than / there are no device files."""
        if self.settings.sysroot != "/":
            return True
        try:
            status = os.stat(path)
        except OSError:
            return False
        numbers = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        return stat.S_ISBLK(status.st_mode) and device.numbers in ("", numbers)

    def _is_claimed(self, device: Device) -> bool:
        """What lsblk cannot see, for it looks at this mount namespace only.

        Only what nothing is built upon is tried: the partitions of a multipath map hold the map without using it.
        """
        leaves = (part for part in device.family() if not part.children)
        return self.settings.sysroot == "/" and any(_is_held_by_kernel(leaf) for leaf in leaves)


def _is_held_by_kernel(device: Device) -> bool:
    """An exclusive open says EBUSY for what is mounted or held anywhere (open(2), O_EXCL)."""
    try:
        os.close(os.open(device.path or device.node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == EBUSY
    return False


def _is_whole(device: Device) -> bool:
    return device.type in WHOLE or device.type.startswith(("raid", "linear"))


def _check_path(path: str, field: str) -> None:
    if not path:
        raise bad_field(field, "required")
    if len(path) > LONGEST_PATH:
        raise bad_field(field, f"a path of {len(path)} characters is no block device")
    if not path.isprintable():
        raise bad_field(field, "has characters that no path of a device has")
    if not path.startswith("/dev/") or ".." in path.split("/"):
        raise bad_field(field, f"{_shown(path)} is no path below /dev")


def _resolved(settings: Settings, path: str) -> str:
    """Where the path leads, as seen below the sysroot; a link out of it leads nowhere we know."""
    root = os.path.realpath(settings.sysroot).rstrip("/")
    try:
        real = os.path.realpath(settings.below(path))
    except (OSError, ValueError):
        return ""
    return real.removeprefix(root) if real.startswith(root + "/") else ""


def _shown(path: str) -> str:
    return repr(path if len(path) <= LONGEST_SHOWN else path[:LONGEST_SHOWN] + "…")
