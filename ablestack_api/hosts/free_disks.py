"""The disks of a request, looked over before anything is written: whole disks that nobody uses.

lsblk knows signatures from udev only, which may lag behind, so LVM is asked for its physical volumes too; no force
overrides what either of both says is in use.
"""

from collections.abc import Sequence

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import device_uses
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.storage_work import MOST
from ablestack_api.tools import lvm

FIELD = "disks"


def require_named(paths: Sequence[str]) -> None:
    """Raises BadInput."""
    if not paths:
        raise bad_field(FIELD, "required", "disks required")
    if len(paths) > MOST:
        raise bad_field(FIELD, f"at most {MOST} at a time")


def find(env: Env, paths: Sequence[str], *, force: bool) -> list[Device]:
    """Each disk once, whatever names it was given by. Raises BadInput, Conflict; nothing was written then.

    `force` gives up what lies on a disk that nobody uses.
    """
    require_named(paths)
    devices = BlockDevices.read(env)
    found = {disk.kname: disk for disk in (_whole(devices, path, FIELD) for path in paths)}
    _require_free(env, devices, [(FIELD, disk) for disk in found.values()], force=force)
    return list(found.values())


def find_each(env: Env, paths: Sequence[str], *, force: bool) -> list[Device]:
    """As `find`, one disk for every path: two names of one disk are an error, and an error names the path by its number."""
    require_named(paths)
    devices = BlockDevices.read(env)
    found: list[tuple[str, Device]] = []
    for number, path in enumerate(paths):
        disk = _whole(devices, path, field := f"{FIELD}[{number}]")
        if same := next((other for other, known in found if known is disk), None):
            raise bad_field(field, f"{path} is the same disk as {same}")
        found.append((field, disk))
    _require_free(env, devices, found, force=force)
    return [disk for _, disk in found]


def lost(disks: Sequence[Device]) -> list[str]:
    """What force gives up, for the plan."""
    return [f"{disk.path}: {text}" for disk in disks for text in device_uses.contents(disk)]


def require_space(disks: Sequence[Device], least: int, what: str) -> None:
    """Raises BadInput when all disks together hold less than `least` bytes."""
    size = sum(disk.size for disk in disks)
    if size < least:
        raise bad_field(FIELD, f"hold {size >> 20} MiB together; {what} needs {least >> 20} MiB at least")


def _whole(devices: BlockDevices, path: str, field: str) -> Device:
    """Raises BadInput for a part of a disk. A path of a multipath map is no part of it: it is refused as one in use."""
    device = devices.find(path, field)
    disk = devices.parent_disk(device)
    if disk is not device and not any(child is disk for child in device.children):
        raise bad_field(field, f"{path} is a part of {disk.path}; name a whole disk")
    return device


def _require_free(env: Env, devices: BlockDevices, asked: Sequence[tuple[str, Device]], *, force: bool) -> None:
    """`asked` are fields and their disks. Raises Conflict."""
    for field, disk in asked:
        devices.require_free(disk, field, force=force)
    volumes = {pv.name: pv.vg for pv in lvm.pvs(env.runner)}
    known = {path: device.kname for path in volumes for device in devices.all() if path in (device.path, device.node)}
    for field, disk in asked:
        parts = {part.kname for part in disk.family()}
        held = [f"{path} is a physical volume of {vg or 'LVM'}" for path, vg in volumes.items() if known.get(path) in parts]
        if held:
            raise _taken(field, disk, held)


def _taken(field: str, disk: Device, reasons: list[str]) -> Conflict:
    told = "; ".join(reasons)
    text = f"{field}: {disk.path} cannot be used: {told}. Nothing was written to it; choose another device"
    return Conflict(text, fields=[(field, told)], device=disk.path, reasons=reasons, force=False)
