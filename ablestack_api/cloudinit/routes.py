"""/cube/cloudinit."""

from flask import Blueprint, Response

from ablestack_api.cloudinit import generate, status
from ablestack_api.cloudinit.generate import Generation
from ablestack_api.cloudinit.models import (
    CcvmRequest,
    FreeRequest,
    GenerateAnswer,
    ScvmRequest,
    StatusAnswer,
    StatusRequest,
)
from ablestack_api.core.errors import (
    BadInput,
    Busy,
    ClusterFileDamaged,
    ClusterFileMissing,
    Conflict,
    DiskFull,
    FileUnusable,
    PeersFailed,
)
from ablestack_api.jobs import answer
from ablestack_api.jobs.work import Work
from ablestack_api.web import read, reply
from ablestack_api.web.context import deadline, describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("cloudinit", __name__)

FILE_ERRORS = (*CLUSTER_FILE_ERRORS, FileUnusable, DiskFull)
MAKE_ERRORS = (BadInput, Busy, *FILE_ERRORS, *TOOL_ERRORS)


@blueprint.post("/cube/cloudinit/ccvm/generate")
@endpoint(
    "Make the cloud-init drive of the Cloud Center VM and put it on every host: all get it or none",
    query=PlanQuery,
    body=CcvmRequest,
    returns=GenerateAnswer,
    errors=(*MAKE_ERRORS, Conflict, PeersFailed),
)
def post_ccvm_generate() -> Response:
    asked, here = read.body(CcvmRequest, optional=True), env()
    if is_local_mode(generate.LOCAL_HEADER):
        describe(mode=asked.mode)
        return _part(asked)
    return _made("ccvm cloudinit", generate.of_ccvm(here, asked))


@blueprint.post("/cube/cloudinit/scvm/generate")
@endpoint(
    "Make the cloud-init drive of this host's Storage Center VM",
    query=PlanQuery,
    body=ScvmRequest,
    returns=GenerateAnswer,
    errors=MAKE_ERRORS,
)
def post_scvm_generate() -> Response:
    return _made("scvm cloudinit", generate.of_scvm(env(), read.body(ScvmRequest, optional=True)))


@blueprint.post("/cube/cloudinit/generate")
@endpoint(
    "Make a cloud-init drive from the request alone, as release 0.1 did",
    query=PlanQuery,
    body=FreeRequest,
    returns=GenerateAnswer,
    errors=MAKE_ERRORS,
)
def post_generate() -> Response:
    asked = read.body(FreeRequest)
    return _made(f"{asked.type.lower()} cloudinit", generate.of_form(env(), asked))


def _part(asked: CcvmRequest) -> Response:
    """Only putting an image in its place waits for nobody: taking it back must not be refused."""
    here = env()
    if asked.mode != generate.INSTALL:
        return reply.ok(generate.take(here, asked))
    return answer.long_work(Work("ccvm cloudinit install", lambda _told: generate.take(here, asked), holds=(generate.HELD,)))


def _made(kind: str, generation: Generation) -> Response:
    describe(machine=generation.draft.hostname, path=generation.path)
    if read.query(PlanQuery).plan:
        return reply.ok({"code": 200, "val": generation.plan().shape()})
    look_at = f"{generation.path}, which must be the same on every host: ask for it once more"
    return answer.long_work(Work(kind, generation.run, holds=(generation.held,), look_at=look_at))


@blueprint.post("/cube/cloudinit/status")
@endpoint(
    "How far cloud-init is in a machine, or whether the machine answers",
    body=StatusRequest,
    returns=StatusAnswer,
    errors=(BadInput, PeersFailed, ClusterFileMissing, ClusterFileDamaged, *TOOL_ERRORS),
)
def post_status() -> Response:
    asked = read.body(StatusRequest)
    describe(action=asked.action, target=asked.target)
    if is_local_mode(status.LOCAL_HEADER):
        return reply.ok(status.check_here(env(), asked))
    return reply.ok(status.check(env(), asked, deadline(status.SECONDS)))
