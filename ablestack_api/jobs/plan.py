"""A write as an ordered list of steps: all checked before the first one, undone from the last when one fails.

`?plan=true` shows the steps without running them; `run` does them and tells what became of each.
"""

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
    """

    name: str
    text: str
    do: Callable[[], Any]
    undo: Callable[[], Any] | None = None
    undo_if_failed: bool = False
    commands: Sequence[Sequence[str]] = ()


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

    Raises what the failing step raised, after undoing: its text says what was taken back and what stays, its member
    `steps` tells it step by step.
    """
    record = [Done(step) for step in plan.steps]
    for number, done in enumerate(record):
        try:
            progress.check_cancelled()
            progress.percent(100 * number / max(1, len(record)))
            with progress.step(done.step.name, done.step.text):
                done.value = done.step.do()
            done.outcome = DONE
        except ApiError as error:
            raise _explained(error, done, _taken_back(record, done, error, progress), record) from error
        except BaseException as error:
            _taken_back(record, done, ApiError(f"the daemon failed: {type(error).__name__}"), progress)
            raise
    return {done.step.name: done.value for done in record}


def _taken_back(record: list[Done], failed: Done, error: ApiError, progress: Progress) -> list[Done]:
    """Undo from the last to the first; returns those whose undoing failed."""
    begun = [done for done in record if done.outcome == DONE]
    failed.outcome, failed.message = FAILED, error.detail
    if failed.step.undo is not None and failed.step.undo_if_failed:
        _undo(failed, progress, FAILED)
    for done in reversed(begun):
        if done.step.undo is None:
            done.outcome = STAYS
        else:
            _undo(done, progress, UNDONE)
    return [done for done in record if done.outcome == UNDO_FAILED]


def _undo(done: Done, progress: Progress, outcome: str) -> None:
    if done.step.undo is None:
        return
    try:
        with progress.step(f"undo-{done.step.name}", f"undo: {done.step.text}"):
            done.step.undo()
        done.outcome = outcome
    except Exception as error:
        done.outcome = UNDO_FAILED
        done.message = error.detail if isinstance(error, ApiError) else f"the daemon failed: {type(error).__name__}"


def _explained(error: ApiError, failed: Done, stuck: list[Done], record: list[Done]) -> ApiError:
    undone = [done.step.name for done in record if done.outcome == UNDONE]
    stays = [done.step.name for done in record if done.outcome == STAYS]
    parts = [f"step {failed.step.name} failed: {error.detail}"]
    if undone:
        parts.append(f"undone: {', '.join(undone)}")
    if stays:
        parts.append(f"stays done: {', '.join(stays)}")
    if stuck:
        parts.append(
            "could not be undone, see to it by hand: " + ", ".join(f"{it.step.name} ({it.message})" for it in stuck)
        )
    if not (undone or stays or stuck):
        parts.append("nothing was changed before it")
    error.detail = "; ".join(parts)
    error.members["steps"] = [done.entry() for done in record]
    return error


def _shown(step: Step) -> dict[str, Any]:
    shape: dict[str, Any] = {"step": step.name, "text": step.text, "undo": step.undo is not None}
    return shape | ({"commands": [list(argv) for argv in step.commands]} if step.commands else {})
