"""Writes as steps: what is done, undone, stays, cannot be undone, was not begun."""

from collections.abc import Callable
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, Cancelled, CommandFailed, Conflict
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from tests.support.progress import SilentProgress


class Diary:
    """Steps that tell what they did, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(
        self,
        name: str,
        *,
        fails: BaseException | None = None,
        undo: bool = True,
        undo_fails: BaseException | None = None,
        **more: Any,
    ) -> Step:
        return Step(
            name,
            f"do {name}",
            self._work(name, fails),
            undo=self._work(f"undo {name}", undo_fails) if undo else None,
            **more,
        )

    def _work(self, line: str, fails: BaseException | None) -> Callable[[], str]:
        def work() -> str:
            self.lines.append(line)
            if fails is not None:
                raise fails
            return line.upper()

        return work


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def progress() -> SilentProgress:
    return SilentProgress()


def failed(steps: list[Step], progress: SilentProgress) -> ApiError:
    with pytest.raises(ApiError) as caught:
        plan.run(Plan("test", steps), progress)
    return caught.value


def outcomes(error: ApiError) -> dict[str, str]:
    entries = error.members["steps"]
    assert isinstance(entries, list)
    return {entry["step"]: entry["outcome"] for entry in entries}


def test_every_step_is_done_in_order_and_gives_what_it_made(diary: Diary, progress: SilentProgress) -> None:
    assert plan.run(Plan("test", [diary.step("a"), diary.step("b")]), progress) == {"a": "A", "b": "B"}
    assert diary.lines == ["a", "b"]
    assert progress.outcomes == {"a": "done", "b": "done"}
    assert progress.percents == [0, 50]


def test_a_plan_without_steps_is_done(progress: SilentProgress) -> None:
    assert plan.run(Plan("test", []), progress) == {}


def test_a_failure_undoes_the_steps_before_from_the_last(diary: Diary, progress: SilentProgress) -> None:
    steps = [diary.step("a"), diary.step("b"), diary.step("c", fails=CommandFailed("no space")), diary.step("d")]
    error = failed(steps, progress)
    assert diary.lines == ["a", "b", "c", "undo b", "undo a"]
    assert isinstance(error, CommandFailed)
    assert error.detail == "step c failed: no space; undone: a, b"
    assert outcomes(error) == {"a": "undone", "b": "undone", "c": "failed", "d": "not begun"}
    assert progress.steps == ["a", "b", "c", "undo-b", "undo-a"]


def test_a_failure_of_the_first_step_changes_nothing(diary: Diary, progress: SilentProgress) -> None:
    error = failed([diary.step("a", fails=Conflict("is mounted")), diary.step("b")], progress)
    assert error.detail == "step a failed: is mounted; nothing was changed before it"
    assert outcomes(error) == {"a": "failed", "b": "not begun"}


def test_a_step_without_undo_stays_and_is_told(diary: Diary, progress: SilentProgress) -> None:
    error = failed([diary.step("a"), diary.step("b", undo=False), diary.step("c", fails=Conflict("no"))], progress)
    assert error.detail == "step c failed: no; undone: a; stays done: b"
    assert outcomes(error) == {"a": "undone", "b": "stays", "c": "failed"}


def test_behind_a_step_without_return_nothing_is_undone(diary: Diary, progress: SilentProgress) -> None:
    steps = [
        diary.step("a"),
        diary.step("b", undo=False, no_return=True),
        diary.step("c"),
        diary.step("d", fails=Conflict("no")),
    ]
    error = failed(steps, progress)
    assert diary.lines == ["a", "b", "c", "d", "undo c"]
    assert outcomes(error) == {"a": "stays", "b": "stays", "c": "undone", "d": "failed"}


def test_before_the_step_without_return_is_done_all_is_undone(diary: Diary, progress: SilentProgress) -> None:
    error = failed([diary.step("a"), diary.step("b", fails=Conflict("no"), no_return=True)], progress)
    assert outcomes(error) == {"a": "undone", "b": "failed"}


def test_what_cannot_be_undone_is_told_and_the_rest_is_undone(diary: Diary, progress: SilentProgress) -> None:
    steps = [
        diary.step("a"),
        diary.step("b", undo_fails=CommandFailed("umount: busy")),
        diary.step("c", undo_fails=ValueError("a fault")),
        diary.step("d", fails=Conflict("no")),
    ]
    error = failed(steps, progress)
    assert diary.lines == ["a", "b", "c", "d", "undo c", "undo b", "undo a"]
    assert outcomes(error) == {"a": "undone", "b": "undo failed", "c": "undo failed", "d": "failed"}
    assert error.detail == (
        "step d failed: no; undone: a; could not be undone, see to it by hand: b (umount: busy),"
        " c (the daemon failed: ValueError)"
    )


def test_a_failed_step_is_undone_itself_where_it_says_so(diary: Diary, progress: SilentProgress) -> None:
    steps = [diary.step("a"), diary.step("b", fails=Conflict("half done"), undo_if_failed=True)]
    error = failed(steps, progress)
    assert diary.lines == ["a", "b", "undo b", "undo a"]
    assert outcomes(error) == {"a": "undone", "b": "failed"}


def test_a_failed_step_whose_undo_fails_too_tells_both(diary: Diary, progress: SilentProgress) -> None:
    steps = [diary.step("a", fails=Conflict("half done"), undo_if_failed=True, undo_fails=CommandFailed("stuck"))]
    error = failed(steps, progress)
    assert outcomes(error) == {"a": "undo failed"}
    assert "see to it by hand: a (half done; undo: stuck)" in error.detail


def test_a_fault_of_ours_undoes_too_and_stays_a_fault(diary: Diary, progress: SilentProgress) -> None:
    with pytest.raises(ZeroDivisionError):
        plan.run(Plan("test", [diary.step("a"), diary.step("b", fails=ZeroDivisionError())]), progress)
    assert diary.lines == ["a", "b", "undo a"]


def test_cancelled_before_a_step_that_step_is_not_begun(diary: Diary) -> None:
    progress = SilentProgress(Cancelled("root asked for it"), cancel_after=2)
    error = failed([diary.step("a"), diary.step("b"), diary.step("c"), diary.step("d")], progress)
    assert isinstance(error, Cancelled)
    assert diary.lines == ["a", "b", "undo b", "undo a"]
    assert outcomes(error) == {"a": "undone", "b": "undone", "c": "not begun", "d": "not begun"}
    assert error.detail == "root asked for it, before step c; undone: a, b"
    assert progress.steps == ["a", "b", "undo-b", "undo-a"]


def test_cancelled_before_the_first_step_nothing_is_changed(diary: Diary) -> None:
    error = failed([diary.step("a")], SilentProgress(Cancelled("root asked for it")))
    assert diary.lines == []
    assert error.detail == "root asked for it, before step a; nothing was changed before it"


def test_cancelled_in_the_middle_of_a_step_that_step_has_failed(diary: Diary, progress: SilentProgress) -> None:
    error = failed([diary.step("a"), diary.step("b", fails=Cancelled("asked"), undo_if_failed=True)], progress)
    assert isinstance(error, Cancelled)
    assert diary.lines == ["a", "b", "undo b", "undo a"]
    assert outcomes(error) == {"a": "undone", "b": "failed"}


def test_an_error_that_others_know_too_is_left_as_it_was(diary: Diary, progress: SilentProgress) -> None:
    known = CommandFailed("lsblk failed", program="lsblk")
    error = failed([diary.step("a", fails=known)], progress)
    assert (error.members["program"], error.status) == ("lsblk", 502)
    assert (known.detail, known.members) == ("lsblk failed", {"program": "lsblk"})


def test_a_plan_shows_its_steps_without_doing_them(diary: Diary) -> None:
    steps = [diary.step("a", commands=[("vgcreate", "vg_x", "/dev/sdb")]), diary.step("b", undo=False)]
    shape = Plan("make a pool", steps, warnings=["sdb is erased"], overrides=["sdb holds a file system"]).shape()
    assert shape == {
        "plan": "make a pool",
        "steps": [
            {"step": "a", "text": "do a", "undo": True, "commands": [["vgcreate", "vg_x", "/dev/sdb"]]},
            {"step": "b", "text": "do b", "undo": False},
        ],
        "warnings": ["sdb is erased"],
        "overrides": ["sdb holds a file system"],
    }
    assert diary.lines == []
