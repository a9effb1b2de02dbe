"""One piece of long work, and how a route starts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablestack_api.jobs.progress import Progress

DEFAULT_SECONDS = 3600.0


@dataclass(frozen=True)
class Work:
    """`kind` names it for people (`ccvm setup`); `do` returns the body of the answer the synchronous call gives.

    `holds` are what only one job at a time may write on this node (`vm:ccvm`, `storage`): another is Busy, with the id of
    the job that holds it. `cancellable`: `do` calls `check_cancelled` between its steps and takes back what it did.
    """

    kind: str
    do: Callable[[Progress], dict[str, Any]]
    holds: tuple[str, ...] = ()
    cancellable: bool = False
