"""Whole disks that become physical volumes, and back: one GPT partition over all of the disk, one volume on it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import device_uses
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.storage_work import MOST
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import lvm, parted

WAIT_SECONDS = 30
# GPT keeps 36 characters of a partition's name.
LONGEST_LABEL = 36


@dataclass
class NewVolume:
    """A free disk. `partition` is the path of its partition, once there is one."""

    disk: Device
    label: str
    partition: str = ""

    @property
    def name(self) -> str:
        return self.disk.name


@dataclass(frozen=True)
class OldVolume:
    """A physical volume with the disk it is cut from; `number` is 0 when it is the whole disk."""

    path: str
    disk: Device
    number: int


def require_whole_system(env: Env) -> None:
    """A node in a folder (ABLESTACK_SYSROOT) shares its disks with the system around it."""
    if not env.settings.is_whole_system:
        raise Conflict(f"this node lives in the folder {env.settings.sysroot}: the disks are not its own and stay untouched")


def require_named(paths: Sequence[str], field: str = "disks") -> None:
    """Raises BadInput."""
    if not paths:
        raise bad_field(field, "required", f"{field} required")
    if len(paths) > MOST:
        raise bad_field(field, f"at most {MOST} at a time")


def free_disks(env: Env, paths: Sequence[str], *, force: bool, field: str = "disks") -> list[Device]:
    """Each disk once, whatever names it was given by. Raises BadInput, Conflict; nothing was written then.

    `force` gives up what lies on a disk that nobody uses.
    """
    require_named(paths, field)
    devices = BlockDevices.read(env)
    found: dict[str, Device] = {}
    for path in paths:
        device = devices.find(path, field)
        devices.require_free(device, field, force=force)
        disk = devices.parent_disk(device)
        if disk is not device:
            raise bad_field(field, f"{path} is a part of {disk.path}; name a whole disk")
        found.setdefault(device.kname, device)
    _require_no_volume(env, devices, list(found.values()), field)
    return list(found.values())


def _require_no_volume(env: Env, devices: BlockDevices, disks: Sequence[Device], field: str) -> None:
    """LVM itself is asked too: lsblk knows signatures from udev only, which may lag behind. Raises Conflict."""
    volumes = {pv.name: pv.vg for pv in lvm.pvs(env.runner)}
    known = {path: device.kname for path in volumes for device in devices.all() if path in (device.path, device.node)}
    for disk in disks:
        parts = {part.kname for part in disk.family()}
        held = [path for path in volumes if known.get(path) in parts]
        if held:
            told = ", ".join(f"{path} is a physical volume of {volumes[path] or 'LVM'}" for path in held)
            text = f"{field}: {disk.path} cannot be used: {told}. Nothing was written to it; choose another device"
            raise Conflict(text, fields=[(field, told)], device=disk.path, reasons=[told], force=False)


def lost(disks: Sequence[Device]) -> list[str]:
    """What force gives up, for the plan."""
    return [f"{disk.path}: {text}" for disk in disks for text in device_uses.contents(disk)]


def making(env: Env, volume: NewVolume, *, force: bool) -> list[Step]:
    """Partition and physical volume; undone, the disk has no partition table, as before."""
    disk, label = volume.disk.path, volume.label
    words = ["mklabel", "gpt", "mkpart", label, "0%", "100%", "set", "1", "lvm", "on"]
    return [
        Step(
            f"partition-{volume.name}",
            f"write a new partition table to {disk}, with one partition over all of it",
            lambda: _partition(env, volume),
            lambda: _unpartition(env, volume),
            undo_if_failed=True,
            commands=(["parted", "-s", disk, *words], ["partprobe", disk]),
        ),
        Step(
            f"pvcreate-{volume.name}",
            f"make the partition of {disk} a physical volume",
            lambda: lvm.pvcreate(env.runner, volume.partition, force=force),
            lambda: lvm.pvremove(env.runner, volume.partition),
            commands=(["pvcreate", *(["-ff"] if force else []), "--yes", f"<partition 1 of {disk}>"],),
        ),
    ]


def removing(env: Env, volume: OldVolume) -> list[Step]:
    """Physical volume, then its partition; other partitions of the disk stay. The group is gone already."""
    disk = volume.disk.path
    steps = [
        Step(
            f"pvremove-{volume.path.rsplit('/', 1)[-1]}",
            f"remove the physical volume {volume.path}",
            lambda: lvm.pvremove(env.runner, volume.path),
            commands=(["pvremove", "--yes", volume.path],),
        )
    ]
    if volume.number:
        steps.append(
            Step(
                f"rm-partition-{volume.disk.name}-{volume.number}",
                f"remove partition {volume.number} of {disk}",
                lambda: _remove_partition(env, volume),
                commands=(["parted", "-s", disk, "rm", str(volume.number)], ["partprobe", disk]),
            )
        )
    return steps


def old_volume(devices: BlockDevices, path: str, field: str = "pv_names") -> OldVolume:
    """Raises BadInput when the path is no block device of this node."""
    device = devices.find(path, field)
    disk = devices.parent_disk(device)
    if disk is device or not device.is_partition:
        return OldVolume(path, disk, 0)
    number = next((number for number in range(1, 129) if devices.partition(disk, number) is device), 0)
    return OldVolume(path, disk, number)


def _partition(env: Env, volume: NewVolume) -> str:
    parted.new_partition(env.runner, volume.disk.path, volume.label)
    _probe(env, volume.disk)
    volume.partition = _awaited(env, volume.disk)
    return volume.partition


def _awaited(env: Env, disk: Device) -> str:
    """The partition's path, once udev and multipathd have made it."""
    for second in range(WAIT_SECONDS):
        devices = BlockDevices.read(env)
        found = devices.partition(devices.find(disk.path), 1)
        if found is not None:
            return found.path or found.node
        if second < WAIT_SECONDS - 1:
            env.clock.sleep(1)
    raise CommandFailed(f"partition not found for {disk.path} within {WAIT_SECONDS} s", program="parted", exit_code=0)


def _unpartition(env: Env, volume: NewVolume) -> None:
    """Only a partition that bears our label: the step may have failed before it wrote anything."""
    found = parted.partition_table(env.runner, volume.disk.path).partition(1)
    if found is not None and found.name == volume.label:
        parted.wipe_table(env.runner, volume.disk.path)
        _probe(env, volume.disk)


def _remove_partition(env: Env, volume: OldVolume) -> None:
    parted.remove_partition(env.runner, volume.disk.path, volume.number)
    _probe(env, volume.disk)


def _probe(env: Env, disk: Device) -> None:
    """parted has told the kernel already where it could; what counts is whether the partition is there."""
    with contextlib.suppress(CommandFailed):
        parted.partprobe(env.runner, disk.path)
