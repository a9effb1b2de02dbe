"""POST /cube/cloudinit/status (contract 03 §16)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.answer import Answer
from tests.support.network import CCVM_ADDRESS, Network
from tests.support.node_under_test import NodeUnderTest

STATUS = "/cube/cloudinit/status"
DATA = Path(__file__).parents[2] / "data/cloud_init"
PROGRAM = ["cloud-init", "status"]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Three hosts, three storage VMs, the Cloud Center VM."""
    under_test = Network(tmp_path)
    document = documents.document("ablestack-hci", scvm="true", ccvm="true")
    under_test.add_hosts("ablestack-hci", document)
    under_test.add_guests(document)
    yield under_test
    under_test.finish()


@pytest.fixture
def host(network: Network) -> NodeUnderTest:
    return network.nodes["10.10.31.1"]


def ask(node: NodeUnderTest, action: str, target: str, **more: Any) -> Answer:
    return node.call("POST", STATUS, {"action": action, "target": target, **more})


def expect(node: NodeUnderTest, name: str = "done", code: int = 0) -> None:
    node.runner.expect(PROGRAM, stdout=(DATA / f"{name}.txt").read_text(), code=code)


def ping(address: str) -> list[str]:
    return ["ping", "-c", "1", "-W", "3", "--", address]


def test_the_cloud_center_vm(network: Network, host: NodeUnderTest) -> None:
    expect(network.nodes[CCVM_ADDRESS])
    answer = ask(host, " Status ", "CCVM")
    assert answer.status == 200
    assert answer.body["retname"] == "CloudInit Status"
    assert (answer.body["message"], answer.body["action"]) == ("cloud-init status check success", "status")
    assert answer.body["val"] == answer.body["results"] == [
        {
            "message": "ok", "role": "ccvm", "hostname": "ccvm", "target": CCVM_ADDRESS, "code": 200, "outcome": "ok",
            "val": ["status: done"],
        }
    ]  # fmt: skip
    assert [call.headers.get("X-Cube-CloudInit-Local") for call in network.calls] == ["1"]


def test_every_storage_center_vm(network: Network, host: NodeUnderTest) -> None:
    for address, name in (("10.10.31.11", "done"), ("10.10.31.12", "running"), ("10.10.31.13", "done")):
        expect(network.nodes[address], name)
    answer = ask(host, "status", "scvm")
    assert [(entry["hostname"], entry["val"]) for entry in answer.body["results"]] == [
        ("scvm1", ["status: done"]),
        ("scvm2", ["status: running"]),
        ("scvm3", ["status: done"]),
    ]


def test_those_of_some_hosts(network: Network, host: NodeUnderTest) -> None:
    expect(network.nodes["10.10.31.12"])
    answer = ask(host, "status", "scvm", target_hostname="ABLECUBE31-2")
    assert [entry["target"] for entry in answer.body["results"]] == ["10.10.31.12"]


def test_done_with_warnings_is_done(network: Network, host: NodeUnderTest) -> None:
    """Weakness 43: exit code 2 was a failure."""
    expect(network.nodes[CCVM_ADDRESS], "done", code=2)
    answer = ask(host, "status", "ccvm")
    assert answer.status == 200
    assert answer.body["results"][0]["message"].startswith("done with warnings")
    assert answer.body["results"][0]["val"] == ["status: done"]


def test_a_failure_is_told_in_full(network: Network, host: NodeUnderTest) -> None:
    """Weakness 43: what the peer said was lost."""
    expect(network.nodes["10.10.31.11"])
    expect(network.nodes["10.10.31.12"], "error", code=1)
    expect(network.nodes["10.10.31.13"])
    answer = ask(host, "status", "scvm")
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    assert "scvm2: cloud-init ended with code 1: status: error" in answer.body["message"]
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "failed", "ok"]


def test_a_machine_that_does_not_answer(network: Network, host: NodeUnderTest) -> None:
    network.is_silent(CCVM_ADDRESS, STATUS, connected=False)
    answer = ask(host, "status", "ccvm")
    assert answer.status == 502
    assert answer.body["results"][0]["outcome"] == "unreachable"


def test_a_ping_goes_from_here(network: Network, host: NodeUnderTest) -> None:
    """Weakness 43: the machine pinged itself."""
    host.runner.expect(ping(CCVM_ADDRESS), stdout="1 packets transmitted, 1 received")
    answer = ask(host, "ping", "ccvm")
    assert answer.status == 200
    assert answer.body["results"][0]["val"] == {"host": CCVM_ADDRESS, "ping": "OK"}
    assert network.calls == []


def test_a_ping_without_an_answer(network: Network, host: NodeUnderTest) -> None:
    host.runner.expect(ping(CCVM_ADDRESS), stdout="1 packets transmitted, 0 received", code=1)
    answer = ask(host, "ping", "ccvm")
    assert answer.status == 502
    assert "does not answer a ping" in answer.body["message"]


@pytest.mark.parametrize(("address", "called"), [("100.100.31.12", "10.10.31.12"), ("100.200.31.12", "10.10.31.12")])
def test_any_address_of_the_cluster(network: Network, host: NodeUnderTest, address: str, called: str) -> None:
    expect(network.nodes[called])
    answer = ask(host, "status", address)
    assert [(entry["role"], entry["target"]) for entry in answer.body["results"]] == [("custom", called)]


@pytest.mark.parametrize("target", ["local", "localhost", "127.0.0.1", "10.10.31.1", "100.100.31.1"])
def test_this_very_node(network: Network, host: NodeUnderTest, target: str) -> None:
    expect(host)
    assert ask(host, "status", target).status == 200
    assert network.calls == []


@pytest.mark.parametrize(
    "target", ["10.9.9.9", "example.com", "http://10.10.31.2", "10.10.31.2:80", "-c", "10.10.31.2\n8.8.8.8"]
)
@pytest.mark.parametrize("action", ["status", "ping"])
def test_nobody_else_gets_the_internal_token(network: Network, host: NodeUnderTest, action: str, target: str) -> None:
    """Weakness 1."""
    answer = ask(host, action, target)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "target")
    assert network.calls == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "", "target": "ccvm"}, "unsupported action"),
        ({"action": "reboot", "target": "ccvm"}, "unsupported action"),
        ({"action": "status", "target": ""}, "target required"),
        ({"action": "status"}, "target required"),
        ({"action": "status", "target": "scvm", "target_hostname": "nobody"}, "target_hostname not found"),
        ({"action": "status", "target": "scvm", "target_hostname": "ablecube31-1,nobody"}, "target_hostname not found"),
    ],
)
def test_bad_requests_have_the_texts_of_0_1_2(host: NodeUnderTest, body: dict[str, str], message: str) -> None:
    answer = host.call("POST", STATUS, body)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_a_cluster_without_storage_center_vms(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = ask(node, "status", "scvm")
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


def test_a_cluster_without_addresses(node: NodeUnderTest) -> None:
    document = documents.document("ablestack-hci")
    document["clusterConfig"]["ccvm"]["ip"] = ""
    for entry in document["clusterConfig"]["hosts"]:
        entry["scvmMngt"] = ""
    node.write_cluster(document)
    assert ask(node, "status", "ccvm").body["message"] == "ccvm ip required"
    assert ask(node, "status", "scvm").body["message"] == "no targets to apply"


def test_a_node_answers_another_for_itself(network: Network, host: NodeUnderTest) -> None:
    guest = network.nodes[CCVM_ADDRESS]
    expect(guest)
    marker = guest.internal() | {"X-Cube-CloudInit-Local": "1"}
    answer = guest.call("POST", STATUS, {"action": "status", "target": "8.8.8.8"}, headers=marker)
    assert answer.status == 200
    assert answer.body["results"][0]["val"] == ["status: done"]
    assert network.calls == []


def test_the_marker_of_a_person_means_nothing(host: NodeUnderTest) -> None:
    headers = host.bearer() | {"X-Cube-CloudInit-Local": "1"}
    assert host.call("POST", STATUS, {"action": "status", "target": "8.8.8.8"}, headers=headers).status == 400


def test_nobody_without_a_credential(host: NodeUnderTest) -> None:
    assert host.call("POST", STATUS, {"action": "status", "target": "ccvm"}, headers={}).status == 401
