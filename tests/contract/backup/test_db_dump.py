"""POST /cube/db/dump: validation, routing, schedules (contract 04 §6). Real dumps: tests/nodes/test_database_dump.py."""

from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed, ProgramMissing
from tests.support import documents, whole_system
from tests.support.node_under_test import OWN_ADDRESS, NodeUnderTest

DUMP = "/cube/db/dump"
CRON = ["systemctl", "is-active", "--quiet", "--"]
LIST = ["crontab", "-u", "root", "-l"]
INSTALL = ["crontab", "-u", "root", "-"]
NO_TABLE: dict[str, Any] = {"stderr": "no crontab for root\n", "code": 1}
FOREIGN = "*/5 * * * * /usr/bin/true\n"
MAKE = "/usr/bin/ablestack-api db-dump make --path {}"
QUEUES = "3\tFri May  1 10:00:00 2026 a root\n7\tSat Jul  4 02:00:00 2026 r root\n8\tSat Jul  4 03:00:00 2026 d root\n"


@pytest.fixture
def ccvm(node: NodeUnderTest) -> NodeUnderTest:
    """The Cloud Center VM, as a whole system."""
    document = documents.document()
    document["clusterConfig"]["ccvm"]["ip"] = OWN_ADDRESS
    node.write_cluster(document)
    (node.root / "home/db_backup").mkdir(parents=True)
    return whole_system.believe(node)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "unsupported action"),
        ({"action": "backup"}, "unsupported action"),
        ({"action": "checkBackup"}, "checkOption must be r or d"),
        ({"action": "deactiveBackup", "checkOption": "x"}, "checkOption must be r or d"),
        ({"action": "instantBackup", "path": "home/x"}, "path must be an absolute path"),
        ({"action": "instantBackup", "path": "/home/a\nb"}, "invalid path"),
        ({"action": "regularBackup"}, "repeat must be no/hourly/daily/weekly/monthly"),
        ({"action": "regularBackup", "repeat": "yearly"}, "repeat must be no/hourly/daily/weekly/monthly"),
        ({"action": "regularBackup", "repeat": "no"}, "timeone required"),
        (
            {"action": "regularBackup", "repeat": "no", "timeone": "-f /etc/shadow"},
            "timeone: not a time that at(1) understands",
        ),
        ({"action": "regularBackup", "repeat": "no", "timeone": "now\nrm"}, "timeone: not a time that at(1) understands"),
        ({"action": "regularBackup", "repeat": "no", "timeone": "$(reboot)"}, "timeone: not a time that at(1) understands"),
        ({"action": "regularBackup", "repeat": "daily", "timeone": "noon"}, "timeone must be HH:mm"),
        ({"action": "regularBackup", "repeat": "daily", "timeone": "25:00"}, "timeone hour must be 0-23"),
        ({"action": "regularBackup", "repeat": "daily", "timeone": "23:60"}, "timeone minute must be 0-59"),
        ({"action": "regularBackup", "repeat": "daily", "timeone": "-1:10"}, "timeone must be HH:mm"),
        ({"action": "regularBackup", "repeat": "weekly", "timeone": "02:00", "timetwo": "7"}, "timetwo must be weekday 0-6"),
        (
            {"action": "regularBackup", "repeat": "monthly", "timeone": "02:00", "timetwo": "1-32"},
            "timetwo must be month interval-day, for example 1-15",
        ),
        (
            {"action": "regularBackup", "repeat": "monthly", "timeone": "02:00", "timetwo": "0-5"},
            "timetwo must be month interval-day, for example 1-15",
        ),
        (
            {"action": "deleteOldBackup", "repeat": "daily", "timeone": "02:00", "delete": "-3"},
            "delete must be a non-negative day number",
        ),
        (
            {"action": "deleteOldBackup", "repeat": "daily", "timeone": "02:00", "delete": "1.5"},
            "delete must be a non-negative day number",
        ),
        ({"action": "verify", "file": "../../etc/passwd"}, "file: not a file name"),
    ],
)
def test_bad_input_is_named(ccvm: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = ccvm.call("POST", DUMP, body)
    assert (answer.status, answer.body["message"]) == (400, message)
    assert answer.body["errors"]


@pytest.mark.parametrize("path", ["/etc/cron.d", "/", "/usr/bin", "/home/../etc", "/var/lib/mysql", "/home-of-somebody"])
def test_dumps_only_go_below_the_roots_for_backups(ccvm: NodeUnderTest, path: str) -> None:
    answer = ccvm.call("POST", DUMP, {"action": "instantBackup", "path": path})
    assert answer.status == 400
    assert "ABLESTACK_BACKUP_ROOTS" in answer.body["message"]


def test_a_link_out_of_the_roots_is_followed_and_refused(ccvm: NodeUnderTest) -> None:
    (ccvm.root / "etc/secret").mkdir()
    (ccvm.root / "home/out").symlink_to(ccvm.root / "etc/secret")
    assert ccvm.call("POST", DUMP, {"action": "instantBackup", "path": "/home/out"}).status == 400


@pytest.mark.parametrize(
    ("times", "entry"),
    [
        ({"repeat": "hourly", "timeone": "00:05"}, "#RegularBackup hourly 2026-07-01 10:05\n5 */1 * * *"),
        ({"repeat": "daily", "timeone": "2:00"}, "#RegularBackup daily 2026-07-02 02:00\n0 2 * * *"),
        ({"repeat": "weekly", "timeone": "02:00", "timetwo": "1"}, "#RegularBackup weekly 2026-07-06 02:00 1\n0 2 * * 1"),
        (
            {"repeat": "monthly", "timeone": "02:00", "timetwo": "1-15"},
            "#RegularBackup monthly 2026-07-15 02:00 1-15\n0 2 15 */1 *",
        ),
    ],
)
def test_a_schedule_is_a_line_in_roots_crontab(ccvm: NodeUnderTest, times: dict[str, str], entry: str) -> None:
    folder = str(ccvm.root / "home/db_backup")
    ccvm.runner.expect(LIST, stdout=FOREIGN)
    ccvm.runner.expect(["atq"])
    ccvm.runner.expect([*CRON, "crond.service"], code=3)
    ccvm.runner.expect([*CRON, "cron.service"])
    begin, end = ("# ablestack-api: begin RegularBackup, edited by the API", "# ablestack-api: end RegularBackup")
    table = f"{FOREIGN}{begin}\n{entry} {MAKE.format(folder)}\n{end}\n"
    ccvm.runner.expect(INSTALL, stdin=table)
    answer = ccvm.call("POST", DUMP, {"action": "regularBackup", **times})
    assert answer.status == 200, answer.body
    assert answer.body == {
        "code": 200,
        "val": "Creation of mysqldump of ccvm is completed",
        "message": "ok",
        "action": "regularBackup",
        "target": "local",
    }


def test_a_table_that_cannot_be_read_is_never_replaced(ccvm: NodeUnderTest) -> None:
    """Contract 04 B-26: 0.1.2 installed an empty table over it."""
    ccvm.runner.expect(LIST, stderr="crontabs/root/: fdopen: Permission denied\n", code=1)
    answer = ccvm.call("POST", DUMP, {"action": "regularBackup", "repeat": "daily", "timeone": "02:00"})
    assert answer.status == 502
    assert "Permission denied; it was left as it is" in answer.body["message"]


def test_without_cron_nothing_is_scheduled(ccvm: NodeUnderTest) -> None:
    ccvm.runner.expect(LIST, **NO_TABLE)
    ccvm.runner.expect(["atq"])
    ccvm.runner.expect([*CRON, "crond.service"], code=3)
    ccvm.runner.expect([*CRON, "cron.service"], code=4)
    answer = ccvm.call("POST", DUMP, {"action": "regularBackup", "repeat": "daily", "timeone": "02:00"})
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")


def test_once_is_a_job_for_at_and_replaces_the_schedule(ccvm: NodeUnderTest) -> None:
    folder = str(ccvm.root / "home/db_backup")
    ccvm.runner.expect(
        LIST, stdout=f"{FOREIGN}#DeleteOldBackup daily 2026-05-01 02:00 9\n0 2 * * * find . -name 'ccvm_dump_*' -delete\n"
    )
    ccvm.runner.expect(["atq"], stdout=QUEUES)
    prune = f"/usr/bin/ablestack-api db-dump prune --path {folder} --older-than 30\n"
    ccvm.runner.expect(["at", "-q", "d", "--", "02:00 tomorrow"], stderr="job 9 at Thu Jul  2 02:00:00 2026\n", stdin=prune)
    ccvm.runner.expect(INSTALL, stdin=FOREIGN)
    ccvm.runner.expect(["atrm", "8"])
    body = {"action": "deleteOldBackup", "repeat": "no", "timeone": "02:00 tomorrow", "delete": "+30"}
    assert ccvm.call("POST", DUMP, body).status == 200


def test_a_time_that_at_does_not_know_changes_nothing(ccvm: NodeUnderTest) -> None:
    ccvm.runner.expect(LIST, stdout=FOREIGN)
    ccvm.runner.expect(["atq"])
    said = "Problem in hours specification. Last token seen: 25:00\nGarbled time\n"
    ccvm.runner.expect(["at", "-q", "r", "--", "25:00"], stderr=said, code=1)
    answer = ccvm.call("POST", DUMP, {"action": "regularBackup", "repeat": "no", "timeone": "25:00"})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "timeone")


def test_a_job_that_nobody_would_run_is_taken_back(ccvm: NodeUnderTest) -> None:
    ccvm.runner.expect(LIST, stdout=FOREIGN)
    ccvm.runner.expect(["atq"])
    said = "job 7 at Sat Jul  4 02:00:00 2026\nCan't open /run/atd.pid to signal atd. No atd running?\n"
    ccvm.runner.expect(["at", "-q", "r", "--", "02:00"], stderr=said)
    ccvm.runner.expect(["atq"], stdout=QUEUES)
    ccvm.runner.expect(["atrm", "7"])
    answer = ccvm.call("POST", DUMP, {"action": "regularBackup", "repeat": "no", "timeone": "02:00"})
    assert answer.status == 409
    assert "systemctl enable --now atd" in answer.body["message"]


@pytest.mark.parametrize(
    ("option", "queues", "table", "shown"),
    [
        ("r", "", None, "None"),
        ("r", "", "#RegularBackup daily 2026-05-04 02:00\n0 2 * * * x\n", "2026-05-04 02:00 (매일)"),
        ("r", "", "#RegularBackup weekly 2026-05-04 02:00 1\n0 2 * * 1 x\n", "2026-05-04 02:00 (매주 월요일)"),
        ("d", "", "#DeleteOldBackup hourly 2026-05-04 02:10 7\n", "2026-05-04 02:10 (한 시간 마다, 7일 지난 파일 삭제)"),
        ("d", "", "#RegularBackup daily 2026-05-04 02:00\n", "None"),
        ("r", QUEUES, None, "2026-07-04 02:00 (반복 없음)"),
    ],
)
def test_what_is_scheduled(ccvm: NodeUnderTest, option: str, queues: str, table: str | None, shown: str) -> None:
    ccvm.runner.expect(["atq"], stdout=queues)
    if not queues:
        ccvm.runner.expect(LIST, **({"stdout": table} if table is not None else NO_TABLE))
    answer = ccvm.call("POST", DUMP, {"action": "CHECKBACKUP", "checkOption": option})
    assert (answer.status, answer.body["val"], answer.body["action"]) == (200, shown, "checkBackup")


@pytest.mark.parametrize(
    ("script", "days"),
    [
        ("/usr/bin/ablestack-api db-dump prune --path /home/db_backup --older-than 30\n", "30"),
        ("find '/home/db_backup' -name 'ccvm_dump_*.sql' -mtime +14 -delete\n", "14"),
        ("something else\n", "N/A"),
    ],
)
def test_a_deletion_that_runs_once(ccvm: NodeUnderTest, script: str, days: str) -> None:
    ccvm.runner.expect(["atq"], stdout=QUEUES)
    ccvm.runner.expect(["at", "-c", "8"], stdout=f"#!/bin/sh\numask 22\n{script}")
    answer = ccvm.call("POST", DUMP, {"action": "checkBackup", "checkOption": "d"})
    assert answer.body["val"] == f"2026-07-04 03:00 (반복 없음, {days}일 지난 파일 삭제)"


def test_deactivating_takes_both_kinds_away(ccvm: NodeUnderTest) -> None:
    ccvm.runner.expect(LIST, stdout=f"{FOREIGN}#RegularBackup daily 2026-05-04 02:00\n0 2 * * * mysqldump > ccvm_dump_x\n")
    ccvm.runner.expect(INSTALL, stdin=FOREIGN)
    ccvm.runner.expect(["atq"], stdout=QUEUES)
    ccvm.runner.expect(["atrm", "7"])
    answer = ccvm.call("POST", DUMP, {"action": "deactiveBackup", "checkOption": "r"})
    assert (answer.status, answer.body["val"]) == (200, "deactive")


def test_a_node_in_a_folder_has_no_crontab_of_its_own(node: NodeUnderTest) -> None:
    (node.root / "etc/hostname").write_text("ccvm\n")
    answer = node.call("POST", DUMP, {"action": "deactiveBackup", "checkOption": "r"})
    assert answer.status == 409


def test_a_host_hands_it_to_the_cloud_center_vm(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    address = documents.document()["clusterConfig"]["ccvm"]["ip"]
    node.peers.expect(address, "POST", DUMP, 200, {"code": 200, "val": "None", "message": "ok", "target": "local"})
    answer = node.call("POST", DUMP, {"action": "checkBackup", "checkOption": "r"})
    assert (answer.status, answer.body["val"], answer.body["target"]) == (200, "None", address)
    assert node.peers.made[0].headers["X-Cube-DB-Dump-Local"] == "1"


def test_a_cloud_center_vm_that_fails_is_a_failure(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    address = documents.document()["clusterConfig"]["ccvm"]["ip"]
    node.peers.expect(address, "POST", DUMP, 507, {"code": 507, "message": "/home is full"})
    answer = node.call("POST", DUMP, {"action": "instantBackup"})
    assert answer.status == 502
    assert "/home is full" in answer.body["message"]


def test_a_host_without_a_cluster_has_nobody_to_ask(node: NodeUnderTest) -> None:
    assert node.call("POST", DUMP, {"action": "instantBackup"}).status == 404


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ({"raises": ProgramMissing("mysql is not installed", program="mysql", package="mariadb")}, 503, "mysql"),
        ({"code": 1, "stderr": "ERROR 1045 (28000): Access denied for user 'root'@'localhost'\n"}, 502, "Access denied"),
        ({"stdout": ""}, 404, "made on the Cloud Center VM"),
    ],
)
def test_a_database_that_does_not_answer(ccvm: NodeUnderTest, fault: dict[str, Any], status: int, told: str) -> None:
    argv = ["mysql", "--user=root", "--batch", "--skip-column-names", "--raw"]
    ccvm.runner.expect(argv, stdin="SHOW DATABASES LIKE 'cloud';", **fault)
    answer = ccvm.call("POST", DUMP, {"action": "instantBackup"})
    assert answer.status == status, answer.body
    assert told in answer.body["message"]
    assert not list((ccvm.root / "home/db_backup").glob("ccvm_dump_*"))


def test_a_password_file_that_others_may_read_is_refused(ccvm: NodeUnderTest) -> None:
    options = ccvm.root / "etc/ablestack/properties/ccvm-db.cnf"
    options.write_text("[client]\npassword=invented\n")
    options.chmod(0o644)
    answer = ccvm.call("POST", DUMP, {"action": "instantBackup"})
    assert answer.status == 409
    assert "chmod 0600" in answer.body["message"]
    assert "invented" not in str(answer.body)


def mysql(node: NodeUnderTest, statement: str, stdout: str) -> None:
    node.runner.expect(["mysql", "--user=root", "--batch", "--skip-column-names", "--raw"], stdin=statement, stdout=stdout)


NO_SPACE = "gzip ended with code 1: gzip: stdout: No space left on device"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"raises": CommandFailed("mysqldump ended with code 2: Lost connection", program="mysqldump", exit_code=2)}, 502),
        ({"raises": CommandFailed(NO_SPACE, program="gzip", exit_code=1)}, 507),
        ({"tail": b"INSERT INTO `vm` VALUES (1,'x"}, 502),
    ],
    ids=["killed", "full", "cut off"],
)
def test_half_a_dump_leaves_nothing_behind(ccvm: NodeUnderTest, fault: dict[str, Any], status: int) -> None:
    mysql(ccvm, "SHOW DATABASES LIKE 'cloud';", "cloud\n")
    size = "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema='cloud';"
    mysql(ccvm, size, "4096\n")
    tables = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema='cloud' AND table_type='BASE TABLE' ORDER BY 1;"
    )
    mysql(ccvm, tables, "vm\n")
    mysql(ccvm, "SELECT 'vm', COUNT(*) FROM `cloud`.`vm`;", "vm\t3\n")
    argv = ["mysqldump", "--user=root", "--single-transaction", "--quick", "--routines", "--events", "--triggers"]
    ccvm.runner.expect_pipe([*argv, "--databases", "cloud"], ["gzip", "-6"], output=b"half", **fault)
    answer = ccvm.call("POST", DUMP, {"action": "instantBackup"})
    assert answer.status == status, answer.body
    assert "was removed" in answer.body["message"]
    assert [path.name for path in (ccvm.root / "home/db_backup").iterdir()] == [".ccvm_dump.lock"]
