"""systemctl(1)."""

from collections.abc import Sequence

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import Runner

RESTART_SECONDS = 15.0
QUERY_SECONDS = 5.0
RELOAD_SECONDS = 60.0
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


def enable(runner: Runner, unit: str) -> None:
    """From the next start of the node on; the unit is not started now."""
    runner.run(["systemctl", "enable", "--", unit], timeout=RESTART_SECONDS)


def start_soon(runner: Runner, unit: str) -> None:
    """Queue its start and do not wait for it; nothing happens to one that is active."""
    runner.run(["systemctl", "start", "--no-block", "--", unit], timeout=QUERY_SECONDS)


def stop(runner: Runner, unit: str) -> None:
    runner.run(["systemctl", "stop", "--", unit], timeout=RESTART_SECONDS)


def start(runner: Runner, unit: str) -> None:
    """Nothing happens to one that is active."""
    runner.run(["systemctl", "start", "--", unit], timeout=RESTART_SECONDS)


def daemon_reload(runner: Runner) -> None:
    """After a change of unit files or of fstab(5), which systemd makes mount units of."""
    runner.run(["systemctl", "daemon-reload"], timeout=RELOAD_SECONDS)


def is_active(runner: Runner, unit: str) -> bool:
    """Exit code 0 is active; 3 and 4 are not running and no such unit (systemctl(1), EXIT STATUS)."""
    return runner.run(["systemctl", "is-active", "--quiet", "--", unit], timeout=QUERY_SECONDS, ok=(0, 1, 3, 4)).code == 0


def has_unit(runner: Runner, unit: str) -> bool:
    """`systemctl cat` ends with 1 when there is no unit file of that name."""
    return runner.run(["systemctl", "cat", "--", unit], timeout=QUERY_SECONDS, ok=(0, 1)).code == 0


def read_states(runner: Runner, units: Sequence[str], *, seconds: float = QUERY_SECONDS) -> list[str]:
    """`active`, `inactive`, `failed`, `activating` … of each unit, in their order; exit codes as for `is_active`."""
    printed = runner.run(["systemctl", "is-active", "--", *units], timeout=seconds, ok=(0, 1, 3, 4)).stdout.split()
    return (printed + ["unknown"] * len(units))[: len(units)]


def control(runner: Runner, verb: str, unit: str, *, seconds: float) -> None:
    """`start`, `stop` or `restart`; ends when systemd has done it. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    runner.run(["systemctl", verb, "--", unit], timeout=seconds)
