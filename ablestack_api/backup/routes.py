"""/cube/db/dump."""

from flask import Blueprint, Response

from ablestack_api.backup import db_dump
from ablestack_api.backup.models import DbDumpAnswer, DbDumpRequest
from ablestack_api.core.errors import (
    BadInput,
    Busy,
    ClusterFileDamaged,
    CommandFailed,
    CommandTimedOut,
    Conflict,
    DiskFull,
    FileUnusable,
    NotFound,
    PeersFailed,
    ProgramMissing,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.web import read
from ablestack_api.web.context import deadline, describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("backup", __name__)

TOOL_ERRORS = (CommandFailed, CommandTimedOut, ProgramMissing)
FILE_ERRORS = (ClusterFileDamaged, FileUnusable, DiskFull)


@blueprint.post("/cube/db/dump")
@endpoint(
    "Dump the Cloud Center's database, schedule dumps and their deletion, prove a dump by restoring it",
    body=DbDumpRequest,
    returns=DbDumpAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_db_dump() -> Response:
    asked = read.body(DbDumpRequest)
    describe(action=asked.action, path=asked.path, repeat=asked.repeat, file=asked.file)
    local = is_local_mode(db_dump.LOCAL_HEADER)
    return long_work(db_dump.work(env(), asked, deadline(db_dump.SECONDS), local=local))
