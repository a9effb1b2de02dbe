"""/cube/version/update."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Cancelled,
    ClusterFileDamaged,
    CommandFailed,
    CommandTimedOut,
    Conflict,
    DiskFull,
    FileUnusable,
    NotFound,
    ProgramMissing,
    StateFileDamaged,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.ops import version_update
from ablestack_api.ops.update_models import UpdateAnswer, UpdateQuery, UpdateRequest
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("version_update", __name__)

FILE_ERRORS = (FileUnusable, DiskFull, StateFileDamaged, ClusterFileDamaged)


@blueprint.post("/cube/version/update")
@endpoint(
    "What a mounted update medium holds (info), or the update itself (run)",
    body=UpdateRequest,
    query=UpdateQuery,
    returns=UpdateAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, Cancelled, CommandFailed, CommandTimedOut, ProgramMissing, *FILE_ERRORS),
)
def post_version_update() -> Response:
    asked = read.body(UpdateRequest)
    describe(action=asked.action, medium=asked.mount_path)
    if read.query(UpdateQuery).plan:
        return reply.ok(version_update.show_plan(env(), asked))
    return long_work(version_update.work(env(), asked, local=is_local_mode(version_update.LOCAL_HEADER)))
