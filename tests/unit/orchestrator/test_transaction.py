"""Leading a change: what is looked at once more under the lock."""

import pytest

from ablestack_api.cluster import local_apply
from ablestack_api.cluster.models import ApplyRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import RevisionChanged
from ablestack_api.orchestrator import targets, transaction
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import cluster_file, transactions
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest


def change(node: NodeUnderTest, based_on: str) -> Change:
    request = ApplyRequest.model_validate(documents.insert(external_timeserver="new.example"))
    payload = local_apply.payload_of(request, INTERNAL_TOKEN)
    members = [targets.this_node(node.settings)]
    return Change(local_apply.KIND, payload, members, "root@10.0.0.9", "apply failed", based_on=based_on)


def test_a_change_made_from_a_revision_that_is_gone_is_refused(node: NodeUnderTest) -> None:
    """Between reading and locking another apply may have come through."""
    node.write_cluster(documents.document())
    older = cluster_file.read(node.settings).etag
    node.write_cluster(documents.document(wall="true"))
    before = node.cluster_json.read_bytes()
    with pytest.raises(RevisionChanged):
        transaction.run(node.env, change(node, older), Deadline(node.clock, 10))
    assert node.cluster_json.read_bytes() == before
    assert transactions.list_journals(node.settings) == []
    assert transactions.participation(node.settings) is None


def test_a_change_made_from_the_present_revision_is_made(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    present = cluster_file.read(node.settings).etag
    transaction.run(node.env, change(node, present), Deadline(node.clock, 10))
    assert node.cluster()["clusterConfig"]["external_timeserver"] == "new.example"
