"""What is left of earlier file systems, cleared before a new cluster is set up: only what was named, and what is free."""

from typing import Any

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.hosts import partitions, storage_names
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs import everywhere, node_cluster, node_disks, removal, volumes
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.hosts.gfs.node_steps import Results, node_step
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import lvm

PAIRS_REQUIRED = "volume_groups or vg_name/lv_name required when disks are provided"


def steps(call: Call, running: bool, results: Results) -> list[Step]:
    """Old volumes and partitions. Everything that is to be cleared is looked over now."""
    groups = _named_groups(call)
    devices = BlockDevices.read(call.env)
    _require_own_volumes(call)
    cleared = _own_disks(call, devices, groups, running=running)
    paths = [disk.path for disk in cleared]
    uuids = volumes.partition_uuids(call.env, paths)
    changes: dict[str, Any] = {"disks": paths, "disk": "", "mount_point": "", "partition_uuids": uuids}
    parts = [part.path for disk in cleared if (part := devices.partition(disk, 1)) is not None]
    return [
        node_step(call, results, "reset_lvm_conf", "modify-lvm-conf", node_cluster.modify_lvm_conf, use_lvmlockd=False),
        Step(
            "remove_volume_groups",
            f"remove {', '.join(groups)} and all on them",
            lambda: _remove_groups(call, groups),
            commands=[["vgremove", "--yes", "--", vg] for vg in groups],
        ),
        Step(
            "remove_partitions",
            f"clear {', '.join(paths)}",
            lambda: _clear_disks(call, parts, paths, changes),
            commands=[["parted", "-s", path, "rm", "1"] for path in paths],
        ),
        node_step(call, results, "partprobe", "partprobe", node_disks.partprobe, **changes),
    ]


def _named_groups(call: Call) -> list[str]:
    """Raises BadInput."""
    pairs = call.request.pairs
    if not pairs:
        raise bad_field("volume_groups", "required", PAIRS_REQUIRED)
    groups = list(dict.fromkeys(storage_names.vg_name(vg) for vg, _ in pairs))
    for vg, lv in pairs:
        storage_names.lv_name(lv, vg=vg)
    return groups


def _require_own_volumes(call: Call) -> None:
    named = set(call.request.pairs)
    groups = {vg for vg, _ in named}
    others = [f"{each.vg}/{each.name}" for each in lvm.lvs(call.env.runner) if each.vg in groups]
    others = [name for name in others if tuple(name.split("/", 1)) not in named]
    if others and not call.request.force:
        raise Conflict(
            f"{', '.join(others)} would be lost too; nothing was changed. Name them in volume_groups, or repeat with force: "
            "true to lose them",
            reasons=[f"holds {name}" for name in others],
            force=True,
        )


def _own_disks(call: Call, devices: BlockDevices, groups: list[str], *, running: bool) -> list[Device]:
    """The disks of the request: free, or carrying only the groups named. Nothing else is ever cleared here."""
    found = volumes.known_disks(devices, call.request.every_disk)
    members = {pv.name: pv.vg for pv in lvm.pvs(call.env.runner)}
    for disk in found:
        reasons = _strangers(devices, disk, members, groups, running=running)
        if reasons:
            raise Conflict(
                f"{disk.path} cannot be cleared: {'; '.join(reasons)}. Nothing was changed",
                fields=[("disks", reasons[0])],
                reasons=reasons,
                force=False,
            )
    return found


def _strangers(
    devices: BlockDevices, disk: Device, members: dict[str, str], groups: list[str], *, running: bool
) -> list[str]:
    if devices.is_system(disk):
        return ["it holds the running system"]
    told = []
    for part in disk.family():
        for place in part.mountpoints:
            # The cluster unmounts its own when it is stopped; nobody would unmount anything else.
            if not (running and part.fstype == "gfs2"):
                told.append(f"{part.name} is mounted at {place}")
        group = members.get(part.path, "")
        if group and group not in groups:
            told.append(f"{part.name} is a physical volume of {group}, which was not named")
    owned = any(part.path in members for part in disk.family())
    return told or ([] if owned else [text for text in devices.uses(disk) if not text.startswith("physical volume")])


def _remove_groups(call: Call, groups: list[str]) -> None:
    for vg in groups:
        removal.remove_group(call.env.runner, vg)


def _clear_disks(call: Call, parts: list[str], paths: list[str], changes: dict[str, Any]) -> None:
    removal.remove_physical_volumes(call.env.runner, parts)
    everywhere.on_all(call, "release-gfs-node", node_disks.release, **changes)
    for path in paths:
        partitions.remove_if_there(call.env, path)
