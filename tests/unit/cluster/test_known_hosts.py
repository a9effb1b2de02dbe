"""SSH host keys of the cluster: trusted on first sight, never replaced. Keys are made by paramiko."""

import json
from functools import cache
from pathlib import Path

from paramiko.ecdsakey import ECDSAKey

from ablestack_api.cluster import known_hosts
from ablestack_api.state import error_list
from ablestack_api.state.cluster_document import ClusterDocument, parse
from tests.support import documents
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
    assert len(asked) == 7


def config(cluster_type: str) -> ClusterDocument:
    return parse(json.dumps(documents.document(cluster_type)).encode())
