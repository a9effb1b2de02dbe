"""Local storage and CLVM groups on a real disk: a loop device, real parted, LVM and XFS, nothing invented.

Needs root, loop devices and the packages lvm2, parted and xfsprogs; what also needs the device mapper is skipped without.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BYTES = 512 * 1024 * 1024
PROGRAMS = ("losetup", "unshare", "parted", "wipefs", "pvcreate", "mkfs.xfs")
SECONDS = 240.0


def _cannot() -> str:
    """Why this machine cannot run these tests."""
    if os.geteuid() != 0:
        return "not root"
    missing = [name for name in PROGRAMS if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


HAS_DEVICE_MAPPER = "device-mapper" in Path("/proc/misc").read_text(encoding="ascii")
pytestmark = pytest.mark.skipif(bool(_cannot()), reason=_cannot() or "-")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A loop device over a sparse file."""
    image = tmp_path / "disk.img"
    image.touch()
    os.truncate(image, BYTES)
    made = subprocess.run(["losetup", "-fP", "--show", str(image)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    path = made.stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["losetup", "-d", path], check=True)


def play(scenario: str, folder: Path, disk: str) -> Any:
    work = folder / "work"
    work.mkdir()
    argv = ["unshare", "--mount", sys.executable, "-m", "tests.nodes.loop_storage", scenario, str(work), disk]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_clvm_groups_are_made_listed_and_deleted(tmp_path: Path, disk: str) -> None:
    played = play("clvm", tmp_path, disk)
    created, listed, again, deleted, empty, created_again = played["steps"]
    assert created == [200, "Create CLVM Disk Success"]
    entry = {"vg_name": "vg_clvm01", "pv_name": f"{disk}p1", "uuid": "N/A", "path_mode": "single", "disk_id": "N/A"}
    assert listed == [200, [{**entry, "pv_size": "508.00MB"}]]
    assert again[0] == 409
    assert "physical volume" in again[1]
    assert deleted == [200, "Success to clvm delete"]
    assert empty == [200, []]
    assert created_again == [200, "Create CLVM Disk Success"]
    assert (played["label"], played["volumes"]) == ("gpt", f"{disk}p1 vg_clvm01")


@pytest.mark.skipif(HAS_DEVICE_MAPPER, reason="the volume can be made here")
def test_a_volume_that_cannot_be_made_leaves_the_disk_as_it_was(tmp_path: Path, disk: str) -> None:
    """Without the device mapper lvcreate fails, after partition, physical volume and group were made."""
    played = play("local-create", tmp_path, disk)
    created, left = played["steps"]
    assert created[0] == 502
    assert "step lvcreate failed" in created[1]
    assert created[1].endswith("undone: partition-" + disk.removeprefix("/dev/") + ", pvcreate-" + disk[5:] + ", vgcreate")
    assert (played["label"], played["volumes"]) == ("unknown", "")
    assert left == [False, "# the machine's\n\n"]


@pytest.mark.skipif(not HAS_DEVICE_MAPPER, reason="the kernel has no device mapper")
def test_local_storage_is_made_used_and_reset(tmp_path: Path, disk: str) -> None:
    played = play("local", tmp_path, disk)
    before, created, status, again, fstab, used, reset, after, left = played["steps"]
    assert before[0] == after[0] == 500
    assert created == [200, "Create Local Disk Success"]
    assert status[0] == 200
    assert (status[1]["status"], status[1]["pv"], status[1]["vg"]) == (
        "Health OK",
        f"{disk}p1",
        "/dev/mapper/vg_glue-lv_glue",
    )
    assert again[0] == 409
    assert fstab == [3, "/dev/vg_glue/lv_glue /mnt/glue xfs defaults 0 0"]
    assert used[0] == 409
    assert "python" in used[1]
    assert reset == [200, "Success Reset Local Disk"]
    assert left == [0, "# the machine's\n\n"]
    assert (played["label"], played["volumes"]) == ("gpt", "")
