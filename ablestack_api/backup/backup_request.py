"""What a request for disk backups asks for, checked (contract 04 §4.1)."""

import re

from ablestack_api.backup.models import BackupRequest
from ablestack_api.backup.schedule_file import DAILY, MONTHLY, REPEATS, YEARLY, Section
from ablestack_api.core.errors import bad_field

BACKUP, STATUS, LIST, OVERVIEW = "backup", "status", "list", "overview"
SCHEDULE, UNSCHEDULE = "schedule", "unschedule"
SCHEDULE_DELETE, UNSCHEDULE_DELETE = "schedule-delete", "unschedule-delete"
ACTIONS = (BACKUP, STATUS, LIST, OVERVIEW, SCHEDULE, UNSCHEDULE, SCHEDULE_DELETE, UNSCHEDULE_DELETE)
READS = frozenset((STATUS, LIST, OVERVIEW))
MOST_MONTHS = 1200


def check(request: BackupRequest) -> BackupRequest:
    """With its action in lower case. Raises BadInput with 0.1.2's texts."""
    action = request.action.lower()
    if action not in ACTIONS:
        raise bad_field("action", "unsupported", "unsupported action")
    if action == BACKUP and not request.target_dir:
        raise bad_field("target_dir", "required", "target_dir required")
    if request.target_dir and not request.target_dir.startswith("/"):
        raise bad_field("target_dir", "not absolute", "target_dir must be an absolute path")
    if action == SCHEDULE_DELETE and not 1 <= request.retain_months <= MOST_MONTHS:
        raise bad_field("retain_months", f"must be 1 to {MOST_MONTHS}", "retain_months required")
    if action in (SCHEDULE, SCHEDULE_DELETE):
        section(request, action)
    return request.model_copy(update={"action": action, "repeat": request.repeat.lower()})


def section(request: BackupRequest, action: str) -> Section:
    repeat = request.repeat.lower()
    if action == SCHEDULE_DELETE and repeat in REPEATS and repeat not in (DAILY, MONTHLY):
        raise bad_field("repeat", "daily or monthly", "delete repeat option must be daily or monthly")
    if repeat not in REPEATS:
        raise bad_field("repeat", "unknown", "invalid repeat option")
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", request.time)
    if match is None:
        raise bad_field("time", "not HH:MM", "time must be HH:MM")
    if int(match[1]) > 23 or int(match[2]) > 59:
        raise bad_field("time", "no time of the day", "time out of range")
    if repeat == MONTHLY and not 1 <= request.day <= 31:
        raise bad_field("day", "must be 1 to 31", "day is required for monthly schedule")
    if repeat == YEARLY and not (1 <= request.day <= 31 and 1 <= request.month <= 12):
        raise bad_field("month", "day 1 to 31, month 1 to 12", "day and month are required for yearly schedule")
    dated = repeat in (MONTHLY, YEARLY)
    return Section(
        active=True,
        repeat=repeat,
        time=f"{int(match[1]):02}:{match[2]}",
        day=request.day if dated else 0,
        month=request.month if repeat == YEARLY else 0,
        retention_months=request.retain_months if action == SCHEDULE_DELETE else 0,
    )
