"""New disks of a file system: seen by every node, physical volumes before a volume group uses them."""

from collections.abc import Sequence
from typing import Any

from ablestack_api.hosts.gfs import everywhere, node_disks, removal, volumes
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.hosts.gfs.everywhere import explained
from ablestack_api.hosts.gfs.looking import look
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.jobs.plan import Step
from ablestack_api.tools import lvm


def prepare_step(call: Call, paths: list[str], mount_point: str, results: list[dict[str, Any]], failed: str) -> Step:
    """Every node sees the new partitions, under whatever names; `failed` is what 0.1.2 calls it when one does not."""
    changes: dict[str, Any] = {"disks": paths, "disk": "", "mount_point": mount_point}

    def do() -> list[dict[str, Any]]:
        changes["partition_uuids"] = volumes.partition_uuids(call.env, paths)
        outcomes = explained(failed, lambda: everywhere.on_all(call, "prepare-gfs-node", node_disks.prepare, **changes))
        results.extend(everywhere.entry(outcome) for outcome in outcomes)
        return list(results)

    def undo() -> None:
        if "partition_uuids" in changes:
            everywhere.on_all(call.undoing(), "release-gfs-node", node_disks.release, **changes)

    return Step("prepare-nodes", "have every node see the partitions", do, undo, undo_if_failed=True)


def physical_volume_steps(call: Call, new: Sequence[NewPartition], *, force: bool) -> list[Step]:
    """Physical volumes on the new partitions, seen by every node before a volume group uses them."""
    made: list[str] = []

    def create() -> list[str]:
        for partition in new:
            made.append(partition.path)
            lvm.pvcreate(call.env.runner, partition.path, force=force)
        return list(made)

    def remove() -> None:
        removal.remove_physical_volumes(call.undoing().env.runner, made)

    def see() -> None:
        uuids = [pv.uuid for pv in lvm.pvs(call.env.runner) if pv.name in made]
        everywhere.on_all(call, "see-physical-volumes", node_disks.see_volumes, pv_uuids=uuids)

    return [
        Step("create-physical-volumes", "make the partitions physical volumes of LVM", create, remove, undo_if_failed=True),
        look("see-physical-volumes", "have every node look whether it sees them", see),
    ]
