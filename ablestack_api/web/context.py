"""What belongs to the request being served: the environment, who sent it, what it is audited as."""

from typing import Any

from flask import Request, current_app, g, request

from ablestack_api.core.caller import Caller
from ablestack_api.core.clock import Deadline
from ablestack_api.env import Env

EXTENSION = "ablestack_env"


def env() -> Env:
    value: Env = current_app.extensions[EXTENSION]
    return value


def caller() -> Caller:
    value: Caller = g.caller
    return value


def this_request() -> Request:
    """The request behind Flask's proxy: each look through the proxy costs as much as several lines of our own."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def this_state() -> Any:
    """`g` behind Flask's proxy, for the same reason."""
    return g._get_current_object()


def deadline(seconds: float) -> Deadline:
    """`seconds` of our own, or less when the calling node said how long it will wait (X-Cube-Deadline)."""
    given: float | None = g.get("peer_deadline")
    return Deadline(env().clock, seconds if given is None else min(seconds, given))


def is_local_mode(header: str) -> bool:
    """Another node asks for this node's own part and for no further calls. The marker of anybody else means nothing (D8)."""
    return caller().internal and request.headers.get(header, "").strip() == "1"


def describe(**what: str) -> None:
    """Say for the audit log what a write is about: an action, a name; never a value that may be secret."""
    g.audit = {**g.get("audit", {}), **{key: text[:200] for key, text in what.items() if text}}
