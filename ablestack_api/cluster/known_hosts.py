"""The SSH host keys of the cluster's nodes in root's known_hosts (contract 01 §7.2, 06 §5).

0.1.2 forgot what it knew and trusted whatever answered. Here a key is trusted on first sight only; a changed one is told
to the operator and never replaced.
"""

import os
import threading
from collections.abc import Iterable

from ablestack_api.core import log
from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.remote import known_hosts
from ablestack_api.state import cluster_file, error_list, hosts_file, json_file
from ablestack_api.state.cluster_document import ClusterDocument
from ablestack_api.tools import ssh

# Nodes that were just set up may take a while to answer.
PAUSES = (15.0, 30.0, 60.0, 60.0, 60.0)
_running = threading.Lock()


def start_scan(env: Env) -> bool:
    """Scan in the background, several times while hosts are missing. False when a scan is running already."""
    if not _running.acquire(blocking=False):
        return False
    threading.Thread(target=_scan_all, args=(env,), name="known-hosts", daemon=True).start()
    return True


def scan(env: Env, names: Iterable[str]) -> set[str]:
    """One attempt. Returns the names that did not answer. Raises what the program or the file raises."""
    port = ssh.configured_port(_text(env.settings.below("etc/ssh/sshd_config")))
    wanted = sorted(names)
    scanned = ssh.read_host_keys(env.runner, wanted, port)
    path = _path(env)
    with json_file.locked(os.path.join(env.settings.state_root, "known_hosts")):
        present = _text(path)
        merge = known_hosts.merge(present, scanned)
        if merge.lines:
            json_file.write_bytes(path, _appended(present, merge.lines), mode=0o600)
    _tell(env, merge, path)
    answered = merge.known | merge.added | set(merge.changed)
    return {name for name in wanted if known_hosts.entry_name(name, port) not in answered}


def names_of_cluster(document: ClusterDocument, hosts_text: str) -> set[str]:
    """Host names and management addresses of hosts and guests, and every name /etc/hosts gives to those addresses."""
    config = document.cluster
    addresses = {config.ccvm.ip} | {host.ablecube for host in config.hosts}
    addresses |= {host.scvm_mngt or "" for host in config.hosts if config.is_hci}
    entries = [line.split("#", 1)[0].split() for line in hosts_text.splitlines()]
    names = {name for fields in entries if fields and fields[0] in addresses for name in fields[1:]}
    every = names | addresses | {host.hostname for host in config.hosts}
    return {name for name in every if name and not name.startswith("-")}


def _scan_all(env: Env) -> None:
    try:
        document = cluster_file.read(env.settings).document
        missing = names_of_cluster(document, hosts_file.read(env.settings))
        for pause in (*PAUSES, 0.0):
            missing = scan(env, missing)
            if not missing:
                return
            env.clock.sleep(pause)
        error_list.record(env.settings, env.clock, f"no SSH host key yet of {', '.join(sorted(missing))}")
    except ApiError as error:
        error_list.record(env.settings, env.clock, f"SSH host keys were not scanned: {error.detail}")
    finally:
        _running.release()


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
