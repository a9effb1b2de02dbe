"""The node's profile: which steps of the deployment are done (contract 01 §6.1, §6.2)."""

from typing import Any

from pydantic import BaseModel

from ablestack_api.cluster import check_request
from ablestack_api.cluster.models import SystemConfigRequest
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import BadInput, PeersFailed, bad_field
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets, transaction
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.orchestrator.participant import Facts, Kind, Payload
from ablestack_api.orchestrator.transaction import Change
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import (
    Bootstrap,
    ClusterDocument,
    License,
    SecurityPatch,
    SystemProfile,
)

SECONDS = 30.0
STATUS, UPDATE, ALL_UPDATE, RESET = "status", "update", "allupdate", "reset"
SECTIONS: dict[str, type[BaseModel]] = {"bootstrap": Bootstrap, "license": License, "security_patch": SecurityPatch}
FREE_TEXTS = (("license", "type"),)
LONGEST_TEXT = 100


def read(env: Env) -> tuple[dict[str, Any], str]:
    """(the bare profile as 0.1.2 answered it, etag of cluster.json)."""
    present = cluster_file.read(env.settings)
    return _shape(present.document.profile), present.etag


def control(env: Env, request: SystemConfigRequest, holder: str, if_match: str | None, deadline: Deadline) -> dict[str, Any]:
    """One action on this node or, with option `all`, on every host: then all hosts change or none."""
    action = _checked_action(request)
    everywhere = request.option.lower() == "all"
    if action == STATUS:
        return _status_everywhere(env, request, deadline) if everywhere else {"code": 200, "val": _part(env, request)}
    present = cluster_file.read(env.settings)
    cluster_file.require_match(present.etag, if_match)
    members = _hosts(env, present.document) if everywhere else [targets.this_node(env.settings)]
    payload = request.model_dump(exclude={"transaction", "request"})
    based_on = present.etag if if_match else ""
    change_all = Change(KIND, payload, members, holder, "apply failed", based_on=based_on)
    outcomes = transaction.run(env, change_all, deadline)
    if not everywhere:
        return {"code": 200, "val": "ok"}
    results = [{**outcome.entry(), "message": outcome.message or "ok"} for outcome in outcomes]
    return {"code": 200, "val": {"message": "apply success", "results": results}}


def _checked_action(request: SystemConfigRequest) -> str:
    """The action in lower case; every name and value is one that survives (W31)."""
    action = request.action.lower()
    if action not in (STATUS, UPDATE, ALL_UPDATE, RESET):
        raise bad_field("action", "is none of status, update, allUpdate, reset", "unsupported action")
    if action == UPDATE:
        for name in ("depth1", "depth2", "value"):
            if not getattr(request, name):
                raise bad_field(name, "required", f"{name} required")
    if action == STATUS and request.depth2 and not request.depth1:
        raise bad_field("depth1", "required with depth2", "depth1 required")
    if request.depth1 and request.depth1 not in SECTIONS:
        raise bad_field("depth1", f"is none of {', '.join(SECTIONS)}", "invalid depth1")
    if request.depth1 and request.depth2 and request.depth2 not in SECTIONS[request.depth1].model_fields:
        raise bad_field("depth2", f"is none of {', '.join(SECTIONS[request.depth1].model_fields)}", "invalid depth2")
    if action == UPDATE:
        _check_value(request)
    return action


def _check_value(request: SystemConfigRequest) -> None:
    if (request.depth1, request.depth2) in FREE_TEXTS:
        if len(request.value) > LONGEST_TEXT or not request.value.isprintable():
            raise bad_field("value", f"must be a printable text of at most {LONGEST_TEXT} characters")
    elif request.value.lower() not in ("true", "false"):
        raise bad_field("value", "must be true or false", "invalid value: must be true or false")


def _part(env: Env, request: SystemConfigRequest) -> dict[str, Any]:
    shape, _ = read(env)
    if not request.depth1:
        return shape
    section = shape[request.depth1]
    return {request.depth1: section} if not request.depth2 else {request.depth2: section[request.depth2]}


def _status_everywhere(env: Env, request: SystemConfigRequest, deadline: Deadline) -> dict[str, Any]:
    body = request.model_copy(update={"option": ""}).model_dump(exclude={"transaction", "request"})

    def ask(target: Target) -> Outcome:
        if target.local:
            return Outcome(target, fanout.OK, 200, value=_part(env, request))
        return fanout.call(env, target, "POST", "/cube/system/config", body=body, deadline=deadline)

    outcomes = fanout.at_once(_hosts(env, cluster_file.read(env.settings).document), ask)
    results = [outcome.entry() | ({"val": outcome.value} if outcome.good else {}) for outcome in outcomes]
    if any(outcome.bad for outcome in outcomes):
        raise PeersFailed("status failed on at least one host", val={"message": "status failed", "results": results})
    return {"code": 200, "val": {"message": "status", "results": results}}


def _hosts(env: Env, document: ClusterDocument) -> list[Target]:
    members = targets.hosts(env.settings, document.cluster)
    if not members:
        raise BadInput("no targets to apply", fields=[("option", "cluster.json has no hosts")])
    return members


def _shape(profile: SystemProfile) -> dict[str, Any]:
    shape: dict[str, Any] = profile.model_dump(by_alias=True)
    return shape


def _files(env: Env, _payload: Payload) -> list[str]:
    return [env.settings.cluster_json]


def _check(env: Env, payload: Payload) -> None:
    _checked_action(check_request.of_payload(SystemConfigRequest, payload))
    cluster_file.read(env.settings)


def _apply(env: Env, payload: Payload) -> Facts:
    request = check_request.of_payload(SystemConfigRequest, payload)
    cluster_file.edit(env.settings, lambda document: change(document, request))
    return {}


def change(document: ClusterDocument, request: SystemConfigRequest) -> None:
    """What an action does to the profile. allUpdate marks what the cluster's type has, and only that."""
    profile, action = document.profile, request.action.lower()
    if action == UPDATE:
        setattr(getattr(profile, request.depth1), request.depth2, request.value)
    elif action == RESET:
        profile.bootstrap = Bootstrap.model_validate(profile.bootstrap.model_extra or {})
    else:
        for name in _flags_of_type(document):
            setattr(profile.bootstrap, name, "true")


def _flags_of_type(document: ClusterDocument) -> tuple[str, ...]:
    own = {
        "ablestack-hci": ("scvm",),
        "ablestack-hci-filesystem": ("scvm", "gfs_configure"),
        "ablestack-vm": ("gfs_configure",),
        "ablestack-standalone": ("local_configure",),
    }
    return (*own.get(document.cluster.type.lower(), ()), "ccvm", "wall")


KIND = Kind(name="system config", path="/cube/system/config", files=_files, check=_check, apply=_apply)
