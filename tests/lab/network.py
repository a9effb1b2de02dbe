"""The lab's networks: bridges in a namespace of their own, a cable from each to every node's namespace.

Nothing here is connected to the networks of this machine. Names: namespace `ablab-PROFILE` holds the bridges,
`ablab-PROFILE-NODE` is a node; the cable of node cube1 into its device mgmt0 ends at the bridge as `cube1-mgmt0`.
"""

import contextlib
import ctypes
import json
import os
import socket
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

from tests.lab.command import run
from tests.lab.errors import LabError
from tests.lab.profile import Network, Node, Profile

PREFIX = "ablab"
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
LOCAL_MAC = "02:00"


def switch_name(profile: str) -> str:
    """The namespace that holds the bridges of a profile."""
    return f"{PREFIX}-{profile}"


def node_name(profile: str, node: str) -> str:
    """The namespace of one node; also the name of its machine."""
    return f"{PREFIX}-{profile}-{node}"


def namespaces(profile: str) -> list[str]:
    """Every namespace of a profile that exists now, known to a state file or not."""
    found = [path.name for path in NAMESPACES.glob(f"{PREFIX}-*")] if NAMESPACES.exists() else []
    return sorted(name for name in found if name == switch_name(profile) or name.startswith(f"{PREFIX}-{profile}-"))


def make_switch(profile: Profile) -> None:
    """Make the namespace with one bridge for each network; nothing happens when it is there already."""
    name = switch_name(profile.name)
    if name in namespaces(profile.name):
        return
    run(["ip", "netns", "add", name])
    lines = ["link set lo up"]
    for network in profile.networks.values():
        lines += [
            # An address of its own: otherwise a bridge takes the lowest of its cables', and loses it with that cable.
            f"link add {network.name} address {_mac(network.gate)} type bridge forward_delay 0 mcast_snooping 0",
            f"address add {network.gate}/{network.prefix.prefixlen} dev {network.name}",
            f"link set {network.name} up",
        ]
    _batch(name, lines)


def plug(profile: Profile, node: Node) -> None:
    """Make the node's namespace and its cables, every one of them connected; replaces what there was."""
    switch, name = switch_name(profile.name), node_name(profile.name, node.name)
    unplug(profile, node)
    run(["ip", "netns", "add", name])
    lines = []
    for network in _networks_of(profile, node):
        cable, mac = _cable(node, network), _mac(node.addresses[network.name])
        lines += [
            f"link add {cable} type veth peer name {network.device} address {mac} netns {name}",
            f"link set {cable} master {network.name} up",
        ]
    _batch(switch, lines)
    _batch(name, ["link set lo up"])


def unplug(profile: Profile, node: Node) -> None:
    """Remove a node's namespace and its cables; nothing happens when there are none.

    The cables are removed one by one: connections that could not say goodbye keep a namespace alive without its name.
    """
    plugged = _links(profile)
    cables = [_cable(node, each) for each in _networks_of(profile, node)]
    _batch(switch_name(profile.name), [f"link delete {cable}" for cable in cables if cable in plugged])
    if node_name(profile.name, node.name) in namespaces(profile.name):
        run(["ip", "netns", "delete", node_name(profile.name, node.name)])


def remove(profile: str) -> None:
    """Remove every namespace of a profile."""
    for name in namespaces(profile):
        with contextlib.suppress(LabError):
            run(["ip", "netns", "delete", name])


def cut(profile: Profile, node: Node, network: str | None = None) -> None:
    """Take the node's cable out of one bridge, or out of all: frames are lost, its link stays up."""
    cables = [_cable(node, each) for each in _networks_of(profile, node, network)]
    _batch(switch_name(profile.name), [f"link set {cable} nomaster" for cable in cables])


def heal(profile: Profile, node: Node, network: str | None = None) -> None:
    """Put the node's cable back into one bridge, or into all."""
    chosen = _networks_of(profile, node, network)
    _batch(switch_name(profile.name), [f"link set {_cable(node, each)} master {each.name}" for each in chosen])


def cut_networks(profile: Profile, node: Node) -> list[str]:
    """The networks that a plugged node is cut off from now; empty for a node without cables."""
    links = _links(profile)
    cables = {each.name: links.get(_cable(node, each)) for each in _networks_of(profile, node)}
    return [name for name, link in cables.items() if link is not None and "master" not in link]


def connect(profile: str, address: tuple[str, int], timeout: float) -> socket.socket:
    """Open a TCP connection from the bridges' namespace; raises OSError as socket.create_connection does.

    A namespace belongs to a thread: a short-lived one enters it and opens the socket, which stays in it.
    """
    opened: list[socket.socket] = []
    failed: list[OSError] = []

    def enter_and_open() -> None:
        try:
            _enter(NAMESPACES / switch_name(profile))
            opened.append(socket.create_connection(address, timeout))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter_and_open, name="lab-connect")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return opened[0]


def _links(profile: Profile) -> dict[str, dict[str, Any]]:
    """The devices in the bridges' namespace by name, each as `ip -j link` tells it."""
    shown = run(["ip", "-n", switch_name(profile.name), "-j", "link", "show"])
    return {entry["ifname"]: entry for entry in cast("list[dict[str, Any]]", json.loads(shown.stdout))}


def _enter(namespace: Path) -> None:
    """Move the calling thread, and only it, into a network namespace; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter network namespace {namespace}")
    finally:
        os.close(descriptor)


def _networks_of(profile: Profile, node: Node, network: str | None = None) -> list[Network]:
    """The networks of a node, or only the named one; raises LabError when the node is not on it."""
    if network is not None and network not in node.addresses:
        raise LabError(f"{node.name} is not on network {network!r}; it is on {', '.join(node.addresses)}")
    return [profile.networks[name] for name in node.addresses if network in (None, name)]


def _cable(node: Node, network: Network) -> str:
    return f"{node.name}-{network.device}"


def _mac(address: IPv4Address) -> str:
    """A hardware address that stays the same when a node is powered off and on: 02:00 and the IPv4 address."""
    return ":".join([LOCAL_MAC, *(f"{byte:02x}" for byte in address.packed)])


def _batch(namespace: str, lines: Iterable[str]) -> None:
    """Run several ip commands inside a namespace, all or up to the first that fails."""
    run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")
