"""/jobs: the long work of this node."""

from flask import Blueprint, Response, request

from ablestack_api.core.errors import BadInput, Conflict, FileUnusable, NotFound, StateFileDamaged
from ablestack_api.jobs import answer, lookup
from ablestack_api.jobs.models import JobAnswer, JobQuery, JobsAnswer, JobsQuery, LogAnswer, LogQuery
from ablestack_api.web import context, read, reply
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("jobs", __name__)

RECORD_ERRORS = (BadInput, StateFileDamaged, FileUnusable)
NO_STORE = {"Cache-Control": "no-store"}
TEXT = "text/plain"


@blueprint.get("/jobs")
@endpoint("Long work of this node, the newest first", query=JobsQuery, returns=JobsAnswer, errors=RECORD_ERRORS)
def get_jobs() -> Response:
    found = lookup.listed(context.env(), answer.job_runner().db, read.query(JobsQuery))
    return reply.ok(JobsAnswer(code=200, val=found), headers=NO_STORE)


@blueprint.get("/jobs/<uuid:job_id>")
@endpoint(
    "One job: how far it is, its steps, and once it has ended the answer that the synchronous call gives",
    query=JobQuery,
    returns=JobAnswer,
    errors=(NotFound, *RECORD_ERRORS),
)
def get_job(job_id: object) -> Response:
    runner, seconds = answer.job_runner(), read.query(JobQuery).wait
    runner.wait(str(job_id), context.deadline(seconds).remaining())
    reader = "" if request.method == "HEAD" else answer.account()
    return reply.ok(JobAnswer(code=200, val=lookup.shown(context.env(), runner.db, str(job_id), reader)), headers=NO_STORE)


@blueprint.get("/jobs/<uuid:job_id>/log")
@endpoint(
    "What a job said, line by line; as text when Accept asks for text/plain",
    query=LogQuery,
    returns=LogAnswer,
    errors=(NotFound, *RECORD_ERRORS),
)
def get_log(job_id: object) -> Response:
    log = lookup.log_of(context.env(), answer.job_runner().db, str(job_id), read.query(LogQuery))
    if request.accept_mimetypes.best_match([reply.JSON_TYPE, TEXT]) == TEXT:
        return Response(lookup.as_text(log), mimetype=TEXT, headers=NO_STORE)
    return reply.ok(LogAnswer(code=200, val=log), headers=NO_STORE)


@blueprint.delete("/jobs/<uuid:job_id>")
@endpoint(
    "Cancel a job: 200 when it had not begun, 202 when it ends after its present step and takes back what it did",
    returns=JobAnswer,
    errors=(NotFound, Conflict, *RECORD_ERRORS),
)
def delete_job(job_id: object) -> Response:
    context.describe(job=str(job_id))
    runner = answer.job_runner()
    shape = lookup.cancel(context.env(), runner.db, str(job_id), context.caller().name)
    runner.sweep()
    code = 200 if shape.status == "cancelled" else 202
    return reply.encoded({"code": code, "val": shape.model_dump(exclude_none=True)}, code, headers=NO_STORE)
