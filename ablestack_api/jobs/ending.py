"""How a job ended, as it is recorded: the very answer that the synchronous call gives."""

import json
from typing import Any

from ablestack_api.core import log as log_file
from ablestack_api.core.errors import ApiError, Cancelled
from ablestack_api.env import Env
from ablestack_api.jobs import one_time
from ablestack_api.state.jobs_db import CANCELLED, FAILED, SUCCEEDED, End, Job
from ablestack_api.web import problems


def good(env: Env, body: dict[str, Any]) -> End:
    return End(SUCCEEDED, _now(env), "", 200, encoded(body))


def good_later(env: Env, job: Job, body: dict[str, Any]) -> End:
    """Of asynchronous work: nobody waits for the answer, so a one-time secret is kept until it is read."""
    message = ""
    if one_time.has_secret(body):
        try:
            one_time.keep(env.settings, job.id, body)
        except ApiError as error:
            message = f"the work is done, but its one-time secret could not be kept to be read: {error.detail}"
    return End(SUCCEEDED, _now(env), message, 200, encoded(body))


def bad(env: Env, error: BaseException) -> End:
    """What is no ApiError is a fault of the daemon; the operator gets the request id."""
    told = error if isinstance(error, ApiError) else problems.internal()
    status = CANCELLED if isinstance(error, Cancelled) else FAILED
    return End(status, _now(env), told.detail, told.status, encoded(problems.body(told)))


def audit(env: Env, job: Job, end: End) -> None:
    """Of asynchronous work: the request's own line only says that it was accepted."""
    record = {
        "type": "audit",
        "time": env.clock.now().isoformat(),
        "request_id": job.request_id,
        "status": end.answer_status,
        "outcome": "success" if end.status == SUCCEEDED else "error",
        "caller": job.holder,
        "job": job.id,
        "kind": job.kind,
    }
    log_file.append(env.settings.audit_log, record)


def encoded(body: dict[str, Any]) -> str:
    """As `web.reply` writes it; a Secret is stars."""
    return json.dumps(body, ensure_ascii=False, default=str)


def _now(env: Env) -> float:
    return env.clock.now().timestamp()
