"""POST /auth/apply: another node gives this one the signing value (contract 01 §3.6, D6)."""

from pathlib import Path

import pytest

from tests.contract.auth.three_nodes import signing_value
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, SIGNING_VALUE, NodeUnderTest

PATH = "/auth/apply"
NEW = "bmV3LXNpZ25pbmctdmFsdWUtMDEyMzQ1Njc4OWFiY2Q"


@pytest.fixture
def node(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-vm"))
    return node


@pytest.mark.parametrize(
    "body",
    [
        {"token": NEW, "internal_token": INTERNAL_TOKEN},
        {"access_token_secret": NEW},
        {"token": NEW, "access_token_secret": "the old name loses"},
        {"Token": f" {NEW}\n"},
        {"token": "", "access_token_secret": NEW},
    ],
)
def test_apply_stores_the_signing_value(node: NodeUnderTest, body: dict[str, str]) -> None:
    answer = node.call("POST", PATH, body, headers=node.internal())
    assert (answer.status, answer.body) == (200, {"code": 200, "val": {"message": "auth applied", "token": "****"}})
    assert signing_value(node) == NEW
    assert node.call("GET", "/auth/me", headers=node.bearer(key=NEW)).status == 200
    assert Path(node.settings.auth_json).stat().st_mode & 0o777 == 0o600


def test_tokens_of_the_replaced_value_stay_good_for_their_lifetime(node: NodeUnderTest) -> None:
    old = node.bearer(ttl=10**6)
    assert node.call("POST", PATH, {"token": NEW}, headers=node.internal()).status == 200
    node.clock.advance(3599)
    assert node.call("GET", "/auth/me", headers=old).status == 200
    node.clock.advance(2)
    assert node.call("GET", "/auth/me", headers=old).status == 401


def test_apply_keeps_the_rest_of_auth_json(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret=SIGNING_VALUE, site="kept")
    assert node.call("POST", PATH, {"token": NEW}, headers=node.internal()).status == 200
    text = Path(node.settings.auth_json).read_text()
    assert '"site": "kept"' in text
    assert '"allowed_users"' in text


def test_the_internal_token_of_the_body_is_never_stored(node: NodeUnderTest) -> None:
    body = {"token": NEW, "internal_token": "another-internal-token-0123456789"}
    assert node.call("POST", PATH, body, headers=node.internal()).status == 200
    assert node.cluster()["security"]["internal_token"] == INTERNAL_TOKEN


@pytest.mark.parametrize("stored", [INTERNAL_TOKEN, ""])
def test_header_equal_to_body_is_no_proof(node: NodeUnderTest, stored: str) -> None:
    node.write_cluster(documents.document("ablestack-vm", token=stored))
    claimed = "another-internal-token-0123456789"
    answer = node.call("POST", PATH, {"token": NEW, "internal_token": claimed}, headers=node.internal(claimed))
    assert (answer.status, answer.body["message"]) == (401, "invalid internal token")
    assert signing_value(node) == SIGNING_VALUE
    assert node.cluster()["security"]["internal_token"] == stored


def test_a_bearer_alone_does_not_help(node: NodeUnderTest) -> None:
    answer = node.call("POST", PATH, {"token": NEW})
    assert (answer.status, answer.body["message"]) == (401, "invalid internal token")


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({}, "token required", "token"),
        ({"token": " "}, "token required", "token"),
        ({"token": 7}, "invalid request", "token"),
        ({"token": None}, "invalid request", "token"),
        ({"access_token_secret": ["x"]}, "invalid request", "access_token_secret"),
        ({"token": "nul\0inside"}, "invalid request", "token"),
        ({"token": "line\nbreak"}, "invalid request", "token"),
        ({"token": "x" * 10_000}, "invalid request", "token"),
        ('{"token": "\\udfff"}', "invalid request", "token"),
        ("not json", "invalid request", ""),
        ("[]", "invalid request", ""),
        ("", "invalid request", ""),
        ({"transaction": 5}, "invalid request", "transaction"),
        ({"transaction": {}}, "invalid request", "transaction.id"),
    ],
)
def test_apply_refuses_bad_input(node: NodeUnderTest, body: object, message: str, field: str) -> None:
    answer = node.call("POST", PATH, body, headers=node.internal())
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert answer.body["message"].startswith(message)
    assert signing_value(node) == SIGNING_VALUE


def test_a_value_of_the_environment_is_not_replaced(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_AUTH_TOKEN_SECRET="from-the-unit-file")
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", PATH, {"token": NEW}, headers=node.internal())
    assert answer.status == 409
    assert answer.body["message"].startswith("auth apply failed")
    assert signing_value(node) == SIGNING_VALUE


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"[" * 100_000])
def test_a_damaged_auth_json_is_not_written_over(node: NodeUnderTest, content: bytes) -> None:
    path = Path(node.settings.auth_json)
    path.write_bytes(content)
    answer = node.call("POST", PATH, {"token": NEW}, headers=node.internal())
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
    assert path.read_bytes() == content
