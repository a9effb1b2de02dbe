"""The Cloud Center VM as a resource of Pacemaker: started, stopped and moved, each time until Pacemaker says it is done.

Used by `/cube/pcs/control`, `/cube/ccvm/lifecycle` and the backups. Every function works on the Pacemaker of this node.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import CommandFailed, CommandTimedOut, Conflict, NotFound
from ablestack_api.env import Env
from ablestack_api.tools import crm_mon, pcs
from ablestack_api.tools.crm_mon import STARTED, ClusterState, Resource

RESOURCE = "cloudcenter_res"
STOPPED = "Stopped"
POLL_SECONDS = 2.0
START_SECONDS = 25 * 60.0
STOP_SECONDS = 10 * 60.0
MOVE_SECONDS = 10 * 60.0


@dataclass(frozen=True)
class Place:
    """`node` is where it is started, as Pacemaker calls that node; empty when it is not started on exactly one."""

    resource: Resource
    node: str

    @property
    def role(self) -> str:
        return self.resource.role

    @property
    def started(self) -> bool:
        return self.role == STARTED and bool(self.node)

    @property
    def stopped(self) -> bool:
        return self.role == STOPPED and not self.resource.nodes

    @property
    def disabled(self) -> bool:
        """Pacemaker was told to keep it stopped."""
        return self.resource.attributes.get("target_role", "").lower() == STOPPED.lower()


def place_in(state: ClusterState, resource: str = RESOURCE) -> Place | None:
    """None when the cluster has no such resource."""
    found = next(iter(state.instances(resource)), None)
    if found is None:
        return None
    return Place(found, found.nodes[0] if found.role == STARTED and len(found.nodes) == 1 else "")


def read(env: Env, resource: str = RESOURCE) -> Place | None:
    """Raises what `crm_mon.read` raises: NotSetUp, PacemakerDown, ProgramMissing, CommandTimedOut, CommandFailed."""
    return place_in(crm_mon.read(env.runner, env.settings), resource)


def enable(env: Env, resource: str = RESOURCE, *, seconds: float = START_SECONDS) -> str:
    """Let it be started; returns the node on which it is. Raises NotFound, Conflict (no quorum), CommandTimedOut."""
    state = crm_mon.read(env.runner, env.settings)
    _require(state, resource)
    _require_quorum(state, f"{resource} cannot be started")
    tool = pcs.connect(env.runner)
    tool.run(["resource", "cleanup", resource])
    pcs.resource_enable(tool, resource)
    return _wait(env, resource, lambda place: place.started, "started", seconds, _cannot_start).node


def disable(env: Env, resource: str = RESOURCE, *, seconds: float = STOP_SECONDS) -> None:
    """Stop it and keep it stopped; returns when no node has it any more. Raises NotFound, CommandTimedOut."""
    _require(crm_mon.read(env.runner, env.settings), resource)
    pcs.resource_disable(pcs.connect(env.runner), resource)
    _wait(env, resource, lambda place: place.stopped, "stopped", seconds, _cannot_stop)


def move(env: Env, target: str, resource: str = RESOURCE, *, seconds: float = MOVE_SECONDS) -> tuple[str, str]:
    """To another node; returns (from, to). The constraint that moves it is taken back, whether it worked or not; Pacemaker
    lets it end by itself, should this node die first.

    Raises NotFound, Conflict (the node cannot take it, it is not started), CommandTimedOut.
    """
    state = crm_mon.read(env.runner, env.settings)
    place = _require(state, resource)
    require_can_move(state, place, target)
    tool = pcs.connect(env.runner)
    word = "move-with-constraint" if tool.version >= (0, 11, 0) else "move"
    tool.run(["resource", word, resource, target, f"lifetime=PT{seconds:.0f}S"])
    try:
        _wait(env, resource, lambda now: now.node == target, f"started on {target}", seconds)
    finally:
        tool.run(["resource", "clear", resource])
    return place.node, target


def require_can_move(state: ClusterState, place: Place, target: str) -> None:
    """All that can be known before: nothing is changed when one of it is wrong."""
    if not place.started:
        raise Conflict("Migration is not possible while stopped.")
    if place.node == target:
        raise Conflict("cannot be migrated to the same host.")
    node = next((node for node in state.nodes if node.name == target), None)
    if node is None:
        known = ", ".join(node.name for node in state.nodes)
        raise NotFound(f"Pacemaker knows no node {target}; it knows {known}. Nothing was changed")
    if not node.usable:
        raise Conflict(f"{target} cannot take it over: {_why_not(node.attributes)}. Nothing was changed")
    if place.resource.attributes.get("managed") == "false":
        raise Conflict(
            f"{place.resource.id} is not managed (maintenance?): Pacemaker would not move it. Nothing was changed"
        )
    _require_quorum(state, f"{place.resource.id} cannot be moved")


def failures(state: ClusterState, resource: str) -> list[str]:
    """What went wrong with it and was not cleaned up since, node by node: `start on cube1: not running`."""
    return [f"{each.task} on {each.node}: {each.reason}" for each in state.failures if each.resource == resource]


def _require(state: ClusterState, resource: str) -> Place:
    place = place_in(state, resource)
    if place is None:
        raise NotFound(f"resource not found: the cluster has no {resource}; nothing was changed")
    return place


def _require_quorum(state: ClusterState, what: str) -> None:
    if not state.has_quorum:
        online = ", ".join(node.name for node in state.nodes if node.online) or "none"
        raise Conflict(f"{what}: the cluster has no quorum (online: {online}). Nothing was changed")


def _wait(
    env: Env,
    resource: str,
    done: Callable[[Place], bool],
    wanted: str,
    seconds: float,
    hopeless: Callable[[ClusterState, Place], bool] = lambda _state, _place: False,
) -> Place:
    limit = Deadline(env.clock, seconds)
    while True:
        state = crm_mon.read(env.runner, env.settings)
        place = _require(state, resource)
        if done(place):
            env.readings.forget(crm_mon.READING)
            return place
        if hopeless(state, place):
            raise _failed(state, place, wanted)
        if limit.remaining() <= 0:
            raise _gave_up(state, place, wanted, seconds)
        env.clock.sleep(POLL_SECONDS)


def _cannot_start(state: ClusterState, place: Place) -> bool:
    """It failed to start on every node that may run it: Pacemaker tries none of them again before a cleanup."""
    failed = {each.node for each in state.failures if each.resource == place.resource.id and each.task == "start"}
    usable = {node.name for node in state.nodes if node.usable}
    return place.stopped and bool(usable) and usable <= failed


def _cannot_stop(_state: ClusterState, place: Place) -> bool:
    """It failed to stop, and without fencing Pacemaker does nothing more about it."""
    return place.resource.failed and place.resource.attributes.get("blocked") == "true"


def _failed(state: ClusterState, place: Place, wanted: str) -> CommandFailed:
    why = "; ".join(failures(state, place.resource.id)) or "it does not tell why"
    return CommandFailed(
        f"pcs resource {place.resource.id} is not {wanted}, and Pacemaker has given up: {why}. When the cause is gone, "
        f"pcs resource cleanup {place.resource.id} lets it try again",
        program="pcs",
        exit_code=1,
    )


def _gave_up(state: ClusterState, place: Place, wanted: str, seconds: float) -> CommandTimedOut:
    told = {key: place.resource.attributes.get(key, "") for key in ("role", "active", "failed", "blocked")}
    where = ", ".join(place.resource.nodes) or "no node"
    facts = " ".join(f"{key}={value}" for key, value in told.items())
    why = "; ".join(failures(state, place.resource.id))
    return CommandTimedOut(
        f"wait pcs resource {place.resource.id} {wanted} timed out after {seconds:g} s: {facts} on {where}"
        f"{f'. Pacemaker tells: {why}' if why else ''}. Pacemaker goes on trying; look at pcs status",
        program="pcs",
        seconds=seconds,
    )


def _why_not(attributes: Mapping[str, str]) -> str:
    if attributes.get("online") != "true":
        return "it is offline"
    words = ("standby", "standby_onfail", "maintenance", "pending", "unclean", "shutdown")
    return ", ".join(word for word in words if attributes.get(word) == "true") or "it is no full member"
