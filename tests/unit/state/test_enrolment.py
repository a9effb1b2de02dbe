"""state.enrolment: the one-time code of D5."""

from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.state import enrolment
from tests.support.doubles import QueuedClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


@pytest.fixture
def clock() -> QueuedClock:
    return QueuedClock()


def test_a_code_can_be_read_aloud(settings: Settings, clock: QueuedClock) -> None:
    code = enrolment.make(settings, clock)
    left, dash, right = code.partition("-")
    assert (len(left), dash, len(right)) == (5, "-", 5)
    assert set(left + right) <= set(enrolment.ALPHABET)
    assert not set("01IO") & set(enrolment.ALPHABET)


def test_the_code_itself_is_nowhere_on_disk(settings: Settings, clock: QueuedClock) -> None:
    code = enrolment.make(settings, clock)
    path = Path(enrolment.path(settings))
    assert code not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_blanks_and_case_do_not_matter(settings: Settings, clock: QueuedClock) -> None:
    code = enrolment.make(settings, clock)
    assert enrolment.is_valid(settings, clock, f" {code.lower()}\n")


@pytest.mark.parametrize("code", ["", "AAAAA-AAAAA", "한글"])
def test_other_codes_are_not_valid(settings: Settings, clock: QueuedClock, code: str) -> None:
    assert not enrolment.is_valid(settings, clock, code)
    enrolment.make(settings, clock)
    assert not enrolment.is_valid(settings, clock, code)


def test_it_lives_an_hour(settings: Settings, clock: QueuedClock) -> None:
    code = enrolment.make(settings, clock)
    clock.advance(enrolment.LIFETIME_SECONDS - 1)
    assert enrolment.is_valid(settings, clock, code)
    clock.advance(1)
    assert not enrolment.is_valid(settings, clock, code)


def test_a_new_code_ends_the_old_one(settings: Settings, clock: QueuedClock) -> None:
    old, new = enrolment.make(settings, clock), enrolment.make(settings, clock)
    assert not enrolment.is_valid(settings, clock, old)
    assert enrolment.is_valid(settings, clock, new)


def test_it_can_be_used_up(settings: Settings, clock: QueuedClock) -> None:
    code = enrolment.make(settings, clock)
    enrolment.use_up(settings)
    assert not enrolment.is_valid(settings, clock, code)
    enrolment.use_up(settings)
