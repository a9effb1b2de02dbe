"""Nobody passes without the credential that the endpoint asks for."""

import math
from collections.abc import Callable
from dataclasses import replace

from flask import Flask, Response, request

from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import Unauthorized
from ablestack_api.core.settings import Settings
from ablestack_api.orchestrator.fanout import DEADLINE_HEADER, TOKEN_HEADER
from ablestack_api.state import internal_token
from ablestack_api.web import endpoint
from ablestack_api.web.context import env, this_request, this_state
from ablestack_api.web.endpoint import Access


class Credentials:
    """How the two credentials are checked; the auth domain gives the functions."""

    def __init__(self, bearer: Callable[[str | None, str], Caller], accepts_internal: Callable[[str], bool]) -> None:
        self.bearer = bearer
        self.accepts_internal = accepts_internal


def install(app: Flask, credentials: Credentials) -> None:
    def admit() -> Response | None:
        state, asked = this_state(), this_request()
        state.caller = Caller(address=asked.remote_addr or "")
        if asked.method == "OPTIONS":
            return Response(status=204)
        if asked.url_rule is None or asked.endpoint is None:
            return None
        declared = endpoint.of(app.view_functions[asked.endpoint])
        access = Access.ANY if declared is None else declared.access
        if access is Access.OPEN or (access is Access.OPEN_WITHOUT_QUERY and not asked.args):
            return None
        state.caller = _identify(credentials, access, env().settings)
        if state.caller.internal:
            state.peer_deadline = _seconds(asked.headers.get(DEADLINE_HEADER))
        return None

    app.before_request(admit)


def _identify(credentials: Credentials, access: Access, settings: Settings) -> Caller:
    """A good Bearer counts whatever else was sent; a stray or wrong header never breaks it (D8)."""
    address = request.remote_addr or ""
    offered = request.headers.get(TOKEN_HEADER, "").strip()
    internal = bool(offered) and credentials.accepts_internal(offered)
    if access is Access.INTERNAL:
        return _require_internal(internal, address)
    authorization = request.headers.get("Authorization")
    if internal and access is not Access.BEARER and authorization is None:
        return Caller(address=address, internal=True)
    try:
        bearer = credentials.bearer(authorization, address)
    except Unauthorized:
        if internal and access is not Access.BEARER:
            return Caller(address=address, internal=True)
        if authorization is None and _may_be_first_trust(access, offered):
            return Caller(address=address, unproven_token=offered)
        if not settings.auth_required and access is not Access.BEARER and authorization is None:
            return Caller(address=address, user="anonymous")
        if TOKEN_HEADER in request.headers and authorization is None:
            raise Unauthorized("invalid internal token") from None
        raise
    return replace(bearer, internal=internal)


def _require_internal(internal: bool, address: str) -> Caller:
    if not internal:
        raise Unauthorized("invalid internal token")
    return Caller(address=address, internal=True)


def _may_be_first_trust(access: Access, offered: str) -> bool:
    """Only looked at, not believed: cluster.first_trust decides with the body and the state of this node."""
    return access is Access.FIRST_TRUST and len(offered) >= internal_token.SHORTEST_FIRST_TOKEN


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
