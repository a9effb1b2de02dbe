"""Database dumps of a real database: proven, scheduled with real cron and at, and what a fault leaves of one."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.lab import api, work
from tests.lab.cluster import expect, until
from tests.lab.lab import Lab
from tests.lab.services import database

pytestmark = pytest.mark.lab

DUMP = "/cube/db/dump"
NODE = "ccvm"
# On the disk of the node, and a small file system of its own.
FOLDER, SMALL = "/var/backups/lab-dumps", "/mnt/lab-dumps"
SMALL_MIB = 100
TABLE = "var/spool/cron/crontabs/root"
OPTION_FILE = "etc/ablestack/properties/ccvm-db.cnf"
# Over the socket root needs no password.
OPTIONS = "[client]\nuser=root\nhost=127.0.0.1\npassword={}\n"
FOREIGN = "7 7 * * 7 /usr/bin/true # not ours, 한글\n"
TABLES = {"configuration", "event", "host", "vm_instance", "volumes"}
# 12 MiB packed: a dump takes a second or more, so that something can happen in it.
BALLAST = "CREATE TABLE ballast AS SELECT seq, HEX(RANDOM_BYTES(255)) AS filling FROM seq_1_to_40000"
CRON_SECONDS = 60.0


@pytest.fixture
def dump_lab(cluster_lab: Lab) -> Iterator[Lab]:
    """Two empty folders for dumps, and a crontab with a line of somebody else's; all of it gone afterwards."""
    lab = cluster_lab
    if lab.profile.database is None:
        pytest.skip(f"profile {lab.profile.name} has no database")
    lab.run(NODE, ["mkdir", "-p", FOLDER, SMALL])
    lab.run(NODE, ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", SMALL])
    lab.run(NODE, ["crontab", "-"], stdin=FOREIGN)
    yield lab
    lab.repair()
    lab.run(NODE, ["mariadb", "-e", "DROP TABLE IF EXISTS cloud.ballast"])
    lab.run(NODE, ["umount", SMALL])
    lab.run(NODE, ["rm", "-rf", FOLDER, SMALL, f"/{TABLE}", f"/{OPTION_FILE}"])
    lab.run(NODE, ["sh", "-c", "atq | cut -f1 | xargs -r atrm"])


@pytest.fixture
def large(dump_lab: Lab) -> Lab:
    dump_lab.run(NODE, ["mariadb", "cloud", "-e", BALLAST])
    return dump_lab


def ask(lab: Lab, action: str, node: str = "cube1", **more: str) -> api.Reply:
    return work.post(lab, node, DUMP, {"action": action, **more})


def value(lab: Lab, action: str, **more: str) -> Any:
    return expect(ask(lab, action, **more))["val"]


def files(lab: Lab, folder: str = SMALL) -> list[str]:
    """What of dumps is in a folder, hidden and unfinished files too, but not the lock."""
    listed = lab.run(NODE, ["ls", "-A", folder]).stdout.split()
    return sorted(name for name in listed if not name.endswith(".lock"))


def unfinished(lab: Lab) -> bool:
    return any(name.endswith(".partial") for name in files(lab))


def with_manifest(path: str) -> list[str]:
    name = Path(path).name
    return [name, f"{name}.json"]


def programs(lab: Lab) -> str:
    """The processes that would have something to do with a dump."""
    return lab.run(NODE, ["pidof", "mysqldump", "mariadb-dump", "gzip"], ok=None).stdout.strip()


@contextmanager
def being_made(lab: Lab) -> Iterator["Future[api.Reply]"]:
    """A dump into the small folder that has got its unfinished file and goes on meanwhile; the future is the answer."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, lab, "instantBackup", NODE, path=SMALL)
        until(lambda: unfinished(lab) or answer.done(), "the dump has begun", poll=work.QUICK)
        assert not answer.done(), answer.result().text
        yield answer


def test_a_dump_is_proven_by_restoring_it(dump_lab: Lab) -> None:
    lab = dump_lab
    made = value(lab, "instantBackup", path=FOLDER)
    assert files(lab, FOLDER) == with_manifest(made)
    assert lab.run(NODE, ["stat", "-c", "%a %U", made]).stdout.split() == ["600", "root"]
    live = {table: database.count(lab.machine(NODE), table) for table in TABLES}
    proven = value(lab, "verify", path=FOLDER)
    assert (proven["file"], proven["tables"]) == (made, live)
    assert json.loads(lab.run(NODE, ["cat", f"{made}.json"]).stdout)["verified"] == proven["verified"]
    assert files(lab, FOLDER) == with_manifest(made), "nothing of the scratch server is left"
    assert len(lab.run(NODE, ["pidof", "mariadbd"]).stdout.split()) == 1
    assert {table: database.count(lab.machine(NODE), table) for table in TABLES} == live


def test_schedules_are_lines_of_cron_and_jobs_of_at(dump_lab: Lab) -> None:
    lab = dump_lab
    assert (value(lab, "checkBackup", checkOption="r"), value(lab, "checkBackup", checkOption="d")) == ("None", "None")
    value(lab, "regularBackup", path=FOLDER, repeat="daily", timeone="03:05")
    value(lab, "deleteOldBackup", path=FOLDER, repeat="weekly", timeone="04:05", timetwo="2", delete="30")
    table = lab.run(NODE, ["crontab", "-l"]).stdout
    assert table.startswith(FOREIGN)
    assert f"\n5 3 * * * /usr/bin/ablestack-api db-dump make --path {FOLDER}\n" in table
    assert f"\n5 4 * * 2 /usr/bin/ablestack-api db-dump prune --path {FOLDER} --older-than 30\n" in table
    assert value(lab, "checkBackup", checkOption="r").endswith(" 03:05 (매일)")
    assert value(lab, "checkBackup", checkOption="d").endswith(" 04:05 (매주 화요일, 30일 지난 파일 삭제)")

    value(lab, "regularBackup", path=FOLDER, repeat="no", timeone="02:00 tomorrow")
    assert "db-dump make" not in lab.run(NODE, ["crontab", "-l"]).stdout, "one schedule of a sort"
    assert lab.run(NODE, ["atq"]).stdout.split()[-2:] == ["r", "root"]
    assert value(lab, "checkBackup", checkOption="r").endswith(" 02:00 (반복 없음)")
    strange = ask(lab, "regularBackup", path=FOLDER, repeat="no", timeone="half past never")
    assert (strange.status, len(lab.run(NODE, ["atq"]).stdout.splitlines())) == (400, 1)

    for sort in ("r", "d"):
        assert value(lab, "deactiveBackup", checkOption=sort) == "deactive"
        assert value(lab, "checkBackup", checkOption=sort) == "None"
    assert lab.run(NODE, ["crontab", "-l"]).stdout == FOREIGN
    assert lab.run(NODE, ["atq"]).stdout == ""


def test_cron_and_at_really_run_them(dump_lab: Lab) -> None:
    lab = dump_lab
    value(lab, "regularBackup", path=FOLDER, repeat="no", timeone="now")
    until(lambda: len(files(lab, FOLDER)) == 2, "at has made a dump", CRON_SECONDS)
    (first, _) = files(lab, FOLDER)
    value(lab, "regularBackup", path=FOLDER, repeat="daily", timeone="03:05")
    now = datetime.fromisoformat(lab.run(NODE, ["date", "+%Y-%m-%d %H:%M:%S"]).stdout.strip())
    lab.clock(NODE, "cron", now.replace(hour=3, minute=4, second=55) + timedelta(days=1) - now)
    until(lambda: len(files(lab, FOLDER)) == 4, "cron has made a dump", CRON_SECONDS)
    assert first in files(lab, FOLDER)
    lab.clock(NODE, "cron", None)

    lab.run(NODE, ["systemctl", "stop", "mariadb"])
    try:
        value(lab, "regularBackup", path=FOLDER, repeat="no", timeone="now")
        until(lambda: "the scheduled database dump" in work.errors(lab, NODE), "its failure is told", CRON_SECONDS)
    finally:
        lab.run(NODE, ["systemctl", "start", "mariadb"])
    assert len(files(lab, FOLDER)) == 4


def test_a_table_that_crontab_cannot_read_is_left_alone(dump_lab: Lab) -> None:
    lab = dump_lab
    spool = lab.machine(NODE).root / TABLE
    spool.rename(spool.with_name("kept"))
    try:
        spool.symlink_to("root")  # a circle: crontab cannot open it, and its name is not free either
        refused = ask(lab, "regularBackup", path=FOLDER, repeat="daily", timeone="03:05")
        assert refused.status == 502
        assert "root's crontab cannot be read" in refused.json()["message"]
        assert spool.is_symlink()
    finally:
        spool.unlink()
        spool.with_name("kept").rename(spool)
    assert lab.run(NODE, ["crontab", "-l"]).stdout == FOREIGN


def test_a_password_comes_from_a_file_that_only_root_reads(dump_lab: Lab) -> None:
    lab = dump_lab
    place = lab.machine(NODE).root / OPTION_FILE
    place.write_text(OPTIONS.format(database.PASSWORD), encoding="ascii")
    place.chmod(0o644)
    refused = ask(lab, "instantBackup", path=FOLDER)
    assert (refused.status, "chmod 0600" in refused.json()["message"]) == (409, True)
    assert database.PASSWORD not in refused.text
    place.chmod(0o600)
    assert value(lab, "instantBackup", path=FOLDER)
    place.write_text(OPTIONS.format("wrong"), encoding="ascii")
    wrong = ask(lab, "instantBackup", path=FOLDER)
    assert (wrong.status, len(files(lab, FOLDER))) == (502, 2), wrong.text


def test_a_disk_that_is_full_or_becomes_full(large: Lab) -> None:
    lab = large
    kept = value(lab, "instantBackup", path=SMALL)
    with being_made(lab) as answer:
        lab.run(NODE, ["sh", "-c", f"cat /dev/zero > {SMALL}/filler"], ok=(1,))  # ends when the disk is full
        became = answer.result(work.PATIENCE)
    assert (became.status, became.json()["title"]) == (507, "There is no space left for a file"), became.text
    assert files(lab) == [*with_manifest(kept), "filler"]
    full = ask(lab, "instantBackup", NODE, path=SMALL)
    assert (full.status, "nothing was written" in full.json()["message"]) == (507, True)
    assert files(lab) == [*with_manifest(kept), "filler"]
    lab.run(NODE, ["rm", f"{SMALL}/filler"])
    assert files(lab) == with_manifest(kept)
    assert value(lab, "instantBackup", path=SMALL) != kept


def test_a_dump_program_that_is_killed(large: Lab) -> None:
    lab = large
    for program in ("mysqldump", "gzip"):
        with being_made(lab) as answer:
            lab.run(NODE, ["sh", "-c", f"kill -KILL $(pidof {program})"])
            reply = answer.result(work.PATIENCE)
        assert (reply.status, reply.json()["program"]) == (502, program), reply.text
        assert "The unfinished dump was removed" in reply.json()["message"]
        assert (files(lab), programs(lab)) == ([], "")
    assert value(lab, "instantBackup", path=SMALL)


def test_a_daemon_that_is_killed_in_a_dump(large: Lab) -> None:
    lab = large
    kept = value(lab, "instantBackup", path=SMALL)
    job_id = work.begin(lab, NODE, DUMP, {"action": "instantBackup", "path": SMALL})
    job = work.killed_in(lab, NODE, job_id, partial(unfinished, lab))
    assert job["status"] == "interrupted", job
    assert [step["outcome"] for step in job["steps"]] == ["done", "done", "interrupted"]
    assert SMALL in job["message"]
    until(lambda: job_id in work.errors(lab, NODE), "GET /err tells it")
    assert programs(lab) == "", "systemd ended what the daemon had started"
    assert not [name for name in files(lab) if name not in with_manifest(kept) and not name.endswith(".partial")]
    again = value(lab, "instantBackup", path=SMALL)
    assert files(lab) == sorted([*with_manifest(kept), *with_manifest(again)])


def test_a_damaged_dump_is_told_and_never_the_one_that_is_kept(dump_lab: Lab) -> None:
    lab = dump_lab
    older, newer = (value(lab, "instantBackup", path=SMALL) for _ in range(2))
    lab.run(NODE, ["sh", "-c", f"printf X | dd of={newer} bs=1 seek=5000 conv=notrunc status=none"])
    damaged = ask(lab, "verify", path=SMALL)
    assert damaged.status == 409
    assert "SHA-256 has changed. Do not restore it" in damaged.json()["message"]
    deleted = lab.run(NODE, ["ablestack-api", "db-dump", "prune", "--path", SMALL, "--older-than", "0"]).stdout.split()
    assert deleted == [newer]
    assert files(lab) == with_manifest(older)
