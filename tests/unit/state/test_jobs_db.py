"""The record of jobs: several connections, a full disk, a damaged file."""

import os
import sqlite3
import stat
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import DiskFull, FileUnusable, StateFileDamaged
from ablestack_api.state import jobs_db
from ablestack_api.state.jobs_db import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    End,
    Job,
    JobsDb,
    LogLine,
    StepRecord,
)

DAY = 86400.0
NOW = 1_800_000_000.0


def job(number: int = 1, **more: Any) -> Job:
    plain = Job(
        id=str(uuid.UUID(int=number)),
        kind="ccvm setup",
        holder="root@10.0.0.9",
        account="root",
        node="ablecube31-1",
        request_id="5f0c",
        owner="owner-1",
        holds=("vm:ccvm", "storage"),
        cancellable=True,
        look_at="virsh dominfo ccvm",
        status=RUNNING,
        created=NOW,
        started=NOW,
    )
    return replace(plain, **more)


def step(number: int, name: str) -> StepRecord:
    return StepRecord(number, name, f"do {name}", NOW, None, "running", "")


def fill(db: JobsDb) -> None:
    for number in range(1, 100):
        db.create(job(number, look_at="x" * 10_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "jobs.sqlite"


@pytest.fixture
def db(path: Path) -> JobsDb:
    return JobsDb(str(path))


@pytest.fixture
def full(db: JobsDb, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No page more: what SQLite says then is what it says on a full disk."""
    db.listed(limit=1)
    connect = jobs_db._connect

    def limited(place: str) -> sqlite3.Connection:
        made = connect(place)
        pages = made.execute("PRAGMA page_count").fetchone()[0]
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    monkeypatch.setattr(jobs_db, "_connect", limited)
    db._idle.clear()
    yield
    monkeypatch.setattr(jobs_db, "_connect", connect)


def test_a_job_is_read_as_it_was_written(db: JobsDb) -> None:
    db.create(job())
    assert db.job(job().id) == job()
    assert db.job("unknown") is None


def test_the_file_and_what_belongs_to_it_are_for_root_only(db: JobsDb, path: Path) -> None:
    before = os.umask(0)
    try:
        db.create(job())
        modes = {place.name: stat.S_IMODE(place.stat().st_mode) for place in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes["jobs.sqlite"] == modes["jobs.sqlite-wal"] == modes["jobs.sqlite-shm"] == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_waiting_job_begins_once(db: JobsDb) -> None:
    db.create(job(status=QUEUED, started=None))
    assert db.begin(job().id, NOW + 5)
    assert not db.begin(job().id, NOW + 6)
    found = db.job(job().id)
    assert found is not None
    assert (found.status, found.started) == (RUNNING, NOW + 5)


def test_a_job_ends_once(db: JobsDb) -> None:
    db.create(job())
    assert db.end(job().id, End(SUCCEEDED, NOW + 9, "", 200, '{"code":200}'))
    assert not db.end(job().id, End(INTERRUPTED, NOW + 10, "too late"))
    found = db.job(job().id)
    assert found is not None
    assert (found.status, found.ended, found.percent, found.answer_status) == (SUCCEEDED, NOW + 9, 100, 200)
    assert found.answer_body == '{"code":200}'
    assert found.has_ended


def test_a_running_job_is_not_cancelled_as_a_waiting_one(db: JobsDb) -> None:
    db.create(job())
    assert not db.end(job().id, End(CANCELLED, NOW), only_from=(QUEUED,))
    assert not job().has_ended


@pytest.mark.parametrize("status", [FAILED, CANCELLED, INTERRUPTED])
def test_a_step_that_runs_ends_with_its_job(db: JobsDb, status: str) -> None:
    db.create(job())
    db.begin_step(job().id, step(1, "a"))
    db.end_step(job().id, 1, "done", 1.5, "")
    db.begin_step(job().id, step(2, "b"))
    db.end(job().id, End(status, NOW))
    assert [(found.name, found.outcome, found.seconds) for found in db.steps(job().id)] == [
        ("a", "done", 1.5),
        ("b", status, None),
    ]


def test_cancelling_is_asked_of_running_jobs_and_the_first_one_counts(db: JobsDb) -> None:
    db.create(job(1))
    db.create(job(2, status=SUCCEEDED))
    assert db.ask_cancel(job(1).id, "root@a")
    assert not db.ask_cancel(job(1).id, "root@b")
    assert not db.ask_cancel(job(2).id, "root@a")
    assert db.cancel_asked_by(job(1).id) == "root@a"
    assert db.cancel_asked_by(job(2).id) == db.cancel_asked_by("unknown") == ""


def test_lists_are_newest_first_and_can_be_narrowed(db: JobsDb) -> None:
    for number in range(1, 7):
        kind = "odd" if number % 2 else "even"
        db.create(job(number, kind=kind, status=FAILED if number > 3 else RUNNING, created=NOW - number))
    ids = {job(number).id: number for number in range(1, 7)}
    assert [ids[found.id] for found in db.listed(limit=100)] == [6, 5, 4, 3, 2, 1]
    assert [ids[found.id] for found in db.listed(limit=2)] == [6, 5]
    assert [ids[found.id] for found in db.listed(status=FAILED, kind="even", limit=100)] == [6, 4]
    assert [ids[found.id] for found in db.unended()] == [1, 2, 3]


def test_a_list_does_not_carry_the_answers(db: JobsDb) -> None:
    db.create(job())
    db.end(job().id, End(SUCCEEDED, NOW, "", 200, "{}"))
    assert db.listed(limit=1)[0].answer_body is None


def test_lines_are_read_from_where_the_reader_was(db: JobsDb) -> None:
    db.create(job())
    for number in range(1, 6):
        db.add_line(job().id, LogLine(number, NOW, f"line {number}"))
    assert [line.number for line in db.lines(job().id, after=2, limit=2)] == [3, 4]
    assert db.lines(job().id, after=5, limit=2) == []


def test_old_jobs_are_forgotten_with_all_they_said(db: JobsDb, path: Path) -> None:
    for number, age in ((1, 31), (2, 29)):
        db.create(job(number))
        db.begin_step(job(number).id, step(1, "a"))
        db.add_line(job(number).id, LogLine(1, NOW, "a line"))
        db.end(job(number).id, End(SUCCEEDED, NOW - age * DAY))
    db.create(job(3, created=NOW - 90 * DAY))  # still running: never forgotten
    assert db.prune(NOW - 30 * DAY, 1000) == 1
    assert {found.id for found in db.listed(limit=10)} == {job(2).id, job(3).id}
    assert db.steps(job(1).id) == []
    assert db.lines(job(1).id, limit=10) == []
    assert len(db.steps(job(2).id)) == 1


def test_no_more_than_so_many_jobs_are_kept(db: JobsDb) -> None:
    for number in range(1, 11):
        db.create(job(number))
        if number != 2:
            db.end(job(number).id, End(SUCCEEDED, NOW))
    assert db.prune(0, 3) == 6
    assert [found.id for found in db.listed(limit=20)] == [job(number).id for number in (10, 9, 8, 2)]


def test_the_space_of_forgotten_jobs_is_given_back(db: JobsDb, path: Path) -> None:
    for number in range(1, 30):
        db.create(job(number))
        db.end(job(number).id, End(SUCCEEDED, NOW, "", 200, "x" * 100_000))
    db.prune(NOW + 1, 1000)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert path.stat().st_size < 1_000_000


def test_many_threads_and_connections_write_at_once(path: Path) -> None:
    """Each its own JobsDb, as so many processes: also the first use of the file."""
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        mine = JobsDb(str(path))
        gate.wait(10)
        mine.create(job(number))
        for line in range(1, 21):
            mine.add_line(job(number).id, LogLine(line, NOW, "x"))
        mine.end(job(number).id, End(SUCCEEDED, NOW))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    db = JobsDb(str(path))
    assert [found.status for found in db.listed(limit=100)] == [SUCCEEDED] * 8
    assert all(len(db.lines(job(number).id, limit=100)) == 20 for number in range(1, 9))


def test_a_full_disk_is_told_as_such_and_leaves_the_record_usable(db: JobsDb, full: None) -> None:
    with pytest.raises(DiskFull) as caught:
        fill(db)
    assert "jobs.sqlite" in caught.value.detail
    assert db.listed(limit=100) is not None


def test_after_a_full_disk_the_next_write_succeeds(db: JobsDb, full: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiskFull):
        fill(db)
    monkeypatch.undo()
    db._idle.clear()
    db.create(job(500))
    assert db.job(job(500).id) is not None


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_reported_and_left_alone(path: Path, db: JobsDb, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(StateFileDamaged, match="move it away"):
        db.create(job())
    assert path.read_bytes() == content


def test_a_file_that_is_damaged_while_it_is_used_is_reported(path: Path, db: JobsDb) -> None:
    for number in range(1, 50):
        db.create(job(number, look_at="x" * 2000))
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    db._idle.clear()
    with pytest.raises(StateFileDamaged):
        db.listed(limit=100)


def test_a_new_file_is_begun_when_the_damaged_one_was_moved_away(path: Path, db: JobsDb) -> None:
    """Without a restart, though this process has the old one open."""
    db.create(job(1))
    for name in ("jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm"):
        (path.parent / name).rename(path.parent / f"{name}.damaged")
    db.create(job(2))
    assert [found.id for found in db.listed(limit=10)] == [job(2).id]
    assert [found.id for found in JobsDb(str(path)).listed(limit=10)] == [job(2).id]


def test_a_file_of_a_newer_release_is_left_alone(path: Path, db: JobsDb) -> None:
    db.create(job())
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StateFileDamaged, match="another release"):
        JobsDb(str(path)).create(job(2))


def test_a_file_whose_making_was_broken_off_is_made_anew(path: Path, db: JobsDb) -> None:
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    db.create(job())
    assert db.job(job().id) == job()


def test_somebody_who_locks_the_file_is_waited_for_and_then_reported(
    path: Path, db: JobsDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_db, "BUSY_SECONDS", 0.1)
    db.create(job())
    db._idle.clear()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(FileUnusable, match="locked for over"):
            db.set_percent(job().id, 5)
        assert db.job(job().id) is not None  # reading is never held up
    finally:
        other.close()
    db.set_percent(job().id, 5)


def test_a_place_that_is_no_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(FileUnusable):
        JobsDb(str(tmp_path / "state" / "jobs.sqlite")).create(job())
