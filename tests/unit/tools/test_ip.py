"""tools.ip: links and addresses as the kernel has them."""

import json
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.tools import ip
from ablestack_api.tools.ip import Address, Link
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).parents[2] / "data/ip"


def links(name: str) -> dict[str, Link]:
    return {link.name: link for link in ip.parse((DATA / f"{name}.json").read_text())}


@pytest.mark.parametrize("name", [path.stem for path in sorted(DATA.glob("*.json"))])
def test_every_link_once_in_the_order_of_ip(name: str) -> None:
    printed = json.loads((DATA / f"{name}.json").read_text())
    assert list(links(name)) == [entry["ifname"] for entry in printed]


def test_a_real_bridge() -> None:
    found = links("namespace_address")
    bridge = found["bridge0"]
    assert (bridge.kind, bridge.link_type, bridge.operstate, bridge.mtu) == ("bridge", "ether", "UP", 1500)
    assert bridge.mac == "52:54:00:aa:00:01"
    assert bridge.addresses[:3] == (
        Address("inet", "192.0.2.11", 24, "global"),
        Address("inet", "198.51.100.11", 32, "global"),
        Address("inet6", "2001:db8::11", 64, "global"),
    )
    assert [name for name, link in found.items() if link.master == "bridge0"] == ["eno1", "eno2"]


def test_a_bond() -> None:
    bond = links("hardware_address")["bond0"]
    assert (bond.kind, bond.master, bond.details["mode"], bond.details["ad_lacp_rate"]) == (
        "bond",
        "bridge0",
        "802.3ad",
        "fast",
    )


@pytest.mark.parametrize("printed", ["", "[]", "[{}]", "[{},{}]"])
def test_no_links(printed: str) -> None:
    assert ip.parse(printed) == []


@pytest.mark.parametrize("printed", ["{", "null", "5", '[{"a":1}]', '[["x"]]', '[{"ifname":"a","mtu":"x"}]'])
def test_output_that_is_not_understood(printed: str) -> None:
    with pytest.raises(CommandFailed, match="JSON"):
        ip.parse(printed)


def test_a_link_with_nothing_but_a_name() -> None:
    assert ip.parse('[{"ifname":"x","linkinfo":null,"addr_info":[{"family":"inet"}]}]') == [Link("x")]


def test_what_is_run() -> None:
    runner = QueuedRunner()
    runner.expect(["ip", "-d", "-j", "link", "show"], stdout="[]", stderr="noise [")
    runner.expect(["ip", "-d", "-j", "address", "show"], stdout='[{"ifname":"lo"}]')
    assert ip.read_links(runner) == []
    assert ip.read_addresses(runner) == [Link("lo")]
    runner.finish()
