"""File backups of the Cloud Center VM's disk in a folder: which are proven, which may be deleted (contract 04 §4.5).

A backup is `ccvm.qcow2-YYYYMMDD_HHMMSS` with its manifest beside it, which is written first: a file of that name ended
well, was synced and looked through. Files of 0.1.2 have no manifest and are listed as not proven.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ablestack_api.backup.unfinished import MANIFEST, PARTIAL, digest
from ablestack_api.core.errors import Conflict, NotFound, bad_field
from ablestack_api.state import json_file

PREFIX = "ccvm.qcow2-"
STAMP = re.compile(r"\d{8}_\d{6}")
KEPT = 10


@dataclass(frozen=True)
class BackupFile:
    """`created` from the name, else the time of its last change, which is `completed`; both in seconds since 1970."""

    path: str
    size: int
    created: float
    completed: float
    manifest: dict[str, Any] | None

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def proven(self) -> bool:
        return self.manifest is not None and self.manifest.get("size_bytes") == self.size


def name_at(now: datetime) -> str:
    return f"{PREFIX}{now:%Y%m%d_%H%M%S}"


def manifest_path(path: str) -> str:
    return f"{path}{MANIFEST}"


def list_backups(folder: str) -> list[BackupFile]:
    """Newest first; none when there is no such folder."""
    with json_file.told(folder):
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return []
        named = [entry for entry in entries if entry.name.startswith(PREFIX) and not entry.name.endswith(MANIFEST)]
        files = [_read(entry) for entry in named if entry.is_file(follow_symlinks=False)]
    return sorted(files, key=lambda backup: (backup.created, backup.name), reverse=True)


def find(folder: str, name: str) -> BackupFile:
    """By its plain file name. Raises BadInput, NotFound."""
    if not name:
        raise bad_field("target_file", "required", "target_file required")
    if os.path.basename(name) != name or "\\" in name or name in (".", "..") or "\0" in name:
        raise bad_field("target_file", "a path", "target_file must be a file name")
    found = next((backup for backup in list_backups(folder) if backup.name == name), None)
    if found is None:
        raise NotFound(f"복구 대상 파일이 존재하지 않습니다 (there is no backup {name} in {folder})")
    return found


def prune(folder: str) -> list[str]:
    """Keep the newest ten; of the rest delete those that are older than a proven one. Returns their paths."""
    backups = list_backups(folder)
    return _remove([backup for backup in backups[KEPT:] if _has_newer_proven(backups, backup)])


def remove_older(folder: str, seconds: float, now: float) -> list[str]:
    """Delete what is older, never the last proven one (nor the newest, when none is proven)."""
    backups = list_backups(folder)
    old = [backup for backup in backups if now - backup.completed > seconds]
    return _remove([backup for backup in old if _has_newer_proven(backups, backup) or _is_spare(backups, backup)])


def remove_leftovers(folder: str) -> None:
    """What a crash left: unfinished copies, and manifests whose backup never came. The caller holds the folder."""
    with json_file.told(folder):
        names = set(os.listdir(folder))
        for name in names:
            orphan = name.startswith(PREFIX) and name.endswith(MANIFEST) and name.removesuffix(MANIFEST) not in names
            if orphan or (name.startswith(f".{PREFIX}") and name.endswith(PARTIAL)):
                os.unlink(os.path.join(folder, name))


def require_unchanged(backup: BackupFile) -> None:
    """Raises Conflict when the file is not what was proven."""
    if backup.manifest is None:
        return
    if digest(backup.path) != backup.manifest.get("sha256"):
        raise Conflict(
            f"{backup.path} is not what was written on {backup.manifest.get('created')}: its SHA-256 has changed. Use "
            "another backup, and check the disk. Nothing was changed",
            path=backup.path,
        )


def _has_newer_proven(backups: list[BackupFile], backup: BackupFile) -> bool:
    return any(other.proven and other.created > backup.created for other in backups)


def _is_spare(backups: list[BackupFile], backup: BackupFile) -> bool:
    """Without any proven one, all but the newest."""
    return not any(other.proven for other in backups) and backup is not backups[0]


def _remove(backups: list[BackupFile]) -> list[str]:
    for backup in backups:
        json_file.remove(backup.path)
        json_file.remove(manifest_path(backup.path))
    return sorted(backup.path for backup in backups)


def _read(entry: "os.DirEntry[str]") -> BackupFile:
    status = entry.stat(follow_symlinks=False)
    stamp = STAMP.search(entry.name)
    created = status.st_mtime
    if stamp:
        try:
            created = datetime.strptime(stamp[0], "%Y%m%d_%H%M%S").astimezone().timestamp()
        except ValueError:
            created = status.st_mtime
    manifest = json_file.read_json(manifest_path(entry.path))
    return BackupFile(entry.path, status.st_size, created, status.st_mtime, manifest if isinstance(manifest, dict) else None)
