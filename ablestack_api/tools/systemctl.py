"""systemctl(1)."""

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

RESTART_SECONDS = 15.0
QUERY_SECONDS = 5.0
# What systemctl says when a unit was started five times within ten seconds (systemd.unit(5), StartLimitBurst=).
TOO_OFTEN = "attempted too often"


def restart(runner: Runner, unit: str) -> None:
    """Also when it was restarted a moment ago. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    argv = ["systemctl", "restart", "--", unit]
    try:
        runner.run(argv, timeout=RESTART_SECONDS)
    except CommandFailed as error:
        if TOO_OFTEN not in error.detail:
            raise
        runner.run(["systemctl", "reset-failed", "--", unit], timeout=QUERY_SECONDS)
        runner.run(argv, timeout=RESTART_SECONDS)


def enable_now(runner: Runner, unit: str) -> None:
    runner.run(["systemctl", "enable", "--now", "--", unit], timeout=RESTART_SECONDS)


def is_active(runner: Runner, unit: str) -> bool:
    """Exit code 0 is active; 3 and 4 are not running and no such unit (systemctl(1), EXIT STATUS)."""
    return runner.run(["systemctl", "is-active", "--quiet", "--", unit], timeout=QUERY_SECONDS, ok=(0, 1, 3, 4)).code == 0


def has_unit(runner: Runner, unit: str) -> bool:
    """`systemctl cat` ends with 1 when there is no unit file of that name."""
    return runner.run(["systemctl", "cat", "--", unit], timeout=QUERY_SECONDS, ok=(0, 1)).code == 0
