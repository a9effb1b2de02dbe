"""state.transactions: what a node remembers of a change, and the way back."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ablestack_api.core.errors import Busy, StateFileDamaged
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.state import transactions
from ablestack_api.state.transactions import APPLIED, FINISHED, UNDONE, CoordinatorLock, Journal, Participation
from tests.support.doubles import QueuedClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path / "root")})


@pytest.fixture
def clock() -> QueuedClock:
    return QueuedClock()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file of each kind: there, empty, private, executable, and one that is missing."""
    paths = {name: tmp_path / name for name in ("plain", "empty", "private", "missing")}
    paths["plain"].write_bytes(b"old\0\xff")
    paths["empty"].write_bytes(b"")
    paths["private"].write_text("secret")
    paths["private"].chmod(0o600)
    return paths


def record(**more: object) -> Participation:
    plain = Participation("id-1", "cluster apply", "kim@10.0.0.8", 100.0, "10.10.31.2", ["10.10.31.1"], {"token": "hush"})
    return replace(plain, **more)  # type: ignore[arg-type]


def begin(settings: Settings, files: dict[str, Path]) -> Participation:
    return transactions.begin(settings, record(), [str(path) for path in files.values()])


def contents(files: dict[str, Path]) -> dict[str, tuple[bytes, int] | None]:
    return {
        name: (path.read_bytes(), path.stat().st_mode & 0o777) if path.exists() else None for name, path in files.items()
    }


def overwrite(files: dict[str, Path]) -> None:
    for path in files.values():
        path.write_bytes(b"new")
        path.chmod(0o666)


# --- participant ------------------------------------------------------------------------------------------------------


def test_everything_comes_back(settings: Settings, files: dict[str, Path]) -> None:
    before = contents(files)
    begun = begin(settings, files)
    overwrite(files)
    assert transactions.restore_files(begun) == set()
    assert contents(files) == before


def test_coming_back_twice_is_once(settings: Settings, files: dict[str, Path]) -> None:
    before = contents(files)
    begun = begin(settings, files)
    overwrite(files)
    for _ in range(3):
        transactions.restore_files(begun)
    assert contents(files) == before


@pytest.mark.parametrize("done", range(5))
def test_a_way_back_that_was_broken_off_is_taken_again(settings: Settings, files: dict[str, Path], done: int) -> None:
    """A crash after the first `done` files."""
    before = contents(files)
    begun = begin(settings, files)
    overwrite(files)
    transactions.restore_files(replace(begun, files=dict(list(begun.files.items())[:done])))
    transactions.restore_files(begun)
    assert contents(files) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_comes_back(settings: Settings, files: dict[str, Path]) -> None:
    os.chown(files["plain"], 1234, 2345)
    begun = begin(settings, files)
    files["plain"].unlink()
    files["plain"].write_bytes(b"new")
    transactions.restore_files(begun)
    assert (files["plain"].stat().st_uid, files["plain"].stat().st_gid) == (1234, 2345)


def test_a_symlink_stays_one(settings: Settings, files: dict[str, Path], tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(files["plain"])
    begun = transactions.begin(settings, record(), [str(link)])
    files["plain"].write_bytes(b"new")
    transactions.restore_files(begun)
    assert link.is_symlink()
    assert files["plain"].read_bytes() == b"old\0\xff"


def test_a_shared_file_that_others_changed_is_left_to_the_caller(settings: Settings, files: dict[str, Path]) -> None:
    begun = begin(settings, files)
    overwrite(files)
    begun = transactions.advance(settings, begun, APPLIED, written=True)
    files["plain"].write_bytes(b"new\nand a line of somebody else")
    shared = {str(files["plain"]), str(files["empty"])}
    assert transactions.restore_files(begun, shared) == {str(files["plain"])}
    assert files["plain"].read_bytes() == b"new\nand a line of somebody else"
    assert files["empty"].read_bytes() == b""


def test_the_record_is_read_back(settings: Settings, files: dict[str, Path]) -> None:
    begun = begin(settings, files)
    assert transactions.participation(settings) == begun
    advanced = transactions.advance(settings, begun, APPLIED)
    assert transactions.participation(settings) == advanced
    assert advanced.phase == APPLIED


def test_records_and_copies_are_private(settings: Settings, files: dict[str, Path]) -> None:
    begun = begin(settings, files)
    folder = Path(transactions.folder(settings))
    assert (folder / "participant.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "copies").stat().st_mode & 0o777 == 0o700
    assert begun.files[str(files["missing"])] is None


def test_a_second_change_is_kept_out(settings: Settings, files: dict[str, Path]) -> None:
    begin(settings, files)
    with pytest.raises(Busy) as caught:
        transactions.begin(settings, record(id="id-2", since=112.34), [])
    assert caught.value.members == {"holder": "kim@10.0.0.8", "age_seconds": 12.3, "change": "cluster apply"}
    with pytest.raises(Busy):
        transactions.refuse_if_pending(settings, now=0)


def test_an_ended_change_lets_others_in(settings: Settings, files: dict[str, Path], clock: QueuedClock) -> None:
    begun = begin(settings, files)
    transactions.end(settings, begun, UNDONE, clock)
    transactions.refuse_if_pending(settings, now=0)
    assert transactions.participation(settings) is None
    assert transactions.outcome_of(settings, "id-1") == UNDONE
    assert not (Path(transactions.folder(settings)) / "copies").exists()


def test_copies_that_a_crash_left_behind_are_not_mixed_up(settings: Settings, files: dict[str, Path]) -> None:
    """It crashed after the copies and before the record."""
    begin(settings, files)
    (Path(transactions.folder(settings)) / "participant.json").unlink()
    files["plain"].write_bytes(b"newer")
    before = contents(files)
    begun = begin(settings, files)
    overwrite(files)
    transactions.restore_files(begun)
    assert contents(files) == before


@pytest.mark.parametrize("content", [b"", b"{", b"\0\0"])
def test_a_damaged_record_is_told_and_kept(settings: Settings, files: dict[str, Path], content: bytes) -> None:
    """Whoever cannot read what is under way must not begin something new."""
    begin(settings, files)
    path = Path(transactions.folder(settings)) / "participant.json"
    path.write_bytes(content)
    with pytest.raises(StateFileDamaged):
        begin(settings, files)
    assert path.read_bytes() == content


# --- coordinator ------------------------------------------------------------------------------------------------------


def journal(number: int = 1) -> Journal:
    members = [
        Target("10.10.31.1", "ablecube31-1", "host", local=True),
        Target("10.10.31.10", "ccvm", "ccvm", optional=True),
    ]
    return Journal(f"id-{number}", "cluster apply", "kim@10.0.0.8", 100.0, members, waiting=["10.10.31.1"])


def test_journals_are_read_back(settings: Settings) -> None:
    assert transactions.list_journals(settings) == []
    for number in (2, 1):
        transactions.write_journal(settings, journal(number))
    assert transactions.list_journals(settings) == [journal(1), journal(2)]
    transactions.remove_journal(settings, journal(1))
    transactions.remove_journal(settings, journal(1))
    assert transactions.list_journals(settings) == [journal(2)]


def test_the_decision_is_the_last_one_written(settings: Settings) -> None:
    transactions.write_journal(settings, journal())
    assert transactions.outcome_of(settings, "id-1") == "undecided"
    transactions.write_journal(settings, replace(journal(), decision=FINISHED))
    assert transactions.outcome_of(settings, "id-1") == FINISHED


def test_only_one_leads(settings: Settings) -> None:
    first, second = CoordinatorLock(settings), CoordinatorLock(settings)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_different_locks_do_not_meet(settings: Settings) -> None:
    first, second = CoordinatorLock(settings), CoordinatorLock(settings, "settler")
    assert (first.acquire(), second.acquire()) == (True, True)
    first.release()
    second.release()


# --- history ----------------------------------------------------------------------------------------------------------


def test_the_last_outcomes_are_remembered(settings: Settings, clock: QueuedClock) -> None:
    for number in range(transactions.KEPT_HISTORY + 5):
        transactions.remember(settings, f"id-{number}", FINISHED, clock)
    transactions.remember(settings, "id-20", UNDONE, clock)
    entries = transactions.history(settings)
    assert len(entries) == transactions.KEPT_HISTORY
    assert entries[-1] == {"id": "id-20", "outcome": UNDONE, "at": clock.now().isoformat()}
    assert transactions.outcome_of(settings, "id-0") == "unknown"
    assert transactions.outcome_of(settings, "id-20") == UNDONE


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_damaged_history_is_no_history(settings: Settings, clock: QueuedClock, content: bytes) -> None:
    path = Path(transactions.folder(settings)) / "history.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert transactions.history(settings) == []
    transactions.remember(settings, "id-1", FINISHED, clock)
    assert transactions.outcome_of(settings, "id-1") == FINISHED


@pytest.mark.parametrize(("led_here", "outcome"), [(False, "undecided"), (True, "unknown")])
def test_who_takes_part_does_not_know_yet(settings: Settings, files: dict[str, Path], led_here: bool, outcome: str) -> None:
    transactions.begin(settings, record(led_here=led_here), [])
    assert transactions.outcome_of(settings, "id-1") == outcome
