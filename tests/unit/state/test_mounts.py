"""state.mounts: /proc/self/mounts as the kernel writes it."""

import os
import subprocess
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.state import mounts
from ablestack_api.state.mounts import Mount


@pytest.mark.parametrize(
    ("field", "plain"),
    [
        (b"/mnt/glue-gfs", "/mnt/glue-gfs"),
        (b"/mnt/a\\040b", "/mnt/a b"),
        (b"/mnt/tab\\011newline\\012hash\\043", "/mnt/tab\tnewline\nhash#"),
        (b"/mnt/back\\134slash", "/mnt/back\\slash"),
        (b"/mnt/back\\134040", "/mnt/back\\040"),
        (b"/mnt/double\\\\", "/mnt/double\\"),
        (b"/mnt/alone\\", "/mnt/alone\\"),
        ("/mnt/한글".encode(), "/mnt/한글"),
        (b"/mnt/\xff", "/mnt/\udcff"),
    ],
)
def test_escapes(field: bytes, plain: str) -> None:
    assert mounts.parse(b"/dev/x " + field + b" gfs2 rw 0 0\n") == [Mount("/dev/x", plain, "gfs2")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short line\n"])
def test_nothing(content: bytes) -> None:
    assert mounts.parse(content) == []


def test_where_they_are_read(tmp_path: Path) -> None:
    settings = Settings({"ABLESTACK_SYSROOT": str(tmp_path)})
    assert mounts.read(settings) == []
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/mounts").write_text("/dev/a /a gfs2 rw 0 0\n")
    assert mounts.read(settings) == [Mount("/dev/a", "/a", "gfs2")]
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/mounts").write_text("/dev/b /b xfs rw 0 0\n")
    assert mounts.read(settings) == [Mount("/dev/b", "/b", "xfs")]


def test_this_machine_has_the_mounts_that_findmnt_prints() -> None:
    done = subprocess.run(["findmnt", "-rn", "-o", "FSTYPE"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("no findmnt")
    found = mounts.read(Settings({}))
    assert sorted(mount.fstype for mount in found) == sorted(done.stdout.split())
    assert all(os.path.isabs(mount.mountpoint) for mount in found)
