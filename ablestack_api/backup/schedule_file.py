"""When the disk of the Cloud Center VM is backed up, and when old backups are deleted (contract 04 §4.6).

The file lies with the backups, so on shared storage all nodes see the same one. Keys and form are 0.1.2's. A file that
cannot be understood is reported and left alone: it is never taken for an empty one.
"""

import os
from calendar import monthrange
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from ablestack_api.core.errors import StateFileDamaged
from ablestack_api.state import json_file

HOURLY, DAILY, MONTHLY, YEARLY = "hourly", "daily", "monthly", "yearly"
REPEATS = (HOURLY, DAILY, MONTHLY, YEARLY)
KEY_FORMATS = {HOURLY: "%Y%m%d%H", DAILY: "%Y%m%d", MONTHLY: "%Y%m", YEARLY: "%Y"}
STEPS = {HOURLY: timedelta(hours=1), DAILY: timedelta(days=1)}


@dataclass(frozen=True)
class Section:
    """`time` is HH:MM of the node's own zone. `since` is when it was set: what was due before is not missed."""

    active: bool = False
    repeat: str = ""
    time: str = ""
    day: int = 0
    month: int = 0
    retention_months: int = 0
    last_run_key: str = ""
    since: str = ""

    def last_due(self, now: datetime) -> datetime:
        """The latest moment, not after `now`, at which it was due. A day that a month does not have is its last one."""
        hour, minute = (int(part) for part in self.time.split(":"))
        moment = now.replace(second=0, microsecond=0, minute=minute)
        if self.repeat != HOURLY:
            moment = moment.replace(hour=hour)
        if self.repeat in STEPS:
            return moment if moment <= now else moment - STEPS[self.repeat]
        moment = _on(moment, moment.year, self.month if self.repeat == YEARLY else moment.month, self.day)
        if moment <= now:
            return moment
        if self.repeat == YEARLY:
            return _on(moment, moment.year - 1, self.month, self.day)
        earlier = moment.replace(day=1) - timedelta(days=1)
        return _on(moment, earlier.year, earlier.month, self.day)

    def key(self, due: datetime) -> str:
        return due.strftime(KEY_FORMATS[self.repeat])

    def due(self, now: datetime) -> datetime | None:
        """The run that is to be made now, or was missed; None when the last one was made, or it is not switched on."""
        if not (self.active and self.repeat in REPEATS and self.time):
            return None
        moment = self.last_due(now)
        if self.key(moment) == self.last_run_key:
            return None
        return moment if not self.since or moment >= datetime.fromisoformat(self.since) else None

    @property
    def cron(self) -> str:
        hour, minute = (str(int(part)) for part in self.time.split(":"))
        return {
            HOURLY: f"{minute} * * * *",
            DAILY: f"{minute} {hour} * * *",
            MONTHLY: f"{minute} {hour} {self.day} * *",
            YEARLY: f"{minute} {hour} {self.day} {self.month} *",
        }[self.repeat]

    def shape(self) -> dict[str, Any]:
        """For the file: what is empty is left out."""
        return {key: value for key, value in asdict(self).items() if value or key == "active"}


@dataclass(frozen=True)
class Schedules:
    """Both sections, and where backups go."""

    target_dir: str = ""
    backup: Section = Section()
    delete: Section = Section()
    updated_at: str = ""


def path(folder: str) -> str:
    return os.path.join(folder, "script", "ccvm-backup-config.json")


def read(folder: str) -> Schedules:
    """Raises StateFileDamaged. No file means no schedules."""
    value = json_file.read_json(path(folder))
    if value is None:
        return Schedules()
    try:
        assert isinstance(value, dict)
        sections = {name: _section(value.get(name) or {}) for name in ("backup", "delete")}
        return Schedules(str(value.get("target_dir") or folder), updated_at=str(value.get("updated_at", "")), **sections)
    except (AssertionError, ValueError, TypeError, AttributeError) as error:
        raise StateFileDamaged(
            f"{path(folder)} is no schedule file ({error}); nothing was changed. Put back a good copy or remove it",
            path=path(folder),
        ) from error


def change(folder: str, now: datetime, edit: Callable[[Schedules], Schedules]) -> Schedules:
    """Read, edit and replace under the file's lock, which all nodes see where the file system is shared."""
    with json_file.told(path(folder)):
        os.makedirs(os.path.dirname(path(folder)), mode=0o755, exist_ok=True)
    with json_file.locked(path(folder)):
        changed = edit(read(folder))
        shape = {
            "target_dir": changed.target_dir or folder,
            "updated_at": f"{now:%Y-%m-%d %H:%M:%S}",
            "backup": changed.backup.shape(),
            "delete": changed.delete.shape(),
        }
        json_file.write_json(path(folder), shape)
    return changed


def claim(folder: str, sort: str, key: str) -> bool:
    """May this node make the run? Exactly one node of those that see the folder may: it is the one that makes the file."""
    claims = os.path.join(folder, "script", "claims")
    with json_file.told(claims):
        os.makedirs(claims, mode=0o755, exist_ok=True)
        for old in sorted(name for name in os.listdir(claims) if name.startswith(f"{sort}-"))[:-20]:
            os.unlink(os.path.join(claims, old))
        try:
            os.close(os.open(os.path.join(claims, f"{sort}-{key}"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        json_file.sync_folder(os.path.join(claims, "."))
    return True


def _section(value: dict[str, Any]) -> Section:
    """The predecessor wrote null for what does not apply."""
    section = Section(
        active=bool(value.get("active")),
        repeat=str(value.get("repeat") or ""),
        time=str(value.get("time") or ""),
        day=int(value.get("day") or 0),
        month=int(value.get("month") or 0),
        retention_months=int(value.get("retention_months") or 0),
        last_run_key=str(value.get("last_run_key") or ""),
        since=str(value.get("since") or ""),
    )
    if section.active:
        section.last_due(datetime(2028, 3, 1).astimezone())  # raises ValueError for rubbish
    return section


def _on(moment: datetime, year: int, month: int, day: int) -> datetime:
    return moment.replace(year=year, month=month, day=min(day, monthrange(year, month)[1]))
