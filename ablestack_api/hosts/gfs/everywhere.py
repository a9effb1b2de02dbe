"""A part of the work on every node of the cluster, or all of it on the one node that does it (contract 02 §0.4, §6.2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, Busy, CommandTimedOut, Conflict, PeersFailed, ProgramMissing
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/gfs/manage"
LOCAL_HEADER = "X-Cube-GFS-Manage-Local"
HEALTH_PATH = "/cube/cluster/health"
HEALTH_SECONDS = 2.0
KEPT = ("val", "results", "steps", "errors", "holder", "age_seconds", "reasons", "program", "package", "force")
WITHOUT_SECRETS: dict[str, Any] = {"cluster_password": "", "stonith": []}

# What this node itself does for an action; returns the `val`.
Local = Callable[[Call], Any]


def on_all(call: Call, action: str, local: Local, **changes: Any) -> list[Outcome]:
    """Have every host do `action` side by side; a node without a configuration does it alone.

    Every node is tried. Raises PeersFailed (or, where only this node failed, its own error) with all results.
    """
    nodes = cluster_hosts.of(call.env, call.config) or [targets.this_node(call.env.settings)]
    # A password goes only where it is asked for.
    asked = replace(call.with_request(**{**WITHOUT_SECRETS, **changes, "action": action}), action=action)
    outcomes = fanout.at_once(nodes, lambda target: _on_node(asked, target, local))
    require_all(outcomes)
    return outcomes


def require_all(outcomes: list[Outcome]) -> None:
    bad = [outcome for outcome in outcomes if outcome.bad]
    if not bad:
        return
    results = [entry(outcome) for outcome in outcomes]
    told = "; ".join(f"{outcome.target.address}: {outcome.message}" for outcome in bad)
    own = bad[0].error
    if own is not None and len(bad) == 1:
        own.detail, own.members["results"] = told, results
        raise own
    raise PeersFailed(told, results=results)


def entry(outcome: Outcome, step: str = "") -> dict[str, Any]:
    """One element of `results` (contract 02 §6.3)."""
    target = outcome.target
    told: dict[str, Any] = {"step": step} if step else {}
    told |= {"hostname": target.hostname} if target.hostname else {}
    told |= {"target": target.address, "code": outcome.code, "outcome": outcome.outcome, "message": outcome.message or "ok"}
    return told if outcome.value is None else told | {"val": outcome.value}


def executor(env: Env, config: ClusterConfig) -> Target | None:
    """Who does what only one node may do: this one if it is a host, else the first that is well, else the first."""
    nodes = cluster_hosts.of(env, config)
    own = next((target for target in nodes if target.local), None)
    if own is not None or not nodes:
        return own
    deadline = Deadline(env.clock, HEALTH_SECONDS)
    probed = fanout.at_once(nodes, lambda target: fanout.call(env, target, "GET", HEALTH_PATH, deadline=deadline))
    return next((outcome.target for outcome in probed if outcome.good), nodes[0])


def forward(call: Call, target: Target, *, plan: bool = False) -> dict[str, Any]:
    """Have another node do all of it. Its answer is ours, a failure with everything it told."""
    path = f"{PATH}?plan=true" if plan else PATH
    outcome = _send(call, target, path)
    if not outcome.bad:
        return {**outcome.body, "target": target.address}
    raise _as_told(target, outcome)


def _as_told(target: Target, outcome: Outcome) -> ApiError:
    """The other node's own failure, with all that it told."""
    told, members = f"{target.address}: {outcome.message}", {key: outcome.body[key] for key in KEPT if key in outcome.body}
    kind: type[ApiError] = PeersFailed
    if outcome.code == 409:
        kind = Busy if "holder" in members else Conflict
    elif outcome.code in (400, 504) and outcome.body:
        kind = BadInput if outcome.code == 400 else CommandTimedOut
    elif "program" in members and outcome.code == 503:
        kind = ProgramMissing
    return kind(told, **members)


def _on_node(call: Call, target: Target, local: Local) -> Outcome:
    if target.local:
        return Outcome(target, fanout.OK, 200, value=local(call))
    return _send(call, target, PATH)


def _send(call: Call, target: Target, path: str) -> Outcome:
    body = call.request.model_dump()  # holds the passwords of the request: peers are called over TLS where it is set up
    return fanout.call(call.env, target, "POST", path, body=body, deadline=call.deadline, local_mode=LOCAL_HEADER)


def explained(prefix: str, work: Callable[[], Any]) -> Any:
    """Say which part failed, as 0.1.2's texts do."""
    try:
        return work()
    except ApiError as error:
        error.detail = f"{prefix} failed: {error.detail}"
        raise
