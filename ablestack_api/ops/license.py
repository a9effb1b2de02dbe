"""`POST /cube/license`: the licence of this node, told or registered (contract 06 §1.5).

0.1.2's rule holds: nothing asks for a licence (D3). Registering one needs a credential as every write does.
"""

import base64
import binascii
import logging
import os
from typing import Any

from ablestack_api.core.errors import ApiError, BadInput, ClusterFileMissing, NotFound, StateFileDamaged, bad_field
from ablestack_api.env import Env
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Quiet
from ablestack_api.ops import license_format, license_store
from ablestack_api.ops.license_format import License, LicenseRefused
from ablestack_api.ops.license_models import LicenseRequest, LicenseShape
from ablestack_api.state import cluster_file, json_file
from ablestack_api.state.cluster_document import ClusterDocument

log = logging.getLogger(__name__)

STATUS, REGISTER = "status", "register"
REGISTER_ACTIONS = (REGISTER, "update", "create")
ACTIVE, INACTIVE = "active", "inactive"

Told = dict[str, Any]


def control(env: Env, request: LicenseRequest, upload: tuple[str, bytes] | None) -> Told:
    """`upload` is the name and the content of a file that was sent as one; then register is the default."""
    action = action_of(request.action or (REGISTER if upload else ""))
    if action == STATUS:
        return {"code": 200, "val": read(env).model_dump(exclude_none=True)}
    if upload is not None:
        return register(env, os.path.basename(upload[0].replace("\\", "/")), _file_of(*upload))
    return register(env, request.filename or license_store.DEFAULT_NAME, decoded(request.license_content))


def action_of(text: str) -> str:
    """status or register. Raises BadInput."""
    action = text.strip().lower()
    if action in REGISTER_ACTIONS:
        return REGISTER
    if action != STATUS:
        raise bad_field("action", "is neither status nor register", "unsupported action")
    return STATUS


def read(env: Env) -> LicenseShape:
    """Raises NotFound when there is none, StateFileDamaged or FileUnusable when it cannot be read."""
    path = license_store.current(env.settings)
    if path is None:
        text = "no license is registered on this node"
        raise NotFound(text, val=text)
    try:
        found = license_format.parse(license_store.read(path))
    except LicenseRefused as error:
        text = f"{path}: {error.text}. Register it anew"
        raise StateFileDamaged(text, val=text, path=path) from error
    reason = _refusal(env, found)
    shape = LicenseShape(
        status=INACTIVE if reason else ACTIVE, expired=found.expired, issued=found.issued, file_path=path, reason=reason
    )
    return shape.model_copy(update={"oem": found.oem or None})


def content(env: Env) -> str:
    """This node's own licence as another node takes it. Raises what `read` raises."""
    read(env)
    return base64.b64encode(license_store.read(license_store.current(env.settings) or "")).decode()


def decoded(text: str) -> bytes:
    """`license_content` is Base64 of the file's text. Raises BadInput."""
    if not text.strip():
        raise _refused("license_content", "required", "license_content required")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("license_content", "is not Base64", "invalid license: license_content is not Base64") from error


def register(env: Env, name: str, text: bytes) -> Told:
    """All of it or nothing: the file and the profile of cluster.json. Raises BadInput for a licence that does not hold."""
    if not license_store.is_name(name):
        raise _refused(
            "original_filename", "is no plain file name", "license filename required: a plain name without folders"
        )
    try:
        given = license_format.parse(text)
        _judge(env, given)
    except LicenseRefused as error:
        log.info("license register refused: %s", error.kind)
        raise _refused("license_content", error.text, error.text, error.kind) from error
    with json_file.locked(license_store.lock_path(env.settings)):
        path = _store(env, name, text.strip() + b"\n", given.oem.strip())
        license_store.forget_others(env.settings, path)
    return {"code": 200, "val": f"the license is registered; it is valid from {given.issued} to {given.expired}"}


def _store(env: Env, name: str, text: bytes, oem: str) -> str:
    settings = env.settings
    path = os.path.join(license_store.folder(settings), name)
    counted = license_store.current(settings)
    before = json_file.read_bytes(path)

    def write() -> str:
        return license_store.write(settings, name, text)

    def put_back() -> None:
        license_store.put_back(settings, path, before, counted)

    steps = [
        Step("file", f"write {path}", write, put_back, undo_if_failed=True),
        Step("profile", "mark the license in cluster.json", lambda: _mark(env, oem)),
    ]
    plan.run(Plan("register the license", steps), Quiet())
    return path


def _mark(env: Env, oem: str) -> None:
    def change(document: ClusterDocument) -> None:
        document.profile.license.status = "true"
        document.profile.license.type = oem

    try:
        cluster_file.edit(env.settings, change)
    except ClusterFileMissing:
        log.info("no cluster.json yet: the license is marked nowhere")


def _refusal(env: Env, given: License) -> str | None:
    try:
        _judge(env, given)
    except LicenseRefused as error:
        return error.text
    except ApiError as error:
        return error.detail
    return None


def _judge(env: Env, given: License) -> None:
    license_format.judge(given, env.clock.now().date())
    if env.settings.license_public_key:
        license_format.require_signature(given, env.settings.license_public_key)


def _file_of(_name: str, data: bytes) -> bytes:
    if len(data) > license_format.MAX_FILE:
        told = f"license file exceeds {license_format.MAX_FILE} bytes"
        raise _refused("license_file", "too large", told)
    if not data.strip():
        raise _refused("license_file", "empty", "license file is empty")
    return data


def _refused(field: str, reason: str, text: str, kind: str = "") -> BadInput:
    error = BadInput(text, fields=[(field, reason)], val=text)
    error.members |= {"license_error": kind} if kind else {}
    return error
