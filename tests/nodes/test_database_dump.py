"""Dumps of a real MariaDB: complete or not there at all, proven by restoring them (contract 04 §6.4, B-23 to B-28)."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ablestack_api.backup import dump, dump_files, dump_verify, unfinished
from ablestack_api.core.clock import SystemClock
from ablestack_api.core.errors import ApiError, CommandFailed, Conflict, DiskFull
from ablestack_api.core.runner import SystemRunner
from ablestack_api.env import Env
from ablestack_api.tools import mariadb
from tests.support.database import Database
from tests.support.node_under_test import NodeUnderTest
from tests.support.progress import SilentProgress

PROGRAMS = ("mariadbd", "mariadb-install-db", "mysqldump", "mysql", "gzip")
ROWS = 60_000
SCHEMA = f"""
CREATE DATABASE cloud; USE cloud;
CREATE TABLE vm_instance (id INT PRIMARY KEY, name VARCHAR(90), noise CHAR(64));
INSERT INTO vm_instance SELECT seq, CONCAT('vm-', seq), SHA2(seq, 256) FROM seq_1_to_{ROWS};
CREATE TABLE `od``d'name` (a INT); INSERT INTO `od``d'name` VALUES (1), (2);
CREATE TABLE empty (a INT);
CREATE VIEW names AS SELECT name FROM cloud.vm_instance;
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN 2 * x;
CREATE EVENT sweep ON SCHEDULE EVERY 1 SECOND DO DELETE FROM cloud.vm_instance WHERE id > 0;
CREATE TRIGGER mark BEFORE INSERT ON empty FOR EACH ROW SET NEW.a = 1;
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(name) for name in PROGRAMS), reason="needs root and MariaDB's programs"
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database(tmp_path_factory.mktemp("db"))
    try:
        runner = SystemRunner("/usr/sbin:/usr/bin:/sbin:/bin", "/root")
        found.wait(runner)
        mariadb.query(runner, found.server, SCHEMA)
        yield found
    finally:
        found.stop()


@pytest.fixture
def env(tmp_path: Path, database: Database) -> Env:
    node = NodeUnderTest(tmp_path / "node", ABLESTACK_DB_OPTION_FILE=str(database.options))
    runner = SystemRunner(node.settings.program_path, "/root")
    return replace(node.env, runner=runner, clock=SystemClock())


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "dumps")


def test_a_dump_is_complete_and_tells_what_is_in_it(env: Env, folder: str) -> None:
    path = dump.make(env, folder, SilentProgress())
    found = dump_files.find(folder, "")
    assert found.path == path
    assert found.manifest is not None
    assert found.manifest["tables"] == {"empty": [0, 0], "od`d'name": [2, 2], "vm_instance": [ROWS, ROWS]}
    assert [Path(folder).stat().st_mode & 0o777, Path(path).stat().st_mode & 0o777] == [0o700, 0o600]
    text = subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout.decode()
    for part in ("CREATE DATABASE", "EVENT `sweep`", "FUNCTION `twice`", "TRIGGER mark", "-- Dump completed"):
        assert part.lower() in text.lower(), part


def test_a_dump_is_proven_by_restoring_it_beside_the_live_database(env: Env, folder: str, database: Database) -> None:
    dump.make(env, folder, SilentProgress())
    proven = dump_verify.verify(env, dump_files.find(folder, ""), SilentProgress())
    assert proven["tables"] == {"empty": 0, "od`d'name": 2, "vm_instance": ROWS}
    manifest = dump_files.find(folder, "").manifest
    assert manifest is not None
    assert manifest["verified"] == proven["verified"]
    assert mariadb.count_rows(env.runner, database.server, "cloud")["vm_instance"] == ROWS, "the dump's event ran"
    assert not list(Path(folder).glob(".ccvm_verify_*"))
    assert not processes(f"--datadir={folder}")


def test_a_changed_byte_is_found(env: Env, folder: str) -> None:
    path = Path(dump.make(env, folder, SilentProgress()))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Conflict, match="SHA-256 has changed"):
        dump_verify.verify(env, dump_files.find(folder, ""), SilentProgress())


def test_a_dump_that_lost_rows_is_found_by_restoring(env: Env, folder: str) -> None:
    """Its checksum is right: it was damaged before it was written."""
    plain = Path(folder) / "ccvm_dump_1.sql"
    plain.parent.mkdir()
    plain.write_text("CREATE DATABASE cloud; USE cloud; CREATE TABLE vm_instance (id INT);\n-- Dump completed\n")
    subprocess.run(["gzip", str(plain)], check=True)
    packed = Path(f"{plain}.gz")
    tables = '{"vm_instance": [3, 5]}'
    manifest = f'{{"size_bytes": {packed.stat().st_size}, "sha256": "{unfinished.digest(str(packed))}", "tables": {tables}}}'
    Path(dump_files.manifest_path(str(packed))).write_text(manifest)
    with pytest.raises(Conflict, match="vm_instance: 0, expected 3 to 5"):
        dump_verify.verify(env, dump_files.find(folder, ""), SilentProgress())


def test_a_dump_that_cannot_be_read_by_the_server(env: Env, folder: str) -> None:
    plain = Path(folder) / "ccvm_dump_1.sql"
    plain.parent.mkdir()
    plain.write_text("CREATE DATABASE cloud; THIS IS NOT SQL;\n-- Dump completed\n")
    with pytest.raises(CommandFailed, match="mysql ended with code 1"):
        dump_verify.verify(env, dump_files.find(folder, plain.name), SilentProgress())
    assert not processes(f"--datadir={folder}")


def test_a_killed_mysqldump_leaves_nothing(env: Env, folder: str) -> None:
    raised: list[ApiError] = []

    def make() -> None:
        try:
            dump.make(env, folder, SilentProgress())
        except ApiError as error:
            raised.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    while thread.is_alive() and not raised:
        for process in processes("mysqldump", str(env.settings.db_option_file)):
            os.kill(process, signal.SIGKILL)
        time.sleep(0.001)
    thread.join()
    assert "mysqldump ended with code -9" in raised[0].detail
    assert os.listdir(folder) == [".ccvm_dump.lock"]


def test_a_full_disk_leaves_nothing_and_the_older_dumps_alone(
    env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=True)
    try:
        (small / "ccvm_dump_20260101_000000.sql").write_text("older")
        with pytest.raises(DiskFull, match="nothing was written"):
            dump.make(env, str(small), SilentProgress())
        monkeypatch.setattr(dump, "LEAST_FREE_BYTES", 0)
        monkeypatch.setattr(dump, "LEAST_FREE_PART", 0)
        with pytest.raises(ApiError, match="No space left"):
            dump.make(env, str(small), SilentProgress())
        assert sorted(os.listdir(small)) == [".ccvm_dump.lock", "ccvm_dump_20260101_000000.sql"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def processes(*texts: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if all(text in line for text in texts):
            found.append(int(path.parent.name))
    return found
