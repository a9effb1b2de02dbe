"""The storage VM seen from inside, through its guest agent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut
from ablestack_api.env import Env
from ablestack_api.hypervisor import guest_agent
from ablestack_api.hypervisor.guest_agent import FileSystem, GuestNic
from ablestack_api.state import network_files

T = TypeVar("T")

UNKNOWN, TIMED_OUT = "N/A", "N/A(timeout)"
ROOT_KEYS = ("rootDiskSize", "rootDiskAvail", "rootDiskUsePer")
ROUTE_KEYS = ("manageNicGw", "manageNicDns")
UNITS = "BKMGTP"
ONE_DECIMAL_BELOW = 10


@dataclass
class Told:
    """`facts` by the keys of the answer; `timed_out` when the agent fell silent."""

    nics: list[GuestNic] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    timed_out: bool = False


def ask(env: Env, domain: str) -> Told:
    """Everything that is asked of the agent, one after the other: it serves one at a time. Never raises for it."""
    told = Told()
    try:
        told.nics = _or(lambda: guest_agent.read_nics(env.libvirt, domain), [])
        told.facts |= root_disk(_or(lambda: guest_agent.read_file_systems(env.libvirt, domain), []))
        routes = _or(lambda: guest_agent.read_file(env.libvirt, env.clock, domain, "/proc/net/route"), "")
        resolver = _or(lambda: guest_agent.read_file(env.libvirt, env.clock, domain, "/etc/resolv.conf"), "")
    except LibvirtTimedOut:
        told.timed_out = True
        return told
    _, gateway = _or(lambda: network_files.default_route(routes), ("", ""))
    told.facts |= {"manageNicGw": gateway or UNKNOWN, "manageNicDns": network_files.name_server(resolver) or UNKNOWN}
    return told


def root_disk(systems: list[FileSystem]) -> dict[str, str]:
    """The file system mounted on /, else one with `root` in its name, else the only one."""
    found = next((each for each in systems if each.mountpoint == "/"), None)
    found = found or next((each for each in systems if "root" in each.name), None)
    if found is None and len(systems) == 1:
        found = systems[0]
    if found is None or found.total_bytes <= 0:
        return dict.fromkeys(ROOT_KEYS, UNKNOWN)
    available = max(0, found.total_bytes - found.used_bytes)
    percent = f"{100 * found.used_bytes / found.total_bytes:.0f}%"
    return dict(zip(ROOT_KEYS, (human(found.total_bytes), human(available), percent), strict=True))


def human(count: int) -> str:
    """Bytes as B, K, M, G, T or P; one decimal below ten."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    decimals = 1 if unit and amount < ONE_DECIMAL_BELOW else 0
    return f"{amount:.{decimals}f}{UNITS[unit]}"


def _or(find: Callable[[], T], otherwise: Any) -> T:
    """What the agent cannot tell is not known; an agent that is silent is another matter and raised."""
    try:
        return find()
    except (LibvirtFailed, ValueError, KeyError, TypeError, IndexError):
        found: T = otherwise
        return found
