"""create-gfs: a GFS2 file system on new disks, mounted on every node (contract 02 §6.10)."""

from typing import Any

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.hosts import free_disks, partitions, storage_names
from ablestack_api.hosts.gfs import cib_change, removal, resources, shared_disks
from ablestack_api.hosts.gfs import layout as layouts
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.everywhere import explained
from ablestack_api.hosts.gfs.layout import Layout
from ablestack_api.hosts.gfs.looking import look, nothing
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.tools import gfs2, lvm, pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.pcs import Pcs


def course(call: Call) -> Course:
    """Everything is looked over before the first disk is touched. Raises BadInput, Conflict."""
    layout = layouts.of(call)
    facts = resources.facts(call)
    _require_room(call, layout, facts)
    results: list[dict[str, Any]] = []
    steps = [
        look("wait-locking", "wait until the cluster's locks work", lambda: _wait_ready(call)),
        *(partitions.making(call.env, new, lambda: call.undoing().env) for new in layout.partitions),
        shared_disks.prepare_step(call, list(layout.paths), layout.mount_point, results, "prepare_gfs_nodes"),
        *_volume_steps(call, layout),
        _mkfs_step(call, layout),
        _resource_step(call, layout),
        look("wait-mounted", "wait until it is mounted on every node", lambda: resources.wait_started(call, layout.names)),
        look("cleanup", "forget old failures of resources", lambda: resources.cleanup_quietly(call)),
    ]
    overrides = free_disks.lost([new.disk for new in layout.partitions])
    plan = Plan(f"create the GFS2 file system {layout.gfs} on {', '.join(layout.paths)}", steps, overrides=overrides)
    return Course(plan, lambda values: _told(layout, values), results)


def _require_room(call: Call, layout: Layout, facts: Cib) -> None:
    if any(group.name == layout.vg for group in lvm.vgs(call.env.runner)):
        raise Conflict(f"the volume group {layout.vg} exists already; choose another vg_name, or delete-gfs it first")
    for name in (*layout.names.both, *layout.names.clones):
        if name in facts:
            raise Conflict(f"the cluster has a resource {name} already; choose another gfs_name, or delete-gfs it first")
    if resources.LOCKING not in facts:
        raise Conflict(f"the cluster has no {resources.LOCKING}; run configure-stonith first")
    running = facts.properties.get("cluster-name", "")
    if layout.cluster and running and layout.cluster != running:
        raise bad_field(
            "cluster_name", f"the running cluster is called {running}; a file system of another cannot be mounted"
        )


def _wait_ready(call: Call) -> None:
    explained("wait_pcs_ready", lambda: resources.wait_ready(call))


def _volume_steps(call: Call, layout: Layout) -> list[Step]:
    def create_group() -> None:
        lvm.vgcreate(call.env.runner, layout.vg, [new.path for new in layout.partitions], shared=True)

    return [
        *shared_disks.physical_volume_steps(call, layout.partitions, force=True),
        Step(
            "create-volume-group",
            f"make the shared volume group {layout.vg}",
            create_group,
            lambda: removal.remove_group(call.undoing().env.runner, layout.vg),
            undo_if_failed=True,
            commands=(["vgcreate", "--yes", "--shared", "--", layout.vg, "…"],),
        ),
        Step(
            "create-volume",
            f"make the volume {layout.vg}/{layout.lv} of all its space",
            lambda: lvm.lvcreate(call.env.runner, layout.vg, layout.lv, activate="sy"),
            nothing,  # it goes with its group
            commands=(["lvcreate", "--activate", "sy", "--extents", "100%FREE", "--name", layout.lv, "--", layout.vg],),
        ),
    ]


def _mkfs_step(call: Call, layout: Layout) -> Step:
    def do() -> str:
        running = resources.facts(call).properties.get("cluster-name", "")
        cluster = layout.cluster or running or storage_names.DEFAULT_CLUSTER
        gfs2.mkfs(
            call.env.runner,
            layout.lv_path,
            f"{cluster}:{layout.gfs}",
            journals=layout.journals,
            journal_mb=layout.journal_mb,
            resource_group_mb=layout.resource_group_mb,
        )
        return cluster

    text = f"make the file system with {layout.journals} journals of {layout.journal_mb} MiB"
    return Step("make-file-system", text, do, nothing)  # the volume below it goes as a whole


def _resource_step(call: Call, layout: Layout) -> Step:
    def do() -> None:
        explained("pcs_resource_create", lambda: cib_change.change(call, lambda tool, facts: _add_resources(tool, layout)))

    return Step(
        "create-resources",
        "have the cluster activate and mount it on every node",
        do,
        lambda: resources.remove(call.undoing(), layout.names),
        undo_if_failed=True,
    )


def _add_resources(tool: Pcs, layout: Layout) -> None:
    """The volume after the locks, the file system after the volume, each where the one before is."""
    volume, mount = layout.names.both
    volume_clone, mount_clone = layout.names.clones
    options = {"lvname": layout.lv, "vgname": layout.vg, "activation_mode": "shared", "vg_access_mode": "lvmlockd"}
    pcs.resource_create(tool, volume, resources.VOLUME_AGENT, options, group=f"{layout.gfs}-group")
    pcs.resource_clone(tool, volume)
    pcs.order(tool, resources.LOCKING, volume_clone)
    pcs.colocate(tool, volume_clone, resources.LOCKING)
    options = {"device": layout.lv_path, "directory": layout.mount_point, "fstype": "gfs2", "options": "noatime"}
    operations = ["monitor", "timeout=120s", "interval=10s", "op", "start", "timeout=80s", "op", "stop", "timeout=80s"]
    pcs.resource_create(
        tool,
        mount,
        resources.MOUNT_AGENT,
        options,
        operations=[*operations, "on-fail=fence"],
        group=f"{layout.gfs}-group",
    )
    pcs.resource_clone(tool, mount)
    pcs.order(tool, volume_clone, mount_clone)
    pcs.colocate(tool, mount_clone, volume_clone)


def _told(layout: Layout, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "message": "Create GFS Success",
        "cluster_name": values["make-file-system"],
        "gfs_name": layout.gfs,
        "mount_point": layout.mount_point,
        "vg_name": layout.vg,
        "lv_name": layout.lv,
        "lv_path": layout.lv_path,
        "journals": layout.journals,
        "journal_size_mb": layout.journal_mb,
        "resource_group_size_mb": layout.resource_group_mb,
        "partitions": [values[new.step_name] for new in layout.partitions],
        "prepare_nodes": values["prepare-nodes"],
    }
