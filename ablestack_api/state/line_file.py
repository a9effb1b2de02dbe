"""Tables of the system with one entry a line (fstab(5), rbdmap(8)): our lines are edited, all others stay to the byte."""

import os
from collections.abc import Callable, Sequence

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

BACKUP_SUFFIX = ".ablestack-backup"


def read_lines(settings: Settings, place: str) -> list[bytes]:
    """The lines with their own line ends; none when there is no file. `place` is a path as the system knows it."""
    return (json_file.read_bytes(settings.below(place)) or b"").splitlines(keepends=True)


def fields(line: bytes) -> list[str]:
    """The words of a line; none for a comment or a blank line. `#` opens a comment at a line's start only."""
    words = line.decode("utf-8", "surrogateescape").split()
    return [] if not words or words[0].startswith("#") else words


def edit(settings: Settings, place: str, change: Callable[[list[bytes]], Sequence[bytes]]) -> bytes | None:
    """Replace the lines by what `change` makes of them; the earlier content, None when nothing changed.

    Written atomically under a lock, the earlier content kept beside the file. A new file is readable for all, as 0.1.2's.
    """
    path = settings.below(place)
    with json_file.locked(_lock_path(settings, place)):
        before = json_file.read_bytes(path)
        after = b"".join(change((before or b"").splitlines(keepends=True)))
        if after == (before or b""):
            return None
        if before is not None:
            json_file.write_bytes(path + BACKUP_SUFFIX, before)
        json_file.write_bytes(path, after)
        return before or b""


def appended(lines: Sequence[bytes], new: Sequence[str]) -> list[bytes]:
    """`lines` with `new` ones behind them; a last line without its end gets one."""
    kept = list(lines)
    if kept and new and not kept[-1].endswith(b"\n"):
        kept[-1] += b"\n"
    return [*kept, *(f"{line}\n".encode("utf-8", "surrogateescape") for line in new)]


def _lock_path(settings: Settings, place: str) -> str:
    """What our writers lock: beside our own state, not a stray file in /etc."""
    return os.path.join(settings.state_root, os.path.basename(place))
