"""Numbers of volume groups (`vg_clvm01` …) that this node has given away and that may not be in use yet.

One node of a cluster keeps them for all, so that two nodes that make a group at the same time get different names.
"""

import os

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

# Longer than any creation takes; afterwards the group is there to be seen, or never will be.
KEPT_SECONDS = 3600.0


def reserve(settings: Settings, *, above: int, count: int, now: float) -> list[int]:
    """`count` numbers, all higher than `above` and than every one given away lately. `now` is a Unix time."""
    path = _path(settings)
    with json_file.locked(path):
        held = _held(path, now)
        first = max([above, *held]) + 1
        numbers = list(range(first, first + count))
        json_file.write_json(path, {str(number): until for number, until in {**held, **_until(numbers, now)}.items()})
    return numbers


def release(settings: Settings, numbers: list[int], *, now: float) -> None:
    """Numbers that are not used after all."""
    path = _path(settings)
    with json_file.locked(path):
        kept = {number: until for number, until in _held(path, now).items() if number not in numbers}
        json_file.write_json(path, {str(number): until for number, until in kept.items()})


def _until(numbers: list[int], now: float) -> dict[int, float]:
    return dict.fromkeys(numbers, now + KEPT_SECONDS)


def _held(path: str, now: float) -> dict[int, float]:
    """What is not over yet. An entry of another shape holds nothing: the worst is a name that LVM refuses."""
    stored = json_file.read_json(path)
    entries = stored.items() if isinstance(stored, dict) else ()
    return {
        int(number): until
        for number, until in entries
        if number.isdecimal() and isinstance(until, int | float) and now < until <= now + KEPT_SECONDS
    }


def _path(settings: Settings) -> str:
    return os.path.join(settings.state_root, "clvm_numbers.json")
