"""POST /cube/ccvm/lifecycle of a cluster of one host: libvirt alone (contract 03 §6.2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.hypervisor import domains
from tests.support import documents, machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/ccvm/lifecycle"
KIND = "ablestack-standalone"
DISK, DEFINITION = "mnt/glue/ccvm.qcow2", "mnt/glue/ccvm.xml"
STATE = "etc/ablestack/vmconfig/ccvm"
ISO = "var/lib/libvirt/images/ccvm-cloudinit.iso"
TEMPLATE = "var/lib/libvirt/images/ablestack-template-back.qcow2"
KEYS = {"root/.ssh/id_rsa": b"PRIVATE", "root/.ssh/id_rsa.pub": b"ssh-rsa PUBLIC"}


@pytest.fixture
def alone(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document(KIND))
    rendered = machines.domain(memory=1).replace(f"<uuid>{machines.CCVM_UUID}</uuid>", "")
    for name, content in {**KEYS, f"{STATE}/ccvm.xml": rendered.encode(), TEMPLATE: b"QFI image", ISO: b"iso"}.items():
        (node.root / name).parent.mkdir(parents=True, exist_ok=True)
        (node.root / name).write_bytes(content)
    return node


@pytest.fixture
def running(alone: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(alone, machines.domain())


@pytest.fixture
def off(alone: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(alone, machines.domain(), prepare=machines.switched_off("ccvm"))


@pytest.fixture
def absent(alone: NodeUnderTest) -> ScriptedAgent:
    return machines.with_domains(alone)


def state(node: NodeUnderTest) -> str | None:
    return domains.read_state(node.env.libvirt, "ccvm")


def expect_growth(node: NodeUnderTest, **how: Any) -> None:
    node.runner.expect(["qemu-img", "resize", "-f", "qcow2", "--", str(node.root / DISK), "+350G"], **how)


def test_setup(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    expect_growth(alone)
    answer = alone.call("POST", PATH, {"action": "setup"})
    told = {"retname": "CCVM Lifecycle", "message": "ok", "action": "setup", "os_type": KIND}
    results = [{"target": "10.10.31.1", "code": 200, "message": "ok"}]
    assert answer.body == {"code": 200, "val": "cloud center setup success", **told, "results": results}
    assert state(alone) == "running"
    assert (alone.root / DISK).read_bytes() == b"QFI image"
    assert (alone.root / DEFINITION).read_bytes() == (alone.root / STATE / "ccvm.xml").read_bytes()
    assert alone.env.libvirt.call(lambda connection: connection.lookupByName("ccvm").autostart(), timeout=3) == 1
    assert (alone.root / STATE / "id_rsa").stat().st_mode & 0o777 == 0o600


def test_copy(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    answer = alone.call("POST", PATH, {"action": "copy"})
    assert answer.body["val"] == "cloud center copy success"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (alone.root / STATE).iterdir()}
    assert modes | {"ccvm.xml": 0} == {"hosts": 0o644, "id_rsa": 0o600, "id_rsa.pub": 0o644, "ccvm.xml": 0}
    assert (alone.root / STATE / "id_rsa").read_bytes() == b"PRIVATE"


def test_copy_without_keys_copies_nothing(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    (alone.root / "root/.ssh/id_rsa.pub").unlink()
    answer = alone.call("POST", PATH, {"action": "copy"})
    assert (answer.status, answer.body["val"]) == (409, "cloud center copy fail")
    assert [path.name for path in (alone.root / STATE).iterdir()] == ["ccvm.xml"]


@pytest.mark.parametrize("machine", ["running", "off"])
def test_setup_of_one_that_exists(alone: NodeUnderTest, machine: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(machine)
    before = state(alone)
    answer = alone.call("POST", PATH, {"action": "setup"})
    assert (answer.status, answer.body["message"][:40]) == (409, f"ccvm domain already exists: state={before}"[:40])
    assert not (alone.root / DISK).exists()


def test_a_running_one_is_not_replaced_even_with_force(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    assert alone.call("POST", PATH, {"action": "setup", "force": True}).status == 409
    assert state(alone) == "running"


def test_setup_over_a_disk_overwrites_nothing(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    (alone.root / DISK).parent.mkdir(parents=True)
    (alone.root / DISK).write_bytes(b"precious")
    answer = alone.call("POST", PATH, {"action": "setup"})
    assert (answer.status, (alone.root / DISK).read_bytes()) == (409, b"precious")
    expect_growth(alone)
    assert alone.call("POST", PATH, {"action": "setup", "force": True}).status == 200
    assert (alone.root / DISK).read_bytes() == b"QFI image"
    assert sorted(path.name for path in (alone.root / DISK).parent.iterdir()) == ["ccvm.qcow2", "ccvm.xml"]


@pytest.mark.parametrize("broken", ["defineXML", "setAutostart", "create", "qemu-img"])
def test_setup_is_taken_back_whatever_fails(alone: NodeUnderTest, absent: ScriptedAgent, broken: str) -> None:
    (alone.root / DISK).parent.mkdir(parents=True)
    (alone.root / DISK).write_bytes(b"old")
    if broken == "qemu-img":
        expect_growth(
            alone, raises=CommandFailed("qemu-img ended with code 1: No space left", program="qemu-img", exit_code=1)
        )
    else:
        expect_growth(alone)
        absent.refuses(broken)
    answer = alone.call("POST", PATH, {"action": "setup", "force": True})
    assert (answer.status, answer.body["val"]) == (502, "cloud center setup fail")
    assert state(alone) is None
    assert (alone.root / DISK).read_bytes() == b"old"
    assert not (alone.root / DEFINITION).exists()


@pytest.mark.parametrize(
    ("missing", "told"), [(f"{STATE}/ccvm.xml", "ccvm xml not found"), (TEMPLATE, "ccvm template image not found")]
)
def test_setup_without_what_it_needs(alone: NodeUnderTest, absent: ScriptedAgent, missing: str, told: str) -> None:
    (alone.root / missing).unlink()
    answer = alone.call("POST", PATH, {"action": "setup"})
    assert (answer.status, told in answer.body["message"]) == (409, True)


@pytest.mark.parametrize("destroy", [True, False])
def test_stop_and_start(alone: NodeUnderTest, running: ScriptedAgent, destroy: bool) -> None:
    running.refuses("shutdown" if destroy else "destroy")
    assert alone.call("POST", PATH, {"action": "stop", "destroy": destroy}).body["val"] == "cloud center stop success"
    assert state(alone) == "shut off"
    assert alone.call("POST", PATH, {"action": "stop"}).status == 200
    assert alone.call("POST", PATH, {"action": "start"}).body["val"] == "cloud center start success"
    assert state(alone) == "running"
    assert alone.call("POST", PATH, {"action": "start"}).status == 200


def test_restart(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    calls: list[str] = []

    def noted(name: str) -> Callable[[Callable[..., Any]], Any]:
        def call(real: Callable[..., Any]) -> Any:
            calls.append(name)
            return real()

        return call

    running.hooks |= {name: noted(name) for name in ("shutdown", "create")}
    assert alone.call("POST", PATH, {"action": "restart"}).body["val"] == "cloud center restart success"
    assert (calls, state(alone)) == (["shutdown", "create"], "running")


def test_a_restart_of_a_guest_that_does_not_switch_off(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    running.ignores("shutdown")
    answer = alone.call("POST", PATH, {"action": "restart"})
    assert (answer.status, answer.body["val"], state(alone)) == (504, "cloud center stop fail", "running")
    assert "wait ccvm shut off timed out after 300 s: current state=running" in answer.body["message"]


def test_a_restart_whose_start_fails(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    running.refuses("create")
    answer = alone.call("POST", PATH, {"action": "restart"})
    assert (answer.status, answer.body["val"]) == (502, "cloud center start fail")


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_a_machine_that_is_not_there(alone: NodeUnderTest, absent: ScriptedAgent, action: str) -> None:
    answer = alone.call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["message"]) == (409, "ccvm domain not found on this host; nothing was changed")


@pytest.mark.parametrize("purge", [True, False])
def test_delete(alone: NodeUnderTest, off: ScriptedAgent, purge: bool) -> None:
    for name in (DISK, DEFINITION, "var/lib/libvirt/images/ccvm.qcow2"):
        (alone.root / name).parent.mkdir(parents=True, exist_ok=True)
        (alone.root / name).write_bytes(b"x")
    assert alone.call("POST", PATH, {"action": "delete", "purge": purge}).body["val"] == "cloud center delete success"
    assert (state(alone), (alone.root / DISK).exists(), (alone.root / ISO).exists()) == (None, not purge, False)
    assert list((alone.root / STATE).iterdir()) == []


def test_delete_of_a_running_machine_needs_force(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    answer = alone.call("POST", PATH, {"action": "delete", "purge": True})
    assert (answer.status, state(alone)) == (409, "running")
    assert answer.body["overridable"] == ["switches ccvm off"]
    assert alone.call("POST", PATH, {"action": "delete", "force": True}).status == 200
    assert state(alone) is None


def test_a_delete_that_fails_gives_the_machine_back(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    running.refuses("undefineFlags")
    answer = alone.call("POST", PATH, {"action": "delete", "force": True})
    assert (answer.status, state(alone), (alone.root / ISO).exists()) == (502, "running", True)


def test_reset(alone: NodeUnderTest, off: ScriptedAgent) -> None:
    for path in ("/cube/local/manage?plan=true", "/cube/local/manage"):
        alone.peers.expect("10.10.31.1", "POST", path, body={"code": 200, "val": "ok", "message": "ok"})
    for _ in ("ccvm", "wall"):
        alone.peers.expect("10.10.31.1", "POST", "/cube/system/config", body={"code": 200, "val": {"results": []}})
    answer = alone.call("POST", PATH, {"action": "reset"})
    assert (answer.status, answer.body["val"]) == (200, "cloud center and local disk reset success")
    assert state(alone) is None


def test_initialize_is_for_pacemaker(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    answer = alone.call("POST", PATH, {"action": "initialize"})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "action")


def test_a_plan_warns_of_a_missing_mount(alone: NodeUnderTest, absent: ScriptedAgent) -> None:
    planned = alone.call("POST", f"{PATH}?plan=true", {"action": "setup"}).body["val"]
    assert [step["step"] for step in planned["steps"]] == [
        "copy", "disk", "grow", "definition", "define", "autostart", "start", "wait",
    ]  # fmt: skip
    assert planned["warnings"] == ["nothing is mounted at /mnt/glue: the disk goes to the file system of /mnt"]
    assert not Path(alone.root / DISK).exists()


def test_an_edit_while_a_job_holds_the_machine(alone: NodeUnderTest, running: ScriptedAgent) -> None:
    inner: list[Any] = []

    def ask_again(real: Any) -> Any:
        inner.append(alone.call("POST", "/cube/ccvm/edit", {"cpu": "2", "memory": "1"}))
        return real()

    running.hooks["shutdown"] = ask_again
    answer = alone.call("POST", PATH, {"action": "stop"})
    [second] = inner
    assert (answer.status, second.status, second.body["type"][-4:]) == (200, 409, "busy")
    assert second.body["job"] == answer.headers["x-job-id"]


def test_a_node_in_a_folder_leaves_the_systems_machines_alone(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_LIBVIRT_URI="qemu:///system")
    node.write_cluster(documents.document(KIND))
    for path, body in ((PATH, {"action": "delete"}), ("/cube/ccvm/edit", {"cpu": "2", "memory": "1"})):
        answer = node.call("POST", path, body)
        assert (answer.status, "lives in a folder" in answer.body["message"]) == (409, True)
