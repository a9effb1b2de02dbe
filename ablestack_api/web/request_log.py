"""One JSON line for every request, one more for every write. Neither holds a body, a query value or a credential."""

import re
import secrets
import time

from flask import Flask, Response, g, request

from ablestack_api.core import log
from ablestack_api.orchestrator import fanout
from ablestack_api.web.context import caller, env

HEADER = fanout.REQUEST_ID_HEADER
READS = ("GET", "HEAD", "OPTIONS")
LONGEST_PATH = 256
_NAME = re.compile(r"[A-Za-z_]{1,32}")
_UNSAFE = re.compile(r"[^\x21-\x7e]")


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.started = time.perf_counter()
    given = _UNSAFE.sub("", request.headers.get(HEADER, ""))[:128]
    g.request_id = given or secrets.token_hex(8)
    fanout.request_id.set(g.request_id)


def _end(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    settings = env().settings
    record = {
        "time": env().clock.now().isoformat(),
        "type": "api_request",
        "request_id": g.request_id,
        "status": response.status_code,
        "outcome": "success" if response.status_code < 400 else "error",
        "latency_ms": round((time.perf_counter() - g.started) * 1000, 2),
        "method": request.method,
        "path": request.path[:LONGEST_PATH],
        "query": [name for name in sorted(request.args) if _NAME.fullmatch(name)],
        "route": request.url_rule.rule if request.url_rule else "",
        "client_ip": request.remote_addr,
        "caller": caller().name if "caller" in g else "",
    }
    log.append(settings.request_log, record)
    if request.method not in READS:
        _audit(record, settings.audit_log)
    return response


def _audit(record: dict[str, object], path: str) -> None:
    """Who, from where, what, with which outcome."""
    kept = ("time", "request_id", "status", "outcome", "method", "path", "client_ip", "caller")
    log.append(path, {"type": "audit", **{key: record[key] for key in kept}, **g.get("audit", {})})
