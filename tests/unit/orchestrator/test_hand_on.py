"""Another node's failure as one of ours."""

from typing import Any

import pytest

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, Busy, CommandTimedOut, Conflict, NotFound, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.orchestrator import hand_on
from tests.support.node_under_test import NodeUnderTest

TARGET = Target(address="10.10.31.2", hostname="cube2", role="host")
PATH = "/cube/ccvm/lifecycle"


def ask(node: NodeUnderTest) -> dict[str, Any]:
    return hand_on.call(node.env, TARGET, PATH, {"action": "stop"}, Deadline(node.clock, 10), "X-Cube-Here")


def test_the_whole_answer(node: NodeUnderTest) -> None:
    node.peers.expect("10.10.31.2", "POST", PATH, body={"code": 200, "val": 1, "retname": "x"})
    assert ask(node) == {"code": 200, "val": 1, "retname": "x"}
    assert node.peers.made[0].headers["X-Cube-Here"] == "1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadInput), (404, NotFound), (409, Conflict), (504, CommandTimedOut), (500, PeersFailed), (502, PeersFailed)],
)
def test_kinds(node: NodeUnderTest, status: int, kind: type[ApiError]) -> None:
    told = {"code": status, "message": "no", "title": "theirs", "val": "fail", "errors": [{"field": "a", "reason": "b"}]}
    node.peers.expect("10.10.31.2", "POST", PATH, status=status, body=told)
    with pytest.raises(kind, match=r"cube2 \(10.10.31.2\): no") as caught:
        ask(node)
    assert (caught.value.members, caught.value.fields) == ({"val": "fail"}, (("a", "b"),))


def test_busy(node: NodeUnderTest) -> None:
    node.peers.expect(
        "10.10.31.2", "POST", PATH, status=409, body={"code": 409, "message": "held", "holder": "root", "job": "j"}
    )
    with pytest.raises(Busy) as caught:
        ask(node)
    assert caught.value.members == {"holder": "root", "job": "j"}


@pytest.mark.parametrize("answer", ["<html>", {"code": 401, "message": "invalid internal token"}])
def test_refused_and_strange(node: NodeUnderTest, answer: Any) -> None:
    status = 401 if isinstance(answer, dict) else 200
    node.peers.expect("10.10.31.2", "POST", PATH, status=status, body=answer)
    with pytest.raises(PeersFailed):
        ask(node)


def test_unreachable(node: NodeUnderTest) -> None:
    node.peers.expect_unreachable("10.10.31.2", "POST", PATH, "no connection")
    with pytest.raises(PeersFailed) as caught:
        ask(node)
    assert caught.value.members["results"][0]["outcome"] == "unreachable"  # type: ignore[index]
