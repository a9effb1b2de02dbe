"""/cube/ssh/key."""

import secrets

from flask import Blueprint, Response

from ablestack_api.core.errors import BadInput, BodyTooLarge, Busy, Conflict, DiskFull, FileUnusable, NotFound
from ablestack_api.jobs.answer import long_work
from ablestack_api.ops import ssh_key
from ablestack_api.ops.ssh_key_models import KeyAnswer, KeyRequest
from ablestack_api.web import read
from ablestack_api.web.context import describe, env
from ablestack_api.web.endpoint import endpoint

blueprint = Blueprint("ssh_key", __name__)

MAX_UPLOAD = 2 * 1024 * 1024
UPLOAD_FIELDS = ("file", "ssh_key", "bundle")


@blueprint.post("/cube/ssh/key")
@endpoint(
    "Root's SSH key of this node: generate, download as an encrypted file, upload such a file",
    body=KeyRequest,
    query=KeyRequest,
    returns=KeyAnswer,
    errors=(BadInput, Busy, BodyTooLarge, Conflict, DiskFull, FileUnusable, NotFound),
)
def post_ssh_key() -> Response:
    asked, upload = read.body_or_upload(KeyRequest, UPLOAD_FIELDS, MAX_UPLOAD, query_too=True)
    describe(action=asked.action)
    if ssh_key.action_of(asked) == ssh_key.DOWNLOAD:
        return _attached(ssh_key.bundle(env()))
    return long_work(ssh_key.work(env(), asked, upload[1] if upload else None))


def _attached(data: bytes) -> Response:
    name = f"{secrets.token_hex(8)}.dat"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, mimetype="application/octet-stream", headers={**headers, "Cache-Control": "no-store"})
