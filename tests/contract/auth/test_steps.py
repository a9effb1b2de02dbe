"""The steps between nodes of a token change: prepare, apply, then finish or undo; for both kinds of secret."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.auth.three_nodes import signing_value
from tests.support import documents
from tests.support.answer import Answer
from tests.support.node_under_test import INTERNAL_TOKEN, SIGNING_VALUE, NodeUnderTest

CHANGE = "01234567-89ab-cdef-0123-456789abcdef"
OTHER_CHANGE = "fedcba98-7654-3210-fedc-ba9876543210"
MEMBERS = ["10.10.31.1", "10.10.31.2"]
NEW = "brand-new-value-0123456789-abcdefghijklmnop"


@dataclass(frozen=True)
class Secret:
    """What differs between the two kinds."""

    path: str
    field: str
    present: str

    def stored(self, node: NodeUnderTest) -> str:
        if self.field == "token":
            return signing_value(node)
        value: str = node.cluster()["security"]["internal_token"]
        return value

    def is_accepted(self, node: NodeUnderTest, value: str) -> bool:
        headers = node.bearer(key=value) if self.field == "token" else node.internal(value)
        return node.call("GET", "/neighbor", headers=headers).status == 200

    def file(self, node: NodeUnderTest) -> Path:
        return Path(node.settings.auth_json) if self.field == "token" else node.cluster_json

    def step(self, node: NodeUnderTest, phase: str, request: object = None, **step: Any) -> Answer:
        sent = {"id": CHANGE, "phase": phase, "holder": "kim@10.0.0.7", "coordinator": "10.10.31.2", "members": MEMBERS}
        body = {"transaction": {**sent, **step}, "request": {self.field: NEW} if request is None else request}
        return node.call("POST", self.path, body, headers=node.internal(self._own_token(node)))

    def _own_token(self, node: NodeUnderTest) -> str:
        token: str = node.cluster()["security"]["internal_token"]
        return token


KINDS = [
    pytest.param(Secret("/auth/internal-token/apply", "internal_token", INTERNAL_TOKEN), id="internal-token"),
    pytest.param(Secret("/auth/apply", "token", SIGNING_VALUE), id="signing-value"),
]
pytestmark = pytest.mark.parametrize("secret", KINDS)


@pytest.fixture
def node(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-vm"))
    return node


def test_prepare_accepts_the_new_value_and_keeps_the_old(node: NodeUnderTest, secret: Secret) -> None:
    answer = secret.step(node, "prepare")
    assert (answer.status, answer.body["code"], answer.body["val"]["protocol"]) == (200, 200, 1)
    assert secret.stored(node) == secret.present
    assert secret.is_accepted(node, secret.present)
    assert secret.is_accepted(node, NEW)


def test_apply_stores_the_new_value_and_still_accepts_the_old(node: NodeUnderTest, secret: Secret) -> None:
    secret.step(node, "prepare")
    first, second = secret.step(node, "apply"), secret.step(node, "apply")
    assert first.status == second.status == 200
    assert first.body == second.body
    assert secret.stored(node) == NEW
    assert secret.is_accepted(node, secret.present)
    assert secret.is_accepted(node, NEW)


def test_finish_ends_the_change(node: NodeUnderTest, secret: Secret) -> None:
    for phase in ("prepare", "apply", "finish", "finish"):
        assert secret.step(node, phase).status == 200
    assert secret.stored(node) == NEW
    assert secret.is_accepted(node, NEW)
    assert secret.step(node, "prepare", id=OTHER_CHANGE).status == 200


def test_finish_after_a_missed_apply_applies(node: NodeUnderTest, secret: Secret) -> None:
    secret.step(node, "prepare")
    assert secret.step(node, "finish").status == 200
    assert secret.stored(node) == NEW


@pytest.mark.parametrize("phases", [["prepare"], ["prepare", "apply"], ["prepare", "apply", "undo"], []])
def test_undo_puts_everything_back(node: NodeUnderTest, secret: Secret, phases: list[str]) -> None:
    before = secret.file(node).read_bytes()
    for phase in phases:
        assert secret.step(node, phase).status == 200
    assert secret.step(node, "undo").status == 200
    assert secret.file(node).read_bytes() == before
    assert secret.is_accepted(node, secret.present)
    assert not secret.is_accepted(node, NEW)


def test_prepare_may_come_twice(node: NodeUnderTest, secret: Secret) -> None:
    assert secret.step(node, "prepare").body == secret.step(node, "prepare").body
    assert secret.step(node, "undo").status == 200


def test_a_second_change_is_told_who_holds_the_node(node: NodeUnderTest, secret: Secret) -> None:
    secret.step(node, "prepare")
    node.clock.advance(7)
    answer = secret.step(node, "prepare", {secret.field: "another-value"}, id=OTHER_CHANGE, holder="lee@10.0.0.8")
    assert answer.status == 409
    assert (answer.body["holder"], answer.body["age_seconds"]) == ("kim@10.0.0.7", 7)
    assert not secret.is_accepted(node, "another-value")


@pytest.mark.parametrize("value", [" ", 5, None, ["x"], "line\nbreak", "x" * 10_000])
def test_a_value_of_the_wrong_kind_is_refused_and_the_node_stays_free(
    node: NodeUnderTest, secret: Secret, value: object
) -> None:
    answer = secret.step(node, "prepare", {secret.field: value})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, f"request.{secret.field}")
    assert secret.is_accepted(node, secret.present)
    assert secret.step(node, "prepare").status == 200


def test_a_missing_value_is_refused(node: NodeUnderTest, secret: Secret) -> None:
    answer = secret.step(node, "prepare", {})
    assert (answer.status, answer.body["errors"]) == (400, [{"field": f"request.{secret.field}", "reason": "required"}])


@pytest.mark.parametrize("stranger", [{"members": ["10.10.31.1", "192.0.2.7"]}, {"coordinator": "192.0.2.7"}])
def test_strangers_are_no_members(node: NodeUnderTest, secret: Secret, stranger: dict[str, Any]) -> None:
    """Members are asked how a change ended, with the internal token: only nodes of the cluster may be named."""
    answer = secret.step(node, "prepare", **stranger)
    assert answer.status == 400
    assert "192.0.2.7" in answer.body["message"]
    assert not secret.is_accepted(node, NEW)


@pytest.mark.parametrize(
    ("step", "status", "field"),
    [
        ({"phase": "explode"}, 400, "transaction.phase"),
        ({"phase": ""}, 400, "transaction.phase"),
        ({"phase": 1}, 400, "transaction.phase"),
        ({"id": "../../etc/passwd"}, 400, "transaction.id"),
        ({"id": 5}, 400, "transaction.id"),
        ({"members": "10.10.31.1"}, 400, "transaction.members"),
        ({"members": [7]}, 400, "transaction.members.0"),
        ({"members": ["10.10.31.1"] * 300}, 400, "transaction.members"),
        ({"holder": "x" * 10_000}, 400, "transaction.holder"),
        ({"protocol": 2}, 409, None),
    ],
)
def test_a_malformed_step_is_refused(
    node: NodeUnderTest, secret: Secret, step: dict[str, Any], status: int, field: str | None
) -> None:
    answer = secret.step(node, **{"phase": "prepare", **step})
    assert answer.status == status
    assert [error["field"] for error in answer.body.get("errors", [])] == ([field] if field else [])
    assert not secret.is_accepted(node, NEW)


def test_a_change_that_was_never_prepared_is_not_applied(node: NodeUnderTest, secret: Secret) -> None:
    answer = secret.step(node, "apply")
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert secret.stored(node) == secret.present


def test_a_person_cannot_take_part(node: NodeUnderTest, secret: Secret) -> None:
    body = {"transaction": {"id": CHANGE, "phase": "prepare"}, "request": {secret.field: NEW}}
    assert node.call("POST", secret.path, body).status == 401
    assert not secret.is_accepted(node, NEW)


@pytest.mark.parametrize("phase", ["apply", "finish"])
def test_a_step_at_the_path_of_another_kind_is_refused(node: NodeUnderTest, secret: Secret, phase: str) -> None:
    other = next(kind.values[0] for kind in KINDS if kind.values[0] != secret)
    assert isinstance(other, Secret)
    assert other.step(node, "prepare").status == 200
    assert secret.step(node, phase).status in (400, 409)
    assert other.step(node, "undo").status == 200
