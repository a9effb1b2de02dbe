"""`status` of `/cube/pcs/control` (contract 04 §1.6.10). All values are texts, as Pacemaker prints them."""

from typing import Any

from ablestack_api.core.errors import Conflict, NotFound, NotSetUp, PacemakerDown
from ablestack_api.env import Env
from ablestack_api.machines import cloud_resource
from ablestack_api.tools import crm_mon
from ablestack_api.tools.crm_mon import ClusterState

# Two texts that consoles and the deploy status compare literally.
NOT_CONFIGURED, NO_RESOURCE = "cluster is not configured.", "resource not found."
NODE_KEYS = (
    "online",
    "resources_running",
    "standby",
    "standby_onfail",
    "maintenance",
    "pending",
    "unclean",
    "shutdown",
    "expected_up",
    "is_dc",
    "type",
)
RESOURCE_KEYS = ("role", "active", "blocked", "failed")


def read(env: Env, resource: str) -> dict[str, Any]:
    """The `val`. Raises Conflict (no cluster), NotFound (no such resource), and what crm_mon raises otherwise."""
    return view(state(env), resource)


def state(env: Env) -> ClusterState:
    """A node without a cluster, or whose cluster does not run, is told in 0.1.2's words and with the reason."""
    try:
        return crm_mon.read(env.runner, env.settings)
    except (NotSetUp, PacemakerDown) as error:
        raise Conflict(NOT_CONFIGURED, reason=error.detail) from error


def view(state: ClusterState, resource: str) -> dict[str, Any]:
    place = cloud_resource.place_in(state, resource)
    if place is None:
        raise NotFound(NO_RESOURCE)
    attributes = place.resource.attributes
    started = {"started": place.resource.nodes[0]} if len(place.resource.nodes) == 1 else {}
    return {
        "clustered_host": [node.name for node in state.nodes],
        "nodes": [{"host": node.name, **{key: node.attributes.get(key, "") for key in NODE_KEYS}} for node in state.nodes],
        **started,
        **{key: attributes.get(key, "") for key in RESOURCE_KEYS},
    }
