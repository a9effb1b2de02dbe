"""The internal token of this node: which one it sends, which ones it accepts (contract 01 §4.1)."""

import hmac

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import ClusterFileDamaged, Conflict
from ablestack_api.core.settings import Settings
from ablestack_api.state import cluster_file, overlap
from ablestack_api.state.cluster_document import ClusterDocument

# First trust does not even look at a shorter one (contract 01 §1.5).
SHORTEST_FIRST_TOKEN = 16


def present(settings: Settings) -> str:
    """The token this node calls its own; empty when it has none. A damaged cluster.json holds no token."""
    if settings.internal_token_override:
        return settings.internal_token_override
    try:
        return cluster_file.read_or_empty(settings).document.security.internal_token.strip()
    except ClusterFileDamaged:
        return ""


def accepts(settings: Settings, clock: Clock, offered: str) -> bool:
    """Constant-time comparison with every token that is valid now; an empty one never is."""
    known = [present(settings), *overlap.accepted(settings, overlap.INTERNAL_TOKEN, clock.now().timestamp())]
    offered_bytes = offered.encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(token.encode(), offered_bytes) for token in known if token]
    return bool(offered) and any(matches)


def outgoing(settings: Settings, clock: Clock) -> list[str]:
    """The tokens to try on a peer, the likeliest first: during a change-over a peer may know only the other one."""
    others = overlap.accepted(settings, overlap.INTERNAL_TOKEN, clock.now().timestamp())
    return [token for token in dict.fromkeys([present(settings), *others]) if token]


def refuse_if_managed_by_environment(settings: Settings) -> None:
    if settings.internal_token_override:
        raise Conflict(
            "internal token is managed by environment: unset CUBE_INTERNAL_TOKEN and ABLESTACK_INTERNAL_TOKEN "
            "in the unit's environment file on every node before changing it here"
        )


def ensure(settings: Settings) -> str:
    """The present token; made and stored when cluster.json has none. Raises ClusterFileMissing."""
    token = present(settings)
    if token:
        return token

    def fill(document: ClusterDocument) -> None:
        if not document.security.internal_token:
            document.security.internal_token = cluster_file.new_token()

    return cluster_file.edit(settings, fill).document.security.internal_token
