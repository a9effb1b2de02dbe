"""systemd-run(1): a command that systemd runs later, whether the daemon lives then or not."""

from collections.abc import Sequence

from ablestack_api.core.runner import Runner

SECONDS = 10.0


def start(runner: Runner, unit: str, seconds: int, argv: Sequence[str]) -> None:
    """Run `argv` in so many seconds, once. Raises CommandFailed, CommandTimedOut, ProgramMissing."""
    options = ["--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s"]
    runner.run(["systemd-run", *options, "--", *argv], timeout=SECONDS)


def stop(runner: Runner, unit: str) -> None:
    """It will not run; fine when it has."""
    runner.run(["systemctl", "stop", "--", f"{unit}.timer"], timeout=SECONDS, ok=(0, 5))
