"""POST /cube/cluster/apply when something goes wrong: every node is as before, and the answer says so (D13)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ablestack_api.orchestrator import recovery
from ablestack_api.wiring import KINDS
from tests.support import documents
from tests.support.answer import Answer
from tests.support.network import Network, files_of
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

APPLY = "/cube/cluster/apply"
LOCAL = "/cube/cluster/apply-local"
CHANGED = documents.insert(external_timeserver="other.example")
ONE, TWO, THREE = "10.10.31.1", "10.10.31.2", "10.10.31.3"

Fault = Callable[[Network, str, str], None]


def code_500_inside_200(network: Network, address: str, step: str) -> None:
    """W6: 0.1.2 counted this as a success."""
    network.answers(address, step, 200, {"code": 500, "val": "cluster.json read error"})


def html(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 200, "<html>It works!</html>")


def redirect(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 302, "")


def unknown_path(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 404, "404 page not found")


def unauthorized(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 401, {"code": 401, "message": "invalid internal token"})


def server_error(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 507, {"code": 507, "message": "cluster.json: No space left on device"})


def list_instead_of_object(network: Network, address: str, step: str) -> None:
    network.answers(address, step, 200, ["ok"])


def off(network: Network, address: str, step: str) -> None:
    network.is_silent(address, step, connected=False)


def hangs(network: Network, address: str, step: str) -> None:
    network.is_silent(address, step)


ANSWERS: list[tuple[Fault, str, int]] = [
    (code_500_inside_200, "failed", 500),
    (html, "failed", 502),
    (redirect, "failed", 502),
    (unknown_path, "failed", 502),
    (unauthorized, "refused", 401),
    (server_error, "failed", 507),
    (list_instead_of_object, "failed", 502),
    (off, "unreachable", 504),
    (hangs, "unreachable", 504),
]


def entry(answer: Answer, address: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in answer.body["results"] if entry["target"] == address)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of three hosts after a real insert, so that every file of an apply is there."""
    network = Network(tmp_path_factory.mktemp("installed"))
    nodes = network.add_hosts(document=documents.document())
    assert nodes[0].call("POST", APPLY, documents.insert()).status == 200
    return {address: files_of(node) for address, node in network.nodes.items()}


@pytest.fixture
def nodes(network: Network, installed: dict[str, dict[str, bytes]]) -> list[NodeUnderTest]:
    nodes = network.add_hosts()
    for address, files in installed.items():
        for name, content in files.items():
            path = network.nodes[address].root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return nodes


EARLY = (code_500_inside_200, html, hangs)


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "step"),
    [(*case, "apply") for case in ANSWERS] + [(*case, "prepare") for case in ANSWERS if case[0] in EARLY],
)
def test_a_bad_answer_of_one_peer_puts_everybody_back(
    network: Network, nodes: list[NodeUnderTest], fault: Fault, outcome: str, code: int, step: str
) -> None:
    before = network.files()
    fault(network, TWO, step)
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 502
    assert answer.body["message"].startswith("apply failed: ablecube31-2")
    assert "revision" not in answer.body
    assert (entry(answer, TWO)["outcome"], entry(answer, TWO)["code"]) == (outcome, code)
    assert entry(answer, ONE)["outcome"] == entry(answer, THREE)["outcome"] == "skipped"
    assert "put back to its previous revision" in entry(answer, THREE)["message"]
    assert network.steps(THREE)[-1] == "undo"
    # Whoever answered may have begun and is told; whoever is silent is not asked again in this call.
    told = step == "apply" and outcome != "unreachable"
    assert network.steps(TWO)[-1] == ("undo" if told else step)
    untouched = {name: data for name, data in network.files().items() if not name.startswith(TWO)}
    assert untouched == {name: data for name, data in before.items() if not name.startswith(TWO)}


@pytest.mark.parametrize("step", ["prepare", "apply"])
def test_a_peer_that_worked_but_was_not_heard_is_put_back_when_it_answers_again(
    network: Network, nodes: list[NodeUnderTest], step: str
) -> None:
    before = network.files()
    network.is_silent(TWO, step, delivered=True)
    network.is_silent(TWO, "undo")
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 502
    assert "a silent one is put back as soon as it answers" in answer.body["message"]
    assert ONE in network.open_changes()
    assert TWO in network.open_changes()
    recovery.settle(nodes[0].env, KINDS)
    assert TWO in network.open_changes()
    network.heal()
    recovery.settle(nodes[0].env, KINDS)
    assert network.files() == before
    assert network.open_changes() == []


def test_a_peer_that_was_not_heard_asks_by_itself_how_it_ended(network: Network, nodes: list[NodeUnderTest]) -> None:
    before = network.files()
    network.is_silent(TWO, "apply", delivered=True)
    nodes[0].call("POST", APPLY, CHANGED)
    network.heal()
    recovery.settle(nodes[1].env, KINDS)
    assert network.files() == before
    assert TWO not in network.open_changes()


def test_everybody_holds_the_new_revision_although_one_missed_the_decision(
    network: Network, nodes: list[NodeUnderTest]
) -> None:
    network.is_silent(TWO, "finish")
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 200
    assert entry(answer, TWO)["outcome"] == "ok"
    assert "finishing is tried again" in entry(answer, TWO)["message"]
    assert {node.cluster()["clusterConfig"]["external_timeserver"] for node in nodes} == {"other.example"}
    network.heal()
    recovery.settle(nodes[0].env, KINDS)
    assert network.open_changes() == []


def test_a_peer_that_ends_with_another_revision_is_a_failure(network: Network, nodes: list[NodeUnderTest]) -> None:
    before = network.files()
    network.answers(THREE, "apply", 200, {"code": 200, "val": {"revision": "0123456789abcdef"}}, delivered=True)
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 502
    assert "another revision" in entry(answer, THREE)["message"]
    assert network.files() == before


def test_a_node_that_cannot_itself_asks_nobody(network: Network, nodes: list[NodeUnderTest]) -> None:
    nodes[0].cluster_json.write_bytes(b"{")
    before = network.files()
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:cluster_file_damaged")
    assert network.calls == []
    assert network.files() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0" * 400, b'{"clusterConfig": {"hosts": "none"}}'])
def test_a_peer_with_a_damaged_file_refuses_and_keeps_it(
    network: Network, nodes: list[NodeUnderTest], content: bytes
) -> None:
    nodes[1].cluster_json.write_bytes(content)
    before = network.files()
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 502
    assert nodes[1].cluster_json.read_bytes() == content
    assert network.files() == before


def test_a_damaged_file_of_a_peer_is_named(network: Network) -> None:
    """Its token lies elsewhere, so it hears us and can say what is wrong."""
    leader = network.add(ONE, "ablecube31-1")
    leader.write_cluster(documents.document())
    network.add(TWO, "ablecube31-2").write_cluster(documents.document())
    network.add(THREE, "ablecube31-3", ABLESTACK_INTERNAL_TOKEN=INTERNAL_TOKEN).write_cluster(b"{")
    answer = leader.call("POST", APPLY, documents.insert())
    assert answer.status == 502
    assert "failed to read cluster.json" in entry(answer, THREE)["message"]


@pytest.mark.parametrize("action", ["remove", "reset"])
def test_remove_and_reset_are_all_or_none_too(network: Network, nodes: list[NodeUnderTest], action: str) -> None:
    before = network.files()
    network.answers(THREE, "apply", 500, {"code": 500, "message": "broken"}, delivered=True)
    answer = nodes[0].call("POST", APPLY, {"action": action, "remove_hostname": "ablecube31-2"})
    assert answer.status == 502
    assert network.files() == before
    assert network.open_changes() == []


def test_a_first_insert_that_fails_leaves_no_file_and_no_trust_behind(network: Network) -> None:
    nodes = network.add_hosts()
    before = network.files()
    network.answers(THREE, "apply", 500, {"code": 500, "message": "broken"}, delivered=True)
    answer = nodes[0].call("POST", APPLY, documents.insert())
    assert answer.status == 502
    assert network.files() == before
    assert not any(node.cluster_json.exists() for node in nodes)
    token = network.calls[0].headers["X-Cube-Internal-Token"]
    assert nodes[1].call("GET", "/cube/hosts", headers=nodes[1].internal(token)).status == 401


def test_a_failed_insert_can_be_repeated(network: Network, nodes: list[NodeUnderTest]) -> None:
    off(network, TWO, "apply")
    assert nodes[0].call("POST", APPLY, CHANGED).status == 502
    network.heal()
    recovery.settle(nodes[0].env, KINDS)
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 200, answer.body
    assert {node.cluster()["clusterConfig"]["external_timeserver"] for node in nodes} == {"other.example"}


def test_files_come_back_with_their_mode(network: Network, nodes: list[NodeUnderTest]) -> None:
    nodes[0].hosts_file.chmod(0o640)
    network.answers(TWO, "apply", 500, {"code": 500})
    before = {path: path.stat().st_mode for path in (nodes[0].hosts_file, nodes[0].cluster_json)}
    assert nodes[0].call("POST", APPLY, CHANGED).status == 502
    assert {path: path.stat().st_mode for path in before} == before


def test_no_answer_and_no_log_holds_the_token(network: Network, nodes: list[NodeUnderTest]) -> None:
    network.answers(TWO, "apply", 500, {"code": 500, "message": "broken"})
    answers = [nodes[0].call("POST", APPLY, body) for body in (CHANGED, documents.insert(type="wrong"))]
    network.heal()
    answers += [nodes[0].call("POST", APPLY, CHANGED), nodes[0].call("POST", LOCAL, CHANGED)]
    logs = [(node.root / "var/log/ablestack" / name).read_text() for node in nodes for name in ("api.log", "audit.log")]
    assert [answer.status for answer in answers] == [502, 400, 200, 200]
    assert all(INTERNAL_TOKEN not in json.dumps(answer.body) for answer in answers)
    assert all(INTERNAL_TOKEN not in log for log in logs)


# --- somebody else is faster ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [APPLY, LOCAL])
def test_if_match_of_an_old_revision_is_refused(network: Network, nodes: list[NodeUnderTest], path: str) -> None:
    etag = nodes[0].call("GET", "/cube/cluster/config").headers["etag"]
    assert nodes[0].call("POST", LOCAL, documents.insert(external_timeserver="meanwhile.example")).status == 200
    before = network.files()
    answer = nodes[0].call("POST", path, CHANGED, headers=nodes[0].bearer() | {"If-Match": etag})
    assert (answer.status, answer.body["type"]) == (412, "urn:ablestack:error:revision_changed")
    assert network.files() == before
    assert network.calls == []


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("path", [APPLY, LOCAL])
def test_if_match_of_the_present_revision_passes(nodes: list[NodeUnderTest], form: str, path: str) -> None:
    etag = nodes[0].call("GET", "/cube/cluster/config").headers["etag"]
    answer = nodes[0].call("POST", path, CHANGED, headers=nodes[0].bearer() | {"If-Match": form.format(etag)})
    assert answer.status == 200, answer.body


def test_the_etag_changes_with_the_content_only(nodes: list[NodeUnderTest]) -> None:
    first, again = (nodes[0].call("GET", "/cube/cluster/config").headers["etag"] for _ in range(2))
    nodes[0].call("POST", LOCAL, CHANGED)
    assert first == again
    assert nodes[0].call("GET", "/cube/cluster/config").headers["etag"] != first


@pytest.mark.parametrize(("step", "second"), [("prepare", APPLY), ("apply", LOCAL)])
def test_a_second_apply_meanwhile_is_told_who_is_busy_and_since_when(
    network: Network, nodes: list[NodeUnderTest], step: str, second: str
) -> None:
    answers: list[Answer] = []

    def meanwhile() -> None:
        network.clock.advance(7)
        answers.append(nodes[0].call("POST", second, documents.insert(), headers=nodes[0].bearer("operator")))

    network.during(TWO, step, meanwhile)
    assert nodes[0].call("POST", APPLY, CHANGED).status == 200
    (busy,) = answers
    assert busy.status == 409
    assert busy.body["type"] == "urn:ablestack:error:busy"
    assert (busy.body["holder"], busy.body["age_seconds"], busy.body["change"]) == ("root@10.0.0.9", 7.0, "cluster apply")
    assert {node.cluster()["clusterConfig"]["external_timeserver"] for node in nodes} == {"other.example"}


def test_an_apply_on_another_node_meanwhile_is_refused_there(network: Network, nodes: list[NodeUnderTest]) -> None:
    answers: list[Answer] = []

    def meanwhile() -> None:
        network.clock.advance(3)
        answers.append(nodes[1].call("POST", APPLY, documents.insert(external_timeserver="third.example")))

    network.during(THREE, "apply", meanwhile)
    assert nodes[0].call("POST", APPLY, CHANGED).status == 200
    assert (answers[0].status, answers[0].body["holder"], answers[0].body["age_seconds"]) == (409, "root@10.0.0.9", 3.0)


def test_a_peer_that_is_busy_with_another_change_stops_ours(network: Network, nodes: list[NodeUnderTest]) -> None:
    """Node 2 leads a change of its own and has not asked node 1 yet."""
    before = network.files()
    body = {"code": 409, "message": "another cluster apply change by kim@10.0.0.8 is running", "holder": "kim@10.0.0.8"}
    network.answers(TWO, "prepare", 409, {**body, "age_seconds": 12.5})
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert (answer.status, answer.body["holder"], answer.body["age_seconds"]) == (409, "kim@10.0.0.8", 12.5)
    assert answer.body["message"].startswith("apply failed: ablecube31-2: another cluster apply change")
    assert network.files() == before


def test_a_change_that_was_left_open_keeps_others_out_until_it_is_settled(
    network: Network, nodes: list[NodeUnderTest]
) -> None:
    network.is_silent(TWO, "apply", delivered=True)
    nodes[0].call("POST", APPLY, CHANGED)
    network.heal()
    network.clock.advance(60)
    answer = nodes[1].call("POST", LOCAL, documents.insert())
    assert (answer.status, answer.body["holder"], answer.body["age_seconds"]) == (409, "root@10.0.0.9", 60.0)
    recovery.settle(nodes[1].env, KINDS)
    assert nodes[1].call("POST", LOCAL, documents.insert()).status == 200


# --- the steps between nodes ------------------------------------------------------------------------------------------

CHANGE_ID = "11111111-2222-3333-4444-555555555555"


def step(phase: str, **more: Any) -> dict[str, Any]:
    members = [ONE, TWO, THREE]
    return {"id": CHANGE_ID, "phase": phase, "holder": "kim@10.0.0.8", "coordinator": TWO, "members": members, **more}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"phase": "destroy"}, 400),
        ({"id": "../../etc/passwd"}, 400),
        ({"protocol": 2}, 409),
        ({"members": [ONE, "192.0.2.66"]}, 400),
        ({"coordinator": "192.0.2.66"}, 400),
        ({"phase": "apply"}, 409),
    ],
    ids=str,
)
def test_a_step_that_is_not_right_is_refused(node: NodeUnderTest, changes: dict[str, Any], status: int) -> None:
    node.write_cluster(documents.document())
    before = files_of(node)
    body = {"transaction": {**step("prepare"), **changes}, "request": documents.insert(type="ablestack-vm")}
    answer = node.call("POST", LOCAL, body, headers=node.internal())
    assert answer.status == status, answer.body
    assert files_of(node) == before
    assert not (node.root / "var/lib/ablestack/transaction/participant.json").exists()


def test_a_step_needs_the_internal_token(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", LOCAL, {"transaction": step("prepare"), "request": documents.insert()})
    assert (answer.status, answer.body["message"]) == (401, "invalid internal token")


@pytest.mark.parametrize("phase", ["undo", "finish"])
def test_the_end_of_a_change_that_is_not_known_is_no_error(node: NodeUnderTest, phase: str) -> None:
    """A coordinator that crashed tells the decision again."""
    node.write_cluster(documents.document())
    before = files_of(node)
    assert node.call("POST", LOCAL, {"transaction": step(phase)}, headers=node.internal()).status == 200
    assert files_of(node) == before


def test_every_step_may_come_twice(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answers = []
    for phase in ("prepare", "prepare", "apply", "apply", "finish", "finish"):
        body = {"transaction": step(phase), "request": CHANGED if phase == "prepare" else {}}
        answers.append(node.call("POST", LOCAL, body, headers=node.internal()))
    assert [answer.status for answer in answers] == [200] * 6
    assert answers[2].body == answers[3].body
    assert node.cluster()["clusterConfig"]["external_timeserver"] == "other.example"


def test_who_missed_the_decision_can_ask(network: Network, nodes: list[NodeUnderTest]) -> None:
    nodes[0].call("POST", APPLY, CHANGED)
    change = json.loads(str(network.calls[0].body))["transaction"]["id"]
    path = f"/cube/cluster/transactions/{change}"
    answer = nodes[0].call("GET", path, headers=nodes[0].internal())
    assert (answer.status, answer.body["val"]) == (200, {"id": change, "outcome": "finished"})
    unknown = nodes[0].call("GET", f"/cube/cluster/transactions/{CHANGE_ID}", headers=nodes[0].internal())
    assert unknown.body["val"]["outcome"] == "unknown"
    assert nodes[0].call("GET", path).status == 401


def test_a_hang_costs_one_deadline_not_one_for_each_step(network: Network, nodes: list[NodeUnderTest]) -> None:
    """D12: whoever did not answer is not asked again in the same call."""
    hangs(network, TWO, "apply")
    nodes[0].call("POST", APPLY, CHANGED)
    assert network.steps(TWO) == ["prepare", "apply"]


def test_the_time_of_a_request_is_over(network: Network, nodes: list[NodeUnderTest]) -> None:
    before = network.files()
    network.during(TWO, "prepare", lambda: network.clock.advance(91))
    answer = nodes[0].call("POST", APPLY, CHANGED)
    assert answer.status == 502
    assert network.files() == before
    assert network.steps(TWO)[-1] == "undo"
