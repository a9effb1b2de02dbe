"""/cube/ccvm, /mold."""

from flask import Blueprint, Response, request

from ablestack_api.ccvm import edit, lifecycle, mold, resize, service_control, status, whereabouts, xml_cluster, xml_node
from ablestack_api.ccvm.models import (
    DomainAnswer,
    EditAnswer,
    EditRequest,
    LifecycleAnswer,
    LifecycleRequest,
    ResizeAnswer,
    ResizeRequest,
    ServiceAnswer,
    ServiceRequest,
    StatusAnswer,
    StatusQuery,
    StorageAnswer,
)
from ablestack_api.ccvm.xml_models import XmlAnswer, XmlQuery, XmlRequest
from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Cancelled,
    Conflict,
    DiskFull,
    PacemakerDown,
    PeersFailed,
    TemplateUnusable,
)
from ablestack_api.jobs import answer
from ablestack_api.jobs.work import Work
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, LIBVIRT_ERRORS, TOOL_ERRORS
from ablestack_api.web.plan_query import PlanQuery

blueprint = Blueprint("ccvm", __name__)

WORK_ERRORS = (
    BadInput,
    Busy,
    Cancelled,
    Conflict,
    PeersFailed,
    PacemakerDown,
    *CLUSTER_FILE_ERRORS,
    *TOOL_ERRORS,
    *LIBVIRT_ERRORS,
)


@blueprint.get("/cube/ccvm/status")
@endpoint(
    "The Cloud Center VM: what its guest and its host tell of it",
    query=StatusQuery,
    returns=StatusAnswer,
    errors=(BadInput, PeersFailed, *CLUSTER_FILE_ERRORS, *LIBVIRT_ERRORS),
)
def get_status() -> Response:
    refresh = read.query(StatusQuery).refresh
    if is_local_mode(status.GUEST_MODE):
        return reply.ok(status.read_guest(env(), refresh=refresh))
    if is_local_mode(whereabouts.LOCAL_MODE):
        return reply.ok(status.read_domain(env(), refresh=refresh))
    return reply.ok(status.read(env(), refresh=refresh))


@blueprint.get("/mold")
@endpoint("Ceph's status, as 0.1.2 answered it", query=StatusQuery, returns=StorageAnswer, errors=TOOL_ERRORS)
def get_mold() -> Response:
    return reply.ok(mold.read_storage(env(), refresh=read.query(StatusQuery).refresh), pretty=True)


@blueprint.get("/mold/ccvm")
@endpoint(
    "The libvirt state of the Cloud Center VM",
    query=StatusQuery,
    returns=DomainAnswer,
    errors=(PeersFailed, *CLUSTER_FILE_ERRORS),
)
def get_mold_ccvm() -> Response:
    return reply.ok(mold.read_domain(env(), refresh=read.query(StatusQuery).refresh), pretty=True)


@blueprint.post("/cube/ccvm/xml")
@endpoint(
    "Render the definition of the Cloud Center VM and install it on every host: all take it or none",
    query=XmlQuery,
    body=XmlRequest,
    returns=XmlAnswer,
    errors=(BadInput, Busy, Conflict, TemplateUnusable, PeersFailed, *CLUSTER_FILE_ERRORS, *TOOL_ERRORS, *LIBVIRT_ERRORS),
)
def post_xml() -> Response:
    asked, here = read.body(XmlRequest), env()
    if is_local_mode(xml_cluster.LOCAL_HEADER):
        asked.mode = request.headers.get(xml_cluster.MODE_HEADER, "").strip() or asked.mode
        return _xml_part(asked)
    describe(cpu=str(asked.cpu), memory=str(asked.memory), bridge=asked.management_network_bridge)
    prepared = xml_cluster.prepare(here, asked)
    if read.query(XmlQuery).plan:
        return reply.ok({"code": 200, "val": prepared.shape()})
    look_at = "vmconfig/ccvm/ccvm.xml, which must be the same on every host: ask for it once more"
    return answer.long_work(
        Work("ccvm xml", lambda told: xml_cluster.apply(here, asked, told), holds=("vm:ccvm",), look_at=look_at)
    )


def _xml_part(asked: XmlRequest) -> Response:
    here = env()
    describe(mode=asked.mode)
    if asked.mode.lower() != xml_node.INSTALL:
        return reply.ok(xml_node.take(here, asked))
    return answer.long_work(Work("ccvm xml install", lambda _told: xml_node.take(here, asked), holds=("vm:ccvm",)))


@blueprint.post("/cube/ccvm/lifecycle")
@endpoint(
    "Set up, start, stop, restart, delete or reset the Cloud Center VM; plan=true shows the steps",
    query=PlanQuery,
    body=LifecycleRequest,
    returns=LifecycleAnswer,
    errors=(*WORK_ERRORS, DiskFull),
)
def post_lifecycle() -> Response:
    asked, here = read.body(LifecycleRequest, optional=True), is_local_mode(lifecycle.LOCAL_MODE)
    describe(action=asked.action or "", part=asked.part, force=str(asked.force), purge=str(asked.purge))
    if read.query(PlanQuery).plan:
        return reply.ok(lifecycle.show_plan(env(), asked, here=here))
    return answer.long_work(lifecycle.work(env(), asked, here=here))


@blueprint.post("/cube/ccvm/edit")
@endpoint(
    "vCPUs and memory of the Cloud Center VM from its next start on; plan=true shows the steps",
    query=PlanQuery,
    body=EditRequest,
    returns=EditAnswer,
    errors=WORK_ERRORS,
)
def post_edit() -> Response:
    asked, here = read.body(EditRequest), is_local_mode(edit.LOCAL_MODE)
    describe(cpu=asked.cpu, memory=asked.memory, part=asked.part)
    if read.query(PlanQuery).plan:
        return reply.ok(edit.show_plan(env(), asked, here=here))
    return answer.long_work(edit.work(env(), asked, here=here))


@blueprint.post("/cube/ccvm/secondary/resize")
@endpoint(
    "Enlarge the disk of the Cloud Center VM and /nfs on it; plan=true shows the steps",
    query=PlanQuery,
    body=ResizeRequest,
    returns=ResizeAnswer,
    errors=WORK_ERRORS,
)
def post_resize() -> Response:
    asked, here = read.body(ResizeRequest), is_local_mode(resize.LOCAL_MODE)
    describe(add_size=str(asked.add_size), purge_snapshots=str(asked.purge_snapshots), part=asked.part)
    if read.query(PlanQuery).plan:
        return reply.ok(resize.show_plan(env(), asked, here=here))
    return answer.long_work(resize.work(env(), asked, here=here))


@blueprint.post("/cube/ccvm/service/control")
@endpoint(
    "Start, stop, restart or look at a service inside the Cloud Center VM",
    body=ServiceRequest,
    returns=ServiceAnswer,
    errors=(BadInput, Busy, Conflict, PeersFailed, *CLUSTER_FILE_ERRORS, *TOOL_ERRORS),
)
def post_service() -> Response:
    asked, here = read.body(ServiceRequest), is_local_mode(service_control.LOCAL_MODE)
    describe(action=asked.action, service=asked.service_name)
    return answer.long_work(service_control.work(env(), asked, here=here))
