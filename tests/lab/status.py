"""Tells what a lab is like now: for programs as one JSON value, for people as a table."""

import contextlib
from dataclasses import asdict, dataclass
from typing import Any

from tests.lab import network, parallel, product, state
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.profile import Node
from tests.lab.services import ceph, pacemaker

TITLES = ("NODE", "ROLE", "STATE", "PRODUCT", "ADDRESSES", "CUT OFF")


@dataclass(frozen=True)
class NodeStatus:
    """One node: `state` is off or what systemd says of the system, `product` what it says of the product's unit."""

    name: str
    role: str
    state: str
    product: str
    addresses: dict[str, str]
    cut_networks: list[str]


@dataclass(frozen=True)
class LabStatus:
    """The whole lab; `services` maps what is set up to a short text on how it is."""

    profile: str
    nodes: list[NodeStatus]
    services: dict[str, str]

    @property
    def is_up(self) -> bool:
        """Whether every node runs."""
        return all(node.state == "running" for node in self.nodes)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "up": self.is_up}

    def as_table(self) -> str:
        """The same as lines for a terminal."""
        rows = [TITLES, *(_row(node) for node in self.nodes)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"{name}: {text}" for name, text in self.services.items())])


def collect(lab: Lab) -> LabStatus:
    """Ask every node, all at once; one that is off or does not answer is told as such."""
    nodes = parallel.each(lab.profile.nodes.values(), lambda node: _node(lab, node))
    services = state.read(lab.profile.name).services
    return LabStatus(lab.profile.name, nodes, {name: _service(lab, name) for name in services})


def _node(lab: Lab, node: Node) -> NodeStatus:
    machine = lab.machine(node.name)
    running = machine.is_on()
    return NodeStatus(
        name=node.name,
        role=node.role,
        state=machine.system_state() if running else "off",
        product=product.unit_state(machine) if running else "-",
        addresses={name: str(address) for name, address in node.addresses.items()},
        cut_networks=network.cut_networks(lab.profile, node) if running else [],
    )


def _service(lab: Lab, name: str) -> str:
    """How a service is, as its own members tell; `set up` for one that has nothing more to say."""
    with contextlib.suppress(LabError):
        if name == pacemaker.NAME and lab.profile.pacemaker is not None:
            machine = lab.machine(lab.profile.pacemaker.members[0])
            quorum = "quorum" if pacemaker.has_quorum(machine) else "no quorum"
            return f"{quorum}, {len(pacemaker.online(machine))} of {len(lab.profile.pacemaker.members)} members online"
        if name == ceph.NAME and lab.profile.ceph is not None:
            machine = lab.machine(lab.profile.ceph.members[0])
            health, checks = ceph.health(machine)
            return f"{health}, {ceph.osds_up(machine)} OSDs up {' '.join(checks)}".rstrip()
        return "set up"
    return "does not answer"


def _row(node: NodeStatus) -> tuple[str, ...]:
    addresses, cut_off = " ".join(node.addresses.values()), " ".join(node.cut_networks)
    return (node.name, node.role, node.state, node.product, addresses, cut_off)
