"""GET /cube/cluster/health."""

import pytest

from tests.support import documents
from tests.support.network import CCVM_ADDRESS, Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

PATH = "/cube/cluster/health"
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
SCVMS = ["10.10.31.11", "10.10.31.12", "10.10.31.13"]


def test_alive_without_credentials_and_without_a_configuration(node: NodeUnderTest) -> None:
    answer = node.call("GET", PATH, headers={})
    assert (answer.status, answer.body) == (200, {"status": "ok"})


@pytest.mark.parametrize("query", ["?option=host", "?target_hostname=ccvm", "?option=", "?anything=1"])
def test_a_query_needs_a_credential(node: NodeUnderTest, query: str) -> None:
    assert node.call("GET", PATH + query, headers={}).status == 401


@pytest.mark.parametrize("headers", ["bearer", "internal"])
def test_either_credential_will_do(node: NodeUnderTest, headers: str) -> None:
    node.write_cluster(documents.document("ablestack-standalone"))
    assert node.call("GET", f"{PATH}?option=host", headers=getattr(node, headers)()).status == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("option=host", HOSTS),
        ("option=HOST", HOSTS),
        ("option=scvm", SCVMS),
        ("option=ccvm", [CCVM_ADDRESS]),
        ("option=ccvm, host", [*HOSTS, CCVM_ADDRESS]),
        ("option=host,host,", HOSTS),
        ("target_hostname=ablecube31-2", [HOSTS[1]]),
        ("target_hostname=ABLECUBE31-2, scvm3,CCVM", [HOSTS[1], SCVMS[2], CCVM_ADDRESS]),
        ("target_hostname=scvm1,scvm9", [SCVMS[0]]),
        ("option=host&target_hostname=ablecube31-3", [HOSTS[2]]),
    ],
)
def test_who_is_probed(network: Network, query: str, expected: list[str]) -> None:
    document = documents.document()
    nodes = network.add_hosts(document=document)
    network.add_guests(document)
    answer = nodes[0].call("GET", f"{PATH}?{query}")
    assert (answer.status, answer.body["message"]) == (200, "health check success")
    assert [entry["target"] for entry in answer.body["results"]] == expected
    assert {entry["outcome"] for entry in answer.body["results"]} == {"ok"}
    assert network.called() == set(expected) - {HOSTS[0]}
    assert all(call.headers["X-Cube-Internal-Token"] == INTERNAL_TOKEN for call in network.calls)


def test_an_entry_says_who_it_is(network: Network) -> None:
    document = documents.document()
    nodes = network.add_hosts(document=document)
    network.add_guests(document)
    results = nodes[0].call("GET", f"{PATH}?target_hostname=scvm2").body["results"]
    assert results == [{"role": "scvm", "hostname": "scvm2", "target": "10.10.31.12", "code": 200, "outcome": "ok"}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("option=vm", "invalid option"),
        ("option=host,vm", "invalid option"),
        ("option=,", "invalid option"),
        ("option=%00", "invalid option"),
        ("target_hostname=nobody", "target_hostname not found"),
        ("target_hostname=scvm9", "target_hostname not found"),
        ("option=host&target_hostname=scvm1", "target_hostname not found"),
        ("target_hostname=" + "a" * 10_000, "target_hostname not found"),
        ("target_hostname=10.10.31.2", "target_hostname not found"),
        ("target_hostname=,", "no targets to apply"),
    ],
)
def test_bad_queries(node: NodeUnderTest, query: str, message: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("GET", f"{PATH}?{query}")
    assert (answer.status, answer.body["message"]) == (400, message)


@pytest.mark.parametrize("query", ["option=scvm", "target_hostname=scvm1"])
@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-standalone"])
def test_storage_vms_of_a_type_that_has_none(node: NodeUnderTest, cluster_type: str, query: str) -> None:
    node.write_cluster(documents.document(cluster_type))
    answer = node.call("GET", f"{PATH}?{query}")
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


@pytest.mark.parametrize("query", ["option=ccvm", "target_hostname=ccvm"])
def test_a_cloud_center_that_is_not_configured(node: NodeUnderTest, query: str) -> None:
    node.write_cluster({"clusterConfig": {"type": "ablestack-vm", "hosts": [documents.host(1, "ablestack-vm")]}})
    answer = node.call("GET", f"{PATH}?{query}")
    assert (answer.status, answer.body["message"]) == (400, "ccvm ip required")


def test_hosts_of_an_unconfigured_node(node: NodeUnderTest) -> None:
    node.write_cluster({"clusterConfig": {}})
    answer = node.call("GET", f"{PATH}?option=host")
    assert (answer.status, answer.body["message"]) == (400, "no targets to apply")


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (200, {"status": "ok"}, "ok", 200),
        (200, {"code": 500, "message": "no"}, "failed", 500),
        (200, "<html></html>", "failed", 502),
        (301, "", "failed", 502),
        (401, {"code": 401, "message": "invalid internal token"}, "refused", 401),
        (403, {"code": 403, "message": "active license required"}, "refused", 403),
        (503, {"code": 503, "message": "starting"}, "failed", 503),
    ],
)
def test_what_an_answer_counts_as(node: NodeUnderTest, status: int, body: object, outcome: str, code: int) -> None:
    node.write_cluster(documents.document())
    node.peers.expect(HOSTS[1], "GET", PATH, status, body)
    answer = node.call("GET", f"{PATH}?target_hostname=ablecube31-2")
    assert answer.status == (200 if outcome == "ok" else 502)
    assert [(entry["outcome"], entry["code"]) for entry in answer.body["results"]] == [(outcome, code)]


def test_a_silent_guest_is_a_failure_also_when_it_is_not_deployed(network: Network) -> None:
    """Whoever asks for it wants to know."""
    nodes = network.add_hosts(document=documents.document())
    answer = nodes[0].call("GET", f"{PATH}?option=host,ccvm")
    assert answer.status == 502
    assert answer.body["message"].startswith("health check failed: ccvm")
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "ok", "ok", "unreachable"]
    assert answer.body["results"][3]["code"] == 503
