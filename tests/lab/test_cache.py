"""The cache holds whole things or nothing, and does not grow for ever."""

import os
from pathlib import Path

import pytest

from tests.lab import cache, mounts, profile, service_layers


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("ABLESTACK_LAB_CACHE", str(tmp_path))
    return tmp_path


def _used_at(path: Path, second: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.utime(path, (second, second))
    return path


def test_what_is_built_is_there_when_it_is_complete_and_built_once(folder: Path) -> None:
    with cache.building(folder / "thing-1") as partial:
        assert partial is not None
        (partial / "content").touch()
        assert not (folder / "thing-1").exists()
    assert (folder / "thing-1/content").exists()
    with cache.building(folder / "thing-1") as partial:
        assert partial is None


def test_a_build_that_failed_leaves_nothing(folder: Path) -> None:
    with pytest.raises(OSError, match="no space"), cache.building(folder / "thing-1"):
        raise OSError("no space")
    assert [path.name for path in folder.glob("*/")] == []


def test_a_build_that_was_killed_is_removed_by_the_next(folder: Path) -> None:
    killed = folder / f"{mounts.TEMPORARY}partial-killed"
    (killed / "half").mkdir(parents=True)
    with cache.building(folder / "thing-1"):
        assert not killed.exists()


def test_only_the_newest_are_kept(folder: Path) -> None:
    for number in range(5):
        _used_at(folder / f"thing-{number}", 1000 + number)
    _used_at(folder / "other-1", 0)
    cache.keep_newest("thing-*", 2)
    assert sorted(path.name for path in folder.glob("*/")) == ["other-1", "thing-3", "thing-4"]


def test_layers_belong_to_one_profile_and_one_choice_of_services() -> None:
    hci, vm = profile.load("hci"), profile.load("vm")
    places = [(hci, ("database",)), (hci, ("database", "ceph")), (vm, ("database",)), (hci, ("database",))]
    found = [service_layers.place(*place) for place in places]
    assert found[0] == found[3]
    assert len(set(found)) == 3


def test_layers_that_are_used_are_not_the_oldest() -> None:
    place = _used_at(service_layers.place(profile.load("hci"), ("database",)), 1000)
    others = [_used_at(place.with_name(f"services-{number}"), 2000 + number) for number in range(service_layers.KEPT)]
    service_layers.place(profile.load("hci"), ("database",))
    service_layers.remove_old()
    assert place.exists()
    assert [other.exists() for other in others] == [False, *[True] * (service_layers.KEPT - 1)]
