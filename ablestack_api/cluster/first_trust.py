"""May a caller be believed whose internal token this node does not know? Only while the node is new (D5)."""

from ablestack_api.cluster.completed import INSERT
from ablestack_api.cluster.models import ApplyRequest
from ablestack_api.core import log
from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import ApiError, Unauthorized
from ablestack_api.env import Env
from ablestack_api.state import auth_file, cluster_file, enrolment, internal_token, own_node


def require(env: Env, caller: Caller, request: ApplyRequest) -> None:
    """Raises Unauthorized, naming the condition, unless every one holds. Either way it is an audit event."""
    refusal = _refusal(env, caller, request)
    event = {"type": "audit", "event": "first trust", "outcome": refusal or "accepted", "client_ip": caller.address}
    log.append(env.settings.audit_log, {"time": env.clock.now().isoformat(), **event})
    if refusal:
        raise Unauthorized(f"invalid internal token; first trust was refused: {refusal}")


def _refusal(env: Env, caller: Caller, request: ApplyRequest) -> str:
    token = caller.unproven_token or ""
    if (
        request.action.lower() != INSERT
        or len(token) < internal_token.SHORTEST_FIRST_TOKEN
        or token != request.security.internal_token
    ):
        return "only an insert that brings the caller's own token is accepted"
    try:
        configured = cluster_file.read_or_empty(env.settings).document.is_configured
    except ApiError:
        return "this node's cluster.json cannot be read"
    if configured or internal_token.present(env.settings):
        return "this node is configured already"
    listed = [host.ablecube for host in request.hosts]
    own = [address for address in listed if own_node.has_address(env.settings, address)]
    if not own:
        return "none of this node's addresses is among hosts[].ablecube"
    if _plain(caller.address) not in listed or _plain(caller.address) in own:
        return "the call does not come from another of hosts[].ablecube"
    return _code_refusal(env, request)


def _code_refusal(env: Env, request: ApplyRequest) -> str:
    try:
        if not auth_file.read(env.settings).enrolment_by_code:
            return ""
    except ApiError:
        return "this node's auth.json cannot be read"
    offered = [code for name, code in request.enrolment_codes.items() if own_node.is_own_name(env.settings, name)]
    if any(enrolment.is_valid(env.settings, env.clock, code) for code in offered):
        return ""
    return "run `ablestack-api enrol` on this node and give its code in enrolment_codes"


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:")
