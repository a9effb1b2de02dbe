"""The SSH host keys of the cluster's nodes in root's known_hosts (contract 01 §7.2, 06 §5): after an apply, and daily.

0.1.2 forgot what it knew and trusted whatever answered. Here a key is trusted on first sight only; a changed one is told
to the operator and never replaced.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from ablestack_api.core import log
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.remote import known_hosts
from ablestack_api.state import cluster_file, error_list, hosts_file, json_file
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import ssh

log_ = logging.getLogger(__name__)

# Address -> the names it is known by.
Places = dict[str, set[str]]
# Nodes that were just set up may take a while to answer.
PAUSES = (15.0, 30.0, 60.0, 60.0, 60.0)
LOOK_SECONDS = 60.0
DAY_SECONDS = 24 * 3600.0
# After a scan that did not reach everybody, or was broken off with its process.
AGAIN_SECONDS = 3600.0
# What has to be deployed before a daily scan makes sense.
FLAGS = {True: ("scvm", "ccvm", "wall"), False: ("ccvm", "wall")}
_running = threading.Lock()


def start_scan(env: Env) -> bool:
    """Scan in the background, several times while hosts are missing. False when a scan is running already."""
    if not _running.acquire(blocking=False):
        return False
    threading.Thread(target=_scan_all, args=(env,), name="known-hosts", daemon=True).start()
    return True


def run_for_ever(env: Env, goes_on: Callable[[], bool]) -> None:
    """Body of the daemon's thread for the daily scan; of several workers one does it."""
    while goes_on():
        try:
            with json_file.locked(_record(env), timeout=0.1):
                look(env)
        except ApiError as error:
            log_.info("the daily scan of SSH host keys was not looked at: %s", error.detail)
        except Exception:
            log_.exception("the daily scan of SSH host keys failed")
        time.sleep(LOOK_SECONDS)


def look(env: Env) -> bool:
    """Begin the daily scan when it is due; the time of the next one outlives a restart. True when one was begun."""
    if not env.settings.is_whole_system or env.clock.now().timestamp() < _next(env):
        return False
    document = cluster_file.read_or_empty(env.settings).document
    flags = document.profile.bootstrap.model_dump()
    if not document.is_configured or any(flags.get(name) != "true" for name in FLAGS[document.cluster.is_hci]):
        return False
    _plan_next(env, AGAIN_SECONDS)
    return start_scan(env)


def scan(env: Env, places: Places) -> Places:
    """One attempt. Returns the places that did not answer. Raises what the program or the file raises."""
    port = ssh.configured_port(_text(env.settings.below("etc/ssh/sshd_config")))
    scanned = ssh.read_host_keys(env.runner, places, port)
    path = _path(env)
    with json_file.locked(os.path.join(env.settings.state_root, "known_hosts")):
        present = _text(path)
        merge = known_hosts.merge(present, scanned)
        if merge.lines:
            json_file.write_bytes(path, _appended(present, merge.lines), mode=0o600)
    _tell(env, merge, path)
    answered = merge.known | merge.added | set(merge.changed)
    return {
        address: names
        for address, names in places.items()
        if not all(known_hosts.entry_name(name, port) in answered for name in names)
    }


def places_of_cluster(document: ClusterDocument, hosts_text: str) -> Places:
    """Management addresses of hosts and guests, each with itself, its host name and the names of /etc/hosts."""
    config = document.cluster
    places: Places = {config.ccvm.ip: set()}
    for host in config.hosts:
        places[host.ablecube] = {host.hostname}
        if config.is_hci:
            places[host.scvm_mngt or ""] = set()
            places[host.scvm or ""] = set()  # the security patch calls a storage VM there
    for fields in (line.split("#", 1)[0].split() for line in hosts_text.splitlines()):
        if fields and fields[0] in places:
            places[fields[0]].update(fields[1:])
    return {address: {address, *(name for name in names if _is_plain(name))} for address, names in places.items() if address}


def _is_plain(name: str) -> bool:
    """A name that ssh-keyscan reads as one name."""
    return bool(name) and not name.startswith("-") and "," not in name


def _scan_all(env: Env) -> None:
    """The cluster is read anew each time: it may have changed since the last attempt."""
    try:
        for pause in (*PAUSES, 0.0):
            places = places_of_cluster(cluster_file.read(env.settings).document, hosts_file.read(env.settings))
            missing = scan(env, places)
            if not missing:
                _plan_next(env, DAY_SECONDS)
                return
            env.clock.sleep(pause)
        error_list.record(env.settings, env.clock, f"no SSH host key yet of {', '.join(sorted(missing))}")
    except ApiError as error:
        error_list.record(env.settings, env.clock, f"SSH host keys were not scanned: {error.detail}")
    finally:
        _running.release()


def _plan_next(env: Env, seconds: float) -> None:
    json_file.write_json(_record(env), {"next": env.clock.now().timestamp() + seconds})


def _next(env: Env) -> float:
    """Seconds since 1970. One that lies further ahead than a day is of a clock that was wrong."""
    value = json_file.read_json(_record(env))
    given = value.get("next") if isinstance(value, dict) else None
    due = float(given) if isinstance(given, int | float) else 0.0
    return due if due <= env.clock.now().timestamp() + DAY_SECONDS else 0.0


def _record(env: Env) -> str:
    return os.path.join(env.settings.state_root, "known_hosts-scan.json")


def _tell(env: Env, merge: known_hosts.Merge, path: str) -> None:
    if merge.added:
        event = {"type": "audit", "event": "ssh host key trusted on first sight", "names": sorted(merge.added)}
        log.append(env.settings.audit_log, {"time": env.clock.now().isoformat(), **event})
    for name, kinds in merge.changed.items():
        advice = f"if that is right, run: ssh-keygen -R {name} -f {path}"
        text = f"the SSH host key of {name} ({', '.join(kinds)}) is not the one in {path}; it was not trusted. {advice}"
        error_list.record(env.settings, env.clock, text)


def _appended(present: str, lines: list[str]) -> bytes:
    separator = "" if not present or present.endswith("\n") else "\n"
    return (present + separator + "\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _path(env: Env) -> str:
    return env.settings.below(os.path.join(env.settings.home, ".ssh/known_hosts"))


def _text(path: str) -> str:
    return (json_file.read_bytes(path) or b"").decode("utf-8", "surrogateescape")
