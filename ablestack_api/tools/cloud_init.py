"""cloud-init(1)."""

from ablestack_api.core.runner import Runner

SECONDS = 20.0
# cloud-init 23.4 and later: done, with warnings that did not stop it.
DONE_WITH_WARNINGS = 2


def read_status(runner: Runner) -> tuple[list[str], bool]:
    """(the lines of `cloud-init status`, whether there were recoverable errors). Raises CommandFailed when it failed."""
    finished = runner.run(["cloud-init", "status"], timeout=SECONDS, ok=(0, DONE_WITH_WARNINGS))
    lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
    return lines, finished.code == DONE_WITH_WARNINGS
