"""Steps that change nothing by themselves."""

from collections.abc import Callable
from typing import Any

from ablestack_api.jobs.plan import Step


def look(name: str, text: str, do: Callable[[], Any]) -> Step:
    """It waits, checks or tidies up: there is nothing to undo."""
    return Step(name, text, do, nothing)


def nothing() -> None:
    """Also the undoing of a step whose work goes with what another step takes away."""
