"""state.json_file: a file is never half written, and keeps what it was beside its content."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablestack_api.core.errors import Busy, DiskFull, FileUnusable, StateFileDamaged
from ablestack_api.state import json_file

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


@pytest.fixture
def mounted() -> Iterator[Callable[..., None]]:
    """`mount` with arguments; taken off again after the test."""
    places: list[str] = []

    def mount(*arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
        places.append(arguments[-1])

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", place], check=True)


def write_and_die(path: Path, step: str) -> None:
    """Another process replaces the file and is killed at one of os' calls."""
    program = textwrap.dedent(f"""
        import os, signal
        from ablestack_api.state import json_file
        real = os.{step}
        def die(*arguments, **more):
            os.kill(os.getpid(), signal.SIGKILL)
        os.{step} = die
        json_file.write_bytes({str(path)!r}, b"new" * 1000)
    """)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9


@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "rename"])
def test_a_crash_leaves_the_old_content(file: Path, step: str) -> None:
    write_and_die(file, step)
    assert file.read_bytes() == b"old"
    json_file.write_bytes(str(file), b"newer")  # what a crash left behind does not stand in the way
    assert file.read_bytes() == b"newer"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755])
def test_the_mode_of_a_file_is_kept(file: Path, mode: int) -> None:
    file.chmod(mode)
    json_file.write_bytes(str(file), b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode)


def test_a_mode_that_is_asked_for_wins(file: Path) -> None:
    json_file.write_bytes(str(file), b"secret", mode=0o600)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_new_file_and_its_folders(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        json_file.write_bytes(str(tmp_path / "a/b/plain"), b"x")
        json_file.write_json(str(tmp_path / "a/b/state"), {"k": "값"})
    finally:
        os.umask(before)
    assert (tmp_path / "a/b/plain").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "a/b/state").stat().st_mode & 0o777 == 0o600
    assert json_file.read_json(str(tmp_path / "a/b/state")) == {"k": "값"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_of_a_file_is_kept(file: Path) -> None:
    os.chown(file, 1234, 2345)
    json_file.write_bytes(str(file), b"new")
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 2345)


def test_a_symlink_is_followed(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    json_file.write_bytes(str(link), b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_a_planted_temporary_file_is_not_followed(tmp_path: Path, file: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file.tmp").symlink_to(victim)
    json_file.write_bytes(str(file), b"new")
    assert (file.read_bytes(), victim.read_bytes()) == (b"new", b"precious")


@needs_root
@pytest.mark.parametrize("content", [b"longer than before", b"x", b""])
def test_a_bind_mounted_file_is_written_in_place(tmp_path: Path, mounted: Callable[..., None], content: bytes) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    source.write_bytes(b"old content")
    place.write_bytes(b"below")
    mounted("--bind", str(source), str(place))
    inode = place.stat().st_ino
    json_file.write_bytes(str(place), content)
    assert (source.read_bytes(), place.stat().st_ino) == (content, inode)
    assert not (tmp_path / "place.tmp").exists()


@needs_root
def test_a_full_disk_keeps_the_old_content(tmp_path: Path, mounted: Callable[..., None]) -> None:
    mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path))
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(DiskFull) as caught:
        json_file.write_bytes(str(file), b"x" * 200_000)
    assert (caught.value.status, str(file) in caught.value.detail) == (507, True)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@needs_root
def test_a_full_disk_below_a_bind_mount_keeps_the_old_content(tmp_path: Path, mounted: Callable[..., None]) -> None:
    disk, place = tmp_path / "disk", tmp_path / "place"
    disk.mkdir()
    place.write_bytes(b"")
    mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk))
    (disk / "file").write_bytes(b"old" * 100)
    mounted("--bind", str(disk / "file"), str(place))
    with pytest.raises(DiskFull):
        json_file.write_bytes(str(place), b"x" * 200_000)
    assert place.read_bytes() == b"old" * 100


@needs_root
def test_a_read_only_file_system_is_told(tmp_path: Path, mounted: Callable[..., None]) -> None:
    mounted("-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(tmp_path))
    with pytest.raises(FileUnusable, match="Read-only file system"):
        json_file.write_bytes(str(tmp_path / "file"), b"x")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    for work in (lambda path: json_file.write_bytes(path, b"x"), json_file.read_bytes):
        with pytest.raises(FileUnusable):
            work(str(tmp_path / "file"))
    assert (tmp_path / "file").is_dir()


def test_a_file_in_the_place_of_the_folder(file: Path) -> None:
    with pytest.raises(FileUnusable):
        json_file.write_bytes(str(file / "below"), b"x")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert json_file.read_bytes(str(tmp_path / "none")) is None
    assert json_file.read_json(str(tmp_path / "none")) is None
    json_file.remove(str(tmp_path / "none"))


@pytest.mark.parametrize("content", [b"", b"{", b"\0\0", b"\xff\xfe"])
def test_a_damaged_state_file_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(StateFileDamaged, match="is not JSON"):
        json_file.read_json(str(file))


# --- the lock ---------------------------------------------------------------------------------------------------------

INCREMENT = """
import json, sys
from ablestack_api.state import json_file
for _ in range(30):
    with json_file.locked(sys.argv[1]):
        count = json_file.read_json(sys.argv[1])
        json_file.write_json(sys.argv[1], count + 1)
"""


HOLD = """
import sys
from ablestack_api.state import json_file
with json_file.locked(sys.argv[1]):
    print(flush=True)
    input()
"""


def test_processes_take_turns(file: Path) -> None:
    file.write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", INCREMENT, str(file)]) for _ in range(3)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    assert json.loads(file.read_text()) == 90


def test_a_lock_that_another_process_holds_is_busy(file: Path) -> None:
    argv = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Busy) as caught, json_file.locked(str(file), timeout=0.05):
            pass
        assert "locked by another request" in caught.value.detail
        holder.kill()
    with json_file.locked(str(file), timeout=5):  # the kernel freed it
        pass


def test_the_lock_is_free_after_an_error(file: Path) -> None:
    with pytest.raises(ValueError, match="inside"), json_file.locked(str(file)):
        raise ValueError("inside")
    with json_file.locked(str(file), timeout=0):
        pass
