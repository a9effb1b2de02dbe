"""What the hosts are asked to do for RBD images: all of them, this one first."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts.rbd import node
from ablestack_api.hosts.rbd.names import CHECK, CREATE, Wanted
from ablestack_api.jobs.progress import Progress, Quiet
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome

PATH = "/cube/rbd/manage"
LOCAL_MODE = "X-Cube-RBD-Manage-Local"
CALL_SECONDS = 60.0
IMAGE_SECONDS = 90.0
FAILED_DEPENDENCY = 424


def own_part(env: Env, wanted: Wanted, progress: Progress) -> Any:
    """What this node does of it; the `val` of its answer."""
    if wanted.action == CHECK:
        return [each.shape() for each in node.usage(env, wanted.names)]
    if wanted.action == CREATE:
        node.attach(env, wanted.names, map_now=wanted.map, progress=progress)
    else:
        node.detach(env, wanted.names, force=wanted.force, progress=progress)
    return list(wanted.names)


def part(wanted: Wanted, action: str, names: Sequence[str], *, force: bool = False, map_now: bool | None = None) -> Wanted:
    """What one node has to do of a request."""
    mapping = wanted.map if map_now is None else map_now
    return replace(wanted, action=action, names=tuple(names), pieces=(), map=mapping, force=force)


def each(env: Env, asked: Sequence[Target], wanted: Wanted, progress: Progress | None = None) -> list[Outcome]:
    """This node first, and when it fails nobody else is asked; then all others side by side. In the order of `asked`."""
    limit = Deadline(env.clock, CALL_SECONDS + IMAGE_SECONDS * len(wanted.names))
    body = {
        "action": wanted.action,
        "images": list(wanted.names),
        "pool_name": wanted.pool,
        "map": wanted.map,
        "force": wanted.force,
    }

    def ask(target: Target) -> Outcome:
        if target.local:
            return Outcome(target, fanout.OK, 200, value=own_part(env, wanted, progress or Quiet()))
        return fanout.call(env, target, "POST", PATH, body=body, deadline=limit, local_mode=LOCAL_MODE)

    outcomes = fanout.at_once([target for target in asked if target.local], ask)
    others = [target for target in asked if not target.local]
    if any(outcome.bad for outcome in outcomes):
        told = "not asked: the first node failed"
        outcomes += [Outcome(target, fanout.SKIPPED, FAILED_DEPENDENCY, told, sent=False) for target in others]
    else:
        outcomes += fanout.at_once(others, ask)
    return sorted(outcomes, key=lambda outcome: asked.index(outcome.target))


def require_good(outcomes: Sequence[Outcome], what: str) -> None:
    """Raises PeersFailed naming each node that failed; Conflict when all that did only refuse."""
    failed = [outcome for outcome in outcomes if outcome.bad]
    if not failed:
        return
    told = "; ".join(f"{outcome.target.address}: {outcome.message}" for outcome in failed)
    kind: type[ApiError] = Conflict if all(outcome.code == Conflict.status for outcome in failed) else PeersFailed
    raise kind(f"{what}: {told}", results=[entry(outcome) for outcome in outcomes])


def entry(outcome: Outcome, images: Sequence[str] = ()) -> dict[str, Any]:
    """One element of `results`, as 0.1.2 had it: a good one says ok and lists the images."""
    told = {"message": "ok", **outcome.entry()}
    return told | ({"images": list(images)} if outcome.good else {})
