"""The hosts of the cluster that a call concerns: all, or those that the caller names. Nobody else is called (D7).

They are in the order of cluster.json; this node is known by its address or by its name (contract 02 §0.4).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from ablestack_api.core.errors import Conflict, bad_fields
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import targets
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig

LONGEST_SHOWN = 80


def of(env: Env, config: ClusterConfig) -> list[Target]:
    """The hosts of a configuration; it may have none."""
    return [
        replace(target, local=target.local or own_node.is_own_name(env.settings, target.hostname))
        for target in targets.hosts(env.settings, config)
    ]


def if_any(env: Env) -> list[Target]:
    """None where the node has no configuration yet: it is alone then. Raises what reading a damaged one raises."""
    return of(env, cluster_file.read_or_empty(env.settings).document.cluster)


def every(env: Env) -> list[Target]:
    """Raises Conflict when there is none, and what reading cluster.json raises."""
    return required(of(env, cluster_file.read(env.settings).document.cluster))


def required(hosts: list[Target]) -> list[Target]:
    """Raises Conflict: what belongs to a cluster is not begun on a node that is in none."""
    if not hosts:
        raise Conflict("hosts[].ablecube required: the cluster has no hosts; apply its configuration first")
    return hosts


def chosen(env: Env, addresses: Sequence[str], hostnames: Sequence[str]) -> list[Target]:
    """Those with these addresses, else those with these names, else all.

    Raises BadInput for an address or name that is no host's: nothing is sent then.
    """
    hosts = every(env)
    if addresses:
        known = {_plain(host.address): host for host in hosts}
        return _found("targets", [known.get(_plain(address)) for address in addresses], addresses, hosts)
    if hostnames:
        known = {host.hostname.lower(): host for host in hosts}
        return _found("target_hostnames", [known.get(name.lower()) for name in hostnames], hostnames, hosts)
    return hosts


def _found(field: str, found: Sequence[Target | None], given: Sequence[str], hosts: Sequence[Target]) -> list[Target]:
    faults = [
        (f"{field}[{number}]", f"{given[number][:LONGEST_SHOWN]!r} is no host of this cluster; nothing was sent")
        for number, target in enumerate(found)
        if target is None
    ]
    if faults:
        raise bad_fields(faults)
    return [host for host in hosts if host in found]


def _plain(address: str) -> str:
    """One address has several spellings."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
