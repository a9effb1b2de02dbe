"""Making a dump of the Cloud Center's database, on the Cloud Center VM itself (contract 04 §6.4).

It gets its name only when it is complete: mysqldump ended well, its last line is there, the file is on the disk, the
manifest says what is in it.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any

from ablestack_api.backup import dump_files, unfinished
from ablestack_api.core.errors import ApiError, CommandFailed, DiskFull, NotFound
from ablestack_api.core.runner import Piped
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.state import json_file
from ablestack_api.tools import mariadb

DATABASE = "cloud"
DUMP_SECONDS = 3600.0
PACK = ["gzip", "-6"]
# A packed dump is about a tenth of the tables; where less than a quarter is free, it is not even begun.
LEAST_FREE_PART = 0.25
LEAST_FREE_BYTES = 64 * 1024 * 1024
FULL = os.strerror(errno.ENOSPC)
GONE = "The unfinished dump was removed, earlier ones are as they were"


def server(env: Env) -> mariadb.Server:
    return mariadb.Server(env.settings.db_option_file)


def make(env: Env, folder: str, progress: Progress) -> str:
    """Dump into `folder` (made when missing, readable for root only); returns the path of the dump.

    Raises NotFound (no such database), DiskFull, CommandFailed and so on; then no file is left behind.
    """
    with json_file.told(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    with json_file.locked(os.path.join(folder, ".ccvm_dump")):
        dump_files.remove_leftovers(folder)
        with progress.step("check", "database and free space"):
            _check(env, folder)
        with progress.step("count", "rows of every table"):
            before = mariadb.count_rows(env.runner, server(env), DATABASE)
        path = unfinished.free_path(env, folder, dump_files.name_at)
        with unfinished.named_when_proven(path) as temporary, _opened(temporary) as file:
            with progress.step("dump", f"mysqldump of {DATABASE}"):
                piped = _write(env, file, folder)
            with progress.step("prove", "rows again, checksum, manifest"):
                after = mariadb.count_rows(env.runner, server(env), DATABASE)
                _write_manifest(env, path, file, {"unpacked_bytes": piped.passed, "tables": _ranges(before, after)})
            _name(file, path)
    return path


def _check(env: Env, folder: str) -> None:
    if not mariadb.has_database(env.runner, server(env), DATABASE):
        raise NotFound(f"the database {DATABASE} does not exist on this node; dumps are made on the Cloud Center VM")
    needed = max(LEAST_FREE_BYTES, int(mariadb.count_bytes(env.runner, server(env), DATABASE) * LEAST_FREE_PART))
    with json_file.told(folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free, a dump may need {needed >> 20} MiB; nothing was written. "
            "Free some space, or give another path",
            path=folder,
        )


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    with json_file.told(os.path.dirname(path)), open(path, "wb", opener=_for_root_only) as file:
        yield file


def _for_root_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _write(env: Env, file: IO[bytes], folder: str) -> Piped:
    try:
        piped = mariadb.dump(env.runner, server(env), DATABASE, PACK, file, DUMP_SECONDS)
    except ApiError as error:
        error.detail = f"{error.detail}. {GONE}"
        if FULL in error.detail:
            raise DiskFull(f"{folder} became full: {error.detail}", path=folder) from error
        raise
    _require_complete(piped.tail)
    _sync(file)
    return piped


def _require_complete(tail: bytes) -> None:
    if mariadb.TRAILER not in tail:
        raise CommandFailed(
            "mysqldump ended without its last line (-- Dump completed): the dump is cut off and was removed",
            program="mysqldump",
            exit_code=0,
        )


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _ranges(before: dict[str, int], after: dict[str, int]) -> dict[str, list[int]]:
    """Rows of each table just before and just after: what the dump holds lies between, as others write meanwhile."""
    return {name: sorted((before.get(name, 0), after.get(name, 0))) for name in sorted({*before, *after})}


def _write_manifest(env: Env, path: str, file: IO[bytes], content: dict[str, Any]) -> None:
    manifest = {
        "file": os.path.basename(path),
        "database": DATABASE,
        "created": env.clock.now().isoformat(timespec="seconds"),
        "size_bytes": os.fstat(file.fileno()).st_size,
        "sha256": unfinished.digest(str(file.name)),
        **content,
        "verified": None,
    }
    json_file.write_json(dump_files.manifest_path(path), manifest)


def _name(file: IO[bytes], path: str) -> None:
    with json_file.told(path):
        os.rename(str(file.name), path)
        json_file.sync_folder(path)
