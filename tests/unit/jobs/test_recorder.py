"""Progress that is written down."""

import logging
import threading
import uuid
from pathlib import Path

import pytest

from ablestack_api.core.errors import ApiError, Cancelled, CommandFailed, DiskFull
from ablestack_api.jobs import recorder
from ablestack_api.jobs.recorder import RecordedProgress
from ablestack_api.state.jobs_db import RUNNING, Job, JobsDb
from tests.support.doubles import QueuedClock

JOB = str(uuid.UUID(int=1))


@pytest.fixture
def db(tmp_path: Path) -> JobsDb:
    made = JobsDb(str(tmp_path / "jobs.sqlite"))
    made.create(
        Job(JOB, "test work", "root@10.0.0.9", "root", "cube1", "5f0c", "me", (), True, "", RUNNING, created=0, started=0)
    )
    return made


def progress(db: JobsDb, *, cancellable: bool = True, stopping: threading.Event | None = None) -> RecordedProgress:
    given = stopping or threading.Event()
    return RecordedProgress(db, QueuedClock(), JOB, "test work", cancellable=cancellable, stopping=given)


def lines(db: JobsDb) -> list[str]:
    return [entry.line for entry in db.lines(JOB, limit=10_000)]


def test_steps_have_times_and_outcomes(db: JobsDb) -> None:
    recorded = progress(db)
    with recorded.step("a", "the first"):
        (running,) = db.steps(JOB)
        assert (running.outcome, running.seconds) == ("running", None)
    (done,) = db.steps(JOB)
    assert (done.number, done.name, done.text, done.outcome, done.message) == (1, "a", "the first", "done", "")
    assert done.started == QueuedClock().now().timestamp()
    assert done.seconds is not None


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (CommandFailed("pvcreate failed: no"), "failed", "pvcreate failed: no"),
        (Cancelled("root asked for it"), "cancelled", "root asked for it"),
        (KeyError("what only we understand"), "failed", "the daemon failed: KeyError"),
    ],
)
def test_a_step_that_fails_says_why_and_passes_it_on(db: JobsDb, error: Exception, outcome: str, message: str) -> None:
    with pytest.raises(type(error)), progress(db).step("a", "the first"):
        raise error
    (step,) = db.steps(JOB)
    assert (step.outcome, step.message) == (outcome, message)


def test_steps_may_be_inside_each_other(db: JobsDb) -> None:
    recorded = progress(db)
    with recorded.step("outer", "o"), recorded.step("inner", "i"):
        pass
    assert [(step.number, step.name, step.outcome) for step in db.steps(JOB)] == [(1, "outer", "done"), (2, "inner", "done")]


def test_the_log_tells_the_whole_story(db: JobsDb) -> None:
    recorded = progress(db)
    with recorded.step("a", "the first"):
        recorded.log("in it")
    told = lines(db)
    assert told[:2] == ["a: the first", "in it"]
    assert told[2].startswith("a: done in ")


def test_every_step_is_a_line_in_the_daemons_log(db: JobsDb, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ablestack_api.jobs")
    with pytest.raises(CommandFailed), progress(db).step("a", "the first"):
        raise CommandFailed("no")
    (record,) = caplog.records
    assert JOB in record.getMessage()
    assert "step a failed" in record.getMessage()


def test_a_log_is_bounded_and_says_so(db: JobsDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_LINES", 5)
    recorded = progress(db)
    for number in range(100):
        recorded.log(f"line {number} " + "x" * 5000)
    told = lines(db)
    assert len(told) == 5
    assert len(told[0]) == recorder.LONGEST_LINE
    assert told[-1] == "more lines are not kept"


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (49.9, 49), (-5, 0), (250, 100)])
def test_percents_are_whole_and_in_range(db: JobsDb, given: float, kept: int) -> None:
    progress(db).percent(given)
    found = db.job(JOB)
    assert found is not None
    assert found.percent == kept


def test_cancelling_is_seen_once_by_the_next_check(db: JobsDb) -> None:
    recorded = progress(db)
    recorded.check_cancelled()
    JobsDb(db._path).ask_cancel(JOB, "root@10.0.0.9")  # another process
    with pytest.raises(Cancelled, match=r"test work was cancelled: root@10\.0\.0\.9 asked for it"):
        recorded.check_cancelled()
    recorded.check_cancelled()  # while it is undone


def test_a_daemon_that_stops_cancels(db: JobsDb) -> None:
    stopping = threading.Event()
    recorded = progress(db, stopping=stopping)
    recorded.check_cancelled()
    stopping.set()
    with pytest.raises(Cancelled, match="the daemon is being stopped"):
        recorded.check_cancelled()


def test_what_cannot_be_cancelled_is_not(db: JobsDb) -> None:
    stopping = threading.Event()
    stopping.set()
    db.ask_cancel(JOB, "root")
    progress(db, cancellable=False, stopping=stopping).check_cancelled()


def test_a_record_that_cannot_be_written_stops_no_work(
    db: JobsDb, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def refuse(*_: object) -> None:
        tries.append(1)
        raise DiskFull("jobs.sqlite: full")

    for name in ("begin_step", "end_step", "add_line", "set_percent", "cancel_asked_by"):
        monkeypatch.setattr(db, name, refuse)
    recorded = progress(db)
    with recorded.step("a", "the first"):
        recorded.log("line")
        recorded.percent(50)
    recorded.check_cancelled()
    warnings = [record for record in caplog.records if "incomplete" in record.getMessage()]
    assert len(warnings) == 1
    assert len(tries) == 2  # the first write, and the look for a cancellation: a locked database costs seconds each time


def test_it_is_written_again_when_that_is_possible(db: JobsDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "PAUSE_SECONDS", 0.0)
    recorded = progress(db)
    with monkeypatch.context() as patch:
        patch.setattr(db, "add_line", lambda *_: (_ for _ in ()).throw(ApiError("locked")))
        recorded.log("lost")
    recorded.log("kept")
    assert lines(db) == ["kept"]
