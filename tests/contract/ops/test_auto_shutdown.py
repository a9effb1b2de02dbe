"""POST /cube/auto-shutdown (contract 04 §8, B-40): in order, checked, this host last."""

from typing import Any

import pytest

from tests.support import documents
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/auto-shutdown"
LOCAL = {"X-Cube-Auto-Shutdown-Local": "1"}
FSTAB = """# comment
UUID=11-root / xfs defaults 0 0
UUID=22-boot /boot ext4 defaults 0 2
UUID=33 /mnt/data xfs defaults 0 0
UUID=44 /mnt/data/inner xfs defaults 0 0
UUID=55 /mnt/with\\040blank xfs defaults 0 0
UUID=66 /home xfs defaults 0 0
UUID=77 swap swap defaults 0 0
/dev/sdx /mnt/other xfs defaults 0 0
"""
MOUNTS = "x / xfs rw 0 0\nx /mnt/data xfs rw 0 0\nx /mnt/data/inner xfs rw 0 0\nx /mnt/with\\040blank xfs rw 0 0\n"


@pytest.fixture
def network(tmp_path: Any) -> Any:
    found = Network(tmp_path)
    yield found
    found.finish()


@pytest.fixture
def nodes(network: Network) -> list[NodeUnderTest]:
    return network.add_hosts(document=documents.document())


def lay_out(node: NodeUnderTest) -> None:
    (node.root / "etc/fstab").write_text(FSTAB)
    (node.root / "proc/self").mkdir(parents=True)
    (node.root / "proc/self/mounts").write_text(MOUNTS)


@pytest.mark.parametrize("action", ["", "reboot", "look", "check_mount; reboot"])
def test_bad_input(nodes: list[NodeUnderTest], action: str) -> None:
    answer = nodes[0].call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")


def test_every_host_and_this_one_last(network: Network, nodes: list[NodeUnderTest]) -> None:
    for node in nodes:
        lay_out(node)
    answer = nodes[0].call("POST", PATH, {"action": "check-mount"})
    assert answer.status == 200, answer.body
    assert [entry["hostname"] for entry in answer.body["results"]] == ["ablecube31-2", "ablecube31-3", "ablecube31-1"]
    assert (answer.body["val"], answer.body["retname"], answer.body["action"]) == (True, "Umount Volume", "check_mount")
    assert all(entry["mounts"] for entry in answer.body["results"])


def test_children_go_before_their_parents_and_the_system_stays(node: NodeUnderTest) -> None:
    """A node in a folder: what would be unmounted is told as skipped, nothing of the system is touched."""
    node.write_cluster(documents.document())
    lay_out(node)
    mounts = node.call("POST", PATH, {"action": "check_mount"}, headers=node.internal() | LOCAL).body["mounts"]
    assert [(entry["mount_point"], entry["status"]) for entry in mounts] == [
        ("/mnt/data/inner", "skipped"),
        ("/mnt/data", "skipped"),
        ("/mnt/with blank", "skipped"),
        ("/", "skipped"),
        ("/boot", "skipped"),
        ("/home", "skipped"),
        ("swap", "not-mounted"),
    ]
    protected = [entry["mount_point"] for entry in mounts if entry["message"] == "protected system mount"]
    assert protected == ["/", "/boot", "/home"]


def test_a_host_that_does_not_answer_stops_everything(network: Network, nodes: list[NodeUnderTest]) -> None:
    """Nobody can say that nothing runs there."""
    network.is_silent("10.10.31.2", PATH, connected=False)
    for node in nodes:
        lay_out(node)
    answer = nodes[0].call("POST", PATH, {"action": "check_mount"})
    assert answer.status == 409
    assert "ablecube31-2 does not tell what runs on it" in answer.body["message"]
    assert "mounts" not in str(network.calls[-1].body)
    forced = nodes[0].call("POST", PATH, {"action": "check_mount", "force": True})
    assert forced.status == 502
    assert [entry["outcome"] for entry in forced.body["results"]] == ["unreachable", "ok", "ok"]


def test_a_running_cloud_vm_comes_first(network: Network, nodes: list[NodeUnderTest]) -> None:
    network.answers("10.10.31.3", PATH, 200, {"code": 200, "val": {"ccvm": "running", "scvm": "running"}})
    answer = nodes[0].call("POST", PATH, {"action": "shutdown_hosts"})
    assert answer.status == 409
    assert answer.body["overridable"] == ["the Cloud Center VM runs on ablecube31-3", "the storage VM of ablecube31-3 runs"]


def test_a_plan_does_nothing(network: Network, nodes: list[NodeUnderTest]) -> None:
    network.answers("10.10.31.3", PATH, 200, {"code": 200, "val": {"scvm": "running"}})
    value = nodes[0].call("POST", f"{PATH}?plan=true", {"action": "shutdown_hosts"}).body["val"]
    assert [step["step"] for step in value["steps"]] == ["check", "others", "own"]
    assert value["warnings"] == ["the storage VM of ablecube31-3 runs"]


def test_a_host_that_fails_keeps_this_one_up(network: Network, nodes: list[NodeUnderTest]) -> None:
    """Nodes in folders refuse to switch the system around them off: a refusal, and this host, the last, is not asked."""
    answer = nodes[0].call("POST", PATH, {"action": "shutdown_hosts"})
    assert answer.status == 502
    assert [entry["hostname"] for entry in answer.body["results"]] == ["ablecube31-2", "ablecube31-3"]


def test_a_storage_vm_that_is_not_there(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", PATH, {"action": "stop_scvms"}, headers=node.internal() | LOCAL)
    assert (answer.status, "scvm domain not found" in answer.body["message"]) == (404, True)
