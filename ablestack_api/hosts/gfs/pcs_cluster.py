"""init-pcs-cluster: an old cluster of Pacemaker removed, with its volumes if asked for, a new empty one set up
(contract 02 §6.6)."""

from typing import Any

from ablestack_api.core.errors import ApiError, Conflict, NotSetUp, PacemakerDown
from ablestack_api.core.secret import Secret
from ablestack_api.hosts import cluster_hosts, storage_names
from ablestack_api.hosts.gfs import clearing, everywhere, node_cluster, resources
from ablestack_api.hosts.gfs.call import Call, Course
from ablestack_api.hosts.gfs.looking import look
from ablestack_api.hosts.gfs.node_steps import Results, node_step, on_all
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.tools import crm_mon, pcs
from ablestack_api.tools.crm_mon import ClusterState


def course(call: Call) -> Course:
    """Raises BadInput, Conflict (a cluster with resources runs, or what is to be cleared is not what was named)."""
    hosts = cluster_hosts.required(cluster_hosts.of(call.env, call.config))
    name = storage_names.cluster_name(call.request.cluster_name or storage_names.DEFAULT_CLUSTER)
    user = storage_names.cluster_user(call.request.cluster_user or node_cluster.DEFAULT_USER)
    running = _running(call)
    _require_empty(running, force=call.request.force)
    addresses = [target.address for target in hosts]
    results: Results = []
    steps = [
        _destroy_step(call, running is not None),
        *(clearing.steps(call, running is not None, results) if call.request.every_disk else []),
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
        on_all(call, results, "set_cluster_password", "set-cluster-password", node_cluster.set_password, **changes)

    def authenticate() -> None:
        pcs.host_auth(pcs.connect(call.env.runner), addresses, user, chosen[0])
        results.append(_own_result(call, "auth_hosts", {"authenticated": addresses}))

    return [
        node_step(call, results, "modify_lvm_conf", "modify-lvm-conf", node_cluster.modify_lvm_conf, use_lvmlockd=True),
        Step("set_cluster_password", f"set the password of {user} on every node", set_password),
        look("auth_hosts", "have this node's pcs trusted by every node", authenticate),
        _setup_step(call, name, addresses, results),
    ]


def _setup_step(call: Call, name: str, addresses: list[str], results: Results) -> Step:
    def set_up() -> None:
        tool = pcs.connect(call.env.runner)
        pcs.cluster_setup(tool, name, addresses)
        pcs.cluster_enable(tool)
        resources.wait_online(call, addresses)
        value = {"cluster_name": name, "hosts": addresses, "enabled": True, "status": pcs.cluster_status(tool)}
        results.append(_own_result(call, "setup_cluster", value))

    def take_down() -> None:
        everywhere.on_all(call.undoing(), "destroy-cluster-node", node_cluster.destroy)

    return Step(
        "setup_cluster",
        f"set up {name}, start it, have it start with the nodes",
        set_up,
        take_down,
        undo_if_failed=True,
        commands=(["pcs", "cluster", "setup", name, "--start", *addresses], ["pcs", "cluster", "enable", "--all"]),
    )


def _own_result(call: Call, step: str, value: dict[str, Any]) -> dict[str, Any]:
    own = next((each for each in cluster_hosts.of(call.env, call.config) if each.local), None)
    own = own or targets.this_node(call.env.settings)
    return everywhere.entry(Outcome(own, fanout.OK, 200, value=value), step)
