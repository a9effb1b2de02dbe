"""Pacemaker through the API on a real cluster: what it tells, what it refuses, what is left when something dies in it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.lab import parallel, work
from tests.lab.cluster import expect, guests, hosts, until
from tests.lab.lab import Lab
from tests.lab.services import cloud_center, pacemaker, ssh_trust

pytestmark = pytest.mark.lab

CONTROL = "/cube/pcs/control"
SHUTDOWN = "/cube/auto-shutdown"
RESOURCE, DOMAIN = cloud_center.RESOURCE, cloud_center.DOMAIN
XML = f"{cloud_center.CONFIGURATION}/{cloud_center.DEFINITION}"
KEYS = ("id_ed25519", "id_ed25519.pub", "authorized_keys")
SETTLE = 90.0


@pytest.fixture(scope="module")
def keys(running_lab: Lab) -> Iterator[None]:
    """Root of each host may log in to the others: live migration goes over ssh."""
    yield
    for name in hosts(running_lab):
        for key in KEYS:
            (running_lab.machine(name).root / "root/.ssh" / key).unlink(missing_ok=True)


@pytest.fixture
def pcs_lab(cluster_lab: Lab, keys: None) -> Iterator[Lab]:
    """The Cloud Center VM runs, on a disk that all hosts see; afterwards it does so again, wherever."""
    if cluster_lab.profile.ceph is None:
        pytest.skip(f"profile {cluster_lab.profile.name} has no shared disk that a VM could be moved on")
    ssh_trust.set_up(cluster_lab.profile, cluster_lab.machines)
    as_it_was(cluster_lab)
    yield cluster_lab
    cluster_lab.repair()
    as_it_was(cluster_lab)


def as_it_was(lab: Lab) -> None:
    first = hosts(lab)[0]
    if not pacemaker.online(lab.machine(first)):
        lab.run(first, ["pcs", "cluster", "start", "--all"])
    pacemaker.wait_online(lab.machine(first), len(hosts(lab)))
    if not lab.run(first, ["crm_resource", "--list"], ok=None).stdout.count(RESOURCE):
        work.post(lab, first, CONTROL, {"action": "create", "xml": XML})
    if not pacemaker.running_on(lab.machine(first), RESOURCE):
        lab.run(first, ["pcs", "resource", "cleanup", RESOURCE])
        lab.run(first, ["pcs", "resource", "enable", RESOURCE])
    cloud_center.wait_started(lab.machine(first))
    if constraints(lab):
        lab.run(first, ["pcs", "resource", "clear", RESOURCE])


def name_of(lab: Lab, node: str) -> str:
    """What Pacemaker calls a host."""
    assert lab.profile.pacemaker is not None
    return pacemaker.member_names(lab.profile, lab.profile.pacemaker)[node]


def place(lab: Lab, asked: str = "cube1") -> str:
    """The host on which a node's Pacemaker has the VM."""
    started = pacemaker.running_on(lab.machine(asked), RESOURCE)
    return next((name for name in hosts(lab) if [name_of(lab, name)] == started), "")


def running_guests(lab: Lab) -> list[str]:
    """The hosts on which libvirt has the VM, whatever Pacemaker thinks."""
    shown = parallel.each(hosts(lab), lambda name: lab.run(name, ["virsh", "list", "--name", "--state-running"]).stdout)
    return [name for name, text in zip(hosts(lab), shown, strict=True) if DOMAIN in text.split()]


def constraints(lab: Lab, asked: str = "cube1") -> str:
    """The part of the CIB that a move would leave behind; empty when there is none."""
    shown = lab.run(asked, ["cibadmin", "--query", "--scope=constraints"], ok=None).stdout
    return shown if "rsc_location" in shown else ""


def control(lab: Lab, node: str, action: str, **more: Any) -> Any:
    return work.post(lab, node, CONTROL, {"action": action, **more})


def status(lab: Lab, node: str) -> dict[str, Any]:
    value: dict[str, Any] = expect(control(lab, node, "status"))["val"]
    return value


def online(lab: Lab, node: str) -> list[str]:
    """The hosts that a node's API tells online."""
    shown = {entry["host"] for entry in status(lab, node)["nodes"] if entry["online"] == "true"}
    return [name for name in hosts(lab) if name_of(lab, name) in shown]


def coordinator(lab: Lab) -> str:
    dc = next(entry["host"] for entry in status(lab, "cube1")["nodes"] if entry["is_dc"] == "true")
    return next(name for name in hosts(lab) if name_of(lab, name) == dc)


def test_every_node_tells_what_pacemaker_knows(pcs_lab: Lab) -> None:
    lab = pcs_lab
    for asked in ("cube1", "cube3", guests(lab)[0]):
        told = status(lab, asked)
        assert told["clustered_host"] == [name_of(lab, name) for name in hosts(lab)]
        assert (told["started"], told["role"], told["failed"]) == (name_of(lab, place(lab)), "Started", "false")
        assert expect(control(lab, asked, "ccvm-status"))["val"].endswith("has been successfully created.")
    whole = expect(work.get(lab, "cube2", "/pcs?refresh=true"))
    assert [node["Name"] for node in whole["Nodes"]["Node"]] == told["clustered_host"]
    assert whole["Summary"]["CurrentDc"]["WithQuorum"] == "true"
    (resource,) = expect(work.get(lab, "cube2", "/pcs/resources"))["PCSResource"]
    assert (resource["ID"], resource["Node"]["Name"]) == (RESOURCE, told["started"])
    assert control(lab, "cube1", "status", resource="nosuch").json()["message"] == "resource not found."


def test_what_cannot_work_is_refused_before_anything_is_done(pcs_lab: Lab) -> None:
    lab, before = pcs_lab, place(pcs_lab)
    changed = lab.run("cube1", ["cibadmin", "--query", "--scope=configuration"]).stdout
    refused = [
        (409, "move", {"target": name_of(lab, before)}),
        (404, "move", {"target": "nowhere"}),
        (404, "enable", {"resource": "nosuch"}),
        (409, "create", {"xml": XML}),
        (409, "destroy", {}),
        (400, "sync", {"time": "12x"}),
        (400, "setup-cron", {}),
    ]
    for code, action, more in refused:
        reply = control(lab, "cube1", action, **more)
        assert reply.status == code, f"{action} {more}: {reply.text}"
    assert lab.run("cube1", ["cibadmin", "--query", "--scope=configuration"]).stdout == changed
    assert running_guests(lab) == [before]


def test_a_move_is_a_job_and_leaves_no_constraint(pcs_lab: Lab) -> None:
    lab, before = pcs_lab, place(pcs_lab)
    target = next(name for name in hosts(lab) if name != before)
    job = work.ended(lab, "cube1", work.begin(lab, "cube1", CONTROL, {"action": "move", "target": name_of(lab, target)}))
    assert job["status"] == "succeeded", job
    assert job["answer"]["body"]["val"] == {"current host": name_of(lab, before), "target host": name_of(lab, target)}
    assert [step["name"] for step in job["steps"]] == ["move"]
    assert running_guests(lab) == [target]
    assert not constraints(lab)
    assert control(lab, target, "cleanup").json()["val"] == "cleanup"


def test_removed_created_again_and_enabled(pcs_lab: Lab) -> None:
    """Each answer comes when it is so: no VM is left behind that nobody looks after."""
    lab = pcs_lab
    assert expect(control(lab, "cube2", "disable"))["val"] == "disable"
    assert (status(lab, "cube1")["role"], running_guests(lab)) == ("Stopped", [])
    assert control(lab, "cube1", "move", target=name_of(lab, "cube3")).status == 409
    assert expect(control(lab, "cube2", "remove"))["val"] == "remove"
    again = control(lab, "cube2", "remove")
    assert (again.status, again.json()["message"]) == (404, "resource not found.")
    assert expect(control(lab, "cube3", "create", xml=XML, disabled=True))["val"]["config"] == XML
    assert running_guests(lab) == []
    started = expect(control(lab, "cube1", "enable"))["started"]
    assert [name_of(lab, name) for name in running_guests(lab)] == [started]


def test_a_new_token_is_in_force_on_every_node(pcs_lab: Lab) -> None:
    lab = pcs_lab
    before = [token_of(lab, name) for name in hosts(lab)]
    try:
        expect(control(lab, "cube1", "sync", time="4000"))
        until(lambda: {token_of(lab, name) for name in hosts(lab)} == {before[0] + 1000}, "corosync has the new token")
    finally:
        expect(control(lab, "cube1", "sync", time="3000"))
    until(lambda: [token_of(lab, name) for name in hosts(lab)] == before, "corosync has the old token")


def token_of(lab: Lab, node: str) -> int:
    return int(lab.run(node, ["corosync-cmapctl", "-g", "runtime.config.totem.token"]).stdout.split()[-1])


def test_a_cluster_that_was_stopped_is_told_as_stopped(pcs_lab: Lab) -> None:
    lab = pcs_lab
    expect(work.get(lab, "cube1", "/pcs?refresh=true"))
    assert expect(control(lab, "cube1", "stop"))["stopped_resources"] == [RESOURCE]
    assert running_guests(lab) == []
    told = control(lab, "cube1", "status")
    assert (told.status, told.json()["message"]) == (409, "cluster is not configured.")
    assert "Pacemaker does not run on this node" in told.json()["reason"]
    assert work.get(lab, "cube1", "/pcs").status == 503


def test_the_coordinator_loses_power_in_a_move(pcs_lab: Lab) -> None:
    lab = pcs_lab
    lost = coordinator(lab)
    source, target = (name for name in hosts(lab) if name != lost)
    if place(lab) != source:
        expect(control(lab, source, "move", target=name_of(lab, source)))
    job = work.begin(lab, source, CONTROL, {"action": "move", "target": name_of(lab, target)})
    until(lambda: constraints(lab, source), "the move has begun", poll=work.QUICK)
    lab.kill(lost)
    done = work.ended(lab, source, job)
    left = [name for name in hosts(lab) if name != lost]
    until(lambda: place(lab, source) in left, "the VM runs", SETTLE)
    assert done["status"] == "succeeded", done
    assert place(lab, source) == target
    assert not constraints(lab, source)
    assert online(lab, source) == left
    lab.boot(lost)
    pacemaker.wait_online(lab.machine(source), len(hosts(lab)))
    until(lambda: running_guests(lab) == [target], "exactly one host has it", SETTLE)


def test_a_host_that_is_cut_off_does_not_claim_the_vm(pcs_lab: Lab) -> None:
    lab, lost = pcs_lab, place(pcs_lab)
    left = [name for name in hosts(lab) if name != lost]
    assert lab.profile.pacemaker is not None
    lab.cut(lost, lab.profile.pacemaker.network)
    until(lambda: online(lab, left[0]) == left, "the others see it gone", SETTLE)
    until(lambda: place(lab, left[0]) in left, "the VM is started elsewhere", SETTLE)
    assert online(lab, lost) == [lost]
    for action, more in (("enable", {}), ("move", {"target": name_of(lab, left[0])})):
        refused = control(lab, lost, action, **more)
        assert refused.status == 409, refused.text
    lab.heal(lost)
    pacemaker.wait_online(lab.machine(left[0]), len(hosts(lab)))
    until(lambda: len(running_guests(lab)) == 1, "exactly one host has it", SETTLE)
    until(lambda: online(lab, lost) == hosts(lab), "it sees the others again", SETTLE)


def test_a_daemon_that_is_killed_in_a_move(pcs_lab: Lab) -> None:
    """The move goes on without it; what is left of it ends by itself, and the next one takes it away."""
    lab, before = pcs_lab, place(pcs_lab)
    target = next(name for name in hosts(lab) if name != before)
    job_id = work.begin(lab, before, CONTROL, {"action": "move", "target": name_of(lab, target)})
    job = work.killed_in(lab, before, job_id, partial(constraints, lab, before))
    assert (job["status"], job["steps"][0]["outcome"]) == ("interrupted", "interrupted")
    assert "pcs constraint" in job["message"]
    until(lambda: job["id"] in work.errors(lab, before), "GET /err tells it")
    assert 'operation="lt"' in constraints(lab, before), "the constraint has an end"
    until(lambda: running_guests(lab) == [target], "it has arrived", SETTLE)
    expect(control(lab, before, "move", target=name_of(lab, before)))
    assert not constraints(lab, before)
    assert running_guests(lab) == [before]


def test_an_orderly_shutdown_is_refused_while_the_vm_runs(pcs_lab: Lab) -> None:
    lab = pcs_lab
    for action in ("check_mount", "stop_scvms", "shutdown_hosts"):
        plan = expect(work.post(lab, "cube1", f"{SHUTDOWN}?plan=true", {"action": action}))["val"]
        assert [step["step"] for step in plan["steps"]] == ["check", "others", "own"]
        refused = work.post(lab, "cube1", SHUTDOWN, {"action": action})
        assert refused.status == 409
        assert plan["warnings"] == refused.json()["overridable"]
        assert plan["warnings"][0] == f"the Cloud Center VM runs on {place(lab)}"
    assert running_guests(lab) == [place(lab)]
