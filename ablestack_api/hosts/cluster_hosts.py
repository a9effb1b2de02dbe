"""The hosts of the cluster that a call concerns: all, or those that the caller names. Nobody else is called (D7)."""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from ablestack_api.core.errors import Conflict, bad_fields
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import targets
from ablestack_api.state import cluster_file, own_node

LONGEST_SHOWN = 80


def every(env: Env) -> list[Target]:
    """In the order of cluster.json; this node is known by its address or its name (contract 02 §0.4).

    Raises Conflict when there is none, and what reading cluster.json raises.
    """
    found = targets.hosts(env.settings, cluster_file.read(env.settings).document.cluster)
    if not found:
        raise Conflict("hosts[].ablecube required: the cluster has no hosts; apply its configuration first")
    return [replace(target, local=target.local or own_node.is_own_name(env.settings, target.hostname)) for target in found]


def chosen(env: Env, addresses: Sequence[str], hostnames: Sequence[str]) -> list[Target]:
    """Those with these addresses, else those with these names, else all; in the order of cluster.json.

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
