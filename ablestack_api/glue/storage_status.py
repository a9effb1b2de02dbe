"""`GET /cube/gluecluster/status`: the storage cluster at a glance, and `ceph -s` as it is (contract 05 §2).

Only `ceph -s` is decisive. What else could not be read is N/A and named, with the reason, in `unread`.
"""

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeGuard

from ablestack_api.core.bounded_runner import BoundedRunner
from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandFailed
from ablestack_api.core.runner import Runner
from ablestack_api.env import Env
from ablestack_api.glue import maintenance_record
from ablestack_api.glue.maintenance_record import FLAGS, NOOUT, Record
from ablestack_api.glue.sizes import human_size, percent
from ablestack_api.tools import ceph, ceph_osd

READING = "storage cluster status"
# With every monitor down there is an answer within 5 s, also for who had to wait for an earlier reading first.
SECONDS = 4.5
# A page that asks every few seconds shall not start five programs every time.
KEEP_SECONDS = 5.0
NOT_KNOWN = "N/A"
BLANK_HEALTH = "HEALTH_ERR"

Shape = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What one collection found; a part that could not be read is None and has its reason in `unread`."""

    status: Shape
    manager: Shape | None
    usage: Shape | None
    flags: frozenset[str]
    record: Record | None
    unread: list[dict[str, str]] = field(default_factory=list)


def read(env: Env, *, refresh: bool) -> Shape:
    """Raises what ceph raised when nothing was ever read; later the last answer stays, marked as stale (D22)."""
    deadline = Deadline(env.clock, SECONDS)
    reading = env.readings.get(READING, lambda: collect(env, deadline), refresh=refresh, keep=KEEP_SECONDS, patience=SECONDS)
    return {**shape(reading.value), **reading.freshness()}


def collect(env: Env, deadline: Deadline) -> Look:
    """Every call of ceph takes most of its time to start: they run side by side."""
    runner = BoundedRunner(env.runner, deadline)
    status, manager, usage, flags, record = _side_by_side(
        [
            partial(_status, env, runner),
            partial(ceph.read_mgr_stat, runner),
            partial(ceph.read_usage, runner),
            partial(ceph_osd.read_flags, runner, ceph.QUICK),
            partial(maintenance_record.read, runner),
        ]
    )
    if isinstance(status, ApiError):
        raise status
    parts = {"ceph mgr stat": manager, "ceph df detail": usage, "ceph osd dump": flags, "record of the maintenance": record}
    unread = [{"source": name, "reason": part.detail} for name, part in parts.items() if isinstance(part, ApiError)]
    # The monitor that answered knows the flags all the same: it warns of those that are set.
    known = ceph_osd.flags_of_health(status) if isinstance(flags, ApiError) else flags
    look = Look(status, _told(manager), _told(usage), known, _told(record), unread)
    shape(look)  # an answer that is no status is an error of this reading, not of those who ask later
    _forget_if_over(env, runner, look)
    return look


def shape(look: Look) -> Shape:
    """The answer of 0.1.2, with what it could not tell beside it."""
    status = look.status
    told: Shape = {
        "cluster_status": str(_part(status, "health").get("status") or "").strip() or BLANK_HEALTH,
        "osd": _number(status, "osdmap", "num_osds"),
        "osd_up": _number(status, "osdmap", "num_up_osds"),
        "mon_gw1": _number(status, "monmap", "num_mons"),
        **_quorum(status),
        **_manager(look.manager),
        "pools": _number(status, "pgmap", "num_pools"),
        **_usage(look.usage),
        "maintenance_status": NOOUT in look.flags,
    }
    told |= {"maintenance": _maintenance(look)} if look.flags.intersection(FLAGS) else {}
    told |= {"unread": look.unread} if look.unread else {}
    return {**told, "json_raw": status}


def look_again(env: Env) -> None:
    """After a change: the old answer is not told as a good one any more, but stays for when there is no newer one."""
    with contextlib.suppress(ApiError):
        read(env, refresh=True)


def _status(env: Env, runner: Runner) -> Shape:
    """Those who only need `ceph -s` get this reading too."""
    reading = env.readings.get(ceph.READING, lambda: ceph.read_status(runner), refresh=True)
    if reading.error is not None:
        raise reading.error
    return reading.value


def _side_by_side(reads: list[Callable[[], Any]]) -> list[Any]:
    """What each gave, or the error it raised."""
    with ThreadPoolExecutor(max_workers=len(reads), thread_name_prefix="ceph") as pool:
        return list(pool.map(_result, reads))


def _result(read_part: Callable[[], Any]) -> Any:
    try:
        return read_part()
    except ApiError as error:
        return error


def _told(part: Any) -> Any:
    return None if isinstance(part, ApiError) else part


def _forget_if_over(env: Env, runner: Runner, look: Look) -> None:
    """Somebody took the flags back without this API: who set them must not be told of the next ones."""
    if look.unread or look.record is None or look.flags.intersection(FLAGS):
        return
    if look.record.is_old(env.clock):
        _result(partial(maintenance_record.remove, runner))


def _maintenance(look: Look) -> Shape:
    """`by` is null when the flags were not set through this API."""
    present = [flag for flag in FLAGS if flag in look.flags]
    who = look.record.shape() if look.record is not None else {"by": None, "at": None}
    return {"flags": present, "complete": len(present) == len(FLAGS), **who}


def _quorum(status: Shape) -> Shape:
    names = status.get("quorum_names")
    return {"mon_gw2": [str(name) for name in names]} if isinstance(names, list) and names else {}


def _manager(stat: Shape | None) -> Shape:
    """Version 16 prints `num_standby`, its documents say `num_standbys`."""
    if stat is None:
        return {"mgr": NOT_KNOWN}
    active = stat.get("active_name")
    standbys = next((stat[name] for name in ("num_standby", "num_standbys") if _is_number(stat.get(name))), 0)
    return {"mgr": active or NOT_KNOWN, "mgr_cnt": int(standbys) + (1 if active else 0)}


def _usage(usage: Shape | None) -> Shape:
    stats = _part(usage or {}, "stats")
    avail, used, ratio = (stats.get(name) for name in ("total_avail_bytes", "total_used_bytes", "total_used_raw_ratio"))
    return {
        "avail": human_size(avail) if _is_number(avail) else NOT_KNOWN,
        "used": human_size(used) if _is_number(used) else NOT_KNOWN,
        "usage_percentage": percent(ratio) if _is_number(ratio) else NOT_KNOWN,
    }


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _number(status: Shape, part: str, name: str) -> int:
    value = _part(status, part).get(name)
    if not _is_number(value):
        known = json.dumps(sorted(status))[:200]
        raise CommandFailed(f"ceph -s told no {part}.{name}; it told {known}", program="ceph", exit_code=0)
    return int(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
