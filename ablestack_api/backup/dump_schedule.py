"""When dumps are made and deleted: root's crontab and at's queues (contract 04 §6.4, D25)."""

import os
import re
import shlex
from contextlib import AbstractContextManager

from ablestack_api.backup import schedule_table
from ablestack_api.backup.dump_request import Asked
from ablestack_api.backup.schedule_table import DELETION, Sort
from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.state import json_file
from ablestack_api.tools import at, crontab, systemctl

PROGRAM = "/usr/bin/ablestack-api"
CRON_UNITS = ("crond.service", "cron.service")  # EL, Debian
NONE = "None"


def command(asked: Asked, folder: str) -> str:
    """A line for sh: what cron and at run. It holds no secret and does what the API does."""
    argv = [PROGRAM, "db-dump", "prune" if asked.sort is DELETION else "make", "--path", folder]
    return shlex.join([*argv, "--older-than", str(asked.days)] if asked.sort is DELETION else argv)


def put(env: Env, asked: Asked, folder: str) -> None:
    """Replace the schedule of this sort. Raises BadInput (a time at(1) does not know), Conflict (nobody would run it)."""
    _require_whole_system(env)
    line = command(asked, folder)
    with _table_lock(env):
        before = crontab.read(env.runner)
        old_jobs = at.list_jobs(env.runner, asked.sort.queue)
        if asked.repeat is None:
            at.add(env.runner, asked.sort.queue, asked.once, line)
            table = schedule_table.without(before, asked.sort)
        else:
            _require_cron(env)
            suffix = str(asked.days) if asked.sort is DELETION else ""
            table = schedule_table.with_schedule(before, asked.sort, asked.repeat, env.clock.now(), line, suffix)
        _install(env, before, table)
        at.remove(env.runner, old_jobs)


def remove(env: Env, sort: Sort) -> None:
    _require_whole_system(env)
    with _table_lock(env):
        before = crontab.read(env.runner)
        _install(env, before, schedule_table.without(before, sort))
        at.remove(env.runner, at.list_jobs(env.runner, sort.queue))


def show(env: Env, sort: Sort) -> str:
    """As the console shows it; `None` when nothing is scheduled."""
    jobs = at.list_jobs(env.runner, sort.queue)
    if jobs:
        days = _days_of(at.show(env.runner, jobs[0].number)) if sort is DELETION else ""
        return f"{jobs[0].when:%Y-%m-%d %H:%M} ({_joined('반복 없음', days, sort)})"
    comment = schedule_table.comment_of(crontab.read(env.runner), sort)
    if not comment:
        return NONE
    when, label, days = schedule_table.shown(comment)
    return f"{when} ({_joined(label, days, sort)})" if label else when


def _joined(label: str, days: str, sort: Sort) -> str:
    return f"{label}, {days or 'N/A'}일 지난 파일 삭제" if sort is DELETION else label


def _days_of(script: str) -> str:
    """From our own command, or the find(1) of 0.1.2."""
    match = re.search(r"(?:--older-than|-mtime) \+?(\d+)", script)
    return match[1] if match else ""


def _install(env: Env, before: str, table: str) -> None:
    if table != before:
        crontab.install(env.runner, table)


def _table_lock(env: Env) -> AbstractContextManager[None]:
    return json_file.locked(os.path.join(env.settings.state_root, "crontab"))


def _require_cron(env: Env) -> None:
    if not any(systemctl.is_active(env.runner, unit) for unit in CRON_UNITS):
        raise Conflict(
            "the service cron does not run, so nothing was scheduled; systemctl enable --now crond (Debian: cron)"
        )


def _require_whole_system(env: Env) -> None:
    if not env.settings.is_whole_system:
        raise Conflict("this node lives in a folder: root's crontab and at's queues are not its own, nothing was scheduled")
