"""A host of a configured HCI cluster that reaches its storage cluster."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support import documents
from tests.support.node_under_test import NodeUnderTest
from tests.support.storage_cluster import StorageCluster


@pytest.fixture
def storage() -> Iterator[StorageCluster]:
    cluster = StorageCluster()
    yield cluster
    cluster.finish()


@pytest.fixture
def host(node: NodeUnderTest, storage: StorageCluster) -> NodeUnderTest:
    node.write_cluster(documents.document())
    node.env = replace(node.env, runner=storage)
    return node
