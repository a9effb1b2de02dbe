"""chrony on this node follows the cluster's first two hosts and the external server (contract 01 §5.9)."""

import ipaddress
from typing import Any

from ablestack_api.cluster import check_request
from ablestack_api.cluster.models import TimeServerRequest
from ablestack_api.core.errors import bad_fields
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.state import cluster_file, json_file, own_node
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import chrony, systemctl

SERVING_HOSTS = 2


def configure(env: Env, request: TimeServerRequest) -> dict[str, Any]:
    """Write chrony's file and restart it; the old file comes back when the restart fails. Returns the answer's `val`."""
    _check(request)
    config = cluster_file.read(env.settings).document.cluster
    path = chrony.config_path(env.settings)
    before = json_file.read_bytes(path)
    try:
        return write(env, config, request)
    except Exception:
        with json_file.locked(chrony.lock_path(env.settings)):
            json_file.remove(path) if before is None else json_file.write_bytes(path, before)
        raise


def write(env: Env, config: ClusterConfig, request: TimeServerRequest) -> dict[str, Any]:
    """The work without the way back, for callers that put files back themselves (cluster apply)."""
    servers = request.time_servers or serving_hosts(config)
    applied = [server for server in servers if not _is_self(env.settings, config, server)]
    external = request.external_timeserver or config.external_timeserver
    plan = chrony.Plan(external, tuple(applied), _networks(config))
    path = chrony.config_path(env.settings)
    with json_file.locked(chrony.lock_path(env.settings)):
        _keep_foreign(path)
        json_file.write_bytes(path, chrony.render(plan, path).encode(), mode=0o644)
    restart(env)
    own = own_node.find_self(env.settings, config)
    return {
        "config_path": path,
        "mode": plan.mode,
        **({"self_index": own.index} if own and own.index else {}),
        **({"time_servers": servers} if servers else {}),
        **({"applied_time_servers": applied} if applied else {}),
        **({"external_timeserver": external} if external else {}),
        "local_stratum_enabled": plan.mode == "internal",
        "restarted": env.settings.is_whole_system,
        **({} if env.settings.is_whole_system else {"skipped": [f"systemctl restart {chrony.UNIT}"]}),
    }


def restart(env: Env) -> None:
    if env.settings.is_whole_system:
        systemctl.restart(env.runner, chrony.UNIT)


def serving_hosts(config: ClusterConfig) -> list[str]:
    """The two hosts with the lowest index: 1 and 2 unless one of them was removed."""
    numbered = sorted((host for host in config.hosts if host.index.isdecimal()), key=lambda host: int(host.index))
    return [host.ablecube or host.hostname for host in numbered[:SERVING_HOSTS]]


def _keep_foreign(path: str) -> None:
    """What was there before our first write is kept beside it, once."""
    present, kept = json_file.read_bytes(path), f"{path}.before-ablestack"
    if present and not present.startswith(chrony.HEADER.encode()) and json_file.read_bytes(kept) is None:
        json_file.write_bytes(kept, present)


def _check(request: TimeServerRequest) -> None:
    named = [("external_timeserver", request.external_timeserver)]
    named += [(f"time_servers.{position}", server) for position, server in enumerate(request.time_servers)]
    faults = [(field, fault) for field, text in named if text and (fault := check_request.name_or_address_fault(text))]
    faults += [(field, "required") for field, text in named[1:] if not text]
    if faults:
        raise bad_fields(faults)


def _is_self(settings: Settings, config: ClusterConfig, server: str) -> bool:
    own = own_node.find_self(settings, config)
    if own is not None and server in (own.hostname, *own.addresses):
        return True
    return own_node.is_own_name(settings, server) or own_node.has_address(settings, server)


def _networks(config: ClusterConfig) -> tuple[str, ...]:
    """The management network; not the whole world. The hosts one by one when its prefix is not known."""
    addresses = [host.ablecube for host in config.hosts if host.ablecube]
    prefix = config.mngt_nic.cidr
    found = [f"{address}/{prefix}" if prefix else address for address in addresses]
    networks = []
    for text in found:
        try:
            networks.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(networks))
