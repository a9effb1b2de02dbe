"""`ablestack-api serve` that dies by SIGKILL, master and workers, just before its Nth durable write.

CRASH_BEFORE_WRITE: N (0 for never). CRASH_WRITES_FILE: where every write is noted, one path a line.
"""

import os
import signal
import sys
import threading
from typing import Any

from ablestack_api import cli
from ablestack_api.orchestrator import recovery
from ablestack_api.state import json_file

_lock = threading.Lock()


def main() -> int:
    limit = int(os.environ.get("CRASH_BEFORE_WRITE", "0"))
    notes = os.environ["CRASH_WRITES_FILE"]
    recovery.PASS_SECONDS = 0.2
    json_file.write_bytes = _dying(json_file.write_bytes, limit, notes)
    json_file.remove = _dying(json_file.remove, limit, notes)
    return cli.main(["serve"])


def _dying(write: Any, limit: int, notes: str) -> Any:
    def call(path: str, *args: Any, **kwargs: Any) -> Any:
        with _lock:
            with open(notes, "a") as file:
                file.write(f"{path}\n")
            with open(notes) as file:
                number = len(file.readlines())
            if limit and number >= limit:
                os.killpg(os.getpgrp(), signal.SIGKILL)
        return write(path, *args, **kwargs)

    return call


if __name__ == "__main__":
    sys.exit(main())
