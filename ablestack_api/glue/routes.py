"""/cube/gluecluster, /cube/glue, /glue."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Conflict,
    DiskFull,
    FileUnusable,
    NotFound,
    PeersFailed,
)
from ablestack_api.glue import ceph_files, config_update, legacy_view, maintenance, storage_status, users
from ablestack_api.glue.models import (
    ConfigAnswer,
    ConfigRequest,
    LegacyAnswer,
    MaintenanceAnswer,
    MaintenanceRequest,
    StatusAnswer,
    StatusQuery,
    UserAnswer,
    UserBody,
    UserQuery,
    UsersAnswer,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.web import envelope, read, reply
from ablestack_api.web.context import caller, deadline, describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.envelope import Envelope
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("glue", __name__)

FILE_ERRORS = (*CLUSTER_FILE_ERRORS, FileUnusable, DiskFull)
# A key must not stay in anybody's cache.
NOT_KEPT = {"Cache-Control": "no-store"}


@blueprint.get("/cube/gluecluster/status")
@endpoint("The storage cluster at a glance", query=StatusQuery, returns=StatusAnswer, errors=TOOL_ERRORS)
def get_status() -> Response:
    return reply.ok(storage_status.read(env(), refresh=read.query(StatusQuery).refresh), pretty=True)


@blueprint.post("/cube/gluecluster/update")
@endpoint(
    "Storage maintenance on or off: checked before, looked at again afterwards",
    query=PlanQuery,
    body=MaintenanceRequest,
    returns=MaintenanceAnswer,
    errors=(BadInput, Busy, Conflict, *TOOL_ERRORS),
)
def post_update() -> Response:
    asked = read.body(MaintenanceRequest)
    describe(action=asked.action, target=asked.target_hostname, force=str(asked.force))
    work = maintenance.work(env(), asked, caller().name)
    if read.query(PlanQuery).plan:
        return reply.ok(maintenance.show_plan(env(), asked, caller().name))
    return long_work(work)


@blueprint.post("/cube/glue/config/update")
@endpoint(
    "Give every host and storage VM the storage cluster's configuration and key: all or none",
    body=ConfigRequest,
    returns=ConfigAnswer,
    errors=(BadInput, Busy, Conflict, PeersFailed, *FILE_ERRORS, *TOOL_ERRORS),
)
def post_config_update() -> Response:
    asked = read.body(ConfigRequest, optional=True)
    if asked.transaction is not None:
        describe(change=asked.transaction.id, phase=asked.transaction.phase, holder=asked.transaction.holder)
        step = Envelope(transaction=asked.transaction, request=asked.request)
        return reply.ok(envelope.take(env(), ceph_files.KIND, step, caller()))
    describe(action=asked.action, force=str(asked.force))
    limit, handed_on = deadline(config_update.SECONDS), is_local_mode(config_update.LOCAL_HEADER)
    return long_work(config_update.work(env(), asked, caller().name, limit, handed_on=handed_on))


@blueprint.get("/glue")
@endpoint("`ceph -s`, as the first releases answered it", query=StatusQuery, returns=LegacyAnswer, errors=TOOL_ERRORS)
def get_glue() -> Response:
    return reply.ok(legacy_view.read(env(), refresh=read.query(StatusQuery).refresh), pretty=True)


@blueprint.get("/glue/auth")
@endpoint(
    "A Ceph user; its key for a Bearer token only",
    query=UserQuery,
    returns=UserAnswer,
    errors=(BadInput, NotFound, *TOOL_ERRORS),
)
def get_user() -> Response:
    asked, sent = read.query(UserQuery), read.body(UserBody, optional=True)
    told = users.read_one(env(), sent.username or asked.username, caller(), refresh=asked.refresh)
    return reply.ok(told, headers=NOT_KEPT, pretty=True)


@blueprint.get("/glue/auth/<username>")
@endpoint(
    "A Ceph user by name; its key for a Bearer token only",
    query=StatusQuery,
    returns=UserAnswer,
    errors=(BadInput, NotFound, *TOOL_ERRORS),
)
def get_user_named(username: str) -> Response:
    asked, sent = read.query(StatusQuery), read.body(UserBody, optional=True)
    told = users.read_one(env(), sent.username or username, caller(), refresh=asked.refresh)
    return reply.ok(told, headers=NOT_KEPT, pretty=True)


@blueprint.get("/glue/auths")
@endpoint("All Ceph users; keys for a Bearer token only", query=StatusQuery, returns=UsersAnswer, errors=TOOL_ERRORS)
def get_users() -> Response:
    told = users.read_all(env(), caller(), refresh=read.query(StatusQuery).refresh)
    return reply.ok(told, headers=NOT_KEPT, pretty=True)
