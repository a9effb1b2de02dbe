"""May a storage host be taken off? Asked before the cluster is told to wait for it (D20).

Ceph itself says whether the OSDs of a host may stop; the monitors must keep their quorum without those of the host.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from ablestack_api.core.errors import ApiError, bad_field
from ablestack_api.core.runner import Runner
from ablestack_api.tools import ceph_osd

AT_ONCE = 4


@dataclass(frozen=True)
class Group:
    """What stops together: one host, or several that the caller named."""

    host: str
    osds: tuple[int, ...] = ()
    monitors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quorum:
    """`total` counts all monitors, `present` names those that vote now."""

    total: int
    present: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """`reason` says why not; empty when it may stop."""

    group: Group
    reason: str = ""

    @property
    def ok(self) -> bool:
        return not self.reason

    def entry(self) -> dict[str, Any]:
        told = {**asdict(self.group), "ok": self.ok}
        return told | ({"reason": self.reason} if self.reason else {})


def check(runner: Runner, status: Mapping[str, Any], names: Sequence[str]) -> list[Finding]:
    """One finding for the named hosts together; without names one for every host alone: any of them may be the next.

    Raises BadInput for a name that no storage host has.
    """
    hosts = groups(ceph_osd.read_osds(runner), ceph_osd.read_monitors(runner))
    chosen = [_together(hosts, names)] if names else hosts
    voting = quorum(status)
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="ok-to-stop") as pool:
        return list(pool.map(lambda group: _finding(runner, group, voting), chosen))


def groups(osds: Mapping[str, Sequence[int]], monitors: Mapping[str, str]) -> list[Group]:
    """Every host that has OSDs or monitors, by name."""
    names = sorted({*osds, *monitors.values()})
    return [
        Group(name, tuple(osds.get(name, ())), tuple(monitor for monitor, host in monitors.items() if host == name))
        for name in names
    ]


def quorum(status: Mapping[str, Any]) -> Quorum:
    monmap, names = status.get("monmap"), status.get("quorum_names")
    total = monmap.get("num_mons") if isinstance(monmap, dict) else None
    present = tuple(str(name) for name in names) if isinstance(names, list) else ()
    return Quorum(total if isinstance(total, int) else len(present), present)


def lost_quorum(group: Group, voting: Quorum) -> str:
    """Why the monitors would no longer agree without those of the group; empty when they would."""
    if not group.monitors:
        return ""
    left = [name for name in voting.present if name not in group.monitors]
    if len(left) > voting.total // 2:
        return ""
    return f"of {voting.total} monitors only {len(left)} would be left ({', '.join(left) or 'none'}): no quorum"


def _together(hosts: Sequence[Group], names: Sequence[str]) -> Group:
    known = {group.host.lower(): group for group in hosts}
    for name in names:
        if name.lower() not in known:
            told = ", ".join(group.host for group in hosts)
            raise bad_field("target_hostname", f"{name} has neither OSDs nor a monitor; storage hosts are {told}")
    found = [known[name] for name in dict.fromkeys(name.lower() for name in names)]
    osds = tuple(number for group in found for number in group.osds)
    monitors = tuple(monitor for group in found for monitor in group.monitors)
    return Group(",".join(group.host for group in found), osds, monitors)


def _finding(runner: Runner, group: Group, voting: Quorum) -> Finding:
    reasons = [lost_quorum(group, voting)]
    if group.osds:
        try:
            reasons.append(ceph_osd.ok_to_stop(runner, group.osds).reason)
        except ApiError as error:
            reasons.append(f"whether its OSDs may stop could not be told: {error.detail}")
    return Finding(group, "; ".join(reason for reason in reasons if reason))
