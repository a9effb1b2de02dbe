"""state.clvm_numbers: a number is given once."""

import json
import os
import threading
from pathlib import Path

import pytest

from ablestack_api.core.errors import StateFileDamaged
from ablestack_api.core.settings import Settings
from ablestack_api.state import clvm_numbers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


def stored(settings: Settings) -> Path:
    return Path(settings.state_root, "clvm_numbers.json")


def test_numbers_go_up_until_they_are_given_back(settings: Settings) -> None:
    assert clvm_numbers.reserve(settings, above=0, count=2, now=1000.0) == [1, 2]
    assert clvm_numbers.reserve(settings, above=0, count=1, now=1001.0) == [3]
    clvm_numbers.release(settings, [2, 3], now=1002.0)
    assert clvm_numbers.reserve(settings, above=0, count=1, now=1003.0) == [2]
    assert clvm_numbers.reserve(settings, above=9, count=1, now=1003.0) == [10]


def test_a_reservation_ends(settings: Settings) -> None:
    clvm_numbers.reserve(settings, above=0, count=3, now=1000.0)
    assert clvm_numbers.reserve(settings, above=0, count=1, now=4600.0) == [1]


def test_a_clock_that_went_back_reserves_nothing_for_ever(settings: Settings) -> None:
    clvm_numbers.reserve(settings, above=0, count=1, now=10**9)
    assert clvm_numbers.reserve(settings, above=0, count=1, now=1000.0) == [1]


@pytest.mark.parametrize("content", ["[]", "null", "5", '{"x": 1, "2": "soon", "-3": 5000}'])
def test_entries_of_another_shape_hold_nothing(settings: Settings, content: str) -> None:
    os.makedirs(settings.state_root)
    stored(settings).write_text(content)
    assert clvm_numbers.reserve(settings, above=0, count=1, now=1000.0) == [1]
    assert json.loads(stored(settings).read_text()) == {"1": 4600.0}


def test_a_damaged_file_is_told(settings: Settings) -> None:
    os.makedirs(settings.state_root)
    stored(settings).write_text("{")
    with pytest.raises(StateFileDamaged):
        clvm_numbers.reserve(settings, above=0, count=1, now=1000.0)


def test_many_at_once(settings: Settings) -> None:
    given: list[int] = []
    threads = [
        threading.Thread(target=lambda: given.extend(clvm_numbers.reserve(settings, above=4, count=2, now=1000.0)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(5, 21))
