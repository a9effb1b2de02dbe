"""A Progress for tests of services: nothing is recorded on disk, everything can be looked at."""

import contextlib
from collections.abc import Iterator

from ablestack_api.core.errors import ApiError


class SilentProgress:
    """`steps` and `lines` are what the work told, in order; `outcomes` how each step ended (`done` or `failed`).

    `cancel` names the error that `check_cancelled` raises once, after `cancel_after` calls of it.
    """

    def __init__(self, cancel: ApiError | None = None, *, cancel_after: int = 0) -> None:
        self.steps: list[str] = []
        self.texts: dict[str, str] = {}
        self.outcomes: dict[str, str] = {}
        self.lines: list[str] = []
        self.percents: list[float] = []
        self.checked = 0
        self._cancel = cancel
        self._cancel_after = cancel_after

    @contextlib.contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        self.steps.append(name)
        self.texts[name] = text
        self.outcomes[name] = "failed"
        yield
        self.outcomes[name] = "done"

    def log(self, line: str) -> None:
        self.lines.append(line)

    def percent(self, done: float) -> None:
        self.percents.append(done)

    def check_cancelled(self) -> None:
        self.checked += 1
        if self._cancel is not None and self.checked > self._cancel_after:
            error, self._cancel = self._cancel, None
            raise error
