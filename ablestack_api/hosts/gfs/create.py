"""create-gfs: a GFS2 file system on new disks, mounted on every node (contract 02 §6.10)."""

from dataclasses import dataclass
from typing import Any

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.hosts import free_disks, partitions, storage_names
from ablestack_api.hosts.gfs import cib_change, everywhere, node_disks, removal, resources, volumes
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.everywhere import explained
from ablestack_api.hosts.gfs.looking import look, nothing
from ablestack_api.hosts.gfs.resources import Names
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.orchestrator import targets
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import gfs2, lvm, pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.pcs import Pcs

MIB = 1 << 20
JOURNAL_MB, RESOURCE_GROUP_MB = (512, 8, 1024), (1024, 32, 2048)
DEFAULT_CLUSTER = "cloudcenter_cluster"


@dataclass(frozen=True)
class Layout:
    """What is to be made: names, sizes in MiB, the disks by the path of the request."""

    vg: str
    lv: str
    gfs: str
    mount_point: str
    cluster: str
    journals: int
    journal_mb: int
    resource_group_mb: int
    paths: tuple[str, ...]
    partitions: tuple[NewPartition, ...]

    @property
    def lv_path(self) -> str:
        return f"/dev/{self.vg}/{self.lv}"

    @property
    def names(self) -> Names:
        return Names.of(self.gfs)


def course(call: Call) -> Course:
    """Everything is looked over before the first disk is touched. Raises BadInput, Conflict."""
    layout = _layout(call)
    facts = resources.facts(call)
    _require_room(call, layout, facts)
    results: list[dict[str, Any]] = []
    steps = [
        look("wait-locking", "wait until the cluster's locks work", lambda: _wait_ready(call)),
        *(partitions.making(call.env, new, lambda: call.undoing().env) for new in layout.partitions),
        _prepare_step(call, layout, results),
        *_volume_steps(call, layout),
        _mkfs_step(call, layout),
        _resource_step(call, layout),
        look("wait-mounted", "wait until it is mounted on every node", lambda: resources.wait_started(call, layout.names)),
        look("cleanup", "forget old failures of resources", lambda: resources.cleanup_quietly(call)),
    ]
    overrides = ["what lies on the disks"] if call.request.force else []
    plan = Plan(f"create the GFS2 file system {layout.gfs} on {', '.join(layout.paths)}", steps, overrides=overrides)
    return Course(plan, lambda values: _told(layout, values), results)


def sizes(config: ClusterConfig) -> tuple[int, int]:
    """Journal and resource group in MiB, from clusterConfig.gfs; 0 and absent mean the default. Raises Conflict."""
    block = (config.model_extra or {}).get("gfs")
    block = block if isinstance(block, dict) else {}
    return (
        _size(block.get("journal_size_mb"), "journal_size_mb", *JOURNAL_MB),
        _size(block.get("resource_group_size_mb"), "resource_group_size_mb", *RESOURCE_GROUP_MB),
    )


def _size(value: object, name: str, default: int, low: int, high: int) -> int:
    text = "0" if value in (None, "") else str(value).strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else -1
    if number == 0:
        return default
    if not low <= number <= high or number & (number - 1):
        raise Conflict(
            f"clusterConfig.gfs.{name} must be a power of two between {low}MB and {high}MB", fields=[(name, f"is {text}")]
        )
    return number


def _layout(call: Call) -> Layout:
    request = call.request
    vg = storage_names.vg_name(request.vg_name or "vg_glue")
    lv = storage_names.lv_name(request.lv_name or "lv_glue", vg=vg)
    gfs = storage_names.gfs_name(request.gfs_name or "glue-gfs")
    mount_point = storage_names.mount_point(request.mount_point or "/mnt/glue-gfs")
    cluster = storage_names.cluster_name(request.cluster_name) if request.cluster_name else ""
    journal_mb, group_mb = sizes(call.config)
    journals = len(targets.hosts(call.env.settings, call.config)) + 1
    paths = request.every_disk
    found = free_disks.find_each(call.env, paths, force=request.force)
    # What mkfs.gfs2 needs at least: the journals and two resource groups.
    free_disks.require_space(found, (journals * journal_mb + 2 * group_mb) * MIB, f"a file system with {journals} journals")
    return Layout(
        vg,
        lv,
        gfs,
        mount_point,
        cluster,
        journals,
        journal_mb,
        group_mb,
        tuple(paths),
        tuple(NewPartition(disk, gfs) for disk in found),
    )


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


def _prepare_step(call: Call, layout: Layout, results: list[dict[str, Any]]) -> Step:
    return prepare_step(call, list(layout.paths), layout.mount_point, results, "prepare_gfs_nodes")


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


def physical_volume_steps(call: Call, paths: list[str], *, force: bool) -> list[Step]:
    """Physical volumes on the new partitions, seen by every node before a volume group uses them."""
    made: list[str] = []

    def create() -> list[str]:
        for partition in new_partitions(call, paths):
            made.append(partition)
            lvm.pvcreate(call.env.runner, partition, force=force)
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


def new_partitions(call: Call, paths: list[str]) -> list[str]:
    return [partitions.await_first(call.env, path).path for path in paths]


def _volume_steps(call: Call, layout: Layout) -> list[Step]:
    paths = list(layout.paths)

    def create_group() -> None:
        lvm.vgcreate(call.env.runner, layout.vg, new_partitions(call, paths), shared=True)

    return [
        *physical_volume_steps(call, paths, force=True),
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
        cluster = layout.cluster or running or DEFAULT_CLUSTER
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
