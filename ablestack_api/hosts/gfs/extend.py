"""extend: the LUN below the volume was enlarged; add-extend: new LUNs join it (contract 02 §6.12, §6.13)."""

import os
from collections.abc import Callable
from typing import Any

from ablestack_api.core.errors import ApiError, Conflict, bad_field
from ablestack_api.hosts import free_disks, partitions, storage_names
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.gfs import everywhere, node_disks, shared_disks, volumes
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.looking import look, nothing
from ablestack_api.hosts.gfs.volumes import Volume
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.state import mounts
from ablestack_api.tools import gfs2, lvm, parted, pcs


def extend_course(call: Call) -> Course:
    """Raises BadInput, Conflict."""
    found = _volume(call, "vg_name, lv_name and mount_point required")
    whole = [part.path for part in found.partitions if not part.is_partition]
    if whole:
        raise Conflict(f"{', '.join(whole)} is a physical volume without a partition; this API did not make it")
    results: list[dict[str, Any]] = []
    paths = [disk.path for disk in found.disks]
    steps = [
        look("rescan", "have every node see the new size", lambda: _rescan(call, results)),
        *_enlarging(call, found, paths),
        *_growth(call),
        look("partprobe-again", "have every node look once more", lambda: _probe(call, paths)),
    ]
    plan = Plan(f"extend {call.request.mount_point}", _with_maintenance(call, steps))
    return Course(plan, lambda values: "Success to extend GFS Disk", results, _end_maintenance(call))


def _enlarging(call: Call, found: Volume, paths: list[str]) -> list[Step]:
    parts = [part.path for part in found.partitions]
    return [
        Step(
            "grow-partitions",
            f"grow the partition of {', '.join(paths)} to the end of the disk",
            lambda: _each(paths, lambda path: parted.resize_partition(call.env.runner, path)),
            commands=[["parted", "-s", "--fix", path, "resizepart", "1", "100%"] for path in paths],
        ),
        look("partprobe", "have every node see the new partitions", lambda: _probe(call, paths)),
        Step(
            "grow-physical-volumes",
            f"grow {', '.join(parts)}",
            lambda: _each(parts, lambda part: lvm.pvresize(call.env.runner, part)),
            commands=[["pvresize", "--", part] for part in parts],
        ),
    ]


def add_course(call: Call) -> Course:
    """Raises BadInput, Conflict."""
    required = "disks, gfs_name, vg_name, lv_name and mount_point required"
    if not (call.request.every_disk and call.request.gfs_name):
        raise bad_field("disks", "all five are required", required)
    found = _volume(call, required)
    name = storage_names.gfs_name(call.request.gfs_name)
    paths = call.request.every_disk
    disks = free_disks.find_each(call.env, paths, force=call.request.force)
    new = [NewPartition(disk, name) for disk in disks]
    free_disks.require_space(disks, 4 * found.group.extent_size, "an extension")
    results: list[dict[str, Any]] = []
    steps = [
        *(partitions.making(call.env, each, lambda: call.undoing().env) for each in new),
        shared_disks.prepare_step(call, paths, "", results, "lvmdevices-add"),
        *shared_disks.physical_volume_steps(call, new, force=False),
        _group_step(call, new),
        *_growth(call),
    ]
    overrides = free_disks.lost(disks)
    plan = Plan(f"extend {call.request.mount_point} by {', '.join(paths)}", _with_maintenance(call, steps), (), overrides)
    return Course(plan, lambda values: "Success to Extend Add GFS Disk", results, _end_maintenance(call))


def _volume(call: Call, required: str) -> Volume:
    """The volume of the request, which is mounted here where the request says."""
    request = call.request
    if not (request.vg_name and request.lv_name and request.mount_point):
        raise bad_field("vg_name", "all are required", required)
    vg = storage_names.vg_name(request.vg_name)
    lv = storage_names.lv_name(request.lv_name, vg=vg)
    mount_point = storage_names.mount_point(request.mount_point)
    devices = BlockDevices.read(call.env)
    found = volumes.volume(call.env, devices, vg, lv)
    device = devices.find(f"/dev/{vg}/{lv}", "lv_name")
    if not _is_mounted(call, mount_point, {f"/dev/{vg}/{lv}", device.path, device.node}):
        raise Conflict(
            f"{vg}/{lv} is not mounted as gfs2 at {mount_point} on this node; a file system grows only while it is mounted. "
            "Nothing was changed"
        )
    return found


def _is_mounted(call: Call, mount_point: str, devices: set[str]) -> bool:
    return any(
        mount.mountpoint == mount_point
        and mount.fstype == "gfs2"
        and (mount.device in devices or os.path.realpath(mount.device) in devices)
        for mount in mounts.read(call.env.settings)
    )


def _growth(call: Call) -> list[Step]:
    """From here on it only goes forward: the file system may use the new space at any moment."""
    vg, lv, mount_point = call.request.vg_name, call.request.lv_name, call.request.mount_point
    return [
        Step(
            "grow-volume",
            f"grow {vg}/{lv} over all free space",
            lambda: lvm.lvextend(call.env.runner, vg, lv),
            commands=(["lvextend", "--extents", "+100%FREE", "--", f"{vg}/{lv}"],),
            no_return=True,
        ),
        Step(
            "grow-file-system",
            f"grow the file system at {mount_point}",
            lambda: gfs2.grow(call.env.runner, mount_point),
            commands=(["gfs2_grow", mount_point],),
        ),
    ]


def _group_step(call: Call, new: list[NewPartition]) -> Step:
    vg = call.request.vg_name
    added: list[str] = []

    def do() -> None:
        added.extend(each.path for each in new)
        lvm.vgextend(call.env.runner, vg, added)

    def undo() -> None:
        runner = call.undoing().env.runner
        inside = [pv.name for pv in lvm.pvs(runner) if pv.vg == vg and pv.name in added]
        if inside:
            lvm.vgreduce(runner, vg, inside)

    return Step("extend-volume-group", f"add them to {vg}", do, undo, undo_if_failed=True)


def _rescan(call: Call, results: list[dict[str, Any]]) -> None:
    outcomes = everywhere.explained("rescan multipath devices", lambda: everywhere.on_all(call, "rescan", node_disks.rescan))
    results.extend(everywhere.entry(outcome) for outcome in outcomes)


def _probe(call: Call, paths: list[str]) -> None:
    everywhere.explained(
        "partprobe", lambda: everywhere.on_all(call, "partprobe", node_disks.partprobe, disks=paths, disk="")
    )


def _with_maintenance(call: Call, steps: list[Step]) -> list[Step]:
    """The cluster leaves its resources alone while they grow. It is switched back in any case (`if_failed`)."""
    if not call.request.in_maintenance:
        return steps
    on = Step("maintenance-on", "have the cluster leave its resources alone", lambda: _maintenance(call, "true"), nothing)
    return [on, *steps, look("maintenance-off", "have it look after them again", lambda: _maintenance(call, "false"))]


def _end_maintenance(call: Call) -> Callable[[], None] | None:
    return (lambda: _maintenance(call.undoing(), "false")) if call.request.in_maintenance else None


def _maintenance(call: Call, value: str) -> None:
    try:
        pcs.set_properties(pcs.connect(call.env.runner), {"maintenance-mode": value})
    except ApiError as error:
        error.detail += f"; maintenance-mode could not be set to {value}: see pcs property"
        raise


def _each(names: list[str], work: Callable[[str], None]) -> None:
    for name in names:
        work(name)
