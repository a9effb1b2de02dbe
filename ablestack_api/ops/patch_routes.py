"""/cube/security/patch."""

from flask import Blueprint, Response

from ablestack_api.core.errors import (
    BadInput,
    Busy,
    ClusterFileDamaged,
    ClusterFileMissing,
    Conflict,
    FileUnusable,
    PeersFailed,
)
from ablestack_api.jobs.answer import long_work
from ablestack_api.ops import security_patch
from ablestack_api.ops.patch_models import PatchAnswer, PatchRequest
from ablestack_api.web import read
from ablestack_api.web.context import describe, env
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("security_patch", __name__)


@blueprint.post("/cube/security/patch")
@endpoint(
    "Harden the nodes of the cluster; move their SSH port",
    body=PatchRequest,
    returns=PatchAnswer,
    errors=(BadInput, Busy, Conflict, PeersFailed, ClusterFileMissing, ClusterFileDamaged, FileUnusable),
)
def post_security_patch() -> Response:
    asked = read.body(PatchRequest)
    describe(targets=",".join(asked.targets), new_port=str(asked.new_port or ""))
    return long_work(security_patch.work(env(), asked))
