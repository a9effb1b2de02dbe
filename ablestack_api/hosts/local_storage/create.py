"""Making the local volume: disks, group, volume, file system, mount. Taken back whole when a step fails."""

import contextlib
import os

from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.hosts import free_disks, lvm_disks, storage_work
from ablestack_api.hosts.local_storage import settings_steps, volume
from ablestack_api.hosts.local_storage.volume import DEVICE, FSTYPE, LV, MOUNT_POINT, TAG, VG
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.state import json_file
from ablestack_api.tools import lvm, mount, xfs

LABEL = "primary"


def plan_of(env: Env, disks: list[str], *, force: bool) -> Plan:
    """All checks. Raises BadInput, Conflict, and what LVM and lsblk raise; nothing was changed then."""
    storage_work.require_whole_system(env)
    volume.require_standalone(env)
    if volume.group_named(lvm.vgs(env.runner)) is not None:
        raise Conflict(f"{VG} already exists; nothing was changed. reset removes it with its data")
    if present := volume.mounted_device(env):
        raise Conflict(f"{present} is mounted at {MOUNT_POINT}; nothing was changed. Unmount it first")
    taken = free_disks.find(env, disks, force=force)
    new = [NewPartition(disk, LABEL) for disk in taken]
    steps = [step for each in new for step in lvm_disks.making(env, each, force=force)]
    steps += [_group(env, new), _volume(env), _file_system(env), _folder(env)]
    steps += [settings_steps.list_mount(env), _mount(env), settings_steps.mark(env, configured=True)]
    return Plan(f"create local storage at {MOUNT_POINT}", steps, overrides=free_disks.lost(taken))


def _group(env: Env, new: list[NewPartition]) -> Step:
    shown = [f"<partition 1 of {each.disk.path}>" for each in new]
    return Step(
        "vgcreate",
        f"make the volume group {VG}",
        lambda: lvm.vgcreate(env.runner, VG, [each.path for each in new], options=("--addtag", TAG)),
        lambda: lvm.vgremove(env.runner, VG),
        commands=(["vgcreate", "--yes", "--addtag", TAG, VG, *shown],),
    )


def _volume(env: Env) -> Step:
    return Step(
        "lvcreate",
        f"make the volume {LV} of all its space",
        lambda: lvm.lvcreate(env.runner, VG, LV),
        lambda: lvm.lvremove(env.runner, VG, LV),
        commands=(["lvcreate", "--yes", "--extents", "100%FREE", "--name", LV, VG],),
    )


def _file_system(env: Env) -> Step:
    return Step(
        "mkfs",
        f"make an XFS file system on {DEVICE}",
        lambda: xfs.make(env.runner, DEVICE),
        lambda: None,  # it goes with its volume
        commands=(["mkfs.xfs", "-K", DEVICE],),
    )


def _folder(env: Env) -> Step:
    place = volume.folder(env)
    made: list[str] = []

    def do() -> None:
        with json_file.told(place):
            if not os.path.isdir(place):
                os.makedirs(place, mode=0o755)
                made.append(place)

    def undo() -> None:
        for path in made:
            with contextlib.suppress(OSError):  # somebody put something in: theirs
                os.rmdir(path)

    return Step("mount-point", f"make the folder {MOUNT_POINT}", do, undo)


def _mount(env: Env) -> Step:
    place = volume.folder(env)
    return Step(
        "mount",
        f"mount {DEVICE} at {MOUNT_POINT}",
        lambda: mount.mount(env.runner, DEVICE, place, FSTYPE),
        lambda: mount.unmount(env.runner, place),
        commands=(["mount", "-t", FSTYPE, DEVICE, place],),
    )
