"""orchestrator.fanout: what an answer counts as, and calling many at once."""

import threading
from typing import Any

import pytest

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import Conflict
from ablestack_api.core.target import Target
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.remote.peer import PeerAnswer
from ablestack_api.state import overlap
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

PEER = Target(address="10.10.31.2", hostname="ablecube31-2", role="host")
PATH = "/cube/cluster/health"


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code", "message"),
    [
        (200, {"code": 200, "val": 5}, "ok", 200, ""),
        (200, {"status": "ok"}, "ok", 200, ""),
        (202, {}, "ok", 202, ""),
        (200, {"code": "200"}, "ok", 200, ""),
        (200, {"code": True}, "ok", 200, ""),
        (200, {"code": 500, "val": "why"}, "failed", 500, "why"),
        (200, {"code": 401, "message": "invalid internal token"}, "refused", 401, "invalid internal token"),
        (200, {"code": 404}, "failed", 404, "status 404"),
        (200, None, "failed", 502, "status 200 without a JSON object; is this an ABLESTACK node?"),
        (200, [], "failed", 502, "status 200 without a JSON object; is this an ABLESTACK node?"),
        (200, "ok", "failed", 502, "status 200 without a JSON object; is this an ABLESTACK node?"),
        (404, None, "failed", 502, "does not know this call (404); its version is too old or it is no ABLESTACK node"),
        (302, None, "failed", 502, "answered with a redirect (302), which is never followed; is this an ABLESTACK node?"),
        (302, {"code": 200}, "failed", 302, "status 302"),
        (401, {"code": 401, "message": "no"}, "refused", 401, "no"),
        (403, {"message": "licence"}, "refused", 403, "licence"),
        (500, {"code": 200, "message": "lies"}, "failed", 500, "lies"),
        (409, {"code": 409, "message": "busy", "holder": "kim", "age_seconds": 3, "token": "x"}, "failed", 409, "busy"),
    ],
)
def test_what_an_answer_counts_as(status: int, body: Any, outcome: str, code: int, message: str) -> None:
    judged = fanout.judged(PEER, PeerAnswer(status, body, ""))
    assert (judged.outcome, judged.code, judged.message) == (outcome, code, message)
    assert (judged.good, judged.bad) == (outcome == "ok", outcome != "ok")


def test_who_is_busy_is_passed_on() -> None:
    body = {"message": "busy", "holder": "kim", "age_seconds": 3, "secret": "x"}
    assert fanout.judged(PEER, PeerAnswer(409, body, "")).members == {"holder": "kim", "age_seconds": 3}


def test_a_long_message_is_cut() -> None:
    assert len(fanout.judged(PEER, PeerAnswer(500, {"message": "x" * 10_000}, "")).message) == 1000


def targets(count: int) -> list[Target]:
    return [Target(address=f"10.10.31.{number}", hostname=f"h{number}", role="host") for number in range(count)]


def test_answers_come_in_the_order_of_the_targets() -> None:
    """The last one answers first."""
    order = [threading.Event() for _ in range(6)]
    order[-1].set()

    def work(target: Target) -> Outcome:
        position = int(target.hostname[1:])
        assert order[position].wait(10)
        order[position - 1].set()
        return Outcome(target, fanout.OK, 200)

    every = targets(6)
    assert [outcome.target for outcome in fanout.at_once(every, work)] == every


def test_all_are_called_side_by_side() -> None:
    barrier = threading.Barrier(fanout.AT_ONCE)

    def work(target: Target) -> Outcome:
        barrier.wait(10)
        return Outcome(target, fanout.OK, 200)

    assert len(fanout.at_once(targets(fanout.AT_ONCE), work)) == fanout.AT_ONCE


@pytest.mark.parametrize("count", [1, 3])
def test_what_goes_wrong_with_one_is_that_ones_outcome(count: int) -> None:
    def work(target: Target) -> Outcome:
        if target.hostname == "h0":
            raise Conflict("not now", holder="kim")
        if target.hostname == "h1":
            raise RuntimeError("a secret detail")
        return Outcome(target, fanout.OK, 200)

    outcomes = fanout.at_once(targets(count), work)
    assert (outcomes[0].outcome, outcomes[0].code, outcomes[0].message) == ("failed", 409, "not now")
    assert outcomes[0].members == {"holder": "kim"}
    if count > 1:
        assert (outcomes[1].outcome, outcomes[1].code, outcomes[2].outcome) == ("failed", 500, "ok")
        assert "secret" not in outcomes[1].message


def test_nobody_to_call() -> None:
    assert fanout.at_once([], lambda target: Outcome(target, fanout.OK, 200)) == []


@pytest.mark.parametrize(
    ("optional", "outcome", "expected"),
    [
        (True, "unreachable", "skipped"),
        (False, "unreachable", "unreachable"),
        (True, "failed", "failed"),
        (True, "refused", "refused"),
        (True, "ok", "ok"),
    ],
)
def test_only_a_silent_guest_that_is_not_deployed_is_skipped(optional: bool, outcome: str, expected: str) -> None:
    guest = Target(address="10.10.31.10", hostname="ccvm", role="ccvm", optional=optional)
    assert fanout.skipped_if_optional(Outcome(guest, outcome, 503, "no connection")).outcome == expected


def test_an_entry_holds_no_value_and_no_empty_message() -> None:
    entry = Outcome(PEER, fanout.OK, 200, "", {"internal_token": "x"}).entry()
    assert entry == {"role": "host", "hostname": "ablecube31-2", "target": "10.10.31.2", "code": 200, "outcome": "ok"}


# --- tokens -----------------------------------------------------------------------------------------------------------


def call(node: NodeUnderTest, token: str | None = None) -> Outcome:
    return fanout.call(node.env, PEER, "GET", PATH, deadline=Deadline(node.clock, 10), token=token)


def offered(node: NodeUnderTest) -> list[str | None]:
    return [made.headers.get("X-Cube-Internal-Token") for made in node.peers.made]


def test_a_peer_that_knows_only_the_staged_token(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    overlap.stage(node.settings, overlap.INTERNAL_TOKEN, "staged-token-0123456789")
    node.peers.expect(PEER.address, "GET", PATH, 401)
    node.peers.expect(PEER.address, "GET", PATH, 200)
    assert call(node).good
    assert offered(node) == [INTERNAL_TOKEN, "staged-token-0123456789"]


def test_a_peer_that_knows_neither(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    overlap.stage(node.settings, overlap.INTERNAL_TOKEN, "staged-token-0123456789")
    for _ in range(2):
        node.peers.expect(PEER.address, "GET", PATH, 401, {"code": 401, "message": "invalid internal token"})
    outcome = call(node)
    assert (outcome.outcome, outcome.message) == ("refused", "invalid internal token")


@pytest.mark.parametrize("status", [200, 403, 500])
def test_another_answer_is_not_tried_again(node: NodeUnderTest, status: int) -> None:
    node.write_cluster(documents.document())
    overlap.stage(node.settings, overlap.INTERNAL_TOKEN, "staged-token-0123456789")
    node.peers.expect(PEER.address, "GET", PATH, status)
    call(node)
    assert offered(node) == [INTERNAL_TOKEN]


def test_a_token_that_is_being_introduced_is_the_only_one(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    node.peers.expect(PEER.address, "GET", PATH, 401)
    assert call(node, "new-token-0123456789").outcome == "refused"
    assert offered(node) == ["new-token-0123456789"]


def test_a_node_without_a_token_sends_none(node: NodeUnderTest) -> None:
    node.peers.expect(PEER.address, "GET", PATH, 200)
    call(node)
    assert offered(node) == [None]


@pytest.mark.parametrize(("timed_out", "code"), [(True, 504), (False, 503)])
@pytest.mark.parametrize("connected", [True, False])
def test_no_answer(node: NodeUnderTest, timed_out: bool, code: int, connected: bool) -> None:
    node.peers.expect_unreachable(PEER.address, "GET", PATH, "gone", timed_out=timed_out, connected=connected)
    outcome = call(node)
    assert (outcome.outcome, outcome.code, outcome.message, outcome.sent) == ("unreachable", code, "gone", connected)


def test_the_peer_is_told_how_long_we_wait(node: NodeUnderTest) -> None:
    node.peers.expect(PEER.address, "GET", PATH, 200)
    deadline = Deadline(node.clock, 10)
    node.clock.advance(2.5)
    fanout.call(node.env, PEER, "GET", PATH, deadline=deadline)
    assert node.peers.made[0].headers["X-Cube-Deadline"] == "7.5"
