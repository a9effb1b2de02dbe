"""How a route answers with long work: here and now, or with `Prefer: respond-async` at once with the job (D21)."""

from flask import Flask, Response, after_this_request, current_app, request

from ablestack_api.env import Env
from ablestack_api.jobs import lookup, one_time, prefer
from ablestack_api.jobs.job_runner import Accepted, JobRunner
from ablestack_api.jobs.progress import Quiet
from ablestack_api.jobs.work import Work
from ablestack_api.web import context, reply

EXTENSION = "ablestack_jobs"
JOB_HEADER = "X-Job-Id"


def install(app: Flask, env: Env) -> None:
    app.extensions[EXTENSION] = JobRunner(env)


def job_runner() -> JobRunner:
    value: JobRunner = current_app.extensions[EXTENSION]
    return value


def long_work(work: Work) -> Response:
    """The answer of the work itself (its job is named in the header X-Job-Id), or 202 with the job.

    Raises Busy before anything is begun when another job holds what this one writes, and what the work raises.
    """
    if work.reads_only:
        return reply.ok(work.do(Quiet()))
    later = prefer.respond_async(request.headers.getlist("Prefer"))
    accepted = job_runner().accept(work, holder=context.caller().name, account=account(), later=later)
    context.describe(job=accepted.job.id)
    return _later(accepted) if later else _now(accepted)


def account() -> str:
    """Who asks, wherever from: the account of a Bearer token, or `node` for another node."""
    asks = context.caller()
    return asks.user or ("node" if asks.internal else "")


def _now(accepted: Accepted) -> Response:
    def name_the_job(response: Response) -> Response:
        response.headers[JOB_HEADER] = accepted.job.id
        return response

    if accepted.recorded:
        after_this_request(name_the_job)
    return reply.ok(one_time.revealed(job_runner().perform(accepted)))


def _later(accepted: Accepted) -> Response:
    job_id, shape = accepted.job.id, lookup.summary(context.env(), accepted.job)
    job_runner().enqueue(accepted)
    body = {"code": 202, "val": shape.model_dump(exclude_none=True)}
    headers = {"Location": f"/api/v1/jobs/{job_id}", "Preference-Applied": prefer.RESPOND_ASYNC, JOB_HEADER: job_id}
    return reply.encoded(body, 202, headers=headers)
