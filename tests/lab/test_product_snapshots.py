"""Snapshots of the Cloud Center VM in real Ceph: made where it runs, once in the cluster; rollback, crash, schedule."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.lab import lifecycle, parallel, product, work
from tests.lab.cluster import INTERNAL_TOKEN, expect, guests, hosts, internal_token, until
from tests.lab.lab import Lab
from tests.lab.services import cloud_center, pacemaker

pytestmark = pytest.mark.lab

SNAP = "/cube/ccvm/snap"
CONTROL = "/cube/pcs/control"
HERE = {"X_Cube_CCVM_Snap_Local": "1"}
POOL, IMAGE = "rbd", "rbd/ccvm"
LEASE = "ablestack-api.ccvm-snapshot"
RADOS = ["rados", "-p", POOL, "lock"]
SCHEDULE = "var/lib/ablestack/snapshot-schedule.json"
OLD, NEW = "0x11", "0x22"
# Somewhere behind the guest's boot sector.
OFFSET = "64M"
SETTLE = 90.0
TRIES = 4


@pytest.fixture
def snap_lab(cluster_lab: Lab) -> Iterator[Lab]:
    """The VM runs and has no snapshots; that of tonight counts as made. Afterwards it is so again."""
    if cluster_lab.profile.ceph is None:
        pytest.skip(f"profile {cluster_lab.profile.name} has no Ceph")
    write_schedule(cluster_lab)
    as_it_was(cluster_lab)
    yield cluster_lab
    cluster_lab.repair()
    write_schedule(cluster_lab)
    as_it_was(cluster_lab)


def as_it_was(lab: Lab) -> None:
    machine = lab.machine("cube1")
    pacemaker.wait_online(machine, len(hosts(lab)))
    if not pacemaker.running_on(machine, cloud_center.RESOURCE):
        lab.run("cube1", ["pcs", "resource", "enable", cloud_center.RESOURCE])
    cloud_center.wait_started(machine)
    until(lambda: not [job for name in hosts(lab) for job in scheduled(lab, name) if job not in work.ENDED], "no job runs")
    lab.run("cube1", ["rbd", "snap", "purge", "--no-progress", IMAGE])
    assert not lease_holder(lab), "no lease is left behind"


def write_schedule(lab: Lab) -> None:
    """No host makes the snapshot of today in the middle of a test."""
    for name in hosts(lab):
        path = lab.machine(name).root / SCHEDULE
        path.write_text(json.dumps({"snapshot": automatic(now_in(lab))}), encoding="ascii")


def now_in(lab: Lab) -> datetime:
    """A node's wall clock."""
    return datetime.fromisoformat(lab.run("cube1", ["date", "+%Y-%m-%d %H:%M:%S"]).stdout.strip())


def automatic(day: datetime) -> str:
    return f"auto-{day:%Y-%m-%d}"


def names(lab: Lab) -> list[str]:
    """The snapshots that Ceph has, the oldest first."""
    return [entry["name"] for entry in json.loads(lab.run("cube1", ["rbd", "snap", "ls", "--format", "json", IMAGE]).stdout)]


def lease_holder(lab: Lab) -> str:
    """The host that has the lease; empty when nobody has."""
    shown = lab.run("cube1", [*RADOS, "info", LEASE, "lease"], ok=None)
    lockers = json.loads(shown.stdout)["lockers"] if shown.code == 0 else []
    return str(lockers[0]["cookie"]) if lockers else ""


def snap(lab: Lab, node: str, action: str, name: str = "", **headers: str) -> Any:
    return work.post(lab, node, SNAP, {"action": action, "snap_name": name}, **headers)


def running_on(lab: Lab) -> str:
    """The host on which the VM runs."""
    cluster = lab.profile.pacemaker
    assert cluster is not None
    (started,) = pacemaker.running_on(lab.machine("cube1"), cloud_center.RESOURCE)
    return next(name for name, member in pacemaker.member_names(lab.profile, cluster).items() if member == started)


def disk(lab: Lab, words: str, snapshot: str = "") -> bool:
    """Let qemu-io do something with the disk (or a snapshot of it) at OFFSET; whether it could, and found what it should."""
    option = ["-r"] if snapshot else []
    escaped = snapshot.replace(":", "\\:")
    image = f"rbd:{IMAGE}@{escaped}" if snapshot else f"rbd:{IMAGE}"
    return lab.run("cube1", ["qemu-io", *option, "-f", "raw", "-c", f"{words} {OFFSET} 64k", image], ok=None).code == 0


def test_it_is_made_where_the_vm_runs_whoever_is_asked(snap_lab: Lab) -> None:
    lab, where = snap_lab, running_on(snap_lab)
    made = expect(snap(lab, next(name for name in hosts(lab) if name != where), "backup", "mine"))
    assert (made["target"], made["snap_name"]) == (lab.node(where).management, "mine")
    assert made["consistency"] == "crash", "the lab's guest has no agent"
    timed = expect(snap(lab, guests(lab)[0], "backup"))["snap_name"]
    taken = snap(lab, where, "backup", "mine")
    assert (taken.status, "exists already" in taken.json()["message"]) == (409, True)
    raw = json.loads(lab.run("cube1", ["rbd", "snap", "ls", "--format", "json", IMAGE]).stdout)
    assert [entry["name"] for entry in raw] == ["mine", timed]
    for asked in (where, "cube3", guests(lab)[0]):
        assert expect(snap(lab, asked, "list"))["val"] == raw
    assert lab.run(where, ["virsh", "domstate", cloud_center.DOMAIN]).stdout.strip() == "running"


def test_one_at_a_time_in_the_whole_cluster(snap_lab: Lab) -> None:
    """Three nodes told to do it themselves at the same moment, as after a caller's mistake: one name, one snapshot."""
    lab = snap_lab
    with ThreadPoolExecutor(len(hosts(lab))) as pool:
        replies = list(pool.map(lambda name: snap(lab, name, "backup", "same", **HERE), hosts(lab)))
    assert sorted(reply.status for reply in replies) == [200, 409, 409], [reply.text for reply in replies]
    assert names(lab) == ["same"]
    take = [*RADOS, "get", LEASE, "lease", "--lock-duration", "60", "--lock-type", "exclusive"]
    lab.run("cube2", [*take, "--lock-cookie", "cube2"])
    refused = snap(lab, "cube1", "backup", "other", **HERE)
    assert (refused.status, refused.json()["holder"]) == (409, "cube2")
    assert names(lab) == ["same"]
    assert snap(lab, "cube2", "backup", "other", **HERE).status == 200, "what cube2 itself has left is taken over"
    assert names(lab) == ["same", "other"]


def test_only_automatic_snapshots_are_counted_and_deleted(snap_lab: Lab) -> None:
    lab = snap_lab
    old = [f"auto-2026-01-{day:02}" for day in range(1, 13)]
    make = "for name in mine $*; do rbd snap create --no-progress rbd/ccvm@$name; done"
    lab.run("cube1", ["sh", "-c", make, "sh", *old])
    lab.run("cube1", ["rbd", "snap", "protect", f"{IMAGE}@{old[0]}"])
    try:
        made = expect(snap(lab, "cube1", "backup", "last"))
        assert (made["deleted_snapshots"], made.get("warnings")) == ([old[1]], None)
        assert names(lab) == ["mine", old[0], *old[2:], "last"]
    finally:
        lab.run("cube1", ["rbd", "snap", "unprotect", f"{IMAGE}@{old[0]}"])


def test_a_rollback_gives_the_old_content_back_and_keeps_the_new(snap_lab: Lab) -> None:
    lab = snap_lab
    refused = snap(lab, "cube1", "rollback", "mine")
    assert refused.status == 409
    assert "is Started; disable it first" in refused.json()["message"]
    expect(work.post(lab, "cube1", CONTROL, {"action": "disable"}))
    assert disk(lab, f"write -P {OLD}")
    expect(snap(lab, "cube2", "backup", "mine"))
    assert disk(lab, f"write -P {NEW}")
    assert snap(lab, "cube2", "rollback", "nosuch").status == 404
    done = expect(snap(lab, "cube2", "rollback", "mine"))
    assert disk(lab, f"read -P {OLD}")
    assert not disk(lab, f"read -P {NEW}")
    assert disk(lab, f"read -P {NEW}", done["safety_snapshot"])
    assert names(lab) == ["mine", done["safety_snapshot"]]


def test_a_daemon_that_is_killed_in_a_snapshot(snap_lab: Lab) -> None:
    """The guest runs, Ceph is left with all of it or nothing, and nobody has to wait for the end of the lease."""
    lab, where = snap_lab, running_on(snap_lab)
    for number in range(TRIES):
        job = work.begin(lab, where, SNAP, {"action": "backup", "snap_name": f"mine-{number}"})
        told = work.killed_in(lab, where, job, partial(_is_at_work, lab, where, job))
        if told["status"] == "interrupted":
            break
    assert told["status"] == "interrupted", f"the moment was missed {TRIES} times"
    assert f"rbd snap list {IMAGE}" in told["message"]
    until(lambda: job in work.errors(lab, where), "GET /err tells it")
    assert lab.run(where, ["virsh", "domstate", cloud_center.DOMAIN]).stdout.strip() == "running"
    expect(snap(lab, where, "backup", "next"))
    assert names(lab)[-1] == "next"
    assert not lease_holder(lab)


def _is_at_work(lab: Lab, node: str, job: str) -> bool:
    found = work.job(lab, node, job)
    return bool(found["steps"]) or found["status"] in work.ENDED


def test_the_schedule_makes_one_in_the_whole_cluster(snap_lab: Lab) -> None:
    """All daemons believe that it is half past two tomorrow: the coordinator makes what was due at one, and says so."""
    lab = snap_lab
    before = {name: scheduled(lab, name) for name in hosts(lab)}
    now = now_in(lab)
    wanted = (now + timedelta(days=1)).replace(hour=2, minute=30, second=0)
    parallel.each(hosts(lab), lambda name: lab.clock(name, "ablestack-api", wanted - now))
    lifecycle.wait_answering(lab)
    until(lambda: automatic(wanted) in names(lab), "the snapshot is there", SETTLE)
    (leader,) = (name for name in hosts(lab) if scheduled(lab, name) != before[name])
    made = ["succeeded", *before[leader]]
    until(lambda: scheduled(lab, leader) == made, "its job has ended")
    told = f"the nightly snapshot {automatic(wanted)} was due at {wanted:%Y-%m-%d} 01:00; it was missed and is made now"
    assert [name for name in hosts(lab) if told in work.errors(lab, name)] == [leader]

    for name in hosts(lab):  # as if another one had made it, and this one became coordinator now
        (lab.machine(name).root / SCHEDULE).unlink(missing_ok=True)
    lab.api(leader, "DELETE", f"{work.API}/err", headers={INTERNAL_TOKEN: internal_token(lab, leader)})
    lab.run(leader, ["systemctl", "restart", product.UNIT])
    lifecycle.wait_answering(lab)
    until((lab.machine(leader).root / SCHEDULE).exists, "the coordinator has looked", SETTLE)
    assert names(lab) == [automatic(wanted)]
    assert scheduled(lab, leader) == made, "nothing was begun a second time"
    assert "was missed" not in work.errors(lab, leader)


def scheduled(lab: Lab, node: str) -> list[str]:
    """How the jobs that a node's schedule began stand, the newest first."""
    jobs = expect(work.get(lab, node, "/jobs"))["val"]
    return [job["status"] for job in jobs if job["holder"] == "schedule"]
