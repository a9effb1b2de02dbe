"""systemd-run(1): a program in a unit of its own, which goes on when the daemon is restarted."""

from collections.abc import Mapping, Sequence

from ablestack_api.core.runner import Runner

SECONDS = 30.0


def start(
    runner: Runner, unit: str, argv: Sequence[str], *, folder: str, environ: Mapping[str, str], most_seconds: int
) -> None:
    """Returns when the program has been started; systemd ends it after `most_seconds`. No trace of the unit stays.

    Raises CommandFailed (also when a unit of that name is there), CommandTimedOut, ProgramMissing.
    """
    options = ["--quiet", "--collect", f"--unit={unit}", "--property=Type=exec", f"--property=RuntimeMaxSec={most_seconds}"]
    options += [f"--working-directory={folder}", *(f"--setenv={name}={value}" for name, value in environ.items())]
    runner.run(["systemd-run", *options, "--", *argv], timeout=SECONDS)
