"""The Cloud Center VM seen from inside: run by the daemon that lives in it (contract 03 §2.1)."""

import json
from collections.abc import Callable
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandTimedOut
from ablestack_api.env import Env
from ablestack_api.state import json_file, network_files
from ablestack_api.tools import df, systemctl

# For each program, and for all of them: the host that asked waits longer than that.
PROGRAM_SECONDS = 3.0
ALL_SECONDS = 7.0
UNKNOWN, TIMED_OUT = "N/A", "N/A(timeout)"
MOLD, DATABASE = "mold.service", "mysqld"
ROOT_VOLUME, SECOND_VOLUME = "rl-root", "rl-nfs"
DISK_KEYS = ("DISK_CAP", "DISK_ALLOC", "DISK_PHY", "DISK_USAGE_RATE")

Facts = dict[str, Any]


def collect(env: Env) -> Facts:
    """Everything the guest knows of itself, by the keys of the answer. What cannot be found out is `N/A`; what a program
    did not tell in time `N/A(timeout)`. Never raises."""
    limit = Deadline(env.clock, ALL_SECONDS)
    interface, gateway = network_files.default_route(_text(env, "proc/net/route"))
    facts: Facts = {
        "CPU(s)": cpu_count(_text(env, "sys/devices/system/cpu/online")),
        **memory(_text(env, "proc/meminfo")),
        "mac": _text(env, f"sys/class/net/{interface}/address").strip().lower() or UNKNOWN if interface else UNKNOWN,
        "UUID": _text(env, "sys/class/dmi/id/product_uuid").strip().lower() or UNKNOWN,
        "GW": gateway or UNKNOWN,
        "DNS": network_files.name_server(_text(env, "etc/resolv.conf")) or UNKNOWN,
    }
    for keys, find in (
        (("ip", "prefix"), lambda seconds: _address(env, interface, seconds)),
        (("MOLD_SERVICE_STATUE", "MOLD_DB_STATUE"), lambda seconds: _services(env, seconds)),
        (("blk", *DISK_KEYS, *(f"SECOND_{key}" for key in DISK_KEYS)), lambda seconds: _disks(env, seconds)),
    ):
        facts |= _in_time(keys, find, min(PROGRAM_SECONDS, limit.remaining()))
    return facts


def cpu_count(online: str) -> str:
    """The kernel's list of processors, `0-3,8`, as a number."""
    try:
        ends = [part.split("-") for part in online.strip().split(",") if part]
        return str(sum(int(end[-1]) - int(end[0]) + 1 for end in ends) or UNKNOWN)
    except ValueError:
        return UNKNOWN


def memory(meminfo: str) -> Facts:
    """Total and used as free(1) has them: what is not available is used."""
    lines = (line.split() for line in meminfo.splitlines())
    sizes = {fields[0]: int(fields[1]) for fields in lines if len(fields) > 1 and fields[1].isdecimal()}
    total, available = sizes.get("MemTotal:"), sizes.get("MemAvailable:")
    return {
        "Max memory": UNKNOWN if total is None else f"{total} KiB",
        "Used memory": UNKNOWN if total is None or available is None else f"{total - available} KiB",
    }


def first_address(printed: str) -> tuple[str, str]:
    """(address, prefix length) of the first IPv4 address that `ip -j -4 addr` printed."""
    for link in json.loads(printed or "[]"):
        for found in link.get("addr_info", ()):
            if found.get("family") == "inet" and found.get("local"):
                return str(found["local"]), str(found.get("prefixlen", UNKNOWN))
    return UNKNOWN, UNKNOWN


def disks(lines: list[str]) -> Facts:
    facts: Facts = {"blk": lines}
    for prefix, volume in (("", ROOT_VOLUME), ("SECOND_", SECOND_VOLUME)):
        fill = df.find(lines, volume)
        values = [UNKNOWN] * len(DISK_KEYS) if fill is None else [fill.size, fill.used, fill.available, fill.percent]
        facts |= {f"{prefix}{key}": value for key, value in zip(DISK_KEYS, values, strict=True)}
    return facts


def _address(env: Env, interface: str, seconds: float) -> Facts:
    if not interface:
        return {"ip": UNKNOWN, "prefix": UNKNOWN}
    argv = ["ip", "-j", "-4", "addr", "show", "dev", interface]
    address, prefix = first_address(env.runner.run(argv, timeout=seconds).stdout)
    return {"ip": address, "prefix": prefix}


def _services(env: Env, seconds: float) -> Facts:
    mold, database = systemctl.read_states(env.runner, [MOLD, DATABASE], seconds=seconds)
    return {"MOLD_SERVICE_STATUE": mold, "MOLD_DB_STATUE": database}


def _disks(env: Env, seconds: float) -> Facts:
    return disks(df.read_lines(env.runner, seconds=seconds))


def _in_time(keys: tuple[str, ...], find: Callable[[float], Facts], seconds: float) -> Facts:
    """What one program tells, or why it told nothing, in each of its fields."""
    try:
        if seconds <= 0:
            raise CommandTimedOut("the time for all programs is over")
        return find(seconds)
    except CommandTimedOut:
        return {key: [TIMED_OUT] if key == "blk" else TIMED_OUT for key in keys}
    except (ApiError, ValueError):
        return {key: UNKNOWN for key in keys if key != "blk"}


def _text(env: Env, path: str) -> str:
    try:
        return (json_file.read_bytes(env.settings.below(path)) or b"").decode("utf-8", "replace")
    except ApiError:
        return ""
