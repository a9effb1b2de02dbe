"""multipath(8): the maps that multipathd has made."""

from dataclasses import dataclass

from ablestack_api.core.runner import Runner

SECONDS = 5.0


@dataclass(frozen=True)
class Map:
    """`wwid` is the name where no friendly names are used; `kname` is `dm-N`; `size` as multipath prints it (`1.0T`)."""

    name: str
    wwid: str
    kname: str
    size: str = ""


def read_maps(runner: Runner) -> list[Map]:
    """Raises CommandFailed, CommandTimedOut (a path checker that hangs), ProgramMissing."""
    return parse(runner.run(["multipath", "-ll"], timeout=SECONDS).stdout)


def flush(runner: Runner, name: str) -> None:
    """Take a map away. multipath itself refuses one that is in use. Raises as `read_maps`."""
    runner.run(["multipath", "-f", name], timeout=SECONDS)


def parse(printed: str) -> list[Map]:
    """A map begins with `name (wwid) dm-N vendor,product`; a line below it has `size=…`."""
    maps: list[Map] = []
    for line in printed.splitlines():
        words = line.split()
        at = next((index for index, word in enumerate(words) if word.startswith("dm-")), 0)
        if at > 0:
            maps.append(Map(words[0], _wwid(words[:at]), words[at]))
        for word in words:
            if word.startswith("size=") and maps:
                maps[-1] = Map(maps[-1].name, maps[-1].wwid, maps[-1].kname, word.removeprefix("size="))
    return maps


def _wwid(words: list[str]) -> str:
    second = words[1] if len(words) > 1 else ""
    return second[1:-1] if second.startswith("(") and second.endswith(")") else words[0]
