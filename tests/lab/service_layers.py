"""Keeps what the set-up of the services wrote to the nodes' disks: a read-only layer for each node, in the cache.

A node that starts on its layer is a machine that was shut down in order and is switched on again. The product is in no
layer, so its edits leave them good, and nothing of a cluster that was applied can be in one.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab import cache, paths, rootfs
from tests.lab.machine import Machine
from tests.lab.profile import Profile

KEPT = 4
# The code that decides what is in a layer; beside it only the root file system and the profile do.
HERE = Path(__file__).parent
INGREDIENTS = (Path(__file__), HERE / "identity.py", HERE / "service_setup.py", *sorted((HERE / "services").glob("*.*")))
# What a machine collects while it runs and nobody misses.
REMOVED = ("var/log/journal/*", "var/tmp/*")


def place(profile: Profile, services: Sequence[str]) -> Path:
    """The folder in the cache that has, or is to get, a layer for each node of the profile; the newest of all now."""
    digest = hashlib.sha256(repr((rootfs.key(), profile, tuple(services))).encode())
    for path in INGREDIENTS:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    folder = paths.cache() / f"services-{digest.hexdigest()[:12]}"
    if folder.exists():
        os.utime(folder)
    return folder


def capture(machine: Machine, layer: Path) -> None:
    """Make a layer of the disk of a machine that was shut down."""
    machine.eject_disk(layer)
    for path in (path for pattern in REMOVED for path in layer.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def remove_old() -> None:
    """Keep the layers of the profiles that were started last, and those that running nodes are mounted on."""
    cache.keep_newest("services-*", KEPT)
