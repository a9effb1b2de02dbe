"""The other hosts of the cluster: which groups they see, who gives numbers, who has to see a changed disk."""

from collections.abc import Callable, Sequence
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import PeersFailed
from ablestack_api.core.target import Target
from ablestack_api.env import Env
from ablestack_api.hosts import cluster_hosts
from ablestack_api.hosts.clvm import groups
from ablestack_api.hosts.clvm.models import LIST, RELEASE, RESERVE
from ablestack_api.orchestrator import fanout
from ablestack_api.orchestrator.fanout import Outcome
from ablestack_api.state import clvm_numbers

PATH, LOCAL_MODE = "/cube/clvm/manage", "X-Cube-CLVM-Manage-Local"
DISK_PATH, DISK_LOCAL_MODE = "/cube/gfs/manage", "X-Cube-GFS-Manage-Local"
ASK_SECONDS = 40.0
DISK_SECONDS = 120.0


def others(env: Env) -> list[Target]:
    """Nobody where the node has no configuration yet."""
    return [host for host in cluster_hosts.if_any(env) if not host.local]


def highest_elsewhere(env: Env) -> tuple[int, list[Outcome]]:
    """The highest number that another host sees, and the hosts that could not be asked."""
    limit = Deadline(env.clock, ASK_SECONDS)
    ask = _caller(env, PATH, {"action": LIST}, limit, "")
    outcomes = fanout.at_once(others(env), ask)
    return max((_highest(outcome.value) for outcome in outcomes), default=0), [it for it in outcomes if not it.good]


def reserve(env: Env, *, above: int, count: int, alone: bool) -> list[int]:
    """Numbers that nobody else gets. The first host of cluster.json gives them; `alone`: this node itself does.

    Raises PeersFailed when that host does not answer.
    """
    keeper = _keeper(env)
    if keeper is None or alone:
        return clvm_numbers.reserve(env.settings, above=above, count=count, now=env.clock.now().timestamp())
    limit = Deadline(env.clock, ASK_SECONDS)
    answer = _caller(env, PATH, {"action": RESERVE, "above": above, "count": count}, limit, LOCAL_MODE)(keeper)
    if not answer.good or not _are_numbers(answer.value, count):
        raise PeersFailed(
            f"{keeper.address}, the first host, gives the numbers of new groups, but: {answer.message or 'it gave none'}",
            results=[answer.entry()],
        )
    return list(answer.value)


def release(env: Env, numbers: Sequence[int], *, alone: bool) -> None:
    """Best effort: numbers that are not given back are free again after an hour."""
    keeper = _keeper(env)
    if keeper is None or alone:
        clvm_numbers.release(env.settings, list(numbers), now=env.clock.now().timestamp())
        return
    body = {"action": RELEASE, "numbers": list(numbers)}
    _caller(env, PATH, body, Deadline(env.clock, ASK_SECONDS), LOCAL_MODE)(keeper)


def on_disks(env: Env, asked: Sequence[Target], action: str, disks: Sequence[str]) -> None:
    """Have hosts do one action of /cube/gfs/manage for disks. Raises PeersFailed naming each that failed."""
    _on_each(env, asked, {"action": action, "disks": list(disks)})


def require_seen(env: Env, asked: Sequence[Target], pv_uuids: Sequence[str]) -> None:
    """Does LVM of every host see these physical volumes? Raises PeersFailed naming each that does not."""
    _on_each(env, asked, {"action": "see-physical-volumes", "pv_uuids": list(pv_uuids)})


def forget_disks(env: Env, asked: Sequence[Target], disks: Sequence[str]) -> None:
    """Take disks out of LVM's devices file, then have the partitions read again. Without names: of all disks."""
    if disks:
        on_disks(env, asked, "release-gfs-node", disks)
    on_disks(env, asked, "partprobe", disks)


def require_good(outcomes: Sequence[Outcome], what: str) -> None:
    failed = [outcome for outcome in outcomes if not outcome.good]
    if failed:
        told = "; ".join(f"{outcome.target.address}: {outcome.message}" for outcome in failed)
        raise PeersFailed(f"{what}: {told}", results=[outcome.entry() for outcome in outcomes])


def _on_each(env: Env, asked: Sequence[Target], body: dict[str, Any]) -> None:
    limit = Deadline(env.clock, DISK_SECONDS)
    outcomes = fanout.at_once(asked, _caller(env, DISK_PATH, body, limit, DISK_LOCAL_MODE))
    require_good(outcomes, f"{body['action']} failed")


def _keeper(env: Env) -> Target | None:
    """None when this node gives the numbers itself."""
    first = next(iter(cluster_hosts.if_any(env)), None)
    return None if first is None or first.local else first


def _caller(env: Env, path: str, body: dict[str, Any], limit: Deadline, mode: str) -> Callable[[Target], Outcome]:
    return lambda target: fanout.call(env, target, "POST", path, body=body, deadline=limit, local_mode=mode)


def _highest(told: Any) -> int:
    rows = told if isinstance(told, list) else []
    return groups.highest(str(row.get("vg_name", "")) for row in rows if isinstance(row, dict))


def _are_numbers(told: Any, count: int) -> bool:
    return isinstance(told, list) and len(told) == count and all(type(each) is int and each > 0 for each in told)
