"""delete-gfs: a file system, its volume and its partitions taken away on every node (contract 02 §6.11).

What an earlier attempt left behind is found and taken away too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.hosts import partitions, storage_names
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs import everywhere, node_disks, removal, resources, volumes
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.looking import look
from ablestack_api.hosts.gfs.resources import Names
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import lvm, pcs

REQUIRED = "disks, gfs_name, vg_name and lv_name required"


@dataclass(frozen=True)
class Found:
    """What is there of the file system: resource ids, whether its group is, its partitions and their disks."""

    names: Names
    vg: str
    present: tuple[str, ...]
    has_group: bool
    partitions: tuple[str, ...]
    disks: tuple[Device, ...]
    mount_point: str
    partition_uuids: tuple[str, ...]

    @property
    def disk_paths(self) -> list[str]:
        return [disk.path for disk in self.disks]


def course(call: Call) -> Course:
    """Raises BadInput, Conflict."""
    found = _find(call)
    results: list[dict[str, Any]] = []
    steps = [
        *_resource_steps(call, found),
        *_volume_steps(call, found),
        *_disk_steps(call, found, results),
        look("cleanup", "forget old failures of resources", lambda: resources.cleanup_quietly(call)),
    ]
    warnings = [f"every file on {found.vg} is lost"]
    overrides = ["other volumes of the group, disks that differ from those named"] if call.request.force else []
    plan = Plan(f"delete the GFS2 file system {found.names.mount}", steps, warnings, overrides)
    return Course(plan, lambda values: "Success to gfs delete", results)


def _find(call: Call) -> Found:
    request = call.request
    if not (request.every_disk and request.gfs_name and request.vg_name and request.lv_name):
        raise bad_field("disks", "all four are required", REQUIRED)
    names = Names.of(storage_names.gfs_name(request.gfs_name))
    vg = storage_names.vg_name(request.vg_name)
    lv = storage_names.lv_name(request.lv_name, vg=vg)
    devices = BlockDevices.read(call.env)
    facts = resources.facts(call)
    present = tuple(name for name in names.both if name in facts)
    has_group = any(group.name == vg for group in lvm.vgs(call.env.runner))
    below = _below(call, devices, vg, lv, has_group=has_group)
    if not present and not has_group and not below:
        raise Conflict(f"gfs disk not found: nothing is left of {request.gfs_name} on {vg}/{lv}")
    parents = volumes.parents(devices, below)
    system = next((disk.path for disk in parents if devices.is_system(disk)), None)
    if system:
        raise Conflict(f"{system} holds the running system; nothing was changed")
    mount = facts.primitives.get(names.mount)
    mount_point = mount.options.get("directory", "") if mount else request.mount_point
    uuids = tuple(volumes.partition_uuids(call.env, [disk.path for disk in parents]))
    return Found(names, vg, present, has_group, tuple(part.path for part in below), parents, mount_point, uuids)


def _below(call: Call, devices: BlockDevices, vg: str, lv: str, *, has_group: bool) -> Sequence[Device]:
    """The partitions that will be removed."""
    named = volumes.known_disks(devices, call.request.every_disk)
    return _below_group(call, devices, vg, lv, named) if has_group else _left_behind(call, devices, named)


def _below_group(call: Call, devices: BlockDevices, vg: str, lv: str, named: Sequence[Device]) -> Sequence[Device]:
    """The partitions below the volume. The disks named must be its own: who names others means another file system."""
    found = volumes.group(call.env, devices, vg, lv)
    removal.require_alone(found, force=call.request.force)
    own = {disk.kname for disk in found.disks}
    foreign = [disk.path for disk in named if disk.kname not in own]
    if foreign and not call.request.force:
        real = ", ".join(disk.path for disk in found.disks)
        raise Conflict(
            f"{vg} lies on {real}, not on {', '.join(foreign)}; nothing was changed. Name its own disks, "
            "or repeat with force: true",
            reasons=[f"lies on {real}"],
            force=True,
        )
    whole = [disk.path for disk in found.partitions if not disk.is_partition]
    if whole:
        raise Conflict(f"{vg} was not made by this API: {', '.join(whole)} is a physical volume without a partition")
    return found.partitions


def _left_behind(call: Call, devices: BlockDevices, named: Sequence[Device]) -> Sequence[Device]:
    """The group is gone already: partitions of the named disks that hold a physical volume of no group, or nothing
    while they still bear the file system's name."""
    free = {pv.name for pv in lvm.pvs(call.env.runner) if not pv.vg}
    parts = [part for disk in named if (part := devices.partition(disk, 1)) is not None]
    name = call.request.gfs_name
    return [part for part in parts if part.path in free or (part.partlabel == name and not part.fstype)]


def _resource_steps(call: Call, found: Found) -> list[Step]:
    if not found.present:
        return []
    present = found.present

    def stop() -> None:
        pcs.resource_disable(pcs.connect(call.env.runner), *present)
        resources.wait_stopped(call, found.names)

    def start() -> None:
        pcs.resource_enable(pcs.connect(call.undoing().env.runner), *present)

    stopping = Step(
        "stop-resources",
        f"unmount {found.names.mount} on every node",
        stop,
        start,
        undo_if_failed=True,
        commands=(["pcs", "resource", "disable", *present],),
    )
    return [stopping, _delete_step(call, found)]


def _delete_step(call: Call, found: Found) -> Step:
    return Step(
        "delete-resources",
        "take it out of the cluster",
        lambda: resources.delete(call, found.names),
        commands=[["pcs", "resource", "delete", name, "--force"] for name in reversed(found.present)],
        no_return=True,
    )


def _volume_steps(call: Call, found: Found) -> list[Step]:
    if not found.has_group:
        return []

    def stop_locks() -> None:
        everywhere.on_all(call, "stop-lockspace", node_disks.stop_lockspace, vg_name=found.vg)

    return [
        look("stop-lockspace", f"have every node let go of the locks of {found.vg}", stop_locks),
        Step(
            "remove-volume-group",
            f"remove {found.vg} and its volumes",
            lambda: removal.remove_group(call.env.runner, found.vg),
            commands=(["vgremove", "--yes", "--", found.vg],),
            no_return=True,
        ),
    ]


def _disk_steps(call: Call, found: Found, results: list[dict[str, Any]]) -> list[Step]:
    if not found.partitions:
        return []
    return [
        Step(
            "remove-physical-volumes",
            f"clear the physical volumes {', '.join(found.partitions)}",
            lambda: removal.remove_physical_volumes(call.env.runner, found.partitions),
            commands=[["pvremove", "-ff", "--yes", "--", part] for part in found.partitions],
            no_return=True,
        ),
        # While the partitions are still there: LVM finds the entries by them.
        look("release-nodes", "take them out of every node's devices file", lambda: _release_nodes(call, found, results)),
        Step(
            "remove-partitions",
            f"remove the partitions of {', '.join(found.disk_paths)}",
            lambda: _remove_partitions(call, found),
            commands=[["parted", "-s", disk, "rm", "1"] for disk in found.disk_paths],
        ),
        look("partprobe", "have every node see that they are gone", lambda: _probe(call, found)),
    ]


def _release_nodes(call: Call, found: Found, results: list[dict[str, Any]]) -> None:
    changes = {
        "disks": found.disk_paths,
        "disk": "",
        "mount_point": found.mount_point,
        "partition_uuids": list(found.partition_uuids),
    }
    outcomes = everywhere.on_all(call, "release-gfs-node", node_disks.release, **changes)
    results.extend(everywhere.entry(outcome) for outcome in outcomes)


def _remove_partitions(call: Call, found: Found) -> None:
    for disk in found.disk_paths:
        partitions.remove_if_there(call.env, disk)


def _probe(call: Call, found: Found) -> None:
    changes = {"disks": found.disk_paths, "disk": ""}
    everywhere.explained("partprobe", lambda: everywhere.on_all(call, "partprobe", node_disks.partprobe, **changes))
