"""cp(1): large files, sparse as they are, under a temporary name until they are complete and on the disk."""

import os

from ablestack_api.core.runner import Runner
from ablestack_api.tools import sync

SECONDS = 1800.0
TREE_SECONDS = 6 * 3600.0


def copy_file(runner: Runner, source: str, destination: str) -> None:
    """Replace `destination`. Raises CommandFailed, CommandTimedOut, OSError; then it is as before."""
    temporary = f"{destination}.partial"
    try:
        runner.run(["cp", "--sparse=always", "--", source, temporary], timeout=SECONDS)
        sync.file(runner, temporary)
        os.chmod(temporary, 0o644)
        os.rename(temporary, destination)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def copy_tree(runner: Runner, source: str, destination: str) -> None:
    """All that is in the folder `source` into the present folder `destination`; links stay links."""
    runner.run(["cp", "-R", "-P", "-p", "--", f"{source}/.", f"{destination}/"], timeout=TREE_SECONDS)
