"""backup.dump_files: which dumps are proven, and which may go."""

import gzip
import json
import os
from pathlib import Path

import pytest

from ablestack_api.backup import dump_files, unfinished
from ablestack_api.core.errors import BadInput, Conflict, NotFound

NOW = 1_780_000_000.0
DAY = 86400.0
ENDS_WELL = b"INSERT INTO x;\n-- Dump completed on 2026-05-01\n"


def dump(folder: Path, name: str, age_days: float, content: bytes = ENDS_WELL, *, good: bool = True) -> Path:
    path = folder / name
    packed = gzip.compress(content) if name.endswith(".gz") else content
    path.write_bytes(packed)
    if good and name.endswith(".gz"):
        manifest = {"size_bytes": len(packed), "sha256": unfinished.digest(str(path)), "created": "2026-05-01"}
        Path(dump_files.manifest_path(str(path))).write_text(json.dumps(manifest))
    os.utime(path, (NOW - age_days * DAY,) * 2)
    return path


def left(folder: Path) -> list[str]:
    return [os.path.basename(found.path) for found in dump_files.list_dumps(str(folder))]


def remove(folder: Path, days: int) -> list[str]:
    return [os.path.basename(path) for path in dump_files.remove_older(str(folder), days, NOW)]


def test_older_than_n_days_is_deleted_with_its_manifest(tmp_path: Path) -> None:
    """Contract 04 B-25: 0.1.2 deleted what was exactly N days old, and nothing else ever."""
    dump(tmp_path, "ccvm_dump_1.sql.gz", 60)
    dump(tmp_path, "ccvm_dump_2.sql", 31)
    dump(tmp_path, "ccvm_dump_3.sql.gz", 29)
    (tmp_path / "notes.sql").write_text("not ours")
    os.utime(tmp_path / "notes.sql", (0, 0))
    assert remove(tmp_path, 30) == ["ccvm_dump_1.sql.gz", "ccvm_dump_2.sql"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ccvm_dump_3.sql.gz", "ccvm_dump_3.sql.gz.json", "notes.sql"]


def test_the_last_good_dump_stays_whatever_its_age(tmp_path: Path) -> None:
    dump(tmp_path, "ccvm_dump_1.sql.gz", 90)
    dump(tmp_path, "ccvm_dump_2.sql.gz", 80)
    dump(tmp_path, "ccvm_dump_3.sql.gz", 70, good=False)
    assert remove(tmp_path, 0) == ["ccvm_dump_1.sql.gz", "ccvm_dump_3.sql.gz"]
    assert left(tmp_path) == ["ccvm_dump_2.sql.gz"]


def test_a_dump_with_a_changed_byte_is_not_the_last_good_one(tmp_path: Path) -> None:
    dump(tmp_path, "ccvm_dump_1.sql.gz", 90)
    newest = dump(tmp_path, "ccvm_dump_2.sql.gz", 80)
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    os.utime(newest, (NOW - 80 * DAY,) * 2)
    assert remove(tmp_path, 0) == ["ccvm_dump_2.sql.gz"]


def test_without_a_proven_one_the_newest_whole_one_of_0_1_2_stays(tmp_path: Path) -> None:
    dump(tmp_path, "ccvm_dump_1.sql", 90)
    dump(tmp_path, "ccvm_dump_2.sql", 80, b"INSERT INTO x")
    assert remove(tmp_path, 0) == ["ccvm_dump_2.sql"]


def test_without_any_whole_one_the_newest_stays(tmp_path: Path) -> None:
    dump(tmp_path, "ccvm_dump_1.sql", 90, b"cut")
    dump(tmp_path, "ccvm_dump_2.sql", 80, b"cut")
    assert remove(tmp_path, 0) == ["ccvm_dump_1.sql"]


def test_no_folder_no_dumps(tmp_path: Path) -> None:
    assert dump_files.remove_older(str(tmp_path / "none"), 0, NOW) == []


def test_a_link_is_no_dump(tmp_path: Path) -> None:
    (tmp_path / "ccvm_dump_1.sql").symlink_to("/etc/passwd")
    assert dump_files.list_dumps(str(tmp_path)) == []


def test_the_newest_good_one_is_found_without_a_name(tmp_path: Path) -> None:
    dump(tmp_path, "ccvm_dump_1.sql.gz", 3)
    wanted = dump(tmp_path, "ccvm_dump_2.sql.gz", 2)
    dump(tmp_path, "ccvm_dump_3.sql.gz", 1, good=False)
    assert dump_files.find(str(tmp_path), "").path == str(wanted)
    with pytest.raises(NotFound):
        dump_files.find(str(tmp_path), "ccvm_dump_9.sql.gz")
    for name in ("..", "../ccvm_dump_2.sql.gz", "/etc/passwd"):
        with pytest.raises(BadInput):
            dump_files.find(str(tmp_path), name)


def test_what_a_crash_left_is_cleared(tmp_path: Path) -> None:
    kept = dump(tmp_path, "ccvm_dump_1.sql.gz", 3)
    (tmp_path / ".ccvm_dump_2.sql.gz.partial").write_bytes(b"half")
    (tmp_path / "ccvm_dump_2.sql.gz.json").write_text("{}")
    (tmp_path / "ccvm_dump_9.json").write_text("not ours")
    dump_files.remove_leftovers(str(tmp_path))
    expected = ["ccvm_dump_1.sql.gz", "ccvm_dump_1.sql.gz.json", "ccvm_dump_9.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert kept.exists()


def test_a_dump_that_cannot_be_unpacked(tmp_path: Path) -> None:
    path = dump(tmp_path, "ccvm_dump_1.sql.gz", 3, good=False)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(Conflict, match="cannot be unpacked"):
        dump_files.unpacked_bytes(dump_files.find(str(tmp_path), "ccvm_dump_1.sql.gz"))
