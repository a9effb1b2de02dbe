"""Who uses a mounted file system: programs with open files, folders or mappings on it, and what is mounted below it."""

import os
from collections.abc import Iterator

from ablestack_api.core.settings import Settings
from ablestack_api.state import mounts

LINKS = ("cwd", "root", "exe")
FOLDERS = ("fd", "map_files")
MOST_TOLD = 20


def holders(settings: Settings, folder: str) -> list[str]:
    """Texts like `qemu-kvm (4711)` and `mounted at /mnt/glue/backup`; what no process shows is the kernel's to refuse."""
    below = [f"mounted at {mount.mountpoint}" for mount in mounts.read(settings) if _is_below(mount.mountpoint, folder)]
    found = [*dict.fromkeys(below), *_programs(settings, folder)]
    rest = len(found) - MOST_TOLD
    return found if rest <= 0 else [*found[:MOST_TOLD], f"{rest} more"]


def _programs(settings: Settings, folder: str) -> Iterator[str]:
    proc = settings.below("proc")
    for name in sorted(filter(str.isdecimal, os.listdir(proc)), key=int):
        place = os.path.join(proc, name)
        if any(target == folder or _is_below(target, folder) for target in _targets(place)):
            yield f"{_command(place)} ({name})"


def _targets(place: str) -> Iterator[str]:
    """Where the links of one process lead. One that ends while we look leads nowhere."""
    paths = [os.path.join(place, link) for link in LINKS]
    for kind in FOLDERS:
        try:
            paths += [os.path.join(place, kind, name) for name in os.listdir(os.path.join(place, kind))]
        except OSError:
            continue
    for path in paths:
        try:
            yield os.readlink(path)
        except OSError:
            continue


def _command(place: str) -> str:
    try:
        with open(os.path.join(place, "comm"), encoding="utf-8", errors="replace") as file:
            return file.read().strip() or "a program"
    except OSError:
        return "a program"


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
