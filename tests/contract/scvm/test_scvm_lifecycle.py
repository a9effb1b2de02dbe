"""POST /cube/scvm/lifecycle: every action, what it refuses, what it takes back (contract 03 §14)."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.hypervisor import domains
from tests.contract.scvm import support
from tests.support import documents, machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/scvm/lifecycle"
DISK = "var/lib/libvirt/images/scvm.qcow2"
XML = "etc/ablestack/vmconfig/scvm/scvm.xml"
HEADER = "X-Cube-SCVM-Update-Local"


@pytest.fixture
def host(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document())
    support.lay_out_machine(node)
    return node


@pytest.fixture
def running(host: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(host, support.scvm_domain())


@pytest.fixture
def off(host: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(host, support.scvm_domain(), prepare=machines.switched_off("scvm"))


@pytest.fixture
def absent(host: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(host)


def state(node: NodeUnderTest) -> str | None:
    return domains.read_state(node.env.libvirt, "scvm")


def steps(body: Any) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in body["steps"]}


def dies_at_once(agent: ScriptedAgent) -> None:
    """QEMU starts and ends again."""

    def start_and_end(real: Any) -> None:
        real()
        agent.call(lambda connection: connection.lookupByName("scvm").destroy(), timeout=3)

    agent.hooks["create"] = start_and_end


def break_at(agent: ScriptedAgent, method: str) -> None:
    dies_at_once(agent) if method == "wait" else agent.refuses(method)


@pytest.mark.parametrize("action", ["start", "stop", "setup"])
def test_what_is_so_already_is_fine(host: NodeUnderTest, action: str) -> None:
    prepare = machines.switched_off("scvm") if action == "stop" else None
    machines.with_domains(host, support.scvm_domain(), prepare=prepare)
    answer = host.call("POST", PATH, {"action": action})
    assert answer.status == 200
    assert state(host) == ("shut off" if action == "stop" else "running")


def test_start_answers_as_before(host: NodeUnderTest, off: ScriptedAgent) -> None:
    answer = host.call("POST", PATH, {"action": " START "})
    told = {"retname": "Storage Center VM Start", "message": "ok", "target": "10.10.31.1", "action": "start"}
    assert answer.body == {"code": 200, "val": True, **told}
    assert state(host) == "running"


def test_stop_waits(host: NodeUnderTest, running: ScriptedAgent) -> None:
    assert host.call("POST", PATH, {"action": "stop"}).body["retname"] == "Storage Center VM Stop"
    assert state(host) == "shut off"


def test_a_guest_that_does_not_switch_off(host: NodeUnderTest, running: ScriptedAgent) -> None:
    running.ignores("shutdown")
    answer = host.call("POST", PATH, {"action": "stop"})
    assert (answer.status, answer.body["val"], answer.body["action"]) == (504, False, "stop")
    assert "wait scvm shut off timed out after 600 s: current state=running" in answer.body["message"]
    assert steps(answer.body) == {"stop": "failed"}


@pytest.mark.parametrize("action", ["start", "stop"])
def test_a_machine_that_is_not_there(host: NodeUnderTest, absent: ScriptedAgent, action: str) -> None:
    answer = host.call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["message"]) == (409, "scvm domain not found on this host; nothing was changed")
    assert (answer.body["val"], answer.body["target"]) == (False, "10.10.31.1")


def test_setup(host: NodeUnderTest, absent: ScriptedAgent) -> None:
    answer = host.call("POST", PATH, {"action": "setup"})
    assert (answer.status, answer.body["val"], answer.body["message"]) == (200, *["storage center setup success"] * 2)
    assert state(host) == "running"
    assert (host.root / DISK).read_bytes() == b"QFI\xfb template"
    assert (host.root / DISK).stat().st_mode & 0o777 == 0o600
    assert host.env.libvirt.call(lambda connection: connection.lookupByName("scvm").autostart(), timeout=3) == 1


@pytest.mark.parametrize("which", ["disk", "domain"])
def test_setup_over_what_exists_overwrites_nothing(host: NodeUnderTest, which: str) -> None:
    """W16, W17: 0.1.2 overwrote the disk of a storage VM that was off, and then failed to define it."""
    if which == "domain":
        machines.with_domains(host, support.scvm_domain(), prepare=machines.switched_off("scvm"))
    else:
        machines.with_domains(host)
        (host.root / DISK).write_bytes(b"precious")
    answer = host.call("POST", PATH, {"action": "setup"})
    assert answer.status == 409
    assert "scvm is set up already" in answer.body["message"]
    assert "nothing was overwritten" in answer.body["message"]
    assert not (host.root / DISK).exists() or (host.root / DISK).read_bytes() == b"precious"
    assert state(host) == ("shut off" if which == "domain" else None)


def test_setup_over_what_exists_when_that_is_wanted(host: NodeUnderTest, off: ScriptedAgent) -> None:
    (host.root / DISK).write_bytes(b"old")
    planned = host.call("POST", f"{PATH}?plan=true", {"action": "setup", "force": True}).body["val"]
    assert planned["overrides"] == [f"overwrites {host.root / DISK}"]
    assert [step["step"] for step in planned["steps"]][:2] == ["put-aside", "disk"]
    assert (host.root / DISK).read_bytes() == b"old"
    assert host.call("POST", PATH, {"action": "setup", "force": True}).status == 200
    assert (host.root / DISK).read_bytes() == b"QFI\xfb template"
    assert not list((host.root / DISK).parent.glob("scvm.qcow2?*"))
    found = domains.read(host.env.libvirt, "scvm")
    assert found is not None
    assert (found.uuid, found.max_memory_kib) == (support.UUID, 2**20)  # who it is stays, what it is changes


@pytest.mark.parametrize("broken", ["defineXML", "setAutostart", "create", "wait"])
def test_setup_is_taken_back_whatever_fails(host: NodeUnderTest, absent: ScriptedAgent, broken: str) -> None:
    break_at(absent, broken)
    answer = host.call("POST", PATH, {"action": "setup"})
    assert answer.status == (504 if broken == "wait" else 502)
    assert (answer.body["val"], answer.body["retname"]) == (False, "Storage Center VM Setup")
    assert ("timed out after 300 s" in answer.body["message"]) == (broken == "wait")
    assert not (host.root / DISK).exists()
    assert state(host) is None


@pytest.mark.parametrize("broken", ["setAutostart", "create", "wait"])
def test_a_forced_setup_that_fails_gives_the_old_machine_back(host: NodeUnderTest, off: ScriptedAgent, broken: str) -> None:
    (host.root / DISK).write_bytes(b"old")
    break_at(off, broken)
    assert host.call("POST", PATH, {"action": "setup", "force": True}).status >= 502
    assert (host.root / DISK).read_bytes() == b"old"
    found = domains.read(host.env.libvirt, "scvm")
    assert found is not None
    assert (found.state, found.max_memory_kib, found.uuid) == ("shut off", 2 * 2**20, support.UUID)


@pytest.mark.parametrize(
    ("missing", "told"),
    [(XML, "scvm xml not found"), ("var/lib/libvirt/images/ablestack-template-back.qcow2", "scvm template image not found")],
)
def test_setup_without_what_it_needs(host: NodeUnderTest, absent: ScriptedAgent, missing: str, told: str) -> None:
    (host.root / missing).unlink()
    answer = host.call("POST", PATH, {"action": "setup"})
    assert (answer.status, told in answer.body["message"]) == (409, True)


def test_a_definition_that_libvirt_refuses(host: NodeUnderTest, absent: ScriptedAgent) -> None:
    (host.root / XML).write_text("<domain type='nonsense'><name>scvm</name></domain>")
    answer = host.call("POST", PATH, {"action": "setup"})
    assert answer.status == 502
    assert steps(answer.body)["disk"] == "undone"
    assert not (host.root / DISK).exists()


@pytest.mark.parametrize("action", ["delete", "reset"])
def test_removing_a_running_machine_needs_force(host: NodeUnderTest, running: ScriptedAgent, action: str) -> None:
    (host.root / DISK).write_bytes(b"disk")
    answer = host.call("POST", PATH, {"action": action})
    assert answer.status == 409
    assert answer.body["message"].startswith("scvm is running; nothing was changed")
    assert state(host) == "running"
    assert (host.root / DISK).exists()
    assert (host.root / "etc/ceph/ceph.conf").exists()
    forced = host.call("POST", PATH, {"action": action, "force": True})
    assert (forced.status, state(host)) == (200, None)


def test_delete_keeps_the_disk_and_moves_the_ceph_configuration_aside(host: NodeUnderTest, off: ScriptedAgent) -> None:
    (host.root / DISK).write_bytes(b"disk")
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, answer.body["val"]) == (200, True)
    assert list((host.root / "etc/ceph").iterdir()) == []
    kept = host.root / "var/lib/ablestack/removed/etc-ceph-20260701T100000"
    assert answer.body["kept"] == f"what was in /etc/ceph is in {kept}"
    assert sorted(each.name for each in kept.iterdir()) == ["ceph.client.admin.keyring", "ceph.conf"]
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (host.root / DISK).exists()
    assert not (host.root / "var/lib/libvirt/images/scvm-cloudinit.iso").exists()


def test_reset_removes_disk_and_workspace(host: NodeUnderTest, off: ScriptedAgent) -> None:
    (host.root / DISK).write_bytes(b"disk")
    answer = host.call("POST", PATH, {"action": "reset"})
    assert (answer.status, answer.body["val"]) == (200, "storage center reset success")
    assert not (host.root / DISK).exists()
    assert list((host.root / XML).parent.iterdir()) == []
    assert (state(host), list((host.root / "etc/ceph").iterdir())) == (None, [])
    assert host.call("POST", PATH, {"action": "reset"}).status == 200  # nothing there: nothing to do


def test_a_reset_that_fails_gives_everything_back(host: NodeUnderTest, running: ScriptedAgent) -> None:
    (host.root / DISK).mkdir()  # cannot be removed as a file
    answer = host.call("POST", PATH, {"action": "reset", "force": True})
    assert answer.status == 500
    assert steps(answer.body)["undefine"] == "undone"
    assert (state(host), (host.root / "etc/ceph/ceph.conf").read_bytes()) == ("running", b"[global]\n")


def test_resources_change_in_libvirt_and_in_the_file(host: NodeUnderTest, off: ScriptedAgent) -> None:
    """W46: 0.1.2 changed libvirt's definition only, and a later setup took it back."""
    answer = host.call("POST", PATH, {"action": "resource", "cpu": 4, "memory": 3})
    assert (answer.body["retname"], answer.body["val"]) == ("Storage Center VM UPDATE", True)
    assert answer.body["pending"] == "in force at the next start of scvm"
    found = domains.read(host.env.libvirt, "scvm")
    assert found is not None
    assert (found.vcpus, found.max_memory_kib) == (4, 3 * 2**20)
    assert ">4</vcpu>" in (host.root / XML).read_text()
    assert "<memory unit='GiB'>3</memory>" in (host.root / XML).read_text()
    assert host.call("POST", PATH, {"action": "resource", "cpu": 6}).status == 200
    assert "<memory unit='GiB'>3</memory>" in (host.root / XML).read_text()


def test_resources_are_taken_back_together(host: NodeUnderTest, off: ScriptedAgent) -> None:
    before = (host.root / XML).read_bytes()
    off.refuses("defineXML")
    assert host.call("POST", PATH, {"action": "resource", "cpu": 4, "memory": 1}).status == 502
    assert (host.root / XML).read_bytes() == before
    assert not (host.root / "etc/sysctl.d/90-ablestack-scvm.conf").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "unsupported action"),
        ({"action": "destroy"}, "unsupported action"),
        ({"action": "resource"}, "cpu or memory required"),
        ({"action": "resource", "cpu": 0, "memory": 0}, "cpu or memory required"),
        ({"action": "resource", "cpu": -1}, "invalid cpu"),
        ({"action": "resource", "cpu": 10_000}, "invalid cpu"),
        ({"action": "resource", "memory": -5}, "invalid memory"),
        ({"action": "start", "target": "198.51.100.9"}, "target not found in cluster.json"),
        ({"action": "start", "target": "--help"}, "target not found in cluster.json"),
        ({"action": "start", "target_hostname": "<name>"}, "target_hostname not found"),
    ],
)
def test_bad_input(host: NodeUnderTest, running: ScriptedAgent, body: dict[str, Any], message: str) -> None:
    answer = host.call("POST", PATH, body)
    assert (answer.status, answer.body["message"]) == (400, message)
    assert host.peers.made == []


@pytest.mark.parametrize(
    "wrong", [{"cpu": 1.5}, {"cpu": "4"}, {"memory": True}, {"force": "yes"}, {"action": 7}, {"target": "1" * 65}]
)
def test_wrong_types(host: NodeUnderTest, running: ScriptedAgent, wrong: dict[str, Any]) -> None:
    answer = host.call("POST", PATH, {"action": "resource", "cpu": 2, **wrong})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, next(iter(wrong)))


def test_more_memory_than_the_host_has(host: NodeUnderTest, off: ScriptedAgent) -> None:
    (host.root / "proc").mkdir()
    (host.root / "proc/meminfo").write_text(f"MemTotal:       {64 * 2**20} kB\n")
    answer = host.call("POST", PATH, {"action": "resource", "memory": 64})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "memory")


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-standalone"])
def test_a_cluster_without_storage_vms(host: NodeUnderTest, running: ScriptedAgent, cluster_type: str) -> None:
    host.write_cluster(documents.document(cluster_type))
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


@pytest.mark.parametrize("chosen", [{"target": "10.10.31.2"}, {"target_hostname": "ABLECUBE31-2"}])
def test_another_host_does_it(host: NodeUnderTest, absent: ScriptedAgent, chosen: dict[str, str]) -> None:
    told = {"code": 200, "val": True, "retname": "Storage Center VM Start", "message": "ok", "target": "10.10.31.2"}
    host.peers.expect("10.10.31.2", "POST", PATH, body={**told, "action": "start"})
    answer = host.call("POST", PATH, {"action": "start", **chosen})
    assert (answer.status, answer.body["target"]) == (200, "10.10.31.2")
    [call] = host.peers.made
    assert (call.body, call.headers[HEADER]) == ({"action": "start", "force": False}, "1")


def test_another_hosts_refusal_is_ours(host: NodeUnderTest, absent: ScriptedAgent) -> None:
    refused = {
        "code": 409,
        "message": "scvm is running; nothing was changed",
        "overridable": ["switches scvm off"],
        "val": False,
    }
    host.peers.expect("10.10.31.2", "POST", PATH, status=409, body=refused)
    answer = host.call("POST", PATH, {"action": "delete", "target": "10.10.31.2"})
    assert (answer.status, answer.body["overridable"], answer.body["val"]) == (409, ["switches scvm off"], False)
    assert answer.body["message"].startswith("ablecube31-2 (10.10.31.2): scvm is running")


def test_another_host_is_off(host: NodeUnderTest, absent: ScriptedAgent) -> None:
    host.peers.expect_unreachable("10.10.31.2", "POST", PATH, "no connection in time")
    answer = host.call("POST", PATH, {"action": "start", "target": "10.10.31.2"})
    assert (answer.status, answer.body["results"][0]["outcome"]) == (502, "unreachable")


def test_asked_by_another_host_the_target_means_nothing(host: NodeUnderTest, off: ScriptedAgent) -> None:
    headers = {**host.internal(), HEADER: "1"}
    assert host.call("POST", PATH, {"action": "start", "target": "10.10.31.3"}, headers=headers).status == 200
    assert (state(host), host.peers.made) == ("running", [])


def test_while_a_job_holds_the_machine(host: NodeUnderTest, running: ScriptedAgent) -> None:
    inner: list[Any] = []

    def ask_again(real: Any) -> Any:
        inner.append(host.call("POST", PATH, {"action": "resource", "cpu": 2}))
        return real()

    running.hooks["shutdown"] = ask_again
    host.call("POST", PATH, {"action": "stop"})
    [second] = inner
    assert second.status == 409
    assert second.body["type"].endswith("busy")
    assert "scvm stop" in second.body["message"]


def test_a_disk_that_is_too_small_for_the_image(
    host: NodeUnderTest, absent: ScriptedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 3})())
    answer = host.call("POST", PATH, {"action": "setup"})
    assert (answer.status, "nothing was changed" in answer.body["message"]) == (507, True)
    assert not Path(host.root / DISK).exists()
