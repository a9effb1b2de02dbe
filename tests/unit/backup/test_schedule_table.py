"""backup.schedule_table: our lines come and go, everybody else's stay to the byte (contract 04 §6.4, §6.5)."""

from datetime import datetime, timedelta, timezone

import pytest

from ablestack_api.backup import schedule_table
from ablestack_api.backup.schedule_table import BACKUP, DAILY, DELETION, HOURLY, MONTHLY, WEEKLY, Repeat, Sort

SEOUL = timezone(timedelta(hours=9))
NOW = datetime(2026, 5, 3, 9, 15, 30, tzinfo=SEOUL)  # a Sunday
MAKE = "/usr/bin/ablestack-api db-dump make --path /home/db_backup"
PRUNE = "/usr/bin/ablestack-api db-dump prune --path /home/db_backup --older-than 30"

FOREIGN = (
    "MAILTO=root\r\n\n# a comment  \n*/5 * * * * /usr/bin/true % x\n"
    "#RegularBackups are fun\n0 1 * * * echo '#RegularBackup'\n"
)
OLD_PAIR = (
    "#RegularBackup daily 2026-05-01 02:00\n"
    "0 2 * * * /usr/bin/mysqldump -uroot -pinvented --databases cloud > '/home/db_backup'/ccvm_dump_$(date +\\%Y).sql\n"
)
OLD_DELETION = (
    "#DeleteOldBackup weekly 2026-05-01 03:00 1 14\n"
    "0 3 * * 1 find '/home/db_backup' -name 'ccvm_dump_*.sql' -mtime 14 -delete\n"
)


@pytest.mark.parametrize(
    ("repeat", "expression", "comment", "label"),
    [
        (Repeat(HOURLY, 9, 10), "10 */1 * * *", "hourly 2026-05-03 10:10", "한 시간 마다"),
        (Repeat(HOURLY, 9, 20), "20 */1 * * *", "hourly 2026-05-03 09:20", "한 시간 마다"),
        (Repeat(DAILY, 9, 15), "15 9 * * *", "daily 2026-05-04 09:15", "매일"),
        (Repeat(DAILY, 23, 59), "59 23 * * *", "daily 2026-05-03 23:59", "매일"),
        (Repeat(WEEKLY, 2, 0, weekday=0), "0 2 * * 0", "weekly 2026-05-10 02:00 0", "매주 일요일"),
        (Repeat(WEEKLY, 10, 0, weekday=0), "0 10 * * 0", "weekly 2026-05-03 10:00 0", "매주 일요일"),
        (Repeat(WEEKLY, 2, 0, weekday=6), "0 2 * * 6", "weekly 2026-05-09 02:00 6", "매주 토요일"),
        (Repeat(MONTHLY, 2, 0, interval=1, day=15), "0 2 15 */1 *", "monthly 2026-05-15 02:00 1-15", "매월 1개월 15일 마다"),
        (Repeat(MONTHLY, 2, 0, interval=3, day=1), "0 2 1 */3 *", "monthly 2026-08-01 02:00 3-1", "매월 3개월 1일 마다"),
        (Repeat(MONTHLY, 2, 0, interval=1, day=31), "0 2 31 */1 *", "monthly 2026-05-31 02:00 1-31", "매월 1개월 31일 마다"),
    ],
)
def test_every_sort_of_repetition(repeat: Repeat, expression: str, comment: str, label: str) -> None:
    table = schedule_table.with_schedule("", BACKUP, repeat, NOW, MAKE)
    assert f"\n#RegularBackup {comment}\n{expression} {MAKE}\n" in table
    found = schedule_table.comment_of(table, BACKUP)
    assert schedule_table.shown(found) == (" ".join(comment.split()[1:3]), label, "")


def test_the_31st_falls_on_the_last_day_of_a_shorter_month() -> None:
    february = NOW.replace(year=2028, month=2)
    assert Repeat(MONTHLY, 2, 0, day=31).next_run(february).strftime("%m-%d") == "02-29"
    december = NOW.replace(month=12, day=31)
    assert Repeat(MONTHLY, 2, 0, interval=2, day=31).next_run(december).strftime("%Y-%m-%d") == "2027-02-28"


def test_a_deletion_tells_its_days() -> None:
    table = schedule_table.with_schedule("", DELETION, Repeat(WEEKLY, 3, 0, weekday=1), NOW, PRUNE, "30")
    assert schedule_table.shown(schedule_table.comment_of(table, DELETION)) == ("2026-05-04 03:00", "매주 월요일", "30")


@pytest.mark.parametrize("before", ["", FOREIGN, FOREIGN.rstrip("\n"), "\n\n", "x" * 3000])
@pytest.mark.parametrize("sort", [BACKUP, DELETION])
def test_foreign_lines_stay_to_the_byte(before: str, sort: Sort) -> None:
    table = schedule_table.with_schedule(before, sort, Repeat(DAILY, 2, 0), NOW, MAKE)
    assert table.startswith(before)
    again = schedule_table.with_schedule(table, sort, Repeat(HOURLY, 0, 5), NOW, MAKE)
    assert again.count(sort.marker + " ") == before.count(sort.marker + " ") + 1
    ended = before if before.endswith("\n") or not before else before + "\n"
    assert schedule_table.without(again, sort) == ended


def test_what_0_1_2_wrote_is_replaced_as_a_pair() -> None:
    before = "1 1 * * * first\n" + OLD_PAIR + "2 2 * * * middle\n" + OLD_DELETION + "3 3 * * * last\n"
    assert (
        schedule_table.without(before, BACKUP) == "1 1 * * * first\n2 2 * * * middle\n" + OLD_DELETION + "3 3 * * * last\n"
    )
    assert schedule_table.without(before, DELETION) == "1 1 * * * first\n" + OLD_PAIR + "2 2 * * * middle\n3 3 * * * last\n"
    assert schedule_table.shown(schedule_table.comment_of(before, DELETION)) == ("2026-05-01 03:00", "매주 월요일", "14")


def test_a_comment_without_our_entry_below_takes_nothing_else_with_it() -> None:
    assert schedule_table.without("#RegularBackup daily x y\n0 2 * * * theirs\n", BACKUP) == "0 2 * * * theirs\n"


def test_a_block_somebody_cut_in_half_loses_no_line_of_others() -> None:
    table = schedule_table.with_schedule("", BACKUP, Repeat(DAILY, 2, 0), NOW, MAKE)
    without_end = "".join(table.splitlines(keepends=True)[:-1]) + "5 5 * * * theirs\n"
    assert schedule_table.without(without_end, BACKUP) == "5 5 * * * theirs\n"


@pytest.mark.parametrize(
    "comment", ["#RegularBackup", "#RegularBackup daily", "#RegularBackup weekly a b 9", "#RegularBackup x"]
)
def test_a_comment_that_says_nothing_is_shown_as_it_is_or_without_a_label(comment: str) -> None:
    assert schedule_table.shown(comment)[1] == ""
