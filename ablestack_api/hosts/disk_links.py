"""The links below /dev that udev gives block devices names with."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ablestack_api.core.settings import Settings

PRIORITIES = (("dm-uuid-mpath-", 100), ("wwn-", 80), ("scsi-", 70), ("nvme-", 60), ("ata-", 50))
# /dev/rbd/<pool>/<image> and /dev/rbd/<pool>/<namespace>/<image>
RBD_DEPTH = 3


@dataclass(frozen=True)
class DiskLinks:
    """Kernel name -> absolute path of the link, as seen from below the sysroot."""

    by_path: dict[str, str]
    by_id: dict[str, str]
    rbd: dict[str, str]

    @classmethod
    def read(cls, settings: Settings) -> "DiskLinks":
        """Folders that are not there give no links."""
        return cls(
            by_path=_chosen(_links(settings, "/dev/disk/by-path"), lambda _name: 1, last=True),
            by_id=_chosen(_links(settings, "/dev/disk/by-id"), by_id_priority, last=False),
            rbd=_chosen(_links(settings, "/dev/rbd", RBD_DEPTH), lambda _name: 1, last=True),
        )


def member_links(settings: Settings) -> dict[str, str]:
    """Kernel name -> the link below by-id that says most of a disk or a partition; a multipath map's own wins."""
    return _chosen(_links(settings, "/dev/disk/by-id"), _member_priority, last=False)


def _member_priority(name: str) -> int:
    lowered = name.lower()
    if lowered.startswith("dm-uuid-part") and "mpath-" in lowered:
        return PRIORITIES[0][1]
    return max(1, by_id_priority(re.sub(r"-part[0-9]+$", "", name)))


def by_id_priority(name: str) -> int:
    """How well a name of /dev/disk/by-id says which disk it is; 0: it names no whole disk."""
    lowered = name.lower()
    if "-part" in lowered or "lvm" in lowered:
        return 0
    return next((priority for start, priority in PRIORITIES if lowered.startswith(start)), 0)


def _chosen(links: Iterator[tuple[str, str]], priority: Callable[[str], int], *, last: bool) -> dict[str, str]:
    """Of several links to one device the one of highest priority; then the first or the last one."""
    best: dict[str, tuple[int, str]] = {}
    for path, kname in links:
        rank = priority(os.path.basename(path))
        found = best.get(kname)
        if rank > 0 and (found is None or rank > found[0] or (last and rank == found[0])):
            best[kname] = (rank, path)
    return {kname: path for kname, (_, path) in best.items()}


def _links(settings: Settings, folder: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    """(path, name of what it points to) of every symlink, in the order of names."""
    try:
        with os.scandir(settings.below(folder)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.is_symlink():
            yield from _target(entry.path, path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _links(settings, path, depth - 1)


def _target(place: str, path: str) -> Iterator[tuple[str, str]]:
    try:
        yield path, os.path.basename(os.readlink(place))
    except OSError:
        return  # gone since the folder was read
