"""hosts.block_devices on loop devices of this machine: real device files, real lsblk, the kernel's own word."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ablestack_api.core.errors import BadInput, Conflict
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.settings import DEFAULT_PROGRAM_PATH, Settings
from ablestack_api.hosts.block_devices import BlockDevices
from tests.support.node_under_test import NodeUnderTest

PROGRAMS = ("lsblk", "losetup", "unshare", "mkfs.ext4")
MISSING = [program for program in PROGRAMS if shutil.which(program, path=DEFAULT_PROGRAM_PATH) is None]
MIB = 1 << 20


def run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def attached(image: Path, *options: str) -> Iterator[str]:
    """A loop device upon a file of 16 MiB; it is set up anew, whatever it was before."""
    if os.geteuid() != 0 or MISSING:
        pytest.skip(f"needs root and {', '.join(MISSING) or 'losetup'}")
    image.write_bytes(b"")
    os.truncate(image, 16 * MIB)
    made = run(["losetup", "-f", "--show", *options, str(image)])
    if made.returncode != 0:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    try:
        yield made.stdout.strip()
    finally:
        run(["losetup", "-d", made.stdout.strip()])


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    with attached(tmp_path / "image") as device:
        yield device


def read(node: NodeUnderTest) -> BlockDevices:
    """As the daemon of a real node reads; `node` gives the rest of the environment."""
    settings = Settings({"ABLESTACK_CONFIG_PATH": str(node.root)})
    return BlockDevices.read(replace(node.env, settings=settings, runner=SystemRunner(DEFAULT_PROGRAM_PATH, "/")))


def test_a_free_device(node: NodeUnderTest, loop: str) -> None:
    devices = read(node)
    found = devices.find(loop)
    assert (found.path, found.type, found.size) == (loop, "loop", 16 * MIB)
    assert devices.parent_disk(found) is found
    devices.require_free(found, "disks")


def test_what_lsblk_does_not_see_the_kernel_does(node: NodeUnderTest, loop: str) -> None:
    """Mounted in another mount namespace, as containers do."""
    assert run(["mkfs.ext4", "-q", loop]).returncode == 0
    mounted = f"mkdir -p {node.root}/m && mount {loop} {node.root}/m && echo ready && exec sleep 30"
    other = subprocess.Popen(["unshare", "-m", "sh", "-c", mounted], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        devices = read(node)
        found = devices.find(loop)
        assert devices.uses(found) == []
        with pytest.raises(Conflict, match="the kernel says that something holds it"):
            devices.require_free(found, "disks", force=True)
    finally:
        other.kill()
        other.communicate()


def test_mounted_here(node: NodeUnderTest, loop: str) -> None:
    place = node.root / "mounted here"
    place.mkdir()
    assert run(["mkfs.ext4", "-q", loop]).returncode == 0
    mounted = run(["mount", loop, str(place)])
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        devices = read(node)
        assert devices.uses(devices.find(loop)) == [f"mounted at {place}"]
    finally:
        run(["umount", str(place)])


def test_read_only(node: NodeUnderTest, tmp_path: Path) -> None:
    with attached(tmp_path / "image", "--read-only") as device:
        devices = read(node)
        with pytest.raises(Conflict, match="read-only"):
            devices.require_free(devices.find(device), "disks", force=True)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/shm", "/dev/fd", "/dev/stdin", "/dev/nothing"])
def test_files_below_dev_that_are_no_block_devices(node: NodeUnderTest, loop: str, path: str) -> None:
    with pytest.raises(BadInput):
        read(node).find(path)


def test_links_below_dev(node: NodeUnderTest, loop: str) -> None:
    """/dev/shm is writable for all: a link there is followed, a file there is no device."""
    folder = Path("/dev/shm") / f"ablestack-test-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "link").symlink_to(loop)
        (folder / "out").symlink_to(node.root)
        (folder / "file").write_text("")
        devices = read(node)
        assert devices.find(f"{folder}/link").path == loop
        for name in ("out", "file", "gone"):
            with pytest.raises(BadInput):
                devices.find(f"{folder}/{name}")
    finally:
        shutil.rmtree(folder)


def test_a_regular_file_with_the_name_of_a_device(node: NodeUnderTest, loop: str, tmp_path: Path) -> None:
    """A mistyped `dd of=/dev/…` leaves such files."""
    place = Path("/dev") / f"ablestack-test-{os.getpid()}"
    place.write_text("")
    try:
        with pytest.raises(BadInput):
            read(node).find(str(place))
    finally:
        place.unlink()
