"""Long work of a node's daemon: asked for, watched while it runs, cut short."""

import contextlib
import http.client
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.lab import api, lifecycle, product
from tests.lab.cluster import INTERNAL_TOKEN, internal_token, until
from tests.lab.lab import Lab

API = "/api/v1"
LATER = {"Prefer": "respond-async"}
PATIENCE = 180.0
QUICK = 0.02
ENDED = ("succeeded", "failed", "cancelled", "interrupted")


def post(lab: Lab, node: str, path: str, body: dict[str, Any], **headers: str) -> api.Reply:
    """Ask a node's daemon as another node does; `headers` with _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {INTERNAL_TOKEN: internal_token(lab, node)}
    return lab.api(node, "POST", f"{API}{path}", body, headers=sent, timeout=PATIENCE)


def get(lab: Lab, node: str, path: str) -> api.Reply:
    return lab.api(node, "GET", f"{API}{path}", headers={INTERNAL_TOKEN: internal_token(lab, node)}, timeout=PATIENCE)


def begin(lab: Lab, node: str, path: str, body: dict[str, Any]) -> str:
    """Let it be done in the background; the job's id."""
    reply = post(lab, node, path, body, **LATER)
    assert reply.status == 202, reply.text
    assert reply.headers["Location"] == f"{API}/jobs/{reply.json()['val']['id']}"
    return str(reply.json()["val"]["id"])


def job(lab: Lab, node: str, job_id: str, *, wait: int = 0) -> dict[str, Any]:
    reply = get(lab, node, f"/jobs/{job_id}?wait={wait}")
    assert reply.status == 200, reply.text
    found: dict[str, Any] = reply.json()["val"]
    return found


def ended(lab: Lab, node: str, job_id: str) -> dict[str, Any]:
    """The job when it has ended, waited for by the daemon itself."""
    return until(partial(_ended, lab, node, job_id), f"job {job_id} of {node} ends", PATIENCE)


def killed_in(lab: Lab, node: str, job_id: str, moment: Callable[[], Any]) -> dict[str, Any]:
    """SIGKILL for the daemon at this moment of a job; the job, as the daemon that systemd starts anew tells it."""
    until(moment, "the moment of the kill", poll=QUICK)
    lab.run(node, ["systemctl", "kill", "--signal=KILL", product.UNIT])
    until(lambda: product.unit_state(lab.machine(node)) != "active", "the daemon is dead", poll=QUICK)
    until(lambda: product.unit_state(lab.machine(node)) == "active", "systemd starts it again")
    lifecycle.wait_answering(lab)
    return job(lab, node, job_id)


def errors(lab: Lab, node: str) -> str:
    """What GET /err of a node tells, as one text."""
    return "\n".join(entry["error"] for entry in get(lab, node, "/err").json()["errors"] or ())


def _ended(lab: Lab, node: str, job_id: str) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        found = job(lab, node, job_id, wait=30)
        return found if found["status"] in ENDED else None
    return None
