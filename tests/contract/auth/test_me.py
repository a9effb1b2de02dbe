"""GET /auth/me (contract 01 §3.2)."""

from pathlib import Path

import pytest

from tests.support import documents
from tests.support.node_under_test import NodeUnderTest


def test_me_tells_the_claims(node: NodeUnderTest) -> None:
    answer = node.call("GET", "/auth/me", headers=node.bearer("operator", jti="0123"))
    issued = int(node.clock.now().timestamp())
    assert answer.status == 200
    assert answer.body == {
        "code": 200,
        "val": {
            "sub": "operator",
            "role": "admin",
            "use": "access",
            "iat": issued,
            "exp": issued + 3600,
            "jti": "0123",
        },
    }


def test_me_wants_a_bearer_even_from_a_node(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("GET", "/auth/me", headers=node.internal())
    assert (answer.status, answer.body["message"]) == (401, "invalid internal token")
    assert node.call("GET", "/auth/me", headers={**node.internal(), **node.bearer()}).status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [({}, "authorization header required"), ({"Authorization": "Basic eDp5"}, "bearer token required")],
)
def test_me_wants_a_bearer_even_where_the_api_is_open(tmp_path: Path, headers: dict[str, str], message: str) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN="127.0.0.1:8090", ABLESTACK_AUTH_REQUIRED="off")
    answer = node.call("GET", "/auth/me", headers=headers)
    assert (answer.status, answer.body["message"]) == (401, message)


def test_me_is_read_only(node: NodeUnderTest) -> None:
    assert {node.call(method, "/auth/me").status for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}
