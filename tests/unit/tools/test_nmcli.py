"""tools.nmcli: escaped values, devices that are none of the kernel's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablestack_api.core.errors import CommandFailed
from ablestack_api.tools import nmcli
from ablestack_api.tools.nmcli import Device
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).parents[2] / "data/nmcli"
ARGV = ["nmcli", "-t", "-e", "yes", "-f", "DEVICE,TYPE,STATE,CON-PATH", "device", "status"]
PATH = "/org/freedesktop/NetworkManager/ActiveConnection/"


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a:b", ["a", "b"]),
        ("::", ["", "", ""]),
        (r"a\:b:c", ["a:b", "c"]),
        (r"a\\:b", ["a\\", "b"]),
        (r"a\\\:b", ["a\\:b"]),
        (r"관리\:브리지\\1:bridge", ["관리:브리지\\1", "bridge"]),
        ("ends\\", ["ends\\"]),
        (r"\x", ["x"]),
    ],
)
def test_a_line_is_split_at_colons_that_are_not_escaped(line: str, values: list[str]) -> None:
    assert nmcli.split_terse(line) == values


@given(st.lists(st.text(st.characters(exclude_characters="\n")), min_size=1))
def test_whatever_was_escaped_comes_back(values: list[str]) -> None:
    line = ":".join(value.replace("\\", "\\\\").replace(":", "\\:") for value in values)
    assert nmcli.split_terse(line) == values


def test_names_as_they_were_given() -> None:
    connections = [nmcli.split_terse(line) for line in (DATA / "connection.txt").read_text().splitlines()]
    assert [(fields[0], fields[3]) for fields in connections] == [("관리:브리지\\1", "bridge0"), ("서버 포트: 1", "")]
    devices = [nmcli.split_terse(line) for line in (DATA / "device_connection.txt").read_text().splitlines()]
    assert devices[0] == ["bridge0", "bridge", "connected", "관리:브리지\\1", f"{PATH}2"]


def test_real_devices() -> None:
    found = nmcli.parse_devices((DATA / "device.txt").read_text())
    assert found[0] == Device("bridge0", "bridge", "connected", f"{PATH}2")
    assert found[1] == Device("eno1", "ethernet", "unmanaged")
    assert [device.name for device in found] == ["bridge0", "eno1", "eno2", "p1", "p2", "lo"]


def test_devices_of_a_real_host() -> None:
    found = {(device.name, device.type): device for device in nmcli.parse_devices((DATA / "hardware.txt").read_text())}
    assert found["52:54:00:BB:00:99", "bt"] == Device("52:54:00:BB:00:99", "bt", "disconnected")
    assert found["br-ex", "ovs-bridge"].connection_path == f"{PATH}7"
    assert found["br-ex", "ovs-interface"].connection_path == f"{PATH}8"
    assert found["bridge0.100", "vlan"].state == "connecting (getting IP configuration)"


@pytest.mark.parametrize("printed", ["", "\n", "Warning: something\n", "a:b\n", ":ethernet:connected:\n"])
def test_lines_that_are_no_devices(printed: str) -> None:
    assert nmcli.parse_devices(printed) == []


def test_what_is_run() -> None:
    runner = QueuedRunner()
    runner.expect(ARGV, stdout="eno1:ethernet:connected:/p\n", stderr="Warning: x:y:z:w\n")
    assert nmcli.read_devices(runner) == [Device("eno1", "ethernet", "connected", "/p")]
    runner.expect(ARGV, code=8, stderr="Error: NetworkManager is not running.\n")
    with pytest.raises(CommandFailed, match="not running"):
        nmcli.read_devices(runner)
