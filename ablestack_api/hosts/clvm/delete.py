"""Removing CLVM volume groups, their physical volumes and the partitions below."""

from dataclasses import dataclass

from ablestack_api.core.errors import Conflict, NotFound, bad_field
from ablestack_api.env import Env
from ablestack_api.hosts import lvm_disks, storage_work
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.clvm import groups, nodes
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.hosts.lvm_disks import OldVolume
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import lvm
from ablestack_api.tools.lvm import VolumeGroup


@dataclass(frozen=True)
class OldGroup:
    """A group as LVM tells it, with all its physical volumes."""

    facts: VolumeGroup
    volumes: tuple[OldVolume, ...]


def plan_of(env: Env, pairs: list[tuple[str, str]], disks: list[str], *, force: bool) -> Plan:
    """All checks. `pairs` must name every physical volume of every group, and `disks` only what is below them."""
    storage_work.require_whole_system(env)
    devices = BlockDevices.read(env)
    found = _found(env, devices, pairs)
    below = list({volume.disk.kname: volume.disk for group in found for volume in group.volumes}.values())
    for path in disks:
        if devices.find(path, "disks").kname not in [disk.kname for disk in below]:
            raise bad_field("disks", f"{path} is not the disk below one of the physical volumes")
    overrides = _require_empty(found, force=force)
    steps = [step for group in found for step in _removing(env, group)]
    others = nodes.others(env)
    steps += [_tell(env, below)] if others else []
    return Plan(f"delete {', '.join(group.facts.name for group in found)}", steps, overrides=overrides)


def _found(env: Env, devices: BlockDevices, pairs: list[tuple[str, str]]) -> list[OldGroup]:
    """Raises BadInput, NotFound, Conflict (the group has other physical volumes than named)."""
    groups.require_names(pairs)
    names = list(dict.fromkeys(name for name, _ in pairs))
    named = {name: {devices.find(path, "pv_names").kname for each, path in pairs if each == name} for name in names}
    present = {group.name: group for group in lvm.vgs(env.runner)}
    missing = [name for name in names if name not in present]
    if missing:
        raise NotFound(f"there is no volume group {', '.join(missing)} on this node; nothing was changed")
    pvs = lvm.pvs(env.runner)
    found = []
    for name in names:
        paths = [pv.name for pv in pvs if pv.vg == name]
        absent = [path for path in paths if not path.startswith("/dev/")]
        if absent or {devices.find(path, "pv_names").kname for path in paths} != named[name]:
            raise Conflict(
                f"{name} consists of {', '.join(paths)}, not of what pv_names says; nothing was changed. Read the list again"
            )
        found.append(OldGroup(present[name], tuple(lvm_disks.old_volume(devices, path) for path in paths)))
    return found


def _require_empty(found: list[OldGroup], *, force: bool) -> list[str]:
    """A shared group belongs to a GFS2 cluster, whoever forces it."""
    shared = [group.facts.name for group in found if group.facts.lock_type]
    if shared:
        raise Conflict(f"{', '.join(shared)} is shared through lvmlockd and was not made here; nothing was changed")
    full = [f"{group.facts.name} holds {group.facts.lv_count} volumes" for group in found if group.facts.lv_count]
    if full and not force:
        raise Conflict(
            f"{'; '.join(full)}. Nothing was changed; remove the storage in the Cloud Center first. force=true removes the "
            "volumes with all data on them",
            reasons=full,
        )
    return full


def _removing(env: Env, group: OldGroup) -> list[Step]:
    name = group.facts.name
    remove = Step(
        f"vgremove-{name}",
        f"remove the volume group {name}",
        lambda: lvm.vgremove(env.runner, name),
        commands=(["vgremove", "--yes", name],),
        no_return=True,
    )
    return [remove, *(step for volume in group.volumes for step in lvm_disks.removing(env, volume))]


def _tell(env: Env, disks: list[Device]) -> Step:
    """By names that are the same everywhere; when a disk has none, every disk there is looked at again."""
    links = DiskLinks.read(env.settings).by_id
    names = [links.get(disk.kname, "") for disk in disks]
    told = names if all(names) else []
    return Step(
        "tell-other-hosts",
        "have the other hosts see that the partitions are gone",
        lambda: nodes.forget_disks(env, nodes.others(env), told),
    )
