"""A dump is proven by restoring it: into a database server of its own, that nobody else can reach.

The live server is not touched: views, events and triggers of a dump name the database itself, so a second database on
the same server would let them act on the live tables.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from ablestack_api.backup import dump_files
from ablestack_api.backup.dump import DATABASE
from ablestack_api.backup.dump_files import DumpFile
from ablestack_api.core.errors import ApiError, CommandFailed, Conflict, DiskFull
from ablestack_api.env import Env
from ablestack_api.jobs.progress import Progress
from ablestack_api.state import json_file
from ablestack_api.tools import mariadb

START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOAD_SECONDS = 2 * 3600.0
POLL_SECONDS = 0.2
# What an empty server takes on disk.
SERVER_BYTES = 300 * 1024 * 1024
# Indexes and pages make tables larger than the text they come from.
GROWTH = 2


def verify(env: Env, dump: DumpFile, progress: Progress) -> dict[str, Any]:
    """Restore it aside and compare rows; the manifest remembers the result.

    Returns `file`, `tables` (rows found), `verified` (time). Raises Conflict naming the tables that differ, DiskFull.
    """
    with progress.step("checksum", f"SHA-256 of {os.path.basename(dump.path)}"):
        dump_files.require_unchanged(dump)
        _require_space(dump)
    with _scratch_server(env, os.path.dirname(dump.path)) as server:
        with progress.step("restore", "into a server of its own"):
            source = ["gzip", "-dc", dump.path] if dump.path.endswith(".gz") else ["cat", dump.path]
            mariadb.load(env.runner, server, source, LOAD_SECONDS)
        with progress.step("compare", "rows of every table"):
            found = mariadb.count_rows(env.runner, server, DATABASE)
            _compare(dump, found)
    verified = env.clock.now().isoformat(timespec="seconds")
    if dump.manifest is not None:
        json_file.write_json(dump_files.manifest_path(dump.path), {**dump.manifest, "verified": verified})
    return {"file": dump.path, "tables": found, "verified": verified}


def _require_space(dump: DumpFile) -> None:
    folder = os.path.dirname(dump.path)
    needed = dump_files.unpacked_bytes(dump) * GROWTH + SERVER_BYTES
    with json_file.told(folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free, restoring {dump.path} aside needs about {needed >> 20} MiB; "
            "nothing was done",
            path=folder,
        )


def _compare(dump: DumpFile, found: dict[str, int]) -> None:
    if not found:
        raise Conflict(f"{dump.path} holds no tables of {DATABASE}: do not rely on it", path=dump.path)
    expected = (dump.manifest or {}).get("tables", {})
    wrong = [
        f"{name}: {found.get(name, 'missing')}, expected {low if low == high else f'{low} to {high}'}"
        for name, (low, high) in expected.items()
        if not low <= found.get(name, -1) <= high
    ]
    if wrong:
        told = "; ".join(wrong[:10])
        raise Conflict(f"{dump.path} does not hold what was dumped ({told}): do not rely on it", path=dump.path)


@contextlib.contextmanager
def _scratch_server(env: Env, folder: str) -> Iterator[mariadb.Server]:
    """A server on a socket below a folder of its own; ended and removed afterwards, whatever happens."""
    home = tempfile.mkdtemp(prefix=".ccvm_verify_", dir=folder)
    server = mariadb.Server(socket=os.path.join(home, "socket"))
    try:
        data = os.path.join(home, "data")
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"]
        env.runner.run([*install, "--auth-root-authentication-method=normal"], timeout=START_SECONDS)
        running = _Background(env, _server_argv(data, server.socket, home))
        try:
            _wait_until_it_answers(env, server, running)
            yield server
        finally:
            with contextlib.suppress(ApiError):
                env.runner.run(["mysqladmin", *server.arguments, "shutdown"], timeout=STOP_SECONDS)
            running.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _server_argv(data: str, socket: str, home: str) -> list[str]:
    return [
        "mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--socket={socket}",
        f"--pid-file={os.path.join(home, 'pid')}",
        "--skip-networking",
        "--event-scheduler=OFF",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=0",
    ]


class _Background:
    """A program that runs until it is told to end; the runner ends it when its time is over."""

    def __init__(self, env: Env, argv: list[str]) -> None:
        self.error: ApiError | None = None
        self._thread = threading.Thread(target=self._run, args=(env, argv), name="scratch database", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join(STOP_SECONDS)

    def _run(self, env: Env, argv: list[str]) -> None:
        try:
            env.runner.run(argv, timeout=START_SECONDS + LOAD_SECONDS)
        except ApiError as error:
            self.error = error


def _wait_until_it_answers(env: Env, server: mariadb.Server, running: _Background) -> None:
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        if os.path.exists(server.socket) and mariadb.answers(env.runner, server):
            return
        if running.ended:
            break
        env.clock.sleep(POLL_SECONDS)
    told = running.error.detail if running.error else f"it did not answer within {START_SECONDS:g} s"
    raise CommandFailed(f"the scratch database server did not start: {told}", program="mariadbd", exit_code=1)
