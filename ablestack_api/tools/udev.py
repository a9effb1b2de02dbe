"""udevadm(8)."""

from ablestack_api.core.runner import Runner

SETTLE_SECONDS = 30.0


def settle(runner: Runner, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until udev has worked off its queue: links below /dev are then as the kernel's devices are."""
    runner.run(["udevadm", "settle", f"--timeout={max(1, int(seconds))}"], timeout=seconds + 5)
