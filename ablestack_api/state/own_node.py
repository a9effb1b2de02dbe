"""Which node this is: its name, its addresses, its entry in cluster.json (contract 01 §5.9)."""

import ipaddress
import socket

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file
from ablestack_api.state.cluster_document import ClusterConfig, Host


def hostname(settings: Settings) -> str:
    """The system's host name; a node in a folder has its own in etc/hostname below the sysroot."""
    if settings.is_whole_system:
        return socket.gethostname()
    content = json_file.read_bytes(settings.below("etc/hostname")) or b""
    return content.decode("utf-8", "replace").strip() or socket.gethostname()


def has_address(settings: Settings, address: str) -> bool:
    """Does this node answer for an address? A daemon that listens on one address only answers for that one."""
    if not settings.listens_everywhere:
        return address == settings.listen_host
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address.lower() in ("localhost", hostname(settings).lower())
    return parsed.is_loopback or _kernel_owns(parsed)


def is_own_name(settings: Settings, name: str) -> bool:
    """Full or up to the first dot, any case."""
    own, other = hostname(settings).lower(), name.lower()
    return bool(name) and (other == own or other.split(".")[0] == own or own.split(".")[0] == other)


def find_self(settings: Settings, config: ClusterConfig) -> Host | None:
    """The own entry: by name, else by any of its addresses."""
    by_name = next((host for host in config.hosts if is_own_name(settings, host.hostname)), None)
    return by_name or next(
        (host for host in config.hosts if any(has_address(settings, address) for address in host.addresses)), None
    )


def _kernel_owns(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """The kernel chooses an own address itself as the source towards it. No packet is sent."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False
        return str(probe.getsockname()[0]) == str(address)
