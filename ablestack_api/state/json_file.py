"""Files that are never half written: locked, replaced atomically, synced to disk."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from typing import IO

from filelock import FileLock, Timeout

from ablestack_api.core.errors import Busy, DiskFull, FileUnusable, StateFileDamaged

LOCK_SECONDS = 10.0


@contextlib.contextmanager
def locked(path: str, *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a file (`<path>.lock`, against other threads and processes of this node).

    Raises Busy when somebody holds it for longer than `timeout` seconds.
    """
    with told(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        lock = FileLock(f"{path}.lock", timeout=timeout, mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            raise Busy(f"{path} is locked by another request of this node; try again", holder="this node") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """Turn what the operating system says of a file into an error for the operator."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = DiskFull if full else FileUnusable
        advice = "free some space and try again" if full else "check the file's owner, mode and file system"
        raise kind(f"{path}: {error.strerror}; {advice}", path=path) from error


def read_bytes(path: str) -> bytes | None:
    """The content, or None when there is no such file."""
    with told(path):
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


def read_json(path: str) -> object:
    """A file of the daemon's own state; None when there is no such file. Raises StateFileDamaged."""
    content = read_bytes(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StateFileDamaged(
            f"{path} is not JSON ({error}); nothing was changed. Put back a good copy or remove it", path=path
        ) from error


def write_json(path: str, value: object) -> None:
    """Replace a state file (mode 0600). The caller holds its lock."""
    write_bytes(path, json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "replace"), mode=0o600)


def write_bytes(path: str, content: bytes, *, mode: int | None = None, default_mode: int = 0o644) -> None:
    """Replace a file: temporary file, fsync, rename, fsync of the folder. The caller holds its lock.

    Owner and mode of an existing file are kept unless `mode` says otherwise; `default_mode` is for a new file.
    A bind-mounted file cannot be renamed over: it is written in place, under its own lock.
    Raises DiskFull, FileUnusable; the old content is then still there.
    """
    path = os.path.realpath(path)
    with told(path):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        temporary = f"{path}.tmp"
        try:
            _write_new(temporary, content, _like(path, mode, default_mode))
            _replace(temporary, path, content)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def remove(path: str) -> None:
    """Delete a file and make that last; a missing file is fine."""
    with told(path), contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(path)


def sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _like(path: str, mode: int | None, default_mode: int) -> tuple[int, int, int]:
    try:
        present = os.stat(path)
    except FileNotFoundError:
        return (default_mode if mode is None else mode, -1, -1)
    return (present.st_mode & 0o7777 if mode is None else mode, present.st_uid, present.st_gid)


def _write_new(path: str, content: bytes, like: tuple[int, int, int]) -> None:
    mode, owner, group = like
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        if (owner, group) not in ((-1, -1), (os.geteuid(), os.getegid())):
            os.fchown(descriptor, owner, group)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _replace(temporary: str, path: str, content: bytes) -> None:
    try:
        os.rename(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        _write_in_place(path, content)
    else:
        sync_folder(path)


def _write_in_place(path: str, content: bytes) -> None:
    with open(path, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read()
        try:
            _overwrite(file, content)
        except OSError:
            _overwrite(file, before)
            raise


def _overwrite(file: IO[bytes], content: bytes) -> None:
    file.seek(0)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    file.truncate()
    os.fsync(file.fileno())
