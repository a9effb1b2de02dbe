"""`/cube/pcs/control`: on which node an action is done, and doing it there (contract 04 §1.3 to §1.5)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import fanout, hand_on, pacemaker_nodes
from ablestack_api.orchestrator.pacemaker_nodes import PacemakerNode
from ablestack_api.pacemaker import checked, cluster_actions, legacy_cron, resource_actions, setup
from ablestack_api.pacemaker.checked import READS, SETUP, SETUP_CRON
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.state import cluster_file

PATH = "/cube/pcs/control"
HEALTH_PATH = "/cube/cluster/health"
LOCAL_HEADER = "X-Cube-PCS-Local"
PROBE_SECONDS = 2.0
CRON_SECONDS = 60.0
# What one action may take at most: a start is waited for, a set-up copies a disk.
SECONDS = 30 * 60.0
SETUP_SECONDS = 60 * 60.0
HOLD = "pacemaker"
LOOK_AT = "pcs status --full and pcs constraint"

Told = dict[str, Any]

ON_RESOURCE: dict[str, Callable[[Env, ControlRequest], Told]] = {
    checked.CREATE: resource_actions.create,
    checked.ENABLE: resource_actions.enable,
    checked.DISABLE: resource_actions.disable,
    checked.MOVE: resource_actions.move,
    checked.CLEANUP: resource_actions.cleanup,
    checked.REMOVE: resource_actions.remove,
    checked.STATUS: resource_actions.status,
    checked.CCVM_STATUS: resource_actions.ccvm_status,
}
ON_CLUSTER: dict[str, Callable[[Env, ControlRequest, Progress], Told]] = {
    checked.CONFIG: cluster_actions.config,
    checked.DESTROY: cluster_actions.destroy,
    checked.STOP: cluster_actions.stop,
    checked.SYNC: cluster_actions.sync,
    checked.SETUP: setup.run,
}


def work(env: Env, request: ControlRequest, *, local: bool) -> Work:
    """What a route starts. Raises BadInput."""
    asked = checked.check(request)
    if asked.action == SETUP_CRON and not local:
        raise bad_field("action", "between nodes only", "unsupported action")
    reads = asked.action in READS
    do = partial(control, env, asked, local=local)
    return Work(f"pcs {asked.action}", do, () if reads else (HOLD,), reads_only=reads, look_at=LOOK_AT)


def control(env: Env, asked: ControlRequest, progress: Progress, *, local: bool = False) -> Told:
    """Do a checked action where it belongs; the body of the answer."""
    if local:
        return _answer(asked, "local", _here(env, asked, progress))
    nodes = pacemaker_nodes.list_nodes(env.settings, cluster_file.read_or_empty(env.settings).document.cluster)
    if asked.action == SETUP:
        return _set_up(env, asked, nodes, progress)
    target = executing_node(env, nodes)
    if target is None or target.local:
        return _answer(asked, target.address if target else "local", _here(env, asked, progress))
    return _there(env, target, asked, SECONDS)


def executing_node(env: Env, nodes: list[PacemakerNode]) -> Target | None:
    """This node when it is one of them, else the first that answers; None when cluster.json names none.

    Raises PeersFailed when none answers: an action is never done on a node outside the cluster (contract 04 B-14).
    """
    if not nodes:
        return None
    own = pacemaker_nodes.own(env.settings, nodes)
    if own is not None:
        return own.target if own.target.local else _as_local(own.target)
    silent = []
    for node in nodes:
        limit = Deadline(env.clock, PROBE_SECONDS)
        probe = fanout.call(env, node.target, "GET", HEALTH_PATH, deadline=limit)
        if probe.good:
            return node.target
        silent.append(f"{node.target.hostname}: {probe.message}")
    raise PeersFailed(f"no node of the Pacemaker cluster answers ({'; '.join(silent)}); nothing was done", results=[])


def _set_up(env: Env, asked: ControlRequest, nodes: list[PacemakerNode], progress: Progress) -> Told:
    """Old cron lines go on every node first, then one node sets it up (contract 04 §1.6.1)."""
    if not nodes:
        raise bad_field("clusterConfig.pcsCluster", "empty", "pcsCluster required")
    cron = asked.model_copy(update={"action": SETUP_CRON})
    with progress.step("setup-cron", "remove the cron lines of predecessors on every node"):
        outcomes = fanout.at_once([node.target for node in nodes], lambda target: _cron(env, target, cron, progress))
    entries = [_cron_entry(node, outcome) for node, outcome in zip(nodes, outcomes, strict=True)]
    if any(outcome.bad for outcome in outcomes):
        bad = next(outcome for outcome in outcomes if outcome.bad)
        raise PeersFailed(f"{bad.target.hostname}: {bad.message}; nothing was set up", results=entries)
    target = executing_node(env, nodes)
    try:
        if target is None or target.local:
            told = _answer(asked, target.address if target else "local", _here(env, asked, progress))
        else:
            told = _there(env, target, asked, SETUP_SECONDS)
    except ApiError as error:
        error.members["val"] = {"cron": entries, "setup": setup.FAILURE}
        raise
    return {**told, "val": {"cron": entries, "setup": setup.SUCCESS}}


def _cron(env: Env, target: Target, asked: ControlRequest, progress: Progress) -> fanout.Outcome:
    if target.local:
        return fanout.Outcome(target, fanout.OK, 200, value=_here(env, asked, progress)["val"])
    limit = Deadline(env.clock, CRON_SECONDS)
    return fanout.call(env, target, "POST", PATH, body=asked.model_dump(), deadline=limit, local_mode=LOCAL_HEADER)


def _cron_entry(node: PacemakerNode, outcome: fanout.Outcome) -> Told:
    return {**outcome.entry(), "pcs_host": node.name, "message": outcome.message or "ok", "val": outcome.value}


def _here(env: Env, asked: ControlRequest, progress: Progress) -> Told:
    if asked.action == SETUP_CRON:
        legacy_cron.clean(env, legacy_cron.SNAPSHOT_SCRIPT)
        return {"val": legacy_cron.DONE}
    if asked.action in ON_RESOURCE:
        with progress.step(asked.action, f"{asked.resource} {asked.target}".rstrip()):
            return ON_RESOURCE[asked.action](env, asked)
    return ON_CLUSTER[asked.action](env, asked, progress)


def _there(env: Env, target: Target, asked: ControlRequest, seconds: float) -> Told:
    told = hand_on.call(env, target, PATH, asked.model_dump(), Deadline(env.clock, seconds), LOCAL_HEADER)
    return {**told, "action": asked.action, "target": target.address}


def _answer(asked: ControlRequest, target: str, told: Told) -> Told:
    return {"code": 200, "message": "ok", "action": asked.action, "target": target, **told}


def _as_local(target: Target) -> Target:
    return Target(address=target.address, hostname=target.hostname, role=target.role, local=True)
