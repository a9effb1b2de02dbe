"""GET /cube/gfs/resource/status (contract 02 §5), on what a real crm_mon printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/gfs/resource/status"
DATA = Path(__file__).parents[2] / "data/crm_mon"
ARGV = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]
NOW = "2026-07-01T10:00:00+09:00"
NODES = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]


def printed(name: str) -> str:
    return (DATA / f"{name}.xml").read_text()


def status(node: NodeUnderTest, name: str, *changes: tuple[str, str]) -> Any:
    text = printed(name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    node.runner.expect(ARGV, stdout=text, stderr="warning: noise < & >\n")
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["code"], answer.body["refresh_time"]) == (200, 200, NOW), answer.body
    return answer.body["val"]


def told(entries: list[dict[str, str]]) -> list[tuple[str, str | None]]:
    return [(entry["id"], entry.get("node_name")) for entry in entries]


def on_each(*names: str) -> list[tuple[str, str]]:
    return [(name, node) for name in names for node in NODES]


def test_nodes(node: NodeUnderTest) -> None:
    val = status(node, "healthy")
    assert [entry["name"] for entry in val["nodes_info"]] == NODES
    assert val["nodes_info"][0] == {
        "name": "10.10.31.1",
        "id": "1",
        "online": "true",
        "standby": "false",
        "standby_onfail": "false",
        "maintenance": "false",
        "pending": "false",
        "unclean": "false",
        "health": "green",
        "feature_set": "<3.15.1",
        "shutdown": "false",
        "expected_up": "true",
        "is_dc": "true",
        "resources_running": "6",
        "type": "member",
    }


def test_resources(node: NodeUnderTest) -> None:
    resources = status(node, "healthy")["resources"]
    assert told(resources["fence_resources"]) == [(f"fence-ablecube31-{n}", f"10.10.31.{n}") for n in (1, 2, 3)]
    assert sorted(told(resources["glue_locking_resources"])) == on_each("glue-dlm", "glue-lvmlockd")
    assert told(resources["gfs_mount_resources"]) == on_each("glue-gfs_res", "glue-gfs")
    assert resources["glue_gfs_resources"] == resources["gfs_mount_resources"]
    assert resources["gfs_mount_resources"][0] == {
        "id": "glue-gfs_res",
        "resource_agent": "ocf:heartbeat:LVM-activate",
        "role": "Started",
        "active": "true",
        "orphaned": "false",
        "blocked": "false",
        "managed": "true",
        "failed": "false",
        "failure_ignored": "false",
        "nodes_running_on": "1",
        "node_name": "10.10.31.1",
    }


def test_a_second_file_system_is_not_lost(node: NodeUnderTest) -> None:
    """Whatever its name; the old key keeps to the old names."""
    resources = status(node, "two_file_systems")["resources"]
    both = [*on_each("glue-gfs_res", "glue-gfs", "data_res"), ("data", NODES[0]), ("data", NODES[1]), ("data", None)]
    assert told(resources["gfs_mount_resources"]) == both
    assert told(resources["glue_gfs_resources"]) == on_each("glue-gfs_res", "glue-gfs")


def test_names_that_begin_as_the_first_one(node: NodeUnderTest) -> None:
    resources = status(node, "two_file_systems", ('id="data', 'id="glue-gfs-1'))["resources"]
    assert resources["glue_gfs_resources"] == resources["gfs_mount_resources"]
    assert ("glue-gfs-1", NODES[0]) in told(resources["glue_gfs_resources"])


def test_a_stopped_instance_has_no_node(node: NodeUnderTest) -> None:
    resources = status(node, "failed_and_unclean")["resources"]
    stopped = [entry for entry in resources["glue_locking_resources"] if "node_name" not in entry]
    assert [(entry["id"], entry["role"], entry["nodes_running_on"]) for entry in stopped] == [
        ("glue-dlm", "Stopped", "0"),
        ("glue-lvmlockd", "Stopped", "0"),
    ]
    failed = [entry["node_name"] for entry in resources["gfs_mount_resources"] if entry["failed"] == "true"]
    assert failed == ["10.10.31.2"]


def test_fence_devices_without_bans_take_the_nodes_in_turn(node: NodeUnderTest) -> None:
    fences = status(node, "locking_only")["resources"]["fence_resources"]
    assert told(fences) == [(f"fence-ablecube31-{n}", f"10.10.31.{n}") for n in (1, 2, 3)]


def test_a_ban_says_whom_a_device_fences(node: NodeUnderTest) -> None:
    """The first one of a device counts; the turn goes on over devices that have one."""
    ban = '<ban id="a" resource="fence-ablecube31-2" node="10.10.31.3" weight="-1000000"/>'
    other = '<ban id="b" resource="fence-ablecube31-2" node="10.10.31.1" weight="-1000000"/>'
    end = '  <status code="0"'
    fences = status(node, "locking_only", (end, f"<bans>{ban}{other}</bans>{end}"))["resources"]["fence_resources"]
    assert [name for _, name in told(fences)] == ["10.10.31.1", "10.10.31.3", "10.10.31.3"]


def test_an_empty_cluster(node: NodeUnderTest) -> None:
    val = status(node, "empty")
    assert val["resources"] == {
        "fence_resources": [],
        "glue_locking_resources": [],
        "gfs_mount_resources": [],
        "glue_gfs_resources": [],
    }
    assert val["node_history"] == []


def test_history(node: NodeUnderTest) -> None:
    history = status(node, "healthy")["node_history"]
    assert [entry["node_name"] for entry in history] == NODES
    second = {each["resource_id"]: each["operations"] for each in history[1]["resource_histories"]}
    assert [(each["task"], each["call"]) for each in second["glue-gfs"]] == [("monitor", "30")]
    assert second["glue-dlm"][0] == {
        "call": "11",
        "task": "start",
        "rc": "0",
        "rc_text": "ok",
        "last-rc-change": "Mon Mar  2 09:06:40 2026",
        "exec-time": "310ms",
        "queue-time": "0ms",
    }


def test_a_call_that_is_told_twice_counts_once(node: NodeUnderTest) -> None:
    assert printed("failed_and_unclean").count('call="40" task="start"') == 2
    history = status(node, "failed_and_unclean")["node_history"]
    second = {each["resource_id"]: each["operations"] for each in history[1]["resource_histories"]}
    assert [(each["call"], each["rc"]) for each in second["glue-gfs"]] == [("40", "1")]


def test_the_order_of_nodes_in_the_history(node: NodeUnderTest) -> None:
    one = printed("named_nodes")
    part = one[one.index('    <node name="cube2">') : one.index("  </node_history>")]
    more = "".join(part.replace("cube2", name) for name in ("10.10.31.10", "cube1", "10.10.31.9"))
    history = status(node, "named_nodes", ("  </node_history>", f"{more}  </node_history>"))["node_history"]
    assert [entry["node_name"] for entry in history] == ["10.10.31.9", "10.10.31.10", "cube1", "cube2"]


# --- readiness -------------------------------------------------------------------------------------------------------


def test_ready(node: NodeUnderTest) -> None:
    ready = status(node, "healthy")["readiness"]
    assert ready == {
        "ready": True,
        "locking": {"id": "glue-locking", "ready": True, "nodes": NODES, "missing": [], "reasons": []},
        "file_systems": [{"id": "glue-gfs", "ready": True, "nodes": NODES, "missing": [], "reasons": []}],
        "reasons": [],
    }


def test_every_file_system_counts(node: NodeUnderTest) -> None:
    ready = status(node, "two_file_systems")["readiness"]
    assert not ready["ready"]
    assert [(part["id"], part["ready"]) for part in ready["file_systems"]] == [("glue-gfs", True), ("data", False)]
    assert ready["file_systems"][1]["nodes"] == NODES[:2]
    assert ready["file_systems"][1]["missing"] == ["10.10.31.3"]
    assert ready["reasons"] == ["data does not run on 10.10.31.3"]


def test_a_node_that_is_off_keeps_nobody_waiting(node: NodeUnderTest) -> None:
    ready = status(node, "failed_and_unclean")["readiness"]
    assert (ready["locking"]["ready"], ready["locking"]["nodes"]) == (True, NODES[:2])
    assert ready["reasons"] == ["glue-gfs failed on 10.10.31.2", "glue-gfs does not run on 10.10.31.2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([('with_quorum="true"', 'with_quorum="false"')], "the cluster has no quorum"),
        ([('online="true"', 'online="false"')], "glue-locking: no node may run resources"),
        ([('standby="false"', 'standby="true"')], "glue-locking: no node may run resources"),
        ([('id="glue-dlm"', 'id="other-dlm"')], "glue-dlm does not exist"),
        ([('blocked="false"', 'blocked="true"')], "glue-dlm is blocked on 10.10.31.1, 10.10.31.2, 10.10.31.3"),
        ([('role="Started"', 'role="Starting"')], "glue-locking does not run on 10.10.31.1, 10.10.31.2, 10.10.31.3"),
    ],
)
def test_why_it_is_not_ready(node: NodeUnderTest, changes: list[tuple[str, str]], reason: str) -> None:
    ready = status(node, "healthy", *changes)["readiness"]
    assert not ready["ready"]
    assert reason in ready["reasons"]


@pytest.mark.parametrize("name", ["locking_only", "empty"])
def test_without_a_file_system(node: NodeUnderTest, name: str) -> None:
    ready = status(node, name)["readiness"]
    assert ready["locking"]["ready"] is (name == "locking_only")
    assert "there is no GFS2 file system in the cluster" in ready["reasons"]


def test_a_stopped_cloud_center_is_nobodys_business_here(node: NodeUnderTest) -> None:
    """0.1.2 took every stopped resource behind the locks for one of theirs."""
    changes = ('id="cloudcenter_res" resource_agent="ocf:heartbeat:VirtualDomain" role="Started"',)
    val = status(node, "healthy", (changes[0], changes[0].replace("Started", "Stopped")))
    assert val["readiness"]["ready"]


def test_a_banned_node_is_not_waited_for(node: NodeUnderTest) -> None:
    ban = '<bans><ban id="x" resource="data-clone" node="10.10.31.3" weight="-1000000"/>'
    assert status(node, "two_file_systems", ("<bans>", ban))["readiness"]["ready"]


# --- errors ----------------------------------------------------------------------------------------------------------


def set_up(node: NodeUnderTest) -> None:
    (node.root / "etc/corosync").mkdir(parents=True)
    (node.root / "etc/corosync/corosync.conf").touch()


@pytest.mark.parametrize(
    ("stdout", "code", "raises", "made", "status", "kind"),
    [
        ("not_running", 102, None, False, 500, "not_set_up"),
        ("not_running", 102, None, True, 503, "pacemaker_down"),
        ("no_cib", 0, None, False, 500, "not_set_up"),
        ("no_cib", 0, None, True, 503, "pacemaker_down"),
        ("", 0, None, True, 502, "command_failed"),
        ("Error: unknown option", 1, None, True, 502, "command_failed"),
        ("", 0, ProgramMissing("the program crm_mon is not installed on this node"), True, 503, "program_missing"),
        ("", 0, CommandTimedOut("crm_mon did not end within 10 s and was killed"), True, 504, "command_timed_out"),
        ("", 0, CommandFailed("crm_mon printed too much"), True, 502, "command_failed"),
    ],
)
def test_why_there_is_no_answer(
    node: NodeUnderTest, stdout: str, code: int, raises: ApiError | None, made: bool, status: int, kind: str
) -> None:
    if made:
        set_up(node)
    text = printed(stdout) if (DATA / f"{stdout}.xml").exists() else stdout
    node.runner.expect(ARGV, stdout=text, code=code, raises=raises)
    answer = node.call("GET", PATH)
    assert (answer.status, answer.body["type"]) == (status, f"urn:ablestack:error:{kind}")
    assert answer.body["val"] == f"PCS Not Configured: {answer.body['message']}"
    line = json.loads(Path(node.settings.request_log).read_text().splitlines()[-1])
    assert line["outcome"] == ("normal" if kind == "not_set_up" else "error")


def test_the_last_reading_outlives_a_failure(node: NodeUnderTest) -> None:
    status(node, "healthy")
    node.clock.advance(30)
    node.runner.expect(ARGV, raises=CommandTimedOut("crm_mon did not end within 10 s and was killed"))
    answer = node.call("GET", f"{PATH}?refresh=true")
    assert (answer.status, answer.body["stale"], answer.body["refresh_time"]) == (200, True, NOW)
    assert answer.body["refresh_error"] == "crm_mon did not end within 10 s and was killed"


def test_it_wants_a_credential_and_a_good_query(node: NodeUnderTest) -> None:
    assert node.call("GET", PATH, headers={}).status == 401
    assert node.call("GET", f"{PATH}?refresh=x").status == 400
