"""Strict doubles of the seams: a wrong, unexpected or left-over call fails the test with the whole queue printed."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import IO, Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import ApiError, CommandFailed
from ablestack_api.core.runner import Finished, Piped, last_lines
from ablestack_api.core.secret import Secret
from ablestack_api.core.target import Target
from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from ablestack_api.remote.ssh import SshFailed, SshFinished

SEOUL = timezone(timedelta(hours=9))


class UnexpectedCall(BaseException):
    """Not an Exception: no `except Exception` of the product may hide it."""


class QueuedClock:
    """Time that moves only when a test (or a sleep) moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self.time = start or datetime(2026, 7, 1, 10, 0, tzinfo=SEOUL)
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.elapsed += seconds


@dataclass
class ExpectedRun:
    argv: list[str]
    stdout: str = ""
    stderr: str = ""
    code: int = 0
    raises: ApiError | None = None
    stdin: str | None = None


class QueuedRunner:
    """Programs that a test expects, in order. What they print is recorded from the real ones (tests/data)."""

    def __init__(self) -> None:
        self.queue: list[ExpectedRun] = []

    def expect(
        self,
        argv: Sequence[str],
        *,
        stdout: str = "",
        stderr: str = "",
        code: int = 0,
        raises: ApiError | None = None,
        stdin: str | None = None,
    ) -> None:
        self.queue.append(ExpectedRun(list(argv), stdout, stderr, code, raises, stdin))

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        plain = [value.reveal() if isinstance(value, Secret) else value for value in argv]
        given = stdin.reveal() if isinstance(stdin, Secret) else stdin
        if not self.queue or self.queue[0].argv != plain:
            raise UnexpectedCall(f"unexpected program {plain}; expected next: {[run.argv for run in self.queue]}")
        expected = self.queue.pop(0)
        if expected.stdin is not None and expected.stdin != given:
            raise UnexpectedCall(f"{plain}: stdin was {given!r}, expected {expected.stdin!r}")
        if timeout <= 0:
            raise UnexpectedCall(f"{plain}: run without a deadline")
        if expected.raises is not None:
            raise expected.raises
        if expected.code not in ok:
            text = last_lines(expected.stderr or expected.stdout)
            raise CommandFailed(
                f"{plain[0]} ended with code {expected.code}: {text}", program=plain[0], exit_code=expected.code
            )
        return Finished(expected.stdout, expected.stderr, expected.code, 0.01)

    def expect_pipe(
        self,
        source: Sequence[str],
        through: Sequence[str],
        *,
        output: bytes = b"",
        tail: bytes = b"",
        raises: ApiError | None = None,
    ) -> None:
        """`output` is what the second program writes."""
        self.queue.append(ExpectedRun([*source, "|", *through], output.decode("latin-1"), tail.decode("latin-1"), 0, raises))

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        done = self.run([*source, "|", *through], timeout=timeout)
        if into is not None:
            into.write(done.stdout.encode("latin-1"))
        tail = done.stderr.encode("latin-1")
        return Piped(len(tail), tail, 0.01)

    def finish(self) -> None:
        if self.queue:
            raise AssertionError(f"these programs were expected but not run: {[run.argv for run in self.queue]}")


@dataclass
class Call:
    """One call that was made to a peer."""

    address: str
    method: str
    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class ExpectedCall:
    address: str
    method: str
    path: str
    answer: PeerAnswer | PeerUnreachable
    used: bool = field(default=False)


class QueuedPeers:
    """Calls that a test expects: in order for each address, while different addresses may be called side by side."""

    def __init__(self) -> None:
        self.expected: list[ExpectedCall] = []
        self.made: list[Call] = []
        self._lock = threading.Lock()

    def expect(self, address: str, method: str, path: str, status: int = 200, body: Any = None) -> None:
        """`path` below /api/v1; `body` as the peer's JSON (a text stands for an answer that is no JSON)."""
        text = body if isinstance(body, str) else ""
        decoded = None if isinstance(body, str) else ({"code": status} if body is None else body)
        self._add(address, method, path, PeerAnswer(status, decoded, text))

    def expect_unreachable(
        self,
        address: str,
        method: str,
        path: str,
        reason: str = "no connection",
        *,
        timed_out: bool = False,
        connected: bool = False,
    ) -> None:
        self._add(address, method, path, PeerUnreachable(reason, timed_out=timed_out, connected=connected))

    def call(
        self, target: Target, method: str, path: str, *, body: object = None, headers: dict[str, str], deadline: Deadline
    ) -> PeerAnswer:
        with self._lock:
            self.made.append(Call(target.address, method, path, body, headers))
            expected = next((call for call in self.expected if call.address == target.address and not call.used), None)
            if expected is None or (expected.method, f"/api/v1{expected.path}") != (method, path):
                left = [(call.address, call.method, call.path) for call in self.expected if not call.used]
                raise UnexpectedCall(f"unexpected call {target.address} {method} {path}; expected: {left}")
            expected.used = True
        if isinstance(expected.answer, PeerUnreachable):
            raise expected.answer
        return expected.answer

    def finish(self) -> None:
        left = [(call.address, call.method, call.path) for call in self.expected if not call.used]
        if left:
            raise AssertionError(f"these calls were expected but not made: {left}")

    def _add(self, address: str, method: str, path: str, answer: PeerAnswer | PeerUnreachable) -> None:
        self.expected.append(ExpectedCall(address, method, path, answer))


@dataclass
class ExpectedLogin:
    address: str
    argv: list[str]
    port: int
    user: str
    outcome: SshFinished | SshFailed
    used: bool = field(default=False)


class QueuedSsh:
    """Commands on other nodes that a test expects: in order for each address, different addresses side by side."""

    def __init__(self) -> None:
        self.expected: list[ExpectedLogin] = []
        self._lock = threading.Lock()

    def expect(
        self,
        address: str,
        argv: Sequence[str],
        *,
        port: int = 22,
        user: str = "root",
        stdout: str = "",
        stderr: str = "",
        code: int = 0,
        fails: SshFailed | None = None,
    ) -> None:
        outcome = fails or SshFinished(stdout, stderr, code)
        self.expected.append(ExpectedLogin(address, list(argv), port, user, outcome))

    def run(self, target: Target, argv: Sequence[str], *, user: str, port: int, timeout: float) -> SshFinished:
        asked = (target.address, list(argv), port, user)
        with self._lock:
            waiting = [each for each in self.expected if not each.used]
            expected = next((each for each in waiting if each.address == target.address), None)
            if expected is None or (expected.address, expected.argv, expected.port, expected.user) != asked:
                raise UnexpectedCall(f"unexpected command {asked} over SSH; expected: {waiting}")
            expected.used = True
        if timeout <= 0:
            raise UnexpectedCall(f"{asked}: run without a deadline")
        if isinstance(expected.outcome, SshFailed):
            raise expected.outcome
        return expected.outcome

    def finish(self) -> None:
        left = [(each.address, each.argv, each.port) for each in self.expected if not each.used]
        if left:
            raise AssertionError(f"these commands were expected but not run: {left}")
