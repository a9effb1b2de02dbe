"""SIGKILL of the caller, and of a peer, before every durable write of an apply: all nodes end up with one revision."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.nodes.convergence import held, settled
from tests.nodes.crash_cluster import CALLER, MOST_WRITES, PEER, Cluster
from tests.support.local_nodes import LocalNode


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
