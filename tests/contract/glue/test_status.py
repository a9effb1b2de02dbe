"""GET /cube/gluecluster/status."""

import json
import threading
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.support.node_under_test import NodeUnderTest
from tests.support.storage_cluster import TIMED_OUT, StorageCluster, recorded

PATH = "/cube/gluecluster/status"
TIME = "2026-07-01T10:00:00+09:00"
HUNG = CommandTimedOut("ceph did not end within 4 s and was killed", program="ceph", seconds=4)
MISSING = ProgramMissing("the program ceph is not installed on this node", program="ceph", package="ceph-common")


def status(host: NodeUnderTest, query: str = "?refresh=true") -> dict[str, Any]:
    answer = host.call("GET", f"{PATH}{query}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


def without_raw(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "json_raw"}


@pytest.mark.parametrize("credential", ["bearer", "internal"])
def test_a_healthy_cluster_as_0_1_2_told_it(host: NodeUnderTest, credential: str) -> None:
    answer = host.call("GET", PATH, headers=getattr(host, credential)())
    assert answer.status == 200
    assert without_raw(answer.body) == {
        "cluster_status": "HEALTH_OK",
        "osd": 3,
        "osd_up": 3,
        "mon_gw1": 3,
        "mon_gw2": ["scvm1", "scvm2", "scvm3"],
        "mgr": "x",
        "mgr_cnt": 1,
        "pools": 2,
        "avail": "3 GiB",
        "used": "95.7 KiB",
        "usage_percentage": "0%",
        "maintenance_status": False,
        "refresh_time": TIME,
    }
    assert answer.body["json_raw"] == json.loads(recorded("status_three.json"))


def test_nobody_without_a_credential(host: NodeUnderTest, storage: StorageCluster) -> None:
    assert host.call("GET", PATH, headers={}).status == 401
    assert storage.calls == []


def test_printed_for_people(host: NodeUnderTest) -> None:
    response = host.client.get(f"/api/v1{PATH}", headers=host.bearer())
    assert response.get_data(as_text=True).startswith('{\n    "cluster_status"')


@pytest.mark.parametrize(("name", "managers"), [("num_standby", 3), ("num_standbys", 3)])
def test_standby_managers_are_counted(host: NodeUnderTest, storage: StorageCluster, name: str, managers: int) -> None:
    """Weakness 1: 0.1.2 looked for a name that Ceph 16 does not print."""
    storage.printed["mgr stat"] = json.dumps({"epoch": 4, "available": True, "active_name": "scvm1.q", name: 2})
    body = status(host)
    assert (body["mgr"], body["mgr_cnt"]) == ("scvm1.q", managers)


def test_no_active_manager(host: NodeUnderTest, storage: StorageCluster) -> None:
    storage.printed["mgr stat"] = '{"epoch":4,"available":false,"active_name":"","num_standby":0}'
    body = status(host)
    assert (body["mgr"], body["mgr_cnt"]) == ("N/A", 0)


def test_every_check_of_health_is_passed_on_and_goes_when_it_is_over(host: NodeUnderTest, storage: StorageCluster) -> None:
    storage.printed["-s"] = recorded("status_degraded.json")
    body = status(host)
    assert (body["cluster_status"], body["osd"], body["osd_up"]) == ("HEALTH_WARN", 3, 2)
    assert (body["mon_gw1"], body["mon_gw2"]) == (3, ["scvm1", "scvm2"])
    assert {"MON_DOWN", "OSD_DOWN", "OSD_SLOW_PING_TIME_BACK"} <= set(body["json_raw"]["health"]["checks"])
    storage.printed["-s"] = recorded("status_three.json")
    after = status(host)
    assert (after["cluster_status"], after["json_raw"]["health"]["checks"]) == ("HEALTH_OK", {})


def test_a_blank_health_is_an_error(host: NodeUnderTest, storage: StorageCluster) -> None:
    told = json.loads(recorded("status_three.json"))
    storage.printed["-s"] = json.dumps({**told, "health": {"status": " "}})
    assert status(host)["cluster_status"] == "HEALTH_ERR"


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("mgr stat", {"mgr": "N/A"}),
        ("df detail", {"avail": "N/A", "used": "N/A", "usage_percentage": "N/A"}),
        ("osd dump", {"maintenance_status": False}),
        ("config-key get ablestack/maintenance", {}),
    ],
)
def test_what_else_fails_is_told(
    host: NodeUnderTest, storage: StorageCluster, command: str, missing: dict[str, Any]
) -> None:
    """Weakness 4: 0.1.2 said nothing of it."""
    storage.failures[command] = HUNG
    body = status(host)
    assert {**without_raw(body), **missing} == without_raw(body)
    assert [each["reason"] for each in body["unread"]] == [HUNG.detail]
    assert command.partition(" ")[0] in body["unread"][0]["source"] or "record" in body["unread"][0]["source"]
    assert ("mgr_cnt" in body) is (command != "mgr stat")


def test_the_flags_are_known_without_the_osd_map(host: NodeUnderTest, storage: StorageCluster) -> None:
    """The monitor that tells the health warns of them."""
    storage.printed["-s"] = recorded("status_maintenance.json")
    storage.failures["osd dump"] = HUNG
    body = status(host)
    assert body["maintenance_status"] is True
    assert body["maintenance"]["flags"] == ["noout", "nobackfill", "norecover"]


FAILURES: list[tuple[ApiError, int, str]] = [
    (MISSING, 503, "not installed"),
    (HUNG, 504, "did not end"),
    (TIMED_OUT, 502, "no monitor answered 3 s long"),
    (CommandFailed("ceph ended with code 1: error calling conf_read_file", program="ceph"), 502, "/etc/ceph/ceph.conf"),
    (
        CommandFailed("ceph ended with code 1: auth: unable to find a keyring on /etc/ceph/…", program="ceph"),
        502,
        "/etc/ceph/ceph.client.admin.keyring",
    ),
]


@pytest.mark.parametrize(("error", "code", "text"), FAILURES, ids=[case[2] for case in FAILURES])
def test_without_an_answer(host: NodeUnderTest, storage: StorageCluster, error: ApiError, code: int, text: str) -> None:
    """The first time there is nothing to tell; later the last answer stays, marked as stale, with its own time."""
    storage.failures["-s"] = error
    first = host.call("GET", PATH)
    assert (first.status, first.body["err_code"]) == (code, code)
    assert text in first.body["message"]
    storage.failures.clear()
    good = status(host)
    host.clock.advance(3600)
    storage.failures["-s"] = error
    stale = status(host, "")
    assert {**good, "stale": True, "refresh_error": stale["refresh_error"]} == stale
    assert stale["refresh_time"] == TIME
    assert text in stale["refresh_error"]
    storage.failures.clear()
    fresh = status(host)
    assert (fresh["refresh_time"], "stale" in fresh) == ("2026-07-01T11:00:00+09:00", False)


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("", "did not print JSON"),
        ("HEALTH_OK", "did not print JSON"),
        ("[" * 100000, "did not print JSON"),
        ("[]", "did not print a JSON object"),
        ('"x"', "did not print a JSON object"),
        ("{}", "told no osdmap.num_osds"),
        ('{"osdmap": 5}', "told no osdmap.num_osds"),
        ('{"osdmap": {"num_osds": true}}', "told no osdmap.num_osds"),
        ('{"osdmap": {"num_osds": 1e400}}', "told no osdmap.num_osds"),
    ],
    ids=range(9),
)
def test_damaged_output(host: NodeUnderTest, storage: StorageCluster, printed: str, text: str) -> None:
    storage.printed["-s"] = printed
    answer = host.call("GET", PATH)
    assert answer.status == 502
    assert text in answer.body["message"]


@pytest.mark.parametrize("printed", ["nonsense", "[]", "{}", '{"stats": []}', '{"stats": {"total_avail_bytes": "1"}}'])
def test_damaged_usage(host: NodeUnderTest, storage: StorageCluster, printed: str) -> None:
    storage.printed["df detail"] = printed
    assert status(host)["avail"] == "N/A"


def test_numbers_that_are_no_json_are_null(host: NodeUnderTest, storage: StorageCluster) -> None:
    told = recorded("status_three.json").replace('"quorum_age":70', '"quorum_age":NaN')
    assert "NaN" in told
    storage.printed["-s"] = told
    assert status(host)["json_raw"]["quorum_age"] is None


def test_an_answer_is_kept_for_a_moment(host: NodeUnderTest, storage: StorageCluster) -> None:
    status(host, "")
    host.clock.advance(4)
    status(host, "")
    assert storage.calls.count("-s") == 1
    host.clock.advance(2)
    status(host, "")
    assert storage.calls.count("-s") == 2


def test_all_that_is_asked_is_asked_side_by_side(host: NodeUnderTest, storage: StorageCluster) -> None:
    """D27: every one of the other commands ends while the first one still hangs."""
    storage.hold["-s"] = threading.Event()
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(status(host)))
    asking.start()
    others = {"mgr stat", "df detail", "osd dump", "config-key get ablestack/maintenance"}
    while asking.is_alive() and set(storage.calls) != others:
        asking.join(0.01)
    storage.hold["-s"].set()
    asking.join(20)
    assert answers[0]["cluster_status"] == "HEALTH_OK"


def test_flags_in_the_osd_map_count_and_nothing_else(host: NodeUnderTest, storage: StorageCluster) -> None:
    """Weakness 2: `ceph osd set-group noout` also puts the word there."""
    storage.dump = "osd_dump_group.json"
    storage.printed["-s"] = recorded("status_group.json")
    assert '"noout"' in recorded("osd_dump_group.json")
    body = status(host)
    assert body["maintenance_status"] is False
    assert "maintenance" not in body


def test_flags_set_behind_our_back(host: NodeUnderTest, storage: StorageCluster) -> None:
    storage.flags = {"noout"}
    body = status(host)
    assert body["maintenance_status"] is True
    assert body["maintenance"] == {"flags": ["noout"], "complete": False, "by": None, "at": None}


@pytest.mark.parametrize("query", ["?refresh=perhaps", "?refresh="])
def test_a_bad_query(host: NodeUnderTest, storage: StorageCluster, query: str) -> None:
    answer = host.call("GET", f"{PATH}{query}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "refresh")
    assert storage.calls == []
