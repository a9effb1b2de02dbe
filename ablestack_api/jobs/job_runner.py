"""Running long work: recorded, holding what it writes, here and now or in a thread of its own (D21).

Synchronous work goes on when it cannot be recorded (a full disk, a damaged database): the operator may be about to free
that very disk. Asynchronous work is refused then, for its record is the only answer it has.
"""

import logging
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from ablestack_api.core.errors import ApiError, Busy
from ablestack_api.env import Env
from ablestack_api.jobs import ending, holding, settle
from ablestack_api.jobs.recorder import RecordedProgress
from ablestack_api.jobs.work import Work
from ablestack_api.orchestrator.fanout import request_id
from ablestack_api.state import error_list, job_locks, own_node
from ablestack_api.state.jobs_db import QUEUED, RUNNING, End, Job, JobsDb, path_of
from ablestack_api.web import problems

log = logging.getLogger(__name__)

AT_ONCE = 8
MOST_WAITING = 32
# One in so many threads of the daemon may wait for the end of a job.
WAITERS_SHARE = 4
LOOK_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class Accepted:
    """Work that has its holds. `recorded` False: nothing of it is in the database."""

    job: Job
    work: Work
    held: job_locks.Holds
    recorded: bool
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_later(self) -> bool:
        return self.job.status == QUEUED


class JobRunner:
    """The jobs of this process. Makes nothing on disk before the first one."""

    def __init__(self, env: Env) -> None:
        self.db = JobsDb(path_of(env.settings))
        self.stopping = threading.Event()
        self._env = env
        self._lock = threading.Lock()
        self._owner: job_locks.Owner | None = None
        self._at_work: dict[str, Accepted] = {}
        self._waiting: deque[Accepted] = deque()
        self._running = 0
        self._unsaved: dict[str, End] = {}
        self._wait_slots = threading.Semaphore(max(1, env.settings.threads // WAITERS_SHARE))

    # --- beginning ---------------------------------------------------------------------------------------------------

    def accept(self, work: Work, *, holder: str, account: str, later: bool) -> Accepted:
        """Take the holds and write the record. Raises Busy; with `later` also what keeps it from being recorded."""
        if later:
            self._refuse_when_full()
        job = self._new_job(work, holder, account, QUEUED if later else RUNNING)
        held = holding.take(self._env.settings, work, job)
        try:
            accepted = Accepted(job, work, held, recorded=self._record(job))
        except BaseException:
            held.release()
            raise
        with self._lock:
            self._at_work[job.id] = accepted
        return accepted

    def perform(self, accepted: Accepted) -> dict[str, Any]:
        """Here and now. Returns what the work returns and raises what it raises."""
        try:
            body = accepted.work.do(self._progress(accepted))
            later = accepted.is_later
            end = ending.good_later(self._env, accepted.job, body) if later else ending.good(self._env, body)
        except BaseException as error:
            if accepted.is_later and not isinstance(error, ApiError):
                what = f"job {accepted.job.id} ({accepted.job.kind})"
                problems.report_unexpected(self._env, error, what)
            self._end(accepted, ending.bad(self._env, error))
            raise
        self._end(accepted, end)
        return body

    def enqueue(self, accepted: Accepted) -> None:
        with self._lock:
            self._waiting.append(accepted)
        self._start_waiting()

    def _refuse_when_full(self) -> None:
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                return
            oldest = self._waiting[0].job
        age = round(max(0.0, self._now() - oldest.created), 1)
        raise Busy(
            f"{MOST_WAITING} jobs are waiting on this node already, the oldest for {age:g} s; nothing was begun. Try again"
            " when some have ended, or without Prefer: respond-async",
            holder=oldest.holder,
            age_seconds=age,
            job=oldest.id,
        )

    def _new_job(self, work: Work, holder: str, account: str, status: str) -> Job:
        now = self._now()
        return Job(
            id=str(uuid.uuid4()),
            kind=work.kind,
            holder=holder,
            account=account,
            node=own_node.hostname(self._env.settings),
            request_id=request_id.get(),
            owner="",
            holds=tuple(work.holds),
            cancellable=work.cancellable,
            look_at=work.look_at,
            status=status,
            created=now,
            started=now if status == RUNNING else None,
        )

    def _record(self, job: Job) -> bool:
        try:
            self.db.create(replace(job, owner=self._own_id()))
        except ApiError as error:
            if job.status == QUEUED:
                raise
            self._report(f"{job.kind} of {job.holder} is done without a record of it: {error.detail}")
            return False
        return True

    def _own_id(self) -> str:
        with self._lock:
            if self._owner is None:
                self._owner = job_locks.Owner(self._env.settings)
            return self._owner.id

    def _progress(self, accepted: Accepted) -> RecordedProgress:
        return RecordedProgress(
            self.db,
            self._env.clock,
            accepted.job.id,
            accepted.job.kind,
            cancellable=accepted.work.cancellable,
            stopping=self.stopping,
            recorded=accepted.recorded,
        )

    # --- in threads of their own -------------------------------------------------------------------------------------

    def _start_waiting(self) -> None:
        while (accepted := self._next()) is not None:
            thread = threading.Thread(target=self._run, args=(accepted,), name=f"job-{accepted.job.id[:8]}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no thread left
                self._end(accepted, ending.bad(self._env, ApiError(f"nothing was begun: {error}")))
                self._count_down()

    def _next(self) -> Accepted | None:
        with self._lock:
            if not self._waiting or self._running >= AT_ONCE or self.stopping.is_set():
                return None
            self._running += 1
            return self._waiting.popleft()

    def _run(self, accepted: Accepted) -> None:
        """Body of a job's thread. The request it came from is over: only its id is carried on."""
        request_id.set(accepted.job.request_id)
        try:
            if self._has_begun(accepted):
                self.perform(accepted)
        except Exception:
            log.info("job %s (%s) has failed; its record says why", accepted.job.id, accepted.job.kind)
        finally:
            self._count_down()
            self._start_waiting()

    def _has_begun(self, accepted: Accepted) -> bool:
        try:
            begun = self.db.begin(accepted.job.id, self._now())
        except ApiError as error:
            self._end(accepted, ending.bad(self._env, error))
            return False
        if not begun:  # cancelled while it waited
            self._let_go(accepted)
        return begun

    def _count_down(self) -> None:
        with self._lock:
            self._running -= 1

    # --- the end -----------------------------------------------------------------------------------------------------

    def _end(self, accepted: Accepted, end: End) -> None:
        """The holds first: who sees that the job has ended may begin the next one."""
        accepted.held.release()
        if accepted.is_later:
            ending.audit(self._env, accepted.job, end)
        if accepted.recorded:
            self._save(accepted.job.id, end)
        self._let_go(accepted)

    def _let_go(self, accepted: Accepted) -> None:
        accepted.held.release()
        with self._lock:
            self._at_work.pop(accepted.job.id, None)
        accepted.ended.set()

    def _save(self, job_id: str, end: End) -> None:
        """An end that cannot be written now is written as soon as it can be."""
        try:
            self.db.end(job_id, end)
        except ApiError as error:
            with self._lock:
                known = job_id in self._unsaved
                self._unsaved[job_id] = end
            if not known:
                self._report(f"job {job_id} is {end.status}, which could not be recorded yet: {error.detail}")
            return
        with self._lock:
            self._unsaved.pop(job_id, None)

    def save_ends(self) -> None:
        with self._lock:
            unsaved = dict(self._unsaved)
        for job_id, end in unsaved.items():
            self._save(job_id, end)

    def stop(self, seconds: float) -> None:
        """The process ends: work that can be cancelled is, other work gets that long; the rest is told as interrupted."""
        self.stopping.set()
        end = time.monotonic() + seconds
        while self._running and time.monotonic() < end:
            time.sleep(0.02)
        if self._owner is None:
            return
        self.save_ends()
        for job in self.db.unended():
            if job.owner == self._owner.id:
                settle.interrupt(self._env, self.db, job, "the daemon was stopped")

    # --- looking -----------------------------------------------------------------------------------------------------

    def wait(self, job_id: str, seconds: float) -> None:
        """Until the job has ended, at most so long. Only a share of the threads may wait: one more is answered at once."""
        if seconds <= 0 or not self._wait_slots.acquire(blocking=False):
            return
        try:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0 and not self._is_over(job_id):
                with self._lock:
                    accepted = self._at_work.get(job_id)
                (accepted.ended if accepted else self.stopping).wait(min(LOOK_SECONDS, left))
        finally:
            self._wait_slots.release()

    def sweep(self) -> None:
        """Let go of waiting jobs that were cancelled, here or by another process."""
        with self._lock:
            waiting = list(self._waiting)
        for accepted in waiting:
            job = self.db.job(accepted.job.id)
            if job is None or job.status != QUEUED:
                self._drop(accepted)

    def _is_over(self, job_id: str) -> bool:
        settle.settle(self._env, self.db)
        job = self.db.job(job_id)
        return job is None or job.has_ended or self.stopping.is_set()

    def _drop(self, accepted: Accepted) -> None:
        with self._lock:
            if accepted not in self._waiting:
                return
            self._waiting.remove(accepted)
        self._let_go(accepted)

    def _report(self, text: str) -> None:
        log.warning("%s", text)
        error_list.record(self._env.settings, self._env.clock, text)

    def _now(self) -> float:
        return self._env.clock.now().timestamp()
