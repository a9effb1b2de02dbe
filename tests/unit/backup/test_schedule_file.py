"""backup.schedule_file: when a run is due, what the file keeps, and that a run is made once."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ablestack_api.backup import schedule_file
from ablestack_api.backup.schedule_file import Section
from ablestack_api.core.errors import StateFileDamaged

SEOUL = timezone(timedelta(hours=9))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SEOUL)


def section(repeat: str, time: str = "02:30", **more: int | str) -> Section:
    return Section(active=True, repeat=repeat, time=time, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "now", "due"),
    [
        (section("hourly", "00:15"), "2026-05-03 09:15", "2026-05-03 09:15"),
        (section("hourly", "00:15"), "2026-05-03 09:14", "2026-05-03 08:15"),
        (section("daily"), "2026-05-03 02:29", "2026-05-02 02:30"),
        (section("daily"), "2026-05-03 02:30", "2026-05-03 02:30"),
        (section("daily"), "2026-05-03 23:59", "2026-05-03 02:30"),
        (section("monthly", day=15), "2026-05-14 12:00", "2026-04-15 02:30"),
        (section("monthly", day=31), "2026-06-30 02:30", "2026-06-30 02:30"),
        (section("monthly", day=31), "2026-07-30 12:00", "2026-06-30 02:30"),
        (section("monthly", day=30), "2026-03-01 00:00", "2026-02-28 02:30"),
        (section("monthly", day=1), "2026-01-01 00:00", "2025-12-01 02:30"),
        (section("yearly", day=29, month=2), "2026-03-01 00:00", "2026-02-28 02:30"),
        (section("yearly", day=29, month=2), "2028-03-01 00:00", "2028-02-29 02:30"),
        (section("yearly", day=1, month=12), "2026-05-01 00:00", "2025-12-01 02:30"),
    ],
)
def test_the_last_moment_it_was_due(wanted: Section, now: str, due: str) -> None:
    """Contract 04 B-30: day 31 is not skipped in shorter months."""
    assert wanted.last_due(at(now)) == at(due)


def test_a_run_is_due_until_it_was_made(tmp_path: Path) -> None:
    wanted = section("daily", since="2026-05-01T00:00:00+09:00")
    now = at("2026-05-03 08:00")
    due = wanted.due(now)
    assert due == at("2026-05-03 02:30"), "missed at night, made up for in the morning"
    assert replace(wanted, last_run_key=wanted.key(due)).due(now) is None
    assert replace(wanted, active=False).due(now) is None


def test_what_was_due_before_it_was_set_is_not_missed() -> None:
    wanted = section("daily", since="2026-05-03T08:00:00+09:00")
    assert wanted.due(at("2026-05-03 09:00")) is None
    assert wanted.due(at("2026-05-04 02:30")) == at("2026-05-04 02:30")


def test_the_file_has_0_1_2_s_keys(tmp_path: Path) -> None:
    folder = str(tmp_path / "b")
    schedule_file.change(
        folder,
        at("2026-05-03 09:00"),
        lambda present: replace(present, backup=section("monthly", day=1, last_run_key="202605")),
    )
    written = json.loads(Path(schedule_file.path(folder)).read_text())
    assert written == {
        "target_dir": folder,
        "updated_at": "2026-05-03 09:00:00",
        "backup": {"active": True, "repeat": "monthly", "time": "02:30", "day": 1, "last_run_key": "202605"},
        "delete": {"active": False},
    }


def test_a_change_keeps_the_other_section(tmp_path: Path) -> None:
    folder, now = str(tmp_path), at("2026-05-03 09:00")
    schedule_file.change(folder, now, lambda present: replace(present, backup=section("daily")))
    policy = section("monthly", day=1, retention_months=3)
    schedule_file.change(folder, now, lambda present: replace(present, delete=policy))
    kept = schedule_file.read(folder)
    assert (kept.backup.repeat, kept.delete.retention_months) == ("daily", 3)


def test_a_file_of_the_predecessor_is_read(tmp_path: Path) -> None:
    path = Path(schedule_file.path(str(tmp_path)))
    path.parent.mkdir()
    old = {"active": True, "repeat": "daily", "time": "02:30", "day": None, "month": None}
    path.write_text(json.dumps({"target_dir": "/mnt/glue/backup/ccvm", "backup": old}))
    read = schedule_file.read(str(tmp_path))
    assert (read.target_dir, read.backup.time, read.delete.active) == ("/mnt/glue/backup/ccvm", "02:30", False)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"backup": 3}', '{"backup": {"active": true, "repeat": "daily", "time": "25:99"}}', '"x"']
)
def test_a_broken_file_is_reported_and_left_alone(tmp_path: Path, text: str) -> None:
    """Contract 04 B-32: taken for an empty one, the next change lost the other section."""
    path = Path(schedule_file.path(str(tmp_path)))
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(StateFileDamaged):
        schedule_file.change(str(tmp_path), at("2026-05-03 09:00"), lambda present: present)
    assert path.read_text() == text


def test_a_run_is_claimed_once(tmp_path: Path) -> None:
    assert schedule_file.claim(str(tmp_path), "backup", "20260503")
    assert not schedule_file.claim(str(tmp_path), "backup", "20260503")
    assert schedule_file.claim(str(tmp_path), "delete", "20260503")


def test_old_claims_go(tmp_path: Path) -> None:
    for day in range(1, 31):
        assert schedule_file.claim(str(tmp_path), "backup", f"202605{day:02}")
    assert len(list((tmp_path / "script/claims").iterdir())) == 21


@pytest.mark.parametrize(
    ("wanted", "cron"),
    [
        (section("hourly", "00:05"), "5 * * * *"),
        (section("daily"), "30 2 * * *"),
        (section("monthly", day=3), "30 2 3 * *"),
        (section("yearly", day=3, month=4), "30 2 3 4 *"),
    ],
)
def test_cron_for_display(wanted: Section, cron: str) -> None:
    assert wanted.cron == cron
