"""Which host does what only one may do with the Cloud Center VM."""

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, pacemaker_nodes, targets
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state.cluster_document import ClusterConfig

STANDALONE, VM, HCI_FILES = "ablestack-standalone", "ablestack-vm", "ablestack-hci-filesystem"
HEALTH_PATH = "/cube/cluster/health"
HEALTH_SECONDS = 2.0


def is_standalone(config: ClusterConfig) -> bool:
    return config.type.lower() == STANDALONE


def choose(env: Env, config: ClusterConfig) -> Target:
    """The first node of the Pacemaker cluster that is well, in the order of cluster.json; this node on standalone.

    Not this node because it happens to be asked: so that requests to different hosts meet at the same lock.
    Raises BadInput (no Pacemaker node is configured), PeersFailed (none answers).
    """
    if is_standalone(config):
        return targets.this_node(env.settings)
    nodes = [node.target for node in pacemaker_nodes.list_nodes(env.settings, config)]
    if not nodes:
        reason = "cluster.json names no node of the Pacemaker cluster"
        raise bad_field("clusterConfig.pcsCluster", reason, "pcsCluster required")
    outcomes = fanout.at_once(_up_to_this_node(nodes), lambda target: _probe(env, target))
    chosen = next((outcome.target for outcome in outcomes if outcome.good), None)
    if chosen is not None:
        return chosen
    told = ", ".join(f"{outcome.target.hostname} ({outcome.message})" for outcome in outcomes)
    raise PeersFailed(f"no node of the Pacemaker cluster answers: {told}", results=[each.entry() for each in outcomes])


def _up_to_this_node(nodes: list[Target]) -> list[Target]:
    """Who comes after this node is never needed: this one is well."""
    own = next((number for number, target in enumerate(nodes) if target.local), len(nodes) - 1)
    return nodes[: own + 1]


def _probe(env: Env, target: Target) -> Outcome:
    if target.local:
        return Outcome(target, fanout.OK, 200)
    return fanout.call(env, target, "GET", HEALTH_PATH, deadline=Deadline(env.clock, HEALTH_SECONDS))
