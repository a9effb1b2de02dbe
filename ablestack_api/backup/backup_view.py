"""Lists and overviews of disk backups as consoles show them (contract 04 §4.5)."""

from datetime import datetime
from typing import Any

from ablestack_api.backup import disk_files, schedule_file
from ablestack_api.backup.disk_files import BackupFile
from ablestack_api.backup.schedule_file import Schedules, Section

NO_SCHEDULE, NO_POLICY = "설정된 정기 백업이 없습니다", "설정된 삭제 관리가 없습니다"
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def listed(folder: str) -> list[dict[str, Any]]:
    """Newest first."""
    return [_item(backup) for backup in disk_files.list_backups(folder)]


def overview(folder: str, schedules: Schedules) -> dict[str, Any]:
    target = schedules.target_dir or folder
    return {
        "schedule": _section(schedules.backup, NO_SCHEDULE),
        "delete": _section(schedules.delete, NO_POLICY),
        "backups": listed(target),
        "backups_message": "",
        "target_dir": target,
        "schedule_file": schedule_file.path(folder),
    }


def human(size: int) -> str:
    """1024 based; bytes whole, everything else with one decimal."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def _item(backup: BackupFile) -> dict[str, Any]:
    """`mtime…` carries the time of creation: consoles sort and show by it."""
    created, completed = (datetime.fromtimestamp(moment).astimezone() for moment in (backup.created, backup.completed))
    return {
        "name": backup.name,
        "path": backup.path,
        "size_bytes": backup.size,
        "size_human": human(backup.size),
        "mtime_epoch": int(backup.created),
        "mtime": _long(created),
        "mtime_display": _short(created),
        "created_epoch": int(backup.created),
        "created_time": _long(created),
        "created_display": _short(created),
        "completed_epoch": int(backup.completed),
        "completed_time": _long(completed),
        "completed_display": _short(completed),
        "proven": backup.proven,
    }


def _section(section: Section, none: str) -> dict[str, Any]:
    if not section.active:
        return {"active": False, "message": none}
    shown: dict[str, Any] = {
        "active": True,
        "message": "",
        "repeat": section.repeat,
        "time": section.time,
        "day": section.day,
        "month": section.month,
        "cron": section.cron,
        "last_run": section.last_run_key,
        "time_label": section.time,
    }
    if section.retention_months:
        shown |= {"retention_months": section.retention_months, "retention_label": f"{section.retention_months}개월"}
    return shown


def _long(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _short(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M}"
