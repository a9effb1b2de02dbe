"""Does one thing to many nodes at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = 16


def each(items: Iterable[Item], action: Callable[[Item], Result]) -> list[Result]:
    """The results of `action` for every item, in the order of the items; raises the first error at once.

    After an error, or Ctrl-C, what has not begun never begins; what runs ends by itself (see lifecycle.abandon).
    """
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lab")
    try:
        tasks = [pool.submit(action, item) for item in items]
        done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def all_of(*actions: Callable[[], None]) -> None:
    """Run independent actions at once; raises the first error."""
    each(actions, lambda action: action())
