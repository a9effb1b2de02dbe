"""What the daemon does for jobs beside running them, in a thread of each worker process."""

import logging
import time
from collections.abc import Callable

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.jobs import one_time, settle
from ablestack_api.jobs.job_runner import JobRunner
from ablestack_api.state import job_locks
from ablestack_api.state.jobs_db import JobsDb

log = logging.getLogger(__name__)

PASS_SECONDS = 0.5
TIDY_SECONDS = 60.0
KEPT_SECONDS = 30 * 86400.0
KEPT_JOBS = 10_000
KEPT_BYTES = 256 * 1024 * 1024


def run(env: Env, runner: JobRunner, is_alive: Callable[[], bool]) -> None:
    """Body of the thread. `is_alive` turns false when the process was told to end: running work is told so."""
    next_tidy = 0.0
    while is_alive():
        try:
            runner.sweep()
            runner.save_ends()
            if time.monotonic() >= next_tidy:
                next_tidy = time.monotonic() + TIDY_SECONDS
                tidy(env, runner)
        except ApiError as error:
            log.warning("jobs cannot be looked after: %s", error.detail)
        except Exception:
            log.exception("jobs cannot be looked after")
        time.sleep(PASS_SECONDS)
    runner.stopping.set()


def tidy(env: Env, runner: JobRunner) -> None:
    """Settle what dead processes left, forget what is old. The first one is the start of the daemon."""
    now = env.clock.now().timestamp()
    one_time.expire(env.settings, now)
    settle.settle(env, runner.db)
    job_locks.forget_dead_owners(env.settings)
    forget_old(runner.db, now - KEPT_SECONDS)


def forget_old(db: JobsDb, before: float) -> None:
    """By age, then by number: half as many until the record is no larger than it may be."""
    kept = KEPT_JOBS
    db.prune(before, kept)
    while db.size() > KEPT_BYTES and kept > 1:
        kept //= 2
        db.prune(before, kept)
