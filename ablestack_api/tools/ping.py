"""ping(8)."""

from ablestack_api.core.runner import Runner

WAIT_SECONDS = 3
SECONDS = 5.0


def answers(runner: Runner, address: str) -> bool:
    """One packet. Exit code 1: no answer; 2 (no route, no such name) is an error of its own."""
    return runner.run(["ping", "-c", "1", "-W", str(WAIT_SECONDS), "--", address], timeout=SECONDS, ok=(0, 1)).code == 0
