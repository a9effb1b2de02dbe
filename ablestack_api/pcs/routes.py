"""/cube/pcs/control, /pcs."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    Conflict,
    LibvirtFailed,
    LibvirtTimedOut,
    NotFound,
    PeersFailed,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.pacemaker import control
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.pcs import legacy_view
from ablestack_api.pcs.models import ControlAnswer, LegacyAnswer, LegacyQuery, LegacyResources
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env, is_local_mode
from ablestack_api.web.endpoint import endpoint
from ablestack_api.web.error_groups import CLUSTER_FILE_ERRORS, PACEMAKER_ERRORS, TOOL_ERRORS

blueprint = Blueprint("pcs", __name__)

CLUSTER_ERRORS = (*PACEMAKER_ERRORS, *TOOL_ERRORS)


@blueprint.post("/cube/pcs/control")
@endpoint(
    "Set up, read and steer the Pacemaker cluster and the Cloud Center VM in it",
    body=ControlRequest,
    returns=ControlAnswer,
    errors=(
        BadInput,
        NotFound,
        Busy,
        Conflict,
        PeersFailed,
        LibvirtFailed,
        LibvirtTimedOut,
        *CLUSTER_FILE_ERRORS,
        *CLUSTER_ERRORS,
    ),
)
def post_pcs_control() -> Response:
    asked = read.body(ControlRequest)
    describe(action=asked.action, resource=asked.resource, target=asked.target)
    return long_work(control.work(env(), asked, local=is_local_mode(control.LOCAL_HEADER)))


@blueprint.get("/pcs")
@endpoint("All that Pacemaker tells of its cluster", query=LegacyQuery, returns=LegacyAnswer, errors=CLUSTER_ERRORS)
def get_pcs() -> Response:
    return reply.ok(legacy_view.read(env(), refresh=read.query(LegacyQuery).refresh), pretty=True)


@blueprint.get("/pcs/resources")
@endpoint(
    "Its resources that are in no clone and no group", query=LegacyQuery, returns=LegacyResources, errors=CLUSTER_ERRORS
)
def get_pcs_resources() -> Response:
    return reply.ok(legacy_view.read_resources(env(), refresh=read.query(LegacyQuery).refresh), pretty=True)
