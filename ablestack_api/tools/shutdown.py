"""shutdown(8)."""

from ablestack_api.core.runner import Runner

SECONDS = 30.0


def in_a_minute(runner: Runner) -> None:
    """Returns at once; systemd switches off after a minute and tells who is logged in."""
    runner.run(["shutdown", "-h", "+1", "ablestack-api: orderly shutdown of the cluster"], timeout=SECONDS)
