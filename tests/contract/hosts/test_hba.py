"""POST /cube/hba/manage (contract 02 §10)."""

from typing import Any

import pytest

from tests.support import documents
from tests.support.network import Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

PATH = "/cube/hba/manage"
LOCAL = {"X-Cube-HBA-Manage-Local": "1"}
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]


@pytest.fixture
def hosts(network: Network) -> list[NodeUnderTest]:
    return network.add_hosts(document=documents.document("ablestack-vm"))


def put_port(node: NodeUnderTest, host: str, name: str | None) -> None:
    """`None`: a port whose name cannot be read."""
    folder = node.root / "sys/class/fc_host" / host
    folder.mkdir(parents=True)
    if name is None:
        (folder / "port_name").mkdir()
    else:
        (folder / "port_name").write_text(f"{name}\n")


@pytest.mark.parametrize(
    "body", [None, {}, {"action": ""}, {"action": "list"}, {"action": " LIST-HBA-WWN "}, {"action": None}]
)
def test_every_host(hosts: list[NodeUnderTest], body: Any) -> None:
    put_port(hosts[0], "host10", "0x10000090fa000002")
    put_port(hosts[0], "host2", "0x10000090fa000001")
    put_port(hosts[0], "host11", "0x10000090fa000002")
    put_port(hosts[2], "host0", "0x10000090fa000003")
    answer = hosts[0].call("POST", PATH, body)
    assert answer.status == 200
    assert [(entry["target"], entry["outcome"]) for entry in answer.body.pop("results")] == [(host, "ok") for host in HOSTS]
    assert answer.body == {
        "code": 200,
        "val": [
            {"hostname": "ablecube31-1", "target": HOSTS[0], "wwn": ["0x10000090fa000001", "0x10000090fa000002"]},
            {"hostname": "ablecube31-2", "target": HOSTS[1], "wwn": []},
            {"hostname": "ablecube31-3", "target": HOSTS[2], "wwn": ["0x10000090fa000003"]},
        ],
        "message": "ok",
        "action": "list-hba-wwn",
    }


def test_the_order_is_the_clusters(network: Network, hosts: list[NodeUnderTest]) -> None:
    answer = hosts[2].call("POST", PATH)
    assert [entry["target"] for entry in answer.body["val"]] == HOSTS
    assert network.called() == {HOSTS[0], HOSTS[1]}
    assert all(call.headers["X-Cube-Internal-Token"] == INTERNAL_TOKEN for call in network.calls)
    assert all(call.headers["X-Cube-HBA-Manage-Local"] == "1" for call in network.calls)


def test_another_nodes_question_is_answered_for_this_node_alone(network: Network, hosts: list[NodeUnderTest]) -> None:
    put_port(hosts[1], "host0", "0x1")
    answer = hosts[1].call("POST", PATH, headers={**hosts[1].internal(), **LOCAL})
    assert answer.body["val"] == [{"hostname": "ablecube31-2", "wwn": ["0x1"]}]
    assert network.calls == []


def test_the_marker_of_a_stranger_means_nothing(network: Network, hosts: list[NodeUnderTest]) -> None:
    answer = hosts[0].call("POST", PATH, headers={**hosts[0].bearer(), **LOCAL})
    assert len(answer.body["val"]) == 3
    assert hosts[0].call("POST", PATH, headers=LOCAL).status == 401


@pytest.mark.parametrize("broken", [0, 1])
def test_a_port_that_cannot_be_read(hosts: list[NodeUnderTest], broken: int) -> None:
    """Here or elsewhere: the others are told all the same, and nobody calls it ok."""
    put_port(hosts[broken], "host0", None)
    put_port(hosts[broken], "host1", "0x2")
    put_port(hosts[2], "host0", "0x3")
    answer = hosts[0].call("POST", PATH)
    assert (answer.status, answer.body["code"]) == (502, 502)
    assert answer.body["message"] != "ok"
    assert f"ablecube31-{broken + 1}: /sys/class/fc_host/host0/port_name: Is a directory" in answer.body["message"]
    entries = answer.body["val"]
    assert [entry["wwn"] for entry in entries] == [["0x2"] if number == broken else [] for number in (0, 1)] + [["0x3"]]
    assert [number for number, entry in enumerate(entries) if "error" in entry] == [broken]
    assert [entry["outcome"] for entry in answer.body["results"]] == [
        "failed" if number == broken else "ok" for number in range(3)
    ]


def test_a_host_that_is_off(network: Network, hosts: list[NodeUnderTest]) -> None:
    put_port(hosts[0], "host0", "0x1")
    network.is_silent(HOSTS[1], PATH, connected=False)
    answer = hosts[0].call("POST", PATH)
    assert answer.status == 502
    assert [entry["wwn"] for entry in answer.body["val"]] == [["0x1"], [], []]
    assert answer.body["val"][1]["error"] == "no connection"
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "unreachable", "ok"]
    assert answer.body["action"] == "list-hba-wwn"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"code": 200, "val": []}, "empty hba response"),
        (200, {"code": 200, "val": None}, "empty hba response"),
        (200, {"code": 200, "val": [{"wwn": "0x1"}]}, "empty hba response"),
        (200, {"code": 200, "val": [{"hostname": "x", "wwn": ["0x1"], "error": "one port"}]}, "one port"),
        (200, "<html>", "is this an ABLESTACK node?"),
        (401, {"code": 401, "message": "invalid internal token"}, "invalid internal token"),
        (500, {"code": 500, "val": [{"hostname": "x", "wwn": ["0x1"], "error": "one port"}]}, "one port"),
    ],
)
def test_what_another_release_may_answer(
    network: Network, hosts: list[NodeUnderTest], status: int, body: Any, error: str
) -> None:
    network.answers(HOSTS[1], PATH, status, body)
    answer = hosts[0].call("POST", PATH)
    assert answer.status == 502
    assert error in answer.body["val"][1]["error"]
    assert (answer.body["val"][1]["hostname"], answer.body["val"][1]["target"]) == ("ablecube31-2", HOSTS[1])


@pytest.mark.parametrize("action", ["delete", "list;", "-l", "list\nlist", "x" * 5000, "관리"])
def test_unknown_actions(node: NodeUnderTest, action: str) -> None:
    answer = node.call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")
    assert answer.body["errors"][0]["field"] == "action"


@pytest.mark.parametrize("body", ["[]", "{", '{"action": 5}', '{"action": ["list"]}'])
def test_bodies_that_are_none(node: NodeUnderTest, body: str) -> None:
    assert node.call("POST", PATH, body).status == 400


def test_a_node_without_a_cluster(node: NodeUnderTest) -> None:
    assert node.call("POST", PATH).body["type"].endswith("cluster_file_missing")
    node.write_cluster({"clusterConfig": {}})
    answer = node.call("POST", PATH)
    assert (answer.status, answer.body["message"].partition(":")[0]) == (409, "hosts[].ablecube required")
    assert node.call("POST", PATH, headers={**node.internal(), **LOCAL}).status == 401  # no token was ever made
