"""Flags of the deployment that a reset of the Cloud Center VM clears, on every host or on none."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.jobs.plan import Step
from ablestack_api.orchestrator import hand_on, targets
from ablestack_api.state.cluster_document import ClusterConfig

PATH = "/cube/system/config"
SECONDS = 60.0


def clear(env: Env, config: ClusterConfig, names: Sequence[str]) -> Step:
    """One change of all hosts for each flag; the cluster's own configuration call makes it."""
    told = ", ".join(f"bootstrap.{name}" for name in names)
    return Step("flags", f"set {told} to false on every host", partial(_clear, env, config, names))


def own_host(env: Env, config: ClusterConfig) -> Target:
    """This node as its peers call it. Raises Conflict when cluster.json does not name it."""
    own = next((target for target in targets.hosts(env.settings, config) if target.local), None)
    if own is None:
        raise Conflict("self host not found in cluster.json; ask a host of the cluster")
    return own


def _clear(env: Env, config: ClusterConfig, names: Sequence[str]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for name in names:
        body = {"action": "update", "option": "all", "depth1": "bootstrap", "depth2": name, "value": "false"}
        answer = hand_on.call(env, own_host(env, config), PATH, body, Deadline(env.clock, SECONDS), "")
        value = answer.get("val")
        results = list(value.get("results", ())) if isinstance(value, dict) else results
    return results
