"""SSH host keys of the cluster: trusted on first sight, never replaced. Keys are made by paramiko."""

import json
from functools import cache
from pathlib import Path

import pytest
from paramiko.ecdsakey import ECDSAKey

from ablestack_api.cluster import known_hosts
from ablestack_api.env import Env
from ablestack_api.state import error_list
from ablestack_api.state.cluster_document import ClusterDocument, parse
from tests.support import documents, whole_system
from tests.support.node_under_test import NodeUnderTest

NAMES = ["10.10.31.2", "ablecube31-2"]


@cache
def key(number: int) -> str:
    """Key number N as known_hosts writes it behind the name."""
    made = ECDSAKey.generate()
    return f"{made.get_name()} {made.get_base64()}"


def lines(number: int, names: list[str] = NAMES) -> str:
    """What ssh-keyscan prints when all names answer with key number N."""
    return "".join(f"{name} {key(number)}\n" for name in names)


PLACES = {"10.10.31.2": {"10.10.31.2", "ablecube31-2"}}
ASKED = "10.10.31.2 10.10.31.2,ablecube31-2\n"


def argv(port: int = 22) -> list[str]:
    return ["ssh-keyscan", "-T", "1", "-p", str(port), "-f", "-"]


def trusted(node: NodeUnderTest) -> Path:
    return node.root / "root/.ssh/known_hosts"


def test_new_keys_are_added_and_everything_else_stays(node: NodeUnderTest) -> None:
    trusted(node).parent.mkdir(parents=True)
    before = f"# mine\n@cert-authority *.example {key(9)}\nbroken line\nprinter.example {key(8)}"
    trusted(node).write_text(before)
    node.runner.expect(argv(), stdin=ASKED, stdout=f"# 10.10.31.2:22 SSH-2.0-OpenSSH_9.2\n{lines(1)}")
    assert known_hosts.scan(node.env, PLACES) == {}
    assert trusted(node).read_text() == f"{before}\n{lines(1)}"
    assert trusted(node).stat().st_mode & 0o777 == 0o600


def test_known_keys_change_nothing(node: NodeUnderTest) -> None:
    trusted(node).parent.mkdir(parents=True)
    trusted(node).write_text(lines(1))
    node.runner.expect(argv(), stdin=ASKED, stdout=lines(1))
    assert known_hosts.scan(node.env, PLACES) == {}
    assert trusted(node).read_text() == lines(1)


def test_a_changed_key_is_told_and_not_trusted(node: NodeUnderTest) -> None:
    trusted(node).parent.mkdir(parents=True)
    trusted(node).write_text(lines(1))
    node.runner.expect(argv(), stdin=ASKED, stdout=lines(2))
    assert known_hosts.scan(node.env, PLACES) == {}
    assert trusted(node).read_text() == lines(1)
    told = [entry["error"] for entry in error_list.listed(node.settings)]
    assert len(told) == 2
    assert "10.10.31.2" in told[0]
    assert "ssh-keygen -R" in told[0]


def test_hosts_that_do_not_answer_are_asked_again_later(node: NodeUnderTest) -> None:
    both = {**PLACES, "10.10.31.10": {"10.10.31.10", "ccvm"}}
    node.runner.expect(argv(), stdin=f"10.10.31.10 10.10.31.10,ccvm\n{ASKED}", stdout=lines(1), code=1)
    assert known_hosts.scan(node.env, both) == {"10.10.31.10": {"10.10.31.10", "ccvm"}}


def test_the_port_of_this_node_counts_for_all(node: NodeUnderTest) -> None:
    (node.root / "etc/ssh").mkdir()
    (node.root / "etc/ssh/sshd_config").write_text("#Port 1\nPort 10022\nMatch User x\n  Port 7\n")
    node.runner.expect(argv(10022), stdout=f"[10.10.31.2]:10022 {key(1)}\n")
    assert known_hosts.scan(node.env, {"10.10.31.2": {"10.10.31.2"}}) == {}


def test_whom_a_scan_asks() -> None:
    hosts = "10.10.31.1 cube.example -oops a,b # note\n192.0.2.1 other\n"
    assert known_hosts.places_of_cluster(config("ablestack-vm"), hosts) == {
        "10.10.31.10": {"10.10.31.10"},
        "10.10.31.1": {"10.10.31.1", "ablecube31-1", "cube.example"},
        "10.10.31.2": {"10.10.31.2", "ablecube31-2"},
        "10.10.31.3": {"10.10.31.3", "ablecube31-3"},
    }


def test_a_scan_of_an_hci_cluster_asks_the_storage_vms_too() -> None:
    asked = known_hosts.places_of_cluster(config("ablestack-hci"), "10.10.31.11 scvm1-mngt\n")
    assert asked["10.10.31.11"] == {"10.10.31.11", "scvm1-mngt"}
    assert asked["100.100.31.11"] == {"100.100.31.11"}, "where the security patch calls it"
    assert len(asked) == 10


def config(cluster_type: str) -> ClusterDocument:
    return parse(json.dumps(documents.document(cluster_type)).encode())


def deployed(tmp_path: Path, cluster_type: str = "ablestack-vm", **flags: str) -> NodeUnderTest:
    node = whole_system.believe(NodeUnderTest(tmp_path))
    node.write_cluster(documents.document(cluster_type, **flags))
    return node


def waited(node: NodeUnderTest) -> None:
    """Until the scan in the background has ended."""
    assert known_hosts._running.acquire(timeout=10)
    known_hosts._running.release()


def test_the_daily_scan_is_made_once_a_day_also_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = deployed(tmp_path, ccvm="true", wall="true")
    scanned: list[int] = []

    def scan(_env: Env, places: known_hosts.Places) -> known_hosts.Places:
        scanned.append(len(places))
        return {}

    monkeypatch.setattr(known_hosts, "scan", scan)
    for hours, expected in ((0, 1), (1, 1), (22.9, 1), (0.2, 2), (24.1, 3)):
        node.clock.advance(hours * 3600)
        known_hosts.look(node.env)
        waited(node)
        assert len(scanned) == expected, hours


def test_a_scan_that_misses_somebody_is_made_again_after_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = deployed(tmp_path, ccvm="true", wall="true")
    monkeypatch.setattr(known_hosts, "scan", lambda _env, places: places)
    assert known_hosts.look(node.env)
    waited(node)
    assert "no SSH host key yet of" in error_list.listed(node.settings)[0]["error"]
    assert not known_hosts.look(node.env)
    node.clock.advance(3601)
    assert known_hosts.look(node.env)
    waited(node)


@pytest.mark.parametrize(
    ("cluster_type", "flags"),
    [
        ("ablestack-vm", {"ccvm": "true"}),
        ("ablestack-standalone", {"wall": "true"}),
        ("ablestack-hci", {"ccvm": "true", "wall": "true"}),
    ],
)
def test_no_daily_scan_before_everything_is_deployed(tmp_path: Path, cluster_type: str, flags: dict[str, str]) -> None:
    assert not known_hosts.look(deployed(tmp_path, cluster_type, **flags).env)


def test_no_daily_scan_without_a_cluster_or_in_a_folder(tmp_path: Path) -> None:
    assert not known_hosts.look(whole_system.believe(NodeUnderTest(tmp_path / "a")).env)
    node = NodeUnderTest(tmp_path / "b")
    node.write_cluster(documents.document("ablestack-vm", ccvm="true", wall="true"))
    assert not known_hosts.look(node.env)
