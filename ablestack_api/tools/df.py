"""df(1), package coreutils."""

from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SECONDS = 3.0


@dataclass(frozen=True)
class Fill:
    """One file system, sizes as df prints them for people (`70G`)."""

    source: str
    size: str
    used: str
    available: str
    percent: str
    mountpoint: str


def read_lines(runner: Runner, *, seconds: float = SECONDS) -> list[str]:
    """What `df -h` prints, header included. Exit code 1 with output: one file system could not be asked, others could."""
    printed = runner.run(["df", "-h"], timeout=seconds, ok=(0, 1)).stdout
    return [line for line in printed.splitlines() if line.strip()]


def find(lines: list[str], part_of_source: str) -> Fill | None:
    """The last file system whose device's name contains a text."""
    fills = [fill for line in lines[1:] if (fill := _fill(line)) is not None and part_of_source in fill.source]
    return fills[-1] if fills else None


def _fill(line: str) -> Fill | None:
    fields = line.split(maxsplit=5)
    return Fill(*fields) if len(fields) == 6 else None


def read_one(runner: Runner, mountpoint: str, *, seconds: float = SECONDS) -> Fill:
    """The file system mounted there. Raises CommandFailed, CommandTimedOut (one that hangs), ProgramMissing."""
    lines = runner.run(["df", "-hP", "--", mountpoint], timeout=seconds).stdout.splitlines()
    fill = _fill(lines[-1]) if len(lines) > 1 else None
    if fill is None:
        raise CommandFailed(f"df did not tell the fill level of {mountpoint}", program="df", exit_code=0)
    return fill
