"""What a removal takes out of its place is kept."""

import os
import shutil
from pathlib import Path

import pytest

from ablestack_api.core.errors import FileUnusable
from ablestack_api.state import moved_aside
from tests.support.node_under_test import NodeUnderTest


@pytest.fixture
def folder(node: NodeUnderTest) -> Path:
    place = node.root / "etc/ceph"
    place.mkdir(parents=True)
    for name in ("ceph.conf", "keyring"):
        (place / name).write_text(name)
    (place / "keyring").chmod(0o600)
    return place


def test_moved_and_put_back(node: NodeUnderTest, folder: Path) -> None:
    place = moved_aside.move_content(node.settings, node.clock, str(folder), "etc-ceph")
    assert sorted(os.listdir(place)) == ["ceph.conf", "keyring"]
    assert (list(folder.iterdir()), Path(place).stat().st_mode & 0o777) == ([], 0o700)
    moved_aside.put_back(place, str(folder))
    assert (folder / "keyring").stat().st_mode & 0o777 == 0o600
    assert not Path(place).exists()


def test_nothing_to_move(node: NodeUnderTest) -> None:
    assert moved_aside.move_content(node.settings, node.clock, str(node.root / "missing"), "x") == ""
    moved_aside.put_back("", "/nowhere")


def test_a_move_that_fails_half_way(node: NodeUnderTest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.move

    def refuse(source: str, target: str) -> None:
        if source.endswith("keyring") and "removed" in target:
            raise PermissionError(13, "Permission denied", source)
        real(source, target)

    monkeypatch.setattr(shutil, "move", refuse)
    with pytest.raises(FileUnusable):
        moved_aside.move_content(node.settings, node.clock, str(folder), "etc-ceph")
    assert sorted(each.name for each in folder.iterdir()) == ["ceph.conf", "keyring"]
