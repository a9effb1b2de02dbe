"""POST /auth/logout and, between nodes, /auth/logout/apply (D3)."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from tests.contract.auth.three_nodes import ADDRESSES, OFF, ThreeNodes
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

PATH = "/auth/logout"
APPLY = "/auth/logout/apply"


def test_logout_ends_the_token_on_every_host(cluster: ThreeNodes) -> None:
    token, other = cluster.first.bearer(), cluster.first.bearer()
    answer = cluster.first.call("POST", PATH, headers=token)
    assert (answer.status, answer.body["val"]) == (200, "logged out")
    assert [(entry["target"], entry["outcome"]) for entry in answer.body["results"]] == [
        (ADDRESSES[1], "ok"),
        (ADDRESSES[2], "ok"),
    ]
    for node in cluster.nodes.values():
        refused = node.call("GET", "/auth/me", headers=token)
        assert (refused.status, refused.body["message"]) == (401, "token revoked: it was logged out")
        assert node.call("GET", "/auth/me", headers=other).status == 200


def test_a_token_cannot_be_logged_out_twice(node: NodeUnderTest) -> None:
    token = node.bearer()
    assert node.call("POST", PATH, headers=token).status == 200
    assert node.call("POST", PATH, headers=token).status == 401


@pytest.mark.parametrize("fault", [OFF, PeerAnswer(500, {"code": 500, "message": "no"}, ""), PeerAnswer(404, None, "")])
def test_a_host_that_was_not_told_is_named(cluster: ThreeNodes, fault: PeerAnswer | PeerUnreachable) -> None:
    cluster.faults[(ADDRESSES[2], "")] = fault
    token = cluster.first.bearer()
    answer = cluster.first.call("POST", PATH, headers=token)
    assert answer.status == 502
    assert answer.body["message"].startswith("logged out here, but not on every node")
    assert [entry["target"] for entry in answer.body["results"] if entry["outcome"] != "ok"] == [ADDRESSES[2]]
    assert cluster.first.call("GET", "/auth/me", headers=token).status == 401
    assert cluster.nodes[ADDRESSES[1]].call("GET", "/auth/me", headers=token).status == 401


def test_the_next_logout_tells_what_a_host_missed(cluster: ThreeNodes) -> None:
    first, second = cluster.first.bearer(), cluster.first.bearer()
    cluster.faults[(ADDRESSES[2], "")] = OFF
    assert cluster.first.call("POST", PATH, headers=first).status == 502
    cluster.faults.clear()
    assert cluster.first.call("POST", PATH, headers=second).status == 200
    assert cluster.nodes[ADDRESSES[2]].call("GET", "/auth/me", headers=first).status == 401


def test_only_ids_travel_never_tokens(cluster: ThreeNodes) -> None:
    token = cluster.first.bearer()
    cluster.first.call("POST", PATH, headers=token)
    sent = json.dumps([[call.body, call.headers] for call in cluster.sent])
    assert token["Authorization"].split()[1] not in sent
    assert {call.path for call in cluster.sent} == {f"/api/v1{APPLY}"}


def test_a_token_of_0_1_2_which_has_no_id_can_be_logged_out(node: NodeUnderTest) -> None:
    old = node.bearer(jti="")
    another = node.bearer(jti="", ttl=3000)
    assert node.call("POST", PATH, headers=old).status == 200
    assert node.call("GET", "/auth/me", headers=old).status == 401
    assert node.call("GET", "/auth/me", headers=another).status == 200


def test_what_has_expired_is_forgotten(node: NodeUnderTest) -> None:
    node.call("POST", PATH, headers=node.bearer(jti="first"))
    node.clock.advance(3600)
    node.call("POST", PATH, headers=node.bearer(jti="second"))
    kept = json.loads((Path(node.settings.state_root) / "revoked_tokens.json").read_text())
    assert list(kept) == ["second"]


def test_logout_of_an_unconfigured_node_calls_nobody(node: NodeUnderTest) -> None:
    answer = node.call("POST", PATH)
    assert (answer.status, answer.body["results"]) == (200, [])


def test_logout_wants_a_bearer(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    assert node.call("POST", PATH, headers={}).status == 401
    assert node.call("POST", PATH, headers=node.internal()).status == 401


def test_a_peer_tells_what_was_logged_out(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    token = node.bearer(jti="abc")
    body = {"revoked": {"abc": int(node.clock.now().timestamp()) + 60}}
    answer = node.call("POST", APPLY, body, headers=node.internal())
    assert (answer.status, answer.body) == (200, {"code": 200, "val": "revoked tokens applied"})
    assert node.call("GET", "/auth/me", headers=token).status == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "revoked"),
        ({"revoked": None}, "revoked"),
        ({"revoked": ["abc"]}, "revoked"),
        ({"revoked": {"abc": "tomorrow"}}, "revoked.abc"),
        ({"revoked": {"abc": None}}, "revoked.abc"),
        ({"revoked": {f"{number}": 9999999999 for number in range(10_001)}}, "revoked"),
        ("[]", ""),
        ("", ""),
    ],
)
def test_apply_refuses_bad_input(node: NodeUnderTest, body: Any, field: str) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", APPLY, body, headers=node.internal())
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert not (Path(node.settings.state_root) / "revoked_tokens.json").exists()


def test_only_a_node_may_tell(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    body = {"revoked": {"abc": 9999999999}}
    for headers in ({}, node.bearer(), node.internal("wrong")):
        assert node.call("POST", APPLY, body, headers=headers).status == 401
    assert node.call("GET", "/auth/me", headers=node.bearer(jti="abc")).status == 200


def test_a_damaged_list_lets_nobody_in(node: NodeUnderTest) -> None:
    """A token that was logged out must not come back to life because the list cannot be read."""
    (Path(node.settings.state_root) / "revoked_tokens.json").write_text("{")
    answer = node.call("GET", "/auth/me")
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
