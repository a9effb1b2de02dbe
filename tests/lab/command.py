"""Runs programs of this machine: argv only, a deadline, the whole process group ended with it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.lab.errors import CommandFailedError

DEFAULT_TIMEOUT = 60.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}


@dataclass(frozen=True)
class Output:
    """What a program said: its exit status, both streams as text, and how long it took in seconds."""

    code: int
    stdout: str
    stderr: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    ok: Sequence[int] | None = (0,),
    env: Mapping[str, str] | None = None,
) -> Output:
    """Run `argv` to its end; `timeout` in seconds, `env` is added to a small fixed environment.

    Raises CommandFailedError at the deadline, or when the exit status is not in `ok` (None accepts every one).
    """
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **(env or {})},
        start_new_session=True,
        text=True,
        errors="replace",
    )
    code, stdout, stderr = _finish(process, stdin, timeout)
    if code is None or (ok is not None and code not in ok):
        raise CommandFailedError(argv, code, stdout, stderr)
    return Output(code, stdout, stderr, time.monotonic() - started)


def _finish(process: "subprocess.Popen[str]", stdin: str | None, timeout: float) -> tuple[int | None, str, str]:
    """Feed and drain `process`; (exit status or None when it had to be ended, stdout, stderr)."""
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(process)
        stdout, stderr = process.communicate()
        return None, stdout, stderr
    except BaseException:
        _end_group(process)
        raise
    return process.returncode, stdout, stderr


def _end_group(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to everything the program started in its own session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
