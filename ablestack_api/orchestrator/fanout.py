"""Calling many nodes at once: bounded, one deadline for all, answers in the order of the targets (D11, D12)."""

import contextvars
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from ablestack_api.state import internal_token

log = logging.getLogger(__name__)

AT_ONCE = 32
TOKEN_HEADER = "X-Cube-Internal-Token"  # noqa: S105  a header's name
DEADLINE_HEADER = "X-Cube-Deadline"
REQUEST_ID_HEADER = "X-Request-ID"

OK, FAILED, UNREACHABLE, REFUSED, SKIPPED = "ok", "failed", "unreachable", "refused", "skipped"

# Set by the HTTP edge for the request being served, so that a peer's log lines can be found by the same id.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


@dataclass(frozen=True)
class Outcome:
    """What one node answered. `code` is an HTTP status, `value` the `val` (or whole body) of a good answer.

    `error` is what this very node raised when the target is local; `sent` is False when no connection came about.
    `body` is the whole answer of a peer.
    """

    target: Target
    outcome: str
    code: int
    message: str = ""
    value: Any = None
    members: dict[str, Any] = field(default_factory=dict)
    error: ApiError | None = None
    sent: bool = True
    body: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def good(self) -> bool:
        return self.outcome == OK

    @property
    def bad(self) -> bool:
        return self.outcome in (FAILED, UNREACHABLE, REFUSED)

    def entry(self) -> dict[str, Any]:
        """One element of an answer's `results`."""
        entry = {
            "role": self.target.role,
            "hostname": self.target.hostname,
            "target": self.target.address,
            "code": self.code,
            "outcome": self.outcome,
        }
        return entry | ({"message": self.message} if self.message else {})


Work = Callable[[Target], Outcome]


def at_once(targets: Sequence[Target], work: Work) -> list[Outcome]:
    """Do `work` for every target side by side. Whatever goes wrong with one is that one's outcome."""
    if len(targets) <= 1:
        return [_caught(target, work) for target in targets]
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(targets)), thread_name_prefix="fanout") as pool:
        started = [pool.submit(contextvars.copy_context().run, _caught, target, work) for target in targets]
        return [future.result() for future in started]


def call(
    env: Env,
    target: Target,
    method: str,
    path: str,
    *,
    body: object = None,
    deadline: Deadline,
    token: str | None = None,
    local_mode: str = "",
) -> Outcome:
    """Call one peer with the internal token. During a token change-over a peer may know only the other one: try both.

    `token` overrides: a first insert introduces the token that the peer is about to learn. `local_mode` is the header
    that tells the peer to do the work itself and to call nobody (contract 02 §0.3, 03 §1.5).
    """
    marker = {local_mode: "1"} if local_mode else {}
    tokens = [token] if token else internal_token.outgoing(env.settings, env.clock) or [""]
    for candidate in tokens:
        outcome = _call_once(env, target, method, path, body, deadline, candidate, marker)
        if outcome.code != 401:
            break
    return outcome


def skipped_if_optional(outcome: Outcome) -> Outcome:
    """A guest that may not be deployed yet and cannot be reached is skipped."""
    if not (outcome.target.optional and outcome.outcome == UNREACHABLE):
        return outcome
    told = f"not deployed yet (systemProfile.bootstrap.{outcome.target.role} is not true): {outcome.message}"
    return replace(outcome, outcome=SKIPPED, message=told)


def _call_once(
    env: Env,
    target: Target,
    method: str,
    path: str,
    body: object,
    deadline: Deadline,
    token: str,
    marker: Mapping[str, str],
) -> Outcome:
    headers = {DEADLINE_HEADER: f"{deadline.remaining():.1f}", **marker}
    if token:
        headers[TOKEN_HEADER] = token
    if request_id.get():
        headers[REQUEST_ID_HEADER] = request_id.get()
    try:
        answer = env.peers.call(target, method, f"/api/v1{path}", body=body, headers=headers, deadline=deadline)
    except PeerUnreachable as error:
        code = 504 if error.timed_out else 503
        return Outcome(target, UNREACHABLE, code, error.reason, sent=error.connected)
    return judged(target, answer)


def judged(target: Target, answer: PeerAnswer) -> Outcome:
    """An answer counts as good only when it says so in every way: status, JSON object, inner code."""
    if not isinstance(answer.body, dict):
        return Outcome(target, FAILED, 502, _not_ours(answer))
    inner = answer.body.get("code")
    inner = inner if isinstance(inner, int) and not isinstance(inner, bool) else answer.status
    if answer.status < 300 and inner < 300:
        return Outcome(target, OK, answer.status, "", answer.body.get("val", answer.body), body=answer.body)
    code = answer.status if answer.status >= 300 else inner
    message = str(answer.body.get("message") or answer.body.get("val") or f"status {code}")[:1000]
    members = {key: answer.body[key] for key in ("holder", "age_seconds") if key in answer.body}
    outcome = REFUSED if code in (401, 403) else FAILED
    return Outcome(target, outcome, code, message, members=members, body=answer.body)


def _not_ours(answer: PeerAnswer) -> str:
    if 300 <= answer.status < 400:
        return f"answered with a redirect ({answer.status}), which is never followed; is this an ABLESTACK node?"
    if answer.status == 404:
        return "does not know this call (404); its version is too old or it is no ABLESTACK node"
    return f"status {answer.status} without a JSON object; is this an ABLESTACK node?"


def _caught(target: Target, work: Work) -> Outcome:
    try:
        return work(target)
    except ApiError as error:
        return Outcome(target, FAILED, error.status, error.detail, members=dict(error.members), error=error)
    except Exception:
        log.exception("work for %s failed", target.address)
        return Outcome(target, FAILED, 500, "the daemon failed here; its journal has the details")
