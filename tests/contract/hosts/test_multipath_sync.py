"""POST /cube/multipath/sync (contract 02 §11)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, DiskFull, ProgramMissing
from ablestack_api.core.runner import SystemRunner
from ablestack_api.hosts import multipath_sync, scsi_scan
from ablestack_api.state import json_file
from tests.support import documents, whole_system
from tests.support.network import Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest

PATH = "/cube/multipath/sync"
LOCAL = {"X-Cube-Multipath-Sync-Local": "1"}
HOSTS = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
NAMES = ["ablecube31-1", "ablecube31-2", "ablecube31-3"]
BINDINGS = """\
# Multipath bindings, Version : 1.0
mpatha 3600a0b80000aa11
mpathb 3600a0b80000aa12
"""
WWIDS = """\
# Multipath wwids, Version : 1.0
# Valid WWIDs:
/3600a0b80000aa11/
/3600a0b80000aa12/
"""
OLD_BINDINGS, OLD_WWIDS = "mpatha 3600a0b80000aa99\n", "/3600a0b80000aa99/\n"
SENT = {"action": "sync", "bindings": BINDINGS, "wwids": WWIDS, "source_provided": True}
STEPS = [
    "rescan_scsi",
    "mpathconf_enable",
    "multipathd_enable",
    "multipathd_socket_stop",
    "multipathd_stop",
    "multipath_flush",
    "write_source_files",
    "multipathd_restart",
]
DMSETUP = ["dmsetup", "info", "-c", "--noheadings", "--separator", "|", "-o", "name,uuid,open"]
MAPS = "mpatha|mpath-3600a0b80000aa99|1\nmpathz|mpath-3600a0b80000aa98|0\n"
NOTHING = "nothing to do: this node has these files already"


@pytest.fixture
def hosts(network: Network) -> list[NodeUnderTest]:
    """The files of the first one are what the others will get."""
    found = network.add_hosts(document=documents.document("ablestack-vm"))
    put(found[0], BINDINGS, WWIDS)
    return found


def put(node: NodeUnderTest, bindings: str | None, wwids: str | None) -> None:
    folder = node.root / "etc/multipath"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("bindings", bindings), ("wwids", wwids)):
        if text is not None:
            (folder / name).write_text(text)


def files(node: NodeUnderTest) -> dict[str, str]:
    """Everything below /etc that is multipath's."""
    found = [*(node.root / "etc").glob("multipath.conf"), *(node.root / "etc/multipath").rglob("*")]
    return {str(path.relative_to(node.root / "etc")): path.read_text() for path in found if path.is_file()}


def contents(node: NodeUnderTest) -> tuple[str | None, str | None]:
    found = files(node)
    return found.get("multipath/bindings"), found.get("multipath/wwids")


def adapter(node: NodeUnderTest, name: str) -> Path:
    path = node.root / "sys/class/scsi_host" / name / "scan"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def expect_scan(node: NodeUnderTest, name: str, raises: ApiError | None = None) -> None:
    path = node.settings.below(f"sys/class/scsi_host/{name}/scan")
    node.runner.expect(["tee", "--", path], stdin="- - -\n", stdout="- - -\n", raises=raises)


def statuses(steps: list[dict[str, str]]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in steps}


# --- the whole cluster, nodes in folders -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}, {"action": " Sync "}, {"action": None, "targets": None}, {"targets": [""]}])
def test_every_host_has_the_files_of_this_one(network: Network, hosts: list[NodeUnderTest], body: Any) -> None:
    put(hosts[1], OLD_BINDINGS, OLD_WWIDS)
    answer = hosts[0].call("POST", PATH, body)
    assert answer.status == 200, answer.body
    assert {key: answer.body[key] for key in ("code", "message", "action", "target")} == {
        "code": 200,
        "message": "ok",
        "action": "sync",
        "target": "fanout",
    }
    assert [(entry["hostname"], entry["target"], entry["code"], entry["outcome"]) for entry in answer.body["results"]] == [
        (name, address, 200, "ok") for name, address in zip(NAMES, HOSTS, strict=True)
    ]
    for node in hosts:
        assert contents(node) == (BINDINGS, WWIDS)
    assert all(statuses(entry["steps"]) == dict.fromkeys(STEPS, "succeeded") for entry in answer.body["results"])
    assert {call.headers["X-Cube-Multipath-Sync-Local"] for call in network.calls} == {"1"}
    assert {call.headers["X-Cube-Internal-Token"] for call in network.calls} == {INTERNAL_TOKEN}
    assert "X-Job-Id".lower() in answer.headers


def test_what_was_there_is_kept_beside_it(hosts: list[NodeUnderTest]) -> None:
    put(hosts[1], OLD_BINDINGS, OLD_WWIDS)
    assert hosts[0].call("POST", PATH).status == 200
    kept = {name: text for name, text in files(hosts[1]).items() if name.endswith(".ablestack-backup")}
    assert kept == {
        "multipath/bindings.ablestack-backup": OLD_BINDINGS,
        "multipath/wwids.ablestack-backup": OLD_WWIDS,
    }
    assert {(hosts[1].root / "etc" / name).stat().st_mode & 0o777 for name in kept} == {0o600}
    assert (hosts[1].root / "etc/multipath/bindings").stat().st_mode & 0o777 == 0o600
    assert not any(name.endswith(".ablestack-backup") for name in files(hosts[2]))


def test_a_second_time_changes_nothing(hosts: list[NodeUnderTest]) -> None:
    hosts[0].call("POST", PATH)
    before = [files(node) for node in hosts]
    answer = hosts[0].call("POST", PATH)
    assert [files(node) for node in hosts] == before
    for entry in answer.body["results"]:
        outputs = {step["name"]: step.get("output") for step in entry["steps"]}
        assert outputs["write_source_files"] == outputs["multipathd_restart"] == NOTHING


def test_this_nodes_own_files_are_never_written(hosts: list[NodeUnderTest]) -> None:
    path = hosts[0].root / "etc/multipath/bindings"
    before = path.stat()
    assert hosts[0].call("POST", PATH).status == 200
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_names_that_the_rescan_brings_go_along(
    network: Network, hosts: list[NodeUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """multipathd names what it finds while we look; nothing of that is lost here, and the others get it."""
    more = f"{BINDINGS}mpathc 3600a0b80000aa13\n"

    def rescan(_env: Any) -> list[str]:
        put(hosts[0], more, WWIDS)
        return []

    monkeypatch.setattr("ablestack_api.hosts.scsi_scan.rescan", rescan)
    assert hosts[0].call("POST", PATH).status == 200
    assert [contents(node)[0] for node in hosts] == [more] * 3


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"targets": [HOSTS[1]]}, [1]),
        ({"targets": [HOSTS[2], HOSTS[1], f" {HOSTS[2]} "]}, [1, 2]),
        ({"targets": [HOSTS[0]]}, [0]),
        ({"target_hostnames": ["ABLECUBE31-3"]}, [2]),
        ({"target_hostnames": [NAMES[1], NAMES[0]]}, [0, 1]),
        ({"targets": [HOSTS[1]], "target_hostnames": [NAMES[2]]}, [1]),
        ({"targets": [], "target_hostnames": []}, [0, 1, 2]),
        ({"TARGETS": [HOSTS[1]]}, [1]),
    ],
)
def test_chosen_hosts(network: Network, hosts: list[NodeUnderTest], body: Any, asked: list[int]) -> None:
    answer = hosts[0].call("POST", PATH, body)
    assert [entry["target"] for entry in answer.body["results"]] == [HOSTS[number] for number in asked]
    assert network.called() == {HOSTS[number] for number in asked} - {HOSTS[0]}
    assert [contents(node)[0] == BINDINGS for node in hosts[1:]] == [number in asked for number in (1, 2)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"targets": ["192.0.2.66"]}, "targets[0]"),
        ({"targets": [HOSTS[1], "10.10.31.10"]}, "targets[1]"),
        ({"targets": ["10.10.31.2:80"]}, "targets[0]"),
        ({"targets": ["10.10.31.2/../x"]}, "targets[0]"),
        ({"targets": ["user@10.10.31.2"]}, "targets[0]"),
        ({"targets": ["127.0.0.1"]}, "targets[0]"),
        ({"targets": [NAMES[1]]}, "targets[0]"),
        ({"targets": ["-oProxyCommand=x"]}, "targets[0]"),
        ({"targets": ["10.10.31.2\nHost: x"]}, "targets[0]"),
        ({"targets": ["x" * 5000]}, "targets[0]"),
        ({"target_hostnames": ["nobody"]}, "target_hostnames[0]"),
        ({"target_hostnames": [NAMES[1], "관리\n"]}, "target_hostnames[1]"),
        ({"target_hostnames": [HOSTS[1]]}, "target_hostnames[0]"),
    ],
)
@pytest.mark.parametrize("query", ["", "?plan=true"])
def test_nobody_outside_the_cluster_is_called(
    network: Network, hosts: list[NodeUnderTest], body: Any, field: str, query: str
) -> None:
    """Whoever could name any address would be sent the internal token."""
    answer = hosts[0].call("POST", PATH + query, body)
    assert answer.status == 400
    assert [fault["field"] for fault in answer.body["errors"]] == [field]
    assert len(answer.body["message"]) < 400
    assert network.calls == []


@pytest.mark.parametrize("action", ["flush", "-F", "sync;", "rescan\nx", "x" * 5000, "동기화"])
def test_unknown_actions(hosts: list[NodeUnderTest], action: str) -> None:
    answer = hosts[0].call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")


@pytest.mark.parametrize("body", ["[]", "{", '{"targets": "10.10.31.2"}', '{"targets": [5]}', '{"targets": [null]}'])
def test_bodies_that_are_none(hosts: list[NodeUnderTest], body: str) -> None:
    assert hosts[0].call("POST", PATH, body).status == 400


def test_files_of_a_stranger_are_ignored(hosts: list[NodeUnderTest]) -> None:
    """Only another node ships files; a person's request takes those of this node."""
    body = {"bindings": "evil 1\n", "wwids": "/1/\n", "source_provided": True}
    assert hosts[0].call("POST", PATH, body, headers={**hosts[0].bearer(), **LOCAL}).status == 200
    assert [contents(node) for node in hosts] == [(BINDINGS, WWIDS)] * 3


@pytest.mark.parametrize("action", ["rescan", "scan", "RESCAN"])
def test_a_rescan_needs_no_files(hosts: list[NodeUnderTest], action: str) -> None:
    shutil.rmtree(hosts[0].root / "etc/multipath")
    for node in hosts[:2]:
        adapter(node, "host0")
        expect_scan(node, "host0")
    answer = hosts[0].call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["action"]) == (200, "rescan")
    steps = [entry["steps"] for entry in answer.body["results"]]
    assert steps[0] == steps[1] == [{"name": "rescan_scsi", "status": "succeeded", "message": "ok"}]
    # A host without SCSI adapters has nothing to look for: `scan` of /cube/gfs/manage says the same.
    told = {"name": "rescan_scsi", "status": "succeeded", "message": "ok", "output": "there is no SCSI adapter"}
    assert steps[2] == [told]


def test_a_host_that_is_off(network: Network, hosts: list[NodeUnderTest]) -> None:
    network.is_silent(HOSTS[1], PATH, connected=False)
    answer = hosts[0].call("POST", PATH)
    assert (answer.status, answer.body["message"]) == (502, "ablecube31-2: no connection")
    assert (answer.body["action"], answer.body["target"]) == ("sync", "fanout")
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "unreachable", "ok"]
    assert contents(hosts[2]) == (BINDINGS, WWIDS)


def test_a_host_that_fails_tells_its_steps(network: Network, hosts: list[NodeUnderTest]) -> None:
    adapter(hosts[1], "host0")
    expect_scan(hosts[1], "host0", CommandTimedOut("tee did not end within 60 s and was killed"))
    answer = hosts[0].call("POST", PATH)
    assert answer.status == 502
    text = "host0: tee did not end within 60 s and was killed"
    assert answer.body["message"].startswith(f"ablecube31-2: step rescan_scsi failed: {text}")
    failed = answer.body["results"][1]
    assert (failed["code"], failed["outcome"]) == (504, "failed")
    assert failed["steps"] == [{"name": "rescan_scsi", "status": "failed", "message": text}]
    assert contents(hosts[1]) == (None, None)


def test_this_node_fails_and_the_others_are_done_all_the_same(hosts: list[NodeUnderTest]) -> None:
    adapter(hosts[0], "host0")
    expect_scan(hosts[0], "host0", CommandFailed("tee ended with code 1: Input/output error"))
    answer = hosts[0].call("POST", PATH)
    assert [entry["outcome"] for entry in answer.body["results"]] == ["failed", "ok", "ok"]
    assert answer.body["results"][0]["steps"][0]["status"] == "failed"
    assert contents(hosts[2]) == (BINDINGS, WWIDS)


def test_a_busy_host(hosts: list[NodeUnderTest], network: Network) -> None:
    holder = {"code": 409, "message": "storage is held by job 7", "holder": "root", "age_seconds": 3}
    network.answers(HOSTS[2], PATH, 409, holder)
    answer = hosts[0].call("POST", PATH)
    assert (answer.status, answer.body["results"][2]["code"]) == (502, 409)
    assert "storage is held by job 7" in answer.body["message"]


def test_two_at_once(hosts: list[NodeUnderTest], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is told who holds this node; nothing of it is begun."""
    seen: list[Any] = []

    def rescan(env: Any) -> list[str]:
        if env.settings is hosts[0].settings and not seen:
            seen.append(hosts[0].call("POST", PATH, {"action": "rescan"}))
        return []

    monkeypatch.setattr("ablestack_api.hosts.scsi_scan.rescan", rescan)
    assert hosts[0].call("POST", PATH).status == 200
    assert (seen[0].status, seen[0].body["type"]) == (409, "urn:ablestack:error:busy")


# --- what this node sends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["bindings", "wwids"])
def test_without_its_files(network: Network, hosts: list[NodeUnderTest], missing: str) -> None:
    (hosts[0].root / "etc/multipath" / missing).unlink()
    answer = hosts[0].call("POST", PATH)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:file_unusable")
    assert answer.body["message"].startswith(f"failed to read /etc/multipath/{missing}: ")
    assert network.calls == []


@pytest.mark.parametrize(
    ("bindings", "wwids", "told"),
    [
        ("mpatha\n", WWIDS, "/etc/multipath/bindings is damaged: line 1"),
        (f"{BINDINGS}a b c\n", WWIDS, "/etc/multipath/bindings is damaged: line 4"),
        ("mpatha 36\x1b\n", WWIDS, "/etc/multipath/bindings is damaged: line 1"),
        ("mpatha 36\x1cmpathb 37\n", WWIDS, "/etc/multipath/bindings is damaged: line 1"),
        ("mpatha 36\r\n", WWIDS, "/etc/multipath/bindings is damaged: line 1"),
        (BINDINGS, "3600a0b8\n", "/etc/multipath/wwids is damaged: line 1"),
        (BINDINGS, "/a b/\n", "/etc/multipath/wwids is damaged: line 1"),
        (BINDINGS, "//\n", "/etc/multipath/wwids is damaged: line 1"),
    ],
)
def test_damaged_files_go_nowhere(
    network: Network, hosts: list[NodeUnderTest], bindings: str, wwids: str, told: str
) -> None:
    put(hosts[0], bindings, wwids)
    answer = hosts[0].call("POST", PATH)
    assert (answer.status, answer.body["message"].startswith(told)) == (409, True), answer.body
    assert network.calls == []


def test_bytes_that_are_no_text(network: Network, hosts: list[NodeUnderTest]) -> None:
    (hosts[0].root / "etc/multipath/bindings").write_bytes(b"mpath\xff 36\n")
    assert hosts[0].call("POST", PATH).status == 409
    assert network.calls == []


def test_empty_files_are_files(hosts: list[NodeUnderTest]) -> None:
    put(hosts[0], "# Multipath bindings\n", "")
    put(hosts[1], OLD_BINDINGS, OLD_WWIDS)
    assert hosts[0].call("POST", PATH).status == 200
    assert contents(hosts[1]) == ("# Multipath bindings\n", "")


def test_a_node_without_a_cluster(node: NodeUnderTest) -> None:
    assert node.call("POST", PATH).body["type"].endswith("cluster_file_missing")
    node.write_cluster({"clusterConfig": {}})
    answer = node.call("POST", PATH)
    assert (answer.status, answer.body["message"].partition(":")[0]) == (409, "hosts[].ablecube required")


def test_it_wants_a_credential(node: NodeUnderTest) -> None:
    assert node.call("POST", PATH, headers={}).status == 401
    assert node.call("POST", PATH, SENT, headers=LOCAL).status == 401


# --- the plan --------------------------------------------------------------------------------------------------------


def test_the_plan(network: Network, hosts: list[NodeUnderTest]) -> None:
    before = [files(node) for node in hosts]
    adapter(hosts[0], "host0")
    answer = hosts[0].call("POST", f"{PATH}?plan=true", {"target_hostnames": NAMES[1:]})
    assert (answer.status, answer.body["action"], answer.body["target"]) == (200, "sync", "fanout")
    val = answer.body["val"]
    assert [step["step"] for step in val["steps"]] == STEPS
    assert val["steps"][4]["commands"] == [["systemctl", "stop", "--", "multipathd"]]
    assert [step["step"] for step in val["steps"] if step["undo"]] == [
        "mpathconf_enable",
        "multipathd_stop",
        "write_source_files",
    ]
    assert val["targets"] == [{"hostname": NAMES[n], "target": HOSTS[n]} for n in (1, 2)]
    assert [files(node) for node in hosts] == before
    assert network.calls == []
    assert "x-job-id" not in answer.headers


# --- one node's part, with the programs of a real system --------------------------------------------------------------


@pytest.fixture
def whole(node: NodeUnderTest) -> NodeUnderTest:
    """A node that takes its folder for the whole system, with files of its own."""
    node.write_cluster(documents.document("ablestack-vm"))
    whole_system.believe(node)
    put(node, OLD_BINDINGS, OLD_WWIDS)
    return node


def expect_begin(node: NodeUnderTest, mpathconf: ApiError | None = None) -> None:
    node.runner.expect(["mpathconf", "--enable"], raises=mpathconf)
    node.runner.expect(["systemctl", "enable", "--now", "--", "multipathd"])
    node.runner.expect(["udevadm", "settle", "--timeout=30"])


def expect_stop(node: NodeUnderTest, socket: ApiError | None = None) -> None:
    node.runner.expect(["systemctl", "stop", "--", "multipathd.socket"], raises=socket)
    node.runner.expect(["systemctl", "stop", "--", "multipathd"])


def expect_flush(node: NodeUnderTest) -> None:
    node.runner.expect(DMSETUP, stdout=MAPS)
    node.runner.expect(["multipath", "-f", "mpathz"])


def local(node: NodeUnderTest, **changes: Any) -> Any:
    return node.call("POST", PATH, {**SENT, **changes}, headers={**node.internal(), **LOCAL})


def test_every_step(whole: NodeUnderTest) -> None:
    adapter(whole, "host0")
    expect_scan(whole, "host0")
    expect_begin(whole)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"])
    answer = local(whole)
    assert (answer.status, answer.body["target"], answer.body["action"]) == (200, "local", "sync")
    assert [step["name"] for step in answer.body["steps"]] == STEPS
    assert {(step["status"], step["message"]) for step in answer.body["steps"]} == {("succeeded", "ok")}
    assert answer.body["steps"][5]["output"] == "in use, not touched: mpatha"
    assert contents(whole) == (BINDINGS, WWIDS)


def test_files_that_are_there_already(whole: NodeUnderTest) -> None:
    """multipathd is not stopped, no map is touched."""
    put(whole, BINDINGS, WWIDS)
    expect_begin(whole)
    answer = local(whole)
    assert answer.status == 200
    assert {step["output"] for step in answer.body["steps"][3:]} == {NOTHING}


MISSING = ProgramMissing("the program mpathconf is not installed on this node", program="mpathconf", package="x")


def test_without_mpathconf_the_settings_are_ours(whole: NodeUnderTest) -> None:
    expect_begin(whole, mpathconf=MISSING)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"])
    answer = local(whole)
    assert answer.status == 200
    assert answer.body["steps"][1] == {
        "name": "mpathconf_enable",
        "status": "succeeded",
        "message": "ok",
        "output": "there is no mpathconf here; wrote /etc/multipath/conf.d/ablestack.conf",
    }
    assert "user_friendly_names yes" in files(whole)["multipath/conf.d/ablestack.conf"]


def test_settings_of_an_operator_stand(whole: NodeUnderTest) -> None:
    (whole.root / "etc/multipath.conf").write_text("defaults {\n}\n")
    put(whole, BINDINGS, WWIDS)
    expect_begin(whole, mpathconf=MISSING)
    before = files(whole)
    assert local(whole).status == 200
    assert files(whole) == before


def test_new_settings_alone_restart_multipathd(whole: NodeUnderTest) -> None:
    put(whole, BINDINGS, WWIDS)
    expect_begin(whole, mpathconf=MISSING)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"])
    assert local(whole).status == 200


def test_steps_that_may_fail(whole: NodeUnderTest) -> None:
    """The socket unit and the flushing; a map that multipath finds in use stays."""
    expect_begin(whole)
    expect_stop(whole, socket=CommandFailed("systemctl ended with code 5: Unit multipathd.socket not loaded."))
    whole.runner.expect(DMSETUP, stdout=MAPS)
    whole.runner.expect(["multipath", "-f", "mpathz"], raises=CommandFailed("multipath ended with code 1: map in use"))
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"])
    answer = local(whole)
    assert answer.status == 200
    steps = {step["name"]: step for step in answer.body["steps"]}
    assert steps["multipathd_socket_stop"]["status"] == "failed"
    assert "not loaded" in steps["multipathd_socket_stop"]["message"]
    assert steps["multipath_flush"]["output"] == (
        "mpathz stays: multipath ended with code 1: map in use; in use, not touched: mpatha"
    )
    assert contents(whole) == (BINDINGS, WWIDS)


def test_without_a_device_mapper(whole: NodeUnderTest) -> None:
    expect_begin(whole)
    expect_stop(whole)
    whole.runner.expect(DMSETUP, raises=CommandFailed("dmsetup ended with code 1: Failure to communicate"))
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"])
    answer = local(whole)
    assert (answer.status, statuses(answer.body["steps"])["multipath_flush"]) == (200, "failed")


# --- half way --------------------------------------------------------------------------------------------------------

RESTART_FAILED = CommandFailed("systemctl ended with code 1: Job for multipathd.service failed")


def test_a_restart_that_fails_is_undone(whole: NodeUnderTest) -> None:
    expect_begin(whole)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"], raises=RESTART_FAILED)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"])
    before = contents(whole)
    answer = local(whole)
    assert answer.status == 502
    assert contents(whole) == before == (OLD_BINDINGS, OLD_WWIDS)
    assert answer.body["message"].startswith(f"step multipathd_restart failed: {RESTART_FAILED.args[0]}; undone: ")
    steps = {step["name"]: (step["status"], step["message"]) for step in answer.body["steps"]}
    assert steps["multipathd_restart"] == ("failed", RESTART_FAILED.args[0])
    assert steps["write_source_files"] == steps["multipathd_stop"] == ("succeeded", "done, then undone")
    assert steps["multipathd_enable"] == ("succeeded", "ok")
    assert (answer.body["action"], answer.body["target"]) == ("sync", "local")


def test_files_that_were_not_there_are_not_there_afterwards(whole: NodeUnderTest) -> None:
    shutil.rmtree(whole.root / "etc/multipath")
    expect_begin(whole, mpathconf=MISSING)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"], raises=RESTART_FAILED)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"])
    assert local(whole).status == 502
    assert files(whole) == {}


def test_what_cannot_be_undone_is_told(whole: NodeUnderTest) -> None:
    expect_begin(whole)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "restart", "--", "multipathd"], raises=RESTART_FAILED)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"], raises=CommandFailed("systemctl: start failed"))
    answer = local(whole)
    assert "could not be undone, see to it by hand: multipathd_stop (systemctl: start failed)" in answer.body["message"]
    assert statuses(answer.body["steps"])["multipathd_stop"] == "failed"
    assert contents(whole) == (OLD_BINDINGS, OLD_WWIDS)


def test_a_full_disk_at_the_second_file(whole: NodeUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_begin(whole)
    expect_stop(whole)
    expect_flush(whole)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"])
    real = json_file.write_bytes

    def write(path: str, content: bytes, **more: Any) -> None:
        if path.endswith("/wwids") and content != OLD_WWIDS.encode():
            raise OSError("no space")
        real(path, content, **more)

    def full(path: str, content: bytes, **more: Any) -> None:
        try:
            write(path, content, **more)
        except OSError as error:
            raise DiskFull(f"{path}: No space left on device; free some space") from error

    monkeypatch.setattr(json_file, "write_bytes", full)
    answer = local(whole)
    assert answer.status == 507
    assert contents(whole) == (OLD_BINDINGS, OLD_WWIDS)


def test_a_multipathd_that_does_not_stop(whole: NodeUnderTest) -> None:
    """Nobody knows whether it stopped: it is started again."""
    expect_begin(whole)
    whole.runner.expect(["systemctl", "stop", "--", "multipathd.socket"])
    hangs = CommandTimedOut("systemctl did not end within 15 s and was killed")
    whole.runner.expect(["systemctl", "stop", "--", "multipathd"], raises=hangs)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"])
    answer = local(whole)
    assert (answer.status, contents(whole)) == (504, (OLD_BINDINGS, OLD_WWIDS))


def test_the_deadline_ends_the_work_but_not_the_undoing(whole: NodeUnderTest) -> None:
    expect_begin(whole)
    expect_stop(whole)
    whole.runner.expect(["systemctl", "start", "--", "multipathd"])
    real = whole.runner.run

    def run(argv: Any, **more: Any) -> Any:
        done = real(argv, **more)
        if list(argv) == ["systemctl", "stop", "--", "multipathd"]:
            whole.clock.advance(multipath_sync.SECONDS)
        return done

    whole.runner.run = run  # type: ignore[method-assign]
    answer = local(whole)
    assert answer.status == 504
    assert "was not begun: the time for the whole work is over" in answer.body["message"]
    assert contents(whole) == (OLD_BINDINGS, OLD_WWIDS)


# --- what another node sends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source_provided": False}, "source_provided"),
        ({"source_provided": None}, "source_provided"),
        ({"bindings": "<html>no\nbindings</html>"}, "bindings"),
        ({"wwids": "<html>\n"}, "wwids"),
        ({"bindings": "a\0 b\n"}, "bindings"),
        ({"action": "flush"}, "action"),
    ],
)
def test_a_part_that_is_refused(whole: NodeUnderTest, changes: dict[str, Any], field: str) -> None:
    before = files(whole)
    answer = local(whole, **changes)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert files(whole) == before


def test_targets_mean_nothing_in_a_part(whole: NodeUnderTest) -> None:
    put(whole, BINDINGS, WWIDS)
    expect_begin(whole)
    assert local(whole, targets=["192.0.2.66"]).status == 200
    assert whole.peers.made == []


def test_the_plan_of_a_part(whole: NodeUnderTest) -> None:
    answer = whole.call("POST", f"{PATH}?plan=true", SENT, headers={**whole.internal(), **LOCAL})
    assert (answer.status, answer.body["target"]) == (200, "local")
    assert [step["step"] for step in answer.body["val"]["steps"]] == STEPS
    assert contents(whole) == (OLD_BINDINGS, OLD_WWIDS)


def test_ten_adapters_side_by_side(node: NodeUnderTest) -> None:
    paths = [adapter(node, f"host{number}") for number in range(12)]
    env = replace(node.env, runner=SystemRunner("/usr/bin:/bin", "/root"))
    assert scsi_scan.rescan(env) == [f"host{number}" for number in range(12)]
    assert [path.read_text() for path in paths] == ["- - -\n"] * 12


def test_the_job_tells_its_steps(hosts: list[NodeUnderTest]) -> None:
    answer = hosts[0].call("POST", PATH, {"targets": [HOSTS[0]]})
    job = hosts[0].call("GET", f"/jobs/{answer.headers['x-job-id']}")
    assert job.status == 200
    told = json.dumps(job.body)
    assert "multipath sync" in told
    assert BINDINGS.splitlines()[1] not in told
