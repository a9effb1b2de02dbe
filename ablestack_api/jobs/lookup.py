"""What is told of jobs, over HTTP and by `ablestack-api jobs`, and cancelling one."""

import json
from datetime import datetime

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import Cancelled, Conflict, NotFound
from ablestack_api.env import Env
from ablestack_api.jobs import one_time, settle
from ablestack_api.jobs.models import Answered, JobShape, JobsQuery, LineShape, LogQuery, LogShape, StepShape
from ablestack_api.state.jobs_db import CANCELLED, QUEUED, End, Job, JobsDb, LogLine, StepRecord
from ablestack_api.web import problems


def listed(env: Env, db: JobsDb, asked: JobsQuery) -> list[JobShape]:
    settle.settle(env, db)
    found = db.listed(status=asked.status or "", kind=asked.kind, limit=asked.limit)
    return [summary(env, job) for job in found]


def shown(env: Env, db: JobsDb, job_id: str, reader: str = "") -> JobShape:
    """With steps and answer. `reader` is the account that asks: one-time secrets are shown once to who began the job."""
    job = _found(env, db, job_id)
    # In this order: a job that is found ended has all its steps.
    shape = summary(env, job).model_copy(update={"steps": [_step(env.clock, step) for step in db.steps(job_id)]})
    if job.answer_status is None:
        return shape
    body = json.loads(job.answer_body or "null")
    if reader and reader == job.account:
        body = one_time.take(env.settings, job_id) or body
    return shape.model_copy(update={"answer": Answered(status=job.answer_status, body=body)})


def log_of(env: Env, db: JobsDb, job_id: str, asked: LogQuery) -> LogShape:
    job = _found(env, db, job_id)
    lines = [_line(env.clock, line) for line in db.lines(job_id, after=asked.after, limit=asked.limit)]
    return LogShape.model_validate(
        {"id": job.id, "status": job.status, "lines": lines, "after": lines[-1].number if lines else asked.after}
    )


def as_text(log: LogShape) -> str:
    return "".join(f"{line.time} {line.line}\n" for line in log.lines)


def cancel(env: Env, db: JobsDb, job_id: str, who: str) -> JobShape:
    """A waiting job is cancelled at once, a running one between two of its steps. Raises Conflict where it cannot be."""
    job = _found(env, db, job_id)
    if job.status == QUEUED and db.end(job_id, _cancelled_before(env, job, who), only_from=(QUEUED,)):
        return shown(env, db, job_id)
    job = _found(env, db, job_id)
    if job.has_ended:
        raise Conflict(f"job {job_id} ({job.kind}) has ended already: {job.status}", job=job_id, job_status=job.status)
    if not job.cancellable:
        raise Conflict(
            f"{job.kind} cannot be cancelled once it runs; job {job_id} runs on. Wait for it with"
            f" GET /api/v1/jobs/{job_id}?wait=30",
            job=job_id,
            job_status=job.status,
        )
    db.ask_cancel(job_id, who)
    return shown(env, db, job_id)


def _cancelled_before(env: Env, job: Job, who: str) -> End:
    error = Cancelled(f"{job.kind} was cancelled before it was begun: {who} asked for it; nothing was changed")
    body = {**problems.body(error), "instance": job.request_id}
    return End(CANCELLED, env.clock.now().timestamp(), error.detail, error.status, json.dumps(body, ensure_ascii=False))


def _found(env: Env, db: JobsDb, job_id: str) -> Job:
    settle.settle(env, db)
    job = db.job(job_id)
    if job is None:
        raise NotFound(
            f"this node knows no job {job_id}; a job is known to the node that runs it, until 30 days after its end."
            " GET /api/v1/jobs lists them"
        )
    return job


def summary(env: Env, job: Job) -> JobShape:
    """A job without its steps and its answer."""
    return JobShape.model_validate(
        {
            **{name: getattr(job, name) for name in ("id", "kind", "status", "percent", "holder", "node", "request_id")},
            "created": _time(env.clock, job.created),
            "started": _time(env.clock, job.started),
            "ended": _time(env.clock, job.ended),
            "holds": list(job.holds),
            "cancellable": job.cancellable,
            "cancel_asked_by": job.cancel_asked_by or None,
            "message": job.message or None,
            "secret_waits": one_time.waits(env.settings, job.id) or None,
        }
    )


def _step(clock: Clock, step: StepRecord) -> StepShape:
    return StepShape(
        number=step.number,
        name=step.name,
        text=step.text,
        started=_time(clock, step.started) or "",
        seconds=step.seconds,
        outcome=step.outcome,
        message=step.message or None,
    )


def _line(clock: Clock, line: LogLine) -> LineShape:
    return LineShape(number=line.number, time=_time(clock, line.at) or "", line=line.line)


def _time(clock: Clock, seconds: float | None) -> str | None:
    """RFC 3339 in the node's own time zone (D23)."""
    zone = clock.now().tzinfo
    return None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat(timespec="milliseconds")
