"""POST /cube/ccvm/edit: on every host or on none, and what is pending (contract 03 §8)."""

import os
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.hypervisor import domains
from tests.support import documents, machines
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/ccvm/edit"
HEADER = "X-Cube-CCVM-Edit-Local"
XML = "etc/ablestack/vmconfig/ccvm/ccvm.xml"
TEXT = """<domain type='kvm'>
  <name>ccvm</name>
  <memory unit="MiB">16384</memory>
  <currentMemory>16777216</currentMemory>
  <vcpu placement='static' current='4'>8</vcpu> <!-- kept -->
</domain>
"""
EDITED = """<domain type='kvm'>
  <name>ccvm</name>
  <memory unit="GiB">24</memory>
  <currentMemory unit='GiB'>24</currentMemory>
  <vcpu placement='static'>12</vcpu> <!-- kept -->
</domain>
"""
BODY = {"cpu": "12", "memory": "24"}


def put(node: NodeUnderTest, text: str = TEXT, name: str = XML) -> Path:
    path = node.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Three hosts of an HCI cluster, each with its copy; the machine runs on the second."""
    network = Network(tmp_path)
    for number, node in enumerate(network.add_hosts(document=documents.document()), 1):
        put(node)
        machines.with_domains(node, *([machines.domain()] if number == 2 else []))
    return network


def first(network: Network) -> NodeUnderTest:
    return network.nodes["10.10.31.1"]


def texts(network: Network) -> list[str]:
    return [(node.root / XML).read_text() for node in network.nodes.values()]


def test_every_host_gets_it(network: Network) -> None:
    answer = first(network).call("POST", PATH, BODY)
    assert (answer.status, answer.body["message"]) == (200, "ccvm xml updated")
    assert texts(network) == [EDITED] * 3
    told = [(entry["target"], entry["code"], entry["message"]) for entry in answer.body["results"]]
    assert told == [(f"10.10.31.{number}", 200, "ok") for number in (1, 2, 3)]
    assert answer.body["results"][0]["xml_path"].endswith("/ccvm/ccvm.xml")
    assert answer.body["pending"] == "the Cloud Center VM runs: the change is in force at its next start"


def test_nothing_is_pending_when_it_is_off(network: Network) -> None:
    machines.with_domains(network.nodes["10.10.31.2"])
    assert "pending" not in first(network).call("POST", PATH, BODY).body


def test_the_mode_of_the_file_is_kept_and_nothing_else_is_left(network: Network) -> None:
    path = first(network).root / XML
    path.chmod(0o640)
    first(network).call("POST", PATH, BODY)
    assert path.stat().st_mode & 0o777 == 0o640
    assert {each.name for each in path.parent.iterdir()} == {"ccvm.xml", "ccvm.xml.lock"}


@pytest.mark.parametrize("address", ["10.10.31.1", "10.10.31.2", "10.10.31.3"])
def test_a_definition_that_cannot_be_edited_leaves_all_as_they_are(network: Network, address: str) -> None:
    """W23: 0.1.2 left hosts different."""
    broken = TEXT.replace("currentMemory", "other")
    put(network.nodes[address], broken)
    before = texts(network)
    answer = first(network).call("POST", PATH, BODY)
    assert (answer.status, texts(network)) == (409, before)
    assert "currentMemory tag not found" in answer.body["message"]
    assert answer.body["message"].startswith("ccvm xml update failed")
    assert [entry["code"] for entry in answer.body["results"]].count(409) == 1


@pytest.mark.parametrize("lost", ["10.10.31.2", "10.10.31.3"])
def test_a_host_that_is_lost_while_writing(network: Network, lost: str) -> None:
    """It answered when it was looked at; its part of the write is lost, and what the others wrote is put back."""
    seen: list[str] = []

    def second_call() -> None:
        seen.append(lost)
        if len(seen) == 2:
            raise_unreachable()

    network.during(lost, PATH, second_call)
    answer = first(network).call("POST", PATH, BODY)
    assert answer.status == 502
    assert texts(network) == [TEXT] * 3


def raise_unreachable() -> None:
    from ablestack_api.remote.peer import PeerUnreachable

    raise PeerUnreachable("no connection", connected=False)


def test_without_a_definition(network: Network) -> None:
    (network.nodes["10.10.31.3"].root / XML).unlink()
    answer = first(network).call("POST", PATH, BODY)
    assert (answer.status, "ccvm xml not found" in answer.body["message"]) == (409, True)
    assert (first(network).root / XML).read_text() == TEXT


def test_more_memory_than_one_of_the_hosts_has(network: Network) -> None:
    node = network.nodes["10.10.31.3"]
    (node.root / "proc").mkdir()
    (node.root / "proc/meminfo").write_text(f"MemTotal:       {16 * 2**20} kB\n")
    answer = first(network).call("POST", PATH, BODY)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "memory")
    assert texts(network) == [TEXT] * 3


@pytest.mark.parametrize("cpu", ["", "0", "-1", "1.5", "10,000", "10000", "٣", " ", "1e2", "0x4", "<cpu>"])
def test_bad_cpu(network: Network, cpu: str) -> None:
    answer = first(network).call("POST", PATH, {"cpu": cpu, "memory": "4"})
    assert (answer.status, answer.body["message"]) == (400, "invalid cpu")
    assert texts(network) == [TEXT] * 3


@pytest.mark.parametrize("memory", ["", "0", "-1", "1.5", "999999"])
def test_bad_memory(network: Network, memory: str) -> None:
    answer = first(network).call("POST", PATH, {"cpu": "4", "memory": memory})
    assert (answer.status, answer.body["message"]) == (400, "invalid memory")


@pytest.mark.parametrize("wrong", [{"cpu": 4}, {"memory": 16}, {"cpu": None}, {"cpu": ["4"]}])
def test_wrong_types(network: Network, wrong: dict[str, Any]) -> None:
    answer = first(network).call("POST", PATH, {**BODY, **wrong})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, next(iter(wrong)))


def test_a_plan_changes_nothing(network: Network) -> None:
    planned = first(network).call("POST", f"{PATH}?plan=true", BODY).body["val"]
    assert [step["step"] for step in planned["steps"]] == ["check", "write"]
    assert texts(network) == [TEXT] * 3


def test_a_part_is_only_done_for_other_nodes(network: Network) -> None:
    """A person's `part` means nothing: the whole is done."""
    assert first(network).call("POST", PATH, {**BODY, "part": "restore", "content": "x"}).status == 200
    assert texts(network) == [EDITED] * 3
    headers = {**first(network).internal(), HEADER: "1"}
    answer = first(network).call("POST", PATH, {**BODY, "part": "nonsense"}, headers=headers)
    assert answer.status == 400


@pytest.mark.parametrize("mounted", [True, False])
def test_the_shared_definition_of_a_vm_cluster(node: NodeUnderTest, mounted: bool) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    machines.with_domains(node)
    for address in ("10.10.31.2", "10.10.31.3"):
        if mounted:
            node.peers.expect(address, "GET", "/cube/ccvm/status", body={"code": 200, "val": None})
    shared = put(node, name="mnt/glue-gfs/ccvm.xml")
    (node.root / "proc/self").mkdir(parents=True)
    line = f"/dev/dm-3 {node.root / 'mnt/glue-gfs'} gfs2 rw 0 0\n" if mounted else ""
    (node.root / "proc/self/mounts").write_text(line)
    answer = node.call("POST", PATH, BODY)
    assert (answer.status, shared.read_text()) == ((200, EDITED) if mounted else (409, TEXT))
    assert [entry.name for entry in shared.parent.iterdir()] == ["ccvm.xml"]


def standalone(node: NodeUnderTest) -> Path:
    node.write_cluster(documents.document("ablestack-standalone"))
    return put(node, machines.domain(), "mnt/glue/ccvm.xml")


def test_standalone_also_renews_libvirts_definition(node: NodeUnderTest) -> None:
    """W23: 0.1.2 did not, and the change had no effect."""
    standalone(node)
    machines.with_domains(node, machines.domain(), prepare=machines.switched_off("ccvm"))
    assert node.call("POST", PATH, {"cpu": "3", "memory": "1"}).status == 200
    found = domains.read(node.env.libvirt, "ccvm")
    assert found is not None
    assert (found.vcpus, found.max_memory_kib, found.uuid) == (3, 2**20, machines.CCVM_UUID)


def test_standalone_puts_the_file_back_when_libvirt_refuses(node: NodeUnderTest) -> None:
    path = standalone(node)
    machines.with_domains(node, machines.domain()).refuses("defineXML")
    assert node.call("POST", PATH, {"cpu": "3", "memory": "1"}).status == 502
    assert path.read_text() == machines.domain()


def test_a_full_disk(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", refuse)
    answer = first(network).call("POST", PATH, BODY)
    assert answer.status >= 500
    monkeypatch.undo()
    assert texts(network) == [TEXT] * 3
