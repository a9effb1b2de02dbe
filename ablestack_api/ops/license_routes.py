"""/cube/license, /cube/license/apply."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    BodyTooLarge,
    Busy,
    ClusterFileDamaged,
    ClusterFileMissing,
    DiskFull,
    FileUnusable,
    NotFound,
    PeersFailed,
    StateFileDamaged,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.ops import license as own_license
from ablestack_api.ops import license_apply
from ablestack_api.ops.license_models import LicenseAnswer, LicenseApplyAnswer, LicenseApplyRequest, LicenseRequest
from ablestack_api.web import read, reply
from ablestack_api.web.context import describe, env
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("license", __name__)

MAX_UPLOAD = 11 * 1024 * 1024
UPLOAD_FIELDS = ("license_file", "file")
FILE_ERRORS = (FileUnusable, DiskFull, StateFileDamaged, ClusterFileDamaged)


@blueprint.post("/cube/license")
@endpoint(
    "The licence of this node: status, or register (JSON, or multipart with license_file)",
    body=LicenseRequest,
    returns=LicenseAnswer,
    errors=(BadInput, NotFound, Busy, BodyTooLarge, *FILE_ERRORS),
)
def post_license() -> Response:
    asked, upload = read.body_or_upload(LicenseRequest, UPLOAD_FIELDS, MAX_UPLOAD)
    describe(action=asked.action)
    return reply.ok(own_license.control(env(), asked, upload))


@blueprint.post("/cube/license/apply")
@endpoint(
    "The licence registered, or asked for, on many nodes",
    body=LicenseApplyRequest,
    returns=LicenseApplyAnswer,
    errors=(BadInput, Busy, PeersFailed, ClusterFileMissing, *FILE_ERRORS),
)
def post_license_apply() -> Response:
    asked = read.body(LicenseApplyRequest, optional=True)
    describe(action=asked.action)
    return long_work(license_apply.work(env(), asked))
