"""Disks of this node that a machine gets for itself: real block devices, each once, none that the host stands on."""

import os
import re
from collections.abc import Iterator, Sequence

from ablestack_api.core.errors import bad_field
from ablestack_api.tools.lsblk import Device

# /dev/sdb, /dev/mapper/mpatha, /dev/disk/by-id/…; no two dots, no blank, nothing that needs quoting.
PATH = re.compile(r"/dev(/(?!\.{1,2}(/|$))[A-Za-z0-9_.:+@=-]+){1,6}")
LONGEST = 255
WHOLE_DISKS = ("disk", "mpath", "loop")


def find(field: str, path: str, devices: Sequence[Device]) -> Device:
    """The device of a path, through symlinks. Raises BadInput."""
    if len(path) > LONGEST or not PATH.fullmatch(path):
        raise bad_field(field, "is not the path of a device, as /dev/sdb or /dev/disk/by-id/…")
    names = {path, os.path.realpath(path)}
    found = next((device for device in every(devices) if names & {device.path, device.node}), None)
    if found is None:
        raise bad_field(field, f"{path} is no block device of this node")
    return found


def every(devices: Sequence[Device]) -> Iterator[Device]:
    for device in devices:
        yield from device.family()


def host_uses(device: Device) -> list[str]:
    """Why the host cannot spare it; empty when it can. What lies on it unmounted may be the machine's own."""
    told = []
    for part in device.family():
        told += [f"{part.path or part.node} is mounted at {place}" for place in part.mountpoints if place.startswith("/")]
        told += [f"{part.path or part.node} is swap of this host" for place in part.mountpoints if place == "[SWAP]"]
    told += [f"it is a path of the multipath map {child.path}" for child in device.children if child.is_multipath_map]
    return told


def in_use(devices: Sequence[Device]) -> set[str]:
    """Kernel names of the whole disks that this host uses."""
    return {device.kname for device in devices if device.type in WHOLE_DISKS and host_uses(device)}
