"""One signing value on all nodes, so that a token of one is accepted by all (contract 01 §3.5, §3.6)."""

from dataclasses import replace
from typing import Any

from ablestack_api.auth import new_secret
from ablestack_api.auth.new_secret import SharedSecret
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, AuthNotInitialized, BadInput, Conflict, bad_field
from ablestack_api.core.secret import MASK
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import targets, transaction
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import auth_file, cluster_file, internal_token, overlap
from ablestack_api.state.cluster_document import ClusterDocument

SYNC_SECONDS = 30.0
ROLES = ("host", "scvm", "ccvm")
WITHOUT_SCVM = ("ablestack-vm", "ablestack-standalone")


def sync(env: Env, option: str, holder: str, deadline: Deadline) -> dict[str, Any]:
    """Copy this node's signing value to the nodes of `option`; all take it or none.

    Tokens signed with a value that is replaced stay good for their lifetime. Raises AuthNotInitialized, BadInput,
    PeersFailed (`results` name the node; `val` counts).
    """
    value = auth_file.signing_value(env.settings)
    if not value:
        raise AuthNotInitialized("auth token is not initialized: log in on this node first, which makes the signing value")
    members = _targets(env, option)
    internal_token.ensure(env.settings)
    change = Change(KIND, {"token": value}, members, holder, "auth sync failed")
    try:
        outcomes = transaction.run(env, change, deadline)
    except ApiError as error:
        results = error.members.get("results")
        if isinstance(results, list):
            error.members["val"] = _counts([entry["outcome"] for entry in results], option, "auth sync failed")
        raise
    told = [replace(outcome, message="local target") if outcome.target.local else outcome for outcome in outcomes]
    counts = _counts([outcome.outcome for outcome in outcomes], option, "auth synced")
    return {"code": 200, "val": counts, "results": [outcome.entry() for outcome in told]}


def apply_here(env: Env, value: str, holder: str, deadline: Deadline) -> dict[str, Any]:
    """0.1.2's one-step call: this node alone takes the signing value."""
    change = Change(KIND, {"token": value}, [targets.this_node(env.settings)], holder, "auth apply failed")
    transaction.run(env, change, deadline)
    return {"code": 200, "val": {"message": "auth applied", "token": MASK}}


def _counts(outcomes: list[str], option: str, message: str) -> dict[str, Any]:
    good = outcomes.count("ok")
    skipped = outcomes.count("skipped")
    return {
        "fail_cnt": len(outcomes) - good - skipped,
        "message": message,
        "option": option,
        "success_cnt": good,
        "target_cnt": len(outcomes),
        "token": MASK,
    }


def _targets(env: Env, option: str) -> list[Target]:
    wanted = list(dict.fromkeys(part.strip().lower() for part in option.split(",") if part.strip())) or ["host"]
    unknown = [part for part in wanted if part not in (*ROLES, "all")]
    if unknown:
        raise bad_field("option", f"{unknown[0]} is none of host, scvm, ccvm, all", "invalid option")
    document = cluster_file.read(env.settings).document
    if "scvm" in wanted and document.cluster.type.lower() in WITHOUT_SCVM:
        raise bad_field("option", f"{document.cluster.type} has no storage VMs", "unsupported option for cluster type")
    every = _by_role(env, document)
    asked = list(ROLES) if "all" in wanted else wanted
    found = [target for role in asked for target in every[role]]
    # A guest that was named must be reached; with `all` one that is not deployed yet is skipped.
    found = [target if "all" in wanted else replace(target, optional=False) for target in found]
    if not found:
        raise BadInput("no auth sync targets", fields=[("option", "the cluster has no such node")])
    return list({target.address: target for target in found}.values())


def _by_role(env: Env, document: ClusterDocument) -> dict[str, list[Target]]:
    config, bootstrap = document.cluster, document.profile.bootstrap
    return {
        "host": [target for target in targets.hosts(env.settings, config) if target.hostname],
        "scvm": targets.scvms(env.settings, config, bootstrap, storage_network=True),
        "ccvm": targets.ccvm(env.settings, config, bootstrap),
    }


def _refuse(settings: Settings) -> None:
    if settings.signing_value_override:
        raise Conflict("auth apply failed: the signing value is managed by environment (ABLESTACK_AUTH_TOKEN_SECRET)")
    auth_file.read(settings)


def _store(settings: Settings, value: str) -> None:
    auth_file.edit(settings, lambda data: data.update(access_token_secret=value))


KIND = new_secret.kind_of(
    SharedSecret(
        name="signing value",
        path="/auth/apply",
        field="token",
        overlap=overlap.SIGNING_VALUE,
        file=lambda settings: settings.auth_json,
        present=auth_file.signing_value,
        store=_store,
        refuse=_refuse,
        keep_seconds=lambda settings: auth_file.ttl_seconds(settings, auth_file.read(settings)),
    )
)
