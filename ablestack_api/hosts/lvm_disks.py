"""Whole disks that become physical volumes, and back: one GPT partition over all of the disk, one volume on it."""

from dataclasses import dataclass

from ablestack_api.env import Env
from ablestack_api.hosts import partitions
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import lvm


@dataclass(frozen=True)
class OldVolume:
    """A physical volume with the disk it is cut from; `number` is 0 when it is the whole disk."""

    path: str
    disk: Device
    number: int


def old_volume(devices: BlockDevices, path: str, field: str = "pv_names") -> OldVolume:
    """Raises BadInput when the path is no block device of this node."""
    device = devices.find(path, field)
    disk = devices.parent_disk(device)
    if disk is device or not device.is_partition:
        return OldVolume(path, disk, 0)
    return OldVolume(path, disk, devices.partition_number(disk, device) or 0)


def making(env: Env, new: NewPartition, *, force: bool) -> list[Step]:
    """Partition and physical volume."""
    name, disk = new.disk.name, new.disk.path
    volume = Step(
        f"pvcreate-{name}",
        f"make the partition of {disk} a physical volume",
        lambda: lvm.pvcreate(env.runner, new.path, force=force),
        lambda: lvm.pvremove(env.runner, new.path),
        commands=(["pvcreate", *(["-ff"] if force else []), "--yes", f"<partition 1 of {disk}>"],),
    )
    return [partitions.making(env, new), volume]


def removing(env: Env, volume: OldVolume) -> list[Step]:
    """Physical volume, then its partition; other partitions of the disk stay. The group is gone already."""
    clear = Step(
        f"pvremove-{volume.path.rsplit('/', 1)[-1]}",
        f"remove the physical volume {volume.path}",
        lambda: lvm.pvremove(env.runner, volume.path),
        commands=(["pvremove", "--yes", volume.path],),
    )
    return [clear, *([_removing_partition(env, volume)] if volume.number else [])]


def _removing_partition(env: Env, volume: OldVolume) -> Step:
    disk = volume.disk.path
    return Step(
        f"rm-partition-{volume.disk.name}-{volume.number}",
        f"remove partition {volume.number} of {disk}",
        lambda: partitions.remove(env, disk, volume.number),
        commands=(["parted", "-s", disk, "rm", str(volume.number)], ["partprobe", disk]),
    )
