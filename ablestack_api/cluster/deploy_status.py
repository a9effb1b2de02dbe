"""`GET /cube/deploy/status`: what everything says of itself, side by side, and what comes next (contract 01 §9.1)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ablestack_api.cluster import deploy_stage
from ablestack_api.cluster.deploy_stage import (
    HCI,
    HCI_FILES,
    HEALTH_ERR,
    HEALTH_OK,
    NO_CLUSTER,
    NO_RESOURCE,
    RUNNING,
    STANDALONE,
    UNKNOWN,
    VM,
    Raw,
)
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, Conflict, NotFound
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains
from ablestack_api.jobs.progress import Quiet
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.pacemaker import checked, control, status_view
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.state import cluster_file, own_node
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import ceph

READING = "deploy status"
ASK_SECONDS = 5.0
SCVM = "scvm"
SCVM_PATH, CCVM_PATH = "/cube/scvm/status", "/cube/ccvm/status"


def read(env: Env, *, refresh: bool) -> dict[str, Any]:
    """The whole answer. Raises ClusterFileMissing, ClusterFileDamaged."""
    document = cluster_file.read(env.settings).document
    reading = env.readings.get(READING, lambda: _collected(env, document), refresh=refresh)
    raw = {**reading.value, **_stored(document)}
    stage = deploy_stage.decide(document.cluster.type.lower(), raw)
    data = {
        "os_type": document.cluster.type,
        "stage": stage.name,
        "stage_order": stage.order,
        "severity": stage.severity,
        "message_key": stage.key,
        "available_actions": list(stage.actions),
        "warnings": [{"key": key, "message": message} for key, message in stage.warnings],
        "raw": raw,
        "checked_at": reading.at.isoformat(timespec="seconds"),
        **reading.freshness(),
    }
    return {"code": 200, "data": data, "message": "ok"}


def _stored(document: ClusterDocument) -> Raw:
    """What cluster.json says; keys that do not apply to the type are left out."""
    kind, profile = document.cluster.type.lower(), document.profile
    boot = profile.bootstrap
    raw = {
        "license_status": profile.license.status or "false",
        "ccfg_status": str(deploy_stage.config_ready(document.cluster)).lower(),
        "ccvm_bootstrap_status": boot.ccvm,
        "wall_monitoring_status": boot.wall,
        "security_patch": profile.security_patch.status,
    }
    raw |= {"scvm_bootstrap_status": boot.scvm} if kind in (HCI, HCI_FILES) else {}
    raw |= {"gfs_configure": boot.gfs_configure} if kind in (VM, HCI_FILES) else {}
    return raw | ({"local_configure": boot.local_configure} if kind == STANDALONE else {})


def _collected(env: Env, document: ClusterDocument) -> Raw:
    kind = document.cluster.type.lower()
    asked: dict[str, Callable[[Env, ClusterDocument], str]] = {"ccvm_status": _cloud_vm}
    if kind in (HCI, HCI_FILES):
        asked |= {"scvm_status": _storage_vm, "sc_status": _storage_cluster}
    if kind in (HCI, HCI_FILES, VM):
        asked["cc_status"] = _cloud_cluster
    with ThreadPoolExecutor(max_workers=len(asked), thread_name_prefix="deploy status") as pool:
        begun = {key: pool.submit(ask, env, document) for key, ask in asked.items()}
        return {key: future.result() for key, future in begun.items()}


def _storage_vm(env: Env, document: ClusterDocument) -> str:
    """Of this host; a guest asks the host it belongs to."""
    own = own_node.find_self(env.settings, document.cluster)
    hosts = targets.hosts(env.settings, document.cluster)
    target = next((each for each in hosts if own is not None and each.address == own.ablecube), None)
    if target is None:
        return UNKNOWN
    if not target.local:
        return _state_of(_ask(env, target, SCVM_PATH), "scvm_status")
    try:
        state = domains.read_state(env.libvirt, SCVM)
    except ApiError:
        return UNKNOWN
    return HEALTH_ERR if state is None else state.upper()


def _storage_cluster(env: Env, _document: ClusterDocument) -> str:
    try:
        health = ceph.read_status(env.runner).get("health", {})
    except ApiError:
        return HEALTH_ERR
    return str(health.get("status") or UNKNOWN) if isinstance(health, dict) else UNKNOWN


def _cloud_cluster(env: Env, _document: ClusterDocument) -> str:
    asked = ControlRequest(action=checked.STATUS, resource=checked.DEFAULT_RESOURCE)
    try:
        value = control.control(env, asked, Quiet())["val"]
    except NotFound:
        return NO_RESOURCE
    except Conflict as error:
        return NO_CLUSTER if status_view.NOT_CONFIGURED in error.detail else UNKNOWN
    except ApiError:
        return UNKNOWN
    started = str(value.get("role", "")).lower() == "started" and value.get("started")
    well = started and value.get("active") != "false" and value.get("failed") != "true"
    return HEALTH_OK if well else NO_RESOURCE


def _cloud_vm(env: Env, document: ClusterDocument) -> str:
    """The Cloud Center VM by its own API: it runs when that answers."""
    found = targets.ccvm(env.settings, document.cluster, document.profile.bootstrap)
    if not found:
        return UNKNOWN
    return RUNNING if found[0].local else _state_of(_ask(env, found[0], CCVM_PATH), "State")


def _ask(env: Env, target: Target, path: str) -> fanout.Outcome:
    return fanout.call(env, target, "GET", path, deadline=Deadline(env.clock, ASK_SECONDS))


def _state_of(outcome: fanout.Outcome, key: str) -> str:
    """An answer without a state is one of a machine that runs."""
    if not outcome.good:
        return HEALTH_ERR
    card = outcome.body.get("data")
    state = card.get(key) if isinstance(card, dict) else None
    return str(state).upper() if state else RUNNING
