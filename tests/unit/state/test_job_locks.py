"""Locks that end with their process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ablestack_api.core.errors import FileUnusable
from ablestack_api.core.settings import Settings
from ablestack_api.state import job_locks
from ablestack_api.state.job_locks import Holds, Owner, Taken

HOLDING = """
import sys, time
from ablestack_api.core.settings import Settings
from ablestack_api.state import job_locks
settings = Settings({"ABLESTACK_SYSROOT": sys.argv[1]})
held = job_locks.Holds(settings, ["vm:ccvm"], {"job": "theirs"})
owner = job_locks.Owner(settings)
print(owner.id, flush=True)
time.sleep(60)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


def files(settings: Settings) -> list[str]:
    return sorted(os.listdir(job_locks.folder(settings)))


def test_the_second_is_told_who_holds_it(settings: Settings) -> None:
    held = Holds(settings, ["vm:ccvm"], {"job": "first"})
    with pytest.raises(Taken) as caught:
        Holds(settings, ["vm:ccvm"], {"job": "second"})
    assert (caught.value.name, caught.value.note) == ("vm:ccvm", {"job": "first"})
    held.release()
    Holds(settings, ["vm:ccvm"], {"job": "third"}).release()


def test_it_is_all_or_none(settings: Settings) -> None:
    held = Holds(settings, ["b"], {"job": "first"})
    with pytest.raises(Taken):
        Holds(settings, ["a", "b", "c"], {"job": "second"})
    Holds(settings, ["a", "c"], {"job": "third"}).release()
    held.release()


def test_one_job_may_name_a_hold_twice(settings: Settings) -> None:
    Holds(settings, ["a", "a"], {}).release()


def test_releasing_twice_does_no_harm(settings: Settings) -> None:
    held = Holds(settings, ["a"], {})
    held.release()
    other = Holds(settings, ["a"], {})
    held.release()
    with pytest.raises(Taken):
        Holds(settings, ["a"], {})
    other.release()


def test_a_shorter_note_leaves_nothing_of_a_longer_one(settings: Settings) -> None:
    Holds(settings, ["a"], {"job": "a long name" * 10}).release()
    held = Holds(settings, ["a"], {"job": "x"})
    assert json.loads(Path(job_locks.hold_path(settings, "a")).read_text()) == {"job": "x"}
    held.release()
    assert Path(job_locks.hold_path(settings, "a")).read_text() == ""


def test_without_a_note_it_is_held_all_the_same(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk."""

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    held = Holds(settings, ["a"], {"job": "first"})
    with pytest.raises(Taken) as caught:
        Holds(settings, ["a"], {})
    assert caught.value.note == {}
    held.release()


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "a/b", "vm:한글", "with space", "%2e", "\x00", "a\nb"])
def test_any_name_is_one_file_of_the_folder(settings: Settings, name: str) -> None:
    path = Path(job_locks.hold_path(settings, name))
    assert path.parent == Path(job_locks.folder(settings)) / "holds"
    Holds(settings, [name], {}).release()
    assert path.is_file()


def test_different_names_are_different_files(settings: Settings) -> None:
    names = ["a/b", "a%2fb", "a:b", "a b", ".a", "%2ea", "A"]
    assert len({job_locks.hold_path(settings, name) for name in names}) == len(names)


def test_a_link_in_the_place_of_a_hold_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    path = Path(job_locks.hold_path(settings, "a"))
    path.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(FileUnusable):
        Holds(settings, ["a"], {})
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_killed_process_holds_nothing_and_does_not_live(settings: Settings, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        owner = other.stdout.readline().strip()
        with pytest.raises(Taken) as caught:
            Holds(settings, ["vm:ccvm"], {})
        assert caught.value.note == {"job": "theirs"}
        assert job_locks.owner_lives(settings, owner)
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert not job_locks.owner_lives(settings, owner)
    Holds(settings, ["vm:ccvm"], {}).release()


def test_this_process_lives_for_itself_and_others(settings: Settings) -> None:
    owner = Owner(settings)
    assert job_locks.owner_lives(settings, owner.id)
    assert job_locks.owner_lives(settings, owner.id)
    assert not job_locks.owner_lives(settings, "somebody else")


def test_only_files_of_dead_processes_are_tidied_away(settings: Settings) -> None:
    living, dead = Owner(settings), Owner(settings)
    gone = dead.id
    del dead
    job_locks.forget_dead_owners(settings)
    assert files(settings) == [f"owner-{living.id}.lock"]
    assert job_locks.owner_lives(settings, living.id)
    assert not job_locks.owner_lives(settings, gone)


def test_tidying_before_anything_was_made_is_fine(settings: Settings) -> None:
    job_locks.forget_dead_owners(settings)
