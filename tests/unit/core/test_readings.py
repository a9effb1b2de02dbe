"""One collection at a time for each source, however many ask (D22)."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.readings import Reading, Readings
from tests.support.doubles import QueuedClock

TOO_LONG = 10.0


class Source:
    """What is collected: counted, and held up until the test lets it go."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def collect(self) -> int:
        self.count += 1
        mine = self.count
        error = self.error
        self.begun.set()
        assert self.go_on.wait(TOO_LONG)
        if error is not None:
            raise error
        return mine

    def hang(self) -> None:
        self.begun.clear()
        self.go_on.clear()


@pytest.fixture
def clock() -> QueuedClock:
    return QueuedClock()


@pytest.fixture
def readings(clock: QueuedClock) -> Readings:
    return Readings(clock)


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.go_on.set()


def raised(readings: Readings, source: Source) -> None:
    with pytest.raises(CommandFailed):
        readings.get("disks", source.collect)


def later(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_reading_is_kept_for_two_seconds(readings: Readings, clock: QueuedClock, source: Source) -> None:
    first = readings.get("disks", source.collect)
    clock.advance(1.9)
    assert readings.get("disks", source.collect) == first
    clock.advance(0.2)
    assert readings.get("disks", source.collect).value == 2


def test_a_reading_tells_when_it_was_collected(readings: Readings, clock: QueuedClock, source: Source) -> None:
    assert readings.get("disks", source.collect).freshness() == {"refresh_time": "2026-07-01T10:00:00+09:00"}
    clock.advance(60)
    assert readings.get("disks", source.collect).freshness() == {"refresh_time": "2026-07-01T10:01:00+09:00"}


def test_fifty_callers_at_once_cause_one_collection(readings: Readings, source: Source) -> None:
    source.hang()
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(readings.get, "disks", source.collect) for _ in range(50)]
        assert source.begun.wait(TOO_LONG)
        source.go_on.set()
        values = {future.result(TOO_LONG).value for future in asked}
    assert values == {1}
    assert source.count == 1


def test_sources_do_not_wait_for_each_other(readings: Readings, source: Source) -> None:
    source.hang()
    later(lambda: readings.get("hung", source.collect))
    assert source.begun.wait(TOO_LONG)
    assert readings.get("other", lambda: "at once").value == "at once"


def test_a_hung_source_costs_a_moment_and_gives_the_last_reading_as_stale(
    readings: Readings, clock: QueuedClock, source: Source
) -> None:
    readings.get("disks", source.collect)
    clock.advance(10)
    source.hang()
    started = time.monotonic()
    answers = [readings.get("disks", source.collect) for _ in range(3)]
    assert time.monotonic() - started < 5
    assert [answer.value for answer in answers] == [1, 1, 1]
    assert all(answer.stale for answer in answers)
    assert answers[0].freshness()["refresh_time"] == "2026-07-01T10:00:00+09:00"
    assert "not there yet" in answers[0].freshness()["refresh_error"]
    assert source.count == 2


def test_a_source_that_takes_its_time_is_waited_for(readings: Readings, clock: QueuedClock, source: Source) -> None:
    """Ceph takes about a second although nothing is wrong with it: a moment's patience would always give old data."""
    readings.get("ceph -s", source.collect)
    clock.advance(10)
    source.hang()
    threading.Timer(0.6, source.go_on.set).start()
    reading = readings.get("ceph -s", source.collect, patience=TOO_LONG)
    assert (reading.value, reading.stale) == (2, False)


def test_when_the_hung_source_answers_the_reading_is_the_new_one(
    readings: Readings, clock: QueuedClock, source: Source
) -> None:
    readings.get("disks", source.collect)
    clock.advance(10)
    source.hang()
    assert readings.get("disks", source.collect).stale
    source.go_on.set()
    end = time.monotonic() + TOO_LONG
    while (answer := readings.get("disks", source.collect)).stale:
        assert time.monotonic() < end
    assert (answer.value, source.count) == (2, 2)


def test_a_refresh_is_a_collection_that_began_after_the_call(readings: Readings, source: Source) -> None:
    """The one under way may have looked before what the caller wants to see came about."""
    source.hang()
    later(lambda: readings.get("disks", source.collect))
    assert source.begun.wait(TOO_LONG)
    answers: list[Reading[int]] = []
    asking = later(lambda: answers.append(readings.get("disks", source.collect, refresh=True)))
    time.sleep(0.05)
    source.go_on.set()
    asking.join(TOO_LONG)
    assert [answer.value for answer in answers] == [2]


def test_a_refresh_does_not_fail_for_the_collection_before_it(readings: Readings, source: Source) -> None:
    source.hang()
    source.error = CommandFailed("lsblk failed")
    first = later(lambda: raised(readings, source))
    assert source.begun.wait(TOO_LONG)
    source.error = None
    answers: list[Reading[int]] = []
    asking = later(lambda: answers.append(readings.get("disks", source.collect, refresh=True)))
    time.sleep(0.05)
    source.go_on.set()
    asking.join(TOO_LONG)
    first.join(TOO_LONG)
    assert [(answer.value, answer.stale) for answer in answers] == [(2, False)]


def test_a_fresh_reading_is_given_while_somebody_refreshes(readings: Readings, source: Source) -> None:
    readings.get("disks", source.collect)
    source.hang()
    later(lambda: readings.get("disks", source.collect, refresh=True))
    assert source.begun.wait(TOO_LONG)
    answer = readings.get("disks", source.collect)
    assert (answer.value, answer.stale) == (1, False)


def test_what_was_forgotten_is_collected_anew(readings: Readings, source: Source) -> None:
    readings.get("disks", source.collect)
    readings.forget("disks", "never heard of")
    assert readings.get("disks", source.collect).value == 2


def test_a_collection_under_way_does_not_bring_back_what_was_forgotten(readings: Readings, source: Source) -> None:
    source.hang()
    old = later(lambda: readings.get("disks", source.collect))
    assert source.begun.wait(TOO_LONG)
    readings.forget("disks")
    new: list[Reading[int]] = []
    asking = later(lambda: new.append(readings.get("disks", source.collect)))
    time.sleep(0.05)
    source.go_on.set()
    old.join(TOO_LONG)
    asking.join(TOO_LONG)
    assert [answer.value for answer in new] == [2]


def test_the_first_error_is_raised_and_not_kept(readings: Readings, source: Source) -> None:
    source.error = CommandFailed("lsblk failed")
    with pytest.raises(CommandFailed):
        readings.get("disks", source.collect)
    source.error = None
    assert readings.get("disks", source.collect).value == 2


def test_a_later_error_gives_the_last_reading_with_its_own_time(
    readings: Readings, clock: QueuedClock, source: Source
) -> None:
    readings.get("disks", source.collect)
    source.error = CommandFailed("lsblk failed")
    clock.advance(60)
    answer = readings.get("disks", source.collect)
    assert answer.value == 1
    assert answer.freshness() == {
        "refresh_time": "2026-07-01T10:00:00+09:00",
        "stale": True,
        "refresh_error": "lsblk failed",
    }


def test_an_error_is_kept_as_briefly_as_a_reading(readings: Readings, clock: QueuedClock, source: Source) -> None:
    readings.get("disks", source.collect)
    source.error = CommandFailed("lsblk failed")
    clock.advance(60)
    readings.get("disks", source.collect)
    clock.advance(1)
    readings.get("disks", source.collect)
    assert source.count == 2
    source.error = None
    clock.advance(1.1)
    assert not readings.get("disks", source.collect).stale


def test_a_fault_of_ours_is_told_without_its_text(readings: Readings, clock: QueuedClock, source: Source) -> None:
    readings.get("disks", source.collect)
    source.error = KeyError("what only we understand")
    clock.advance(60)
    assert readings.get("disks", source.collect).freshness()["refresh_error"] == "the daemon failed: KeyError"


def test_a_thread_that_cannot_be_started_blocks_nobody_later(
    readings: Readings, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            readings.get("disks", source.collect)
    assert readings.get("disks", source.collect).value == 1
