"""/cube/scvm."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Cancelled,
    Conflict,
    DiskFull,
    PeersFailed,
    TemplateUnusable,
)
from ablestack_api.jobs import answer
from ablestack_api.jobs.work import Work
from ablestack_api.scvm import lifecycle, status, xml, xml_request
from ablestack_api.scvm.models import LifecycleAnswer, LifecycleRequest, StatusAnswer, StatusQuery
from ablestack_api.scvm.xml_models import XmlAnswer, XmlQuery, XmlRequest
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, LIBVIRT_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("scvm", __name__)

WORK_ERRORS = (BadInput, Busy, Cancelled, Conflict, PeersFailed, *CLUSTER_FILE_ERRORS, *LIBVIRT_ERRORS)


@blueprint.get("/cube/scvm/status")
@endpoint(
    "The Storage Center VM of this host",
    query=StatusQuery,
    returns=StatusAnswer,
    errors=(BadInput, Conflict, PeersFailed, *CLUSTER_FILE_ERRORS, *LIBVIRT_ERRORS),
)
def get_status() -> Response:
    here = is_local_mode(status.LOCAL_MODE)
    return reply.ok(status.read(env(), refresh=read.query(StatusQuery).refresh, here=here))


@blueprint.post("/cube/scvm/lifecycle")
@endpoint(
    "Set up, start, stop, resize, delete or reset the Storage Center VM of a host",
    query=PlanQuery,
    body=LifecycleRequest,
    returns=LifecycleAnswer,
    errors=(*WORK_ERRORS, DiskFull, *TOOL_ERRORS),
)
def post_lifecycle() -> Response:
    asked, here = read.body(LifecycleRequest), is_local_mode(lifecycle.LOCAL_MODE)
    describe(action=asked.action, target=asked.target or asked.target_hostname, force=str(asked.force))
    if read.query(PlanQuery).plan:
        return reply.ok(lifecycle.show_plan(env(), asked, here=here))
    return answer.long_work(lifecycle.work(env(), asked, here=here))


@blueprint.post("/cube/scvm/xml")
@endpoint(
    "Reserve the memory of this host's Storage Center VM and render its definition",
    query=XmlQuery,
    body=XmlRequest,
    returns=XmlAnswer,
    errors=(BadInput, Busy, Conflict, TemplateUnusable, DiskFull, *TOOL_ERRORS),
)
def post_xml() -> Response:
    asked, here = read.body(XmlRequest), env()
    describe(cpu=str(asked.cpu), memory=str(asked.memory), disks=asked.disk_type)
    xml_request.asked(asked)
    if read.query(XmlQuery).plan:
        return reply.ok({"code": 200, "val": xml.prepare(here, asked).shape()})
    return answer.long_work(Work("scvm xml", lambda told: xml.apply(here, asked, told), holds=("vm:scvm",)))
