"""GET /cube/ccvm/status: what guest and domain tell, and what is told when one of them is silent (contract 03 §2)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, LibvirtTimedOut
from tests.contract.ccvm.conftest import DATA, expect_guest_programs
from tests.support import documents, machines
from tests.support.answer import Answer
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

STATUS = "/cube/ccvm/status"
CCVM = "10.10.31.10"
GUEST = {
    "CPU(s)": "8", "Max memory": "16094212 KiB", "Used memory": "7012344 KiB", "ip": "10.10.31.10", "prefix": "16",
    "mac": machines.CCVM_MAC, "UUID": machines.CCVM_UUID, "GW": "10.10.0.254", "DNS": "10.10.0.2",
    "DISK_CAP": "70G", "DISK_ALLOC": "21G", "DISK_PHY": "50G", "DISK_USAGE_RATE": "30%",
    "SECOND_DISK_CAP": "350G", "SECOND_DISK_ALLOC": "12G", "SECOND_DISK_PHY": "338G", "SECOND_DISK_USAGE_RATE": "4%",
    "MOLD_SERVICE_STATUE": "active", "MOLD_DB_STATUE": "failed",
    "blk": (DATA / "df/ccvm.txt").read_text().splitlines(),
}  # fmt: skip
OTHERS = ("10.10.31.2", "10.10.31.3")


def guest_answers(node: NodeUnderTest, **more: Any) -> None:
    node.peers.expect(CCVM, "GET", STATUS, body={"code": 200, "data": {"Name": "ccvm", **GUEST, **more}})


def marked(node: NodeUnderTest, header: str) -> Answer:
    return node.call("GET", STATUS, headers={**node.internal(), header: "1"})


def test_a_host_joins_what_guest_and_domain_tell(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    guest_answers(host, State="running for ever", nictype="bridge", nicbridge="bridge0")
    answer = host.call("GET", STATUS)
    assert answer.status == 200
    domain = {"Name": "ccvm", "State": "running", "nictype": "bridge", "nicbridge": "bridge7"}
    assert answer.body == {"code": 200, "data": {**GUEST, **domain}, "refresh_time": "2026-07-01T10:00:00+09:00"}
    assert [(call.address, call.headers.get("X-Cube-CCVM-Local")) for call in host.peers.made] == [(CCVM, "1")]


def test_inside_the_guest(ccvm: NodeUnderTest) -> None:
    expect_guest_programs(ccvm)
    answer = marked(ccvm, "X-Cube-CCVM-Local")
    assert (answer.status, answer.body["data"]) == (200, {"Name": "ccvm", **GUEST})


def test_asked_in_the_guest_itself_the_hosts_tell_the_rest(ccvm: NodeUnderTest) -> None:
    """It never calls itself, and a host that does not answer keeps nothing from the others."""
    expect_guest_programs(ccvm)
    domain = {
        "name": "ccvm",
        "uuid": machines.CCVM_UUID,
        "state": "running",
        "vcpus": 8,
        "max_memory_kib": 1,
        "memory_kib": 1,
    }
    nics = [{"mac": machines.CCVM_MAC, "kind": "network", "source": "ovs-net", "target": "vnet0", "traffic": {}}]
    told = {**domain, "nics": nics, "disks": [], "pci_devices": []}
    ccvm.peers.expect_unreachable("10.10.31.1", "GET", STATUS)
    ccvm.peers.expect("10.10.31.2", "GET", STATUS, body={"code": 200, "val": told})
    ccvm.peers.expect("10.10.31.3", "GET", STATUS, body={"code": 200, "val": None})
    data = ccvm.call("GET", STATUS).body["data"]
    assert (data["State"], data["nictype"], data["nicbridge"]) == ("running", "network", "ovs-net")
    assert {call.headers.get("X-Cube-CCVM-Domain-Local") for call in ccvm.peers.made} == {"1"}


def test_a_host_tells_another_what_its_libvirt_knows(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    value = marked(host, "X-Cube-CCVM-Domain-Local").body["val"]
    assert (value["state"], value["nics"][0]["source"], value["vcpus"]) == ("running", "bridge7", 8)


def test_a_host_without_it_tells_so(host: NodeUnderTest) -> None:
    machines.with_domains(host)
    assert marked(host, "X-Cube-CCVM-Domain-Local").body == {"code": 200, "val": None}


def test_the_markers_of_a_person_mean_nothing(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    guest_answers(host)
    answer = host.call("GET", STATUS, headers={**host.bearer(), "X-Cube-CCVM-Local": "1"})
    assert answer.body["data"]["nicbridge"] == "bridge7"


def test_a_vm_that_runs_but_does_not_answer(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    """0.1.2 answered 500 here; what libvirt knows comes along."""
    host.peers.expect_unreachable(CCVM, "GET", STATUS, "no connection: refused")
    answer = host.call("GET", STATUS)
    assert answer.status == 502
    assert "does not answer (no connection: refused); its domain is running on ablecube31-1" in answer.body["message"]
    data = answer.body["data"]
    assert (data["State"], data["nicbridge"], data["Max memory"], data["ip"]) == ("running", "bridge7", "2097152 KiB", "N/A")


def test_a_vm_that_is_off_is_no_failure_of_the_status(host: NodeUnderTest) -> None:
    machines.with_domains(host, machines.domain(), prepare=machines.switched_off("ccvm"))
    host.peers.expect_unreachable(CCVM, "GET", STATUS, "no connection")
    for address in OTHERS:
        host.peers.expect(address, "GET", STATUS, body={"code": 200, "val": None})
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["State"]) == (200, "shut off")
    assert "the Cloud Center VM is off" in answer.body["message"]


def test_no_host_has_it(host: NodeUnderTest) -> None:
    """Pacemaker defines the domain only while it runs."""
    machines.with_domains(host)
    host.peers.expect_unreachable(CCVM, "GET", STATUS, "no connection")
    for address in OTHERS:
        host.peers.expect(address, "GET", STATUS, body={"code": 200, "val": None})
    assert host.call("GET", STATUS).body["data"]["State"] == "shut off"


def test_no_host_has_it_though_its_address_answers(host: NodeUnderTest) -> None:
    """The state is the domain's; the message tells what does not fit."""
    machines.with_domains(host)
    guest_answers(host)
    for address in OTHERS:
        host.peers.expect(address, "GET", STATUS, body={"code": 200, "val": None})
    body = host.call("GET", STATUS).body
    assert (body["data"]["State"], body["data"]["DNS"]) == ("shut off", "10.10.0.2")
    assert body["message"] == "its domain: no host has it, though its address answers"


def test_a_host_that_does_not_answer_may_have_it(host: NodeUnderTest) -> None:
    machines.with_domains(host)
    host.peers.expect_unreachable(CCVM, "GET", STATUS, "no connection")
    host.peers.expect("10.10.31.2", "GET", STATUS, body={"code": 200, "val": None})
    host.peers.expect_unreachable("10.10.31.3", "GET", STATUS, "no connection in time")
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["State"]) == (502, "N/A")
    assert "ablecube31-3: no connection in time" in answer.body["message"]


def test_a_libvirtd_that_hangs_hides_only_what_it_knows(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    class Hung(ScriptedAgent):
        def call(self, work: Any, *, timeout: float) -> Any:
            raise LibvirtTimedOut("libvirt did not answer within 3 s")

    object.__setattr__(host.env, "libvirt", Hung("test:///default"))
    guest_answers(host)
    for address in OTHERS:
        host.peers.expect(address, "GET", STATUS, body={"code": 200, "val": None})
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["data"]["State"], answer.body["data"]["nicbridge"]) == (200, "running", "N/A")
    assert "libvirt did not answer within 3 s" in answer.body["message"]


def test_fifty_at_once_are_one_collection(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    guest_answers(host)
    headers = host.bearer()
    application = host.client.application

    def ask(_: int) -> int:
        return application.test_client().get(f"/api/v1{STATUS}", headers=headers).status_code

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(ask, range(50))) == {200}
    assert len(host.peers.made) == 1


def test_a_fresh_reading_on_request_and_a_failed_one_is_told(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    guest_answers(host)
    host.call("GET", STATUS)
    host.clock.advance(1)
    assert host.call("GET", STATUS).body["refresh_time"] == "2026-07-01T10:00:00+09:00"
    guest_answers(host, DNS="10.10.0.9")
    again = host.call("GET", f"{STATUS}?refresh=true").body
    assert (again["data"]["DNS"], again["refresh_time"]) == ("10.10.0.9", "2026-07-01T10:00:01+09:00")
    host.cluster_json.unlink()
    stale = host.call("GET", f"{STATUS}?refresh=true").body
    assert (stale["stale"], stale["refresh_time"]) == (True, "2026-07-01T10:00:01+09:00")
    assert "cluster.json" in stale["refresh_error"]


def test_programs_that_hang_or_fail_cost_their_own_fields(ccvm: NodeUnderTest) -> None:
    ccvm.runner.expect(
        ["ip", "-j", "-4", "addr", "show", "dev", "enp0s20"], raises=CommandFailed("ip", program="ip", exit_code=1)
    )
    ccvm.runner.expect(
        ["systemctl", "is-active", "--", "mold.service", "mysqld"],
        raises=CommandTimedOut("x", program="systemctl", seconds=3),
    )
    ccvm.runner.expect(["df", "-h"], raises=CommandTimedOut("x", program="df", seconds=3))
    data = marked(ccvm, "X-Cube-CCVM-Local").body["data"]
    assert (data["ip"], data["prefix"]) == ("N/A", "N/A")
    assert (data["MOLD_SERVICE_STATUE"], data["DISK_CAP"], data["blk"]) == ("N/A(timeout)", "N/A(timeout)", ["N/A(timeout)"])
    assert data["Max memory"] == "16094212 KiB"


def test_a_df_that_warns_still_tells_the_disks(ccvm: NodeUnderTest) -> None:
    """W6: exit code 1 because one file system cannot be asked."""
    expect_guest_programs(ccvm)
    ccvm.runner.queue[-1].code, ccvm.runner.queue[-1].stderr = 1, "df: /stale: Stale file handle"
    assert marked(ccvm, "X-Cube-CCVM-Local").body["data"]["DISK_CAP"] == "70G"


@pytest.mark.parametrize("refresh", ["maybe", "2"])
def test_bad_query(host: NodeUnderTest, refresh: str) -> None:
    answer = host.call("GET", f"{STATUS}?refresh={refresh}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "refresh")


def test_without_an_address_of_the_vm(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    document = documents.document()
    document["clusterConfig"]["ccvm"]["ip"] = ""
    host.write_cluster(document)
    answer = host.call("GET", STATUS)
    assert (answer.status, answer.body["message"]) == (400, "ccvm ip required")


def test_without_cluster_json(node: NodeUnderTest) -> None:
    answer = node.call("GET", STATUS)
    assert (answer.status, answer.body["message"][:27]) == (500, "failed to read cluster.json")
