"""Disk images: copied as a whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from ablestack_api.core.errors import Conflict, DiskFull, FileUnusable
from ablestack_api.state import image_file


def test_a_copy_is_whole_and_private(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "new/folder/b"
    source.write_bytes(os.urandom(3 * 1024 * 1024))
    done: list[float] = []
    image_file.copy(str(source), str(target), done.append)
    assert target.read_bytes() == source.read_bytes()
    assert (target.stat().st_mode & 0o777, done[-1]) == (0o600, 100)


@pytest.mark.parametrize("refused", [errno.EXDEV, errno.EOPNOTSUPP])
def test_a_kernel_that_cannot_copy_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int) -> None:
    def refuse(*_: object) -> int:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(os.urandom(100_000))
    image_file.copy(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"new")
    target.write_bytes(b"old")

    def cancel(_done: float) -> None:
        raise Conflict("cancelled")

    with pytest.raises(Conflict):
        image_file.copy(str(source), str(target), cancel)
    assert (target.read_bytes(), sorted(each.name for each in tmp_path.iterdir())) == (b"old", ["a", "b"])


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(DiskFull):
        image_file.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_space_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    image_file.require_space(str(tmp_path / "a"), str(tmp_path / "not/there/yet/b"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 9})())
    with pytest.raises(DiskFull, match="nothing was changed"):
        image_file.require_space(str(tmp_path / "a"), str(tmp_path / "b"))


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    (outside / "precious").mkdir(parents=True)
    (folder / "deep/deeper").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "link").symlink_to(outside)
    image_file.empty(str(folder))
    assert (list(folder.iterdir()), (outside / "precious").exists()) == ([], True)
    image_file.empty(str(tmp_path / "missing"))


def test_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=r"ccvm xml not found: .*; nothing was changed"):
        image_file.require(str(tmp_path / "x"), "ccvm xml not found")
    with pytest.raises(FileUnusable):
        image_file.remove_tree(str(tmp_path / "x"))
    image_file.rename(str(tmp_path / "x"), str(tmp_path / "y"))
