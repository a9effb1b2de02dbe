"""`ablestack-api jobs`: the same as /jobs, from the database, whether the daemon runs or not."""

import argparse
import json
import os
import pwd
import time
from collections.abc import Sequence

from pydantic import BaseModel, TypeAdapter

from ablestack_api.env import Env
from ablestack_api.jobs import lookup, settle
from ablestack_api.jobs.models import JobShape, JobsQuery, LogQuery, StepShape
from ablestack_api.state.jobs_db import SUCCEEDED, JobsDb, path_of

LOOK_SECONDS = 0.5
MOST_LINES = 10_000
HEAD = ("JOB", "STATUS", "%", "KIND", "CREATED", "BY")

Told = tuple[str, int]


def run(env: Env, options: argparse.Namespace) -> Told:
    """What to print and the exit code: 1 when the job of `wait` did not succeed (in time)."""
    db = JobsDb(path_of(env.settings))
    actions = {"list": _list, "show": _show, "log": _log, "wait": _wait, "cancel": _cancel}
    return actions[options.action](env, db, options)


def _list(env: Env, db: JobsDb, options: argparse.Namespace) -> Told:
    asked = JobsQuery(status=options.status, kind=options.kind or "", limit=options.limit)
    found = lookup.listed(env, db, asked)
    if options.json:
        shapes = TypeAdapter(list[JobShape]).dump_python(found, exclude_none=True)
        return json.dumps(shapes, ensure_ascii=False), 0
    return _table([HEAD, *(_row(job) for job in found)]) if found else "no jobs", 0


def _show(env: Env, db: JobsDb, options: argparse.Namespace) -> Told:
    return _told(lookup.shown(env, db, options.id), options), 0


def _log(env: Env, db: JobsDb, options: argparse.Namespace) -> Told:
    found = lookup.log_of(env, db, options.id, LogQuery(limit=MOST_LINES))
    return _json(found) if options.json else lookup.as_text(found).rstrip("\n"), 0


def _wait(env: Env, db: JobsDb, options: argparse.Namespace) -> Told:
    end = time.monotonic() + options.seconds
    while not _has_ended(env, db, options.id) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    found = lookup.shown(env, db, options.id)
    return _told(found, options), 0 if found.status == SUCCEEDED else 1


def _cancel(env: Env, db: JobsDb, options: argparse.Namespace) -> Told:
    who = f"{pwd.getpwuid(os.geteuid()).pw_name}@localhost"
    return _told(lookup.cancel(env, db, options.id, who), options), 0


def _has_ended(env: Env, db: JobsDb, job_id: str) -> bool:
    settle.settle(env, db)
    job = db.job(job_id)
    return job is None or job.has_ended


def _told(job: JobShape, options: argparse.Namespace) -> str:
    return _json(job) if options.json else _text(job)


def _json(shape: BaseModel) -> str:
    return json.dumps(shape.model_dump(exclude_none=True), ensure_ascii=False)


def _row(job: JobShape) -> tuple[str, ...]:
    percent = "" if job.percent is None else f"{job.percent:.0f}"
    return (job.id, job.status, percent, job.kind, job.created, job.holder)


def _text(job: JobShape) -> str:
    asked = f", {job.cancel_asked_by} asked to cancel it" if job.cancel_asked_by else ""
    percent = "" if job.percent is None else f", {job.percent:.0f} %"
    rows = [
        ("job", job.id),
        ("kind", job.kind),
        ("status", f"{job.status}{percent}{asked}"),
        ("by", f"{job.holder}, request {job.request_id} on {job.node}"),
        ("created", job.created),
        ("started", job.started or ""),
        ("ended", job.ended or ""),
        ("holds", ", ".join(job.holds)),
        ("message", job.message or ""),
        *(("step", _step(step)) for step in job.steps or []),
        ("answer", f"{job.answer.status} {json.dumps(job.answer.body, ensure_ascii=False)}" if job.answer else ""),
    ]
    return _table([row for row in rows if row[1]])


def _step(step: StepShape) -> str:
    took = "" if step.seconds is None else f" in {step.seconds:g} s"
    message = f": {step.message}" if step.message else ""
    return f"{step.number} {step.name} ({step.text}) {step.outcome}{took}{message}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
