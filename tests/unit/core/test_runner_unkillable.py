"""core.runner and programs that not even SIGKILL ends: they wait in the kernel, here for a frozen file system."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandTimedOut
from ablestack_api.core.runner import SystemRunner

HANG = 10.0
TOOLS = ("mkfs.ext4", "mount", "umount", "fsfreeze")


def system(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system that takes no writes: a program that tries waits for ever, until it is thawed."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in TOOLS):
        pytest.skip("needs root and e2fsprogs")
    image, place = tmp_path / "image", tmp_path / "mounted"
    image.write_bytes(b"\0" * (4 << 20))
    place.mkdir()
    if not system("mkfs.ext4", "-q", "-O", "^has_journal", str(image)):
        pytest.skip("mkfs.ext4 made no file system")
    if not system("mount", "-o", "loop", str(image), str(place)):
        pytest.skip("this machine has no loop devices")
    try:
        assert system("fsfreeze", "--freeze", str(place))
        yield place
    finally:
        system("fsfreeze", "--unfreeze", str(place))
        assert system("umount", str(place)) or system("umount", "--lazy", str(place))


def test_nobody_waits_for_it_and_it_is_not_started_twice(frozen: Path) -> None:
    runner = SystemRunner("/usr/sbin:/usr/bin:/sbin:/bin", "/root")
    argv = ["touch", str(frozen / "file")]
    started = time.monotonic()
    with pytest.raises(CommandTimedOut, match=r"did not end within 0\.3 s"):
        runner.run(argv, timeout=0.3)
    with pytest.raises(CommandTimedOut, match=r"still hangs since an earlier call \(process \d+\)"):
        runner.run(argv, timeout=30)
    assert time.monotonic() - started < HANG
    assert runner.run(["touch", str(frozen.parent / "elsewhere")], timeout=HANG).code == 0
    assert system("fsfreeze", "--unfreeze", str(frozen))
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        try:
            assert runner.run(argv, timeout=HANG).code == 0
            break
        except CommandTimedOut:
            time.sleep(0.01)
    assert (frozen / "file").exists()
