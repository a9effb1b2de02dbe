"""/etc/hosts: our entries of contract 01 §5.10, everybody else's lines untouched."""

import os
from dataclasses import dataclass

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file
from ablestack_api.state.cluster_document import ClusterConfig, Host

CCVM_NAMES = ("ccvm-mngt", "ccvm")
SELF_NAMES = frozenset(("ablecube", "scvm-mngt", "pn-ablecube", "scvm", "cn-scvm", "ablecube-pn", "scvm-cn"))


@dataclass(frozen=True)
class Entry:
    address: str
    names: tuple[str, ...]

    @property
    def line(self) -> str:
        return f"{self.address}\t{' '.join(self.names)}"


def path(settings: Settings) -> str:
    return settings.below("etc/hosts")


def lock_path(settings: Settings) -> str:
    """What our writers lock: beside our own state, not a stray file in /etc."""
    return os.path.join(settings.state_root, "hosts")


def read(settings: Settings) -> str:
    """The file as text; bytes that are not UTF-8 survive a round trip. Empty when there is no file."""
    return (json_file.read_bytes(path(settings)) or b"").decode("utf-8", "surrogateescape")


def write(settings: Settings, text: str) -> bool:
    """Replace the file when it differs; True when it was written. The caller holds its lock."""
    if text == read(settings):
        return False
    json_file.write_bytes(path(settings), text.encode("utf-8", "surrogateescape"))
    return True


def entries(config: ClusterConfig, own_hostname: str) -> list[Entry]:
    """What the file must say of this cluster on the node called `own_hostname`; empty addresses give no entry."""
    wanted = [Entry(config.ccvm.ip, CCVM_NAMES)]
    for host in config.hosts:
        wanted += _host_entries(host, own_hostname) if config.is_hci else _plain_entries(host, own_hostname)
    return [entry for entry in wanted if entry.address]


def managed_names(config: ClusterConfig) -> set[str]:
    """Every name that this configuration gives to an address, both alias styles."""
    names = set(CCVM_NAMES)
    for host in config.hosts:
        number = host.index
        names |= {host.hostname, f"scvm{number}-mngt", f"scvm{number}"}
        names |= {f"pn-ablecube{number}", f"ablecube{number}-pn", f"cn-scvm{number}", f"scvm{number}-cn"}
    return names


def render(present: str, wanted: list[Entry], ours: set[str]) -> str:
    """The new text. A line is ours when all its names are (ours plus the self aliases); only such lines go.

    Comments, blank lines, lines with one field and lines with any foreign name stay, in their order and to the byte.
    """
    kept = [line for line in present.split("\n") if not _is_ours(line, ours)]
    if kept[-1:] == [""]:
        kept.pop()  # no line: what follows the last newline
    return "\n".join([*kept, *(entry.line for entry in wanted), ""])


def conflicts(text: str, wanted: list[Entry]) -> list[str]:
    """Foreign lines that give one of our names another address: they were kept and win, so the operator is told."""
    addresses = {name: entry.address for entry in wanted for name in entry.names}
    told = []
    for line in text.split("\n"):
        address, names = _fields(line)
        for name in names:
            if address and name in addresses and addresses[name] != address and not _same_line(line, wanted):
                told.append(f"/etc/hosts: the line {line.strip()!r} gives {name} another address than {addresses[name]}")
    return told


def _same_line(line: str, wanted: list[Entry]) -> bool:
    return any(entry.line == line for entry in wanted)


def _is_ours(line: str, ours: set[str]) -> bool:
    _, names = _fields(line)
    return bool(names) and all(name in ours or name in SELF_NAMES for name in names) and any(name in ours for name in names)


def _fields(line: str) -> tuple[str, list[str]]:
    """(address, names); no names for a comment, a blank line or a line with a single field."""
    fields = line.split()
    if len(fields) < 2 or fields[0].startswith("#"):
        return "", []
    return fields[0], fields[1:]


def _host_entries(host: Host, own_hostname: str) -> list[Entry]:
    number = host.index
    is_self = host.hostname == own_hostname
    is_own_scvm = own_hostname == f"scvm{number}"
    alias = is_self or is_own_scvm
    return [
        Entry(host.ablecube, (host.hostname, *(("ablecube",) if is_self else ()))),
        Entry(host.scvm_mngt or "", (f"scvm{number}-mngt", *(("scvm-mngt",) if alias else ()))),
        Entry(host.ablecube_pn or "", (f"pn-ablecube{number}", *(("pn-ablecube",) if alias else ()))),
        Entry(host.scvm or "", (f"scvm{number}", *(("scvm",) if alias else ()))),
        Entry(host.scvm_cn or "", (f"cn-scvm{number}", *(("cn-scvm",) if alias else ()))),
    ]


def _plain_entries(host: Host, own_hostname: str) -> list[Entry]:
    is_self = host.hostname == own_hostname
    return [
        Entry(host.ablecube, (host.hostname, *(("ablecube",) if is_self else ()))),
        Entry(host.ablecube_pn or "", (f"pn-ablecube{host.index}", *(("pn-ablecube",) if is_self else ()))),
    ]
