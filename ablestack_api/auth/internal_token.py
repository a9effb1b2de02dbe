"""Rotating the internal token on every node (contract 01 §3.3, §3.4)."""

from typing import Any

from ablestack_api.auth import new_secret
from ablestack_api.auth.new_secret import SharedSecret
from ablestack_api.core.clock import Deadline
from ablestack_api.core.secret import MASK
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.orchestrator import targets, transaction
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import cluster_file, internal_token, overlap
from ablestack_api.state.cluster_document import ClusterDocument

ROTATE_SECONDS = 30.0


def rotate(env: Env, holder: str, deadline: Deadline) -> dict[str, Any]:
    """Give every host, storage VM and the Cloud Center VM a new token; all change or none.

    While it runs the old and the new token are both accepted. Raises Conflict (managed by environment), PeersFailed.
    """
    internal_token.refuse_if_managed_by_environment(env.settings)
    internal_token.ensure(env.settings)
    document = cluster_file.read(env.settings).document
    members = targets.everyone(env.settings, document.cluster, document.profile.bootstrap)
    if not any(member.local for member in members):
        members = [targets.this_node(env.settings), *members]
    payload = {"internal_token": cluster_file.new_token()}
    failure = "internal token rotation failed"
    outcomes = transaction.run(env, Change(KIND, payload, members, holder, failure), deadline)
    remote = [outcome for outcome in outcomes if not outcome.target.local]
    value = {"message": "internal token rotated", "target_cnt": len(remote), "token": MASK}
    results = {"results": [outcome.entry() for outcome in remote]} if remote else {}
    return {"code": 200, "val": value, **results}


def apply_here(env: Env, token: str, holder: str, deadline: Deadline) -> None:
    """0.1.2's one-step call: this node alone takes the token, the old one ends at once."""
    change = Change(KIND, {"internal_token": token}, [targets.this_node(env.settings)], holder, "internal token not applied")
    transaction.run(env, change, deadline)


def _refuse(settings: Settings) -> None:
    internal_token.refuse_if_managed_by_environment(settings)
    cluster_file.read(settings)


def _store(settings: Settings, token: str) -> None:
    def put(document: ClusterDocument) -> None:
        document.security.internal_token = token

    cluster_file.edit(settings, put)


KIND = new_secret.kind_of(
    SharedSecret(
        name="internal token",
        path="/auth/internal-token/apply",
        field="internal_token",
        overlap=overlap.INTERNAL_TOKEN,
        file=lambda settings: settings.cluster_json,
        present=internal_token.present,
        store=_store,
        refuse=_refuse,
        keep_seconds=lambda _settings: 0,
    )
)
