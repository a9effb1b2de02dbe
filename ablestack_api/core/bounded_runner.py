"""A runner for work with one deadline over many programs."""

from collections.abc import Sequence
from typing import IO

from ablestack_api.core.clock import Deadline
from ablestack_api.core.errors import CommandTimedOut
from ablestack_api.core.runner import Finished, Piped, Runner
from ablestack_api.core.secret import Secret


class BoundedRunner:
    """Gives every program its own timeout or what is left of the deadline, whichever is less; none is begun after it."""

    def __init__(self, runner: Runner, deadline: Deadline) -> None:
        self.unbounded = runner
        self._deadline = deadline

    def run(
        self,
        argv: Sequence[str | Secret],
        *,
        timeout: float,
        stdin: str | Secret | None = None,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        return self.unbounded.run(argv, timeout=self._least(str(argv[0]), timeout), stdin=stdin, ok=ok)

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        return self.unbounded.pipe(source, through, into=into, timeout=self._least(source[0], timeout))

    def _least(self, program: str, timeout: float) -> float:
        left = self._deadline.remaining()
        if left <= 0:
            raise CommandTimedOut(
                f"{program} was not begun: the time for the whole work is over", program=program, seconds=0
            )
        return min(timeout, left)
