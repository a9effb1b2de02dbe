"""How work that takes long tells what it is doing."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    def step(self, name: str, text: str) -> AbstractContextManager[None]:
        """A part of the work, with its time and outcome: `name` is stable (`create-vg`), `text` for people."""

    def log(self, line: str) -> None:
        """A line for the job's log; never a secret."""

    def percent(self, done: float) -> None:
        """How much of the whole is done, 0 to 100, where that is known."""

    def check_cancelled(self) -> None:
        """Call between steps. Raises Cancelled once somebody asked for it: nothing more is begun, what was done is undone
        where the work knows how."""


class Quiet:
    """For work that nobody watches: what cron starts, or a caller that wants only the result."""

    @contextlib.contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        yield

    def log(self, line: str) -> None:
        return

    def percent(self, done: float) -> None:
        return

    def check_cancelled(self) -> None:
        return
