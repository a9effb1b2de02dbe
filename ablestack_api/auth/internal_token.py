"""Rotating the internal token on every node (contract 01 §3.3, §3.4)."""

import hashlib
from typing import Any

from ablestack_api.auth import new_secret
from ablestack_api.core.clock import Deadline
from ablestack_api.core.secret import MASK
from ablestack_api.env import Env
from ablestack_api.orchestrator import targets, transaction
from ablestack_api.orchestrator.participant import Facts, Kind, Payload
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


def _check(env: Env, payload: Payload) -> None:
    new_secret.require(payload, "internal_token")
    internal_token.refuse_if_managed_by_environment(env.settings)
    cluster_file.read(env.settings)


def _files(env: Env, _payload: Payload) -> list[str]:
    return [env.settings.cluster_json, overlap.path(env.settings)]


def _stage(env: Env, payload: Payload) -> None:
    overlap.stage(env.settings, overlap.INTERNAL_TOKEN, payload["internal_token"])


def _apply(env: Env, payload: Payload) -> Facts:
    new, old = payload["internal_token"], internal_token.present(env.settings)

    def put(document: ClusterDocument) -> None:
        document.security.internal_token = new

    if old != new:
        overlap.promoted(env.settings, overlap.INTERNAL_TOKEN, old)
        cluster_file.edit(env.settings, put)
    present = internal_token.present(env.settings)
    return {"revision": hashlib.sha256(present.encode()).hexdigest()[:16]}


def _finish(env: Env, _payload: Payload) -> list[Facts]:
    overlap.finish(env.settings, overlap.INTERNAL_TOKEN, env.clock)
    return []


KIND = Kind(
    name="internal token",
    path="/auth/internal-token/apply",
    files=_files,
    check=_check,
    stage=_stage,
    apply=_apply,
    finish=_finish,
)
