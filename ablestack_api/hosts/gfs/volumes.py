"""A volume of a GFS2 file system and the disks below it, as LVM of this node tells them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import BadInput, Conflict
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.tools import lvm, sfdisk


@dataclass(frozen=True)
class Volume:
    """A logical volume and what it stands on, as this node sees it. `others` are further volumes of its group."""

    group: lvm.VolumeGroup
    volume: lvm.LogicalVolume | None
    others: tuple[str, ...]
    partitions: tuple[Device, ...]
    disks: tuple[Device, ...]


def volume(env: Env, devices: BlockDevices, vg: str, lv: str) -> Volume:
    """As `group`, and the volume is there."""
    found = group(env, devices, vg, lv)
    if found.volume is None:
        raise _no_volume(vg, lv)
    return found


def group(env: Env, devices: BlockDevices, vg: str, lv: str) -> Volume:
    """What a group stands on, by LVM's own account. Raises Conflict when it is not there, or not whole."""
    group = next((each for each in lvm.vgs(env.runner) if each.name == vg), None)
    volumes = [each for each in lvm.lvs(env.runner) if each.vg == vg]
    if group is None:
        raise _no_volume(vg, lv)
    if group.missing_pvs:
        raise Conflict(
            f"{group.missing_pvs} physical volume(s) of {vg} are missing on this node; bring their disks back first"
        )
    below = [devices.find(each.name, "vg_name") for each in lvm.pvs(env.runner) if each.vg == vg]
    return Volume(
        group=group,
        volume=next((each for each in volumes if each.name == lv), None),
        others=tuple(each.name for each in volumes if each.name != lv),
        partitions=tuple(below),
        disks=parents(devices, below),
    )


def parents(devices: BlockDevices, parts: Sequence[Device]) -> tuple[Device, ...]:
    """The disks of partitions, each once."""
    disks = {disk.kname: disk for disk in (devices.parent_disk(part) for part in parts)}
    return tuple(disks.values())


def known_disks(devices: BlockDevices, paths: Sequence[str]) -> list[Device]:
    """Those of the paths that are devices of this node: what is gone already is left out."""
    found = []
    for number, path in enumerate(paths):
        try:
            found.append(devices.parent_disk(devices.find(path, f"disks[{number}]")))
        except BadInput as error:
            if "no block device" not in error.detail:
                raise
    return list({disk.kname: disk for disk in found}.values())


def partition_uuids(env: Env, paths: Sequence[str]) -> list[str]:
    """By what other nodes know that they look at the same disks; a disk without a partition has an empty one."""
    devices = BlockDevices.read(env)
    found = [devices.parent_disk(devices.find(path, "disks")) for path in paths]
    return [sfdisk.partition_uuid(env.runner, disk.path) if devices.partition(disk, 1) else "" for disk in found]


def _no_volume(vg: str, lv: str) -> Conflict:
    return Conflict(f"gfs disk not found: there is no volume {vg}/{lv} on this node; see lvs")
