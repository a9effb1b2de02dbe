"""The disks of a request and of a volume: found and looked over before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import BadInput, CommandFailed, CommandTimedOut, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import lvm, parted, sfdisk, udev

PARTITION_SECONDS = 30.0
POLL_SECONDS = 1.0
CUT_FROM_OTHERS = ("part", "lvm", "crypt", "rom")


@dataclass(frozen=True)
class Volume:
    """A logical volume and what it stands on, as this node sees it. `others` are further volumes of its group."""

    group: lvm.VolumeGroup
    volume: lvm.LogicalVolume | None
    others: tuple[str, ...]
    pvs: tuple[lvm.PhysicalVolume, ...]
    partitions: tuple[Device, ...]
    disks: tuple[Device, ...]


def new_disks(env: Env, devices: BlockDevices, paths: Sequence[str], *, force: bool = False) -> list[Device]:
    """The whole disks of a request, each named once and free. Raises BadInput, Conflict.

    LVM is asked too: what lsblk tells of signatures is as old as udev's last look at the device.
    """
    if not paths:
        raise bad_field("disks", "required", "disks required")
    found: dict[int, str] = {}
    disks = []
    for number, path in enumerate(paths):
        field = f"disks[{number}]"
        disk = devices.find(path, field)
        if disk.type in CUT_FROM_OTHERS:
            raise bad_field(field, f"{path} is no whole disk but of type {disk.type}; give the disk itself")
        if id(disk) in found:
            raise bad_field(field, f"{path} and {found[id(disk)]} are the same disk")
        found[id(disk)] = path
        disks.append(disk)
    groups = {pv.name: pv.vg for pv in lvm.pvs(env.runner) if pv.vg}
    for number, disk in enumerate(disks):
        devices.require_free(disk, f"disks[{number}]", force=force)
        _require_no_member(disk, groups, f"disks[{number}]")
    return disks


def _require_no_member(disk: Device, groups: Mapping[str, str], field: str) -> None:
    for part in disk.family():
        vg = groups.get(part.path) or groups.get(part.node)
        if vg:
            reason = f"{part.path} is a physical volume of {vg}"
            raise Conflict(
                f"{field}: {disk.path} cannot be used: {reason}. Nothing was written to it; choose another device",
                fields=[(field, reason)],
                reasons=[reason],
                force=False,
            )


def require_space(disks: Sequence[Device], least: int, what: str) -> None:
    """Raises BadInput when all disks together hold less than `least` bytes."""
    size = sum(disk.size for disk in disks)
    if size < least:
        raise bad_field("disks", f"hold {size >> 20} MiB together; {what} needs {least >> 20} MiB at least")


def partition_step(call: Call, disk: Device, path: str, name: str) -> Step:
    """One GPT partition over a whole disk; its path is what the step returns."""
    labels: list[str] = []

    def do() -> str:
        labels.append(parted.partition_table(call.env.runner, disk.path).label)
        parted.new_partition(call.env.runner, disk.path, name)
        probe_quietly(call.env, disk.path)
        return wait_for_partition(call, path).path

    def undo() -> None:
        if labels:
            _without_partition(call.undoing().env, disk.path, labels[0])

    commands = (
        ["parted", "-s", disk.path, "mklabel", "gpt", "mkpart", name, "0%", "100%", "set", "1", "lvm", "on"],
        ["partprobe", disk.path],
    )
    return Step(f"partition-{disk.kname}", f"partition {disk.path}", do, undo, undo_if_failed=True, commands=commands)


def wait_for_partition(call: Call, path: str, seconds: float = PARTITION_SECONDS) -> Device:
    """The first partition of a disk, once udev and the kernel have it. Raises CommandTimedOut."""
    end = call.env.clock.monotonic() + min(seconds, call.deadline.remaining())
    while True:
        devices = BlockDevices.read(call.env)
        found = devices.partition(_map_or_disk(devices, path), 1)
        if found is not None:
            return found
        if call.env.clock.monotonic() >= end:
            raise CommandTimedOut(
                f"partition not found for {path} after {seconds:g} s: the kernel or udev of this node does not show it",
                program="udev",
                seconds=seconds,
            )
        call.env.clock.sleep(POLL_SECONDS)


def first_partition(devices: BlockDevices, path: str) -> Device | None:
    return devices.partition(_map_or_disk(devices, path), 1)


def partition_uuids(env: Env, paths: Sequence[str]) -> list[str]:
    """By what other nodes know that they look at the same disks; a disk without a partition has an empty one."""
    devices = BlockDevices.read(env)
    found = [_map_or_disk(devices, path) for path in paths]
    return [sfdisk.partition_uuid(env.runner, disk.path) if devices.partition(disk, 1) else "" for disk in found]


def probe_quietly(env: Env, path: str) -> None:
    """partprobe also complains of what does not matter; whether the partition is there is looked at anyway."""
    try:
        parted.partprobe(env.runner, path)
        udev.settle(env.runner)
    except CommandFailed:
        return


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
    pvs = [each for each in lvm.pvs(env.runner) if each.vg == vg]
    if group.missing_pvs:
        raise Conflict(
            f"{group.missing_pvs} physical volume(s) of {vg} are missing on this node; bring their disks back first"
        )
    partitions = [devices.find(each.name, "vg_name") for each in pvs]
    return Volume(
        group=group,
        volume=next((each for each in volumes if each.name == lv), None),
        others=tuple(each.name for each in volumes if each.name != lv),
        pvs=tuple(pvs),
        partitions=tuple(partitions),
        disks=parents(devices, partitions),
    )


def parents(devices: BlockDevices, partitions: Sequence[Device]) -> tuple[Device, ...]:
    """The disks of partitions, each once."""
    disks = {disk.kname: disk for disk in (devices.parent_disk(part) for part in partitions)}
    return tuple(disks.values())


def known_disks(devices: BlockDevices, paths: Sequence[str]) -> list[Device]:
    """Those of the paths that are devices of this node: what is gone already is left out."""
    found = []
    for number, path in enumerate(paths):
        try:
            found.append(_map_or_disk(devices, path, f"disks[{number}]"))
        except BadInput as error:
            if "no block device" not in error.detail:
                raise
    return list({disk.kname: disk for disk in found}.values())


def _no_volume(vg: str, lv: str) -> Conflict:
    return Conflict(f"gfs disk not found: there is no volume {vg}/{lv} on this node; see lvs")


def _map_or_disk(devices: BlockDevices, path: str, field: str = "disks") -> Device:
    return devices.parent_disk(devices.find(path, field))


def _without_partition(env: Env, path: str, label: str) -> None:
    table = parted.partition_table(env.runner, path)
    if table.partition(1) is not None:
        parted.remove_partition(env.runner, path)
    if label == parted.NO_TABLE and table.label != parted.NO_TABLE:
        parted.wipe_table(env.runner, path)
    probe_quietly(env, path)
