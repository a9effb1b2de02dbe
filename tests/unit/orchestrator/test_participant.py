"""One node's part in a change: every step may come late, twice, or after somebody touched the files."""

import uuid
from typing import Any

import pytest

from ablestack_api.cluster import local_apply
from ablestack_api.cluster.models import ApplyRequest
from ablestack_api.core.errors import BadInput, Busy, Conflict
from ablestack_api.orchestrator import participant, recovery
from ablestack_api.orchestrator.participant import Step
from ablestack_api.state import transactions
from ablestack_api.wiring import KINDS
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

MEMBERS = ("10.10.31.1", "10.10.31.2", "10.10.31.3")
LEADER = "10.10.31.2"
FOREIGN = "192.0.2.7\tprinter.example printer\n"


class Part:
    """This node's part in one insert that another node leads."""

    def __init__(self, node: NodeUnderTest, members: tuple[str, ...] = MEMBERS) -> None:
        self.node = node
        self.id = str(uuid.uuid4())
        self.members = members
        request = ApplyRequest.model_validate(documents.insert(external_timeserver="new.example"))
        self.payload = local_apply.payload_of(request, INTERNAL_TOKEN)

    def step(self, phase: str, **more: Any) -> participant.Facts:
        step = Step(self.id, phase, "root@10.0.0.9", LEADER, self.members, **more)
        return participant.take(self.node.env, local_apply.KIND, step, self.payload if phase == "prepare" else {})


@pytest.fixture
def configured(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document())
    return node


def time_server(node: NodeUnderTest) -> str:
    return str(node.cluster()["clusterConfig"]["external_timeserver"])


def test_undo_puts_every_file_back_to_the_byte(configured: NodeUnderTest) -> None:
    hosts, cluster = configured.hosts_file.read_bytes(), configured.cluster_json.read_bytes()
    part = Part(configured)
    part.step("prepare")
    part.step("apply")
    assert time_server(configured) == "new.example"
    part.step("undo")
    assert (configured.hosts_file.read_bytes(), configured.cluster_json.read_bytes()) == (hosts, cluster)
    assert not (configured.root / "etc/chrony.conf").exists()


def test_undo_keeps_lines_that_others_wrote_to_etc_hosts_meanwhile(configured: NodeUnderTest) -> None:
    before = configured.hosts_file.read_text()
    part = Part(configured)
    part.step("prepare")
    part.step("apply")
    with configured.hosts_file.open("a") as file:
        file.write(FOREIGN)
    part.step("undo")
    text = configured.hosts_file.read_text()
    assert text.startswith(before + FOREIGN)
    assert time_server(configured) == "ntp.example"


def test_steps_may_come_twice(configured: NodeUnderTest) -> None:
    part = Part(configured)
    assert part.step("prepare") == part.step("prepare")
    assert part.step("apply") == part.step("apply")
    part.step("finish")
    assert part.step("finish") == {"steps": []}
    assert part.step("undo")["revision"], "undo after the end changes nothing"
    assert time_server(configured) == "new.example"


def test_an_apply_that_comes_after_the_undo_is_refused(configured: NodeUnderTest) -> None:
    part = Part(configured)
    part.step("prepare")
    part.step("undo")
    with pytest.raises(Conflict, match="does not take part"):
        part.step("apply")
    assert time_server(configured) == "ntp.example"


def test_another_change_is_told_who_holds_the_node_and_since_when(configured: NodeUnderTest) -> None:
    Part(configured).step("prepare")
    configured.clock.advance(7)
    with pytest.raises(Busy) as refused:
        Part(configured).step("prepare")
    assert refused.value.members == {"holder": "root@10.0.0.9", "age_seconds": 7.0, "change": "cluster apply"}


@pytest.mark.parametrize("members", [(*MEMBERS, "203.0.113.9"), ("203.0.113.9",)])
def test_strangers_may_not_be_members(configured: NodeUnderTest, members: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"203\.0\.113\.9"):
        Part(configured, members).step("prepare")
    assert transactions.participation(configured.settings) is None


def test_another_protocol_is_refused(configured: NodeUnderTest) -> None:
    with pytest.raises(Conflict, match="update both"):
        Part(configured).step("prepare", protocol=participant.PROTOCOL + 1)


def test_a_member_whose_leader_undid_the_change_undoes_it_too(configured: NodeUnderTest) -> None:
    part = _applied(configured)
    configured.peers.expect(LEADER, "GET", _question(part), body=_answer("unknown"))
    recovery.settle(configured.env, KINDS)
    assert time_server(configured) == "ntp.example"
    assert transactions.outcome_of(configured.settings, part.id) == "undone"


def test_a_member_waits_while_its_leader_has_not_decided(configured: NodeUnderTest) -> None:
    part = _applied(configured)
    configured.peers.expect(LEADER, "GET", _question(part), body=_answer("undecided"))
    recovery.settle(configured.env, KINDS)
    assert transactions.participation(configured.settings) is not None
    assert time_server(configured) == "new.example"


def test_a_member_whose_leader_is_gone_asks_the_others(configured: NodeUnderTest) -> None:
    part = _applied(configured)
    configured.peers.expect_unreachable(LEADER, "GET", _question(part))
    configured.peers.expect(MEMBERS[2], "GET", _question(part), body=_answer("finished"))
    recovery.settle(configured.env, KINDS)
    assert time_server(configured) == "new.example"
    assert transactions.outcome_of(configured.settings, part.id) == "finished"


def test_a_member_without_any_answer_waits(configured: NodeUnderTest) -> None:
    part = _applied(configured)
    configured.peers.expect_unreachable(LEADER, "GET", _question(part))
    configured.peers.expect_unreachable(MEMBERS[2], "GET", _question(part))
    recovery.settle(configured.env, KINDS)
    assert transactions.participation(configured.settings) is not None


def test_an_operator_may_decide_when_the_leader_is_gone_for_good(configured: NodeUnderTest) -> None:
    _applied(configured)
    assert "undone" in recovery.decide_by_hand(configured.env, KINDS, transactions.UNDONE)
    assert time_server(configured) == "ntp.example"
    with pytest.raises(Conflict, match="nothing to decide"):
        recovery.decide_by_hand(configured.env, KINDS, transactions.UNDONE)


def _applied(node: NodeUnderTest) -> Part:
    part = Part(node)
    part.step("prepare")
    part.step("apply")
    return part


def _question(part: Part) -> str:
    return f"/cube/cluster/transactions/{part.id}"


def _answer(outcome: str) -> dict[str, Any]:
    return {"code": 200, "val": {"outcome": outcome}}
