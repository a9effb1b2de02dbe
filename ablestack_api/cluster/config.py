"""Reading the cluster configuration (contract 01 §5.4)."""

from typing import Any

from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import Unauthorized
from ablestack_api.env import Env
from ablestack_api.state import cluster_file, transactions
from ablestack_api.state.cluster_document import ClusterConfig

SHOWN_WHEN_SET = ("ablecubePn", "scvmMngt", "scvm", "scvmCn")


def read(env: Env, caller: Caller, *, download: bool) -> tuple[dict[str, Any], str]:
    """(the bare `clusterConfig` as 0.1.2 answered it, etag); with `download` everything a further node needs.

    Raises Unauthorized when the download is asked for with an internal token only (D17).
    """
    present = cluster_file.read(env.settings)
    config = shown(present.document.cluster)
    if not download:
        return config, present.etag
    if caller.user is None:
        raise Unauthorized("bearer token required: the download holds the internal token")
    return {"clusterConfig": config, "security": present.document.security.model_dump(by_alias=True)}, present.etag


def shown(config: ClusterConfig) -> dict[str, Any]:
    shape = config.model_dump(by_alias=True)
    shape["hosts"] = [
        {key: value for key, value in host.items() if value or key not in SHOWN_WHEN_SET} for host in shape["hosts"]
    ]
    return shape


def outcome(env: Env, transaction_id: str) -> dict[str, Any]:
    """How a change ended that this node leads or takes part in, for a member that missed it."""
    return {
        "code": 200,
        "val": {"id": transaction_id, "outcome": transactions.outcome_of(env.settings, transaction_id)},
    }
