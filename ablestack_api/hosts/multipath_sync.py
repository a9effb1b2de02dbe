"""POST /cube/multipath/sync: this node's names of multipath maps for every host of the cluster (contract 02 §11)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablestack_api.core.bounded_runner import BoundedRunner
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts, multipath_node, storage_readings, storage_work
from ablestack_api.hosts.multipath_models import RESCAN, SYNC, MultipathSyncRequest
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import multipath_files
from ablestack_api.state.multipath_files import BINDINGS, WWIDS

PATH = "/cube/multipath/sync"
LOCAL_MODE = "X-Cube-Multipath-Sync-Local"
SECONDS = 240.0
FANOUT, LOCAL = "fanout", "local"

Body = dict[str, Any]


def begin(env: Env, request: MultipathSyncRequest, deadline: Deadline, *, local: bool, show: bool) -> Work | Body:
    """The work, or what it would do (`show`); of this node alone (`local`) when another one asks for its part.

    Raises BadInput before anything is begun.
    """
    seconds, wanted = deadline.remaining(), request.wanted
    texts = _check_part(request) if local else None
    hosts = [] if local else cluster_hosts.chosen(env, request.addresses, request.hostnames)
    if show:
        return _show_part(env, texts) if local else _show(env, wanted, hosts)

    def do(progress: Progress) -> Body:
        return _run_part(env, texts, progress, seconds) if local else _run(env, wanted, hosts, progress, seconds)

    return Work(f"multipath {wanted}", do, holds=(storage_work.HOLD,), look_at="systemctl status multipathd; multipath -ll")


# --- this node's part, asked for by another node ---------------------------------------------------------------------


def _check_part(request: MultipathSyncRequest) -> Mapping[str, str] | None:
    """The files that another node sent; None for a rescan. Raises BadInput before anything is done."""
    if request.wanted == RESCAN:
        return None
    if not request.source_provided:
        raise bad_field("source_provided", "a sync between nodes carries bindings and wwids")
    texts = {BINDINGS: request.bindings or "", WWIDS: request.wwids or ""}
    for field, place in (("bindings", BINDINGS), ("wwids", WWIDS)):
        if fault := multipath_files.fault_of(place, texts[place]):
            raise bad_field(field, fault)
    return texts


def _show_part(env: Env, texts: Mapping[str, str] | None) -> Body:
    shape = multipath_node.node_plan(env, env, texts).shape()
    return {"code": 200, "val": shape, "message": "ok", "action": _action(texts), "target": LOCAL}


def _run_part(env: Env, texts: Mapping[str, str] | None, progress: Progress, seconds: float) -> Body:
    try:
        told = _here(env, texts, progress, seconds)
    except ApiError as error:
        error.members |= {"action": _action(texts), "target": LOCAL}
        raise
    return {"code": 200, "message": "ok", "action": _action(texts), "target": LOCAL, **told}


# --- the whole cluster -----------------------------------------------------------------------------------------------


def _show(env: Env, wanted: str, hosts: Sequence[Target]) -> Body:
    """What would be done on each of the hosts, as seen from this one."""
    shape = multipath_node.node_plan(env, env, _source(env, wanted)).shape()
    named = [{"hostname": host.hostname, "target": host.address} for host in hosts]
    val = {**shape, "targets": named}
    return {"code": 200, "val": val, "message": "ok", "action": wanted, "target": FANOUT}


def _run(env: Env, wanted: str, hosts: Sequence[Target], progress: Progress, seconds: float) -> Body:
    """Every host is tried. Raises PeersFailed with the results of all when one fails."""
    _source(env, wanted)  # what cannot be read or is damaged is told before anything is done
    deadline = Deadline(env.clock, seconds)
    outcomes = _everywhere(env, wanted, hosts, progress, deadline)
    results = [_result(outcome) for outcome in outcomes]
    failed = [outcome for outcome in outcomes if outcome.bad]
    if failed:
        told = "; ".join(f"{outcome.target.hostname or outcome.target.address}: {outcome.message}" for outcome in failed)
        raise PeersFailed(told, results=results, action=wanted, target=FANOUT)
    return {"code": 200, "message": "ok", "action": wanted, "target": FANOUT, "results": results}


def _source(env: Env, wanted: str) -> Mapping[str, str] | None:
    return None if wanted == RESCAN else multipath_files.read_source(env.settings)


def _everywhere(env: Env, wanted: str, hosts: Sequence[Target], progress: Progress, deadline: Deadline) -> list[Outcome]:
    """This node first: what it finds gets its names here, and with these names it is found by the others."""
    own: Mapping[str, str] | None = None if wanted == RESCAN else {}
    here = [host for host in hosts if host.local]
    outcomes = fanout.at_once(
        here, lambda host: Outcome(host, fanout.OK, 200, body=_here(env, own, progress, deadline.remaining()))
    )
    texts = _source(env, wanted)
    others = [host for host in hosts if not host.local]
    outcomes += fanout.at_once(others, lambda host: _there(env, host, texts, deadline))
    return sorted(outcomes, key=lambda outcome: hosts.index(outcome.target))


def _there(env: Env, target: Target, texts: Mapping[str, str] | None, deadline: Deadline) -> Outcome:
    body: Body = {"action": _action(texts)}
    if texts is not None:
        body |= {"bindings": texts[BINDINGS], "wwids": texts[WWIDS], "source_provided": True}
    return fanout.call(env, target, "POST", PATH, body=body, deadline=deadline, local_mode=LOCAL_MODE)


def _here(env: Env, texts: Mapping[str, str] | None, progress: Progress, seconds: float) -> Body:
    bounded = replace(env, runner=BoundedRunner(env.runner, Deadline(env.clock, seconds)))
    try:
        return {"steps": multipath_node.run(multipath_node.node_plan(bounded, env, texts), progress)}
    finally:
        storage_readings.forget(env)


def _result(outcome: Outcome) -> Body:
    entry = {"message": "ok", **outcome.entry()}
    del entry["role"]
    steps = outcome.body.get("steps") or outcome.members.get("steps")
    return entry | ({"steps": steps} if isinstance(steps, list) else {})


def _action(texts: Mapping[str, str] | None) -> str:
    return RESCAN if texts is None else SYNC
