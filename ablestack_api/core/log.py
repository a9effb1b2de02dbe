"""Lines of JSON appended to a file, safe with several writing processes and with logrotate."""

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# How long a file that was moved away may still get lines of the request log.
LOOK_SECONDS = 1.0
# A daemon writes to two logs; more paths than this are other nodes of a test.
MOST_OPEN = 8


class _Opened:
    """A file held open; the descriptor closes when the last thread that writes lets go of it."""

    def __init__(self, path: str) -> None:
        self.descriptor = _open(path)
        self._path = path
        self._looked = time.monotonic()
        self._place = os.fstat(self.descriptor)[1:3]

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def is_present(self, look_seconds: float) -> bool:
        """Still what the path names, by a look that is at most so old."""
        now = time.monotonic()
        if now - self._looked < look_seconds:
            return True
        self._looked = now
        try:
            return os.stat(self._path)[1:3] == self._place
        except OSError:
            return False


_opened: "dict[str, _Opened]" = {}


def append(path: str, record: "Mapping[str, object]", *, look_seconds: float = 0) -> None:
    """Append one line. One `write` on an O_APPEND descriptor is atomic on a local file system.

    A log that cannot be written never fails the work it tells of: the line goes to stderr (the journal) instead.
    The file is held open: opening it for every line makes a busy daemon wait for the interpreter's lock three times as
    often. With `look_seconds` not even its place is looked at for every line.
    """
    line = json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":")) + "\n"
    try:
        file = _opened.get(path)
        if file is None or not file.is_present(look_seconds):
            file = _reopened(path)
        os.write(file.descriptor, line.encode("utf-8", "backslashreplace"))
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}: {line}")


def _reopened(path: str) -> _Opened:
    if len(_opened) >= MOST_OPEN:
        _opened.clear()
    _opened[path] = _Opened(path)
    return _opened[path]


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        return os.open(path, flags, 0o640)
