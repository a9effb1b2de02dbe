"""What only one job at a time may write, and what the second one is told."""

from ablestack_api.core.errors import Busy
from ablestack_api.core.settings import Settings
from ablestack_api.jobs.work import Work
from ablestack_api.state import job_locks
from ablestack_api.state.jobs_db import Job


def take(settings: Settings, work: Work, job: Job) -> job_locks.Holds:
    """All of the work's holds or none. Raises Busy at once, with the job that has one of them."""
    note = {"job": job.id, "kind": job.kind, "holder": job.holder, "since": job.created}
    try:
        return job_locks.Holds(settings, work.holds, note)
    except job_locks.Taken as taken:
        raise _busy(taken, work, job.created) from taken


def _busy(taken: job_locks.Taken, work: Work, now: float) -> Busy:
    note = taken.note
    job, kind, holder = (str(note.get(key, "")) for key in ("job", "kind", "holder"))
    if not job:
        return Busy(
            f"{work.kind} was not begun: {taken.name} is held by another job of this node, which could not write down who"
            " it is (is the disk full?); ablestack-api jobs list shows what runs",
            holder="this node",
            age_seconds=0,
            hold=taken.name,
        )
    age = round(max(0.0, now - float(note.get("since", now))), 1)
    return Busy(
        f"{work.kind} was not begun: {kind} by {holder} has held {taken.name} for {age:g} s (job {job}). Wait for it with"
        f" GET /api/v1/jobs/{job}?wait=30, or cancel it with DELETE",
        holder=holder,
        age_seconds=age,
        job=job,
        hold=taken.name,
    )
