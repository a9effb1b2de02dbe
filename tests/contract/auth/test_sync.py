"""POST /auth/sync: one signing value on all nodes (contract 01 §3.5)."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from tests.contract.auth.three_nodes import ADDRESSES, OFF, ThreeNodes, signing_value
from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, SIGNING_VALUE, NodeUnderTest

PATH = "/auth/sync"
OWN_VALUES = [SIGNING_VALUE, "c2Vjb25kLW5vZGUtc2lnbmluZy12YWx1ZS0wMDAwMDI", "dGhpcmQtbm9kZS1zaWduaW5nLXZhbHVlLTAwMDAwMDM"]
HOSTS = [("host", f"ablecube31-{number}", f"10.10.31.{number}") for number in (1, 2, 3)]
SCVMS = [("scvm", f"scvm{number}", f"100.100.31.{10 + number}") for number in (1, 2, 3)]
CCVM = [("ccvm", "ccvm", "10.10.31.10")]


@pytest.fixture
def cluster(cluster: ThreeNodes) -> ThreeNodes:
    """Every node starts with a signing value of its own."""
    for node, value in zip(cluster.nodes.values(), OWN_VALUES, strict=True):
        node.write_auth(linux={"allowed_users": ["root"]}, access_token_ttl_seconds=3600, access_token_secret=value)
    return cluster


def test_sync_copies_the_signing_value(cluster: ThreeNodes) -> None:
    answer = cluster.first.call("POST", PATH)
    assert answer.status == 200
    assert answer.body == {
        "code": 200,
        "val": {
            "fail_cnt": 0,
            "message": "auth synced",
            "option": "host",
            "success_cnt": 3,
            "target_cnt": 3,
            "token": "****",
        },
        "results": [
            {
                "role": "host",
                "hostname": "ablecube31-1",
                "target": "10.10.31.1",
                "code": 200,
                "outcome": "ok",
                "message": "local target",
            },
            {"role": "host", "hostname": "ablecube31-2", "target": "10.10.31.2", "code": 200, "outcome": "ok"},
            {"role": "host", "hostname": "ablecube31-3", "target": "10.10.31.3", "code": 200, "outcome": "ok"},
        ],
    }
    assert cluster.signing_values == [SIGNING_VALUE] * 3


def test_a_token_of_one_node_is_accepted_by_all_afterwards(cluster: ThreeNodes) -> None:
    token = cluster.first.bearer()
    assert cluster.nodes[ADDRESSES[1]].call("GET", "/auth/me", headers=token).status == 401
    assert cluster.first.call("POST", PATH).status == 200
    for node in cluster.nodes.values():
        assert node.call("GET", "/auth/me", headers=token).status == 200


def test_tokens_of_a_replaced_value_stay_good_for_their_lifetime(cluster: ThreeNodes) -> None:
    second = cluster.nodes[ADDRESSES[1]]
    old = second.bearer(key=OWN_VALUES[1], ttl=10**6)
    assert cluster.first.call("POST", PATH).status == 200
    assert second.call("GET", "/auth/me", headers=old).status == 200
    cluster.first.clock.advance(3601)
    assert second.call("GET", "/auth/me", headers=old).status == 401


@pytest.mark.parametrize(
    ("phase", "fault", "outcome"),
    [
        pytest.param("prepare", PeerAnswer(401, {"code": 401, "message": "no"}, ""), "refused", id="refused"),
        pytest.param("prepare", OFF, "unreachable", id="off"),
        pytest.param("apply", PeerAnswer(200, {"code": 500, "message": "no"}, ""), "failed", id="200-with-code-500"),
    ],
)
def test_sync_changes_no_node_when_one_fails_and_can_be_repeated(
    cluster: ThreeNodes, phase: str, fault: PeerAnswer | PeerUnreachable, outcome: str
) -> None:
    cluster.faults[(ADDRESSES[2], phase)] = fault
    answer = cluster.first.call("POST", PATH)
    assert (answer.status, answer.body["code"]) == (502, 502)
    assert answer.body["message"].startswith("auth sync failed: ablecube31-3")
    counts = answer.body["val"]
    assert (counts["fail_cnt"], counts["target_cnt"], counts["message"]) == (1, 3, "auth sync failed")
    assert {entry["hostname"]: entry["outcome"] for entry in answer.body["results"]}["ablecube31-3"] == outcome
    assert cluster.signing_values == OWN_VALUES
    assert SIGNING_VALUE not in json.dumps(answer.body)

    cluster.faults.clear()
    if phase == "prepare":
        assert cluster.first.call("POST", PATH).status == 200
        assert cluster.signing_values == [SIGNING_VALUE] * 3


@pytest.mark.parametrize(
    ("cluster_type", "option", "expected"),
    [
        ("ablestack-hci", "host", HOSTS),
        ("ablestack-hci", " HOST , host ", HOSTS),
        ("ablestack-hci", "all", [*HOSTS, *SCVMS, *CCVM]),
        ("ablestack-hci", "scvm,all", [*HOSTS, *SCVMS, *CCVM]),
        ("ablestack-hci-filesystem", "all", [*HOSTS, *SCVMS, *CCVM]),
        ("ablestack-vm", "all", [*HOSTS, *CCVM]),
        ("ablestack-standalone", "all", [HOSTS[0], *CCVM]),
    ],
)
def test_option_says_which_nodes(
    tmp_path: Path, cluster_type: str, option: str, expected: list[tuple[str, str, str]]
) -> None:
    """Guests that are not deployed yet are skipped with `all`; storage VMs are called on the storage network."""
    cluster = ThreeNodes(tmp_path, cluster_type)
    answer = cluster.first.call("POST", PATH, {"option": option})
    assert answer.status == 200
    told = [(entry["role"], entry["hostname"], entry["target"]) for entry in answer.body["results"]]
    assert told == expected
    assert set(cluster.addresses_called()) == {address for _, _, address in expected} - {ADDRESSES[0]}
    assert {entry["outcome"] for entry in answer.body["results"] if entry["role"] != "host"} <= {"skipped"}
    assert (answer.body["val"]["option"], answer.body["val"]["success_cnt"]) == (
        option.strip(),
        sum(role == "host" for role, _, _ in expected),
    )


@pytest.mark.parametrize(("option", "expected"), [("scvm", SCVMS), ("ccvm", CCVM), ("ccvm,scvm", [*CCVM, *SCVMS])])
def test_a_guest_that_was_named_must_answer(tmp_path: Path, option: str, expected: list[tuple[str, str, str]]) -> None:
    cluster = ThreeNodes(tmp_path, "ablestack-hci")
    answer = cluster.first.call("POST", PATH, {"option": option})
    assert answer.status == 502
    told = [(entry["role"], entry["hostname"], entry["target"]) for entry in answer.body["results"]]
    assert told == expected
    assert {entry["outcome"] for entry in answer.body["results"]} == {"unreachable"}


def test_the_query_wins_over_the_body(cluster: ThreeNodes) -> None:
    answer = cluster.first.call("POST", f"{PATH}?option=host", {"option": "nonsense"})
    assert (answer.status, answer.body["val"]["option"]) == (200, "host")


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-standalone"])
@pytest.mark.parametrize("option", ["scvm", "all,scvm"])
def test_clusters_without_storage_vms_refuse_scvm(node: NodeUnderTest, cluster_type: str, option: str) -> None:
    node.write_cluster(documents.document(cluster_type))
    answer = node.call("POST", PATH, {"option": option})
    assert (answer.status, answer.body["message"]) == (400, "unsupported option for cluster type")
    assert answer.body["errors"][0]["field"] == "option"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"option": "bogus"}, "invalid option"),
        ({"option": "host,bogus"}, "invalid option"),
        ({"option": "host host"}, "invalid option"),
        ({"option": "호스트"}, "invalid option"),
        ({"option": "-host"}, "invalid option"),
        ({"option": "host\0"}, "invalid option"),
        ('{"option": "\\ud800"}', "invalid option"),
        ({"option": "x" * 10_000}, "invalid option"),
        ({"option": 5}, "invalid request"),
        ({"option": ["host"]}, "invalid request"),
        ({"option": None}, "invalid request"),
        ("[]", "invalid request"),
        ("{", "invalid request"),
    ],
)
def test_sync_refuses_bad_input(node: NodeUnderTest, body: Any, message: str) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", PATH, body)
    assert answer.status == 400
    assert answer.body["message"].startswith(message)
    assert len(answer.body["errors"]) == 1
    assert signing_value(node) == SIGNING_VALUE


def test_bad_input_makes_no_internal_token(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm", token=""))
    before = node.cluster_json.read_bytes()
    assert node.call("POST", PATH, {"option": "bogus"}).status == 400
    assert node.cluster_json.read_bytes() == before


def test_a_cluster_without_such_a_node(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-vm")
    document["clusterConfig"]["ccvm"]["ip"] = ""
    node.write_cluster(document)
    answer = node.call("POST", PATH, {"option": "ccvm"})
    assert (answer.status, answer.body["message"]) == (400, "no auth sync targets")


def test_sync_never_makes_a_signing_value(node: NodeUnderTest) -> None:
    """Without one no Bearer is valid; one of the environment that is taken away leaves the token but no value."""
    node.write_cluster(documents.document("ablestack-vm"))
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret="")
    before = Path(node.settings.auth_json).read_bytes()
    answer = node.call("POST", PATH)
    assert (answer.status, answer.body["message"].split(":")[0]) == (401, "access token secret required")
    assert Path(node.settings.auth_json).read_bytes() == before


def test_sync_makes_an_internal_token_when_there_is_none(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-standalone", token="")
    node.write_cluster(document)
    assert node.call("POST", PATH).status == 200
    assert len(node.cluster()["security"]["internal_token"]) == 43


def test_a_signing_value_of_the_environment_is_not_spread(tmp_path: Path) -> None:
    value = "signing-value-of-the-unit-file-0123456789abc"
    node = NodeUnderTest(tmp_path, ABLESTACK_AUTH_TOKEN_SECRET=value)
    node.write_cluster(documents.document("ablestack-standalone"))
    answer = node.call("POST", PATH, headers=node.bearer(key=value))
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert signing_value(node) == SIGNING_VALUE


@pytest.mark.parametrize(
    ("content", "kind"), [(None, "cluster_file_missing"), (b"{", "cluster_file_damaged"), (b"", "cluster_file_damaged")]
)
def test_sync_without_a_usable_cluster_json(node: NodeUnderTest, content: bytes | None, kind: str) -> None:
    if content is not None:
        node.write_cluster(content)
    answer = node.call("POST", PATH)
    assert (answer.status, answer.body["type"]) == (500, f"urn:ablestack:error:{kind}")
    assert node.cluster_json.exists() is (content is not None)


def test_sync_wants_a_person(cluster: ThreeNodes) -> None:
    for headers in ({}, cluster.first.internal(), cluster.first.bearer(key=OWN_VALUES[1])):
        assert cluster.first.call("POST", PATH, headers=headers).status == 401
    assert cluster.signing_values == OWN_VALUES
    assert cluster.tokens == {INTERNAL_TOKEN}
