"""Where the cluster's web pages are (contract 01 §6.5)."""

from collections.abc import Callable
from typing import Any

from ablestack_api.core.errors import ApiError, Conflict, bad_field
from ablestack_api.env import Env
from ablestack_api.state import cluster_file
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import ceph

Builder = Callable[[Env, ClusterConfig], str]


def read(env: Env, option: str) -> dict[str, Any]:
    """One page by name (any case), or all that apply; among all, one that cannot be told is its reason instead."""
    config = cluster_file.read(env.settings).document.cluster
    if option:
        name = next((name for name in PAGES if name.lower() == option.lower()), None)
        if name is None:
            raise bad_field("option", f"is none of {', '.join(PAGES)}", "invalid option")
        return {"code": 200, "val": {name: PAGES[name](env, config)}}
    names = [name for name in PAGES if name != "storageCenter" or config.is_hci]
    return {"code": 200, "val": {name: _url_or_reason(PAGES[name], env, config) for name in names}}


def _url_or_reason(build: Builder, env: Env, config: ClusterConfig) -> str:
    try:
        return build(env, config)
    except ApiError as error:
        return error.detail


def _cloud_center(_env: Env, config: ClusterConfig) -> str:
    return f"http://{_ccvm(config)}:8080"


def _wall_center(_env: Env, config: ClusterConfig) -> str:
    return f"https://{_ccvm(config)}:8081/login"


def _storage_center(env: Env, config: ClusterConfig) -> str:
    if not config.is_hci:
        raise Conflict(f"unsupported cluster type: {config.type or 'not configured'} has no storage center")
    reading = env.readings.get(
        ceph.READING, lambda: ceph.read_status(env.runner), keep=ceph.KEEP_SECONDS, patience=ceph.QUICK.seconds
    )
    url = ceph.dashboard(reading.value)
    if not url:
        raise Conflict("the Ceph manager serves no dashboard; enable it with: ceph mgr module enable dashboard")
    return url.rstrip("/")


def _ccvm(config: ClusterConfig) -> str:
    if not config.ccvm.ip:
        raise Conflict("ccvm ip required: cluster.json has none; apply the cluster configuration first")
    return f"[{config.ccvm.ip}]" if ":" in config.ccvm.ip else config.ccvm.ip


PAGES: dict[str, Builder] = {
    "cloudCenter": _cloud_center,
    "wallCenter": _wall_center,
    "storageCenter": _storage_center,
}
