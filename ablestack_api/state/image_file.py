"""Disk images of virtual machines as files: copied as a whole or not at all, put aside, removed."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from typing import IO

from ablestack_api.core.errors import Conflict, DiskFull
from ablestack_api.state import json_file

# QEMU runs as another user; libvirt gives it the file while the machine runs (dynamic_ownership).
MODE = 0o600
PIECE = 16 * 1024 * 1024
GIB = 2**30
NO_COPY_IN_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def require(path: str, message: str) -> None:
    """Raises Conflict with 0.1.2's text when it is no regular file."""
    if not os.path.isfile(path):
        raise Conflict(f"{message}: {path} does not exist; nothing was changed")


def require_space(source: str, target: str) -> None:
    """Raises DiskFull when the copy would not fit, before anything is written."""
    folder = os.path.dirname(target)
    with json_file.told(folder):
        needed, free = os.stat(source).st_size, shutil.disk_usage(_present(folder)).free
    if needed > free:
        raise DiskFull(
            f"{target} needs {needed / GIB:.1f} GiB, {free / GIB:.1f} GiB are free there; nothing was changed", path=target
        )


def copy(source: str, target: str, between: Callable[[float], None] = lambda done: None, *, mode: int = MODE) -> None:
    """Copy into `<target>.tmp`, sync, rename. `between` gets how much is done (0 to 100) after every piece, and may raise:
    then, as after any failure, nothing is left."""
    temporary = f"{target}.tmp"
    try:
        with json_file.told(target):
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            _copy(source, temporary, between, mode)
            os.rename(temporary, target)
            json_file.sync_folder(target)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def rename(path: str, other: str) -> None:
    """Fine when there is nothing to rename."""
    with json_file.told(path), contextlib.suppress(FileNotFoundError):
        os.rename(path, other)


def empty(folder: str) -> None:
    """Remove everything in a folder, not the folder; fine when there is none."""
    with json_file.told(folder):
        paths = [entry.path for entry in os.scandir(folder)] if os.path.isdir(folder) else []
    for path in paths:
        remove_tree(path)


def remove_tree(path: str) -> None:
    """A file, a symbolic link (not what it leads to) or a folder with everything in it."""
    with json_file.told(path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _copy(source: str, temporary: str, between: Callable[[float], None], mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(source, "rb", buffering=0) as old, open(os.open(temporary, flags, 0o600), "wb", buffering=0) as new:
        size, done = os.fstat(old.fileno()).st_size, 0
        while piece := _piece(old, new):
            done += piece
            between(100.0 * done / max(size, 1))
        os.fchmod(new.fileno(), mode)
        os.fsync(new.fileno())


def _piece(old: IO[bytes], new: IO[bytes]) -> int:
    """The next bytes, within the kernel where the file systems can do that (some share the blocks)."""
    try:
        return os.copy_file_range(old.fileno(), new.fileno(), PIECE)
    except OSError as error:
        if error.errno not in NO_COPY_IN_KERNEL:
            raise
    return os.sendfile(new.fileno(), old.fileno(), None, PIECE)


def _present(folder: str) -> str:
    """The folder, or the nearest one above it that exists."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder
