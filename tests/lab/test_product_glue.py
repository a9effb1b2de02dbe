"""Storage of the cluster through the API: status while parts fail, maintenance, the configuration on every client."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import api, first_apply, state
from tests.lab.cluster import until
from tests.lab.lab import Lab
from tests.lab.services import ceph

pytestmark = pytest.mark.lab

STATUS = "/api/v1/cube/gluecluster/status"
UPDATE = "/api/v1/cube/gluecluster/update"
CONFIG = "/api/v1/cube/glue/config/update"
FLAGS = ["noout", "nobackfill", "norecover"]
KEYRING = "etc/ceph/ceph.client.admin.keyring"
# The daemon's own limit is 5 s; the answer travels too.
IN_TIME = 6.0
# A monitor or an OSD that goes is noticed by the others only after a while.
NOTICED_SECONDS = 90.0
LONG = 120.0


@pytest.fixture
def storage(cluster_lab: Lab) -> Iterator[Lab]:
    """A complete cluster with healthy storage; afterwards every daemon runs and no flag is set."""
    if cluster_lab.profile.ceph is None or ceph.NAME not in state.read(cluster_lab.profile.name).services:
        pytest.skip(f"no Ceph in this lab ({cluster_lab.profile.name})")
    yield cluster_lab
    cluster_lab.repair()
    for number, name in enumerate(members(cluster_lab)):
        cluster_lab.run(name, ["systemctl", "reset-failed"], ok=None)
        cluster_lab.run(name, ["systemctl", "start", f"ceph-mon@{name}", f"ceph-mgr@{name}", f"ceph-osd@{number}"])
    until(lambda: ceph.osds_up(first(cluster_lab)) == len(members(cluster_lab)), "every OSD is up", NOTICED_SECONDS)
    for flag in FLAGS:
        cluster_lab.run(members(cluster_lab)[0], [*ceph.CEPH, "osd", "unset", flag])


def members(lab: Lab) -> tuple[str, ...]:
    assert lab.profile.ceph is not None
    return tuple(lab.profile.ceph.members)


def first(lab: Lab) -> Any:
    return lab.machine(members(lab)[0])


def call(lab: Lab, method: str, path: str, body: Any = None, *, node: str = "cube1") -> api.Reply:
    return lab.api(node, method, path, body, token=first_apply.log_in(lab, node), timeout=LONG)


def status(lab: Lab, *, node: str = "cube1", query: str = "?refresh=true") -> dict[str, Any]:
    """Answers in time, whatever state the storage is in."""
    token = first_apply.log_in(lab, node)
    started = time.monotonic()
    reply = lab.api(node, "GET", f"{STATUS}{query}", token=token, timeout=LONG)
    assert time.monotonic() - started < IN_TIME
    assert reply.status == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def flags(lab: Lab) -> list[str]:
    dump = json.loads(lab.run(members(lab)[0], [*ceph.CEPH, "osd", "dump", "--format=json"]).stdout)
    return [flag for flag in FLAGS if flag in dump["flags_set"]]


def checks(told: dict[str, Any]) -> set[str]:
    return set(told["json_raw"]["health"]["checks"])


def wait_for(lab: Lab, check: str, *, there: bool) -> dict[str, Any]:
    found: list[dict[str, Any]] = [{}]

    def look() -> bool:
        found[0] = status(lab)
        return "stale" not in found[0] and (check in checks(found[0])) is there

    until(look, f"{check} is {'told' if there else 'gone'}", NOTICED_SECONDS)
    return found[0]


def test_every_host_tells_the_same(storage: Lab) -> None:
    told = [status(storage, node=node) for node in ("cube1", "cube2", "cube3")]
    for each in told:
        count = len(members(storage))
        assert (each["osd"], each["osd_up"], each["mon_gw1"], each["mgr_cnt"]) == (count, count, count, count)
        assert sorted(each["mon_gw2"]) == sorted(members(storage))
        assert each["maintenance_status"] is False
    assert len({each["json_raw"]["fsid"] for each in told}) == 1


def test_a_monitor_that_stops_and_comes_back(storage: Lab) -> None:
    lost = members(storage)[-1]
    storage.run(lost, ["systemctl", "stop", f"ceph-mon@{lost}"])
    told = wait_for(storage, "MON_DOWN", there=True)
    assert lost not in told["mon_gw2"]
    assert told["mon_gw1"] == len(members(storage))
    storage.run(lost, ["systemctl", "start", f"ceph-mon@{lost}"])
    assert lost in wait_for(storage, "MON_DOWN", there=False)["mon_gw2"]


def test_an_osd_that_stops_refuses_maintenance(storage: Lab) -> None:
    number = len(members(storage)) - 1
    lost = members(storage)[number]
    storage.run(lost, ["systemctl", "stop", f"ceph-osd@{number}"])
    told = wait_for(storage, "OSD_DOWN", there=True)
    assert told["osd_up"] == told["osd"] - 1
    refused = call(storage, "POST", UPDATE, {"action": "set_noout"})
    assert refused.status == 409, refused.text
    assert {check["host"]: check["ok"] for check in refused.json()["checks"]}[lost] is True
    assert flags(storage) == []
    narrowed = call(storage, "POST", UPDATE, {"action": "set_noout", "target_hostname": lost})
    assert narrowed.status == 200, narrowed.text
    assert flags(storage) == FLAGS
    assert call(storage, "POST", UPDATE, {"action": "unset_noout"}).status == 200
    storage.run(lost, ["systemctl", "start", f"ceph-osd@{number}"])
    wait_for(storage, "OSD_DOWN", there=False)


def answers(lab: Lab, node: str) -> bool:
    try:
        return lab.api(node, "GET", "/health").status == 200
    except OSError:
        return False


def test_maintenance_is_told_by_every_host_until_it_is_taken_back(storage: Lab) -> None:
    on = call(storage, "POST", UPDATE, {"action": "set_noout"})
    assert on.status == 200, on.text
    assert flags(storage) == FLAGS
    for node in ("cube1", "cube3"):
        told = status(storage, node=node)
        assert told["maintenance_status"] is True
        assert told["maintenance"]["complete"] is True
        assert told["maintenance"]["by"].startswith("root@")
        assert told["maintenance"]["at"]
    storage.run("cube1", ["systemctl", "restart", "ablestack-api"])
    until(lambda: answers(storage, "cube1"), "cube1 answers again", NOTICED_SECONDS)
    assert status(storage)["maintenance"]["by"].startswith("root@")
    assert call(storage, "POST", UPDATE, {"action": "unset_noout"}, node="cube2").status == 200
    assert flags(storage) == []
    assert "maintenance" not in status(storage)


def test_flags_that_are_set_behind_our_back(storage: Lab) -> None:
    node = members(storage)[0]
    storage.run(node, [*ceph.CEPH, "osd", "set-group", "noout", node])
    assert status(storage)["maintenance_status"] is False
    storage.run(node, [*ceph.CEPH, "osd", "unset-group", "noout", node])
    storage.run(node, [*ceph.CEPH, "osd", "set", "noout"])
    told = status(storage)
    assert told["maintenance_status"] is True
    assert (told["maintenance"]["flags"], told["maintenance"]["by"]) == (["noout"], None)
    storage.run(node, [*ceph.CEPH, "osd", "unset", "noout"])
    assert status(storage)["maintenance_status"] is False


def test_a_host_that_is_cut_off_the_storage_tells_old_data(storage: Lab) -> None:
    assert storage.profile.ceph is not None
    before = status(storage)
    storage.cut("cube1", storage.profile.ceph.public)
    told = status(storage)
    assert told["stale"] is True
    assert told["refresh_error"]
    assert told["refresh_time"] == before["refresh_time"]
    refused = call(storage, "POST", UPDATE, {"action": "set_noout"})
    assert refused.status in (502, 504)
    storage.heal("cube1", storage.profile.ceph.public)
    until(lambda: "stale" not in status(storage), "cube1 reaches the storage again", NOTICED_SECONDS)
    assert flags(storage) == []


def test_without_a_quorum(storage: Lab) -> None:
    assert "stale" not in status(storage)
    lost = members(storage)[1:]
    for name in lost:
        storage.run(name, ["systemctl", "stop", f"ceph-mon@{name}"])
    # The last monitor believes for a moment that the others are there.
    until(lambda: "stale" in status(storage), "the monitors cannot agree", NOTICED_SECONDS)
    old, older = status(storage), status(storage)
    assert (old["stale"], older["stale"], older["refresh_time"]) == (True, True, old["refresh_time"])
    for name in lost:
        storage.run(name, ["systemctl", "start", f"ceph-mon@{name}"])
    until(lambda: "stale" not in status(storage), "the monitors agree again", NOTICED_SECONDS)


def test_every_client_gets_configuration_and_key(storage: Lab) -> None:
    clients = [name for name in storage.profile.nodes if name != "ccvm"]
    before = {name: storage.run(name, ["cat", "/etc/ceph/ceph.conf"]).stdout for name in clients}
    try:
        storage.run("cube1", ["rm", "-f", "/etc/ceph/ceph.conf", f"/{KEYRING}"])
        reply = call(storage, "POST", CONFIG)
        assert reply.status == 200, reply.text
        assert reply.json()["source"].startswith("pcsCluster:")
        for name in clients:
            shown = storage.run(name, ["stat", "-c", "%a", f"/{KEYRING}"]).stdout.strip()
            assert shown == "600"
            assert storage.run(name, [*ceph.CEPH, "health"]).stdout.startswith("HEALTH_")
        again = call(storage, "POST", CONFIG)
        assert (again.status, again.json()["source"]) == (200, "local")
    finally:
        for name, text in before.items():
            storage.run(name, ["tee", "/etc/ceph/ceph.conf"], stdin=text)
            storage.run(name, ["rm", "-f", "/etc/ceph/ceph.conf.previous"])


def test_keys_are_for_people_and_in_no_log(storage: Lab) -> None:
    reply = call(storage, "GET", "/api/v1/glue/auth/client.admin")
    key = storage.run(members(storage)[0], [*ceph.CEPH, "auth", "get-key", "client.admin"]).stdout.strip()
    assert reply.json()["key"] == key
    logs = storage.run("cube1", ["cat", "/var/log/ablestack/api.log", "/var/log/ablestack/audit.log"]).stdout
    journal = storage.run("cube1", ["journalctl", "-u", "ablestack-api", "--no-pager"]).stdout
    assert key not in logs + journal
