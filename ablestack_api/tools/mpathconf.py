"""mpathconf(8), which only the EL family has."""

from ablestack_api.core.runner import Runner

SECONDS = 30.0


def enable(runner: Runner) -> None:
    """Make /etc/multipath.conf if there is none, and have multipathd load. Raises ProgramMissing on Debian."""
    runner.run(["mpathconf", "--enable"], timeout=SECONDS)
