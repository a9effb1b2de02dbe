"""/health, /version, /err, /cube/auto-shutdown."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    ClusterFileDamaged,
    ClusterFileMissing,
    Conflict,
    NotFound,
    PeersFailed,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.ops import auto_shutdown, dashboard, versions
from ablestack_api.ops.models import (
    DashboardAnswer,
    DashboardQuery,
    ErrorsAnswer,
    HealthAnswer,
    ShutdownAnswer,
    ShutdownRequest,
    VersionAnswer,
)
from ablestack_api.state import error_list
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env, is_local_mode
from ablestack_api.web.endpoint import Access, endpoint
from ablestack_api.web.error_groups import LIBVIRT_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("ops", __name__)
root_blueprint = Blueprint("root", __name__)

PROGRAM_ERRORS = (*TOOL_ERRORS, *LIBVIRT_ERRORS)


@root_blueprint.get("/health")
@blueprint.get("/health")
@endpoint("This daemon is alive", returns=HealthAnswer, access=Access.OPEN)
def get_health() -> Response:
    return reply.ok({"status": "ok", "code": 200, "message": "ok"})


@blueprint.get("/version")
@endpoint("Versions of what runs on this node", returns=VersionAnswer)
def get_version() -> Response:
    return reply.ok(versions.read(env()), pretty=True)


@blueprint.get("/err")
@endpoint("What went wrong on this node lately (at most 200 entries)", returns=ErrorsAnswer)
def get_errors() -> Response:
    return reply.ok({"errors": error_list.listed(env().settings) or None}, pretty=True)


@blueprint.delete("/err")
@endpoint("Empty the list", returns=ErrorsAnswer)
def delete_errors() -> Response:
    error_list.clear(env().settings)
    return reply.ok({"errors": None}, pretty=True)


@blueprint.post("/cube/auto-shutdown")
@endpoint(
    "Switch the whole cluster off in order: file systems, storage VMs, hosts",
    body=ShutdownRequest,
    query=PlanQuery,
    returns=ShutdownAnswer,
    errors=(BadInput, NotFound, Busy, Conflict, PeersFailed, ClusterFileMissing, ClusterFileDamaged, *PROGRAM_ERRORS),
)
def post_auto_shutdown() -> Response:
    asked = read.body(ShutdownRequest)
    describe(action=asked.action)
    if read.query(PlanQuery).plan:
        return reply.ok(auto_shutdown.show_plan(env(), asked))
    return long_work(auto_shutdown.work(env(), asked, local=is_local_mode(auto_shutdown.LOCAL_HEADER)))


@blueprint.get("/dashboard")
@endpoint("Storage cluster and Cloud Center VM on one page", query=DashboardQuery, returns=DashboardAnswer)
def get_dashboard() -> Response:
    return reply.ok(dashboard.read(env(), refresh=read.query(DashboardQuery).refresh), pretty=True)
