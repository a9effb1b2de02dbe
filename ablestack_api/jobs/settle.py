"""Jobs whose process has ended: none of them is shown as running for ever."""

import logging

from ablestack_api.env import Env
from ablestack_api.state import error_list, job_locks
from ablestack_api.state.jobs_db import INTERRUPTED, QUEUED, End, Job, JobsDb, StepRecord

log = logging.getLogger(__name__)


def settle(env: Env, db: JobsDb) -> None:
    """Before every look at jobs, and at the start: what a SIGKILL, a crash or a power cut left behind is interrupted."""
    unended = db.unended()
    dead = {owner for owner in {job.owner for job in unended} if not job_locks.owner_lives(env.settings, owner)}
    for job in unended:
        if job.owner in dead:
            interrupt(env, db, job, "the daemon ended")


def interrupt(env: Env, db: JobsDb, job: Job, how: str) -> None:
    """`how` the process that ran it came to its end."""
    text = _told(job, db.steps(job.id), how)
    if db.end(job.id, End(INTERRUPTED, env.clock.now().timestamp(), text)):
        log.warning("job %s (%s) is interrupted: %s", job.id, job.kind, text)
        error_list.record(env.settings, env.clock, f"job {job.id} ({job.kind}, by {job.holder}): {text}")


def _told(job: Job, steps: list[StepRecord], how: str) -> str:
    """Which step was running, what was done before, where to look."""
    if job.status == QUEUED:
        return f"{how} before this work was begun; nothing was changed. Repeat it"
    done = ", ".join(step.name for step in steps if step.outcome == "done")
    at = next((f"step {step.name} ({step.text})" for step in reversed(steps) if step.outcome == "running"), "")
    parts = [
        f"{how} while {at or 'this work'} was running; how far that got is not known, and a program it had started may"
        " still be running",
        f"done before: {done}" if done else "no step was done before",
        f"before you repeat it look at {job.look_at or 'what it changes'} and at the job's log",
    ]
    return "; ".join(parts)
