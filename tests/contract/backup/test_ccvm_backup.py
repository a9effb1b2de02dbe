"""POST /cube/ccvm/backup and /cube/ccvm/restore: validation, routing, schedules (contract 04 §4, §5).

Real backups and restores: tests/nodes/test_disk_backup.py.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.node_under_test import NodeUnderTest
from tests.support.pacemaker_xml import status

BACKUP, RESTORE = "/cube/ccvm/backup", "/cube/ccvm/restore"
CRM_MON = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]


@pytest.fixture
def standalone(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-standalone"))
    (node.root / "mnt/glue").mkdir(parents=True)
    return node


@pytest.fixture
def vm(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-vm"))
    (node.root / "mnt/glue-gfs").mkdir(parents=True)
    return node


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "unsupported action"),
        ({"action": "delete"}, "unsupported action"),
        ({"action": "backup"}, "target_dir required"),
        ({"action": "backup", "target_dir": "mnt/x"}, "target_dir must be an absolute path"),
        ({"action": "schedule"}, "invalid repeat option"),
        ({"action": "schedule", "repeat": "weekly", "time": "02:00"}, "invalid repeat option"),
        ({"action": "schedule", "repeat": "daily"}, "time must be HH:MM"),
        ({"action": "schedule", "repeat": "daily", "time": "2am"}, "time must be HH:MM"),
        ({"action": "schedule", "repeat": "daily", "time": "25:00"}, "time out of range"),
        ({"action": "schedule", "repeat": "monthly", "time": "02:00"}, "day is required for monthly schedule"),
        ({"action": "schedule", "repeat": "monthly", "time": "02:00", "day": 32}, "day is required for monthly schedule"),
        (
            {"action": "schedule", "repeat": "yearly", "time": "02:00", "day": 3, "month": 13},
            "day and month are required for yearly schedule",
        ),
        ({"action": "schedule-delete", "repeat": "daily", "time": "02:00"}, "retain_months required"),
        ({"action": "schedule-delete", "repeat": "daily", "time": "02:00", "retain_months": -1}, "retain_months required"),
        (
            {"action": "schedule-delete", "repeat": "hourly", "time": "02:00", "retain_months": 1},
            "delete repeat option must be daily or monthly",
        ),
    ],
)
def test_bad_input(standalone: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = standalone.call("POST", BACKUP, body)
    assert (answer.status, answer.body["message"]) == (400, message)


@pytest.mark.parametrize("folder", ["/etc", "/var/lib/libvirt/images", "/mnt/../etc", "/"])
def test_a_folder_outside_the_roots(standalone: NodeUnderTest, folder: str) -> None:
    answer = standalone.call("POST", BACKUP, {"action": "backup", "target_dir": folder})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "target_dir")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "a\\b"])
def test_a_restore_takes_a_plain_name(standalone: NodeUnderTest, name: str) -> None:
    answer = standalone.call("POST", RESTORE, {"target_file": name})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "target_file")


def test_a_folder_is_no_backup(standalone: NodeUnderTest) -> None:
    """Contract 04 B-35: its name passed the check, and the disk was truncated."""
    (standalone.root / "mnt/glue/backup/ccvm/script").mkdir(parents=True)
    (standalone.root / "mnt/glue/backup/ccvm/ccvm.qcow2-20260101_000000").mkdir()
    for name in ("script", "ccvm.qcow2-20260101_000000", "ccvm.qcow2-none"):
        assert standalone.call("POST", RESTORE, {"target_file": name}).status == 404


@pytest.mark.parametrize("path", [BACKUP, RESTORE])
def test_hci_types_have_snapshots_instead(node: NodeUnderTest, path: str) -> None:
    node.write_cluster(documents.document())
    answer = node.call("POST", path, {"action": "list", "target_file": "x"})
    assert answer.status == 400
    assert "/cube/ccvm/snap" in answer.body["message"]


def test_schedules_and_their_overview(standalone: NodeUnderTest) -> None:
    asked = {"action": "schedule", "repeat": "daily", "time": "2:30"}
    assert standalone.call("POST", BACKUP, asked).body["val"] == "정기 백업 설정 완료"
    policy = {"action": "schedule-delete", "repeat": "monthly", "time": "04:00", "day": 1, "retain_months": 3}
    assert standalone.call("POST", BACKUP, policy).body["val"] == "삭제 관리 설정 완료"
    value = standalone.call("POST", BACKUP, {"action": "overview"}).body["val"]
    assert value["schedule"] == {
        "active": True,
        "message": "",
        "repeat": "daily",
        "time": "02:30",
        "day": 0,
        "month": 0,
        "cron": "30 2 * * *",
        "last_run": "",
        "time_label": "02:30",
    }
    assert (value["delete"]["retention_months"], value["delete"]["retention_label"]) == (3, "3개월")
    assert (value["backups"], value["backups_message"]) == ([], "")
    assert standalone.call("POST", BACKUP, {"action": "unschedule"}).body["val"] == "정기 백업 비활성화 완료"
    value = standalone.call("POST", BACKUP, {"action": "overview"}).body["val"]
    assert value["schedule"] == {"active": False, "message": "설정된 정기 백업이 없습니다"}
    assert value["delete"]["active"]


def test_a_list_names_what_is_proven(standalone: NodeUnderTest) -> None:
    folder = standalone.root / "mnt/glue/backup/ccvm"
    folder.mkdir(parents=True)
    (folder / "ccvm.qcow2-20260501_023000").write_bytes(b"x" * 1536)
    (folder / "ccvm.qcow2-20260502_023000").write_bytes(b"y")
    (folder / "ccvm.qcow2-20260502_023000.json").write_text('{"size_bytes": 1}')
    (folder / "notes").write_text("")
    items = standalone.call("POST", BACKUP, {"action": "list"}).body["val"]
    assert [(item["name"], item["proven"], item["size_human"]) for item in items] == [
        ("ccvm.qcow2-20260502_023000", True, "1 B"),
        ("ccvm.qcow2-20260501_023000", False, "1.5 KB"),
    ]
    assert items[1]["created_time"] == "2026-05-01 02:30:00"


def test_a_broken_schedule_file_is_told(standalone: NodeUnderTest) -> None:
    path = Path(standalone.root / "mnt/glue/backup/ccvm/script/ccvm-backup-config.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    answer = standalone.call("POST", BACKUP, {"action": "schedule", "repeat": "daily", "time": "02:00"})
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
    assert path.read_text() == "{"


def test_a_backup_is_made_where_the_vm_runs(vm: NodeUnderTest) -> None:
    name = documents.document("ablestack-vm")["clusterConfig"]["pcsCluster"]["hostname2"]
    vm.runner.expect(CRM_MON, stdout=status(where=name))
    told = {"code": 200, "val": {"target_file": "/mnt/x"}, "message": "ok", "target": "10.10.31.2", "action": "backup"}
    vm.peers.expect("10.10.31.2", "POST", BACKUP, 200, told)
    answer = vm.call("POST", BACKUP, {"action": "backup", "target_dir": "/mnt/glue-gfs/b"})
    assert answer.body == told
    assert vm.peers.made[0].headers["X-Cube-CCVM-Backup-Local"] == "1"


def test_without_a_running_vm(vm: NodeUnderTest) -> None:
    vm.runner.expect(CRM_MON, stdout=status("Stopped"))
    answer = vm.call("POST", BACKUP, {"action": "backup", "target_dir": "/mnt/glue-gfs/b"})
    assert answer.status == 409
    assert "ccvm running host not found" in answer.body["message"]
    vm.runner.expect(CRM_MON, stdout=status("Stopped"))
    value = vm.call("POST", BACKUP, {"action": "status"}).body["val"]
    assert value == {"active": False, "message": "ccvm running host not found", "fields": {}, "raw": ""}
