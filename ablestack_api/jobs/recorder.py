"""Progress that is written down: steps and lines of one job in the database, each step a line in the daemon's log."""

import contextlib
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator
from threading import Event

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import ApiError, Cancelled
from ablestack_api.state.jobs_db import JobsDb, LogLine, StepRecord

log = logging.getLogger(__name__)

MOST_LINES = 5000
LONGEST_LINE = 1000
# After a write that failed (full disk, locked database) the work goes on without its record for this long.
PAUSE_SECONDS = 10.0
DONE, FAILED, CANCELLED, RUNNING = "done", "failed", "cancelled", "running"


class RecordedProgress:
    """Safe for the threads of one job. Nothing here fails because of the record; not `recorded` there is none."""

    def __init__(
        self,
        db: JobsDb,
        clock: Clock,
        job_id: str,
        kind: str,
        *,
        cancellable: bool,
        stopping: Event,
        recorded: bool = True,
    ) -> None:
        self._db = db
        self._clock = clock
        self._id = job_id
        self._kind = kind
        self._cancellable = cancellable
        self._stopping = stopping
        self._cancelled = False
        self._numbers = itertools.count(1)
        self._line_numbers = itertools.count(1)
        self._percent = -1
        self._silent_until = 0.0 if recorded else math.inf

    @contextlib.contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        number, started = next(self._numbers), time.monotonic()
        step = StepRecord(number, name, text, self._clock.now().timestamp(), None, RUNNING, "")
        self._record(lambda: self._db.begin_step(self._id, step))
        self.log(f"{name}: {text}")
        try:
            yield
        except BaseException as error:
            self._end_step(step, started, CANCELLED if isinstance(error, Cancelled) else FAILED, _reason(error))
            raise
        self._end_step(step, started, DONE, "")

    def log(self, line: str) -> None:
        number = next(self._line_numbers)
        if number > MOST_LINES:
            return
        text = "more lines are not kept" if number == MOST_LINES else line[:LONGEST_LINE]
        entry = LogLine(number, self._clock.now().timestamp(), text)
        self._record(lambda: self._db.add_line(self._id, entry))

    def percent(self, done: float) -> None:
        whole = int(min(100.0, max(0.0, done)))
        if whole != self._percent:
            self._percent = whole
            self._record(lambda: self._db.set_percent(self._id, whole))

    def check_cancelled(self) -> None:
        """Raises once: what is undone afterwards may check again."""
        if self._cancelled or not self._cancellable:
            return
        reason = "the daemon is being stopped" if self._stopping.is_set() else self._asked()
        if reason:
            self._cancelled = True
            raise Cancelled(f"{self._kind} was cancelled: {reason}")

    def _asked(self) -> str:
        asked = ""
        with contextlib.suppress(ApiError):
            asked = self._db.cancel_asked_by(self._id)
        return f"{asked} asked for it" if asked else ""

    def _end_step(self, step: StepRecord, started: float, outcome: str, message: str) -> None:
        seconds = round(time.monotonic() - started, 3)
        told = f"{outcome} in {seconds:g} s" + (f": {message}" if message else "")
        log.info("job %s (%s): step %s %s", self._id, self._kind, step.name, told)
        self._record(lambda: self._db.end_step(self._id, step.number, outcome, seconds, message))
        self.log(f"{step.name}: {told}")

    def _record(self, write: Callable[[], None]) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            write()
        except ApiError as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            log.warning("job %s (%s) goes on, its record is incomplete: %s", self._id, self._kind, error.detail)


def _reason(error: BaseException) -> str:
    return error.detail if isinstance(error, ApiError) else f"the daemon failed: {type(error).__name__}"
