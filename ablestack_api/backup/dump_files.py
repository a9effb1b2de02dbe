"""Database dumps in a folder: which are proven, which may be deleted.

A dump is `ccvm_dump_<time>.sql.gz` with its manifest beside it. The manifest is written first, then the dump gets its
name: a file of that name was complete, synced and looked through. 0.1.2's plain `.sql` files have no manifest.
"""

import gzip
import os
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ablestack_api.backup.unfinished import MANIFEST, PARTIAL, digest
from ablestack_api.core.errors import Conflict, NotFound, bad_field
from ablestack_api.state import json_file
from ablestack_api.tools import mariadb

PREFIX, PLAIN, PACKED = "ccvm_dump_", ".sql", ".sql.gz"
DAY = 86400.0
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class DumpFile:
    path: str
    modified: float
    size: int
    manifest: dict[str, Any] | None

    @property
    def good(self) -> bool:
        """It was proven when it was made, and has the size it had then."""
        return self.manifest is not None and self.manifest.get("size_bytes") == self.size

    @property
    def looks_whole(self) -> bool:
        """For dumps of 0.1.2: mysqldump's last line is there."""
        return self.good or (self.path.endswith(PLAIN) and _ends_well(self.path))


def name_at(now: datetime) -> str:
    return f"{PREFIX}{now:%Y%m%d_%H%M%S}{PACKED}"


def manifest_path(path: str) -> str:
    return f"{path}{MANIFEST}"


def list_dumps(folder: str) -> list[DumpFile]:
    """Oldest first; none when there is no such folder."""
    with json_file.told(folder):
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return []
        named = [entry for entry in entries if entry.name.startswith(PREFIX) and entry.name.endswith((PLAIN, PACKED))]
        files = [entry for entry in named if entry.is_file(follow_symlinks=False)]
        return sorted((_read(entry) for entry in files), key=lambda dump: (dump.modified, dump.path))


def find(folder: str, name: str) -> DumpFile:
    """A dump by its file name; the newest good one when the name is empty. Raises BadInput, NotFound."""
    dumps = list_dumps(folder)
    if not name:
        good = [dump for dump in dumps if dump.good]
        if not good:
            raise NotFound(f"there is no complete dump in {folder}; make one with instantBackup")
        return good[-1]
    if "/" in name or name in (".", ".."):
        raise bad_field("file", "not a file name")
    found = next((dump for dump in dumps if os.path.basename(dump.path) == name), None)
    if found is None:
        raise NotFound(f"there is no dump {name} in {folder}")
    return found


def remove_older(folder: str, days: int, now: float) -> list[str]:
    """Delete dumps that are more than `days` days old, never the last one that can be restored. Returns their paths."""
    dumps = list_dumps(folder)
    kept = next((dump for dump in reversed(dumps) if dump.good and _is_unchanged(dump)), None)
    kept = kept or next((dump for dump in reversed(dumps) if dump.looks_whole), None)
    old = [dump for dump in dumps if now - dump.modified > days * DAY and dump is not kept]
    if kept is None and len(old) == len(dumps):
        old = old[:-1]  # nothing here is proven: the newest is all there is
    for dump in old:
        json_file.remove(dump.path)
        json_file.remove(manifest_path(dump.path))
    return [dump.path for dump in old]


def remove_leftovers(folder: str) -> None:
    """What a crash left: unfinished files, and manifests whose dump never came. The caller holds the folder."""
    with json_file.told(folder):
        names = set(os.listdir(folder))
        for name in names:
            unfinished = name.startswith(f".{PREFIX}") and name.endswith(PARTIAL)
            manifest = name.startswith(PREFIX) and name.endswith(PACKED + MANIFEST)
            orphan = manifest and name.removesuffix(MANIFEST) not in names
            if unfinished or orphan:
                os.unlink(os.path.join(folder, name))


def require_unchanged(dump: DumpFile) -> None:
    """Raises Conflict when the file is not what its manifest says."""
    if dump.manifest is None:
        return
    if not _is_unchanged(dump):
        raise Conflict(
            f"{dump.path} is not what was written on {dump.manifest.get('created')}: its SHA-256 has changed. Do not "
            "restore it; use another dump, and check the disk",
            path=dump.path,
        )


def _is_unchanged(dump: DumpFile) -> bool:
    return dump.manifest is not None and digest(dump.path) == dump.manifest.get("sha256")


def _read(entry: "os.DirEntry[str]") -> DumpFile:
    status = entry.stat(follow_symlinks=False)
    manifest = json_file.read_json(manifest_path(entry.path)) if entry.name.endswith(PACKED) else None
    return DumpFile(entry.path, status.st_mtime, status.st_size, manifest if isinstance(manifest, dict) else None)


def _ends_well(path: str) -> bool:
    with json_file.told(path), open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - CHUNK))
        return mariadb.TRAILER in file.read()[-1024:]


def unpacked_bytes(dump: DumpFile) -> int:
    """How large it is unpacked: from the manifest, else counted. Raises Conflict when it cannot be unpacked."""
    known = (dump.manifest or {}).get("unpacked_bytes")
    if isinstance(known, int):
        return known
    if dump.path.endswith(PLAIN):
        return dump.size
    try:
        with gzip.open(dump.path) as file:
            return sum(len(chunk) for chunk in iter(lambda: file.read(CHUNK), b""))
    except (OSError, EOFError, zlib.error) as error:
        raise Conflict(f"{dump.path} cannot be unpacked: {error}", path=dump.path) from error
