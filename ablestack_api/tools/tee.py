"""tee(1), package coreutils: a write to a file of the kernel's that may never return, in a process that can be given up."""

from ablestack_api.core.runner import Runner

SECONDS = 60.0


def write(runner: Runner, path: str, text: str, *, seconds: float = SECONDS) -> None:
    """Raises CommandFailed, CommandTimedOut."""
    runner.run(["tee", "--", path], stdin=text, timeout=seconds)
