"""sync(1): a file that another program wrote, onto the disk."""

from ablestack_api.core.runner import Runner

SECONDS = 600.0


def file(runner: Runner, path: str) -> None:
    runner.run(["sync", "--", path], timeout=SECONDS)
