"""GET /cube/scvm/status: what libvirt and the guest agent tell, also when one of them is silent (contract 03 §12)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut
from tests.contract.scvm import support
from tests.support import documents, machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

STATUS = "/cube/scvm/status"
CARD = {
    "scvm_status": "running", "vcpu": "8", "socket": "N/A", "core": "N/A", "memory": "2 GiB",
    "rootDiskSize": "68G", "rootDiskAvail": "51G", "rootDiskUsePer": "25%",
    "manageNicType": "bridge", "manageNicParent": "bridge0", "manageNicIp": "10.10.31.11/16",
    "manageNicGw": "10.10.0.254", "manageNicDns": "10.10.0.2",
    "storageServerNicType": "bridge", "storageServerNicParent": "bridge1", "storageServerNicIp": "100.100.31.11/16",
    "storageReplicationNicType": "bridge", "storageReplicationNicParent": "bridge2",
    "storageReplicationNicIp": "100.200.31.11/16",
}  # fmt: skip


@pytest.fixture
def host(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document())
    return node


@pytest.fixture
def agent(host: NodeUnderTest) -> ScriptedAgent:
    hypervisor = machines.with_domains(host, support.scvm_domain())
    support.agent_answers(hypervisor)
    return hypervisor


def test_everything_is_known(host: NodeUnderTest, agent: ScriptedAgent) -> None:
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]) == (200, CARD)
    assert answer.body["refresh_time"] == "2026-07-01T10:00:00+09:00"


def test_an_agent_that_hangs_is_waited_for_once(host: NodeUnderTest, agent: ScriptedAgent) -> None:
    agent.answers["guest-network-get-interfaces"] = LibvirtTimedOut("the guest agent of scvm does not answer")
    data = host.call("GET", STATUS).body["data"]
    assert len(agent.asked) == 1
    assert (data["scvm_status"], data["vcpu"], data["memory"]) == ("running", "8", "2 GiB")
    assert {
        data[key] for key in ("rootDiskSize", "manageNicGw", "manageNicDns", "manageNicType", "storageServerNicParent")
    } == {"N/A(timeout)"}
    assert data["manageNicIp"] == "10.10.31.11"


def test_a_guest_without_an_agent(host: NodeUnderTest, agent: ScriptedAgent) -> None:
    for command in list(agent.answers):
        agent.answers[command] = LibvirtFailed("Guest agent is not responding: QEMU guest agent is not connected")
    data = host.call("GET", STATUS).body["data"]
    assert (data["scvm_status"], data["rootDiskSize"], data["manageNicIp"], data["manageNicType"]) == (
        "running", "N/A", "10.10.31.11", "N/A",
    )  # fmt: skip


@pytest.mark.parametrize(("devices", "parent"), [(1, "0000:3b:00.0"), (2, "N/A")])
def test_cards_handed_through(host: NodeUnderTest, devices: int, parent: str) -> None:
    """The class of a device decides whether it is a network card."""
    hostdevs = "".join(
        "<hostdev mode='subsystem' type='pci'><source>"
        f"<address domain='0x0000' bus='0x{0x3B + n:x}' slot='0x00' function='0x0'/></source></hostdev>"
        for n in range(3)
    )
    domain = support.scvm_domain().replace("</devices>", f"{hostdevs}</devices>")
    agent = machines.with_domains(host, domain)
    support.agent_answers(agent, cards=1)
    for number in range(3):
        folder = host.root / f"sys/bus/pci/devices/0000:{0x3B + number:x}:00.0"
        folder.mkdir(parents=True)
        (folder / "class").write_text("0x020000\n" if number < devices else "0x010700\n")
    data = host.call("GET", STATUS).body["data"]
    assert (data["storageServerNicType"], data["storageServerNicParent"]) == ("NIC Passthrough", parent)
    assert (data["storageServerNicIp"], data["manageNicParent"]) == ("100.100.31.11/16", "bridge0")


def test_switched_off(host: NodeUnderTest) -> None:
    agent = machines.with_domains(host, support.scvm_domain(), prepare=machines.switched_off("scvm"))
    data = host.call("GET", STATUS).body["data"]
    assert (data["scvm_status"], data["memory"], agent.asked) == ("shut off", "2 GiB", [])


def test_no_such_domain(host: NodeUnderTest) -> None:
    machines.with_domains(host)
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["scvm_status"]) == (200, "HEALTH_ERR")
    assert answer.body["message"] == "there is no domain scvm on this host"


def test_a_libvirtd_that_hangs(host: NodeUnderTest, agent: ScriptedAgent) -> None:
    """0.1.2 answered 200 with HEALTH_ERR; the same card is in the error."""
    assert host.call("GET", STATUS).status == 200

    class Hung(ScriptedAgent):
        def call(self, work: Any, *, timeout: float) -> Any:
            raise LibvirtTimedOut("libvirt did not answer within 3 s")

    object.__setattr__(host.env, "libvirt", Hung("test:///default"))
    stale = host.call("GET", f"{STATUS}?refresh=true").body
    assert (stale["stale"], stale["data"], stale["refresh_error"]) == (True, CARD, "libvirt did not answer within 3 s")
    host.env.readings.forget("scvm status")
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["scvm_status"]) == (504, "HEALTH_ERR")


def test_inside_the_storage_vm_its_host_is_asked(tmp_path: Any) -> None:
    guest = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN="10.10.31.12:8090")
    (guest.root / "etc/hostname").write_text("scvm2\n")
    guest.write_cluster(documents.document())
    guest.peers.expect("10.10.31.2", "GET", STATUS, body={"code": 200, "data": CARD})
    assert guest.call("GET", STATUS).body["data"] == CARD
    assert guest.peers.made[0].headers["X-Cube-SCVM-Status-Local"] == "1"
    guest.peers.expect_unreachable("10.10.31.2", "GET", STATUS, "no connection")
    guest.env.readings.forget("scvm status")
    answer = guest.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["scvm_status"]) == (502, "HEALTH_ERR")
    guest.finish()


def test_a_node_that_is_no_host(host: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["hosts"] = document["clusterConfig"]["hosts"][1:]
    host.write_cluster(document)
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["message"][:38]) == (409, "self host not found in cluster.json; a")
    assert answer.body["data"]["scvm_status"] == "HEALTH_ERR"


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-standalone"])
def test_a_cluster_without_storage_vms(host: NodeUnderTest, cluster_type: str) -> None:
    host.write_cluster(documents.document(cluster_type))
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


def test_fifty_at_once_are_one_collection(host: NodeUnderTest, agent: ScriptedAgent) -> None:
    headers, application = host.bearer(), host.client.application

    def ask(_: int) -> int:
        return application.test_client().get(f"/api/v1{STATUS}", headers=headers).status_code

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(ask, range(50))) == {200}
    assert sum(message["execute"] == "guest-get-fsinfo" for message in agent.asked) == 1
