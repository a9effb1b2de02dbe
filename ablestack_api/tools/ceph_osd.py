"""ceph(8): flags of the OSD map, where OSDs and monitors are, and which of them may be stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from errno import EBUSY
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner, last_lines
from ablestack_api.tools import ceph

HEALTH_CHECK = "OSDMAP_FLAGS"
NOT_SAFE = "Error EBUSY: "


@dataclass(frozen=True)
class Verdict:
    """Ceph's own words when they may not be stopped."""

    ok: bool
    reason: str = ""


def read_flags(runner: Runner, patience: ceph.Patience = ceph.USUAL) -> frozenset[str]:
    """The flags of the whole cluster. Those of one OSD, host or device class are not among them."""
    return flags(ceph.read_object(runner, ["osd", "dump"], patience))


def flags(dump: Mapping[str, Any]) -> frozenset[str]:
    text, listed = dump.get("flags"), dump.get("flags_set")
    if not isinstance(text, str) and not isinstance(listed, list):
        raise CommandFailed("ceph osd dump told no flags of the OSD map", program="ceph", exit_code=0)
    words = [*(text.split(",") if isinstance(text, str) else []), *(listed if isinstance(listed, list) else [])]
    return frozenset(word.strip().lower() for word in words if isinstance(word, str) and word.strip())


def flags_of_health(status: Mapping[str, Any]) -> frozenset[str]:
    """The flags that a warning of `ceph -s` names: `noout,norecover flag(s) set`. Empty without that warning."""
    check: Any = status
    for name in ("health", "checks", HEALTH_CHECK, "summary"):
        check = check.get(name) if isinstance(check, dict) else None
    message = check.get("message") if isinstance(check, dict) else None
    words = message.split(" flag")[0] if isinstance(message, str) and " flag" in message else ""
    return frozenset(word.strip().lower() for word in words.split(",") if word.strip())


def set_flag(runner: Runner, flag: str) -> None:
    """Also when it is set already."""
    ceph.run(runner, ["osd", "set", flag])


def unset_flag(runner: Runner, flag: str) -> None:
    ceph.run(runner, ["osd", "unset", flag])


def read_osds(runner: Runner) -> dict[str, list[int]]:
    """The numbers of the OSDs of every host in the CRUSH tree; one that is below no host is its own (`osd.4`)."""
    return osds_by_host(ceph.read_object(runner, ["osd", "tree"]))


def osds_by_host(tree: Mapping[str, Any]) -> dict[str, list[int]]:
    try:
        nodes = [node for name in ("nodes", "stray") for node in tree[name]]
        hosts = {str(node["name"]): [int(child) for child in node["children"]] for node in nodes if node["type"] == "host"}
        placed = {number for numbers in hosts.values() for number in numbers}
        lone = [int(node["id"]) for node in nodes if node["type"] == "osd" and node["id"] not in placed]
    except (KeyError, TypeError, ValueError) as error:
        raise CommandFailed("ceph osd tree told something else than a tree", program="ceph", exit_code=0) from error
    return {name: sorted(numbers) for name, numbers in hosts.items()} | {f"osd.{number}": [number] for number in lone}


def read_monitors(runner: Runner) -> dict[str, str]:
    """The host of every monitor, by the monitor's name; the name itself where the host is not known."""
    known = ceph.read_list(runner, ["mon", "metadata"])
    return {str(entry["name"]): str(entry.get("hostname") or entry["name"]) for entry in known if "name" in entry}


def ok_to_stop(runner: Runner, osds: Sequence[int]) -> Verdict:
    """May all of them be stopped together without data becoming unreachable? Needs a manager: without one it hangs."""
    words = ["osd", "ok-to-stop", *(str(number) for number in osds), *ceph.JSON_FORMAT]
    done = ceph.run(runner, words, ok=(0, EBUSY))
    return Verdict(True) if done.code == 0 else Verdict(False, _refusal(done.stderr))


def _refusal(stderr: str) -> str:
    """The verdict itself; Ceph may warn of other things before it."""
    lines = [line.removeprefix(NOT_SAFE) for line in stderr.splitlines() if line.startswith(NOT_SAFE)]
    return lines[-1] if lines else last_lines(stderr)
