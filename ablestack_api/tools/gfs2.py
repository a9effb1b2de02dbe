"""GFS2: mkfs.gfs2(8), gfs2_grow(8)."""

from ablestack_api.core.runner import Runner

MKFS_SECONDS = 600.0
GROW_SECONDS = 300.0


def mkfs(runner: Runner, device: str, lock_table: str, *, journals: int, journal_mb: int, resource_group_mb: int) -> None:
    """A new file system for several nodes (`lock_table` is CLUSTER:NAME), over whatever is there.

    -O asks nobody, -K discards no blocks (that takes hours on a large LUN), -q prints nothing.
    """
    sizes = ["-j", str(journals), "-J", str(journal_mb), "-r", str(resource_group_mb)]
    argv = ["mkfs.gfs2", *sizes, "-p", "lock_dlm", "-t", lock_table, "-O", "-K", "-q", device]
    runner.run(argv, timeout=MKFS_SECONDS)


def grow(runner: Runner, mount_point: str) -> None:
    """Have a mounted file system use all of its device."""
    runner.run(["gfs2_grow", mount_point], timeout=GROW_SECONDS)
