"""A cluster change on one node: insert, remove, reset as steps of a change that all nodes make or none."""

import hashlib
from typing import Any

from ablestack_api.cluster import check_request, completed, edits, first_trust, host_preparation, known_hosts, time_server
from ablestack_api.cluster.completed import INSERT, REMOVE, RESET
from ablestack_api.cluster.models import ApplyRequest, TimeServerRequest
from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.orchestrator.participant import Facts, Kind, Payload
from ablestack_api.state import (
    cluster_file,
    enrolment,
    error_list,
    hosts_file,
    internal_token,
    json_file,
    overlap,
    own_node,
)
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import chrony


def payload_of(request: ApplyRequest, token: str, backup_path: str = "") -> Payload:
    """What every node gets: the completed request, the token (insert only), the backup path to keep (add only)."""
    shape = request.model_dump(by_alias=True, exclude={"transaction", "request"})
    return {**shape, "security": {"internal_token": token}, "backup_path": backup_path}


def require_first_trust(env: Env, caller: Caller, payload: dict[str, Any]) -> None:
    first_trust.require(env, caller, _request(payload))


def _request(payload: Payload) -> ApplyRequest:
    return check_request.of_payload(ApplyRequest, payload)


def _check(env: Env, payload: Payload) -> None:
    """The same rules as on the node that leads; its own file must be readable (a damaged one is never replaced)."""
    request = _request(payload)
    document = cluster_file.read_or_empty(env.settings).document
    if completed.action_of(request) == INSERT:
        completed.complete(request, document)
        internal = request.security.internal_token
        if internal and internal != internal_token.present(env.settings):
            internal_token.refuse_if_managed_by_environment(env.settings)


def _files(env: Env, payload: Payload) -> list[str]:
    files = [env.settings.cluster_json, overlap.path(env.settings)]
    if completed.action_of(_request(payload)) == INSERT:
        files += [chrony.config_path(env.settings)]
    if completed.action_of(_request(payload)) != RESET:
        files += [hosts_file.path(env.settings)]
    return files


def _stage(env: Env, payload: Payload) -> None:
    token = _request(payload).security.internal_token
    if token and token != internal_token.present(env.settings):
        overlap.stage(env.settings, overlap.INTERNAL_TOKEN, token)


def _apply(env: Env, payload: Payload) -> Facts:
    action = completed.action_of(_request(payload))
    before = cluster_file.read_or_empty(env.settings).document
    after = cluster_file.edit(env.settings, lambda document: _change(env, payload, document), create=True).document
    if action != RESET:
        _write_hosts(env, before, after)
    if action == INSERT:
        time_server.write(env, after.cluster, TimeServerRequest())
    return {"revision": revision(env)}


def _change(env: Env, payload: Payload, document: ClusterDocument) -> None:
    request = _request(payload)
    action = completed.action_of(request)
    if action == INSERT:
        token = "" if env.settings.internal_token_override else request.security.internal_token
        edits.insert(document, request, token, str(payload.get("backup_path") or ""))
    elif action == REMOVE:
        edits.remove(document, request.remove_hostname)
    else:
        edits.reset(document)


def revision(env: Env) -> str:
    """Read back from disk: the configuration and the token in force."""
    shared = cluster_file.digest(cluster_file.read_or_empty(env.settings).document)
    return hashlib.sha256(f"{shared} {internal_token.present(env.settings)}".encode()).hexdigest()[:16]


def _write_hosts(env: Env, before: ClusterDocument, after: ClusterDocument) -> None:
    wanted = hosts_file.entries(after.cluster, own_node.hostname(env.settings))
    ours = hosts_file.managed_names(before.cluster) | hosts_file.managed_names(after.cluster)
    with json_file.locked(hosts_file.lock_path(env.settings)):
        hosts_file.write(env.settings, hosts_file.render(hosts_file.read(env.settings), wanted, ours))


def _shared(env: Env) -> set[str]:
    return {hosts_file.path(env.settings)}


def _undone(env: Env, payload: Payload, changed: set[str]) -> None:
    """The files are back; chrony must read its own again. A restart that fails is told, it does not keep us from undoing."""
    if hosts_file.path(env.settings) in changed:
        restored = cluster_file.read_or_empty(env.settings).document
        undone = restored.model_copy(deep=True)
        _change(env, payload, undone)
        _write_hosts(env, undone, restored)
    if completed.action_of(_request(payload)) != INSERT:
        return
    try:
        time_server.restart(env)
    except ApiError as error:
        error_list.record(env.settings, env.clock, f"after undoing an apply: {error.detail}")


def _finish(env: Env, payload: Payload) -> list[Facts]:
    request = _request(payload)
    if completed.action_of(request) != INSERT:
        return []
    overlap.finish(env.settings, overlap.INTERNAL_TOKEN, env.clock)
    enrolment.use_up(env.settings)
    document = cluster_file.read(env.settings).document
    wanted = hosts_file.entries(document.cluster, own_node.hostname(env.settings))
    told = hosts_file.conflicts(hosts_file.read(env.settings), wanted)
    conflicts = [{"step": "/etc/hosts", "outcome": "warning", "message": text} for text in told]
    skipped = [] if env.settings.is_whole_system else [{"step": f"systemctl restart {chrony.UNIT}", "outcome": "skipped"}]
    return [*conflicts, *skipped, *host_preparation.prepare(env, document.cluster.type), _scan_host_keys(env)]


def _scan_host_keys(env: Env) -> Facts:
    step = {"step": "SSH host keys of the cluster"}
    if not env.settings.is_whole_system:
        return {**step, "outcome": "skipped", "message": "this node lives in a folder"}
    return {**step, "outcome": "started" if known_hosts.start_scan(env) else "unchanged"}


def _addresses(env: Env, payload: Payload) -> set[str]:
    """An insert brings its own addresses (and was checked); they and the present ones may take part."""
    request = _request(payload)
    given = {address for host in request.hosts for address in edits.host_addresses(host)} | {request.ccvm.ip}
    return given | cluster_file.read_or_empty(env.settings).document.cluster.addresses


KIND = Kind(
    name="cluster apply",
    path="/cube/cluster/apply-local",
    files=_files,
    check=_check,
    stage=_stage,
    apply=_apply,
    shared=_shared,
    undone=_undone,
    finish=_finish,
    addresses=_addresses,
)
