"""A new node believes its first caller, under the conditions of D5 and once only."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.orchestrator import recovery
from ablestack_api.state import enrolment
from ablestack_api.wiring import KINDS
from tests.support import documents
from tests.support.answer import Answer
from tests.support.network import Network, files_of
from tests.support.node_under_test import SIGNING_VALUE, NodeUnderTest

APPLY = "/cube/cluster/apply"
LOCAL = "/cube/cluster/apply-local"
TOKEN = "token-of-the-caller-0123456789"
CALLER = "10.10.31.2"
CHANGE_ID = "11111111-2222-3333-4444-555555555555"

INSERT = documents.insert(security={"internal_token": TOKEN})
EMPTY_SKELETON = Path(__file__).parents[3] / "configs/properties/cluster.json"


def first_call(node: NodeUnderTest, body: Any = INSERT, *, token: str = TOKEN, address: str = CALLER) -> Answer:
    return node.call("POST", LOCAL, body, headers=node.internal(token), address=address)


def as_step(body: Any) -> dict[str, Any]:
    """The same as a change of all nodes brings it."""
    members = [host["ablecube"] for host in documents.insert()["hosts"]]
    step = {"id": CHANGE_ID, "phase": "prepare", "holder": "kim@10.0.0.8", "coordinator": CALLER, "members": members}
    return {"transaction": step, "request": body}


def audited(node: NodeUnderTest) -> list[dict[str, str]]:
    lines = (node.root / "var/log/ablestack/audit.log").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event.get("event") == "first trust"]


def by_code(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret=SIGNING_VALUE, enrolment="code")


@pytest.mark.parametrize("shape", [lambda body: body, as_step], ids=["0.1.2's call", "a step"])
@pytest.mark.parametrize("file", [None, EMPTY_SKELETON], ids=["no file", "skeleton"])
def test_a_new_node_believes_another_host_of_the_list(node: NodeUnderTest, shape: Any, file: Path | None) -> None:
    if file is not None:
        node.write_cluster(file.read_bytes())
    answer = first_call(node, shape(INSERT))
    assert answer.status == 200, answer.body
    assert [(event["outcome"], event["client_ip"]) for event in audited(node)] == [("accepted", CALLER)]
    assert node.call("GET", "/cube/hosts", headers=node.internal(TOKEN)).status == 200


def test_it_works_once(node: NodeUnderTest) -> None:
    assert first_call(node).status == 200
    other = "token-of-somebody-else-0123"
    answer = first_call(node, INSERT | {"security": {"internal_token": other}}, token=other)
    assert answer.status == 401
    assert "configured already" in audited(node)[-1]["outcome"]


@pytest.mark.parametrize("prefix", ["", "::ffff:"])
def test_an_ipv4_caller_on_a_dual_stack_socket_is_the_same(node: NodeUnderTest, prefix: str) -> None:
    assert first_call(node, address=f"{prefix}{CALLER}").status == 200


NOT_THE_OWN_TOKEN = "only an insert that brings the caller's own token"
CONFIGURED = "configured already"
NOT_LISTED = "none of this node's addresses"
STRANGER = "does not come from another of hosts"

without_self = [documents.host(number) for number in (2, 3)]
REFUSED: list[tuple[str, dict[str, Any], dict[str, str], str]] = [
    ("reset", {"action": "reset"}, {}, NOT_THE_OWN_TOKEN),
    ("check", {"action": "check"}, {}, NOT_THE_OWN_TOKEN),
    ("remove", {"action": "remove", "remove_hostname": "ablecube31-2"}, {}, NOT_THE_OWN_TOKEN),
    ("legacy insert", {"action": "insertAllHost"}, {}, NOT_THE_OWN_TOKEN),
    ("unknown action", {"action": "destroy"}, {}, NOT_THE_OWN_TOKEN),
    ("another token in the body", {"security": {"internal_token": TOKEN + "x"}}, {}, NOT_THE_OWN_TOKEN),
    ("token in another case", {"security": {"internal_token": TOKEN.upper()}}, {}, NOT_THE_OWN_TOKEN),
    ("no token in the body", {"security": {}}, {}, NOT_THE_OWN_TOKEN),
    ("this node is not listed", {"hosts": without_self}, {}, NOT_LISTED),
    ("no hosts", {"hosts": []}, {}, NOT_LISTED),
    ("caller is not listed", {}, {"address": "10.10.31.77"}, STRANGER),
    ("caller is a storage VM", {}, {"address": "10.10.31.12"}, STRANGER),
    ("caller is this node itself", {}, {"address": "10.10.31.1"}, STRANGER),
    ("caller is loopback", {}, {"address": "127.0.0.1"}, STRANGER),
]


@pytest.mark.parametrize("shape", [lambda body: body, as_step], ids=["0.1.2's call", "a step"])
@pytest.mark.parametrize(("changes", "how", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_everything_else_is_refused(
    node: NodeUnderTest, changes: dict[str, Any], how: dict[str, str], reason: str, shape: Any
) -> None:
    before = files_of(node)
    answer = first_call(node, shape({**INSERT, **changes}), **how)
    assert answer.status == 401, answer.body
    assert answer.body["message"].startswith("invalid internal token")
    assert reason in audited(node)[0]["outcome"]
    assert files_of(node) == before


@pytest.mark.parametrize(
    "document",
    [
        documents.document(),
        documents.document(token=""),
        {"security": {"internal_token": "x"}},
        {"security": {"internal_token": "another-token-0123456789"}},
    ],
    ids=["configured", "configured without token", "short token", "only a token"],
)
def test_a_node_that_is_not_new_is_closed(node: NodeUnderTest, document: dict[str, Any]) -> None:
    node.write_cluster(document)
    before = files_of(node)
    assert first_call(node).status == 401
    assert CONFIGURED in audited(node)[0]["outcome"]
    assert files_of(node) == before


def test_a_damaged_file_is_no_new_node(node: NodeUnderTest) -> None:
    node.write_cluster(b"")
    assert first_call(node).status == 401
    assert "cannot be read" in audited(node)[0]["outcome"]
    assert node.cluster_json.read_bytes() == b""


def test_a_token_from_the_environment_counts_as_configured(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path, CUBE_INTERNAL_TOKEN="token-of-the-environment")
    assert first_call(node).status == 401


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters"])
def test_a_token_that_is_too_short_is_not_even_looked_at(node: NodeUnderTest, token: str) -> None:
    answer = first_call(node, INSERT | {"security": {"internal_token": token}}, token=token)
    assert (answer.status, answer.body["code"]) == (401, 401)
    assert not node.cluster_json.exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", APPLY, INSERT),
        ("GET", "/cube/cluster/config", None),
        ("GET", "/cube/hosts", None),
        ("POST", "/cube/system/config", {"action": "status"}),
        ("POST", "/auth/internal-token/apply", {"internal_token": TOKEN}),
        ("POST", "/auth/apply", {"internal_token": TOKEN, "token": "x" * 32}),
    ],
)
def test_no_other_call_is_believed(node: NodeUnderTest, method: str, path: str, body: Any) -> None:
    assert node.call(method, path, body, headers=node.internal(TOKEN), address=CALLER).status == 401


@pytest.mark.parametrize("phase", ["apply", "undo", "finish"])
def test_only_the_first_step_is_believed(node: NodeUnderTest, phase: str) -> None:
    body = as_step(INSERT)
    body["transaction"]["phase"] = phase
    assert first_call(node, body).status == 401


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_the_callers_address_is_the_sockets(node: NodeUnderTest, name: str) -> None:
    headers = node.internal(TOKEN) | {name: CALLER}
    assert node.call("POST", LOCAL, INSERT, headers=headers, address="10.0.0.66").status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"action": 1}', b'{"action": "insert", "hosts": {}}'])
def test_a_first_call_that_is_no_request_is_bad_input(node: NodeUnderTest, body: bytes) -> None:
    assert node.call("POST", LOCAL, body, headers=node.internal(TOKEN), address=CALLER).status == 400


@pytest.mark.parametrize("body", [{}, {"hosts": 5}, {"action": "insert", "hosts": [7]}])
def test_a_first_step_that_is_no_request_is_an_error_of_the_caller(node: NodeUnderTest, body: Any) -> None:
    answer = first_call(node, as_step(body))
    assert answer.status in (400, 401), answer.body
    assert not node.cluster_json.exists()


def test_a_trusted_caller_still_has_to_send_a_valid_insert(node: NodeUnderTest) -> None:
    before = files_of(node)
    answer = first_call(node, INSERT | {"type": "something"})
    assert answer.status == 400
    assert files_of(node) == before


# --- with an enrolment code -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [lambda body: body, as_step], ids=["0.1.2's call", "a step"])
@pytest.mark.parametrize("name", ["ablecube31-1", "ABLECUBE31-1"])
def test_a_node_that_wants_a_code_accepts_its_own(node: NodeUnderTest, name: str, shape: Any) -> None:
    by_code(node)
    code = enrolment.make(node.settings, node.clock)
    answer = first_call(node, shape(INSERT | {"enrolment_codes": {name: f" {code.lower()} ", "ablecube31-2": "x"}}))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    "codes",
    [
        {},
        {"ablecube31-1": ""},
        {"ablecube31-1": "AAAAA-AAAAA"},
        {"ablecube31-2": "CODE"},
        {"": "CODE"},
        {"ablecube31-1": "코드"},
    ],
    ids=ascii,
)
def test_a_wrong_code_is_refused(node: NodeUnderTest, codes: dict[str, str]) -> None:
    by_code(node)
    code = enrolment.make(node.settings, node.clock)
    given = {name: value.replace("CODE", code) for name, value in codes.items()}
    answer = first_call(node, INSERT | {"enrolment_codes": given})
    assert answer.status == 401, answer.body
    assert "ablestack-api enrol" in audited(node)[0]["outcome"]
    assert not node.cluster_json.exists()


def test_a_code_ends_after_an_hour(node: NodeUnderTest) -> None:
    by_code(node)
    code = enrolment.make(node.settings, node.clock)
    node.clock.advance(3600)
    assert first_call(node, INSERT | {"enrolment_codes": {"ablecube31-1": code}}).status == 401


def test_a_code_is_used_up_by_an_insert(node: NodeUnderTest) -> None:
    by_code(node)
    code = enrolment.make(node.settings, node.clock)
    body = INSERT | {"enrolment_codes": {"ablecube31-1": code}}
    assert first_call(node, body).status == 200
    node.cluster_json.unlink()
    assert first_call(node, body).status == 401


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_an_auth_file_that_cannot_be_read_opens_nothing(node: NodeUnderTest, content: bytes | None) -> None:
    path = Path(node.settings.auth_json)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    answer = first_call(node)
    assert answer.status >= 400
    assert not node.cluster_json.exists()


# --- over the network -------------------------------------------------------------------------------------------------


def test_an_insert_takes_new_nodes_in(network: Network) -> None:
    nodes = network.add_hosts()
    answer = nodes[0].call("POST", APPLY, documents.insert())
    assert answer.status == 200, answer.body
    tokens = {node.cluster()["security"]["internal_token"] for node in nodes}
    assert len(tokens) == 1
    assert len(tokens.pop()) == 43
    assert [event["client_ip"] for node in nodes[1:] for event in audited(node)] == ["10.10.31.1"] * 2


def test_an_insert_brings_the_codes_to_the_nodes_that_want_one(network: Network) -> None:
    nodes = network.add_hosts()
    for node in nodes[1:]:
        by_code(node)
    codes = {f"ablecube31-{number}": enrolment.make(nodes[number - 1].settings, network.clock) for number in (2, 3)}
    refused = nodes[0].call("POST", APPLY, documents.insert(enrolment_codes={"ablecube31-2": codes["ablecube31-2"]}))
    assert refused.status == 502
    assert [entry["outcome"] for entry in refused.body["results"]] == ["skipped", "skipped", "refused"]
    assert not any(node.cluster_json.exists() for node in nodes)
    answer = nodes[0].call("POST", APPLY, documents.insert(enrolment_codes=codes))
    assert answer.status == 200, answer.body
    assert all(code not in json.dumps(answer.body) for code in codes.values())


def test_a_node_of_another_cluster_is_not_taken_over(network: Network) -> None:
    nodes = network.add_hosts()
    nodes[1].write_cluster(documents.document(token="token-of-another-cluster"))
    before = network.files()
    answer = nodes[0].call("POST", APPLY, documents.insert())
    assert answer.status == 502
    assert [entry["outcome"] for entry in answer.body["results"]] == ["skipped", "refused", "skipped"]
    assert network.files() == before


def test_a_first_insert_that_was_undone_is_undone_too_on_a_peer_that_was_cut_off(network: Network) -> None:
    """This node has put back its cluster.json, and with it the only token that the peer knows, before the peer is back."""
    nodes = network.add_hosts()
    before = network.files()
    network.is_silent("10.10.31.2", "apply", delivered=True)
    assert nodes[0].call("POST", APPLY, documents.insert()).status == 502
    assert network.open_changes() == ["10.10.31.1", "10.10.31.2"]
    network.heal()
    recovery.settle(nodes[0].env, KINDS)
    assert network.open_changes() == []
    assert network.files() == before
