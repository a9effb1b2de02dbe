"""The script of an update, run in a systemd unit of its own: it may restart this very daemon.

What it prints is kept in a file below /var/log/ablestack, its exit code beside it; both outlive the job.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut
from ablestack_api.core.runner import last_lines
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.ops import update_copy
from ablestack_api.ops.update_media import Medium
from ablestack_api.ops.update_models import LastRun
from ablestack_api.state import json_file
from ablestack_api.tools import systemctl, systemd_unit

MOST_SECONDS = 6 * 3600
POLL_SECONDS = 2.0
# After the script's end, until its unit has ended too.
OUTPUT_POLLS, OUTPUT_SECONDS = 25, 0.2
WRAPPER = "shell/run_update.sh"
LOGS = "updates"
# What of each output is in the answer, and of the lines in the job's own log.
TOLD_BYTES = 64 * 1024
TOLD_LINES = 2000
KEPT_LOGS = 10


@dataclass(frozen=True)
class Run:
    unit: str
    script: str
    log: str
    started: str


@dataclass(frozen=True)
class Finished:
    run: Run
    code: int
    stdout: str
    stderr: str


def start(env: Env, medium: Medium, update_type: str) -> Run:
    """Returns when it has been started. Raises what systemd-run raises."""
    now = env.clock.now()
    folder = os.path.join(os.path.dirname(env.settings.request_log), LOGS)
    with json_file.told(folder):
        os.makedirs(folder, mode=0o750, exist_ok=True)
    _forget_old_logs(folder)
    unit = f"ablestack-update-{now:%Y%m%d-%H%M%S-%f}"
    run = Run(f"{unit}.service", medium.script, os.path.join(folder, f"{unit}.log"), now.isoformat(timespec="seconds"))
    json_file.write_json(_path(env), asdict(run))
    copy = update_copy.path(env)
    wrapper = os.path.join(env.settings.config_root, WRAPPER)
    systemd_unit.start(
        env.runner,
        unit,
        ["bash", wrapper, run.log, run.script],
        folder=copy,
        environ={
            "HOME": env.settings.home,
            "ABLESTACK_UPDATE_MOUNT_PATH": medium.root,
            "ABLESTACK_UPDATE_WORK_PATH": copy,
            "ABLESTACK_UPDATE_COPY_PATH": copy,
            "ABLESTACK_UPDATE_TYPE": update_type,
        },
        most_seconds=MOST_SECONDS,
    )
    return run


def wait(env: Env, run: Run, progress: Progress) -> Finished:
    """Until it has ended. Raises CommandFailed (not code 0, or ended by somebody), CommandTimedOut."""
    limit = Deadline(env.clock, MOST_SECONDS)
    reader = _Lines(run.log)
    while (code := exit_code(run)) is None:
        reader.tell(progress)
        if _is_gone(env, run) and exit_code(run) is None:
            raise _cut_off(run, over=limit.remaining() <= POLL_SECONDS)
        env.clock.sleep(POLL_SECONDS)
    _let_outputs_end(env, run)
    reader.tell(progress)
    done = Finished(run, code, _tail(run.log), _tail(f"{run.log}.err"))
    if code != 0:
        raise _failed(done)
    return done


def _let_outputs_end(env: Env, run: Run) -> None:
    """What the script printed last may be on its way to the log; what it left running may hold the log open for ever."""
    for _ in range(OUTPUT_POLLS):
        if _is_gone(env, run):
            return
        env.clock.sleep(OUTPUT_SECONDS)


def _is_gone(env: Env, run: Run) -> bool:
    """A systemd that does not answer for a moment, as in the middle of its own update, is no reason to give up."""
    try:
        return not systemctl.is_active(env.runner, run.unit)
    except ApiError:
        return False


def last(env: Env) -> LastRun | None:
    """What is known of the last one, also after a restart of the daemon."""
    value = json_file.read_json(_path(env))
    if not isinstance(value, dict):
        return None
    run = Run(*(str(value.get(name, "")) for name in ("unit", "script", "log", "started")))
    code = exit_code(run)
    running = code is None and bool(run.unit) and env.settings.is_whole_system and systemctl.is_active(env.runner, run.unit)
    return LastRun(unit=run.unit, script=run.script, started=run.started, running=running, exit_code=code, log=run.log)


def exit_code(run: Run) -> int | None:
    """None until the script has ended."""
    text = (json_file.read_bytes(f"{run.log}.code") or b"").decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def _failed(done: Finished) -> CommandFailed:
    told = last_lines(done.stderr.strip() or done.stdout.strip())
    return CommandFailed(
        f"{done.run.script} ended with code {done.code}: {told}. What it did stays done; its output is in {done.run.log}",
        program=done.run.script,
        exit_code=done.code,
        **_members(done.run),
        stdout=done.stdout,
        stderr=done.stderr,
    )


def _cut_off(run: Run, *, over: bool) -> CommandFailed | CommandTimedOut:
    where = f"what it did stays done; its output is in {run.log}"
    if over:
        told = f"{run.script} did not end within {MOST_SECONDS // 3600} hours and was ended; {where}"
        return CommandTimedOut(told, program=run.script, seconds=MOST_SECONDS, **_members(run))
    told = f"{run.script} was ended from outside (systemctl status {run.unit}); {where}"
    return CommandFailed(told, program=run.script, exit_code=-1, **_members(run))


def _forget_old_logs(folder: str) -> None:
    """The name begins with the time; beside a log are `.err` and `.code`."""
    names = sorted(os.listdir(folder), reverse=True)
    kept = [name for name in names if name.endswith(".log")][: KEPT_LOGS - 1]
    for name in names:
        if not name.startswith(tuple(kept)):
            json_file.remove(os.path.join(folder, name))


def _members(run: Run) -> dict[str, Any]:
    return {"log": run.log, "unit": run.unit}


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TOLD_BYTES))
            return file.read(TOLD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _path(env: Env) -> str:
    return os.path.join(env.settings.state_root, "update.json")


class _Lines:
    """Hands new lines of a growing file to the job's log."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self._told = 0

    def tell(self, progress: Progress) -> None:
        if self._told >= TOLD_LINES:
            return
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                piece = file.read(TOLD_BYTES)
        except OSError:
            return
        whole = piece[: piece.rfind(b"\n") + 1] or (piece if len(piece) == TOLD_BYTES else b"")
        self._offset += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines()[: TOLD_LINES - self._told]:
            progress.log(line[:1000])
            self._told += 1
        if self._told >= TOLD_LINES:
            progress.log(f"more is in {self._path}")
