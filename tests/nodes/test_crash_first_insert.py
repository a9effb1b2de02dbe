"""SIGKILL of the caller before every durable write of a first insert: every node ends up new or in the cluster."""

from pathlib import Path
from typing import Any

from tests.nodes.convergence import settled
from tests.nodes.crash_cluster import CALLER, MOST_WRITES, Cluster

NETWORK = "127.69.0"


def test_a_crash_during_the_first_insert_leaves_every_node_new_or_in_the_cluster(tmp_path: Path) -> None:
    """First trust: the peers do not know the caller's token yet when it dies."""
    for step in range(1, MOST_WRITES, 3):
        cluster = Cluster(_folder(tmp_path, step), NETWORK)
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
