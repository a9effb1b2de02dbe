"""Lines of JSON appended to a file, safe with several writing processes and with logrotate."""

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def append(path: str, record: "Mapping[str, object]") -> None:
    """Append one line. One `write` on an O_APPEND descriptor is atomic on a local file system.

    A log that cannot be written never fails the work it tells of: the line goes to stderr (the journal) instead.
    """
    line = json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":")) + "\n"
    data = line.encode("utf-8", "backslashreplace")
    try:
        descriptor = _opened(path)
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}: {line}")
        return
    try:
        os.write(descriptor, data)
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}: {line}")
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        return os.open(path, flags, 0o640)
