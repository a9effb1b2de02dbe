"""What went wrong on this node lately, for `GET /err`: bounded, and the same for every worker."""

import contextlib
import os

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import ApiError
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

KEPT = 200
MAX_TEXT = 1000


def path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "errors.json")


def listed(settings: Settings) -> list[dict[str, str]]:
    """Oldest first: `error` (text) and `refresh_time` (RFC 3339)."""
    value = json_file.read_json(path(settings))
    return value if isinstance(value, list) else []


def record(settings: Settings, clock: Clock, text: str) -> None:
    """Never fails: it is called while something else is going wrong."""
    entry = {"error": text[:MAX_TEXT], "refresh_time": clock.now().isoformat()}
    with contextlib.suppress(ApiError), json_file.locked(path(settings), timeout=1):
        json_file.write_json(path(settings), [*listed(settings), entry][-KEPT:])


def clear(settings: Settings) -> None:
    with json_file.locked(path(settings)):
        json_file.remove(path(settings))
