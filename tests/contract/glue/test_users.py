"""GET /glue, /glue/auth, /glue/auth/<name>, /glue/auths."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from tests.support.node_under_test import NodeUnderTest
from tests.support.storage_cluster import TIMED_OUT, StorageCluster, recorded

TIME = "2026-07-01T10:00:00+09:00"
DUMP = {entry["entity"]: entry for entry in json.loads(recorded("auth_ls.json"))["auth_dump"]}
ADMIN = DUMP["client.admin"]["key"]
SERVICES = ("mds", "mgr", "mon", "osd")
USER_PATHS = ["/glue/auth", "/glue/auth/client.admin", "/glue/auths"]


def logged(host: NodeUnderTest) -> str:
    logs = [Path(host.settings.request_log), Path(host.settings.audit_log)]
    return "".join(path.read_text() for path in logs if path.exists())


@pytest.mark.parametrize("path", ["/glue", "/glue/"])
def test_ceph_s_with_its_age(host: NodeUnderTest, path: str) -> None:
    answer = host.call("GET", path)
    assert (answer.status, answer.body) == (200, {**json.loads(recorded("status_three.json")), "refresh_time": TIME})


def test_every_check_is_passed_on(host: NodeUnderTest, storage: StorageCluster) -> None:
    storage.printed["-s"] = recorded("status_degraded.json")
    told = host.call("GET", "/glue").body["health"]
    assert told == json.loads(recorded("status_degraded.json"))["health"]
    storage.printed["-s"] = recorded("status_three.json")
    assert host.call("GET", "/glue?refresh=true").body["health"]["checks"] == {}


def test_the_last_answer_stays_marked_as_stale(host: NodeUnderTest, storage: StorageCluster) -> None:
    """Weakness 44: 0.1.2 gave old data a new time, and zeros before the first reading."""
    storage.failures["-s"] = TIMED_OUT
    assert host.call("GET", "/glue").status == 502
    storage.failures.clear()
    good = host.call("GET", "/glue").body
    host.clock.advance(600)
    storage.failures["-s"] = TIMED_OUT
    stale = host.call("GET", "/glue").body
    assert stale == {**good, "stale": True, "refresh_error": stale["refresh_error"]}
    assert stale["refresh_time"] == TIME


def test_other_pages_share_its_reading(host: NodeUnderTest, storage: StorageCluster) -> None:
    host.call("GET", "/glue")
    assert host.call("GET", "/mold").status == 200
    assert storage.calls.count("-s") == 1


@pytest.mark.parametrize(
    "path", ["/glue/auth", "/glue/auth/", "/glue/auth?username=client.admin", "/glue/auth/client.admin"]
)
def test_the_administrator(host: NodeUnderTest, path: str) -> None:
    answer = host.call("GET", path)
    assert answer.status == 200
    caps = dict.fromkeys(SERVICES, "allow *")
    assert answer.body == {"entity": "client.admin", "key": ADMIN, "caps": caps, "refreshTime": TIME, "refresh_time": TIME}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/glue/auth?username=osd.0", "/glue/auth/osd.0"])
def test_a_name_in_the_body_counts_before_the_others(host: NodeUnderTest, path: str) -> None:
    assert host.call("GET", path, {"username": "osd.1"}).body["entity"] == "osd.1"
    assert host.call("GET", path, {}).body["entity"] == "osd.0"
    assert host.call("GET", path, "{").status == 400


def test_caps_are_four_texts(host: NodeUnderTest) -> None:
    caps = host.call("GET", "/glue/auth/osd.0").body["caps"]
    assert caps == {"mds": "", "mgr": "allow profile osd", "mon": "allow profile osd", "osd": "allow *"}


def test_all_users(host: NodeUnderTest) -> None:
    body = host.call("GET", "/glue/auths").body
    assert list(body["auth"]) == list(DUMP)
    assert {entity: user["key"] for entity, user in body["auth"].items()} == {name: DUMP[name]["key"] for name in DUMP}
    assert body["refreshTime"] == TIME


@pytest.mark.parametrize("path", USER_PATHS)
def test_keys_are_for_people_only(host: NodeUnderTest, path: str) -> None:
    """Another node gets the same with stars."""
    person, peer = host.call("GET", path), host.call("GET", path, headers=host.internal())
    assert peer.status == 200
    assert ADMIN in json.dumps(person.body)
    assert "AQ" not in json.dumps(peer.body)
    assert json.loads(json.dumps(person.body).replace(ADMIN, "****"))["refreshTime"] == peer.body["refreshTime"]
    assert host.call("GET", path, headers={}).status == 401


@pytest.mark.parametrize("path", USER_PATHS)
def test_keys_are_in_no_log(
    host: NodeUnderTest, storage: StorageCluster, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    assert host.call("GET", path).status == 200
    storage.failures["auth ls"] = CommandFailed(f"ceph ended with code 1: [client.admin] / key = {ADMIN}", program="ceph")
    answer = host.call("GET", f"{path}?refresh=true")
    assert (answer.status, answer.body["stale"]) == (200, True)
    assert "key = ****" in answer.body["refresh_error"]
    assert ADMIN not in logged(host) + caplog.text
    kept = [file for file in host.root.rglob("*") if file.is_file() and ADMIN.encode() in file.read_bytes()]
    assert kept == []


def test_an_error_tells_no_key(host: NodeUnderTest, storage: StorageCluster) -> None:
    storage.failures["auth ls"] = CommandFailed(f"ceph ended with code 1: key = {ADMIN}", program="ceph", exit_code=1)
    answer = host.call("GET", "/glue/auths")
    assert answer.status == 502
    assert ADMIN not in json.dumps(answer.body)


@pytest.mark.parametrize("name", ["client.nobody", "client.adm", "admin"])
def test_an_unknown_user(host: NodeUnderTest, storage: StorageCluster, name: str) -> None:
    answer = host.call("GET", f"/glue/auth/{name}")
    assert answer.status == 404
    shape = {"entity": name, "key": "", "caps": dict.fromkeys(SERVICES, ""), "refreshTime": "0001-01-01T00:00:00Z"}
    assert answer.body | shape == answer.body
    assert storage.calls.count("auth ls") == 2, "looked for once more: it may be new"


@pytest.mark.parametrize("name", ["-f", "--help", "client admin", "client.admin%0a", ".x", "x" * 200, "클라이언트"])
def test_no_name_of_a_user(host: NodeUnderTest, storage: StorageCluster, name: str) -> None:
    answer = host.call("GET", f"/glue/auth/{name}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "username")
    assert storage.calls == []


@pytest.mark.parametrize("printed", ["", "nonsense", "[]", "{}", '{"auth_dump": 5}'])
@pytest.mark.parametrize("path", USER_PATHS)
def test_damaged_output(host: NodeUnderTest, storage: StorageCluster, path: str, printed: str) -> None:
    storage.printed["auth ls"] = printed
    assert host.call("GET", path).status == 502


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProgramMissing("the program ceph is not installed", program="ceph", package="ceph-common"), 503),
        (CommandTimedOut("ceph did not end", program="ceph", seconds=4), 504),
        (TIMED_OUT, 502),
    ],
    ids=[503, 504, 502],
)
@pytest.mark.parametrize("path", ["/glue", *USER_PATHS])
def test_without_an_answer(host: NodeUnderTest, storage: StorageCluster, path: str, error: Any, status: int) -> None:
    storage.failures = {"-s": error, "auth ls": error}
    assert host.call("GET", path).status == status
