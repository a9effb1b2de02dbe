"""What was read last, and when: one collection at a time for each source, however many ask (D22).

A caller gets a reading that is at most `keep` seconds old. When it is older, one thread collects anew and the callers
wait for it, but only for a moment: a source that hangs costs nobody more than that, they get the last reading, marked as
stale. Only who asks for a refresh waits to the end.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from ablestack_api.core.clock import Clock
from ablestack_api.core.errors import ApiError

T = TypeVar("T")

KEEP_SECONDS = 2.0
# How long a caller who can have an older reading waits for a new one.
PATIENCE_SECONDS = 0.25


@dataclass(frozen=True)
class Reading(Generic[T]):
    """`at` is when `value` was collected; `error` is why there is no newer one."""

    value: T
    at: datetime
    error: ApiError | None = None

    @property
    def stale(self) -> bool:
        return self.error is not None

    def freshness(self) -> dict[str, Any]:
        """The members of an answer that tell how old its data is (D22)."""
        told: dict[str, Any] = {"refresh_time": self.at.isoformat(timespec="seconds")}
        if self.error is not None:
            told |= {"stale": True, "refresh_error": self.error.detail}
        return told


class Readings:
    """The last reading of every source of this process, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sources: dict[str, _Source] = {}

    def get(
        self,
        name: str,
        collect: Callable[[], T],
        *,
        refresh: bool = False,
        keep: float = KEEP_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> Reading[T]:
        """The reading of source `name`, made by `collect` (which has deadlines of its own) when it is needed.

        `refresh`: wait for a collection that began after this call. `patience` is for a source that takes longer than a
        moment although nothing is wrong with it. Raises what `collect` raises when there is no earlier reading; with
        one, that one is given, with the error.
        """
        with self._lock:
            source = self._sources.setdefault(name, _Source(self._clock))
        return source.refreshed(collect) if refresh else source.recent(collect, keep, patience)

    def forget(self, *names: str) -> None:
        """After a change: the next reading is a new one, whatever is known or being collected now."""
        with self._lock:
            for name in names:
                self._sources.pop(name, None)


class _Source:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Reading[Any] | None = None
        self._tried = 0.0
        self._running: Future[None] | None = None
        self._started = 0.0

    def recent(self, collect: Callable[[], Any], keep: float, patience: float) -> Reading[Any]:
        with self._lock:
            last = self._last
            if last is not None and self._clock.monotonic() - self._tried <= keep:
                return last
            running = self._running or self._start(collect)
            patience -= self._clock.monotonic() - self._started
        if last is None:
            running.result()
        elif not _ended(running, max(0.0, patience)):
            waited = self._clock.monotonic() - self._started
            return Reading(last.value, last.at, ApiError(f"a new reading was begun {waited:.1f} s ago and is not there yet"))
        return self._told()

    def refreshed(self, collect: Callable[[], Any]) -> Reading[Any]:
        with self._lock:
            earlier = self._running
        if earlier is not None:  # it may have looked before what the caller wants to see came about
            wait((earlier,))
        with self._lock:
            running = self._running or self._start(collect)
        running.result()
        return self._told()

    def _start(self, collect: Callable[[], Any]) -> "Future[None]":
        """With the lock held: the thread cannot end before it is known, and is not known when it cannot be started."""
        running: Future[None] = Future()
        threading.Thread(target=self._collect, args=(collect, running), name="reading", daemon=True).start()
        self._running, self._started = running, self._clock.monotonic()
        return running

    def _collect(self, collect: Callable[[], Any], running: "Future[None]") -> None:
        error: BaseException | None = None
        try:
            value = collect()
            reading = Reading(value, self._clock.now())
        except BaseException as raised:
            error = raised
        with self._lock:
            if error is None:
                self._last = reading
            elif self._last is not None:
                self._last = Reading(self._last.value, self._last.at, _as_api_error(error))
            self._tried, self._running = self._clock.monotonic(), None
            first = self._last is None
        if error is not None and first:
            running.set_exception(error)
        else:
            running.set_result(None)

    def _told(self) -> Reading[Any]:
        with self._lock:
            assert self._last is not None
            return self._last


def _ended(running: "Future[None]", seconds: float) -> bool:
    try:
        running.result(seconds)
    except TimeoutError:
        return False
    return True


def _as_api_error(error: BaseException) -> ApiError:
    return error if isinstance(error, ApiError) else ApiError(f"the daemon failed: {type(error).__name__}")
