"""sfdisk(8)."""

from ablestack_api.core.runner import Runner

SECONDS = 30.0


def partition_uuid(runner: Runner, disk: str, number: int = 1) -> str:
    """The GUID of a GPT partition, read from the disk itself: the same on whatever node the disk is looked at, under
    whatever name. Raises CommandFailed when there is no such partition."""
    return runner.run(["sfdisk", "--part-uuid", disk, str(number)], timeout=SECONDS).stdout.strip().upper()
