"""What a request for database dumps asks for, checked (contract 04 §6.1)."""

import re
from dataclasses import dataclass

from ablestack_api.backup.models import DbDumpRequest
from ablestack_api.backup.schedule_table import BACKUP, DAILY, DELETION, HOURLY, MONTHLY, WEEKLY, Repeat, Sort
from ablestack_api.core.errors import BadInput, bad_field

INSTANT, REGULAR, DELETE_OLD, CHECK, DEACTIVE = (
    "instantBackup",
    "regularBackup",
    "deleteOldBackup",
    "checkBackup",
    "deactiveBackup",
)
VERIFY = "verify"
ACTIONS = {action.lower(): action for action in (INSTANT, REGULAR, DELETE_OLD, CHECK, DEACTIVE, VERIFY)}
DEFAULT_PATH = "/home/db_backup"
# at(1) reads words, numbers and a few signs; a leading dash would be an option.
AT_TIME = re.compile(r"[0-9A-Za-z][0-9A-Za-z:+/., -]{0,60}")
MOST_DAYS = 36500


@dataclass(frozen=True)
class Asked:
    """`once` is a time for at(1); it or `repeat` is there for the two schedules."""

    action: str
    path: str = DEFAULT_PATH
    repeat: Repeat | None = None
    once: str = ""
    days: int = 0
    sort: Sort = BACKUP
    file: str = ""


def check(request: DbDumpRequest) -> Asked:
    """Raises BadInput with 0.1.2's texts."""
    action = ACTIONS.get(request.action.lower())
    if action is None:
        raise bad_field("action", "unsupported", "unsupported action")
    if action in (CHECK, DEACTIVE):
        return Asked(action, sort=_sort(request.check_option))
    path = request.path or DEFAULT_PATH
    if action in (INSTANT, VERIFY):
        return Asked(action, path, file=request.file)
    repeat, once = _repeat(request)
    if action == REGULAR:
        return Asked(action, path, repeat, once)
    return Asked(action, path, repeat, once, _days(request.delete), DELETION)


def _sort(option: str) -> Sort:
    try:
        return {"r": BACKUP, "d": DELETION}[option]
    except KeyError:
        raise bad_field("checkOption", "unknown", "checkOption must be r or d") from None


def _days(text: str) -> int:
    """0.1.2 took a leading plus, too."""
    if not re.fullmatch(r"\+?\d{1,6}", text) or int(text) > MOST_DAYS:
        raise bad_field("delete", "not a number of days", "delete must be a non-negative day number")
    return int(text)


def _repeat(request: DbDumpRequest) -> tuple[Repeat | None, str]:
    every = request.repeat.lower()
    if every == "no":
        return None, _once(request.timeone)
    if every not in (HOURLY, DAILY, WEEKLY, MONTHLY):
        raise bad_field("repeat", "unknown", "repeat must be no/hourly/daily/weekly/monthly")
    hour, minute = _time(request.timeone)
    if every == WEEKLY:
        if not re.fullmatch("[0-6]", request.timetwo):
            raise bad_field("timetwo", "no weekday", "timetwo must be weekday 0-6")
        return Repeat(every, hour, minute, weekday=int(request.timetwo)), ""
    if every == MONTHLY:
        interval, day = _month(request.timetwo)
        return Repeat(every, hour, minute, interval=interval, day=day), ""
    return Repeat(every, hour, minute), ""


def _once(text: str) -> str:
    if not text:
        raise bad_field("timeone", "required", "timeone required")
    if not AT_TIME.fullmatch(text):
        raise bad_field("timeone", "not a time that at(1) understands")
    return text


def _time(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if match is None:
        raise bad_field("timeone", "not HH:mm", "timeone must be HH:mm")
    hour, minute = int(match[1]), int(match[2])
    if hour > 23:
        raise bad_field("timeone", "no hour", "timeone hour must be 0-23")
    if minute > 59:
        raise bad_field("timeone", "no minute", "timeone minute must be 0-59")
    return hour, minute


def _month(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text)
    interval, day = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= interval <= 12 and 1 <= day <= 31):
        raise _no_month()
    return interval, day


def _no_month() -> BadInput:
    return bad_field("timetwo", "no interval-day", "timetwo must be month interval-day, for example 1-15")
