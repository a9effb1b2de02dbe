"""POST /cube/time-server."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from tests.support import documents, whole_system
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/time-server"
RESTART = ["systemctl", "restart", "--", "chronyd"]


def chrony(node: NodeUnderTest) -> Path:
    return node.root / "etc/chrony.conf"


@pytest.fixture
def configured(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document())
    return node


def test_this_node_follows_the_other_first_host(configured: NodeUnderTest) -> None:
    answer = configured.call("POST", PATH)
    assert answer.status == 200
    assert answer.body["message"] == "ok"
    assert answer.body["val"] == {
        "config_path": str(chrony(configured)),
        "mode": "internal",
        "self_index": "1",
        "time_servers": ["10.10.31.1", "10.10.31.2"],
        "applied_time_servers": ["10.10.31.2"],
        "external_timeserver": "ntp.example",
        "local_stratum_enabled": True,
        "restarted": False,
        "skipped": ["systemctl restart chronyd"],
    }
    lines = chrony(configured).read_text().splitlines()
    assert lines[1:] == [
        "server ntp.example iburst",
        "server 10.10.31.2 iburst minpoll 4 maxpoll 6",
        "driftfile /var/lib/chrony/drift",
        "makestep 1.0 3",
        "rtcsync",
        "allow 10.10.0.0/16",
        "local stratum 10 orphan",
        "keyfile /etc/chrony.keys",
        "leapsectz right/UTC",
        "logdir /var/log/chrony",
    ]
    assert chrony(configured).stat().st_mode & 0o777 == 0o644


def test_the_third_host_follows_the_first_two_and_prefers_the_second(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN="10.10.31.3:8090")
    (node.root / "etc/hostname").write_text("ablecube31-3\n")
    node.write_cluster(documents.document())
    value = node.call("POST", PATH, {}).body["val"]
    assert (value["self_index"], value["applied_time_servers"]) == ("3", ["10.10.31.1", "10.10.31.2"])
    text = chrony(node).read_text()
    assert "server 10.10.31.1 iburst minpoll 4 maxpoll 6\nserver 10.10.31.2 prefer iburst minpoll 4 maxpoll 6\n" in text


def test_the_body_overrides_the_file(configured: NodeUnderTest) -> None:
    body = {"external_timeserver": "time.example", "time_servers": ["10.9.9.9", "ablecube31-1", "10.10.31.1"]}
    value = configured.call("POST", PATH, body).body["val"]
    assert (value["external_timeserver"], value["applied_time_servers"]) == ("time.example", ["10.9.9.9"])
    assert configured.cluster()["clusterConfig"]["external_timeserver"] == "ntp.example"


@pytest.mark.parametrize(
    ("servers", "external", "mode", "stratum"),
    [
        (["10.10.31.1"], "ntp.example", "external", "#local stratum 10 orphan"),
        (["10.10.31.1"], "", "none", "#local stratum 10 orphan"),
        (["10.10.31.2"], "", "internal", "local stratum 10 orphan"),
    ],
)
def test_modes(node: NodeUnderTest, servers: list[str], external: str, mode: str, stratum: str) -> None:
    document = documents.document()
    document["clusterConfig"]["external_timeserver"] = external
    node.write_cluster(document)
    value = node.call("POST", PATH, {"time_servers": servers}).body["val"]
    assert value["mode"] == mode
    assert value["local_stratum_enabled"] is (mode == "internal")
    assert ("external_timeserver" in value) is bool(external)
    assert stratum in chrony(node).read_text().splitlines()


def test_a_removed_first_host_is_replaced_by_the_next(node: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["hosts"] = [documents.host(number) for number in (12, 3, 2)]
    node.write_cluster(document)
    assert node.call("POST", PATH).body["val"]["time_servers"] == ["10.10.31.2", "10.10.31.3"]


def test_only_the_cluster_may_ask_for_the_time(node: NodeUnderTest) -> None:
    """W43: 0.1.2 allowed the whole world."""
    document = documents.document()
    document["clusterConfig"]["mngtNic"]["cidr"] = ""
    node.write_cluster(document)
    node.call("POST", PATH)
    allowed = [line for line in chrony(node).read_text().splitlines() if line.startswith("allow")]
    assert allowed == ["allow 10.10.31.1/32", "allow 10.10.31.2/32", "allow 10.10.31.3/32"]


def test_an_unconfigured_node_has_no_servers(node: NodeUnderTest) -> None:
    node.write_cluster({"clusterConfig": {}})
    value = node.call("POST", PATH).body["val"]
    assert value["mode"] == "none"
    assert not any(key in value for key in ("self_index", "time_servers", "applied_time_servers", "external_timeserver"))


def test_debian_keeps_the_file_in_a_folder(configured: NodeUnderTest) -> None:
    (configured.root / "etc/chrony").mkdir()
    value = configured.call("POST", PATH).body["val"]
    assert value["config_path"] == str(configured.root / "etc/chrony/chrony.conf")
    assert "keyfile /etc/chrony/chrony.keys" in Path(value["config_path"]).read_text()


BAD = [
    "a b",
    "10.10.31.256",
    "-ntp",
    "ntp.example\nallow 0.0.0.0/0",
    "#",
    "시간",
    "a" * 10_000,
    "ntp\0",
    "10.0.0.1 iburst",
    "0.0.0.0",
]


@pytest.mark.parametrize("value", BAD, ids=ascii)
@pytest.mark.parametrize("place", ["external_timeserver", "time_servers"])
def test_bad_names_never_reach_the_file(configured: NodeUnderTest, place: str, value: str) -> None:
    body: dict[str, Any] = {place: value if place == "external_timeserver" else ["10.10.31.2", value]}
    answer = configured.call("POST", PATH, body)
    expected = place if place == "external_timeserver" else "time_servers.1"
    assert (answer.status, [fault["field"] for fault in answer.body["errors"]]) == (400, [expected])
    assert not chrony(configured).exists()


@pytest.mark.parametrize(
    "body",
    [
        {"time_servers": [""]},
        {"time_servers": [None]},
        {"time_servers": "x"},
        {"time_servers": ["x"] * 17},
        {"external_timeserver": 1},
    ],
    ids=str,
)
def test_other_bad_bodies(configured: NodeUnderTest, body: dict[str, Any]) -> None:
    assert configured.call("POST", PATH, body).status == 400
    assert not chrony(configured).exists()


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"x"])
def test_a_body_is_json_or_nothing(configured: NodeUnderTest, body: bytes) -> None:
    assert configured.call("POST", PATH, body).status == 400


# --- on a whole system ------------------------------------------------------------------------------------------------


def test_chrony_is_restarted(configured: NodeUnderTest) -> None:
    whole_system.believe(configured).runner.expect(RESTART)
    value = configured.call("POST", PATH).body["val"]
    assert value["restarted"] is True
    assert "skipped" not in value


def test_chrony_is_restarted_soon_after_other_restarts(configured: NodeUnderTest) -> None:
    runner = whole_system.believe(configured).runner
    told = "Job for chrony.service failed because start of the service was attempted too often.\n"
    runner.expect(RESTART, code=1, stderr=told)
    runner.expect(["systemctl", "reset-failed", "--", "chronyd"])
    runner.expect(RESTART)
    assert configured.call("POST", PATH).body["val"]["restarted"] is True


RESTART_FAILURES: list[tuple[dict[str, Any], int]] = [
    ({"code": 1, "stderr": "Job for chronyd.service failed\n"}, 502),
    ({"raises": CommandTimedOut("systemctl did not end within 15 s", program="systemctl", seconds=15)}, 504),
    ({"raises": ProgramMissing("systemctl is not installed", program="systemctl", package="systemd")}, 503),
]


@pytest.mark.parametrize(("printed", "status"), RESTART_FAILURES)
@pytest.mark.parametrize("before", [None, b"# by hand\nserver 10.1.1.1\n"])
def test_the_old_file_comes_back_when_the_restart_fails(
    configured: NodeUnderTest, printed: dict[str, Any], status: int, before: bytes | None
) -> None:
    if before is not None:
        chrony(configured).write_bytes(before)
    whole_system.believe(configured).runner.expect(RESTART, **printed)
    assert configured.call("POST", PATH).status == status
    assert (chrony(configured).read_bytes() if chrony(configured).exists() else None) == before
