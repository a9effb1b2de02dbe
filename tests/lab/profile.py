"""Reads lab.yaml into frozen values and refuses what the lab could not build."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from tests.lab.errors import LabError

PROFILES = Path(__file__).with_name("lab.yaml")
TEST_RANGE = IPv4Network("198.18.0.0/15")
NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
NODE_NAME = re.compile(r"[a-z][a-z0-9]{0,8}")
DEVICE = re.compile(r"[a-z][a-z0-9]{0,4}")

Role = Literal["cube", "scvm", "ccvm"]
Disk = Literal["rbd", "file"]


@dataclass(frozen=True)
class Network:
    """One network of the lab: its name, its prefix, and the name of a node's device in it."""

    name: str
    prefix: IPv4Network
    device: str

    @property
    def gate(self) -> IPv4Address:
        """The address through which this machine's tests reach the network (the last of the prefix)."""
        return self.prefix[-2]


@dataclass(frozen=True)
class Node:
    """One machine: `addresses` maps the names of its networks to its address there; `units` start at boot."""

    name: str
    role: Role
    addresses: Mapping[str, IPv4Address]
    units: tuple[str, ...]

    @property
    def management(self) -> str:
        """The address on the management network, where the product listens for its peers."""
        return str(self.addresses["management"])


@dataclass(frozen=True)
class Pacemaker:
    """A Pacemaker cluster: its name, its members, and the network whose addresses name them."""

    name: str
    members: tuple[str, ...]
    network: str


@dataclass(frozen=True)
class Ceph:
    """A Ceph cluster: the nodes with monitor, manager and OSD, its clients, its two networks."""

    members: tuple[str, ...]
    clients: tuple[str, ...]
    public: str
    replication: str


@dataclass(frozen=True)
class Profile:
    """One lab. `cloud_center` says where the cloud VM's disk is (None: there is no such domain)."""

    name: str
    networks: Mapping[str, Network]
    nodes: Mapping[str, Node]
    pacemaker: Pacemaker | None = None
    ceph: Ceph | None = None
    cloud_center: Disk | None = None
    database: str | None = field(default=None)

    def node(self, name: str) -> Node:
        """The node called `name`; raises LabError with the names there are."""
        if name not in self.nodes:
            raise LabError(f"profile {self.name} has no node {name!r}; it has {', '.join(self.nodes)}")
        return self.nodes[name]

    def with_role(self, role: Role) -> list[Node]:
        """The nodes of one role, in the order of the profile."""
        return [node for node in self.nodes.values() if node.role == role]


def names(path: Path = PROFILES) -> list[str]:
    """The profiles of the file, in its order."""
    return list(_document(path)["profiles"])


def load(name: str, path: Path = PROFILES) -> Profile:
    """Profile `name` of the file; raises LabError when it is not there or not sound."""
    document = _document(path)
    if name not in document["profiles"]:
        raise LabError(f"no profile {name!r} in {path.name}; there are {', '.join(document['profiles'])}")
    try:
        return _profile(name, document)
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path.name}: profile {name}: {type(error).__name__}: {error}") from error


def _document(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))


def _profile(name: str, document: dict[str, Any]) -> Profile:
    entry = document["profiles"][name]
    networks = {key: _network(key, value) for key, value in document["networks"].items()}
    nodes = {key: _node(key, value, networks, document["roles"]) for key, value in entry["nodes"].items()}
    pacemaker, ceph = entry.get("pacemaker"), entry.get("ceph")
    profile = Profile(
        name=_checked(name, NAME),
        networks=networks,
        nodes=nodes,
        pacemaker=_pacemaker(pacemaker) if pacemaker else None,
        ceph=_ceph(ceph) if ceph else None,
        cloud_center=entry.get("cloud_center", {}).get("disk"),
        database=entry.get("database", {}).get("node"),
    )
    _check_members(profile)
    return profile


def _pacemaker(entry: dict[str, Any]) -> Pacemaker:
    return Pacemaker(entry["name"], tuple(entry["members"]), entry["network"])


def _ceph(entry: dict[str, Any]) -> Ceph:
    return Ceph(tuple(entry["members"]), tuple(entry["clients"]), entry["public"], entry["replication"])


def _network(name: str, entry: dict[str, str]) -> Network:
    prefix = IPv4Network(entry["prefix"])
    if not prefix.subnet_of(TEST_RANGE):
        raise ValueError(f"network {name}: {prefix} is not inside {TEST_RANGE}")
    return Network(_checked(name, re.compile(r"[a-z]{1,15}")), prefix, _checked(entry["device"], DEVICE))


def _node(name: str, entry: dict[str, str], networks: Mapping[str, Network], roles: dict[str, list[str]]) -> Node:
    role = entry["role"]
    addresses = {key: IPv4Address(value) for key, value in entry.items() if key != "role"}
    for key, address in addresses.items():
        if address not in networks[key].prefix or address == networks[key].gate:
            raise ValueError(f"node {name}: {address} is no free address of network {key} ({networks[key].prefix})")
    if "management" not in addresses:
        raise ValueError(f"node {name} has no management address")
    return Node(_checked(name, NODE_NAME), cast("Role", role), addresses, tuple(roles[role]))


def _checked(text: str, pattern: re.Pattern[str]) -> str:
    """`text` when the whole of it fits: interface names end at 15 bytes, and names become folders and arguments."""
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} does not fit {pattern.pattern}")
    return text


def _check_members(profile: Profile) -> None:
    """Every service is placed on nodes that exist, and no address is given twice; raises ValueError."""
    placed = [profile.database] if profile.database else []
    placed += profile.pacemaker.members if profile.pacemaker else ()
    placed += (*profile.ceph.members, *profile.ceph.clients) if profile.ceph else ()
    unknown = sorted(set(placed) - set(profile.nodes))
    addresses = [address for node in profile.nodes.values() for address in node.addresses.values()]
    if unknown:
        raise ValueError(f"services are placed on unknown nodes: {', '.join(unknown)}")
    if len(set(addresses)) != len(addresses):
        raise ValueError("an address is given twice")
