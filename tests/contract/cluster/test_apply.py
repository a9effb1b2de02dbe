"""POST /cube/cluster/apply and apply-local."""

import pytest

from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

LOCAL = "/cube/cluster/apply-local"


@pytest.mark.parametrize("cluster_type", documents.TYPES)
def test_apply_local_inserts(node: NodeUnderTest, cluster_type: str) -> None:
    answer = node.call("POST", LOCAL, documents.insert(cluster_type))
    assert (answer.status, answer.body["val"]) == (200, "Cluster Config insert Success")
    assert node.cluster()["clusterConfig"] == documents.document(cluster_type)["clusterConfig"]


def test_an_internal_caller_may_apply_locally(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", LOCAL, {"action": "reset"}, headers=node.internal())
    assert (answer.status, answer.body["val"]) == (200, "Cluster Config reset Success")
    assert node.cluster()["clusterConfig"]["hosts"] == []
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN
