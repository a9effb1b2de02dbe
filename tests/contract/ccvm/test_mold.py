"""GET /mold and /mold/ccvm as 0.1.2 answered them (contract 06 §9)."""

import json

from ablestack_api.core.errors import CommandFailed
from tests.contract.ccvm.conftest import DATA
from tests.support import machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

CEPH = ["ceph", "--connect-timeout", "3", "--mon-client-hunt-interval=1", "-s", "--format", "json"]
STATUS = (DATA / "ceph/status.json").read_text()
OTHERS = ("10.10.31.2", "10.10.31.3")


def test_ceph_s_as_it_is_with_its_age(node: NodeUnderTest) -> None:
    node.runner.expect(CEPH, stdout=STATUS)
    answer = node.call("GET", "/mold")
    assert answer.status == 200
    assert answer.body == {**json.loads(STATUS), "refresh_time": "2026-07-01T10:00:00+09:00"}
    node.clock.advance(9)
    assert node.call("GET", "/mold").body == answer.body


def test_without_ceph(node: NodeUnderTest) -> None:
    """0.1.2 answered with zeros; the last good answer stays, marked as stale."""
    node.runner.expect(CEPH, raises=CommandFailed("ceph ended with code 1: no monitor", program="ceph", exit_code=1))
    assert node.call("GET", "/mold").status == 502
    node.runner.expect(CEPH, stdout=STATUS)
    assert node.call("GET", "/mold").status == 200
    node.runner.expect(CEPH, stdout="Error: not JSON")
    stale = node.call("GET", "/mold?refresh=true").body
    assert (stale["stale"], stale["refresh_error"]) == (True, "ceph -s did not print JSON")
    assert stale["health"]["status"] == "HEALTH_OK"


def test_the_domain_here(host: NodeUnderTest, hypervisor: ScriptedAgent) -> None:
    body = host.call("GET", "/mold/ccvm").body
    assert (body["name"], body["running"], body["host"]) == ("ccvm", True, "ablecube31-1")
    assert (body["nic"][0]["mac"], body["nic"][0]["source"]) == (machines.CCVM_MAC, "bridge7")
    assert body["nic"][0]["rx_bytes"] > 0
    assert (body["disk"][0]["dev"], body["disk"][0]["wr_bytes"] > 0) == ("vda", True)


def test_the_domain_elsewhere(host: NodeUnderTest) -> None:
    machines.with_domains(host)
    told = {"name": "ccvm", "uuid": "u", "state": "running", "vcpus": 8, "max_memory_kib": 1, "memory_kib": 1}
    lists: dict[str, list[str]] = {"nics": [], "disks": [], "pci_devices": []}
    host.peers.expect("10.10.31.2", "GET", "/cube/ccvm/status", body={"code": 200, "val": {**told, **lists}})
    host.peers.expect("10.10.31.3", "GET", "/cube/ccvm/status", body={"code": 200, "val": None})
    assert host.call("GET", "/mold/ccvm").body["host"] == "ablecube31-2"


def test_nowhere(host: NodeUnderTest) -> None:
    machines.with_domains(host)
    for address in OTHERS:
        host.peers.expect(address, "GET", "/cube/ccvm/status", body={"code": 200, "val": None})
    body = host.call("GET", "/mold/ccvm").body
    assert (body["running"], body["nic"], body["disk"]) == (False, [], [])


def test_not_known(host: NodeUnderTest) -> None:
    """A peer of another release may tell what we do not understand: then it tells nothing."""
    machines.with_domains(host)
    host.peers.expect("10.10.31.2", "GET", "/cube/ccvm/status", body={"code": 200, "val": {"state": "running"}})
    host.peers.expect_unreachable("10.10.31.3", "GET", "/cube/ccvm/status", "no connection")
    answer = host.call("GET", "/mold/ccvm")
    assert answer.status == 502
    assert "ablecube31-3: no connection" in answer.body["message"]
