"""The one translator from an error to an answer (D10): 0.1.2's two shapes and RFC 9457 in the same body."""

import logging
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ablestack_api.core.errors import ApiError, BadInput, BodyTooLarge, MethodNotAllowed, NotFound, UnsupportedMediaType
from ablestack_api.env import Env
from ablestack_api.orchestrator.fanout import request_id
from ablestack_api.state import error_list
from ablestack_api.web import reply
from ablestack_api.web.context import env

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"


def install(app: Flask) -> None:
    app.register_error_handler(ApiError, answer)
    app.register_error_handler(HTTPException, lambda error: answer(_from_http(error)))
    app.register_error_handler(Exception, _unexpected)


def answer(error: ApiError) -> Response:
    g.is_normal = error.is_normal
    media = PROBLEM_TYPE if PROBLEM_TYPE in request.headers.get("Accept", "") else reply.JSON_TYPE
    headers = dict(error.headers)
    if error.status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="ablestack"')
    return reply.encoded(body(error), error.status, headers=headers, media=media)


def body(error: ApiError) -> dict[str, Any]:
    """The members of every error; `members` of the error itself follow and never replace these.

    Also outside a request: a job that runs on gives the body that its request would have given.
    """
    shape: dict[str, Any] = {
        "code": error.status,
        "err_code": error.status,
        "message": error.detail,
        "type": f"urn:ablestack:error:{error.kind}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request_id.get(),
    }
    if error.fields:
        shape["errors"] = [{"field": field, "reason": reason} for field, reason in error.fields]
    return {**error.members, **shape}


def _from_http(error: HTTPException) -> ApiError:
    status = error.code or 500
    if status == 404:
        return NotFound(f"there is no {request.path} here; /swagger/index.html lists what there is")
    if status == 405:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return MethodNotAllowed(f"{request.path} offers {allowed}, not {request.method}", headers={"Allow": allowed})
    if status == 413:
        limit = request.max_content_length or 0
        return BodyTooLarge(f"the request body is larger than {limit // 1024} KiB; nothing was changed")
    if status == 415:
        return UnsupportedMediaType("send application/json")
    if 400 <= status < 500:
        return BadInput(error.description or "the request is not valid")
    return internal()


def _unexpected(error: Exception) -> Response:
    """The last net."""
    report_unexpected(env(), error, f"{request.method} {request.path}")
    return answer(internal())


def report_unexpected(here: Env, error: BaseException, what: str) -> None:
    """A fault of the daemon: the operator gets the request id, the journal the traceback."""
    log.exception("request %s failed", request_id.get(), exc_info=error)
    error_list.record(here.settings, here.clock, f"{what}: {type(error).__name__} (request {request_id.get()})")


def internal() -> ApiError:
    return ApiError(
        "internal server error; journalctl -u ablestack-api has the details under request id " + request_id.get()
    )
