"""lvm, parted, and the small storage programs: what they run, what they make of real output."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed, ProgramMissing
from ablestack_api.core.runner import PACKAGES, Runner
from ablestack_api.core.secret import Secret
from ablestack_api.tools import chown, chpasswd, gfs2, ipmitool, lvm, mpathconf, multipathd, parted, sfdisk, udev
from ablestack_api.tools.lvm import LogicalVolume, PhysicalVolume, VolumeGroup
from ablestack_api.tools.parted import Partition, Table
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).parents[2] / "data"
VGS = "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,lv_count,vg_lock_type,vg_missing_pv_count"
REPORT = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o"]


def recorded(name: str) -> str:
    return (DATA / name).read_text()


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


def test_volume_groups(runner: QueuedRunner) -> None:
    runner.expect(["vgs", *REPORT, VGS], stdout=recorded("lvm/vgs.json"), stderr="  WARNING: a device is missing\n")
    uuid = "8c778V-60X2-rMc8-80pV-8m86-k57M-0EDL8w"
    assert lvm.vgs(runner) == [VolumeGroup("vg_glue", uuid, 205520896, 205520896, 4194304, 0, "")]
    runner.expect(["vgs", *REPORT, VGS], stdout=recorded("lvm/vgs_missing_pv.json"))
    assert lvm.vgs(runner)[0].missing_pvs == 1


def test_physical_volumes(runner: QueuedRunner) -> None:
    argv = ["pvs", *REPORT, "pv_name,pv_uuid,vg_name,pv_size,pv_free"]
    runner.expect(argv, stdout=recorded("lvm/pvs.json"))
    first = PhysicalVolume("/dev/loop0p1", "wBco8H-o21J-GVtI-Q8xM-fBir-fYoi-qmed99", "vg_glue", 205520896, 205520896)
    free = PhysicalVolume("/dev/loop1", "HHcQmQ-MbFK-iuSJ-CZ7p-ETpJ-D0O0-fXDWC7", "", 209715200, 209715200)
    assert lvm.pvs(runner) == [first, free]
    runner.expect(argv, stdout=recorded("lvm/pvs_missing.json"))
    assert [pv.name for pv in lvm.pvs(runner)] == ["/dev/loop0p1", "[unknown]"]


def test_logical_volumes(runner: QueuedRunner) -> None:
    argv = ["lvs", *REPORT, "vg_name,lv_name,lv_path,lv_size,lv_active"]
    runner.expect(argv, stdout=recorded("lvm/lvs_none.json"))
    assert lvm.lvs(runner) == []
    runner.expect(argv, stdout=recorded("lvm/lvs.json"))
    assert lvm.lvs(runner) == [LogicalVolume("vg_glue", "lv_glue", "/dev/vg_glue/lv_glue", 205520896, "active")]


@pytest.mark.parametrize("printed", ["", "WARNING", "{}", '{"report": [{}]}', "[]"])
def test_a_report_that_is_none(runner: QueuedRunner, printed: str) -> None:
    runner.expect(["vgs", *REPORT, VGS], stdout=printed)
    with pytest.raises(CommandFailed, match="did not print a report"):
        lvm.vgs(runner)


def test_settings_as_lvm_takes_them(runner: QueuedRunner) -> None:
    names = ["global/use_lvmlockd", "devices/use_devicesfile"]
    runner.expect(["lvmconfig", "--typeconfig", "full", *names], stdout="use_lvmlockd=1\nuse_devicesfile=0\n")
    assert lvm.read_settings(runner, names) == {names[0]: "1", names[1]: "0"}


@pytest.mark.parametrize(
    ("work", "argv"),
    [
        (lambda run: lvm.pvcreate(run, "/dev/sdb1"), ["pvcreate", "--yes", "--", "/dev/sdb1"]),
        (lambda run: lvm.pvcreate(run, "/dev/sdb1", force=True), ["pvcreate", "-ff", "--yes", "--", "/dev/sdb1"]),
        (lambda run: lvm.pvremove(run, "/dev/sdb1", force=True), ["pvremove", "-ff", "--yes", "--", "/dev/sdb1"]),
        (lambda run: lvm.pvresize(run, "/dev/sdb1"), ["pvresize", "--", "/dev/sdb1"]),
        (lambda run: lvm.vgcreate(run, "-x", ["/dev/b"]), ["vgcreate", "--yes", "--", "-x", "/dev/b"]),
        (lambda run: lvm.vgcreate(run, "v", ["/a"], shared=True), ["vgcreate", "--yes", "--shared", "--", "v", "/a"]),
        (lambda run: lvm.vgextend(run, "v", ["/a", "/b"]), ["vgextend", "--yes", "--", "v", "/a", "/b"]),
        (lambda run: lvm.vgreduce(run, "v", ["/a"]), ["vgreduce", "--yes", "--", "v", "/a"]),
        (lambda run: lvm.vgremove(run, "v"), ["vgremove", "--yes", "--", "v"]),
        (lambda run: lvm.vgchange(run, "v", ["--lock-stop"]), ["vgchange", "--lock-stop", "--yes", "--", "v"]),
        (
            lambda run: lvm.lvcreate(run, "v", "l", activate="sy"),
            ["lvcreate", "--yes", "--activate", "sy", "--extents", "100%FREE", "--name", "l", "--", "v"],
        ),
        (lambda run: lvm.lvextend(run, "v", "l"), ["lvextend", "--extents", "+100%FREE", "--", "v/l"]),
        (lambda run: lvm.lvremove(run, "v", "l"), ["lvremove", "--yes", "--", "v/l"]),
        (lambda run: lvm.add_to_devices_file(run, "/dev/a"), ["lvmdevices", "--yes", "--adddev", "/dev/a"]),
        (lambda run: lvm.remove_from_devices_file(run, "/dev/a"), ["lvmdevices", "--yes", "--deldev", "/dev/a"]),
        (
            lambda run: parted.new_partition(run, "/dev/a", "n"),
            ["parted", "-s", "/dev/a", "mklabel", "gpt", "mkpart", "n", "0%", "100%", "set", "1", "lvm", "on"],
        ),
        (lambda run: parted.remove_partition(run, "/dev/a"), ["parted", "-s", "/dev/a", "rm", "1"]),
        (
            lambda run: parted.resize_partition(run, "/dev/a"),
            ["parted", "-s", "--fix", "/dev/a", "resizepart", "1", "100%"],
        ),
        (lambda run: parted.partprobe(run, "/dev/a"), ["partprobe", "/dev/a"]),
        (lambda run: parted.wipe_table(run, "/dev/a"), ["wipefs", "--all", "--", "/dev/a"]),
        (udev.settle, ["udevadm", "settle", "--timeout=30"]),
        (lambda run: gfs2.grow(run, "/mnt/a"), ["gfs2_grow", "/mnt/a"]),
        (
            lambda run: gfs2.mkfs(run, "/dev/v/l", "c:g", journals=4, journal_mb=512, resource_group_mb=1024),
            [
                *["mkfs.gfs2", "-j", "4", "-J", "512", "-r", "1024", "-p", "lock_dlm", "-t", "c:g"],
                *["-O", "-K", "-q", "/dev/v/l"],
            ],
        ),
        (mpathconf.enable, ["mpathconf", "--enable"]),
        (lambda run: chown.set_owner(run, "a:b", "-x"), ["chown", "a:b", "--", "-x"]),
    ],
)
def test_commands(runner: QueuedRunner, work: Callable[[Runner], None], argv: list[str]) -> None:
    runner.expect(argv)
    work(runner)
    runner.expect(argv, code=5, stderr="no\n")
    with pytest.raises(CommandFailed):
        work(runner)
    runner.finish()
    assert argv[0] in PACKAGES, "the operator is told the package"


def test_a_password_goes_through_stdin(runner: QueuedRunner) -> None:
    runner.expect(["chpasswd"], stdin="hacluster:a:b\n")
    chpasswd.set_password(runner, "hacluster", Secret("a:b"))


def test_ipmitool(runner: QueuedRunner) -> None:
    argv = ["ipmitool", "-I", "lanplus", "-H", "192.0.2.1", "-p", "6230", "-U", "admin", "-f", "/x", "power", "status"]
    runner.expect(argv, stdout="Chassis Power is off\n")
    assert ipmitool.power_status(runner, "192.0.2.1", 6230, "admin", "/x") == "Chassis Power is off"


@pytest.mark.parametrize(("said", "good"), [("ok\n", True), ("fail\n", False), ("timeout\n", False)])
def test_multipathd_says_whether_it_did(runner: QueuedRunner, said: str, good: bool) -> None:
    runner.expect(["multipathd", "resize", "map", "mpatha"], stdout=said)
    if good:
        multipathd.resize_map(runner, "mpatha")
    else:
        with pytest.raises(CommandFailed, match="could not resize the map mpatha"):
            multipathd.resize_map(runner, "mpatha")


def test_partition_tables() -> None:
    one = Partition(1, 17408, 209698303, 209680896, "glue-gfs", ("lvm",))
    assert parted.parse("/dev/loop0", recorded("parted/gpt.txt")) == Table("/dev/loop0", 209715200, "gpt", (one,))
    assert parted.parse("/dev/loop1", recorded("parted/no_table.txt")) == Table("/dev/loop1", 209715200, "unknown")
    two = parted.parse("/dev/loop0", recorded("parted/two_partitions.txt"))
    assert [(part.number, part.name, part.flags) for part in two.partitions] == [(1, "glue-gfs", ("lvm",)), (2, "a:b", ())]
    assert two.partition(2) == two.partitions[1]
    assert two.partition(3) is None
    assert parted.parse("/tmp/x", recorded("parted/path_with_colons.txt")).label == "unknown"


def test_the_guid_of_a_partition(runner: QueuedRunner) -> None:
    runner.expect(["sfdisk", "--part-uuid", "/dev/a", "1"], stdout="4be2a5d1-7c3f-4f1e-9d0a-0c9e7f5a2b11\n")
    assert sfdisk.partition_uuid(runner, "/dev/a") == "4BE2A5D1-7C3F-4F1E-9D0A-0C9E7F5A2B11"
    assert "sfdisk" in PACKAGES


def test_no_table_is_no_failure(runner: QueuedRunner) -> None:
    argv = ["parted", "-s", "-m", "/dev/loop1", "unit", "B", "print"]
    told = "Error: /dev/loop1: unrecognised disk label\n"
    runner.expect(argv, stdout=recorded("parted/no_table.txt"), stderr=told, code=1)
    assert parted.partition_table(runner, "/dev/loop1").label == parted.NO_TABLE


@pytest.mark.parametrize(("printed", "stderr"), [("BYT;\n", "Error: Could not stat device /dev/x"), ("", "Error: broken")])
def test_a_table_that_cannot_be_read(runner: QueuedRunner, printed: str, stderr: str) -> None:
    runner.expect(["parted", "-s", "-m", "/dev/x", "unit", "B", "print"], stdout=printed, stderr=stderr, code=1)
    with pytest.raises(CommandFailed, match=stderr):
        parted.partition_table(runner, "/dev/x")


def test_a_missing_program_is_told_with_its_package(runner: QueuedRunner) -> None:
    runner.expect(["lvmdevices", "--yes", "--adddev", "/dev/a"], raises=ProgramMissing("no", program="lvmdevices"))
    with pytest.raises(ProgramMissing):
        lvm.add_to_devices_file(runner, "/dev/a")
