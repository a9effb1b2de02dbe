"""known_hosts: which scanned keys are new, known, or in conflict with what is trusted. Pure, on paramiko's parser."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko.hostkeys import HostKeys
    from paramiko.pkey import PKey


@dataclass
class Merge:
    """`lines` are to be appended. `known` and `added` are names; `changed` maps a name to the key types that differ."""

    lines: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    changed: dict[str, list[str]] = field(default_factory=dict)


def merge(present: str, scanned: str) -> Merge:
    """A name without any trusted key gets all its scanned ones; a name with one never gets another silently."""
    trusted = trusted_keys(present)
    result = Merge()
    for line, names, key in _entries(scanned):
        for name in names:
            have = trusted.lookup(name)
            if have is None:
                result.lines.append(line.replace(",".join(names), name, 1))
                result.added.add(name)
            elif key.get_name() in have and have[key.get_name()].asbytes() == key.asbytes():
                result.known.add(name)
            elif key.get_name() in have:
                result.changed.setdefault(name, []).append(key.get_name())
    return result


def entry_name(host: str, port: int) -> str:
    """How known_hosts calls a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return host if port == 22 else f"[{host}]:{port}"


def trusted_keys(text: str) -> "HostKeys":
    """What known_hosts says; a key of a `@revoked` line is trusted for nobody (sshd(8))."""
    from paramiko.hostkeys import HostKeys  # only where ssh is used: it is 15 MB

    keys = HostKeys()
    revoked = {word for line in text.splitlines() if line.startswith("@revoked ") for word in line.split()[3:4]}
    for _, names, key in _entries(text):
        for name in names if key.get_base64() not in revoked else ():
            keys.add(name, key.get_name(), key)
    return keys


def _entries(text: str) -> Iterator["tuple[str, list[str], PKey]"]:
    """(line, names, key) of every line that is an entry; comments, markers and broken lines are passed over."""
    from paramiko.hostkeys import HostKeyEntry
    from paramiko.ssh_exception import SSHException

    for raw in io.StringIO(text):
        line = raw.strip()
        if not line or line.startswith(("#", "@")):
            continue
        try:
            entry = HostKeyEntry.from_line(line)
        except (SSHException, ValueError):
            continue
        if entry is not None and entry.hostnames and entry.key is not None:
            yield line, list(entry.hostnames), entry.key
