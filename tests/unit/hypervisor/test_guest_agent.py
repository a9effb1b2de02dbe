"""Answers of the guest agent, as its protocol reference has them."""

import base64
from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut
from ablestack_api.hypervisor import guest_agent
from tests.support.doubles import QueuedClock
from tests.support.machines import ScriptedAgent


@pytest.fixture
def agent() -> ScriptedAgent:
    return ScriptedAgent("test:///default")


def test_a_program_is_waited_for(agent: ScriptedAgent) -> None:
    told = {"exited": True, "exitcode": 3, "out-data": "b3V0", "err-data": "ZXJy"}
    agent.answers = {"guest-exec": {"pid": 9}, "guest-exec-status": [{"exited": False}, {"exited": False}, told]}
    agent.answers["guest-exec"] = [{"pid": 9}]
    clock = QueuedClock()
    done = guest_agent.execute(agent, clock, "ccvm", ["/bin/true", "-x"], seconds=10)
    assert (done, clock.slept) == (guest_agent.Executed(3, "out", "err"), [1.0, 1.0])
    assert agent.asked[0]["arguments"] == {"path": "/bin/true", "arg": ["-x"], "capture-output": True}
    assert agent.asked[1]["arguments"] == {"pid": 9}


def test_a_program_that_does_not_end(agent: ScriptedAgent) -> None:
    agent.answers = {"guest-exec": [{"pid": 9}], "guest-exec-status": [{"exited": False}] * 20}
    with pytest.raises(LibvirtTimedOut, match="it still runs there"):
        guest_agent.execute(agent, QueuedClock(), "ccvm", ["/bin/sleep"], seconds=5)


def test_a_program_that_was_killed(agent: ScriptedAgent) -> None:
    agent.answers = {"guest-exec": [{"pid": 9}], "guest-exec-status": [{"exited": True, "signal": 9, "out-data": "%"}]}
    assert guest_agent.execute(agent, QueuedClock(), "ccvm", ["x"], seconds=5) == guest_agent.Executed(-9, "", "")


def test_a_file_in_pieces_that_split_a_character(agent: ScriptedAgent) -> None:
    """W44: 0.1.2 trimmed each piece."""
    content = "nameserver 10.0.0.1 \n\n# é\n".encode()
    pieces = [content[:19], content[19:25], content[25:]]

    def read(_message: dict[str, Any]) -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"count": len(piece), "buf-b64": base64.b64encode(piece).decode(), "eof": not pieces}

    agent.answers = {"guest-file-open": 1000, "guest-file-read": read, "guest-file-close": {}}
    assert guest_agent.read_file(agent, QueuedClock(), "scvm", "/etc/resolv.conf").encode() == content
    assert agent.asked[-1] == {"execute": "guest-file-close", "arguments": {"handle": 1000}}


def test_a_file_without_end_is_cut_and_closed(agent: ScriptedAgent) -> None:
    piece = {"count": 4096, "buf-b64": base64.b64encode(b"x" * 4096).decode(), "eof": False}
    agent.answers = {"guest-file-open": 1, "guest-file-read": piece, "guest-file-close": {}}
    assert len(guest_agent.read_file(agent, QueuedClock(), "scvm", "/dev/zero")) == guest_agent.MAX_FILE
    assert agent.asked[-1]["execute"] == "guest-file-close"


def test_an_agent_that_falls_silent_while_a_file_is_read(agent: ScriptedAgent) -> None:
    silent = LibvirtTimedOut("silent")
    agent.answers = {"guest-file-open": 1, "guest-file-read": silent, "guest-file-close": LibvirtTimedOut("still silent")}
    with pytest.raises(LibvirtTimedOut, match=r"^silent$"):
        guest_agent.read_file(agent, QueuedClock(), "scvm", "/etc/resolv.conf")


def test_what_is_no_answer() -> None:
    class Mumbling(ScriptedAgent):
        def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
            return '{"error": {"class": "CommandNotFound"}}'

    with pytest.raises(LibvirtFailed, match="guest-ping with what is no answer"):
        guest_agent.ping(Mumbling("test:///default"), "ccvm")


def test_cards_and_file_systems() -> None:
    nics = guest_agent.nics_of(
        [
            {"name": "lo"},
            {"name": "a", "hardware-address": "AA:BB:CC:00:00:01"},
            {
                "name": "b",
                "hardware-address": "aa:bb:cc:00:00:02",
                "ip-addresses": [
                    {"ip-address-type": "ipv6", "ip-address": "fe80::1", "prefix": 64},
                    {"ip-address-type": "ipv4", "ip-address": "10.0.0.1", "prefix": 16},
                ],
            },
        ]
    )
    assert [(nic.mac, nic.addresses) for nic in nics] == [
        ("aa:bb:cc:00:00:01", ()),
        ("aa:bb:cc:00:00:02", ("10.0.0.1/16",)),
    ]
    systems = [
        {"name": "vda1", "mountpoint": "/boot", "type": "xfs"},
        {"name": "dm-0", "mountpoint": "/", "total-bytes": 2, "used-bytes": 1},
    ]
    assert guest_agent.file_systems_of(systems) == [guest_agent.FileSystem("dm-0", "/", 2, 1)]
