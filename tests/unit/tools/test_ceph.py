"""What ceph is asked, and what is made of what it prints."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import Runner
from ablestack_api.tools import ceph, ceph_auth, ceph_osd
from tests.support.doubles import QueuedRunner
from tests.support.storage_cluster import recorded

QUICK = ["ceph", "--connect-timeout", "3", "--mon-client-hunt-interval=1"]
USUAL = ["ceph", "--connect-timeout", "5"]
JSON = ["--format", "json"]
MAINTENANCE = {"noout", "nobackfill", "norecover"}


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


@pytest.mark.parametrize(
    ("read", "argv"),
    [
        (ceph.read_status, [*QUICK, "-s", *JSON]),
        (ceph.read_mgr_stat, [*QUICK, "mgr", "stat", *JSON]),
        (ceph.read_usage, [*QUICK, "df", "detail", *JSON]),
    ],
)
def test_reads(runner: QueuedRunner, read: Callable[[Runner], Any], argv: list[str]) -> None:
    """Warnings on stderr are no part of the answer (weakness 3); Ceph prints an empty line before it."""
    runner.expect(argv, stdout='\n{"a": 1}\n', stderr="2026-01-01 -1 auth: a warning\n")
    assert read(runner) == {"a": 1}
    runner.expect(argv, stdout="[]")
    with pytest.raises(CommandFailed, match="did not print a JSON object"):
        read(runner)
    runner.finish()


@pytest.mark.parametrize(
    ("stderr", "advice"),
    [
        ("timed out\n", "no monitor answered 3 s long"),
        ("[errno 110] RADOS timed out (error connecting to the cluster)\n", "no monitor answered 3 s long"),
        (
            "auth: unable to find a keyring on /etc/ceph/ceph.client.admin.keyring\n\ntimed out\n",
            "is its key the cluster's?",
        ),
        ("[errno 13] RADOS permission denied (error connecting to the cluster)\n", "is its key the cluster's?"),
        ("Error initializing cluster client: ObjectNotFound('RADOS … (error calling conf_read_file)')\n", "config/update"),
        ("Error EINVAL: invalid command\n", "Error EINVAL: invalid command"),
    ],
)
def test_known_causes_come_with_advice(runner: QueuedRunner, stderr: str, advice: str) -> None:
    runner.expect([*QUICK, "-s", *JSON], code=1, stderr=stderr)
    with pytest.raises(CommandFailed) as caught:
        ceph.read_status(runner)
    assert advice in caught.value.detail
    assert caught.value.members == {"program": "ceph", "exit_code": 1}


@pytest.mark.parametrize("error", [ProgramMissing("no ceph"), CommandTimedOut("hung")])
def test_other_failures_are_themselves(runner: QueuedRunner, error: Any) -> None:
    runner.expect([*QUICK, "-s", *JSON], raises=error)
    with pytest.raises(type(error)):
        ceph.read_status(runner)


@pytest.mark.parametrize(
    ("status", "url"),
    [
        ({"mgrmap": {"services": {"dashboard": "https://10.0.0.1:8443/"}}}, "https://10.0.0.1:8443/"),
        ({"mgrmap": {"services": {}}}, ""),
        ({"mgrmap": {"services": {"dashboard": 5}}}, ""),
        ({"mgrmap": None}, ""),
        ({}, ""),
    ],
)
def test_the_dashboard(status: dict[str, Any], url: str) -> None:
    assert ceph.dashboard(status) == url


@pytest.mark.parametrize(
    ("name", "flags"),
    [("osd_dump.json", set()), ("osd_dump_maintenance.json", MAINTENANCE), ("osd_dump_group.json", set())],
)
def test_flags_of_the_osd_map(name: str, flags: set[str]) -> None:
    found = ceph_osd.flags(json.loads(recorded(name)))
    assert found & MAINTENANCE == flags
    assert "sortbitwise" in found


@pytest.mark.parametrize(
    ("dump", "flags"),
    [
        ({"flags": "NOOUT, sortbitwise"}, {"noout", "sortbitwise"}),
        ({"flags_set": ["noout", 5, ""]}, {"noout"}),
        ({"flags": "", "flags_set": []}, set()),
    ],
)
def test_flags_of_other_releases(dump: dict[str, Any], flags: set[str]) -> None:
    assert ceph_osd.flags(dump) == flags


def test_an_osd_map_without_flags() -> None:
    with pytest.raises(CommandFailed, match="told no flags"):
        ceph_osd.flags({"osds": []})


@pytest.mark.parametrize(
    ("name", "flags"),
    [("status_three.json", set()), ("status_maintenance.json", MAINTENANCE), ("status_group.json", set())],
)
def test_flags_of_the_health(name: str, flags: set[str]) -> None:
    assert ceph_osd.flags_of_health(json.loads(recorded(name))) == flags


@pytest.mark.parametrize(
    "status", [{}, {"health": 5}, {"health": {"checks": {"OSDMAP_FLAGS": {"summary": {"message": 5}}}}}]
)
def test_no_flags_of_the_health(status: dict[str, Any]) -> None:
    assert ceph_osd.flags_of_health(status) == frozenset()


def test_osds_by_host() -> None:
    assert ceph_osd.osds_by_host(json.loads(recorded("osd_tree.json"))) == {"scvm1": [0], "scvm2": [1], "scvm3": [2]}


def test_osds_without_a_host() -> None:
    lone = {"id": 7, "name": "osd.7", "type": "osd"}
    tree = {"nodes": [{"id": -1, "name": "default", "type": "root", "children": []}], "stray": [lone]}
    assert ceph_osd.osds_by_host(tree) == {"osd.7": [7]}


def test_monitors(runner: QueuedRunner) -> None:
    """A monitor that never came up has a name only."""
    runner.expect([*USUAL, "mon", "metadata", *JSON], stdout=recorded("mon_metadata.json"))
    assert ceph_osd.read_monitors(runner) == {f"scvm{number}": f"scvm{number}" for number in (1, 2, 3)}
    runner.expect([*USUAL, "mon", "metadata", *JSON], stdout='[{"name":"a","hostname":"x"},{"name":"b"},{}]')
    assert ceph_osd.read_monitors(runner) == {"a": "x", "b": "b"}


def test_ok_to_stop(runner: QueuedRunner) -> None:
    argv = [*USUAL, "osd", "ok-to-stop", "0", "1", *JSON]
    runner.expect(argv, stdout=recorded("ok_to_stop.json"))
    assert ceph_osd.ok_to_stop(runner, [0, 1]) == ceph_osd.Verdict(True)
    told = "unsafe to stop osd(s) at this time (9 PGs are or would become offline)"
    refusal = f"2026-11-20T17:49:49.888+0000 7fde -1 asok: failed to bind\nError EBUSY: {told}\n"
    runner.expect(argv, stdout=recorded("not_ok_to_stop.json"), stderr=refusal, code=16)
    assert ceph_osd.ok_to_stop(runner, [0, 1]) == ceph_osd.Verdict(False, told)
    runner.expect(argv, stderr="Error EINVAL: no\n", code=22)
    with pytest.raises(CommandFailed):
        ceph_osd.ok_to_stop(runner, [0, 1])


def test_values_that_the_monitors_keep(runner: QueuedRunner) -> None:
    runner.expect([*QUICK, "config-key", "get", "a/b"], stdout="value")
    assert ceph.read_config_key(runner, "a/b") == "value"
    runner.expect([*QUICK, "config-key", "get", "a/b"], stderr="Error ENOENT: \n", code=2)
    assert ceph.read_config_key(runner, "a/b") is None
    runner.expect([*USUAL, "config-key", "set", "a/b", "value"], stderr="set a/b\n")
    ceph.set_config_key(runner, "a/b", "value")
    runner.expect([*QUICK, "config-key", "rm", "a/b"], stderr="key deleted\n")
    ceph.remove_config_key(runner, "a/b")
    runner.finish()


def test_users(runner: QueuedRunner) -> None:
    runner.expect([*QUICK, "auth", "ls", *JSON], stdout=recorded("auth_ls.json"))
    users = ceph_auth.read_users(runner)
    assert users["client.admin"].caps == dict.fromkeys(ceph_auth.SERVICES, "allow *")
    assert "AQ" not in repr(users)


def test_keys_in_what_a_failing_program_printed(runner: QueuedRunner) -> None:
    runner.expect([*USUAL, "auth", "get", "client.admin"], stderr=recorded("keyring.txt"), code=1)
    with pytest.raises(CommandFailed) as caught:
        ceph_auth.read_keyring(runner, "client.admin")
    assert "AQ" not in caught.value.detail
    assert "key = ****" in caught.value.detail


def test_a_keyring_is_a_secret(runner: QueuedRunner) -> None:
    runner.expect([*USUAL, "auth", "get", "client.admin"], stdout=recorded("keyring.txt"), stderr="exported keyring\n")
    keyring = ceph_auth.read_keyring(runner, "client.admin")
    assert keyring.reveal() == recorded("keyring.txt")
    assert str(keyring) == "****"
