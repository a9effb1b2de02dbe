"""chown(1)."""

from ablestack_api.core.runner import Runner

SECONDS = 10.0


def set_owner(runner: Runner, owner: str, path: str) -> None:
    """`owner` is USER:GROUP. Raises CommandFailed where one of them does not exist."""
    runner.run(["chown", owner, "--", path], timeout=SECONDS)
