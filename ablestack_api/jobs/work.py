"""One piece of long work, and how a route starts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablestack_api.jobs.progress import Progress


@dataclass(frozen=True)
class Work:
    """`kind` names it for people (`ccvm setup`); `do` returns the body of the answer the synchronous call gives.

    `do` may run after the request has ended, in another thread: it must use nothing of the request (`web.context`). A
    `core.secret.Secret` in the body it returns is answered once, as plain text, and recorded as stars.

    `holds` are what only one job at a time may write on this node (`vm:ccvm`, `storage`): another is Busy, with the id of
    the job that holds it. `cancellable`: `do` calls `check_cancelled` between its steps and takes back what it did.
    `reads_only`: it changes nothing and is no job; a console may ask every few seconds.
    `look_at` is what an operator should look at when the daemon ended in the middle (`virsh dominfo ccvm`).
    """

    kind: str
    do: Callable[[Progress], dict[str, Any]]
    holds: tuple[str, ...] = ()
    cancellable: bool = False
    reads_only: bool = False
    look_at: str = ""
