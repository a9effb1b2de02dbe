"""parted(8): partition tables, and telling the kernel of them. Sizes and offsets are bytes."""

import re
from dataclasses import dataclass

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

SHORT_SECONDS = 30.0
LONG_SECONDS = 300.0
NO_TABLE = "unknown"


@dataclass(frozen=True)
class Partition:
    """`end` is the last byte. Of an msdos table `name` is always empty."""

    number: int
    start: int
    end: int
    size: int
    name: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """`label` is gpt, msdos … or `unknown` for a disk that has no table."""

    disk: str
    size: int
    label: str
    partitions: tuple[Partition, ...] = ()

    def partition(self, number: int) -> Partition | None:
        return next((partition for partition in self.partitions if partition.number == number), None)


def partition_table(runner: Runner, disk: str) -> Table:
    """parted ends with 1 when there is no table, but prints the disk all the same.

    Raises CommandFailed, CommandTimedOut, ProgramMissing.
    """
    finished = runner.run(["parted", "-s", "-m", disk, "unit", "B", "print"], timeout=SHORT_SECONDS, ok=(0, 1))
    try:
        table = parse(disk, finished.stdout)
    except (ValueError, IndexError) as error:
        told = finished.stderr.strip() or finished.stdout.strip() or "it printed nothing"
        raise CommandFailed(
            f"parted did not tell what is on {disk}: {told}", program="parted", exit_code=finished.code
        ) from error
    if finished.code == 1 and table.label != NO_TABLE:
        raise CommandFailed(f"parted ended with code 1: {finished.stderr.strip()}", program="parted", exit_code=1)
    return table


def parse(disk: str, printed: str) -> Table:
    """Machine-readable output: `PATH:SIZE:TRANSPORT:SECTOR:SECTOR:LABEL:MODEL:FLAGS;`, then a line for each partition."""
    lines = [line.strip() for line in printed.splitlines()]
    lines = lines[lines.index("BYT;") + 1 :]
    fields = _fields(lines[0])
    # From the right: the path of a disk may hold colons too (by-path).
    return Table(disk, _bytes(fields[-7]), fields[-3], tuple(_partition(line) for line in lines[1:] if line[:1].isdigit()))


def new_partition(runner: Runner, disk: str, name: str) -> None:
    """Write a new GPT, whatever is on the disk, with one partition over all of it, flagged for LVM."""
    words = ["mklabel", "gpt", "mkpart", name, "0%", "100%", "set", "1", "lvm", "on"]
    runner.run(["parted", "-s", disk, *words], timeout=LONG_SECONDS)


def remove_partition(runner: Runner, disk: str, number: int = 1) -> None:
    runner.run(["parted", "-s", disk, "rm", str(number)], timeout=LONG_SECONDS)


def resize_partition(runner: Runner, disk: str, number: int = 1) -> None:
    """Grow it to the end of the disk. `--fix` moves the second GPT header there first, as a grown disk needs."""
    runner.run(["parted", "-s", "--fix", disk, "resizepart", str(number), "100%"], timeout=LONG_SECONDS)


def partprobe(runner: Runner, disk: str) -> None:
    """Have the kernel read the partition table of a disk again."""
    runner.run(["partprobe", disk], timeout=SHORT_SECONDS)


def wipe_table(runner: Runner, disk: str) -> None:
    """Remove the signatures of a partition table: the disk then has none, as before `new_partition`."""
    runner.run(["wipefs", "--all", "--", disk], timeout=SHORT_SECONDS)


def _partition(line: str) -> Partition:
    """`1:17408B:209698303B:209680896B:FILE SYSTEM:NAME:FLAGS;`."""
    number, start, end, size, _, name, flags = _fields(line)
    listed = tuple(flag for flag in flags.split(", ") if flag)
    return Partition(int(number), _bytes(start), _bytes(end), _bytes(size), name, listed)


def _fields(line: str) -> list[str]:
    """Colons and backslashes within a field are escaped."""
    return [re.sub(r"\\(.)", r"\1", field) for field in re.split(r"(?<!\\):", line.rstrip(";"))]


def _bytes(text: str) -> int:
    return int(text.removesuffix("B"))
