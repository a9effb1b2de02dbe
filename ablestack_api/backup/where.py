"""On which node a backup runs: where the Cloud Center VM is started, found by Pacemaker (contract 04 §3.3)."""

from collections.abc import Callable
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict, NotFound, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.machines.cloud_resource import Place
from ablestack_api.orchestrator import fanout, pacemaker_nodes
from ablestack_api.orchestrator import hand_on as orchestrator_hand_on
from ablestack_api.orchestrator.pacemaker_nodes import PacemakerNode
from ablestack_api.state.cluster_document import ClusterConfig


def is_member(env: Env, config: ClusterConfig) -> bool:
    return pacemaker_nodes.own(env.settings, pacemaker_nodes.list_nodes(env.settings, config)) is not None


def started_on(env: Env, config: ClusterConfig, place: Place | None) -> PacemakerNode | None:
    """The host on which the VM is started, None when it is not. Raises Conflict when cluster.json does not name it."""
    if place is None or not place.started:
        return None
    node = pacemaker_nodes.find(pacemaker_nodes.list_nodes(env.settings, config), place.node)
    if node is None:
        raise Conflict(f"{place.resource.id} started node not found in cluster.json: {place.node}")
    return node


def hand_on(env: Env, target: Target, path: str, body: dict[str, Any], marker: str, deadline: Deadline) -> dict[str, Any]:
    """Let another node do it; its answer, with its address as the target. Raises as `orchestrator.hand_on`; then it is not
    tried anywhere else."""
    told = orchestrator_hand_on.call(env, target, path, body, deadline, marker)
    return told if told.get("target", "local") not in ("", "local") else {**told, "target": target.address}


def first_answering(
    env: Env, config: ClusterConfig, ask: Callable[[Target], dict[str, Any]], *, probe_seconds: float = 5.0
) -> dict[str, Any]:
    """Let the first node of the Pacemaker cluster that answers do it. Once one was asked, no other one is: it may be
    working although its answer did not come (contract 04 B-20)."""
    nodes = pacemaker_nodes.list_nodes(env.settings, config)
    if not nodes:
        raise NotFound("pcs cluster host not found: cluster.json names none; nothing was done")
    silent = []
    for node in nodes:
        probe = fanout.call(env, node.target, "GET", "/cube/cluster/health", deadline=Deadline(env.clock, probe_seconds))
        if probe.good:
            return ask(node.target)
        silent.append(f"{node.target.hostname}: {probe.message}")
    raise PeersFailed(f"healthy pcs cluster host not found: {'; '.join(silent)}; nothing was done", results=[])
