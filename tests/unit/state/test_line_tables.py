"""state.fstab and state.rbdmap: our lines are edited, every other byte stays."""

import threading
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.state import fstab, rbdmap
from ablestack_api.tools.rbd import KEYRING

DEVICE, PLACE = "/dev/vg_glue/lv_glue", "/mnt/glue"
LINE = b"/dev/vg_glue/lv_glue /mnt/glue xfs defaults 0 0\n"
OPTIONS = f"id=admin,keyring={KEYRING}"
FOREIGN = [
    b"",
    b"\n\n",
    b"# /dev/vg_glue/lv_glue /mnt/glue xfs\n",
    b"UUID=1\t/ xfs  defaults 0 0\n\n   \nUUID=2 /boot xfs defaults 0 0\n",
    b"\xff\xfe odd \x00 bytes\n",
    b"UUID=1 / xfs defaults 0 0\r\nUUID=2 /x xfs defaults 0 0\r\n",
    b"/dev/vg_glue/lv_glue2 /mnt/glue2 xfs defaults 0 0\n",
    b"lonely\n",
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "etc/ceph").mkdir(parents=True)
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


def content(settings: Settings, place: str) -> bytes:
    return Path(settings.below(place)).read_bytes()


@pytest.mark.parametrize("foreign", FOREIGN)
def test_fstab_put_and_remove_leave_all_others(settings: Settings, foreign: bytes) -> None:
    path = Path(settings.below("etc/fstab"))
    path.write_bytes(foreign)
    path.chmod(0o640)
    assert fstab.put(settings, DEVICE, PLACE, "xfs") == foreign
    assert path.read_bytes() == foreign + LINE
    assert path.stat().st_mode & 0o777 == 0o640
    assert (path.with_name("fstab.ablestack-backup")).read_bytes() == foreign
    assert fstab.put(settings, DEVICE, PLACE, "xfs") is None, "twice is once"
    assert fstab.remove(settings, DEVICE) == foreign + LINE
    assert path.read_bytes() == foreign
    assert fstab.remove(settings, DEVICE) is None


def test_a_last_line_without_its_end_gets_one(settings: Settings) -> None:
    Path(settings.below("etc/fstab")).write_bytes(b"UUID=1 / xfs defaults 0 0")
    fstab.put(settings, DEVICE, PLACE, "xfs")
    assert content(settings, "etc/fstab") == b"UUID=1 / xfs defaults 0 0\n" + LINE


@pytest.mark.parametrize(
    "older",
    [
        b"/dev/vg_glue/lv_glue /elsewhere ext4 ro 0 0\n",
        b"UUID=9 /mnt/glue ext4 ro 0 0\n",
        b"  UUID=9\t/mnt/glue/ ext4 ro 0 0\n",
        LINE + LINE,
        b"/dev/vg_glue/lv_glue /mnt/glue xfs noatime 0 0",
    ],
)
def test_fstab_put_replaces_what_was_there(settings: Settings, older: bytes) -> None:
    Path(settings.below("etc/fstab")).write_bytes(b"# a\n" + older)
    fstab.put(settings, DEVICE, PLACE, "xfs")
    assert content(settings, "etc/fstab") == b"# a\n" + LINE


def test_a_new_fstab(settings: Settings) -> None:
    assert fstab.mounts(settings) == []
    assert fstab.put(settings, DEVICE, PLACE, "xfs") == b""
    assert content(settings, "etc/fstab") == LINE
    assert Path(settings.below("etc/fstab")).stat().st_mode & 0o777 == 0o644
    assert fstab.mounts(settings) == [(DEVICE, PLACE)]
    fstab.put_back(settings, b"before\n")
    assert content(settings, "etc/fstab") == b"before\n"


@pytest.mark.parametrize("foreign", [each for each in FOREIGN if each != b"lonely\n"])
def test_rbdmap_add_and_remove_leave_all_others(settings: Settings, foreign: bytes) -> None:
    Path(settings.below("etc/ceph/rbdmap")).write_bytes(foreign)
    assert rbdmap.add(settings, ["rbd/gfs01", "rbd/gfs02", "rbd/gfs01"], OPTIONS) == ["rbd/gfs01", "rbd/gfs02"]
    ours = f"rbd/gfs01 {OPTIONS}\nrbd/gfs02 {OPTIONS}\n".encode()
    assert content(settings, "etc/ceph/rbdmap") == foreign + ours
    assert rbdmap.add(settings, ["rbd/gfs02"], OPTIONS) == []
    assert rbdmap.remove(settings, {"rbd/gfs01", "rbd/gfs02", "rbd/x"}) == ours.splitlines(keepends=True)
    assert content(settings, "etc/ceph/rbdmap") == foreign


def test_an_entry_without_a_pool_is_of_the_pool_rbd(settings: Settings) -> None:
    """rbdmap(8) reads it so."""
    Path(settings.below("etc/ceph/rbdmap")).write_text("gfs01 id=x\nglue/gfs01\n#gfs02\n")
    assert rbdmap.images(settings) == ["rbd/gfs01", "glue/gfs01"]
    assert rbdmap.add(settings, ["rbd/gfs01"], OPTIONS) == []
    removed = rbdmap.remove(settings, {"rbd/gfs01"})
    assert content(settings, "etc/ceph/rbdmap") == b"glue/gfs01\n#gfs02\n"
    rbdmap.put_back(settings, removed)
    rbdmap.put_back(settings, removed)
    assert content(settings, "etc/ceph/rbdmap") == b"glue/gfs01\n#gfs02\ngfs01 id=x\n", "with its own options, once"


def test_many_writers_lose_nothing(settings: Settings) -> None:
    names = [f"rbd/gfs{number:02d}" for number in range(12)]
    threads = [threading.Thread(target=rbdmap.add, args=(settings, [name], OPTIONS)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rbdmap.images(settings)) == names
