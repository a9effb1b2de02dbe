"""POST /cube/license/apply (contract 06 §1.6): many nodes, each served by its own application."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents, licenses
from tests.support.answer import Answer
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest

APPLY = "/cube/license/apply"
MACHINE = "5b0c1d2e3f405162738495a6b7c8d9e0"
CONTENT = licenses.content(licenses.VECTOR_FILE)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Three hosts, their storage VMs and the Cloud Center VM; the guests are deployed."""
    made = Network(tmp_path)
    document = documents.document(scvm="true", ccvm="true")
    for node in [*made.add_hosts("ablestack-hci", document), *made.add_guests(document)]:
        (node.root / "etc/machine-id").write_text(MACHINE)
    yield made
    made.finish()


@pytest.fixture
def first(network: Network) -> NodeUnderTest:
    return network.nodes["10.10.31.1"]


def apply(node: NodeUnderTest, **body: Any) -> Answer:
    return node.call("POST", APPLY, body)


def kept(network: Network) -> dict[str, str]:
    """The name of each node's licence."""
    found = {address: node.root / "usr/share" / MACHINE for address, node in network.nodes.items()}
    return {address: path.name for address, place in found.items() if place.exists() for path in place.iterdir()}


def test_every_host_by_default(network: Network, first: NodeUnderTest) -> None:
    answer = apply(first, license_content=CONTENT)
    assert (answer.status, answer.body["message"]) == (200, "license apply success")
    assert [(entry["role"], entry["hostname"], entry["target"]) for entry in answer.body["results"]] == [
        ("ablecube", f"ablecube31-{number}", f"10.10.31.{number}") for number in (1, 2, 3)
    ]
    assert {(entry["code"], entry["message"], entry["outcome"]) for entry in answer.body["results"]} == {(200, "ok", "ok")}
    assert kept(network) == {f"10.10.31.{number}": "license.lic" for number in (1, 2, 3)}


def test_the_roles(network: Network, first: NodeUnderTest) -> None:
    answer = apply(first, license_content=CONTENT, roles=["cloud, storage", "HOSTS"], filename="mine.lic")
    assert [entry["hostname"] for entry in answer.body["results"]] == [
        *("ccvm", "scvm1", "scvm2", "scvm3"),
        *("ablecube31-1", "ablecube31-2", "ablecube31-3"),
    ]
    assert set(kept(network).values()) == {"mine.lic"}, "the name holds for remote nodes too"


def test_names_choose_among_the_targets(network: Network, first: NodeUnderTest) -> None:
    asked = {"license_content": CONTENT, "roles": ["all"]}
    for names, expected in (
        (["SCVM2"], ["scvm2"]),
        (["ablecube31-2"], ["ablecube31-2", "scvm2"]),
        (["ablecube3 ccvm"], ["ablecube31-3", "ccvm"]),
        (["1"], ["ablecube31-1", "scvm1"]),
    ):
        answer = apply(first, **asked, target_hostnames=names)
        assert [entry["hostname"] for entry in answer.body["results"]] == expected
    assert apply(first, **asked, target_hostnames=["nobody"]).body["message"] == "target_hostname not found"


def test_this_nodes_own_licence_is_the_default(network: Network, first: NodeUnderTest) -> None:
    assert apply(first).status == 400
    first.call("POST", "/cube/license", {"action": "register", "license_content": CONTENT})
    network.calls.clear()
    assert first.client.post(f"/api/v1{APPLY}", headers=first.bearer()).status_code == 200, "the body is optional"
    assert len(kept(network)) == 3


def test_a_licence_of_its_own_for_each(network: Network, first: NodeUnderTest) -> None:
    own = {
        "ABLECUBE31-2": licenses.content(licenses.make(oem="by name")),
        "10.10.31.3": licenses.content(licenses.make(oem="by address")),
        "scvm:scvm1": licenses.content(licenses.make(oem="by role")),
    }
    answer = apply(first, license_content=CONTENT, licenses=own, roles=["all"])
    assert answer.status == 200, answer.body
    told = apply(first, action="status", roles=["all"]).body["results"]
    assert {entry["hostname"]: entry["val"]["oem"] for entry in told} == {
        **dict.fromkeys(("ablecube31-1", "ccvm"), "demo"),
        "ablecube31-2": "by name",
        "ablecube31-3": "by address",
        "scvm1": "by role",
        "scvm2": "by name",
        "scvm3": "by address",  # a storage VM has its host's
    }


def test_who_has_none_is_told(first: NodeUnderTest) -> None:
    answer = apply(first, licenses={"ablecube31-1": CONTENT})
    assert answer.status == 502
    assert [entry["code"] for entry in answer.body["results"]] == [200, 400, 400]


def test_one_that_is_off_does_not_keep_the_others(network: Network, first: NodeUnderTest) -> None:
    del network.nodes["10.10.31.2"]
    answer = apply(first, license_content=CONTENT)
    assert (answer.status, [entry["outcome"] for entry in answer.body["results"]]) == (502, ["ok", "unreachable", "ok"])
    assert answer.body["message"].startswith("ablecube31-2: ")


def test_a_refused_licence_is_told_by_each(network: Network, first: NodeUnderTest) -> None:
    answer = apply(first, license_content=licenses.content(licenses.make(expired="2026-06-30")))
    assert (answer.status, [entry["code"] for entry in answer.body["results"]]) == (502, [400, 400, 400])
    assert kept(network) == {}


def test_only_nodes_of_the_cluster_are_called(network: Network, first: NodeUnderTest) -> None:
    for stranger in ("10.10.99.9", "evil.example", "10.10.31.2@evil", "-x"):
        answer = apply(first, license_content=CONTENT, targets=["10.10.31.2", stranger])
        assert (answer.status, answer.body["errors"][0]["field"]) == (400, "targets")
    assert network.calls == []
    answer = apply(first, license_content=CONTENT, targets=["10.10.31.2", "10.10.31.2"], roles=["nonsense"])
    assert [(entry["role"], entry["target"]) for entry in answer.body["results"]] == [("custom", "10.10.31.2")]
    assert "Authorization" not in network.calls[0].headers, "the caller's own credential stays here"


@pytest.mark.parametrize(
    "body", [{"action": "delete"}, {"roles": ["moon"]}, {"filename": "../x"}, {"licenses": {"a": 1}}, {"targets": [" "]}]
)
def test_bad_requests(network: Network, first: NodeUnderTest, body: dict[str, Any]) -> None:
    assert apply(first, license_content=CONTENT, **body).status == 400
    assert network.calls == []


def test_a_cloud_center_vm_that_is_not_ready(network: Network, first: NodeUnderTest) -> None:
    document = documents.document("ablestack-standalone")
    first.write_cluster(document)
    answer = apply(first, license_content=CONTENT, roles=["ccvm"], wait_for_ready=True)
    assert answer.body["results"][0] | {"message": ""} == {
        "role": "ccvm",
        "hostname": "ccvm",
        "target": "10.10.31.10",
        "code": 500,
        "outcome": "failed",
        "message": "",
        "attempts": 6,
    }
    assert network.clock.slept == [30.0] * 5
    assert network.calls == []


def test_the_guard(first: NodeUnderTest) -> None:
    assert first.call("POST", APPLY, {}, headers={}).status == 401


def test_a_job_is_recorded(first: NodeUnderTest) -> None:
    job = apply(first, license_content=CONTENT).headers["x-job-id"]
    told = first.call("GET", f"/jobs/{job}").body
    assert "license" in str(told["val"]["kind"] if "val" in told else told)
