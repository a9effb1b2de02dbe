"""A write as an ordered list of steps: all checked before the first one, undone from the last when one fails.

`?plan=true` shows the steps without running them; `run` does them and tells what became of each.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablestack_api.core.errors import ApiError
from ablestack_api.jobs.progress import Progress

DONE, FAILED, UNDONE, STAYS, UNDO_FAILED, NOT_BEGUN = "done", "failed", "undone", "stays", "undo failed", "not begun"


@dataclass(frozen=True)
class Step:
    """`do` returns what the step found or made. `undo` takes back what `do` did; it is called only after `do` ended well,
    or failed with `undo_if_failed` set: then it must be safe when nothing, or half of it, was done.

    `commands` shows an operator what will be run (nothing secret); a step without `undo` stays done.
    `no_return`: once it is done, all before it stays too. It destroys what undoing them would need.
    """

    name: str
    text: str
    do: Callable[[], Any]
    undo: Callable[[], Any] | None = None
    undo_if_failed: bool = False
    commands: Sequence[Sequence[str]] = ()
    no_return: bool = False


@dataclass(frozen=True)
class Plan:
    """`overrides` names the refusals that `force` set aside, `warnings` what an operator should know before."""

    title: str
    steps: Sequence[Step]
    warnings: Sequence[str] = ()
    overrides: Sequence[str] = ()

    def shape(self) -> dict[str, Any]:
        """The `val` of an answer to `?plan=true`."""
        return {
            "plan": self.title,
            "steps": [_shown(step) for step in self.steps],
            "warnings": list(self.warnings),
            "overrides": list(self.overrides),
        }


@dataclass
class Done:
    """What became of one step."""

    step: Step
    outcome: str = NOT_BEGUN
    message: str = ""
    value: Any = field(default=None, repr=False)

    def entry(self) -> dict[str, Any]:
        told = {"step": self.step.name, "text": self.step.text, "outcome": self.outcome}
        return told | ({"message": self.message} if self.message else {})


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Do every step; returns what each gave, by step name.

    Raises what the failing step raised, or Cancelled, after undoing: its text says what was taken back and what stays, its
    member `steps` tells it step by step.
    """
    record = [Done(step) for step in plan.steps]
    for number, done in enumerate(record):
        try:
            progress.check_cancelled()
        except ApiError as error:
            _take_back(record, progress)
            raise _explained(error, f"{error.detail}, before step {done.step.name}", record) from error
        progress.percent(100 * number / len(record))
        try:
            with progress.step(done.step.name, done.step.text):
                done.value = done.step.do()
        except ApiError as error:
            _fail(done, error.detail, progress)
            _take_back(record, progress)
            raise _explained(error, f"step {done.step.name} failed: {error.detail}", record) from error
        except BaseException as error:
            _fail(done, f"the daemon failed: {type(error).__name__}", progress)
            _take_back(record, progress)
            raise
        done.outcome = DONE
    return {done.step.name: done.value for done in record}


def _fail(done: Done, message: str, progress: Progress) -> None:
    done.outcome, done.message = FAILED, message
    if done.step.undo is not None and done.step.undo_if_failed:
        _undo(done, progress, FAILED)


def _take_back(record: list[Done], progress: Progress) -> None:
    """Undo what is done, the last step first, as far back as the last one without return."""
    can_return = True
    for done in reversed([done for done in record if done.outcome == DONE]):
        if can_return and done.step.undo is not None:
            _undo(done, progress, UNDONE)
        else:
            done.outcome = STAYS
        can_return = can_return and not done.step.no_return


def _undo(done: Done, progress: Progress, outcome: str) -> None:
    """What goes wrong here never keeps the steps before from being undone."""
    if done.step.undo is None:
        return
    try:
        with progress.step(f"undo-{done.step.name}", f"undo: {done.step.text}"):
            done.step.undo()
        done.outcome = outcome
    except Exception as error:
        reason = error.detail if isinstance(error, ApiError) else f"the daemon failed: {type(error).__name__}"
        done.outcome = UNDO_FAILED
        done.message = f"{done.message}; undo: {reason}" if done.message else reason


def _explained(error: ApiError, what: str, record: list[Done]) -> ApiError:
    """A copy: the error itself may be known to others too (the readings give one to all who wait)."""
    undone, stays, stuck = ([done for done in record if done.outcome == outcome] for outcome in (UNDONE, STAYS, UNDO_FAILED))
    parts = [what]
    if undone:
        parts.append(f"undone: {_names(undone)}")
    if stays:
        parts.append(f"stays done: {_names(stays)}")
    if stuck:
        told = ", ".join(f"{done.step.name} ({done.message})" for done in stuck)
        parts.append(f"could not be undone, see to it by hand: {told}")
    if not (undone or stays or stuck):
        parts.append("nothing was changed before it")
    told_error = copy.copy(error)
    told_error.detail = "; ".join(parts)
    told_error.members = {**error.members, "steps": [done.entry() for done in record]}
    return told_error


def _names(record: list[Done]) -> str:
    return ", ".join(done.step.name for done in record)


def _shown(step: Step) -> dict[str, Any]:
    shape: dict[str, Any] = {"step": step.name, "text": step.text, "undo": step.undo is not None}
    return shape | ({"commands": [list(argv) for argv in step.commands]} if step.commands else {})
