"""The Cloud Center VM on real hosts: its state, its life under Pacemaker or libvirt alone, its services."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.lab import api, first_apply, parallel
from tests.lab.cluster import expect, frozen, hosts, until
from tests.lab.lab import Lab
from tests.lab.services import cloud_center, pacemaker

pytestmark = pytest.mark.lab

STATUS = "/api/v1/cube/ccvm/status"
MOLD = "/api/v1/mold/ccvm"
LIFECYCLE = "/api/v1/cube/ccvm/lifecycle"
EDIT = "/api/v1/cube/ccvm/edit"
SERVICE = "/api/v1/cube/ccvm/service/control"
SCVM = "/api/v1/cube/scvm/lifecycle"
WORK_SECONDS = 400.0
STATUS_SECONDS = 15.0
TOGETHER = 50
DEFINITION = f"etc/ablestack/{cloud_center.DEFINITION}"
IMAGES = "/var/lib/libvirt/images"

STANDALONE_XML = """\
<domain type='qemu'>
  <name>ccvm</name>
  <memory unit='MiB'>64</memory>
  <currentMemory unit='MiB'>64</currentMemory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/mnt/glue/ccvm.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <console type='pty'/>
  </devices>
</domain>
"""


@pytest.fixture
def token(cluster_lab: Lab) -> str:
    return first_apply.log_in(cluster_lab)


@pytest.fixture
def under_pacemaker(cluster_lab: Lab) -> Iterator[Lab]:
    """The machine is started on one host, before and after."""
    if cluster_lab.profile.pacemaker is None or cluster_lab.profile.cloud_center is None:
        pytest.skip(f"profile {cluster_lab.profile.name} has no such resource")
    start(cluster_lab)
    yield cluster_lab
    cluster_lab.repair()
    start(cluster_lab)


def start(lab: Lab) -> None:
    lab.run("cube1", ["pcs", "resource", "cleanup", cloud_center.RESOURCE], ok=None)
    lab.run("cube1", ["pcs", "resource", "enable", cloud_center.RESOURCE])
    cloud_center.wait_started(lab.machine("cube1"))


def work(lab: Lab, token: str, action: str, node: str = "cube1", **more: Any) -> api.Reply:
    return lab.api(node, "POST", LIFECYCLE, {"action": action, **more}, token=token, timeout=WORK_SECONDS)


def card(lab: Lab, token: str, node: str = "cube1") -> dict[str, Any]:
    body: dict[str, Any] = expect(lab.api(node, "GET", f"{STATUS}?refresh=true", token=token, timeout=STATUS_SECONDS))
    return body


def running_on(lab: Lab) -> list[str]:
    return pacemaker.running_on(lab.machine("cube1"), cloud_center.RESOURCE)


def processes(lab: Lab) -> dict[str, str]:
    """The QEMU process of the machine, by the host that has one."""
    found = {name: lab.run(name, ["pgrep", "-f", f"guest={cloud_center.DOMAIN}"], ok=None).stdout for name in hosts(lab)}
    return {name: pids.strip() for name, pids in found.items() if pids.strip()}


def test_every_host_tells_the_same(under_pacemaker: Lab, token: str) -> None:
    """The guest's own numbers come from the node ccvm, the state from the host that runs the domain."""
    cards = {}
    for name in hosts(under_pacemaker):
        own = first_apply.log_in(under_pacemaker, name)
        cards[name] = card(under_pacemaker, own, name)["data"]
    assert {each["State"] for each in cards.values()} == {"running"}
    # The guest tells the address of its default route's card; the nodes of the lab have no default route.
    assert {each["ip"] for each in cards.values()} == {"N/A"}
    assert len({each["UUID"] for each in cards.values()}) == 1
    assert all(each["DISK_CAP"] and each["blk"] for each in cards.values())


def test_the_domain_with_its_counters(under_pacemaker: Lab, token: str) -> None:
    body = expect(under_pacemaker.api("cube1", "GET", MOLD, token=token))
    assert (body["name"], body["running"], list(processes(under_pacemaker))) == ("ccvm", True, [body["host"]])
    assert body["disk"][0]["rd_bytes"] >= 0


def test_inside_the_guest_too(under_pacemaker: Lab) -> None:
    own = first_apply.log_in(under_pacemaker, "ccvm")
    assert card(under_pacemaker, own, "ccvm")["data"]["State"] == "running"


def test_stop_and_start_wait_for_pacemaker(under_pacemaker: Lab, token: str) -> None:
    stopped = expect(work(under_pacemaker, token, "stop"))
    assert (stopped["val"], stopped["retname"]) == ("cloud center stop success", "CCVM Lifecycle")
    assert (running_on(under_pacemaker), processes(under_pacemaker)) == ([], {})
    assert card(under_pacemaker, token)["data"]["State"] == "shut off"
    assert expect(work(under_pacemaker, token, "start"))["val"] == "cloud center start success"
    assert len(running_on(under_pacemaker)) == 1
    assert card(under_pacemaker, token)["data"]["State"] == "running"


def test_restart_really_restarts(under_pacemaker: Lab, token: str) -> None:
    before = processes(under_pacemaker)
    assert expect(work(under_pacemaker, token, "restart"))["val"] == "cloud center restart success"
    after = processes(under_pacemaker)
    assert (len(before), len(after)) == (1, 1)
    assert before != after


def test_asked_on_another_host(under_pacemaker: Lab) -> None:
    """The first node of the cluster does it, whoever is asked."""
    other = hosts(under_pacemaker)[-1]
    own = first_apply.log_in(under_pacemaker, other)
    body = expect(work(under_pacemaker, own, "stop", node=other))
    assert body["results"][0]["target"] == under_pacemaker.node("cube1").management
    assert running_on(under_pacemaker) == []


def test_a_start_that_cannot_work_says_why(under_pacemaker: Lab, token: str) -> None:
    """No host can start a definition that is broken: Pacemaker gives up, and so does the answer, long before its limit."""
    expect(work(under_pacemaker, token, "stop"))
    kept = {name: (under_pacemaker.machine(name).root / DEFINITION).read_text() for name in hosts(under_pacemaker)}
    try:
        for name, text in kept.items():
            (under_pacemaker.machine(name).root / DEFINITION).write_text(text.replace("type='qemu'", "type='nonsense'"))
        began = time.monotonic()
        reply = work(under_pacemaker, token, "start")
        assert (reply.status, reply.json()["val"]) == (502, "cloud center start fail")
        assert time.monotonic() - began < WORK_SECONDS / 2
    finally:
        for name, text in kept.items():
            (under_pacemaker.machine(name).root / DEFINITION).write_text(text)


def test_delete_of_a_running_machine_is_refused(under_pacemaker: Lab, token: str) -> None:
    before = processes(under_pacemaker)
    reply = work(under_pacemaker, token, "delete")
    assert (reply.status, reply.json()["overridable"]) == (409, ["switches ccvm off"])
    assert processes(under_pacemaker) == before


def test_a_definition_without_a_tag_is_edited_nowhere(under_pacemaker: Lab, token: str) -> None:
    """The lab's definition has no currentMemory, as an operator's own may."""
    places = [under_pacemaker.machine(name).root / DEFINITION for name in hosts(under_pacemaker)]
    before = [place.read_bytes() for place in places]
    reply = under_pacemaker.api("cube1", "POST", EDIT, {"cpu": "2", "memory": "1"}, token=token)
    assert (reply.status, "currentMemory tag not found" in reply.text) == (409, True)
    assert [place.read_bytes() for place in places] == before


def test_an_edit_while_a_job_runs(under_pacemaker: Lab, token: str) -> None:
    accepted = under_pacemaker.api(
        "cube1", "POST", LIFECYCLE, {"action": "restart"}, token=token, headers={"Prefer": "respond-async"}
    )
    assert accepted.status == 202
    edit = under_pacemaker.api("cube1", "POST", EDIT, {"cpu": "2", "memory": "1"}, token=token)
    assert (edit.status, accepted.headers["Location"].endswith(edit.json()["job"])) == (409, True)

    def ended() -> bool:
        job = expect(under_pacemaker.api("cube1", "GET", accepted.headers["Location"], token=token))
        return (job.get("val") or job)["status"] not in ("queued", "running")

    until(ended, "the restart has ended", WORK_SECONDS, poll=1.0)
    assert len(running_on(under_pacemaker)) == 1


def test_a_guest_without_power(under_pacemaker: Lab, token: str) -> None:
    """Its domain runs, its daemon does not answer: an error that tells what the host knows."""
    under_pacemaker.kill("ccvm")
    reply = under_pacemaker.api("cube1", "GET", f"{STATUS}?refresh=true", token=token, timeout=STATUS_SECONDS)
    assert (reply.status, reply.json()["data"]["State"]) == (502, "running")


def test_a_host_that_hangs_keeps_nobody_from_the_rest(under_pacemaker: Lab) -> None:
    runs_on = next(iter(processes(under_pacemaker)))
    asked, hung = [name for name in hosts(under_pacemaker) if name != runs_on][:2]
    own = first_apply.log_in(under_pacemaker, asked)
    with frozen(under_pacemaker, hung):
        assert card(under_pacemaker, own, asked)["data"]["State"] == "running"


def test_a_libvirtd_that_hangs(under_pacemaker: Lab) -> None:
    """It costs its own deadline; what needs no libvirt answers meanwhile."""
    runs_on = next(iter(processes(under_pacemaker)))
    own = first_apply.log_in(under_pacemaker, runs_on)
    under_pacemaker.run(runs_on, ["pkill", "-STOP", "-x", "libvirtd"])
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(
                under_pacemaker.api, runs_on, "GET", f"{STATUS}?refresh=true", token=own, timeout=STATUS_SECONDS
            )
            began = time.monotonic()
            assert under_pacemaker.api(runs_on, "GET", "/api/v1/health").status == 200
            assert time.monotonic() - began < 1
            assert "libvirt" in waiting.result().text
    finally:
        under_pacemaker.run(runs_on, ["pkill", "-CONT", "-x", "libvirtd"])


def test_fifty_at_once(under_pacemaker: Lab, token: str) -> None:
    def ask(_: int) -> tuple[int, str]:
        reply = under_pacemaker.api("cube1", "GET", STATUS, token=token, timeout=STATUS_SECONDS)
        return reply.status, reply.json()["refresh_time"]

    with ThreadPoolExecutor(TOGETHER) as pool:
        told = set(pool.map(ask, range(TOGETHER)))
    assert {status for status, _ in told} == {200}
    assert len({moment for _, moment in told}) <= 2  # the reading before, and the new one


@pytest.mark.parametrize("name", ["cron", "cron.service"])
def test_a_service_in_the_guest(cluster_lab: Lab, token: str, name: str) -> None:
    def control(action: str) -> api.Reply:
        body = {"action": action, "service_name": name}
        return cluster_lab.api("cube1", "POST", SERVICE, body, token=token, timeout=120)

    def state() -> str:
        return cluster_lab.run("ccvm", ["systemctl", "is-active", "cron"], ok=None).stdout.strip()

    assert (control("stop").status, state()) == (200, "inactive")
    assert control("status").status == 502
    assert (control("start").status, state()) == (200, "active")
    assert (control("restart").json(), control("status").status) == (
        {"code": 200, "val": f"{name} service restart control success"}, 200,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["--host=198.18.10.1", "-H", "no-such-unit", "basic.target", "cron;reboot"])
def test_a_name_that_is_no_service(cluster_lab: Lab, token: str, name: str) -> None:
    reply = cluster_lab.api("cube1", "POST", SERVICE, {"action": "stop", "service_name": name}, token=token)
    assert (reply.status, reply.json()["errors"][0]["field"]) == (400, "service_name")


def test_a_storage_vm_that_is_no_domain(cluster_lab: Lab, token: str) -> None:
    """The lab's storage VMs are machines of their own."""
    reply = cluster_lab.api("cube1", "POST", SCVM, {"action": "stop"}, token=token)
    assert reply.status == (409 if cluster_lab.profile.name == "hci" else 400)
    status = cluster_lab.api("cube1", "GET", "/api/v1/cube/scvm/status", token=token)
    assert status.status == (200 if cluster_lab.profile.name == "hci" else 400)
    assert status.json()["data"]["scvm_status"] == "HEALTH_ERR"


@pytest.fixture
def alone(cluster_lab: Lab) -> Iterator[Lab]:
    """A host that can set its machine up: definition, template image, keys; nothing is left of it afterwards."""
    if cluster_lab.profile.name != "standalone":
        pytest.skip("only of a cluster of one host")
    machine = cluster_lab.machine("cube1")
    raw = cloud_center.BOOT_SECTOR.ljust(cloud_center.SECTOR_BYTES - 2, b"\0") + cloud_center.BOOTABLE
    files = {"var/tmp/ccvm.raw": raw, DEFINITION: STANDALONE_XML.encode()}
    for name, content in files.items():
        (machine.root / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / name).write_bytes(content)
    machine.run(["truncate", "-s", cloud_center.DISK_SIZE, "/var/tmp/ccvm.raw"])
    machine.run(["mkdir", "-p", IMAGES, "/root/.ssh"])
    template = f"{IMAGES}/ablestack-template-back.qcow2"
    machine.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/var/tmp/ccvm.raw", template])
    for name in ("id_rsa", "id_rsa.pub"):
        machine.run(["touch", f"/root/.ssh/{name}"])
    yield cluster_lab
    machine.run(["virsh", "destroy", "ccvm"], ok=None)
    machine.run(["virsh", "undefine", "ccvm"], ok=None)
    machine.run(["rm", "-rf", "/mnt/glue", template])


def test_the_whole_life_on_one_host(alone: Lab, token: str) -> None:
    def state() -> str:
        return alone.run("cube1", ["virsh", "domstate", "ccvm"], ok=None).stdout.strip()

    assert expect(work(alone, token, "setup"))["val"] == "cloud center setup success"
    assert (state(), card(alone, token)["data"]["State"]) == ("running", "running")
    assert work(alone, token, "setup").status == 409
    edit = expect(alone.api("cube1", "POST", EDIT, {"cpu": "2", "memory": "1"}, token=token))
    assert "next start" in edit["pending"]
    expect(work(alone, token, "restart"))
    assert card(alone, token)["data"]["State"] == "running"
    expect(work(alone, token, "stop"))
    assert (state(), card(alone, token)["data"]["State"]) == ("shut off", "shut off")
    assert "2" in alone.run("cube1", ["virsh", "vcpucount", "--maximum", "--config", "ccvm"]).stdout
    expect(work(alone, token, "start"))
    assert work(alone, token, "delete").status == 409
    expect(work(alone, token, "delete", force=True, purge=True))
    assert alone.run("cube1", ["virsh", "domstate", "ccvm"], ok=None).code != 0
    assert alone.run("cube1", ["ls", "/mnt/glue"]).stdout.strip() == ""
    assert work(alone, token, "start").status == 409


def test_every_host_can_be_asked_at_the_same_time(under_pacemaker: Lab) -> None:
    """A start here and a stop there meet at one lock: one of them is told who holds it, or they follow each other."""
    names = hosts(under_pacemaker)[:2]
    tokens = {name: first_apply.log_in(under_pacemaker, name) for name in names}
    replies: dict[str, api.Reply] = {}

    def ask(name: str) -> None:
        action = "stop" if name == names[0] else "restart"
        replies[name] = work(under_pacemaker, tokens[name], action, node=name)

    parallel.each(names, ask)
    assert 200 in {reply.status for reply in replies.values()}
    assert {reply.status for reply in replies.values()} <= {200, 409}
