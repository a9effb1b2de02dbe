"""Our lines in root's crontab, as 0.1.2 wrote them and operators look for them (contract 04 §6.4, §6.5; D25).

Pure functions on the text of the table: whatever is not ours stays as it is, to the byte.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

HOURLY, DAILY, WEEKLY, MONTHLY = "hourly", "daily", "weekly", "monthly"
WEEKDAYS = ("일요일", "월요일", "화요일", "수요일", "목요일", "금요일", "토요일")


@dataclass(frozen=True)
class Sort:
    """What is scheduled: `marker` begins its comment line, `legacy` knows the command 0.1.2 wrote below it."""

    marker: str
    queue: str
    legacy: re.Pattern[str]


BACKUP = Sort("#RegularBackup", "r", re.compile(r"mysqldump.*ccvm_dump_|ablestack-api db-dump make "))
DELETION = Sort("#DeleteOldBackup", "d", re.compile(r"ccvm_dump_.*-delete|ablestack-api db-dump prune "))


@dataclass(frozen=True)
class Repeat:
    """`minute` and `hour` of the node's own time; `weekday` 0 is Sunday; monthly: `day` every `interval` months."""

    every: str
    hour: int
    minute: int
    weekday: int = 0
    interval: int = 1
    day: int = 1

    @property
    def expression(self) -> str:
        """The five time fields of crontab(5)."""
        return {
            HOURLY: f"{self.minute} */1 * * *",
            DAILY: f"{self.minute} {self.hour} * * *",
            WEEKLY: f"{self.minute} {self.hour} * * {self.weekday}",
            MONTHLY: f"{self.minute} {self.hour} {self.day} */{self.interval} *",
        }[self.every]

    def next_run(self, now: datetime) -> datetime:
        """Strictly after `now`; what 0.1.2 put into the comment."""
        base = now.replace(second=0, microsecond=0)
        if self.every == HOURLY:
            found = base.replace(minute=self.minute)
            return found if found > now else found + timedelta(hours=1)
        base = base.replace(hour=self.hour, minute=self.minute)
        if self.every == MONTHLY:
            found = _on_day(base, self.day)
            return found if found > now else _on_day(_months_later(base, self.interval), self.day)
        ahead = (self.weekday - base.isoweekday()) % 7 if self.every == WEEKLY else 0
        found = base + timedelta(days=ahead)
        return found if found > now else found + timedelta(days=7 if self.every == WEEKLY else 1)

    @property
    def label(self) -> str:
        """As the console shows it."""
        return {
            HOURLY: "한 시간 마다",
            DAILY: "매일",
            WEEKLY: f"매주 {WEEKDAYS[self.weekday]}",
            MONTHLY: f"매월 {self.interval}개월 {self.day}일 마다",
        }[self.every]


def with_schedule(table: str, sort: Sort, repeat: Repeat, now: datetime, command: str, suffix: str = "") -> str:
    """The table with our schedule as its only one of this sort. `suffix` ends the comment (days, for deletions)."""
    kept = without(table, sort)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    comment = f"{sort.marker} {repeat.every} {_times(repeat, now)}{suffix and ' ' + suffix}"
    return f"{kept}{_begin(sort)}\n{comment}\n{repeat.expression} {command}\n{_end(sort)}\n"


def without(table: str, sort: Sort) -> str:
    """The table without our block, and without a comment of 0.1.2 together with the entry right below it."""
    lines = table.splitlines(keepends=True)
    kept: list[str] = []
    position = 0
    while position < len(lines):
        length = _ours(lines, position, sort)
        if not length:
            kept.append(lines[position])
        position += length or 1
    return "".join(kept)


def comment_of(table: str, sort: Sort) -> str:
    """Our comment line, or an empty text."""
    found = (line.strip() for line in table.splitlines())
    return next((line for line in found if line.split(" ")[0] == sort.marker), "")


def shown(comment: str) -> tuple[str, str, str]:
    """(when, label, days) of a comment: `2026-05-04 02:00`, `매일`, `30` or empty. Rubbish comes back as it is."""
    words = comment.split()
    taken = {HOURLY: 4, DAILY: 4, WEEKLY: 5, MONTHLY: 5}.get(words[1] if len(words) > 1 else "", 0)
    if not taken or len(words) < taken:
        return comment, "", ""
    repeat = _repeat(words[1], words[4] if taken == 5 else "")
    return f"{words[2]} {words[3]}", repeat.label if repeat else "", words[taken] if len(words) > taken else ""


def _ours(lines: list[str], position: int, sort: Sort) -> int:
    """How many lines from here are ours: a whole block, or a pair as 0.1.2 wrote it; 0 for anything else."""
    line = lines[position].strip()
    if line == _begin(sort):
        rest = [index for index in range(position, len(lines)) if lines[index].strip() == _end(sort)]
        return rest[0] - position + 1 if rest else 1
    below = lines[position + 1] if position + 1 < len(lines) else ""
    if line.split(" ")[0] == sort.marker:
        return 2 if sort.legacy.search(below) else 1
    return 0


def _begin(sort: Sort) -> str:
    return f"# ablestack-api: begin {sort.marker.lstrip('#')}, edited by the API"


def _end(sort: Sort) -> str:
    return f"# ablestack-api: end {sort.marker.lstrip('#')}"


def _times(repeat: Repeat, now: datetime) -> str:
    extra = {WEEKLY: f" {repeat.weekday}", MONTHLY: f" {repeat.interval}-{repeat.day}"}.get(repeat.every, "")
    return f"{repeat.next_run(now):%Y-%m-%d %H:%M}{extra}"


def _repeat(every: str, extra: str) -> Repeat | None:
    if every == WEEKLY:
        return Repeat(every, 0, 0, weekday=int(extra)) if extra in "0123456" else None
    if every == MONTHLY:
        match = re.fullmatch(r"(\d+)-(\d+)", extra)
        return Repeat(every, 0, 0, interval=int(match[1]), day=int(match[2])) if match else None
    return Repeat(every, 0, 0)


def _months_later(moment: datetime, months: int) -> datetime:
    index = moment.year * 12 + moment.month - 1 + months
    return moment.replace(year=index // 12, month=index % 12 + 1, day=1)


def _on_day(moment: datetime, day: int) -> datetime:
    """The last day of the month where the month is shorter."""
    return moment.replace(day=min(day, calendar.monthrange(moment.year, moment.month)[1]))
