"""Locks of long work that the kernel frees when their process ends, however it ends.

`<state>/jobs/holds/<name>`: what only one job at a time may write. The file says who holds it.
`<state>/jobs/owner-<id>.lock`: held by each process that runs jobs, as long as it lives.
"""

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

FOLDER_MODE = 0o700
# Between taking a lock and writing the note into it.
NOTE_SECONDS = 0.2
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:")


def folder(settings: Settings) -> str:
    return os.path.join(settings.state_root, "jobs")


class Taken(Exception):
    """Somebody holds `name`; `note` is what that one wrote (empty when it could not)."""

    def __init__(self, name: str, note: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.note = note


class Holds:
    """Several holds, all or none. `note` tells others who has them."""

    def __init__(self, settings: Settings, names: Sequence[str], note: Mapping[str, Any]) -> None:
        """Raises Taken at once when one of them is held; FileUnusable, DiskFull."""
        self._files: list[int] = []
        try:
            for name in sorted(set(names)):
                self._files.append(_take(hold_path(settings, name), name, note))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        files, self._files = self._files, []
        for file in files:
            with contextlib.suppress(OSError):
                os.ftruncate(file, 0)
                # Closing alone does not do while a program that is just being started has a copy.
                fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def hold_path(settings: Settings, name: str) -> str:
    """Any name is one plain file name: other bytes are written as %xx, and so is a dot at the beginning."""
    safe = "".join(letter if letter in _PLAIN else "".join(f"%{byte:02x}" for byte in letter.encode()) for letter in name)
    safe = f"%2e{safe[1:]}" if safe.startswith(".") else safe
    return os.path.join(folder(settings), "holds", safe)


def _take(path: str, name: str, note: Mapping[str, Any]) -> int:
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Taken(name, _note_in(file)) from error
    except BaseException:
        os.close(file)
        raise
    # Without a note it is held all the same; a full disk must not keep work from being done.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(note).encode(), 0)
    return file


def _note_in(file: int) -> dict[str, Any]:
    end = time.monotonic() + NOTE_SECONDS
    try:
        while True:
            with contextlib.suppress(ValueError, OSError):
                note = json.loads(os.pread(file, 65536, 0))
                if isinstance(note, dict):
                    return note
            if time.monotonic() > end:
                return {}
            time.sleep(0.01)
    finally:
        os.close(file)


class Owner:
    """This process as one that runs jobs; `id` is in every job's record."""

    def __init__(self, settings: Settings) -> None:
        self.id = str(uuid.uuid4())
        self._path = _owner_path(settings, self.id)
        self._file = self._locked()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def _locked(self) -> int:
        """A file found without a lock may be tidied away by others in that moment: then once more."""
        while True:
            file = _open(self._path)
            with json_file.told(self._path):
                fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self._path).st_ino == os.fstat(file).st_ino:
                    return file
            os.close(file)


def owner_lives(settings: Settings, owner: str) -> bool:
    file = _open_present(_owner_path(settings, owner))
    if file is None:
        return False
    try:
        # Shared: two who look at once do not take each other for the owner.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def forget_dead_owners(settings: Settings) -> None:
    """Remove the files of processes that have ended; their jobs are settled first."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder(settings)):
            if name.startswith("owner-") and name.endswith(".lock"):
                _forget(os.path.join(folder(settings), name))


def _forget(path: str) -> None:
    file = _open_present(path)
    if file is None:
        return
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.unlink(path)
    os.close(file)


def _owner_path(settings: Settings, owner: str) -> str:
    return os.path.join(folder(settings), f"owner-{owner}.lock")


def _open(path: str) -> int:
    with json_file.told(path):
        os.makedirs(os.path.dirname(path), mode=FOLDER_MODE, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _open_present(path: str) -> int | None:
    with json_file.told(path):
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
