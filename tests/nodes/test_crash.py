"""SIGKILL of the caller, and of a peer, before every durable write of an apply: all nodes end up with one revision."""

import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.convergence import held, settled
from tests.support.local_nodes import LocalNode, insert_request, make_nodes

DYING = (sys.executable, "-m", "tests.nodes.crashing_daemon")
CALLER, PEER = 0, 1
MOST_WRITES = 60


class Cluster:
    """Three nodes; one of them dies before its Nth write."""

    def __init__(self, folder: Path) -> None:
        self.nodes = make_nodes(folder, 3, network="127.75.0")
        for node in self.nodes:
            node.program = DYING
            node.environ["CRASH_WRITES_FILE"] = str(folder / f"{node.hostname}.writes")
            node.start()

    def restart(self, node: LocalNode, *, before_write: int) -> None:
        node.kill()
        Path(node.environ["CRASH_WRITES_FILE"]).unlink(missing_ok=True)
        node.environ["CRASH_BEFORE_WRITE"] = str(before_write)
        node.start()

    def apply(self, marker: str) -> int:
        """Status of an insert with `marker` in it; 0 when the caller died in the middle."""
        request = insert_request(self.nodes, external_timeserver=marker)
        try:
            return self.nodes[CALLER].api("POST", "/cube/cluster/apply", request).status
        except (OSError, HTTPException):
            return 0

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("configured"))
    try:
        assert cluster.apply("old.example") == 200
        yield cluster
    finally:
        cluster.stop()


@pytest.mark.parametrize("victim", [CALLER, PEER], ids=["caller", "peer"])
def test_a_crash_at_any_step_of_an_apply_leaves_one_revision(configured: Cluster, victim: int) -> None:
    """Steps are counted while they happen: the test ends when an apply gets through without reaching step N."""
    outcomes = set()
    for step in range(1, MOST_WRITES):
        survived, outcome = _crash_once(configured, victim, step)
        outcomes.add(outcome)
        if survived:
            break
    else:
        raise AssertionError("no apply ever got through")
    assert step > 8, "an apply has more steps than that: the crash points were not reached"
    assert outcomes == ({"old", "new"})


def _crash_once(cluster: Cluster, victim: int, step: int) -> tuple[bool, str]:
    """(the victim lived through it, which revision all nodes hold afterwards)."""
    node = cluster.nodes[victim]
    before, marker = held(cluster.nodes[2]), f"step{step}.victim{victim}.example"
    cluster.restart(node, before_write=step)
    status = cluster.apply(marker)
    survived = _lives(node)
    cluster.restart(node, before_write=0)
    after = settled(cluster.nodes)
    assert after == before or marker in after, f"step {step}: neither the old nor the new revision"
    outcome = "old" if after == before else "new"
    truthful = (0, 200) if outcome == "new" else (0, 502, 503)
    assert status in truthful, f"step {step}: answered {status}, nodes are {outcome}"
    return survived, outcome


def _lives(node: LocalNode) -> bool:
    """False as soon as the master has ended; the kernel may need a moment after the connection broke."""
    assert node.process is not None
    try:
        node.process.wait(0.5)
    except subprocess.TimeoutExpired:
        return True
    return False


def test_a_crash_during_the_first_insert_leaves_every_node_new_or_in_the_cluster(tmp_path: Path) -> None:
    """First trust: the peers do not know the caller's token yet when it dies."""
    for step in range(1, MOST_WRITES, 3):
        cluster = Cluster(_folder(tmp_path, step))
        try:
            caller = cluster.nodes[CALLER]
            cluster.restart(caller, before_write=step)
            status = cluster.apply("first.example")
            if status == 0:
                cluster.restart(caller, before_write=0)
            _assert_new_or_joined(cluster)
            if status != 0:
                assert step > 8
                return
            assert cluster.apply("second.example") == 200, "after a broken first insert the next one must work"
        finally:
            cluster.stop()
    raise AssertionError("no insert ever got through")


def _assert_new_or_joined(cluster: Cluster) -> None:
    settled(cluster.nodes)
    hosts: list[Any] = [node.cluster()["clusterConfig"]["hosts"] for node in cluster.nodes]
    assert all(len(entry) == 3 for entry in hosts) or not any(any(host.values()) for entry in hosts for host in entry)


def _folder(parent: Path, step: int) -> Path:
    folder = parent / str(step)
    folder.mkdir()
    return folder
