"""/auth: login and logout, the internal token, one signing value on all nodes."""

from typing import Any

from flask import Blueprint, Response

from ablestack_api.auth import internal_token, login, sync
from ablestack_api.auth.models import (
    AuthAnswer,
    AuthApply,
    InternalTokenApply,
    LoginAnswer,
    LoginRequest,
    MeAnswer,
    RevokedTokens,
    SyncBody,
    SyncQuery,
)
from ablestack_api.core.errors import (
    AuthNotInitialized,
    BadInput,
    Busy,
    Conflict,
    PeersFailed,
    TooManyAttempts,
    Unauthorized,
    bad_field,
)
from ablestack_api.core.secret import Secret
from ablestack_api.web import envelope, read, reply
from ablestack_api.web.context import caller, deadline, describe, env
from ablestack_api.web.endpoint import Access, endpoint
from ablestack_api.web.envelope import Envelope

blueprint = Blueprint("auth", __name__)


@blueprint.post("/auth/login")
@endpoint(
    "Log in with a Linux account",
    body=LoginRequest,
    returns=LoginAnswer,
    access=Access.OPEN,
    errors=(BadInput, Unauthorized, TooManyAttempts),
)
def post_login() -> Response:
    asked = read.body(LoginRequest)
    describe(account=login.audited_name(env(), asked.id.strip()))
    return reply.ok(login.login(env(), asked.id.strip(), Secret(asked.password.get_secret_value()), caller().address))


@blueprint.post("/auth/logout")
@endpoint(
    "Refuse the token of this call from now on, on every host",
    returns=AuthAnswer,
    access=Access.BEARER,
    errors=(PeersFailed,),
)
def post_logout() -> Response:
    outcomes = login.logout(env(), caller(), deadline(login.PEER_SECONDS))
    return reply.ok({"code": 200, "val": "logged out", "results": [outcome.entry() for outcome in outcomes]})


@blueprint.post("/auth/logout/apply")
@endpoint("Take over the revoked tokens of another node", body=RevokedTokens, returns=AuthAnswer, access=Access.INTERNAL)
def post_logout_apply() -> Response:
    login.revoke(env(), read.body(RevokedTokens).revoked)
    return reply.ok({"code": 200, "val": "revoked tokens applied"})


@blueprint.get("/auth/me")
@endpoint("The claims of the token of this call", returns=MeAnswer, access=Access.BEARER)
def get_me() -> Response:
    return reply.ok({"code": 200, "val": dict(caller().claims or {})})


@blueprint.post("/auth/internal-token/rotate")
@endpoint(
    "Give every node a new internal token",
    returns=AuthAnswer,
    access=Access.BEARER,
    errors=(Conflict, Busy, PeersFailed),
)
def post_rotate() -> Response:
    return reply.ok(internal_token.rotate(env(), caller().name, deadline(internal_token.ROTATE_SECONDS)))


@blueprint.post("/auth/internal-token/apply")
@endpoint(
    "Take a new internal token (between nodes)",
    body=InternalTokenApply,
    returns=AuthAnswer,
    access=Access.INTERNAL,
    errors=(BadInput, Conflict, Busy),
)
def post_internal_token() -> Response:
    asked = read.body(InternalTokenApply)
    if asked.transaction is not None:
        return _step(internal_token.KIND, asked.transaction, asked.request)
    if not asked.internal_token.strip():
        raise bad_field("internal_token", "required", "internal_token required")
    limit = deadline(internal_token.ROTATE_SECONDS)
    internal_token.apply_here(env(), asked.internal_token.strip(), caller().name, limit)
    return reply.ok({"code": 200, "val": "internal token applied"})


@blueprint.post("/auth/sync")
@endpoint(
    "Copy this node's signing value to other nodes",
    query=SyncQuery,
    body=SyncBody,
    returns=AuthAnswer,
    access=Access.BEARER,
    errors=(BadInput, AuthNotInitialized, Busy, PeersFailed),
)
def post_sync() -> Response:
    option = read.query(SyncQuery).option.strip() or read.body(SyncBody, optional=True).option.strip() or "host"
    describe(option=option)
    return reply.ok(sync.sync(env(), option, caller().name, deadline(sync.SYNC_SECONDS)))


@blueprint.post("/auth/apply")
@endpoint(
    "Take a signing value (between nodes)",
    body=AuthApply,
    returns=AuthAnswer,
    access=Access.INTERNAL,
    errors=(BadInput, Conflict, Busy),
)
def post_apply() -> Response:
    asked = read.body(AuthApply)
    if asked.transaction is not None:
        return _step(sync.KIND, asked.transaction, asked.request)
    value = asked.token.strip() or asked.access_token_secret.strip()
    if not value:
        raise bad_field("token", "required", "token required")
    return reply.ok(sync.apply_here(env(), value, caller().name, deadline(sync.SYNC_SECONDS)))


def _step(kind: Any, step: envelope.StepModel, request: dict[str, Any]) -> Response:
    describe(change=step.id, phase=step.phase)
    return reply.ok(envelope.take(env(), kind, Envelope(transaction=step, request=request), caller()))
