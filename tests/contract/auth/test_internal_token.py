"""POST /auth/internal-token/rotate and /auth/internal-token/apply (contract 01 §3.3, §3.4)."""

import json
from pathlib import Path

import pytest

from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from tests.contract.auth.three_nodes import ADDRESSES, OFF, SILENT, ThreeNodes, accepts_internal
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

ROTATE = "/auth/internal-token/rotate"
APPLY = "/auth/internal-token/apply"
NEW = "brand-new-internal-token-0123456789-abcdefg"
CCVM = "10.10.31.10"


def test_rotate_gives_every_node_the_same_new_token(cluster: ThreeNodes) -> None:
    answer = cluster.first.call("POST", ROTATE)
    assert answer.status == 200
    assert answer.body["val"] == {"message": "internal token rotated", "target_cnt": 3, "token": "****"}
    told = [(entry["target"], entry["code"], entry["outcome"]) for entry in answer.body["results"]]
    assert told == [(ADDRESSES[1], 200, "ok"), (ADDRESSES[2], 200, "ok"), (CCVM, 503, "skipped")]
    (token,) = cluster.tokens
    assert token != INTERNAL_TOKEN
    assert len(token) == 43
    assert token not in json.dumps(answer.body)
    for node in cluster.nodes.values():
        assert accepts_internal(node, token)
        assert not accepts_internal(node, INTERNAL_TOKEN)


def test_rotate_changes_nothing_else_in_cluster_json(cluster: ThreeNodes) -> None:
    before = {address: node.cluster() for address, node in cluster.nodes.items()}
    assert cluster.first.call("POST", ROTATE).status == 200
    for address, node in cluster.nodes.items():
        after = node.cluster()
        assert {**after, "security": None} == {**before[address], "security": None}
        assert Path(node.settings.cluster_json).stat().st_mode & 0o777 == 0o600


def test_rotate_accepts_both_tokens_while_it_runs(cluster: ThreeNodes) -> None:
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        new = cluster.prepared_with()["internal_token"]
        seen.extend((accepts_internal(node, INTERNAL_TOKEN), accepts_internal(node, new)) for node in cluster.nodes.values())

    cluster.watches = {(ADDRESSES[2], "apply"): look, (ADDRESSES[1], "finish"): look}
    assert cluster.first.call("POST", ROTATE).status == 200
    # Between the phases every node accepts both; a node that has finished may refuse the old one.
    assert seen[:3] == [(True, True)] * 3
    assert all(new for _, new in seen)
    assert len(seen) == 6


REFUSED = PeerAnswer(401, {"code": 401, "message": "invalid internal token"}, "")
FAILED = PeerAnswer(500, {"code": 500, "message": "disk full"}, "")
LYING = PeerAnswer(200, {"code": 500, "message": "no"}, "")
HTML = PeerAnswer(200, None, "<html>welcome</html>")


@pytest.mark.parametrize(
    ("phase", "fault"),
    [
        pytest.param("prepare", REFUSED, id="refused"),
        pytest.param("prepare", OFF, id="off"),
        pytest.param("apply", FAILED, id="500"),
        pytest.param("apply", LYING, id="200-with-code-500"),
        pytest.param("apply", HTML, id="html"),
        pytest.param("apply", SILENT, id="silent"),
    ],
)
def test_rotate_changes_no_node_when_one_fails(cluster: ThreeNodes, phase: str, fault: PeerAnswer | PeerUnreachable) -> None:
    cluster.faults[(ADDRESSES[2], phase)] = fault
    answer = cluster.first.call("POST", ROTATE)
    assert (answer.status, answer.body["code"]) == (502, 502)
    assert answer.body["message"].startswith("internal token rotation failed: ablecube31-3 (")
    outcomes = {entry["target"]: entry["outcome"] for entry in answer.body["results"]}
    assert outcomes[ADDRESSES[2]] in ("failed", "refused", "unreachable")
    assert outcomes[ADDRESSES[1]] == "skipped"
    assert cluster.tokens == {INTERNAL_TOKEN}
    new = cluster.prepared_with()["internal_token"]
    assert new not in json.dumps(answer.body)
    for address in ADDRESSES[:2]:
        assert accepts_internal(cluster.nodes[address], INTERNAL_TOKEN)
        assert not accepts_internal(cluster.nodes[address], new)


def test_rotate_can_be_repeated_after_a_failure(cluster: ThreeNodes) -> None:
    cluster.faults[(ADDRESSES[1], "apply")] = PeerAnswer(500, {"code": 500, "message": "no"}, "")
    assert cluster.first.call("POST", ROTATE).status == 502
    cluster.faults.clear()
    assert cluster.first.call("POST", ROTATE).status == 200
    assert len(cluster.tokens) == 1
    assert INTERNAL_TOKEN not in cluster.tokens


def test_rotate_stands_when_a_node_misses_only_the_end(cluster: ThreeNodes) -> None:
    cluster.faults[(ADDRESSES[2], "finish")] = OFF
    answer = cluster.first.call("POST", ROTATE)
    assert answer.status == 200
    late = next(entry for entry in answer.body["results"] if entry["target"] == ADDRESSES[2])
    assert (late["outcome"], late["message"]) == ("ok", "applied; finishing is tried again: no connection")
    assert len(cluster.tokens) == 1


@pytest.mark.parametrize("deployed", ["false", "true"])
def test_rotate_includes_the_guests(tmp_path: Path, deployed: str) -> None:
    """A deployed guest that is off stops the rotation: it would be locked out. One that was never deployed does not."""
    cluster = ThreeNodes(tmp_path, "ablestack-hci", scvm=deployed, ccvm=deployed)
    answer = cluster.first.call("POST", ROTATE)
    assert set(cluster.addresses_called()) == {*ADDRESSES[1:], "10.10.31.11", "10.10.31.12", "10.10.31.13", CCVM}
    assert answer.status == (200 if deployed == "false" else 502)
    assert (cluster.tokens == {INTERNAL_TOKEN}) is (deployed == "true")


def test_rotate_of_a_standalone_node_calls_nobody(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-standalone")
    document["clusterConfig"]["ccvm"]["ip"] = ""
    node.write_cluster(document)
    answer = node.call("POST", ROTATE)
    assert (answer.status, answer.body["val"]["target_cnt"]) == (200, 0)
    assert "results" not in answer.body
    assert node.cluster()["security"]["internal_token"] not in ("", INTERNAL_TOKEN)


def test_rotate_makes_a_first_token(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-standalone", token="")
    document["clusterConfig"]["ccvm"]["ip"] = ""
    node.write_cluster(document)
    assert node.call("POST", ROTATE).status == 200
    assert accepts_internal(node, node.cluster()["security"]["internal_token"])


@pytest.mark.parametrize("variable", ["CUBE_INTERNAL_TOKEN", "ABLESTACK_INTERNAL_TOKEN"])
def test_a_token_of_the_environment_is_not_rotated(tmp_path: Path, variable: str) -> None:
    node = NodeUnderTest(tmp_path, **{variable: NEW})
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", ROTATE)
    assert answer.status == 409
    assert answer.body["message"].startswith("internal token is managed by environment")
    assert node.call("POST", APPLY, {"internal_token": "other"}, headers=node.internal(NEW)).status == 409
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN


@pytest.mark.parametrize(
    ("content", "kind"),
    [(None, "cluster_file_missing"), (b"{", "cluster_file_damaged"), (b"", "cluster_file_damaged")],
)
def test_rotate_without_a_usable_cluster_json(node: NodeUnderTest, content: bytes | None, kind: str) -> None:
    if content is not None:
        node.write_cluster(content)
    answer = node.call("POST", ROTATE)
    assert (answer.status, answer.body["type"]) == (500, f"urn:ablestack:error:{kind}")
    assert node.cluster_json.exists() is (content is not None)
    if content is not None:
        assert node.cluster_json.read_bytes() == content


def test_rotate_during_another_change_is_busy(cluster: ThreeNodes) -> None:
    step = {"id": "0" * 36, "phase": "prepare", "holder": "kim@10.0.0.7", "coordinator": ADDRESSES[1]}
    taken = cluster.first.call(
        "POST", APPLY, {"transaction": step, "request": {"internal_token": NEW}}, headers=cluster.first.internal()
    )
    assert taken.status == 200
    cluster.first.clock.advance(12)
    answer = cluster.first.call("POST", ROTATE)
    assert (answer.status, answer.body["holder"], answer.body["age_seconds"]) == (409, "kim@10.0.0.7", 12)
    assert cluster.sent == []


def test_rotate_wants_a_person(cluster: ThreeNodes) -> None:
    assert cluster.first.call("POST", ROTATE, headers=cluster.first.internal()).status == 401
    assert cluster.first.call("POST", ROTATE, headers={}).status == 401
    assert cluster.tokens == {INTERNAL_TOKEN}


@pytest.mark.parametrize("sent", [NEW, f"  {NEW}\n"])
def test_apply_stores_the_token(node: NodeUnderTest, sent: str) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", APPLY, {"internal_token": sent}, headers=node.internal())
    assert (answer.status, answer.body) == (200, {"code": 200, "val": "internal token applied"})
    assert node.cluster()["security"]["internal_token"] == NEW
    assert accepts_internal(node, NEW)
    assert not accepts_internal(node, INTERNAL_TOKEN)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "internal_token required"),
        ({"internal_token": ""}, "internal_token required"),
        ({"internal_token": "  \n"}, "internal_token required"),
        ({"internal_token": 5}, "invalid request"),
        ({"internal_token": None}, "invalid request"),
        ({"internal_token": ["x"]}, "invalid request"),
        ({"internal_token": "two words"}, "invalid request"),
        ({"internal_token": "line\nbreak"}, "invalid request"),
        ({"internal_token": "nul\0"}, "invalid request"),
        ({"internal_token": "관리자토큰관리자토큰관리자토큰"}, "invalid request"),
        ({"internal_token": "x" * 10_000}, "invalid request"),
        ('{"internal_token": "\\ud800"}', "invalid request"),
        ("{", "invalid request"),
        ("", "invalid request"),
    ],
)
def test_apply_refuses_bad_input(node: NodeUnderTest, body: object, message: str) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", APPLY, body, headers=node.internal())
    assert answer.status == 400
    assert answer.body["message"].startswith(message)
    in_whole_body = isinstance(body, str) and len(body) < 2
    assert [error["field"] for error in answer.body["errors"]] == ["" if in_whole_body else "internal_token"]
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN


def test_apply_wants_the_present_token(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    for headers in ({}, node.bearer(), node.internal(NEW), node.internal("")):
        answer = node.call("POST", APPLY, {"internal_token": NEW}, headers=headers)
        assert (answer.status, answer.body["message"]) == (401, "invalid internal token")
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN


def test_a_node_without_a_token_believes_nobody(node: NodeUnderTest) -> None:
    """0.1.2's weakness W1: a header that equals the body proves nothing."""
    node.write_cluster(documents.document("ablestack-vm", token=""))
    for path in (APPLY, "/auth/apply"):
        answer = node.call("POST", path, {"internal_token": NEW, "token": "value"}, headers=node.internal(NEW))
        assert answer.status == 401
    assert node.cluster()["security"]["internal_token"] == ""
