"""ip(8), package iproute2: the network links of this node's kernel."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """`family` is inet or inet6, `scope` global, site, link or host."""

    family: str
    address: str
    prefix_length: int
    scope: str


@dataclass(frozen=True, slots=True)
class Link:
    """`kind` is that of a virtual link (`bridge`, `bond`, `vlan` …), empty for hardware; `link_type` the kernel's (`ether`).

    `details` are the settings of its kind as ip prints them (`mode`, `miimon` …), `master` the link it is a port of.
    """

    name: str
    kind: str = ""
    link_type: str = ""
    operstate: str = ""
    mac: str = ""
    mtu: int = 0
    master: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()


def read_links(runner: Runner) -> list[Link]:
    """Every link, without addresses. Raises CommandFailed (also for no JSON), CommandTimedOut, ProgramMissing."""
    return parse(runner.run(["ip", "-d", "-j", "link", "show"], timeout=SECONDS).stdout)


def read_addresses(runner: Runner) -> list[Link]:
    """Every link with its addresses. Raises as `read_links`."""
    return parse(runner.run(["ip", "-d", "-j", "address", "show"], timeout=SECONDS).stdout)


def parse(printed: str) -> list[Link]:
    """What `ip -d -j` printed, in its order. Raises CommandFailed."""
    try:
        # iproute2 before 5.0 prints an empty object for a link it leaves out.
        return [_link(entry) for entry in json.loads(printed or "[]") if entry]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CommandFailed("ip did not print JSON that can be understood", program="ip", exit_code=0) from error


def _link(entry: Mapping[str, Any]) -> Link:
    info = entry.get("linkinfo") or {}
    return Link(
        name=str(entry["ifname"]),
        kind=_text(info.get("info_kind")),
        link_type=_text(entry.get("link_type")),
        operstate=_text(entry.get("operstate")),
        mac=_text(entry.get("address")),
        mtu=int(entry.get("mtu") or 0),
        master=_text(entry.get("master")),
        details=info.get("info_data") or {},
        addresses=tuple(_address(address) for address in entry.get("addr_info") or () if address.get("local")),
    )


def _address(entry: Mapping[str, Any]) -> Address:
    return Address(
        family=_text(entry.get("family")),
        address=str(entry["local"]),
        prefix_length=int(entry.get("prefixlen") or 0),
        scope=_text(entry.get("scope")),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
