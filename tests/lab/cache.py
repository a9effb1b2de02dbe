"""The cache: what is slow to make is made once, is there whole or not at all, and goes when it is old."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import mounts, paths


@contextmanager
def building(finished: Path) -> Iterator[Path | None]:
    """An empty folder that becomes `finished` when the block ends well, or None when that is there already.

    One process builds at a time; what builds that did not end left behind is removed first.
    """
    with paths.locked("build"):
        if finished.exists():
            yield None
            return
        mounts.remove_abandoned(paths.cache())
        partial = Path(tempfile.mkdtemp(prefix=f"{mounts.TEMPORARY}partial-", dir=paths.cache()))
        partial.chmod(0o755)
        try:
            yield partial
            os.sync()  # this machine may lose power, too
            partial.rename(finished)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def keep_newest(pattern: str, number: int) -> None:
    """Delete what matches `pattern`, except so many of the newest and what running nodes are mounted on."""
    folders = sorted(paths.cache().glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[number:]:
        if not mounts.is_layer_in_use(folder):
            shutil.rmtree(folder)
