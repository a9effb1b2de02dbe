"""Removing the local volume with its data: only what create made, and only while nobody uses it."""

from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.hosts import lvm_disks, mount_holders, storage_work
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.local_storage import settings_steps, volume
from ablestack_api.hosts.local_storage.volume import DEVICE, FSTYPE, LV, MOUNT_POINT, VG, Found
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import lvm, mount


def plan_of(env: Env, *, force: bool) -> Plan:
    """All checks. What is not there any more needs no step, so a reset that stopped midway can be repeated."""
    storage_work.require_whole_system(env)
    volume.require_standalone(env)
    found = volume.find(env)
    overrides = _require_ours(found, force=force)
    overrides += _require_unused(env, found, force=force)
    steps = [_unmount(env, lazy=force)] if found.mounted else []
    steps += [settings_steps.forget_mount(env)] if found.listed else []
    steps += [_remove_volume(env, name) for name in [*found.foreign, *([LV] if found.has_volume else [])]]
    steps += _remove_group(env, found) if found.group else []
    steps += [settings_steps.mark(env, configured=False)] if found.configured else []
    return Plan(f"remove local storage at {MOUNT_POINT} with all data on it", steps, overrides=overrides)


def _require_ours(found: Found, *, force: bool) -> list[str]:
    """A shared group is a cluster's, and another file system somebody else's, whoever forces it."""
    if found.group and found.group.lock_type:
        raise Conflict(f"{VG} is a shared volume group ({found.group.lock_type}): it is a cluster's; nothing was changed")
    if found.mounted_other:
        raise Conflict(f"{found.mounted_other} is mounted at {MOUNT_POINT}: it is not local storage; nothing was changed")
    strange = [] if found.ours or not found.group else [f"nothing tells that {VG} was made as local storage"]
    strange += [f"{VG} also holds the volume {name}" for name in found.foreign]
    if found.group and found.group.missing_pvs:
        strange.append(f"{found.group.missing_pvs} physical volumes of {VG} are missing")
    if strange and not force:
        raise Conflict(f"{'; '.join(strange)}. Nothing was changed; force=true removes it all the same", reasons=strange)
    return strange


def _require_unused(env: Env, found: Found, *, force: bool) -> list[str]:
    held = mount_holders.holders(env.settings, volume.folder(env)) if found.mounted else []
    if held and not force:
        raise Conflict(
            f"{MOUNT_POINT} is used by {', '.join(held)}. Nothing was changed; stop them first", holders=held, reasons=held
        )
    return [f"{MOUNT_POINT} is used by {holder}" for holder in held]


def _unmount(env: Env, *, lazy: bool) -> Step:
    place = volume.folder(env)
    return Step(
        "umount",
        f"unmount {MOUNT_POINT}",
        lambda: mount.unmount(env.runner, place, lazy=lazy),
        lambda: mount.mount(env.runner, DEVICE, place, FSTYPE),
        commands=(["umount", *(["--lazy"] if lazy else []), place],),
    )


def _remove_volume(env: Env, name: str) -> Step:
    """LVM refuses one that is still open, also behind a lazy unmount: then everything is mounted as before."""
    return Step(
        f"lvremove-{name}",
        f"remove the volume {VG}/{name} and all data on it",
        lambda: lvm.lvremove(env.runner, VG, name),
        commands=(["lvremove", "--yes", f"{VG}/{name}"],),
        no_return=name == LV,
    )


def _remove_group(env: Env, found: Found) -> list[Step]:
    devices = BlockDevices.read(env)
    pvs = [lvm_disks.old_volume(devices, path) for path in found.pvs if path.startswith("/dev/")]
    group = Step(
        "vgremove",
        f"remove the volume group {VG}",
        lambda: lvm.vgremove(env.runner, VG),
        commands=(["vgremove", "--yes", VG],),
        no_return=True,
    )
    return [group, *(step for pv in pvs for step in lvm_disks.removing(env, pv))]
