"""GET /cube/nics (contract 02 §2)."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hosts import nics
from ablestack_api.hosts.nic_models import NicsQuery
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support.doubles import QueuedClock, QueuedPeers, QueuedSsh
from tests.support.node_under_test import NodeUnderTest

DATA = Path(__file__).parents[2] / "data"
NMCLI = ["nmcli", "-t", "-e", "yes", "-f", "DEVICE,TYPE,STATE,CON-PATH", "device", "status"]
LINK, ADDRESS = ["ip", "-d", "-j", "link", "show"], ["ip", "-d", "-j", "address", "show"]
LSPCI = ["lspci", "-vmm", "-k"]
NOW = "2026-07-01T10:00:00+09:00"
ACTIVE = "/org/freedesktop/NetworkManager/ActiveConnection/"
CARDS = """\
Slot:	18:00.0
Class:	Ethernet controller
Vendor:	Intel Corporation
Device:	Ethernet Controller X710 for 10GbE SFP+
SVendor:	Example Systems
SDevice:	OCP adapter
Driver:	i40e
Module:	i40e

Slot:	00:03.0
Class:	Ethernet controller
Vendor:	Red Hat, Inc.
Device:	Virtio 1.0 network device

Slot:	0001:21:00.0
Vendor:	Mellanox Technologies
Device:	MT27800 Family [ConnectX-5]
"""
MISSING = ProgramMissing("the program nmcli is not installed", program="nmcli", package="NetworkManager")


def recorded(name: str) -> str:
    return (DATA / name).read_text()


def put_card(node: NodeUnderTest, name: str, place: str, driver: str = "", **facts: str) -> None:
    """A network device in sysfs; `place` is where the device it belongs to is below /sys/devices."""
    device, net = node.root / "sys/devices" / place, node.root / "sys/class/net" / name
    net.mkdir(parents=True)
    for fact, text in facts.items():
        (net / fact).write_text(f"{text}\n")
    if place:
        device.mkdir(parents=True, exist_ok=True)
        (net / "device").symlink_to(os.path.relpath(device, net))
    if driver:
        (node.root / "sys/bus/drivers" / driver).mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(os.path.relpath(node.root / "sys/bus/drivers" / driver, device))


@pytest.fixture
def hardware(node: NodeUnderTest) -> NodeUnderTest:
    """The machine of tests/data/ip/hardware_address.json."""
    put_card(node, "ens18f0", "pci0000:16/0000:16:00.0/0000:18:00.0", "i40e", speed="10000")
    put_card(node, "ens18f1", "pci0000:16/0000:16:00.0/0000:18:00.1", "i40e", speed="10000")
    put_card(node, "enp3s0", "pci0000:00/0000:03:00.0", "r8169", speed="-1")
    put_card(node, "eth0", "pci0000:00/0000:00:03.0/virtio2", "virtio_net", speed="-1")
    put_card(node, "enx525400bb0006", "pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0", "r8152", speed="2500")
    put_card(node, "eno3", "pci0001:20/0001:21:00.0", "mlx5_core", speed="25000")
    put_card(node, "enp4s0", "pci0000:00/0000:04:00.0", "tg3", speed="100")
    for name in ("bond0", "bond1", "bridge0", "bridge0.100", "br-ex", "ovs-system", "lo", "ib0"):
        put_card(node, name, "", speed="20000" if name == "bond0" else "")
    for name, disabled in (("eth0", "0"), ("bridge0", "1")):
        path = node.root / f"proc/sys/net/ipv6/conf/{name}/disable_ipv6"
        path.parent.mkdir(parents=True)
        path.write_text(f"{disabled}\n")
    return node


def ask(node: NodeUnderTest, query: str = "") -> Any:
    answer = node.call("GET", f"/cube/nics{query}")
    assert answer.status == 200, answer.body
    return answer.body


def details(node: NodeUnderTest, links: str | None = None, cards: str = CARDS) -> dict[str, Any]:
    """The detailed answer by device."""
    node.runner.expect(ADDRESS, stdout=recorded("ip/hardware_address.json") if links is None else links)
    node.runner.expect(LSPCI, stdout=cards, stderr="lspci: Unable to load libkmod resources: error -2\n")
    body = ask(node, "?action=detail")
    groups = (body.get(group, []) for group in ("bridges", "ethernets", "bonds", "others"))
    return {entry["DEVICE"]: entry for group in groups for entry in group}


# --- list ------------------------------------------------------------------------------------------------------------


def test_the_list_is_networkmanagers(hardware: NodeUnderTest) -> None:
    hardware.runner.expect(NMCLI, stdout=recorded("nmcli/hardware.txt"))
    body = ask(hardware)
    assert list(body) == ["bridges", "ethernets", "bonds", "others", "refresh_time"]
    assert body["bridges"] == [
        {"DEVICE": "bridge0", "TYPE": "bridge", "STATE": "connected", "CON-PATH": f"{ACTIVE}2"},
    ]
    assert body["bonds"] == [{"DEVICE": "bond0", "TYPE": "bond", "STATE": "connected", "CON-PATH": f"{ACTIVE}3"}]
    assert body["ethernets"][0] == {
        "DEVICE": "ens18f0",
        "TYPE": "ethernet",
        "STATE": "connected",
        "CON-PATH": f"{ACTIVE}4",
        "DRIVER": "i40e",
        "PCI": "0000:18:00.0",
    }
    assert {entry["DEVICE"]: entry["STATE"] for entry in body["ethernets"]} == {
        "ens18f0": "connected",
        "ens18f1": "connected",
        "eth0": "connected (externally)",
        "enx525400bb0006": "disconnected",
        "enp3s0": "unavailable",
    }
    assert body["refresh_time"] == NOW


def test_names_with_colons_are_whole(hardware: NodeUnderTest) -> None:
    hardware.runner.expect(NMCLI, stdout=recorded("nmcli/hardware.txt"))
    others = {(entry["DEVICE"], entry["TYPE"]): entry for entry in ask(hardware)["others"]}
    assert others["52:54:00:BB:00:99", "bt"]["CON-PATH"] == "--"
    assert others["bridge0.100", "vlan"]["STATE"] == "connecting (getting IP configuration)"
    assert {kind for name, kind in others if name == "br-ex"} == {"ovs-bridge", "ovs-interface"}


@pytest.mark.parametrize(
    "failure",
    [
        MISSING,
        CommandFailed("nmcli ended with code 8: Error: NetworkManager is not running."),
        CommandTimedOut("nmcli did not end within 5 s and was killed"),
    ],
)
def test_without_networkmanager_the_kernel_is_asked(node: NodeUnderTest, failure: ApiError) -> None:
    node.runner.expect(NMCLI, raises=failure)
    node.runner.expect(LINK, stdout=recorded("ip/namespace_link.json"))
    body = ask(node)
    assert body["bridges"] == [{"DEVICE": "bridge0", "TYPE": "bridge", "STATE": "connected", "CON-PATH": "--"}]
    assert [(entry["DEVICE"], entry["TYPE"], entry["STATE"]) for entry in body["others"]] == [
        ("lo", "loopback", "connected"),
        ("p1", "veth", "connected"),
        ("eno1", "veth", "connected"),
        ("p2", "veth", "disconnected"),
        ("eno2", "veth", "disconnected"),
        ("tap0", "tun", "disconnected"),
        ("vx0", "vxlan", "disconnected"),
    ]


def test_a_node_without_devices(node: NodeUnderTest) -> None:
    node.runner.expect(NMCLI, stdout="")
    assert ask(node) == {"refresh_time": NOW}


@pytest.mark.parametrize("action", ["", "LIST", "list", "nonsense", "-x", "a%0ab", "x" * 5000])
def test_any_other_action_is_the_list(node: NodeUnderTest, action: str) -> None:
    node.runner.expect(NMCLI, stdout="lo:loopback:unmanaged:\n")
    assert ask(node, f"?action={action}")["others"][0]["DEVICE"] == "lo"


def test_a_device_name_leads_nowhere_else(node: NodeUnderTest) -> None:
    (node.root / "sys/class/net").mkdir(parents=True)
    (node.root / "sys/class/device").symlink_to(node.root)
    node.runner.expect(NMCLI, stdout="..:ovs-bridge:connected:\n../../x:ovs-port:connected:\n")
    assert all("PCI" not in entry and "DRIVER" not in entry for entry in ask(node)["others"])


# --- detail ----------------------------------------------------------------------------------------------------------


def test_a_card(hardware: NodeUnderTest) -> None:
    assert details(hardware)["ens18f0"] == {
        "DEVICE": "ens18f0",
        "TYPE": "ethernet",
        "STATE": "connected",
        "CON-PATH": "--",
        "DRIVER": "i40e",
        "PCI": "0000:18:00.0",
        "SPEED": "10G",
        "MODEL": "Intel Corporation Ethernet Controller X710 for 10GbE SFP+ (OCP adapter)",
        "MTU": 1500,
        "MAC": "52:54:00:bb:00:02",
        "IPV4": {"ENABLE": False},
        "IPV6": {"ENABLE": False},
    }


def test_a_bridge(hardware: NodeUnderTest) -> None:
    """IPv6 is off there whatever address the kernel still shows; the members are its ports."""
    assert details(hardware)["bridge0"] == {
        "DEVICE": "bridge0",
        "TYPE": "bridge",
        "STATE": "connected",
        "CON-PATH": "--",
        "MTU": 9000,
        "MAC": "52:54:00:bb:00:02",
        "IPV4": {
            "ENABLE": True,
            "ADDRESSES": [
                {"FAMILY": "inet", "ADDRESS": "10.10.31.1", "PREFIXLEN": 16, "SCOPE": "global"},
                {"FAMILY": "inet", "ADDRESS": "10.10.31.10", "PREFIXLEN": 32, "SCOPE": "global"},
            ],
        },
        "IPV6": {
            "ENABLE": False,
            "ADDRESSES": [{"FAMILY": "inet6", "ADDRESS": "fe80::5054:ff:febb:2", "PREFIXLEN": 64, "SCOPE": "link"}],
        },
        "MEMBERS": ["bond0"],
    }


def test_bonds(hardware: NodeUnderTest) -> None:
    found = details(hardware)
    assert (found["bond0"]["TYPE"], found["bond0"]["SPEED"]) == ("bond", "20G")
    assert found["bond0"]["MEMBERS"] == ["ens18f0", "ens18f1"]
    assert found["bond0"]["BOND"] == {
        "MODE": "802.3ad",
        "PRIMARY_RESELECT": "always",
        "XMIT_HASH_POLICY": "layer3+4",
        "LACP_ACTIVE": "on",
        "LACP_RATE": "fast",
        "AD_SELECT": "stable",
        "FAIL_OVER_MAC": "none",
        "MIIMON": 100,
        "UPDELAY": 200,
        "DOWNDELAY": 200,
    }
    assert found["bond1"]["BOND"] == {
        "MODE": "active-backup",
        "ACTIVE_SLAVE": "eno3",
        "PRIMARY": "eno3",
        "PRIMARY_RESELECT": "always",
        "XMIT_HASH_POLICY": "layer2",
        "FAIL_OVER_MAC": "none",
    }
    assert found["bond1"]["MEMBERS"] == ["eno3"]


@pytest.mark.parametrize(
    ("device", "pci", "model"),
    [
        ("ens18f1", "0000:18:00.1", None),
        ("eth0", "0000:00:03.0", "Red Hat, Inc. Virtio 1.0 network device"),
        ("enx525400bb0006", None, None),
        ("eno3", "0001:21:00.0", "Mellanox Technologies MT27800 Family [ConnectX-5]"),
        ("bridge0", None, None),
    ],
)
def test_the_pci_address_is_that_of_the_card(
    hardware: NodeUnderTest, device: str, pci: str | None, model: str | None
) -> None:
    """Of virtio the function that carries it; a USB card has none of its own."""
    entry = details(hardware)[device]
    assert (entry.get("PCI"), entry.get("MODEL")) == (pci, model)


@pytest.mark.parametrize(
    ("speed", "shown"),
    [
        ("10", "10M"),
        ("100", "100M"),
        ("999", "999M"),
        ("1000", "1G"),
        ("2500", "2.5G"),
        ("10000", "10G"),
        ("25000", "25G"),
        ("200000", "200G"),
        ("-1", None),
        ("0", None),
        ("", None),
        ("unknown", None),
        ("4294967295", None),
    ],
)
def test_speed(node: NodeUnderTest, speed: str, shown: str | None) -> None:
    put_card(node, "eno1", "", speed=speed)
    node.runner.expect(ADDRESS, stdout='[{"ifname":"eno1","link_type":"ether"}]')
    entry = ask(node, "?action=detail")["ethernets"][0]
    assert entry.get("SPEED") == shown


def test_open_vswitch(hardware: NodeUnderTest) -> None:
    found = details(hardware)
    assert (found["br-ex"]["TYPE"], found["br-ex"]["STATE"]) == ("openvswitch", "connected")
    assert found["ovs-system"]["MEMBERS"] == ["enp4s0"]
    assert found["enp4s0"]["SPEED"] == "100M"


@pytest.mark.parametrize(
    ("device", "kind", "state"),
    [
        ("lo", "loopback", "connected"),
        ("enp3s0", "ethernet", "disconnected"),
        ("bridge0.100", "vlan", "disconnected"),
        ("ib0", "infiniband", "disconnected"),
        ("enx525400bb0006", "ethernet", "connected"),
    ],
)
def test_type_and_state(hardware: NodeUnderTest, device: str, kind: str, state: str) -> None:
    entry = details(hardware)[device]
    assert (entry["TYPE"], entry["STATE"]) == (kind, state)


@pytest.mark.parametrize(
    ("operstate", "state"), [("TESTING", "testing"), ("", "disconnected"), ("NOTPRESENT", "disconnected")]
)
def test_other_states(node: NodeUnderTest, operstate: str, state: str) -> None:
    node.runner.expect(ADDRESS, stdout=json.dumps([{"ifname": "x", "operstate": operstate}]))
    assert ask(node, "?action=DETAIL")["others"] == [
        {
            "DEVICE": "x",
            "TYPE": "other",
            "STATE": state,
            "CON-PATH": "--",
            "IPV4": {"ENABLE": False},
            "IPV6": {"ENABLE": False},
        }
    ]


@pytest.mark.parametrize("failure", [ProgramMissing("no lspci"), CommandTimedOut("lspci hangs")])
def test_without_lspci_there_are_no_names(hardware: NodeUnderTest, failure: ApiError) -> None:
    hardware.runner.expect(ADDRESS, stdout=recorded("ip/hardware_address.json"))
    hardware.runner.expect(LSPCI, raises=failure)
    body = ask(hardware, "?action=detail")
    assert body["ethernets"][0]["PCI"] == "0000:18:00.0"
    assert not any("MODEL" in entry for entry in body["ethernets"])


# --- errors and freshness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (ProgramMissing("the program ip is not installed"), 503, "program_missing"),
        (CommandTimedOut("ip did not end within 5 s and was killed"), 504, "command_timed_out"),
        (CommandFailed("ip ended with code 1: no"), 502, "command_failed"),
    ],
)
@pytest.mark.parametrize("query", ["", "?action=detail"])
def test_no_answer_at_all(node: NodeUnderTest, query: str, failure: ApiError, status: int, kind: str) -> None:
    if not query:
        node.runner.expect(NMCLI, raises=MISSING)
    node.runner.expect(ADDRESS if query else LINK, raises=failure)
    answer = node.call("GET", f"/cube/nics{query}")
    assert answer.status == status
    assert answer.body["message"].startswith("failed to read nics: ")
    assert answer.body["type"].endswith(kind)


def test_output_that_is_no_json(node: NodeUnderTest) -> None:
    node.runner.expect(ADDRESS, stdout="Cannot open netlink socket")
    answer = node.call("GET", "/cube/nics?action=detail")
    assert (answer.status, answer.body["message"]) == (
        502,
        "failed to read nics: ip did not print JSON that can be understood",
    )


def test_an_older_reading_outlives_a_failed_one(node: NodeUnderTest) -> None:
    node.runner.expect(ADDRESS, stdout='[{"ifname":"lo","link_type":"loopback"}]')
    ask(node, "?action=detail")
    node.clock.advance(60)
    node.runner.expect(ADDRESS, raises=CommandTimedOut("ip did not end within 5 s and was killed"))
    body = ask(node, "?action=detail&refresh=true")
    assert (body["refresh_time"], body["stale"]) == (NOW, True)
    assert body["refresh_error"] == "failed to read nics: ip did not end within 5 s and was killed"
    assert body["others"][0]["DEVICE"] == "lo"


def test_callers_within_moments_share_one_reading(node: NodeUnderTest) -> None:
    node.runner.expect(NMCLI, stdout="lo:loopback:unmanaged:\n")
    assert [ask(node)["refresh_time"] for _ in range(3)] == [NOW] * 3
    node.runner.expect(NMCLI, stdout="eno1:ethernet:connected:\n")
    node.clock.advance(1)
    body = ask(node, "?refresh=true")
    assert (body["ethernets"][0]["DEVICE"], body["refresh_time"]) == ("eno1", "2026-07-01T10:00:01+09:00")
    assert "stale" not in body


@pytest.mark.parametrize("query", ["?refresh=maybe", "?action=detail&refresh=%0a1x"])
def test_bad_queries(node: NodeUnderTest, query: str) -> None:
    answer = node.call("GET", f"/cube/nics{query}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "refresh")


def test_it_wants_a_credential(node: NodeUnderTest) -> None:
    assert node.call("GET", "/cube/nics", headers={}).status == 401


def test_it_is_laid_out_for_people(node: NodeUnderTest) -> None:
    node.runner.expect(NMCLI, stdout="lo:loopback:unmanaged:\n")
    text = node.client.get("/api/v1/cube/nics", headers=node.bearer()).get_data(as_text=True)
    assert text.startswith('{\n    "others": [\n        {\n            "DEVICE": "lo"')


# --- this very machine -----------------------------------------------------------------------------------------------


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.fixture
def here() -> Env:
    """The real programs and the real /sys."""
    settings = Settings({"ABLESTACK_PROGRAM_PATH": os.environ["PATH"]})
    return Env(
        settings=settings,
        clock=QueuedClock(),
        runner=SystemRunner(settings.program_path, "/root"),
        libvirt=SystemLibvirt("test:///default"),
        peers=QueuedPeers(),
        ssh=QueuedSsh(),
    )


def shape(env: Env, action: str) -> dict[str, dict[str, Any]]:
    answer = nics.list_nics(env, NicsQuery(action=action, refresh=True))
    groups = (answer.bridges, answer.ethernets, answer.bonds, answer.others)
    entries = [nic.model_dump(by_alias=True, exclude_none=True) for group in groups for nic in group or []]
    return {entry["DEVICE"]: entry for entry in entries}


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")
def test_details_of_this_machine_are_those_of_ip(here: Env) -> None:
    found, printed = shape(here, "detail"), json.loads(run("ip", "-d", "-j", "address"))
    assert sorted(found) == sorted(link["ifname"] for link in printed)
    for link in printed:
        entry = found[link["ifname"]]
        assert (entry["MAC"], entry["MTU"]) == (link["address"], link["mtu"])
        for key, family in (("IPV4", "inet"), ("IPV6", "inet6")):
            told = [(each["ADDRESS"], each["PREFIXLEN"], each["SCOPE"]) for each in entry[key].get("ADDRESSES", [])]
            assert told == [
                (each["local"], each["prefixlen"], each["scope"])
                for each in link["addr_info"]
                if each["family"] == family and "local" in each
            ]
        assert entry["IPV4"]["ENABLE"] is any(each["family"] == "inet" for each in link["addr_info"])
        kind = link.get("linkinfo", {}).get("info_kind")
        assert entry["TYPE"] == (kind or {"ether": "ethernet"}.get(link["link_type"], link["link_type"]))
        up = link["operstate"] in ("UP", "UNKNOWN")
        assert entry["STATE"] == ("connected" if up else "disconnected")
        assert entry.get("MEMBERS", []) == [each["ifname"] for each in printed if each.get("master") == link["ifname"]]


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")
def test_the_list_of_this_machine_is_that_of_its_source(here: Env) -> None:
    found = shape(here, "list")
    done = (
        subprocess.run(["nmcli", "-t", "-f", "DEVICE,TYPE,STATE", "device"], capture_output=True, text=True, check=False)
        if shutil.which("nmcli")
        else None
    )
    if done is not None and done.returncode == 0:
        printed = [line.replace("\\:", "\0").split(":") for line in done.stdout.splitlines()]
        wanted = {words[0].replace("\0", ":"): (words[1], words[2].replace("\0", ":")) for words in printed}
        assert {name: (entry["TYPE"], entry["STATE"]) for name, entry in found.items()} == wanted
    else:
        assert sorted(found) == sorted(os.listdir("/sys/class/net"))
    for name, entry in found.items():
        driver = Path(f"/sys/class/net/{name}/device/driver")
        assert entry.get("DRIVER") == (driver.resolve().name if driver.exists() else None)


def test_a_hanging_program_costs_its_deadline_and_no_more(
    here: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nmcli", "ip"):
        (tmp_path / name).write_text("#!/bin/sh\nsleep 60\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("ablestack_api.tools.nmcli.SECONDS", 0.2)
    monkeypatch.setattr("ablestack_api.tools.ip.SECONDS", 0.2)
    env = replace(here, runner=SystemRunner(f"{tmp_path}:/usr/bin:/bin", "/root"))
    with pytest.raises(CommandTimedOut) as caught:
        nics.list_nics(env, NicsQuery())
    assert caught.value.detail == "failed to read nics: ip did not end within 0.2 s and was killed"
