"""mkfs.xfs(8)."""

from ablestack_api.core.runner import Runner

MAKE_SECONDS = 300.0


def make(runner: Runner, device: str) -> None:
    """Without discarding the blocks first, which takes hours on some disks. Refuses a device that holds a file system."""
    runner.run(["mkfs.xfs", "-K", device], timeout=MAKE_SECONDS)
