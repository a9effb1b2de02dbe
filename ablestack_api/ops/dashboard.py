"""`GET /dashboard` of the first releases: both halves from what is read anyway, side by side (contract 06 §9.1)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.orchestrator import fanout, targets
from ablestack_api.state import cluster_file
from ablestack_api.tools import ceph

READING = "dashboard"
KEEP_SECONDS = 10.0
CCVM_PATH = "/cube/ccvm/status"
CCVM_SECONDS = 8.0
# Kinds of daemons as `ceph orch ps` names them; every other kind is under `other`.
KINDS = (
    "alertmanager",
    "ceph-exporter",
    "crash",
    "grafana",
    "iscsi",
    "mds",
    "mgr",
    "mon",
    "osd",
    "prometheus",
    "rgw",
    "node-exporter",
    "rbd-mirror",
)

Shape = dict[str, Any]


def read(env: Env, *, refresh: bool) -> Shape:
    """Always answers; a half that cannot be told has nulls and says why in `error`."""
    reading = env.readings.get(READING, lambda: _collected(env), refresh=refresh, keep=KEEP_SECONDS)
    age = reading.freshness()
    storage, cloud = ({**half, "refresh-time": age["refresh_time"]} for half in reading.value)
    return {"StorageCenterCluster": storage, "CloudCenterVM": cloud, **age}


def _collected(env: Env) -> tuple[Shape, Shape]:
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="dashboard") as pool:
        status = pool.submit(_tried, lambda: ceph.read_status(env.runner))
        usage = pool.submit(_tried, lambda: ceph.read_usage(env.runner))
        daemons = pool.submit(_tried, lambda: ceph.read_list(env.runner, ["orch", "ps"], ceph.QUICK))
        cloud = pool.submit(_cloud_center, env)
        return _storage(status.result(), usage.result(), daemons.result()), cloud.result()


def _tried(read: Callable[[], Any]) -> tuple[Any, str]:
    """(what was read or None, why not)"""
    try:
        return read(), ""
    except ApiError as error:
        return None, error.detail


def _storage(status: tuple[Any, str], usage: tuple[Any, str], daemons: tuple[Any, str]) -> Shape:
    told, pools, running = status[0] or {}, usage[0] or {}, daemons[0]
    health, osds, quorum = told.get("health") or {}, told.get("osdmap") or {}, told.get("quorum_names") or []
    shape: Shape = {
        "cluster-status": {"status": health.get("status"), "message": _messages(health)},
        "disks": {"up": osds.get("num_up_osds"), "total": osds.get("num_osds"), "in": osds.get("num_in_osds")},
        "gateways": {"up": len(quorum), "total": (told.get("monmap") or {}).get("num_mons"), "quorum": quorum or None},
        "daemons": None if running is None else _by_kind(running),
        "storage-pools": {key: pools.get(key) for key in ("stats", "stats_by_class", "pools")},
    }
    errors = [text for _, text in (status, usage, daemons) if text]
    return shape | ({"error": "; ".join(dict.fromkeys(errors))} if errors else {})


def _messages(health: Shape) -> list[str] | None:
    checks = health.get("checks")
    found = [str((check.get("summary") or {}).get("message", name)) for name, check in (checks or {}).items()]
    return found or None


def _by_kind(daemons: list[Shape]) -> Shape:
    groups: Shape = {kind: [] for kind in (*KINDS, "other")}
    for daemon in daemons:
        kind = str(daemon.get("daemon_type", ""))
        groups[kind if kind in KINDS else "other"].append(daemon)
    return groups


def _cloud_center(env: Env) -> Shape:
    """By the Cloud Center VM's own card, which any host can give."""
    shape: Shape = {"web-status": None, "service-status": None, "vm-status": None}
    document = cluster_file.read_or_empty(env.settings).document
    found = targets.ccvm(env.settings, document.cluster, document.profile.bootstrap)
    if not found:
        return shape | {"error": "cluster.json does not name the Cloud Center VM"}
    hosts = targets.hosts(env.settings, document.cluster)
    target = next((host for host in hosts if not host.local), found[0])
    outcome = fanout.call(env, target, "GET", CCVM_PATH, deadline=Deadline(env.clock, CCVM_SECONDS))
    card = outcome.body.get("data") if isinstance(outcome.body.get("data"), dict) else None
    if card is None:
        return shape | {"error": outcome.message or f"{target.hostname} told nothing of it"}
    services = {"mold_web_service": card.get("MOLD_SERVICE_STATUE"), "mold_db_service": card.get("MOLD_DB_STATUE")}
    return shape | {
        "service-status": {name: {"active": state} for name, state in services.items()},
        "vm-status": {"name": card.get("Name"), "running": card.get("State") == "running", "nic": None, "disk": None},
    }
