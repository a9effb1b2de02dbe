"""dmsetup(8): who holds the maps of the device mapper."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ablestack_api.core.runner import Runner

SECONDS = 10.0
# No name has it: the device mapper writes unusual characters of a name as \xHH.
SEPARATOR = "|"
MULTIPATH = "mpath-"
_PARTITION = re.compile(r"part\d+-(mpath-.+)")


@dataclass(frozen=True, slots=True)
class Map:
    """`opened` is how often it is open now: mounts, volumes, guests and other maps count."""

    name: str
    uuid: str
    opened: int


def read_maps(runner: Runner) -> list[Map]:
    """Every map of this node. Raises CommandFailed (no device mapper in the kernel), CommandTimedOut, ProgramMissing."""
    argv = ["dmsetup", "info", "-c", "--noheadings", "--separator", SEPARATOR, "-o", "name,uuid,open"]
    return parse(runner.run(argv, timeout=SECONDS).stdout)


def parse(printed: str) -> list[Map]:
    """Other lines (`No devices found`) are none."""
    lines = [line.strip().split(SEPARATOR) for line in printed.splitlines()]
    return [Map(line[0], line[1], int(line[2])) for line in lines if len(line) == 3 and line[2].isdecimal()]


def multipath_maps(maps: Iterable[Map]) -> tuple[list[str], list[str]]:
    """Names of the multipath maps that nobody uses, and of those in use. Its own partitions alone do not use a map."""
    partitions: dict[str, list[Map]] = {}
    whole = []
    for each in maps:
        if found := _PARTITION.fullmatch(each.uuid):
            partitions.setdefault(found[1], []).append(each)
        elif each.uuid.startswith(MULTIPATH):
            whole.append(each)
    free: list[str] = []
    used: list[str] = []
    for each in whole:
        own = partitions.get(each.uuid, [])
        in_use = each.opened > len(own) or any(partition.opened for partition in own)
        (used if in_use else free).append(each.name)
    return free, used
