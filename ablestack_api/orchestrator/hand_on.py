"""Having another node do a whole piece of work: its answer is ours, its error too."""

from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, BadInput, Busy, CommandTimedOut, Conflict, NotFound, PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome

ERRORS: dict[int, type[ApiError]] = {400: BadInput, 404: NotFound, 409: Conflict, 504: CommandTimedOut}
# Members that every error gets from this node.
OWN_MEMBERS = {"code", "err_code", "message", "type", "title", "status", "detail", "instance", "errors"}


def call(env: Env, target: Target, path: str, body: dict[str, Any], deadline: Deadline, local_mode: str) -> dict[str, Any]:
    """POST to a node of the cluster; returns the whole body of a good answer. Raises what `failed` gives."""
    outcome = fanout.call(env, target, "POST", path, body=body, deadline=deadline, local_mode=local_mode)
    if outcome.bad:
        raise failed(outcome)
    return outcome.body


def failed(outcome: Outcome) -> ApiError:
    """A node's failure as one of ours: kind, wrong fields and every further member are kept, its address is told."""
    where = f"{outcome.target.hostname} ({outcome.target.address})"
    if outcome.outcome != fanout.FAILED:
        return PeersFailed(f"{where}: {outcome.message}", results=[outcome.entry()])
    if outcome.error is not None:
        return outcome.error
    told = outcome.body
    kind = Busy if "holder" in told else ERRORS.get(outcome.code, PeersFailed)
    fields = [(str(each.get("field", "")), str(each.get("reason", ""))) for each in told.get("errors", ()) if each]
    members = {key: value for key, value in told.items() if key not in OWN_MEMBERS}
    return kind(f"{where}: {outcome.message}", fields=fields, **members)
