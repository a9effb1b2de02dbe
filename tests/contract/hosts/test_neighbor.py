"""/neighbor and /neighbor/info (contract 01 §8)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

A, B, C = ({"ip": f"10.10.31.{number}", "hostname": f"ablecube31-{number}"} for number in (1, 2, 3))


def write(node: NodeUnderTest, *neighbors: dict[str, str], **more: Any) -> None:
    Path(node.settings.neighbor_json).write_text(json.dumps({"neighbor": list(neighbors), **more}))


def stored(node: NodeUnderTest) -> Any:
    return json.loads(Path(node.settings.neighbor_json).read_text())


def listed(node: NodeUnderTest) -> Any:
    answer = node.call("GET", "/neighbor")
    assert answer.status == 200
    return answer.body["neighbors"]


def test_the_list_of_a_fresh_node_is_empty(node: NodeUnderTest) -> None:
    assert listed(node) == []
    assert not Path(node.settings.neighbor_json).exists()


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_add(node: NodeUnderTest, method: str) -> None:
    for entry, expected in ((A, [A]), (B, [A, B]), (A, [A, B])):
        answer = node.call(method, "/neighbor", entry)
        assert (answer.status, answer.body) == (200, {"neighbors": expected})
    assert stored(node) == {"neighbor": [A, B]}
    assert Path(node.settings.neighbor_json).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address", ["fe80::1", "2001:db8::1", "192.0.2.255"])
def test_any_ip_address(node: NodeUnderTest, address: str) -> None:
    assert node.call("POST", "/neighbor", {"ip": address, "hostname": "a"}).status == 200


def test_other_keys_of_the_file_are_kept(node: NodeUnderTest) -> None:
    write(node, A, site={"name": "서울"})
    assert node.call("POST", "/neighbor", B).status == 200
    assert stored(node) == {"neighbor": [A, B], "site": {"name": "서울"}}


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (A, [B, C]),
        ({"ip": A["ip"]}, [B, C]),
        ({"hostname": B["hostname"]}, [A, C]),
        ({"ip": A["ip"], "hostname": B["hostname"]}, [A, B, C]),
        ({"ip": "10.9.9.9"}, [A, B, C]),
        ({}, []),
        ({"ip": "", "hostname": " "}, []),
        (None, []),
    ],
)
def test_remove(node: NodeUnderTest, body: Any, left: list[Any]) -> None:
    write(node, A, B, C)
    answer = node.call("DELETE", "/neighbor", body)
    assert (answer.status, answer.body) == (200, {"neighbors": left})
    assert listed(node) == left


def test_remove_takes_every_match(node: NodeUnderTest) -> None:
    write(node, A, A, B, {**A, "hostname": "second-name"}, A)
    assert node.call("DELETE", "/neighbor", {"ip": A["ip"]}).body == {"neighbors": [B]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["ip", "hostname"]),
        ({"ip": A["ip"]}, ["hostname"]),
        ({"hostname": "a"}, ["ip"]),
        ({"ip": "", "hostname": ""}, ["ip", "hostname"]),
        ({"ip": "cube1", "hostname": "a"}, ["ip"]),
        ({"ip": "10.10.31.256", "hostname": "a"}, ["ip"]),
        ({"ip": "10.10.31.1/24", "hostname": "a"}, ["ip"]),
        ({"ip": "-10.0.0.1", "hostname": "a"}, ["ip"]),
        ({"ip": "10.0.0.1\0", "hostname": "a"}, ["ip"]),
        ({"ip": "1" * 10_000, "hostname": "a"}, ["ip"]),
        ({"ip": A["ip"], "hostname": "two words"}, ["hostname"]),
        ({"ip": A["ip"], "hostname": "line\nbreak"}, ["hostname"]),
        ({"ip": A["ip"], "hostname": "-dash"}, ["hostname"]),
        ({"ip": A["ip"], "hostname": "nul\0"}, ["hostname"]),
        ({"ip": A["ip"], "hostname": "x" * 10_000}, ["hostname"]),
        ({"ip": "nonsense", "hostname": "two words"}, ["ip", "hostname"]),
    ],
)
def test_add_refuses_bad_input_and_changes_nothing(node: NodeUnderTest, body: dict[str, str], fields: list[str]) -> None:
    write(node, B)
    for method in ("POST", "PUT"):
        answer = node.call(method, "/neighbor", body)
        assert answer.status == 400
        assert [error["field"] for error in answer.body["errors"]] == fields
        assert answer.body["message"].startswith(f"invalid request: {fields[0]}")
    assert stored(node) == {"neighbor": [B]}


def test_the_list_has_an_end(node: NodeUnderTest) -> None:
    write(node, *({"ip": f"10.1.{number}.1", "hostname": "a"} for number in range(256)))
    assert node.call("POST", "/neighbor", A).status == 400
    assert node.call("POST", "/neighbor", {"ip": "10.1.7.1", "hostname": "a"}).status == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"5", b'{"neighbor": 5}', b'{"neighbor": [1]}', b'{"neighbor": {"a": {}}}', b"\xff"]
)
def test_a_damaged_file_is_told_and_left_alone(node: NodeUnderTest, content: bytes) -> None:
    Path(node.settings.neighbor_json).write_bytes(content)
    for method, path in (("GET", "/neighbor"), ("GET", "/neighbor/info"), ("POST", "/neighbor"), ("DELETE", "/neighbor")):
        answer = node.call(method, path, A)
        assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
        assert node.settings.neighbor_json in answer.body["message"]
    assert Path(node.settings.neighbor_json).read_bytes() == content


@pytest.mark.parametrize("content", [b"{}", b'{"neighbor": null}', b'{"neighbor": []}'])
def test_a_file_without_entries_is_an_empty_list(node: NodeUnderTest, content: bytes) -> None:
    Path(node.settings.neighbor_json).write_bytes(content)
    assert listed(node) == []
    assert node.call("GET", "/neighbor/info").body == {"neighbors": {}}


def test_the_file_may_lie_elsewhere(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path / "node", CUBE_CONFIG_PATH=str(tmp_path / "elsewhere.json"))
    assert node.call("POST", "/neighbor", A).status == 200
    assert json.loads((tmp_path / "elsewhere.json").read_text()) == {"neighbor": [A]}


# --- /neighbor/info --------------------------------------------------------------------------------------------------


def test_info_asks_the_hosts_of_the_cluster(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    write(node, A, B, C)
    node.peers.expect(B["ip"], "GET", "/neighbor", body={"neighbors": [C]})
    node.peers.expect(C["ip"], "GET", "/neighbor", 503, {"code": 503, "message": "starting"})
    answer = node.call("GET", "/neighbor/info")
    assert answer.status == 200
    assert answer.body == {
        "neighbors": {
            A["hostname"]: {"info": {"neighbors": [A, B, C], "err": None}, "code": 200},
            B["hostname"]: {"info": {"neighbors": [C], "err": None}, "code": 200},
            C["hostname"]: {"info": {"err": "starting"}, "code": 503},
        }
    }
    assert {call.headers["X-Cube-Internal-Token"] for call in node.peers.made} == {INTERNAL_TOKEN}


def test_info_sends_nothing_to_strangers(node: NodeUnderTest) -> None:
    """Whoever may write the list must not learn the internal token."""
    node.write_cluster(documents.document("ablestack-vm"))
    write(node, {"ip": "192.0.2.7", "hostname": "stranger"}, {"ip": "10.10.31.10", "hostname": "ccvm"})
    answer = node.call("GET", "/neighbor/info")
    refused = {"info": {"err": "is not a host of this cluster; nothing was sent to it"}, "code": 400}
    assert (answer.status, answer.body) == (200, {"neighbors": {"stranger": refused, "ccvm": refused}})
    assert node.peers.made == []


@pytest.mark.parametrize("connected", [True, False])
def test_info_of_a_node_that_is_off(node: NodeUnderTest, connected: bool) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    write(node, B)
    node.peers.expect_unreachable(B["ip"], "GET", "/neighbor", "no connection", connected=connected)
    answer = node.call("GET", "/neighbor/info")
    assert answer.body["neighbors"] == {B["hostname"]: {"info": {"err": "no connection"}, "code": 503}}


@pytest.mark.parametrize("body", ["<html>hello</html>", [1], "null"])
def test_info_of_something_that_is_no_node(node: NodeUnderTest, body: Any) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    write(node, B)
    node.peers.expect(B["ip"], "GET", "/neighbor", body=body)
    answer = node.call("GET", "/neighbor/info")
    told = answer.body["neighbors"][B["hostname"]]
    assert (answer.status, told["code"]) == (200, 502)
    assert "ABLESTACK" in told["info"]["err"]


def test_neighbours_want_a_credential(node: NodeUnderTest) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert node.call(method, "/neighbor", A, headers={}).status == 401
    assert node.call("GET", "/neighbor/info", headers={}).status == 401
    assert listed(node) == []
