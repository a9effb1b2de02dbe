"""What every node does for the disks of a GFS2 file system (contract 02 §6.5): each function is one action on this node."""

import contextlib
import os
from collections.abc import Callable, Sequence

from ablestack_api.core.errors import ApiError, BadInput, CommandFailed, Conflict, ProgramMissing, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import partitions, scsi_scan, storage_names
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs import volumes
from ablestack_api.hosts.gfs.call import Call, on_whole_system
from ablestack_api.state import json_file
from ablestack_api.tools import lvm, multipathd, parted, sfdisk, tee, udev

SEEN_SECONDS = 15.0
DEVICES_FILE = "etc/lvm/devices/system.devices"
# Where a driver takes a wish to look at a device's size again; RBD and virtio need none, they are told by the other side.
RESCAN = ("device/rescan", "device/rescan_controller")


@on_whole_system
def partprobe(call: Call) -> str:
    """Have the kernel read partition tables again: of the disks named, else of every disk of this node."""
    devices = BlockDevices.read(call.env)
    named = [devices.find(path, f"disks[{number}]") for number, path in enumerate(call.request.every_disk)]
    probed = named or [root for root in devices.roots if root.type != "rom" and root.size > 0]
    failed = _failures([disk.path for disk in probed], lambda path: parted.partprobe(call.env.runner, path))
    # Without names it is a hint: a disk that does not like it (in use, read-only) says nothing of the others.
    if failed and (named or len(failed) == len(probed)):
        raise CommandFailed(f"partprobe failed: {'; '.join(failed)}", program="partprobe", exit_code=1)
    return "Partprobe Success"


@on_whole_system
def add_to_devices_file(call: Call) -> str:
    """Let LVM of this node see the physical volumes on these disks."""
    devices = BlockDevices.read(call.env)
    for path in _required_disks(call):
        disk = devices.find(path)
        partitions.probe(call.env, devices.parent_disk(disk).path)
        part = partitions.first(BlockDevices.read(call.env), path)
        if part is None and disk.fstype != "LVM2_member":
            raise Conflict(f"{path} has no partition on this node; nothing was added to LVM's devices file for it")
        _add_device(call.env, (part or disk).path)
    return "Lvmdevices Add Success"


@on_whole_system
def prepare(call: Call) -> str:
    """See the new partitions, let LVM see them, make the mount point."""
    mount_point = call.request.mount_point
    if mount_point:
        storage_names.mount_point(mount_point)
        _require_unused(call.env, mount_point)
    for path in _required_disks(call):
        device = BlockDevices.read(call.env).find(path)
        partitions.probe(call.env, device.path)
        part = partitions.await_first(call.env, path)
        if not _is_same_disk(call, path, device):
            raise Conflict(
                f"{path} is another disk on this node than where the partition was made; nothing was done with it here. "
                "Name disks by /dev/disk/by-id"
            )
        _add_device(call.env, part.path)
    if mount_point:
        folder = call.env.settings.below(mount_point)
        with json_file.told(folder):
            os.makedirs(folder, mode=0o755, exist_ok=True)
    return "Prepare GFS Node Success"


@on_whole_system
def release(call: Call) -> str:
    """The opposite of `prepare`: safe where nothing, or half of it, was done."""
    devices = BlockDevices.read(call.env)
    for path in call.request.every_disk:
        for disk in volumes.known_disks(devices, [path]):
            part = devices.partition(disk, 1)
            if part is not None and _is_same_disk(call, path, disk):
                _remove_device(call.env, part.path)
    if call.request.mount_point:
        folder = call.env.settings.below(storage_names.mount_point(call.request.mount_point))
        with contextlib.suppress(OSError):  # not empty, or not there
            os.rmdir(folder)
    return "Release GFS Node Success"


def see_volumes(call: Call) -> str:
    """Does LVM of this node see these physical volumes? It may take a moment until udev has them."""
    end = call.env.clock.monotonic() + min(SEEN_SECONDS, call.deadline.remaining())
    while True:
        missing = sorted(set(call.request.pv_uuids) - {pv.uuid for pv in lvm.pvs(call.env.runner)})
        if not missing:
            return "PV Visible"
        if call.env.clock.monotonic() >= end:
            raise Conflict(
                f"this node does not see {len(missing)} of the physical volumes ({', '.join(missing)}): is the same disk "
                "attached here, under the same path, and in LVM's devices file?"
            )
        call.env.clock.sleep(1.0)


@on_whole_system
def stop_lockspace(call: Call) -> str:
    """Let go of the locks of a shared volume group; a node that holds none, or does not know the group, is fine."""
    name = storage_names.vg_name(call.request.vg_name)
    group = next((group for group in lvm.vgs(call.env.runner) if group.name == name), None)
    if group is not None and group.lock_type not in ("", "none"):
        lvm.vgchange(call.env.runner, name, ["--lock-stop"])
    return "Lockspace Stop Success"


@on_whole_system
def scan(call: Call) -> str:
    """Have every SCSI adapter look for new disks; a node without one has nothing to look for."""
    scsi_scan.rescan(call.env)
    return "Success to scan GFS Disk"


@on_whole_system
def rescan(call: Call) -> str:
    """Have this node see that the disks below a volume were enlarged."""
    names = (storage_names.vg_name(call.request.vg_name), storage_names.lv_name(call.request.lv_name))
    devices = BlockDevices.read(call.env)
    below = volumes.volume(call.env, devices, *names)
    for disk in below.disks:
        for path in [disk] if not disk.is_multipath_map else disk.parents:
            _rescan_device(call.env, path)
        if disk.is_multipath_map:
            multipathd.resize_map(call.env.runner, disk.name)
    udev.settle(call.env.runner)
    return "Success to scan GFS Disk"


def _required_disks(call: Call) -> list[str]:
    if not call.request.every_disk:
        raise bad_field("disks", "required", "disks required")
    return call.request.every_disk


def _is_same_disk(call: Call, path: str, disk: Device) -> bool:
    """Whether a path leads to the disk that the calling node means: /dev/sdb may be any disk here."""
    wanted = dict(zip(call.request.every_disk, call.request.partition_uuids, strict=False)).get(path)
    if wanted is None:
        return True
    try:
        return sfdisk.partition_uuid(call.env.runner, disk.path) == wanted
    except CommandFailed:
        return False


def _require_unused(env: Env, mount_point: str) -> None:
    folder = env.settings.below(mount_point)
    if os.path.ismount(folder):
        raise Conflict(
            f"something is mounted at {mount_point} on this node already; unmount it or choose another mount_point"
        )
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise Conflict(f"{mount_point} is no folder on this node; choose another mount_point")


def _add_device(env: Env, path: str) -> None:
    try:
        lvm.add_to_devices_file(env.runner, path)
    except ProgramMissing:
        # LVM without a devices file (Debian 12) looks at every device; whether it sees this one is looked at later.
        return


def _remove_device(env: Env, path: str) -> None:
    """A device that is not in the file is what we want."""
    try:
        lvm.remove_from_devices_file(env.runner, path)
    except ProgramMissing:
        return
    except CommandFailed:
        listed = json_file.read_bytes(env.settings.below(DEVICES_FILE)) or b""
        if f"DEVNAME={path} ".encode() in listed.replace(b"\n", b" \n"):
            raise


def _rescan_device(env: Env, device: Device) -> None:
    folder = env.settings.below(f"sys/block/{device.kname}")
    place = next((name for name in RESCAN if os.path.exists(os.path.join(folder, name))), None)
    if place is not None:
        tee.write(env.runner, os.path.join(folder, place), "1")


def _failures(names: Sequence[str], work: Callable[[str], None]) -> list[str]:
    """Do it for each; what went wrong, for those where it did. Bad input and a missing program end it at once."""
    told = []
    for name in names:
        try:
            work(name)
        except (BadInput, ProgramMissing):
            raise
        except ApiError as error:
            told.append(f"{name}: {error.detail}")
    return told
