"""What Pacemaker says of fencing, locks and GFS2 file systems (contract 02 §5)."""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hosts import gfs_readiness
from ablestack_api.hosts.gfs_readiness import LOCKING, PREFIX, is_gfs
from ablestack_api.hosts.gfs_status_models import GfsResources, GfsResourceStatus, GfsResourceStatusAnswer, RefreshQuery
from ablestack_api.tools import crm_mon
from ablestack_api.tools.crm_mon import ClusterState, Resource, ResourceHistory

FENCE = "fence-"
PROBE = "probe"


def read(env: Env, query: RefreshQuery) -> GfsResourceStatusAnswer:
    """Raises NotSetUp, PacemakerDown, ProgramMissing, CommandTimedOut, CommandFailed; their `val` is as in 0.1.2."""
    try:
        reading = env.readings.get(crm_mon.READING, lambda: crm_mon.read(env.runner, env.settings), refresh=query.refresh)
    except ApiError as error:
        error.members.setdefault("val", f"PCS Not Configured: {error.detail}")
        raise
    return GfsResourceStatusAnswer(val=status(reading.value), **reading.freshness())


def status(state: ClusterState) -> GfsResourceStatus:
    return GfsResourceStatus(
        nodes_info=[dict(node.attributes) for node in state.nodes],
        resources=GfsResources(
            fence_resources=_fences(state),
            glue_locking_resources=_entries(state, lambda each: each.id in LOCKING),
            gfs_mount_resources=_entries(state, is_gfs),
            glue_gfs_resources=_entries(state, lambda each: each.id.startswith(PREFIX)),
        ),
        node_history=_history(state),
        readiness=gfs_readiness.readiness(state),
    )


def _fences(state: ClusterState) -> list[dict[str, str]]:
    """`node_name` is the node a device fences: the one it is kept off, else the next one in turn."""
    avoided = {ban.resource: ban.node for ban in reversed(state.bans)}
    devices = [each for each in state.resources if each.id.startswith(FENCE)]
    entries = []
    for number, device in enumerate(devices):
        in_turn = state.nodes[number % len(state.nodes)].name if state.nodes else ""
        node = avoided.get(device.id, in_turn)
        entries.append({**device.attributes, **({"node_name": node} if node else {})})
    return entries


def _entries(state: ClusterState, belongs: Callable[[Resource], bool]) -> list[dict[str, str]]:
    """One entry for each node an instance is active on; one without `node_name` where it is active nowhere."""
    return [entry for each in state.resources if belongs(each) for entry in _by_node(each)]


def _by_node(resource: Resource) -> Iterable[dict[str, str]]:
    if not resource.nodes:
        return [dict(resource.attributes)]
    return [{**resource.attributes, "node_name": node} for node in resource.nodes]


def _history(state: ClusterState) -> list[dict[str, Any]]:
    """Nodes named by IPv4 addresses first, in numeric order, then the others by name."""
    by_node: dict[str, list[dict[str, Any]]] = {}
    for part in state.history:
        by_node.setdefault(part.node, []).append({"resource_id": part.resource, "operations": _operations(part)})
    return [{"node_name": name, "resource_histories": by_node[name]} for name in sorted(by_node, key=_rank)]


def _operations(part: ResourceHistory) -> list[dict[str, str]]:
    """Without probes; of several with the same call the first."""
    by_call: dict[str, dict[str, str]] = {}
    for operation in part.operations:
        if operation.get("task") != PROBE:
            by_call.setdefault(operation.get("call", ""), dict(operation))
    return list(by_call.values())


def _rank(name: str) -> tuple[int, int, str]:
    try:
        return 0, int(ipaddress.IPv4Address(name)), ""
    except ValueError:
        return 1, 0, name
