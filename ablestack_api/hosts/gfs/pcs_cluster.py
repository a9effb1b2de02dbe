"""init-pcs-cluster: an old cluster of Pacemaker removed, with its volumes if asked for, a new empty one set up
(contract 02 §6.6)."""

from typing import Any

from ablestack_api.core.errors import ApiError, Conflict, NotSetUp, PacemakerDown, bad_field
from ablestack_api.core.secret import Secret
from ablestack_api.hosts import partitions, storage_names
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs import everywhere, node_cluster, node_disks, removal, resources, volumes
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.create import DEFAULT_CLUSTER
from ablestack_api.hosts.gfs.everywhere import Local, explained
from ablestack_api.hosts.gfs.looking import look
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.orchestrator import targets
from ablestack_api.tools import crm_mon, lvm, pcs
from ablestack_api.tools.crm_mon import ClusterState

Results = list[dict[str, Any]]
PAIRS_REQUIRED = "volume_groups or vg_name/lv_name required when disks are provided"


def course(call: Call) -> Course:
    """Raises BadInput, Conflict (a cluster with resources runs, or what is to be cleared is not what was named)."""
    everywhere.require_hosts(call)
    name = storage_names.cluster_name(call.request.cluster_name or DEFAULT_CLUSTER)
    user = storage_names.cluster_user(call.request.cluster_user or node_cluster.DEFAULT_USER)
    running = _running(call)
    _require_empty(running, force=call.request.force)
    addresses = [target.address for target in targets.hosts(call.env.settings, call.config)]
    results: Results = []
    steps = [
        _destroy_step(call, running is not None),
        *(_clearing_steps(call, running is not None, results) if call.request.every_disk else []),
        *_setup_steps(call, name, user, addresses, results),
    ]
    warnings = [] if running is None else ["the running cluster is destroyed on every node"]
    overrides = ["the running cluster and its resources"] if call.request.force else []
    plan = Plan(f"set up the cluster {name} on {', '.join(addresses)}", steps, warnings, overrides)
    told = {"message": "Init PCS Cluster Success", "cluster_name": name, "hosts": addresses}
    return Course(plan, lambda values: told, results)


def _running(call: Call) -> ClusterState | None:
    try:
        return crm_mon.read(call.env.runner, call.env.settings)
    except (NotSetUp, PacemakerDown):
        return None


def _require_empty(state: ClusterState | None, *, force: bool) -> None:
    """A cluster without resources serves nobody: a set-up that stopped half-way is repeated without more ado."""
    names = list(dict.fromkeys(each.id for each in state.resources)) if state else []
    if names and not force:
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise Conflict(
            f"a cluster with {len(names)} resources runs on this node ({shown}); nothing was changed. Remove them first, or "
            "repeat with force: true to destroy the cluster and stop them all",
            reasons=[f"resource {name}" for name in names],
            force=True,
        )


def _destroy_step(call: Call, running: bool) -> Step:
    def do() -> None:
        if running:
            _stop(call)
        everywhere.on_all(call, "destroy-cluster-node", node_cluster.destroy)

    stop = [["pcs", "cluster", "stop", "--all"]] if running else []
    commands = [*stop, ["pcs", "cluster", "destroy"]]
    return Step("destroy_cluster", "remove what is left of another cluster from every node", do, commands=commands)


def _stop(call: Call) -> None:
    """Orderly, so that what is mounted is unmounted first."""
    try:
        pcs.cluster_stop(pcs.connect(call.env.runner))
    except ApiError as error:
        if not call.request.force:
            error.detail += "; the cluster was not destroyed. Repeat with force: true to destroy it as it is"
            raise


def _setup_steps(call: Call, name: str, user: str, addresses: list[str], results: Results) -> list[Step]:
    chosen: list[Secret] = []

    def set_password() -> None:
        chosen.append(node_cluster.chosen_password(call))
        changes = {"cluster_user": user, "cluster_password": chosen[0].reveal()}
        _on_all(call, results, "set_cluster_password", "set-cluster-password", node_cluster.set_password, **changes)

    def authenticate() -> None:
        pcs.host_auth(pcs.connect(call.env.runner), addresses, user, chosen[0])
        results.append(_own_result(call, "auth_hosts", {"authenticated": addresses}))

    def set_up() -> None:
        tool = pcs.connect(call.env.runner)
        pcs.cluster_setup(tool, name, addresses)
        pcs.cluster_enable(tool)
        resources.wait_online(call, addresses)
        value = {"cluster_name": name, "hosts": addresses, "enabled": True, "status": pcs.cluster_status(tool)}
        results.append(_own_result(call, "setup_cluster", value))

    def take_down() -> None:
        everywhere.on_all(call.undoing(), "destroy-cluster-node", node_cluster.destroy)

    return [
        _step(call, results, "modify_lvm_conf", "modify-lvm-conf", node_cluster.modify_lvm_conf, use_lvmlockd=True),
        Step("set_cluster_password", f"set the password of {user} on every node", set_password),
        look("auth_hosts", "have this node's pcs trusted by every node", authenticate),
        Step(
            "setup_cluster",
            f"set up {name}, start it, have it start with the nodes",
            set_up,
            take_down,
            undo_if_failed=True,
            commands=(["pcs", "cluster", "setup", name, "--start", *addresses], ["pcs", "cluster", "enable", "--all"]),
        ),
    ]


def _clearing_steps(call: Call, running: bool, results: Results) -> list[Step]:
    """Old volumes and partitions. Everything that is to be cleared is looked over now."""
    pairs = call.request.pairs
    if not pairs:
        raise bad_field("volume_groups", "required", PAIRS_REQUIRED)
    groups = list(dict.fromkeys(storage_names.vg_name(vg) for vg, _ in pairs))
    for vg, lv in pairs:
        storage_names.lv_name(lv, vg=vg)
    devices = BlockDevices.read(call.env)
    _require_own_volumes(call, pairs)
    cleared = _own_disks(call, devices, groups, running=running)
    paths = [disk.path for disk in cleared]
    uuids = volumes.partition_uuids(call.env, paths)
    changes: dict[str, Any] = {"disks": paths, "disk": "", "mount_point": "", "partition_uuids": uuids}
    parts = [part.path for disk in cleared if (part := devices.partition(disk, 1)) is not None]
    return [
        _step(call, results, "reset_lvm_conf", "modify-lvm-conf", node_cluster.modify_lvm_conf, use_lvmlockd=False),
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
        _step(call, results, "partprobe", "partprobe", node_disks.partprobe, **changes),
    ]


def _require_own_volumes(call: Call, pairs: list[tuple[str, str]]) -> None:
    named = set(pairs)
    groups = {vg for vg, _ in pairs}
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


def _step(call: Call, results: Results, name: str, action: str, local: Local, **changes: Any) -> Step:
    def do() -> None:
        _on_all(call, results, name, action, local, **changes)

    return Step(name, f"{action} on every node", do)


def _on_all(call: Call, results: Results, name: str, action: str, local: Local, **changes: Any) -> None:
    outcomes = explained(name, lambda: everywhere.on_all(call, action, local, **changes))
    results.extend(everywhere.entry(outcome, name) for outcome in outcomes)


def _own_result(call: Call, step: str, value: dict[str, Any]) -> dict[str, Any]:
    own = next((each for each in everywhere.members(call.env, call.config) if each.local), None)
    own = own or targets.this_node(call.env.settings)
    return {
        "step": step,
        "hostname": own.hostname,
        "target": own.address,
        "code": 200,
        "outcome": "ok",
        "message": "ok",
        "val": value,
    }
