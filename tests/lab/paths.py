"""Where the lab keeps things: what is slow to make in a cache, what runs now below /run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
RUN = Path("/run/ablestack-lab")


def cache() -> Path:
    """The cache folder ($ABLESTACK_LAB_CACHE, else /var/cache/ablestack-lab); made when missing."""
    folder = Path(os.environ.get("ABLESTACK_LAB_CACHE", "/var/cache/ablestack-lab"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_folder(profile: str) -> Path:
    """The folder of one profile's running lab."""
    return RUN / profile


def disks_folder(profile: str) -> Path:
    """Where the nodes' own disks (the upper sides of their overlays) are, on a real file system."""
    return cache() / "disks" / profile


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` of the cache; waits for another holder; freed by the kernel when the holder dies."""
    with (cache() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
