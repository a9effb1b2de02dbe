"""One JSON line for every request, one more for every write. Neither holds a body, a query value or a credential."""

import random
import re
import time

from flask import Flask, Response, g

from ablestack_api.core import log
from ablestack_api.orchestrator import fanout
from ablestack_api.web.context import env, this_request, this_state

HEADER = fanout.REQUEST_ID_HEADER
READS = ("GET", "HEAD", "OPTIONS")
LONGEST_PATH = 256
_NAME = re.compile(r"[A-Za-z_]{1,32}")
_UNSAFE = re.compile(r"[^\x21-\x7e]")


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    state, given = this_state(), this_request().headers.get(HEADER, "")
    state.started = time.perf_counter()
    # Not a secret, so not from the system's random source: that would be one more wait for the interpreter's lock.
    state.request_id = _UNSAFE.sub("", given)[:128] or f"{random.getrandbits(64):016x}"
    fanout.request_id.set(state.request_id)


def _end(response: Response) -> Response:
    state, asked, here = this_state(), this_request(), env()
    response.headers[HEADER] = state.request_id
    status = response.status_code
    record = {
        "time": here.clock.now().isoformat(),
        "type": "api_request",
        "request_id": state.request_id,
        "status": status,
        "outcome": "success" if status < 400 else ("normal" if "is_normal" in state and state.is_normal else "error"),
        "latency_ms": round((time.perf_counter() - state.started) * 1000, 2),
        "method": asked.method,
        "path": asked.path[:LONGEST_PATH],
        "query": [name for name in sorted(asked.args) if _NAME.fullmatch(name)],
        "route": asked.url_rule.rule if asked.url_rule else "",
        "client_ip": asked.remote_addr,
        "caller": state.caller.name if "caller" in state else "",
    }
    log.append(here.settings.request_log, record, look_seconds=log.LOOK_SECONDS)
    if asked.method not in READS:
        _audit(record, here.settings.audit_log)
    return response


def _audit(record: dict[str, object], path: str) -> None:
    """Who, from where, what, with which outcome."""
    kept = ("time", "request_id", "status", "outcome", "method", "path", "client_ip", "caller")
    log.append(path, {"type": "audit", **{key: record[key] for key in kept}, **g.get("audit", {})})
