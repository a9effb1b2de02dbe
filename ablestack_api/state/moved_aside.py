"""Files of the system that a removal takes out of their place: kept below the daemon's own state, not lost."""

import os
import shutil

from ablestack_api.core.clock import Clock
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

FOLDER = "removed"


def move_content(settings: Settings, clock: Clock, folder: str, name: str) -> str:
    """Move everything in `folder` to `removed/<name>-<time>` (mode 0700) and return that place; empty when there is nothing.

    Raises FileUnusable, DiskFull; what was moved by then is put back.
    """
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if not entries:
        return ""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S")
    place = os.path.join(settings.state_root, FOLDER, f"{name}-{stamp}")
    with json_file.told(folder):
        os.makedirs(place, mode=0o700)
        try:
            _move(entries, folder, place)
        except OSError:
            _move([each for each in entries if os.path.lexists(os.path.join(place, each))], place, folder)
            raise
    return place


def put_back(place: str, folder: str) -> None:
    """Undo `move_content`; fine when nothing was moved."""
    if not place or not os.path.isdir(place):
        return
    with json_file.told(folder):
        os.makedirs(folder, mode=0o755, exist_ok=True)
        _move(sorted(os.listdir(place)), place, folder)
        os.rmdir(place)


def _move(entries: list[str], source: str, target: str) -> None:
    for entry in entries:
        shutil.move(os.path.join(source, entry), os.path.join(target, entry))
