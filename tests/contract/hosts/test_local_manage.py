"""POST /cube/local/manage (contract 02 §8): create, status and reset of a standalone node's volume."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents, lsblk_output, lvm_reports
from tests.support.answer import Answer
from tests.support.doubles import QueuedRunner
from tests.support.lsblk_output import Node, disk, mapped, part, physical_volume
from tests.support.lvm_reports import expect_lvs, expect_pvs, expect_tags, expect_vgs, lv, pv, vg
from tests.support.node_under_test import NodeUnderTest
from tests.support.whole_system import believe

PATH = "/cube/local/manage"
CREATE: dict[str, Any] = {"action": "create", "disks": ["/dev/sdb"]}
RESET = {"action": "reset"}
VOLUME = "/dev/vg_glue/lv_glue"
LINE = f"{VOLUME} /mnt/glue xfs defaults 0 0\n"
FSTAB = "# system\nUUID=1 / xfs defaults 0 0\n\n\nUUID=2 /boot\txfs  defaults 0 0"
EMPTY_TABLE = "BYT;\n/dev/sdb:107374182400B:scsi:512:512:gpt:ATA X:;\n"
OUR_TABLE = f"{EMPTY_TABLE}1:1048576B:107373133823B:107372085248B::primary:lvm;\n"

PARTED = ["parted", "-s", "/dev/sdb", "mklabel", "gpt", "mkpart", "primary", "0%", "100%", "set", "1", "lvm", "on"]
PARTPROBE = ["partprobe", "/dev/sdb"]
SETTLE = ["udevadm", "settle", "--timeout=30"]
PVCREATE = ["pvcreate", "--yes", "--", "/dev/sdb1"]
VGCREATE = ["vgcreate", "--yes", "--addtag", "ablestack_local", "--", "vg_glue", "/dev/sdb1"]
LVCREATE = ["lvcreate", "--yes", "--activate", "y", "--extents", "100%FREE", "--name", "lv_glue", "--", "vg_glue"]
MKFS = ["mkfs.xfs", "-K", VOLUME]
RELOAD = ["systemctl", "daemon-reload"]
PRINT = ["parted", "-s", "-m", "/dev/sdb", "unit", "B", "print"]
WIPE = ["wipefs", "--all", "--", "/dev/sdb"]
PVREMOVE = ["pvremove", "--yes", "--", "/dev/sdb1"]
VGREMOVE = ["vgremove", "--yes", "--", "vg_glue"]
LVREMOVE = ["lvremove", "--yes", "--", "vg_glue/lv_glue"]
RM = ["parted", "-s", "/dev/sdb", "rm", "1"]


@pytest.fixture
def standalone(node: NodeUnderTest) -> NodeUnderTest:
    """A standalone node that takes its folder for the whole system, with an fstab of its own."""
    node.write_cluster(documents.document("ablestack-standalone"))
    (node.root / "etc/fstab").write_text(FSTAB)
    (node.root / "proc/self").mkdir(parents=True)
    (node.root / "proc/self/mounts").write_text("/dev/sda1 / xfs rw 0 0\n")
    return believe(node)


def place(node: NodeUnderTest) -> str:
    return str(node.root / "mnt/glue")


def mount_argv(node: NodeUnderTest) -> list[str]:
    return ["mount", "-t", "xfs", "--", VOLUME, place(node)]


def umount_argv(node: NodeUnderTest, *options: str) -> list[str]:
    return ["umount", *options, "--", place(node)]


def fstab(node: NodeUnderTest) -> str:
    return (node.root / "etc/fstab").read_text()


def configured(node: NodeUnderTest) -> str:
    return str(node.cluster()["systemProfile"]["bootstrap"]["local_configure"])


def ask(node: NodeUnderTest, body: Any, query: str = "") -> Answer:
    return node.call("POST", f"{PATH}{query}", body)


def expect_checks(runner: QueuedRunner, *devices: Node, free: bool = True) -> None:
    expect_vgs(runner, vg("vg_other"))
    lsblk_output.expect(runner, *(devices or (disk("sdb"),)))
    if free:
        expect_pvs(runner, pv("/dev/sda2", "rl"))


def partitioned(runner: QueuedRunner) -> None:
    """From the partition table to the partition's appearance."""
    runner.expect(PARTED)
    runner.expect(PARTPROBE)
    runner.expect(SETTLE)
    lsblk_output.expect(runner, disk("sdb", part("sdb1")))


# --- create ----------------------------------------------------------------------------------------------------------


def test_create(standalone: NodeUnderTest) -> None:
    node, runner = standalone, standalone.runner
    expect_checks(runner)
    partitioned(runner)
    for argv in (PVCREATE, VGCREATE, LVCREATE, MKFS, RELOAD, mount_argv(node)):
        runner.expect(argv)
    answer = ask(node, CREATE)
    assert (answer.status, answer.body) == (
        200,
        {"code": 200, "val": "Create Local Disk Success", "message": "ok", "action": "create-local-disk"},
    )
    assert fstab(node) == f"{FSTAB}\n{LINE}"
    assert (node.root / "etc/fstab.ablestack-backup").read_text() == FSTAB
    assert os.path.isdir(place(node))
    assert configured(node) == "true"
    assert node.cluster_json.stat().st_mode & 0o777 == 0o600


def test_create_on_two_disks_of_which_one_is_named_twice(standalone: NodeUnderTest) -> None:
    """Three names, two disks; a partition of NVMe has a p in its name; the second is there a moment later."""
    node, runner = standalone, standalone.runner
    link = node.root / "dev/disk/by-id/wwn-0x5000ab"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../sdb")
    expect_checks(runner, disk("sdb"), disk("nvme0n1"))
    partitioned(runner)
    runner.expect(PVCREATE)
    runner.expect([*PARTED[:2], "/dev/nvme0n1", *PARTED[3:]])
    runner.expect(["partprobe", "/dev/nvme0n1"], code=1, stderr="Error: busy\n")
    runner.expect(SETTLE)
    lsblk_output.expect(runner, disk("sdb", part("sdb1")), disk("nvme0n1"))
    lsblk_output.expect(runner, disk("sdb", part("sdb1")), disk("nvme0n1", part("nvme0n1p1")))
    runner.expect(["pvcreate", "--yes", "--", "/dev/nvme0n1p1"])
    runner.expect([*VGCREATE, "/dev/nvme0n1p1"])
    for argv in (LVCREATE, MKFS, RELOAD, mount_argv(node)):
        runner.expect(argv)
    body = {"action": "CREATE-local-disk", "disks": ["/dev/disk/by-id/wwn-0x5000ab", "/dev/sdb"], "disk": "/dev/nvme0n1,"}
    assert ask(node, body).status == 200
    assert node.clock.slept == [1]


def test_create_replaces_older_lines_of_its_mount_point_and_keeps_all_others(standalone: NodeUnderTest) -> None:
    node, runner = standalone, standalone.runner
    kept = "#/dev/vg_glue/lv_glue /mnt/glue xfs defaults 0 0\n\n  \nUUID=3 /mnt/glue-2 xfs defaults 0 0\n\xe9 odd\n"
    (node.root / "etc/fstab").write_bytes(
        (kept + f"{VOLUME} /old xfs ro 0 0\nUUID=9 /mnt/glue/ ext4 ro 0 0\n").encode("latin-1")
    )
    expect_checks(runner)
    partitioned(runner)
    for argv in (PVCREATE, VGCREATE, LVCREATE, MKFS, RELOAD, mount_argv(node)):
        runner.expect(argv)
    assert ask(node, CREATE).status == 200
    assert (node.root / "etc/fstab").read_bytes() == (kept + LINE).encode("latin-1")


def test_the_plan_of_a_create_changes_nothing(standalone: NodeUnderTest) -> None:
    expect_checks(standalone.runner)
    answer = ask(standalone, CREATE, "?plan=true")
    assert answer.status == 200
    steps = answer.body["val"]["steps"]
    names = [
        "partition-sdb",
        "pvcreate-sdb",
        "vgcreate",
        "lvcreate",
        "mkfs",
        "mount-point",
        "fstab",
        "mount",
        "cluster-json",
    ]
    assert [step["step"] for step in steps] == names
    assert all(step["undo"] for step in steps)
    assert steps[0]["commands"] == [PARTED, PARTPROBE]
    assert fstab(standalone) == FSTAB
    assert configured(standalone) == "false"


UNDO_DISK = [PRINT, WIPE, PARTPROBE, SETTLE]
UNDO_TO_VOLUME = [LVREMOVE, VGREMOVE, PVREMOVE, *UNDO_DISK]


def failing_steps(node: NodeUnderTest) -> list[tuple[str, list[list[str]], list[str], list[list[str]]]]:
    """(step, programs after the partition that go well, the one that fails, exactly what is undone then)."""
    made = [PVCREATE, VGCREATE, LVCREATE, MKFS, RELOAD]
    return [
        ("pvcreate-sdb", made[:0], PVCREATE, UNDO_DISK),
        ("vgcreate", made[:1], VGCREATE, [PVREMOVE, *UNDO_DISK]),
        ("lvcreate", made[:2], LVCREATE, [VGREMOVE, PVREMOVE, *UNDO_DISK]),
        ("mkfs", made[:3], MKFS, UNDO_TO_VOLUME),
        ("fstab", made[:4], RELOAD, [RELOAD, *UNDO_TO_VOLUME]),
        ("mount", made, mount_argv(node), [RELOAD, *UNDO_TO_VOLUME]),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_failing_step_undoes_those_before(standalone: NodeUnderTest, number: int) -> None:
    node, runner = standalone, standalone.runner
    step, good, bad, undone = failing_steps(node)[number]
    expect_checks(runner)
    partitioned(runner)
    for argv in good:
        runner.expect(argv)
    runner.expect(bad, code=5, stderr="  it broke\n")
    for argv in undone:
        runner.expect(argv, stdout=OUR_TABLE if argv == PRINT else "")
    answer = ask(node, CREATE)
    assert answer.status == 502
    message = answer.body["message"]
    assert message.startswith(f"Create Local Disk Failure: step {step} failed: ")
    assert "it broke" in message
    assert "could not be undone" not in message
    assert "stays" not in message
    assert fstab(node) == FSTAB
    assert configured(node) == "false"
    assert not os.path.exists(place(node))
    outcomes = {entry["step"]: entry["outcome"] for entry in answer.body["steps"]}
    assert outcomes[step] == "failed"
    assert outcomes["partition-sdb"] == "undone"


@pytest.mark.parametrize(("printed", "undone"), [(OUR_TABLE, [WIPE, PARTPROBE, SETTLE]), (EMPTY_TABLE, [])])
def test_a_partition_that_does_not_come(standalone: NodeUnderTest, printed: str, undone: list[list[str]]) -> None:
    """The table is wiped when our partition was written; anything else is left as it is."""
    runner = standalone.runner
    expect_checks(runner)
    runner.expect(PARTED)
    runner.expect(PARTPROBE)
    runner.expect(SETTLE)
    for _ in range(31):
        lsblk_output.expect(runner, disk("sdb"))
    runner.expect(PRINT, stdout=printed)
    for argv in undone:
        runner.expect(argv)
    answer = ask(standalone, CREATE)
    assert answer.status == 504
    assert "partition not found for /dev/sdb within 30 s" in answer.body["message"]


def test_what_cannot_be_undone_is_told(standalone: NodeUnderTest) -> None:
    runner = standalone.runner
    expect_checks(runner)
    partitioned(runner)
    runner.expect(PVCREATE)
    runner.expect(VGCREATE, code=5, stderr="no\n")
    runner.expect(PVREMOVE, code=5, stderr="  Can't open /dev/sdb1 exclusively.\n")
    for argv in UNDO_DISK:
        runner.expect(argv, stdout=OUR_TABLE if argv == PRINT else "")
    answer = ask(standalone, CREATE)
    assert "could not be undone, see to it by hand: pvcreate-sdb (pvremove ended with code 5" in answer.body["message"]


def test_a_cluster_json_that_cannot_be_written_undoes_all(standalone: NodeUnderTest) -> None:
    node, runner = standalone, standalone.runner
    (node.cluster_json.parent / "cluster.json.tmp").mkdir()
    expect_checks(runner)
    partitioned(runner)
    undone = [umount_argv(node), RELOAD, *UNDO_TO_VOLUME]
    for argv in (PVCREATE, VGCREATE, LVCREATE, MKFS, RELOAD, mount_argv(node), *undone):
        runner.expect(argv, stdout=OUR_TABLE if argv == PRINT else "")
    answer = ask(node, CREATE)
    assert answer.status == 500
    assert "step cluster-json failed" in answer.body["message"]
    assert fstab(node) == FSTAB
    assert not os.path.exists(place(node))


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (disk("sdb", part("sdb1", mountpoints=["/"])), "holds the root file system"),
        (disk("sdb", part("sdb1", mountpoints=["/data"])), "mounted at /data"),
        (disk("sdb", mountpoints=["[SWAP]"]), "swap"),
        (disk("sdb", part("sdb1")), "partition exists"),
        (disk("sdb", **physical_volume()), "physical volume"),
        (disk("sdb", part("sdb1", mapped("lvm", "vg_x-lv", "dm-0"), **physical_volume())), "physical volume of vg_x"),
        (disk("sdb", mapped("mpath", "mpatha", "dm-3"), fstype="mpath_member"), "path of multipath map mpatha"),
        (disk("sdb", fstype="ceph_bluestore"), "Ceph OSD"),
        (disk("sdb", fstype="xfs"), "xfs on sdb"),
        (disk("sdb", ro=True), "read-only"),
        (disk("sdb", size=0), "no size"),
    ],
)
def test_a_disk_that_is_not_free_is_refused(standalone: NodeUnderTest, device: Node, reason: str) -> None:
    expect_checks(standalone.runner, device, free=False)
    answer = ask(standalone, CREATE)
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:conflict")
    assert reason in answer.body["message"]
    assert fstab(standalone) == FSTAB


def test_force_gives_up_what_lies_on_a_disk_but_not_one_in_use(standalone: NodeUnderTest) -> None:
    runner = standalone.runner
    forced = {**CREATE, "force": True}
    expect_checks(runner, disk("sdb", part("sdb1", fstype="ntfs")))
    answer = ask(standalone, forced, "?plan=true")
    assert answer.body["val"]["overrides"] == ["/dev/sdb: partition exists", "/dev/sdb: ntfs on sdb1"]
    expect_checks(runner, disk("sdb", part("sdb1", mountpoints=["/data"])), free=False)
    assert ask(standalone, forced).status == 409


@pytest.mark.parametrize("path", ["/dev/sdb", "/dev/sdb1", "/dev/mapper/mpathb1"])
def test_a_physical_volume_that_only_lvm_knows_is_never_overwritten(standalone: NodeUnderTest, path: str) -> None:
    """lsblk has signatures from udev, which may not have seen it yet."""
    device = disk("sdb", part("sdb1"))
    asked = {**CREATE, "force": True}
    if "mapper" in path:
        device = disk("sda", mapped("mpath", "mpathb", "dm-2", mapped("part", "mpathb1", "dm-3")), fstype="mpath_member")
        asked["disks"] = ["/dev/mapper/mpathb"]
    expect_checks(standalone.runner, device, free=False)
    expect_pvs(standalone.runner, pv(path, "vg_x"), pv("/dev/sdz1", "vg_y"), pv("[unknown]", "vg_y"))
    answer = ask(standalone, asked)
    assert answer.status == 409
    assert f"{path} is a physical volume of vg_x" in answer.body["message"]


@pytest.mark.parametrize(
    ("disks", "reason"),
    [
        (["sdb"], "no path below /dev"),
        (["-f"], "no path below /dev"),
        (["/etc/passwd"], "no path below /dev"),
        (["/dev/../etc/passwd"], "no path below /dev"),
        (["/dev/sdz"], "no block device"),
        (["/dev/null"], "no block device"),
        (["/dev/sdb\n"], "no block device|characters"),
        (["/dev/sdc1"], "is a part of /dev/sdc"),
    ],
)
def test_what_is_no_disk_is_refused(standalone: NodeUnderTest, disks: list[str], reason: str) -> None:
    expect_checks(standalone.runner, disk("sda"), disk("sdc", part("sdc1")), free=False)
    answer = ask(standalone, {**CREATE, "disks": disks})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "disks"
    assert any(text in answer.body["message"] for text in reason.split("|"))


@pytest.mark.parametrize("body", [{"action": "create"}, {"action": "create", "disk": " , ", "disks": ["", " "]}])
def test_create_without_disks(standalone: NodeUnderTest, body: dict[str, Any]) -> None:
    answer = ask(standalone, body)
    assert (answer.status, answer.body["message"]) == (400, "disks required")


@pytest.mark.parametrize("action", ["", "destroy", "create-clvm", "create;reset"])
def test_unsupported_action(standalone: NodeUnderTest, action: str) -> None:
    answer = ask(standalone, {"action": action})
    assert (answer.status, answer.body["message"], answer.body["err_code"]) == (400, "unsupported action", 400)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        {"action": 5},
        {"action": "reset", "disks": "sdb"},
        {"action": "reset", "force": "yes"},
        {"action": "create", "disks": ["/dev/sdb"] * 65},
    ],
)
def test_bodies_of_the_wrong_shape(standalone: NodeUnderTest, body: Any) -> None:
    answer = ask(standalone, body)
    assert answer.status == 400
    assert answer.body["message"].startswith("invalid request")


@pytest.mark.parametrize("body", [CREATE, RESET])
@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-hci", "ablestack-hci-filesystem"])
def test_other_cluster_types_have_no_local_storage(node: NodeUnderTest, body: dict[str, Any], cluster_type: str) -> None:
    """vg_glue is the name of a GFS cluster's group too (weakness 42)."""
    believe(node).write_cluster(documents.document(cluster_type))
    for query in ("", "?plan=true"):
        answer = ask(node, {**body, "force": True}, query)
        assert answer.status == 409
        assert cluster_type in answer.body["message"]


@pytest.mark.parametrize("body", [CREATE, RESET])
def test_a_node_in_a_folder_keeps_its_hands_off_the_disks(node: NodeUnderTest, body: dict[str, Any]) -> None:
    node.write_cluster(documents.document("ablestack-standalone"))
    answer = ask(node, body)
    assert answer.status == 409
    assert str(node.root) in answer.body["message"]


def test_create_when_there_is_one_already(standalone: NodeUnderTest) -> None:
    expect_vgs(standalone.runner, vg("vg_glue"))
    answer = ask(standalone, {**CREATE, "force": True})
    assert answer.status == 409
    assert "vg_glue already exists" in answer.body["message"]


def test_create_when_lvm_cannot_tell(standalone: NodeUnderTest) -> None:
    standalone.runner.expect(lvm_reports.VGS, code=5, stderr="  /run/lock/lvm: open failed\n")
    assert ask(standalone, CREATE).status == 502


def test_create_below_another_file_system(standalone: NodeUnderTest) -> None:
    (standalone.root / "proc/self/mounts").write_text("nas:/x /mnt/glue nfs rw 0 0\n")
    expect_vgs(standalone.runner)
    answer = ask(standalone, CREATE)
    assert answer.status == 409
    assert "nas:/x is mounted at /mnt/glue" in answer.body["message"]


def test_a_credential_is_needed(standalone: NodeUnderTest) -> None:
    assert standalone.call("POST", PATH, CREATE, headers={}).status == 401


# --- status ----------------------------------------------------------------------------------------------------------


GLUE = disk("sdb", part("sdb1", mapped("lvm", "vg_glue-lv_glue", "dm-0", size=1979120929996), **physical_volume()))


def mounted(node: NodeUnderTest, device: str = "/dev/mapper/vg_glue-lv_glue", more: str = "") -> None:
    (node.root / "proc/self/mounts").write_text(f"{device} /mnt/glue xfs rw 0 0\n{more}")


@pytest.mark.parametrize("action", ["status", "local-disk-status", "Status"])
def test_status(standalone: NodeUnderTest, action: str) -> None:
    mounted(standalone)
    lsblk_output.expect(standalone.runner, GLUE)
    expect_pvs(standalone.runner, pv("/dev/sdb1", "vg_glue"), pv("/dev/sdc1", "vg_glue"), pv("/dev/sdd", "vg_x"))
    answer = ask(standalone, {"action": action})
    told = {"status": "Health OK", "mount_path": "/mnt/glue", "pv": "/dev/sdb1\n/dev/sdc1"}
    val = {**told, "vg": "/dev/mapper/vg_glue-lv_glue", "size": "1.8T"}
    assert answer.status == 200
    assert answer.body.pop("refresh_time") == "2026-07-01T10:00:00+09:00"
    assert answer.body == {"code": 200, "val": val, "message": "ok", "action": "local-disk-status"}


def test_status_when_lvm_does_not_answer(standalone: NodeUnderTest) -> None:
    mounted(standalone)
    lsblk_output.expect(standalone.runner, GLUE)
    standalone.runner.expect(lvm_reports.PVS, code=5)
    answer = ask(standalone, {"action": "status"})
    assert (answer.status, answer.body["val"]["pv"], answer.body["val"]["size"]) == (200, "N/A", "1.8T")


def test_status_of_a_node_without_local_storage(node: NodeUnderTest) -> None:
    answer = ask(node, {"action": "status"})
    assert answer.status == 500
    assert (answer.body["code"], answer.body["message"], answer.body["action"]) == (500, "Health Err", "local-disk-status")
    rest = dict.fromkeys(("mount_path", "pv", "vg", "size"), "N/A")
    assert answer.body["val"] == {"status": "Health Err", **rest}
    assert '"outcome":"normal"' in Path(node.settings.request_log).read_text().replace(" ", "")


# --- reset -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def glued(standalone: NodeUnderTest) -> NodeUnderTest:
    """A standalone node with local storage."""
    standalone.write_cluster(documents.document("ablestack-standalone", local_configure="true"))
    (standalone.root / "etc/fstab").write_text(f"{FSTAB}\n{LINE}")
    mounted(standalone)
    return standalone


def expect_found(
    runner: QueuedRunner, *volumes: str, pvs: tuple[str, ...] = ("/dev/sdb1",), tag: str = "ablestack_local"
) -> None:
    expect_vgs(runner, vg("vg_glue", lvs=len(volumes)), vg("vg_x"))
    expect_lvs(runner, *(lv("vg_glue", name) for name in volumes), lv("vg_x", "data"))
    expect_pvs(runner, *(pv(path, "vg_glue") for path in pvs), pv("/dev/sdd1", "vg_x"))
    expect_tags(runner, vg_glue=tag, vg_x="")


def test_reset(glued: NodeUnderTest) -> None:
    node, runner = glued, glued.runner
    expect_found(runner, "lv_glue")
    lsblk_output.expect(runner, GLUE)
    for argv in (umount_argv(node), RELOAD, LVREMOVE, VGREMOVE, PVREMOVE, RM, PARTPROBE, SETTLE):
        runner.expect(argv)
    answer = ask(node, RESET)
    assert (answer.status, answer.body) == (
        200,
        {"code": 200, "val": "Success Reset Local Disk", "message": "ok", "action": "reset"},
    )
    assert fstab(node) == f"{FSTAB}\n"
    assert configured(node) == "false"


def test_reset_removes_the_partition_of_the_volume_only(glued: NodeUnderTest) -> None:
    """Number 3 of a disk with others, a multipath map's, and a whole disk: only what the group stood on goes."""
    node, runner = glued, glued.runner
    expect_found(runner, "lv_glue", pvs=("/dev/sdp3", "/dev/mapper/mpathp1", "/dev/nvme0n1"))
    mpathp = mapped("mpath", "mpathp", "dm-4", mapped("part", "mpathp1", "dm-5"))
    lsblk_output.expect(
        runner, disk("sdp", part("sdp1"), part("sdp3", **physical_volume())), disk("sdc", mpathp), disk("nvme0n1")
    )
    for argv in (umount_argv(node), RELOAD, LVREMOVE, VGREMOVE):
        runner.expect(argv)
    for argv in (
        ["pvremove", "--yes", "--", "/dev/sdp3"],
        ["parted", "-s", "/dev/sdp", "rm", "3"],
        ["partprobe", "/dev/sdp"],
        SETTLE,
        ["pvremove", "--yes", "--", "/dev/mapper/mpathp1"],
        ["parted", "-s", "/dev/mapper/mpathp", "rm", "1"],
        ["partprobe", "/dev/mapper/mpathp"],
        SETTLE,
        ["pvremove", "--yes", "--", "/dev/nvme0n1"],
    ):
        runner.expect(argv)
    assert ask(node, RESET).status == 200


def test_reset_of_nothing_is_done_at_once(standalone: NodeUnderTest) -> None:
    expect_vgs(standalone.runner, vg("vg_x"))
    assert ask(standalone, RESET).body["val"] == "Success Reset Local Disk"
    assert fstab(standalone) == FSTAB


def test_reset_goes_on_where_an_earlier_one_stopped(glued: NodeUnderTest) -> None:
    """The group is left without its volume; nothing is mounted any more."""
    node, runner = glued, glued.runner
    (node.root / "proc/self/mounts").write_text("")
    (node.root / "etc/fstab").write_text(FSTAB)
    expect_found(runner)
    lsblk_output.expect(runner, disk("sdb", part("sdb1", **physical_volume())))
    for argv in (VGREMOVE, PVREMOVE, RM, PARTPROBE, SETTLE):
        runner.expect(argv)
    assert ask(node, RESET).status == 200
    assert configured(node) == "false"


def test_the_plan_of_a_reset(glued: NodeUnderTest) -> None:
    expect_found(glued.runner, "lv_glue")
    lsblk_output.expect(glued.runner, GLUE)
    val = ask(glued, RESET, "?plan=true").body["val"]
    names = ["umount", "fstab", "lvremove-lv_glue", "vgremove", "pvremove-sdb1", "rm-partition-sdb-1", "cluster-json"]
    assert [step["step"] for step in val["steps"]] == names
    assert fstab(glued) == f"{FSTAB}\n{LINE}"


def test_a_volume_that_cannot_be_removed_is_mounted_again(glued: NodeUnderTest) -> None:
    node, runner = glued, glued.runner
    expect_found(runner, "lv_glue")
    lsblk_output.expect(runner, GLUE)
    runner.expect(umount_argv(node))
    runner.expect(RELOAD)
    runner.expect(LVREMOVE, code=5, stderr="  Logical volume vg_glue/lv_glue in use.\n")
    runner.expect(RELOAD)
    runner.expect(mount_argv(node))
    answer = ask(node, RESET)
    assert answer.status == 502
    assert answer.body["message"].startswith("Failed Local Disk Check: step lvremove-lv_glue failed")
    assert "undone: umount, fstab" in answer.body["message"]
    assert fstab(node) == f"{FSTAB}\n{LINE}"
    assert configured(node) == "true"


@pytest.mark.parametrize("number", range(3))
def test_once_the_volume_is_gone_nothing_is_put_back(glued: NodeUnderTest, number: int) -> None:
    node, runner = glued, glued.runner
    expect_found(runner, "lv_glue")
    lsblk_output.expect(runner, GLUE)
    for argv in (umount_argv(node), RELOAD, LVREMOVE):
        runner.expect(argv)
    last = [VGREMOVE, PVREMOVE, RM]
    for argv in last[:number]:
        runner.expect(argv)
    runner.expect(last[number], code=5, stderr="no\n")
    message = ask(node, RESET).body["message"]
    assert "stays done: umount, fstab, lvremove-lv_glue" in message
    assert "undone" not in message
    assert fstab(node) == f"{FSTAB}\n"


def program(node: NodeUnderTest, pid: int, name: str, **links: str) -> None:
    folder = node.root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    for link, target in links.items():
        (folder / link.replace("_", "/")).symlink_to(target)


def test_reset_names_who_uses_the_file_system(glued: NodeUnderTest) -> None:
    node = glued
    glue = place(node)
    mounted(node, more=f"nas:/b {glue}/backup nfs rw 0 0\n")
    program(node, 4711, "qemu-kvm", fd_9=f"{glue}/vm.qcow2")
    program(node, 99, "bash", cwd=glue)
    program(node, 100, "other", cwd=f"{glue}-2", fd_1="/dev/null")
    expect_found(node.runner, "lv_glue")
    answer = ask(node, RESET)
    assert answer.status == 409
    assert answer.body["holders"] == [f"mounted at {glue}/backup", "bash (99)", "qemu-kvm (4711)"]
    assert "qemu-kvm (4711)" in answer.body["message"]
    assert fstab(node) == f"{FSTAB}\n{LINE}"

    expect_found(node.runner, "lv_glue")
    lsblk_output.expect(node.runner, GLUE)
    for argv in (umount_argv(node, "--lazy"), RELOAD, LVREMOVE, VGREMOVE, PVREMOVE, RM, PARTPROBE, SETTLE):
        node.runner.expect(argv)
    assert ask(node, {**RESET, "force": True}).status == 200


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (lambda runner: expect_found(runner, "lv_glue", "lv_data"), "also holds the volume lv_data"),
        (lambda runner: expect_found(runner, "lv_glue", tag=""), ""),
    ],
)
def test_reset_leaves_other_volumes_alone(glued: NodeUnderTest, found: Callable[[QueuedRunner], None], reason: str) -> None:
    found(glued.runner)
    if not reason:  # made by 0.1.2, without a tag: fstab tells that it is ours
        lsblk_output.expect(glued.runner, GLUE)
        assert ask(glued, RESET, "?plan=true").status == 200
        return
    answer = ask(glued, RESET)
    assert answer.status == 409
    assert reason in answer.body["message"]


def test_reset_of_a_group_that_nothing_calls_ours(standalone: NodeUnderTest) -> None:
    node, runner = standalone, standalone.runner
    expect_found(runner, "lv_glue", tag="other,tags")
    answer = ask(node, RESET)
    assert answer.status == 409
    assert "nothing tells that vg_glue was made as local storage" in answer.body["message"]
    expect_found(runner, "lv_glue", "lv_data", tag="")
    lsblk_output.expect(runner, GLUE)
    for argv in (["lvremove", "--yes", "--", "vg_glue/lv_data"], LVREMOVE, VGREMOVE, PVREMOVE, RM, PARTPROBE, SETTLE):
        runner.expect(argv)
    assert ask(node, {**RESET, "force": True}).status == 200


def test_a_shared_group_is_never_reset(glued: NodeUnderTest) -> None:
    expect_vgs(glued.runner, vg("vg_glue", lvs=1, lock="dlm"))
    expect_lvs(glued.runner)
    expect_pvs(glued.runner)
    expect_tags(glued.runner)
    answer = ask(glued, {**RESET, "force": True})
    assert answer.status == 409
    assert "shared volume group (dlm)" in answer.body["message"]


def test_another_file_system_at_the_mount_point_is_never_unmounted(glued: NodeUnderTest) -> None:
    mounted(glued, "nas:/x")
    expect_found(glued.runner, "lv_glue")
    assert ask(glued, {**RESET, "force": True}).status == 409


def test_reset_when_lvm_cannot_tell(glued: NodeUnderTest) -> None:
    glued.runner.expect(lvm_reports.VGS, code=5)
    assert ask(glued, RESET).status == 502
    assert fstab(glued) == f"{FSTAB}\n{LINE}"


def test_a_caller_who_does_not_wait_finds_the_answer_in_the_job(standalone: NodeUnderTest) -> None:
    expect_vgs(standalone.runner, vg("vg_x"))
    started = standalone.call("POST", PATH, RESET, headers={**standalone.bearer(), "Prefer": "respond-async"})
    assert started.status == 202
    job = standalone.call("GET", f"{started.headers['location'].removeprefix('/api/v1')}?wait=30")
    assert job.status == 200
    assert "Success Reset Local Disk" in json.dumps(job.body)


def test_what_is_wrong_with_a_request_is_told_before_a_job_is_made(standalone: NodeUnderTest) -> None:
    answer = standalone.call("POST", PATH, {"action": "create"}, headers={**standalone.bearer(), "Prefer": "respond-async"})
    assert (answer.status, answer.body["message"]) == (400, "disks required")
