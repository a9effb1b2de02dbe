"""Secrets that are answered once (a generated password): a `Secret` in the body that work returns.

The record has stars in their place. The synchronous answer shows them; for asynchronous work the body lies in a file of
mode 0600 until whoever began the job has read it, for an hour at most.
"""

import contextlib
import os
import uuid
from typing import Any

from ablestack_api.core.secret import Secret
from ablestack_api.core.settings import Settings
from ablestack_api.state import job_locks, json_file

KEPT_SECONDS = 3600.0


def revealed(value: Any) -> Any:
    """The same with every secret as plain text."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in value.items()}
    return [revealed(item) for item in value] if isinstance(value, list | tuple) else value


def has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    return isinstance(value, Secret) or (isinstance(value, list | tuple) and any(has_secret(item) for item in value))


def keep(settings: Settings, job_id: str, body: dict[str, Any]) -> None:
    """Raises FileUnusable, DiskFull."""
    path = _path(settings, job_id)
    with json_file.told(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    json_file.write_json(path, revealed(body))


def waits(settings: Settings, job_id: str) -> bool:
    return os.path.exists(_path(settings, job_id))


def take(settings: Settings, job_id: str) -> dict[str, Any] | None:
    """The body with its secrets, for one caller ever; None when it was taken, has expired or never was."""
    path = _path(settings, job_id)
    mine = f"{path}.{uuid.uuid4().hex}"
    try:
        os.rename(path, mine)
    except OSError:
        return None
    body = json_file.read_json(mine)
    json_file.remove(mine)
    return body if isinstance(body, dict) else None


def expire(settings: Settings, now: float) -> None:
    """Remove what was not asked for in time, or was being read when the daemon ended."""
    folder = os.path.dirname(_path(settings, ""))
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                if now - os.stat(path).st_mtime > KEPT_SECONDS:
                    os.unlink(path)


def _path(settings: Settings, job_id: str) -> str:
    return os.path.join(job_locks.folder(settings), "once", f"{job_id}.json")
