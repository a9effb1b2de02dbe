"""/etc/hosts sorted by network and role (contract 01 §7.1)."""

import ipaddress
import os
import re
from dataclasses import dataclass

from ablestack_api.core.errors import ApiError, FileUnusable
from ablestack_api.env import Env
from ablestack_api.hosts.models import HostLine, HostsAnswer, NetworkGroup
from ablestack_api.state import cluster_file, hosts_file
from ablestack_api.state.cluster_document import ClusterConfig

MANAGEMENT, PUBLIC, CLIENT = "management-network", "public-network", "client-network"
SELF_NAMES = ("ablecube", "scvm", "pn-ablecube", "ablecube-pn", "cn-scvm", "scvm-cn")
# The product's names in prefix and suffix style. Whole names, not pieces: `open-pnp-1` is nobody's storage address.
PUBLIC_NAME = re.compile(r"pn-ablecube\d*|ablecube\d*-pn")
CLIENT_NAME = re.compile(r"cn-scvm\d*|scvm\d*-cn")


@dataclass(frozen=True)
class Known:
    """What cluster.json says of addresses: network, role; and the host names of the cluster."""

    networks: dict[str, str]
    roles: dict[str, str]


def list_hosts(env: Env) -> HostsAnswer:
    """cluster.json tells network and role; an address it does not know goes by the product's names and prefixes."""
    if not os.path.exists(hosts_file.path(env.settings)):
        raise FileUnusable(f"failed to read hosts: {hosts_file.path(env.settings)} does not exist; put it back")
    known = _known(env)
    groups: dict[str, dict[str, list[HostLine]]] = {}
    answer = HostsAnswer(refresh_time=env.clock.now().isoformat())
    for address, names in _lines(hosts_file.read(env.settings)):
        if _is_localhost(address, names):
            answer.localhost = [*(answer.localhost or []), HostLine(ip=address, hostnames=names)]
            continue
        group = groups.setdefault(_network(known, address, names), {})
        line = HostLine(ip=address, hostnames=[name for name in names if name not in SELF_NAMES] or names)
        if any(name in SELF_NAMES for name in names):
            group["self"] = [line]
        group.setdefault(_role(known, address, names), []).append(line)
    _fill(answer, groups)
    return answer


def _fill(answer: HostsAnswer, groups: dict[str, dict[str, list[HostLine]]]) -> None:
    others = []
    for network, attribute in (
        (MANAGEMENT, "management_network"),
        (PUBLIC, "public_network"),
        (CLIENT, "client_network"),
    ):
        roles = groups.get(network, {})
        others += roles.get("other", []) + roles.get("ccvm", [])[1:]
        group = NetworkGroup(
            ccvm=next(iter(roles.get("ccvm", [])), None),
            ablecube=roles.get("ablecube"),
            scvm=roles.get("scvm"),
            self_=next(iter(roles.get("self", [])), None),
        )
        if group.model_dump(exclude_none=True):
            setattr(answer, attribute, group)
    answer.others = others or None


def _lines(text: str) -> list[tuple[str, list[str]]]:
    """(address, names) of every entry; comments, also behind names, are none."""
    fields = [line.split("#", 1)[0].split() for line in text.split("\n")]
    return [(entry[0], entry[1:]) for entry in fields if len(entry) > 1]


def _known(env: Env) -> Known:
    try:
        config = cluster_file.read_or_empty(env.settings).document.cluster
    except ApiError:
        config = ClusterConfig()
    networks: dict[str, str] = {}
    roles = {config.ccvm.ip: "ccvm"}
    for host in config.hosts:
        for address, network, role in (
            (host.ablecube, MANAGEMENT, "ablecube"),
            (host.scvm_mngt, MANAGEMENT, "scvm"),
            (host.ablecube_pn, PUBLIC, "ablecube"),
            (host.scvm, PUBLIC, "scvm"),
            (host.scvm_cn, CLIENT, "scvm"),
        ):
            networks[address or ""], roles[address or ""] = network, role
    return Known(networks, roles)


def _is_localhost(address: str, names: list[str]) -> bool:
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    own = any(name == "localhost" or name.startswith("localhost.") for name in names)
    return address in ("127.0.0.1", "::1") or own or (loopback and not names)


def _network(known: Known, address: str, names: list[str]) -> str:
    if address in known.networks:
        return known.networks[address]
    if address.startswith("100.100.") or any(PUBLIC_NAME.fullmatch(name) for name in names):
        return PUBLIC
    if address.startswith("100.200.") or any(CLIENT_NAME.fullmatch(name) for name in names):
        return CLIENT
    return MANAGEMENT


def _role(known: Known, address: str, names: list[str]) -> str:
    if address in known.roles:
        return known.roles[address]
    for role in ("ccvm", "ablecube", "scvm"):
        if any(role in name for name in names):
            return role
    return "other"
