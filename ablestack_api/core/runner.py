"""The one place that starts programs. Nothing else in the package imports subprocess."""

import logging
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from ablestack_api.core.secret import MASK, Secret

log = logging.getLogger(__name__)

MAX_STDOUT = 32 * 1024 * 1024
MAX_STDERR = 64 * 1024
TOLD_LINES = 5
# What a program still writes, or holds open through a child it left behind, after it has ended itself.
AFTERMATH_SECONDS = 0.5

# Which package brings a program, for the operator who is told that it is missing (EL name, Debian name if different).
PACKAGES = {
    "chronyd": "chrony",
    "cockpit-bridge": "cockpit-bridge",
    "modprobe": "kmod",
    "sysctl": "procps-ng (Debian: procps)",
    "systemctl": "systemd",
}


@dataclass(frozen=True)
class Finished:
    """`stdout` and `stderr` are texts (undecodable bytes kept as surrogates), `seconds` the time it took."""

    stdout: str
    stderr: str
    code: int
    seconds: float


class Runner(Protocol):
    def run(
        self,
        argv: Sequence[str | Secret],
        *,
        timeout: float,
        stdin: str | Secret | None = None,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        """Run a program, never through a shell, and wait for it at most `timeout` seconds.

        `argv[0]` is a bare program name; `stdin` is its whole input (nothing when None). The program runs in its
        own session; whatever is left of it when the time is over, or when it has ended, is killed.
        Raises CommandFailed (exit code not in `ok`), CommandTimedOut, ProgramMissing.
        """


class SystemRunner:
    """Starts real programs from the directories of `path` with an environment of its own."""

    def __init__(self, path: str, home: str) -> None:
        self._path = path
        self._environ = {"LC_ALL": "C.UTF-8", "PATH": path, "HOME": home}

    def run(
        self,
        argv: Sequence[str | Secret],
        *,
        timeout: float,
        stdin: str | Secret | None = None,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        name = os.path.basename(_plain(argv[0]))
        started = time.monotonic()
        child = self._start(argv, with_input=stdin is not None)
        try:
            outcome = _Reader(child, stdin, started + timeout).read()
        finally:
            _kill_session(child)
        seconds = time.monotonic() - started
        log.info("ran %s: code %s in %.3f s", _shown(argv), child.returncode, seconds)
        return _judge(name, outcome, child.returncode, seconds, timeout, ok)

    def _start(self, argv: Sequence[str | Secret], *, with_input: bool) -> "subprocess.Popen[bytes]":
        name = _plain(argv[0])
        program = name if os.path.isabs(name) else shutil.which(name, path=self._path)
        if program is None:
            raise _missing(name)
        try:
            return subprocess.Popen(
                [program, *(_plain(argument) for argument in argv[1:])],
                stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environ,
                cwd="/",
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _missing(name) from error


@dataclass
class _Outcome:
    stdout: bytearray
    stderr: bytearray
    timed_out: bool = False
    too_much: bool = False


class _Reader:
    """Feeds a child its input and collects its output until it has ended, says too much, or its time is over."""

    def __init__(self, child: "subprocess.Popen[bytes]", stdin: str | Secret | None, end: float) -> None:
        self._child = child
        self._end = end
        self._outcome = _Outcome(bytearray(), bytearray())
        self._to_write = memoryview(_plain(stdin).encode("utf-8", "surrogateescape") if stdin is not None else b"")
        self._selector = selectors.DefaultSelector()
        self._watch(child.stdout, selectors.EVENT_READ)
        self._watch(child.stderr, selectors.EVENT_READ)
        self._watch(child.stdin, selectors.EVENT_WRITE)

    def read(self) -> _Outcome:
        with self._selector:
            while self._selector.get_map() and not self._outcome.too_much:
                wait = self._end - time.monotonic()
                if wait <= 0:
                    self._outcome.timed_out = self._child.poll() is None
                    return self._outcome
                if self._child.poll() is not None:
                    self._end = min(self._end, time.monotonic() + AFTERMATH_SECONDS)
                for key, _ in self._selector.select(min(wait, 0.2)):
                    self._serve(key)
        self._wait()
        return self._outcome

    def _watch(self, stream: IO[bytes] | None, event: int) -> None:
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, event)

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._child.stdin:
            self._write()
            return
        chunk = os.read(key.fd, 65536)
        if not chunk:
            self._selector.unregister(key.fileobj)
        elif key.fileobj is self._child.stdout:
            self._outcome.stdout += chunk
            self._outcome.too_much = len(self._outcome.stdout) > MAX_STDOUT
        else:
            self._outcome.stderr += chunk
            del self._outcome.stderr[:-MAX_STDERR]

    def _write(self) -> None:
        stream = self._child.stdin
        if stream is None:
            return
        try:
            written = os.write(stream.fileno(), self._to_write[:65536]) if self._to_write else 0
            self._to_write = self._to_write[written:]
        except BrokenPipeError:
            self._to_write = memoryview(b"")
        if not self._to_write:
            self._selector.unregister(stream)
            stream.close()

    def _wait(self) -> None:
        """The pipes are closed; the program itself may still live."""
        if self._outcome.too_much:
            return
        try:
            self._child.wait(max(0.0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._outcome.timed_out = True


def _kill_session(child: "subprocess.Popen[bytes]") -> None:
    """End the whole process group: a program's own children would otherwise outlive its deadline."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None and not stream.closed:
            stream.close()
    child.wait()


def _judge(name: str, outcome: _Outcome, code: int, seconds: float, timeout: float, ok: Sequence[int]) -> Finished:
    stdout = outcome.stdout.decode("utf-8", "surrogateescape")
    stderr = outcome.stderr.decode("utf-8", "surrogateescape")
    if outcome.timed_out:
        raise CommandTimedOut(f"{name} did not end within {timeout:g} s and was killed", program=name, seconds=timeout)
    if outcome.too_much:
        raise CommandFailed(f"{name} printed more than {MAX_STDOUT} bytes and was killed", program=name, exit_code=code)
    if code not in ok:
        raise CommandFailed(f"{name} ended with code {code}: {last_lines(stderr or stdout)}", program=name, exit_code=code)
    return Finished(stdout, stderr, code, seconds)


def last_lines(text: str) -> str:
    """The end of a program's output, as one line for an error's text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-TOLD_LINES:]).encode("utf-8", "replace").decode() or "it printed nothing"


def _missing(program: str) -> ProgramMissing:
    package = PACKAGES.get(program, program)
    return ProgramMissing(
        f"the program {program} is not installed on this node; the package {package} brings it",
        program=program,
        package=package,
    )


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _shown(argv: Sequence[str | Secret]) -> str:
    return " ".join(MASK if isinstance(argument, Secret) else argument for argument in argv)
