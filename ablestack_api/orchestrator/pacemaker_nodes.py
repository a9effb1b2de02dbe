"""The hosts of the Pacemaker cluster: what Pacemaker calls them, and where their API is (contract 04 §0.6, §1.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.orchestrator import targets
from ablestack_api.state import own_node
from ablestack_api.state.cluster_document import ClusterConfig, Host

VM_TYPE = "ablestack-vm"


@dataclass(frozen=True)
class PacemakerNode:
    """`name` as it stands in `pcsCluster` (an address or a host name), `names` all that Pacemaker may call it."""

    name: str
    target: Target
    names: frozenset[str]


def list_nodes(settings: Settings, config: ClusterConfig) -> list[PacemakerNode]:
    """In the order of `pcsCluster`; a name that no host has is left out: its address would be a client's guess (D7)."""
    found: dict[str, PacemakerNode] = {}
    for name in config.pcs_cluster:
        host = next((host for host in config.hosts if name.lower() in _names(host)), None)
        if host is not None and _address(config, host):
            node = PacemakerNode(name, _target(settings, config, host), frozenset(_names(host)))
            found.setdefault(node.target.address, node)
    return list(found.values())


def find(nodes: Sequence[PacemakerNode], name: str) -> PacemakerNode | None:
    """By any of its names."""
    return next((node for node in nodes if name.lower() in node.names), None)


def own(settings: Settings, nodes: Sequence[PacemakerNode]) -> PacemakerNode | None:
    """The one that this node is."""
    return next((node for node in nodes if node.target.local or own_node.is_own_name(settings, node.target.hostname)), None)


def _names(host: Host) -> set[str]:
    return {name.lower() for name in (host.ablecube_pn or "", host.ablecube, host.hostname) if name}


def _address(config: ClusterConfig, host: Host) -> str:
    if config.type.lower() == VM_TYPE and config.storage_network.lower() == "true" and host.ablecube_pn:
        return host.ablecube_pn
    return host.ablecube


def _target(settings: Settings, config: ClusterConfig, host: Host) -> Target:
    address = _address(config, host)
    known = next((each for each in targets.hosts(settings, config) if each.address == host.ablecube), None)
    if known is not None and address == host.ablecube:
        return known
    return replace(
        known or Target(address=address, hostname=host.hostname, role=targets.HOST),
        address=address,
        local=own_node.has_address(settings, address),
        source="",
    )
