"""rbd(8): snapshots of one image."""

import json
from dataclasses import dataclass
from errno import EEXIST
from typing import Any

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

CONNECT_SECONDS = 5
LIST_SECONDS = 10.0
ROLLBACK_SECONDS = 1800.0


@dataclass(frozen=True)
class Snapshot:
    """`raw` is what rbd prints for it: `id`, `name`, `size`, `protected`, `timestamp`."""

    name: str
    protected: bool
    raw: dict[str, Any]


def read(runner: Runner, image: str) -> list[Snapshot]:
    """Oldest first. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    printed = runner.run(_argv("list", "--format", "json", "--", image), timeout=LIST_SECONDS).stdout
    try:
        entries = sorted(json.loads(printed), key=lambda entry: int(entry["id"]))
        return [Snapshot(str(entry["name"]), str(entry.get("protected")).lower() == "true", entry) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed("rbd snap list printed no JSON", program="rbd", exit_code=0) from error


def create(runner: Runner, image: str, name: str, *, timeout: float) -> bool:
    """False when there is one of that name: Ceph decides, so of several nodes exactly one makes it."""
    argv = _argv("create", "--no-progress", "--", f"{image}@{name}")
    return runner.run(argv, timeout=timeout, ok=(0, EEXIST)).code == 0


def remove(runner: Runner, image: str, name: str) -> None:
    runner.run(_argv("rm", "--no-progress", "--", f"{image}@{name}"), timeout=ROLLBACK_SECONDS)


def roll_back(runner: Runner, image: str, name: str) -> None:
    """Give the image the content of the snapshot; what it holds now is lost."""
    runner.run(_argv("rollback", "--no-progress", "--", f"{image}@{name}"), timeout=ROLLBACK_SECONDS)


def _argv(*words: str) -> list[str]:
    return ["rbd", "--client-mount-timeout", str(CONNECT_SECONDS), "snap", *words]
