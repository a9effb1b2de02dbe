"""POST /cube/clvm/manage (contract 02 §7): volume groups on shared disks that every host sees."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents, lsblk_output, lvm_reports
from tests.support.answer import Answer
from tests.support.doubles import ExpectedRun
from tests.support.lsblk_output import Node, disk, mapped, part, physical_volume
from tests.support.lvm_reports import expect_pvs, expect_vgs, pv, vg
from tests.support.network import Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest
from tests.support.whole_system import believe

PATH, GFS_PATH = "/cube/clvm/manage", "/cube/gfs/manage"
SECOND, THIRD = "10.10.31.2", "10.10.31.3"
BY_ID = "/dev/disk/by-id/wwn-0x5000cca000000001"
CREATE: dict[str, Any] = {"action": "create", "disks": [BY_ID]}
PARTPROBE = ["partprobe", "/dev/sdb"]
SETTLE = ["udevadm", "settle", "--timeout=30"]
PVCREATE = ["pvcreate", "--yes", "--", "/dev/sdb1"]
PVREMOVE = ["pvremove", "--yes", "--", "/dev/sdb1"]
PRINT = ["parted", "-s", "-m", "/dev/sdb", "unit", "B", "print"]
WIPE = ["wipefs", "--all", "--", "/dev/sdb"]
RM = ["parted", "-s", "/dev/sdb", "rm", "1"]
OUR_TABLE = "BYT;\n/dev/sdb:107374182400B:scsi:512:512:gpt:ATA X:;\n1:1048576B:107373133823B:107372085248B::sdb:lvm;\n"
UNDO_DISK = [PRINT, WIPE, PARTPROBE, SETTLE]


def parted_argv(path: str, label: str) -> list[str]:
    return ["parted", "-s", path, "mklabel", "gpt", "mkpart", label, "0%", "100%", "set", "1", "lvm", "on"]


def vgcreate_argv(name: str, path: str = "/dev/sdb1") -> list[str]:
    return ["vgcreate", "--yes", "--systemid", "", "--", name, path]


def vgremove_argv(name: str) -> list[str]:
    return ["vgremove", "--yes", "--", name]


@pytest.fixture
def cube(node: NodeUnderTest) -> NodeUnderTest:
    """The first of three hosts, with a shared disk."""
    node.write_cluster(documents.document("ablestack-vm"))
    link(node, BY_ID, "../../sdb")
    return believe(node)


@pytest.fixture
def last(node: NodeUnderTest) -> NodeUnderTest:
    """The last of three hosts: another one gives the numbers."""
    document = documents.document("ablestack-vm")
    document["clusterConfig"]["hosts"].reverse()
    node.write_cluster(document)
    link(node, BY_ID, "../../sdb")
    return believe(node)


@pytest.fixture
def alone(node: NodeUnderTest) -> NodeUnderTest:
    """A node without a configuration."""
    return believe(node)


def link(node: NodeUnderTest, path: str, target: str) -> None:
    place = node.root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def ask(node: NodeUnderTest, body: Any, query: str = "", **more: Any) -> Answer:
    return node.call("POST", f"{PATH}{query}", body, **more)


def sent(node: NodeUnderTest, address: str) -> list[tuple[str, dict[str, Any]]]:
    return [(call.path.removeprefix("/api/v1"), call.body) for call in node.peers.made if call.address == address]


def listed(*names: str) -> dict[str, Any]:
    return {"code": 200, "val": [{"vg_name": name, "pv_name": "/dev/sdx1"} for name in names]}


def expect_checks(cube: NodeUnderTest, *own: str, elsewhere: tuple[str, ...] = (), devices: tuple[Node, ...] = ()) -> None:
    lsblk_output.expect(cube.runner, *(devices or (disk("sdb"),)))
    expect_pvs(cube.runner, pv("/dev/sda2", "rl"))
    expect_vgs(cube.runner, *(vg(name) for name in own))
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH, body=listed(*elsewhere))
    lsblk_output.expect(cube.runner, *(devices or (disk("sdb"),)))


def partitioned(cube: NodeUnderTest) -> None:
    cube.runner.expect(parted_argv("/dev/sdb", "sdb"))
    cube.runner.expect(PARTPROBE)
    cube.runner.expect(SETTLE)
    lsblk_output.expect(cube.runner, disk("sdb", part("sdb1")))


def expect_group(cube: NodeUnderTest, name: str) -> None:
    """From the empty disk sdb to a group on it."""
    partitioned(cube)
    cube.runner.expect(PVCREATE)
    cube.runner.expect(vgcreate_argv(name))


def expect_told(cube: NodeUnderTest, times: int = 2) -> None:
    for address in (SECOND, THIRD):
        for _ in range(times):
            cube.peers.expect(address, "POST", GFS_PATH)


# --- create ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "elsewhere", "name"),
    [
        ((), (), "vg_clvm01"),
        (("vg_clvm01", "vg_clvm03"), (), "vg_clvm04"),
        (("vg_clvm01",), ("vg_clvm07",), "vg_clvm08"),
        (("vg_clvm99",), (), "vg_clvm100"),
        (("vg_clvm_x", "my_vg_clvm50", "vg_clvm12a", "VG_CLVM60", "vg_glue"), ("vg_clvm2",), "vg_clvm03"),
    ],
)
def test_create(cube: NodeUnderTest, own: tuple[str, ...], elsewhere: tuple[str, ...], name: str) -> None:
    expect_checks(cube, *own, elsewhere=elsewhere)
    expect_group(cube, name)
    expect_pvs(cube.runner, pv("/dev/sdb1", name), pv("/dev/sda2", "rl"))
    expect_told(cube, times=3)
    answer = ask(cube, CREATE)
    assert (answer.status, answer.body) == (
        200,
        {"code": 200, "val": "Create CLVM Disk Success", "message": "ok", "action": "create-clvm"},
    )
    assert sent(cube, SECOND) == [
        (PATH, {"action": "list-clvm"}),
        (GFS_PATH, {"action": "partprobe", "disks": [BY_ID]}),
        (GFS_PATH, {"action": "lvmdevices-add", "disks": [BY_ID]}),
        (GFS_PATH, {"action": "see-physical-volumes", "pv_uuids": [lvm_reports.UUID]}),
    ]
    assert {call.headers.get("X-Cube-GFS-Manage-Local") for call in cube.peers.made if call.path.endswith(GFS_PATH)} == {"1"}


def test_create_on_several_disks(cube: NodeUnderTest) -> None:
    """A multipath map by its name, a disk by two names: two groups, known elsewhere by names that hold everywhere."""
    mpath_id = "/dev/disk/by-id/dm-uuid-mpath-3600a0b80000bb22"
    link(cube, mpath_id, "../../dm-3")
    link(cube, "/dev/mapper/mpathc", "../dm-3")
    mpathc = mapped("mpath", "mpathc", "dm-3")
    made = mapped("mpath", "mpathc", "dm-3", mapped("part", "mpathc1", "dm-4"))
    sdc = disk("sdc", mpathc, fstype="mpath_member")
    expect_checks(cube, devices=(disk("sdb"), sdc))
    runner = cube.runner
    runner.expect(parted_argv("/dev/mapper/mpathc", "mpathc"))
    runner.expect(["partprobe", "/dev/mapper/mpathc"])
    runner.expect(SETTLE)
    lsblk_output.expect(runner, disk("sdb"), disk("sdc", made, fstype="mpath_member"))
    runner.expect(["pvcreate", "--yes", "--", "/dev/mapper/mpathc1"])
    runner.expect(vgcreate_argv("vg_clvm01", "/dev/mapper/mpathc1"))
    expect_group(cube, "vg_clvm02")
    expect_pvs(runner, pv("/dev/sdb1", "vg_clvm02"), pv("/dev/mapper/mpathc1", "vg_clvm01"))
    expect_told(cube, times=3)
    answer = ask(cube, {"action": "create-clvm", "disk": f"/dev/sdb,{BY_ID}", "disks": ["/dev/mapper/mpathc"]})
    assert answer.status == 200
    assert sent(cube, THIRD)[1] == (GFS_PATH, {"action": "partprobe", "disks": [mpath_id, BY_ID]})


def test_create_on_a_node_without_a_cluster(alone: NodeUnderTest) -> None:
    lsblk_output.expect(alone.runner, disk("sdb"))
    expect_pvs(alone.runner)
    expect_vgs(alone.runner)
    lsblk_output.expect(alone.runner, disk("sdb"))
    expect_group(alone, "vg_clvm01")
    assert ask(alone, {"action": "create", "disk": "/dev/sdb"}).status == 200
    assert alone.peers.made == []


def test_the_plan_of_a_create(cube: NodeUnderTest) -> None:
    expect_checks(cube, "vg_clvm04")
    answer = ask(cube, CREATE, "?plan=true")
    val = answer.body["val"]
    assert val["plan"] == "create vg_clvm05"
    names = ["reserve-numbers", "partition-sdb", "pvcreate-sdb", "vgcreate-sdb", "tell-other-hosts", "free-numbers"]
    assert [step["step"] for step in val["steps"]] == names
    assert answer.body["action"] == "create-clvm"
    assert not (Path(cube.settings.state_root) / "clvm_numbers.json").exists()


@pytest.mark.parametrize("number", range(3))
def test_a_failing_step_undoes_those_before(cube: NodeUnderTest, number: int) -> None:
    step, good, bad, undone = [
        ("pvcreate-sdb", [], PVCREATE, UNDO_DISK),
        ("vgcreate-sdb", [PVCREATE], vgcreate_argv("vg_clvm01"), [PVREMOVE, *UNDO_DISK]),
        ("partition-sdb", [], parted_argv("/dev/sdb", "sdb"), [PRINT]),
    ][number]
    expect_checks(cube)
    if step != "partition-sdb":
        partitioned(cube)
    for argv in good:
        cube.runner.expect(argv)
    cube.runner.expect(bad, code=5, stderr="  it broke\n")
    for argv in undone:
        unwritten = OUR_TABLE.splitlines(keepends=True)[:2] if step == "partition-sdb" else [OUR_TABLE]
        cube.runner.expect(argv, stdout="".join(unwritten) if argv == PRINT else "")
    answer = ask(cube, CREATE)
    assert answer.status == 502
    assert answer.body["message"].startswith(f"Create CLVM Disk Failure: step {step} failed: ")
    assert {entry["step"]: entry["outcome"] for entry in answer.body["steps"]}["reserve-numbers"] == "undone"
    stored = json.loads((Path(cube.settings.state_root) / "clvm_numbers.json").read_text())
    assert stored == {}, "the number can be given again"
    assert [path for path, _ in sent(cube, SECOND)] == [PATH], "nobody was told of the disk"


def test_the_second_disk_fails_and_the_first_group_goes_too(cube: NodeUnderTest) -> None:
    link(cube, "/dev/disk/by-id/wwn-0x5000cca000000002", "../../sdc")
    expect_checks(cube, devices=(disk("sdb"), disk("sdc")))
    expect_group(cube, "vg_clvm01")
    runner = cube.runner
    runner.expect(parted_argv("/dev/sdc", "sdc"), code=1, stderr="Error: Input/output error during write\n")
    runner.expect([*PRINT[:3], "/dev/sdc", *PRINT[4:]], stdout="BYT;\n/dev/sdc:1000B:scsi:512:512:unknown:X:;\n")
    for argv in (vgremove_argv("vg_clvm01"), PVREMOVE, *UNDO_DISK):
        runner.expect(argv, stdout=OUR_TABLE if argv == PRINT else "")
    answer = ask(cube, {"action": "create", "disks": ["/dev/sdb", "/dev/sdc"]})
    assert answer.status == 502
    assert "undone: reserve-numbers, partition-sdb, pvcreate-sdb, vgcreate-sdb" in answer.body["message"]


@pytest.mark.parametrize("action", ["partprobe", "lvmdevices-add", "see-physical-volumes"])
def test_a_host_that_cannot_see_the_disk(cube: NodeUnderTest, action: str) -> None:
    """All is taken back, and the hosts that were told forget it, after it is gone."""
    expect_checks(cube)
    expect_group(cube, "vg_clvm01")
    expect_told(cube, times=["partprobe", "lvmdevices-add", "see-physical-volumes"].index(action))
    if action == "see-physical-volumes":
        expect_pvs(cube.runner, pv("/dev/sdb1", "vg_clvm01"))
    cube.peers.expect(SECOND, "POST", GFS_PATH)
    cube.peers.expect(THIRD, "POST", GFS_PATH, 400, {"code": 400, "message": "no block device of this node"})
    for argv in (vgremove_argv("vg_clvm01"), PVREMOVE, *UNDO_DISK):
        cube.runner.expect(argv, stdout=OUR_TABLE if argv == PRINT else "")
    expect_told(cube)
    answer = ask(cube, CREATE)
    assert answer.status == 502
    assert f"{action} failed: {THIRD}: no block device of this node" in answer.body["message"]
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "failed"]
    assert [body["action"] for _, body in sent(cube, SECOND)][-2:] == ["release-gfs-node", "partprobe"]


def test_a_host_that_is_off_stops_a_create_unless_forced(cube: NodeUnderTest) -> None:
    runner = cube.runner
    for force in (False, True):
        lsblk_output.expect(runner, disk("sdb"))
        expect_pvs(runner)
        expect_vgs(runner)
        cube.peers.expect(SECOND, "POST", PATH, body=listed("vg_clvm01"))
        cube.peers.expect_unreachable(THIRD, "POST", PATH, "no connection")
        if not force:
            answer = ask(cube, CREATE)
            assert answer.status == 502
            assert f"{THIRD}: no connection" in answer.body["message"]
    lsblk_output.expect(runner, disk("sdb"))
    partitioned(cube)
    runner.expect(["pvcreate", "-ff", "--yes", "--", "/dev/sdb1"])
    runner.expect(vgcreate_argv("vg_clvm02"))
    expect_pvs(runner, pv("/dev/sdb1", "vg_clvm02"))
    for _ in range(3):
        cube.peers.expect(SECOND, "POST", GFS_PATH)
    assert ask(cube, {**CREATE, "force": True}).status == 200


def test_nodes_that_create_at_the_same_time_get_different_names(tmp_path: Path) -> None:
    """The third begins while the second is not ready and sees no group yet; the first gives the numbers."""
    network = Network(tmp_path)
    first, second, third = nodes = [
        believe(node) for node in network.add_hosts("ablestack-vm", documents.document("ablestack-vm"))
    ]
    begun: list[int] = []

    def meanwhile() -> None:
        if not begun:
            begun.append(1)
            begun.append(ask(third, CREATE).status)

    network.during(first.settings.listen_host, GFS_PATH, meanwhile)
    for node in nodes:
        network.answers(node.settings.listen_host, GFS_PATH, 200, {"code": 200, "val": "ok"})
    for node, name in ((second, "vg_clvm01"), (third, "vg_clvm02")):
        link(node, BY_ID, "../../sdb")
        lsblk_output.expect(node.runner, disk("sdb"))
        expect_pvs(node.runner)
        expect_vgs(node.runner)
        lsblk_output.expect(node.runner, disk("sdb"))
        expect_group(node, name)
    for node in (first, first):
        expect_pvs(node.runner)
    third.runner.queue.insert(0, ExpectedRun(lvm_reports.PVS, '{"report": [{"pv": []}]}'))
    expect_pvs(third.runner, pv("/dev/sdb1", "vg_clvm02"))
    expect_pvs(second.runner)
    expect_pvs(second.runner, pv("/dev/sdb1", "vg_clvm01"))
    assert ask(second, CREATE).status == 200
    assert begun == [1, 200]
    network.finish()


def test_without_the_host_that_gives_numbers_nothing_is_created(last: NodeUnderTest) -> None:
    expect_checks(last)
    last.peers.expect(THIRD, "POST", PATH, 503, {"code": 503, "message": "starting"})
    answer = ask(last, CREATE)
    assert answer.status == 502
    assert f"{THIRD}, the first host, gives the numbers of new groups, but: starting" in answer.body["message"]


@pytest.mark.parametrize("given", ["ok", [], [1, 2], ["1"], [0], [True], {"a": 1}, None])
def test_numbers_that_are_none(last: NodeUnderTest, given: Any) -> None:
    expect_checks(last)
    last.peers.expect(THIRD, "POST", PATH, body={"code": 200, "val": given})
    assert ask(last, CREATE).status == 502


def test_a_disk_that_has_no_name_elsewhere(cube: NodeUnderTest) -> None:
    expect_checks(cube, devices=(disk("sdb"), disk("vdb")))
    answer = ask(cube, {"action": "create", "disks": ["/dev/vdb"]})
    assert answer.status == 409
    assert "/dev/vdb has no name below /dev/disk/by-id" in answer.body["message"]


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (disk("sdb", part("sdb1", mountpoints=["/boot"])), "mounted at /boot"),
        (disk("sdb", part("sdb1", **physical_volume())), "physical volume"),
        (disk("sdb", fstype="gfs2"), "gfs2 on sdb"),
    ],
)
def test_a_disk_that_is_not_free_is_refused(cube: NodeUnderTest, device: Node, reason: str) -> None:
    lsblk_output.expect(cube.runner, device)
    answer = ask(cube, CREATE)
    assert answer.status == 409
    assert reason in answer.body["message"]


def test_create_when_lvm_cannot_tell_never_starts_at_one(cube: NodeUnderTest) -> None:
    lsblk_output.expect(cube.runner, disk("sdb"))
    expect_pvs(cube.runner)
    cube.runner.expect(lvm_reports.VGS, code=5, stderr="  Global lock failed\n")
    assert ask(cube, CREATE).status == 502


@pytest.mark.parametrize(
    "body", [{"action": "create"}, {"action": "create-clvm", "disks": [], "disk": ","}, {"action": "create", "disks": None}]
)
def test_create_without_disks(cube: NodeUnderTest, body: dict[str, Any]) -> None:
    answer = ask(cube, body)
    assert (answer.status, answer.body["message"]) == (400, "disks required")


@pytest.mark.parametrize("action", ["", "reset", "reserve-numbers", "release-numbers", "createclvm"])
def test_unsupported_action(cube: NodeUnderTest, action: str) -> None:
    answer = ask(cube, {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")


def test_a_node_in_a_folder_keeps_its_hands_off_the_disks(node: NodeUnderTest) -> None:
    for body in (CREATE, {"action": "delete", "vg_names": ["vg_clvm01"], "pv_names": ["/dev/sdb1"]}):
        assert ask(node, body).status == 409


# --- numbers for others ----------------------------------------------------------------------------------------------


def reserve(node: NodeUnderTest, **body: int) -> Answer:
    headers = {"X-Cube-Internal-Token": INTERNAL_TOKEN, "X-Cube-CLVM-Manage-Local": "1"}
    return ask(node, {"action": "reserve-numbers", **body}, headers=headers)


def test_numbers_are_given_once_and_again_after_an_hour(cube: NodeUnderTest) -> None:
    assert reserve(cube, above=0, count=2).body["val"] == [1, 2]
    assert reserve(cube, above=1, count=1).body["val"] == [3]
    assert reserve(cube, above=7, count=1).body["val"] == [8]
    cube.clock.advance(3601)
    assert reserve(cube, above=2, count=1).body["val"] == [3]


@pytest.mark.parametrize("body", [{"count": -1}, {"count": 65}, {"above": -1, "count": 1}, {"above": 10**10, "count": 1}])
def test_numbers_that_nobody_needs(cube: NodeUnderTest, body: dict[str, int]) -> None:
    assert reserve(cube, **body).status == 400


# --- list ------------------------------------------------------------------------------------------------------------


def test_list(cube: NodeUnderTest) -> None:
    link(cube, "/dev/disk/by-id/dm-uuid-part1-mpath-3600a0b80000bb22", "../../dm-4")
    link(cube, "/dev/disk/by-id/dm-name-mpathc1", "../../dm-4")
    link(cube, f"{BY_ID}-part1", "../../sdb1")
    link(cube, "/dev/disk/by-id/lvm-pv-uuid-xyz", "../../sdb1")
    mpathc = mapped("mpath", "mpathc", "dm-3", mapped("part", "mpathc1", "dm-4", **physical_volume()), wwn="0x7")
    expect_pvs(
        cube.runner,
        pv("/dev/sdb1", "vg_clvm10", 2199023255552),
        pv("/dev/mapper/mpathc1", "vg_clvm02", 107369988096),
        pv("/dev/nvme0n1p1", "vg_clvm03", 104857600),
        pv("[unknown]", "vg_clvm04"),
        pv("/dev/sdx", "my_vg_clvm01"),
        pv("/dev/sdy", "vg_clvm_data"),
        pv("/dev/sdz", ""),
    )
    lsblk_output.expect(
        cube.runner,
        disk("sdb", part("sdb1", **physical_volume())),
        disk("sdc", mpathc, fstype="mpath_member"),
        disk("nvme0n1", part("nvme0n1p1", **physical_volume()), wwn="eui.0025"),
    )
    answer = ask(cube, {"action": "list"})
    assert answer.status == 200
    assert answer.body.pop("refresh_time") == "2026-07-01T10:00:00+09:00"
    assert answer.body == {
        "code": 200,
        "val": [
            {
                "vg_name": "vg_clvm02",
                "pv_name": "/dev/mapper/mpathc1",
                "pv_size": "100.00GB",
                "uuid": "3600a0b80000bb22",
                "path_mode": "multipath",
                "disk_id": "/dev/disk/by-id/dm-uuid-part1-mpath-3600a0b80000bb22",
            },
            {
                "vg_name": "vg_clvm03",
                "pv_name": "/dev/nvme0n1p1",
                "pv_size": "100.00MB",
                "uuid": "eui.0025",
                "path_mode": "single",
                "disk_id": "N/A",
            },
            {
                "vg_name": "vg_clvm04",
                "pv_name": "[unknown]",
                "pv_size": "100.00GB",
                "uuid": "N/A",
                "path_mode": "single",
                "disk_id": "N/A",
            },
            {
                "vg_name": "vg_clvm10",
                "pv_name": "/dev/sdb1",
                "pv_size": "2.00TB",
                "uuid": "0x5000cca000000001",
                "path_mode": "single",
                "disk_id": f"{BY_ID}-part1",
            },
        ],
        "message": "ok",
        "action": "list-clvm",
    }


def test_list_of_nothing(cube: NodeUnderTest) -> None:
    expect_pvs(cube.runner, pv("/dev/sdx", "rl"))
    assert ask(cube, {"action": "list-clvm"}).body["val"] == []


def test_list_when_lvm_cannot_tell(cube: NodeUnderTest) -> None:
    cube.runner.expect(lvm_reports.PVS, code=5, stderr="  it broke\n")
    answer = ask(cube, {"action": "list-clvm"})
    assert answer.status == 502
    assert "it broke" in answer.body["message"]


# --- delete ----------------------------------------------------------------------------------------------------------

CLVM = disk("sdb", part("sdb1", **physical_volume()))
DELETE: dict[str, Any] = {"action": "delete", "vg_names": ["vg_clvm01"], "pv_names": ["/dev/sdb1"]}


def expect_found(cube: NodeUnderTest, *groups: Any, pvs: tuple[Any, ...] = (), devices: tuple[Node, ...] = (CLVM,)) -> None:
    lsblk_output.expect(cube.runner, *devices)
    expect_vgs(cube.runner, *(groups or (vg("vg_clvm01"),)))
    expect_pvs(cube.runner, *(pvs or (pv("/dev/sdb1", "vg_clvm01"),)), pv("/dev/sdq", "rl"))


@pytest.mark.parametrize(
    "body",
    [
        DELETE,
        {"action": "delete-clvm", "vg_name": "vg_clvm01", "pv_name": f"{BY_ID}-part1"},
        {**DELETE, "disks": ["/dev/sdb"], "disk": BY_ID},
        {**DELETE, "vg_names": ["vg_clvm01", "vg_clvm01"], "pv_names": ["/dev/sdb1", "/dev/sdb1"]},
    ],
)
def test_delete(cube: NodeUnderTest, body: dict[str, Any]) -> None:
    """The disk by two names is one disk: parted would fail the second time."""
    link(cube, f"{BY_ID}-part1", "../../sdb1")
    expect_found(cube)
    for argv in (vgremove_argv("vg_clvm01"), PVREMOVE, RM, PARTPROBE, SETTLE):
        cube.runner.expect(argv)
    expect_told(cube)
    answer = ask(cube, body)
    assert (answer.status, answer.body) == (
        200,
        {"code": 200, "val": "Success to clvm delete", "message": "ok", "action": "delete-clvm"},
    )
    assert sent(cube, SECOND) == [
        (GFS_PATH, {"action": "release-gfs-node", "disks": [BY_ID]}),
        (GFS_PATH, {"action": "partprobe", "disks": [BY_ID]}),
    ]


def test_delete_of_a_group_with_two_volumes(cube: NodeUnderTest) -> None:
    """The list shows a row for each: both come back, and both go (weakness 39)."""
    devices = (CLVM, disk("nvme0n1", part("nvme0n1p1", **physical_volume())))
    expect_found(cube, pvs=(pv("/dev/sdb1", "vg_clvm01"), pv("/dev/nvme0n1p1", "vg_clvm01")), devices=devices)
    runner = cube.runner
    for argv in (vgremove_argv("vg_clvm01"), PVREMOVE, RM, PARTPROBE, SETTLE):
        runner.expect(argv)
    runner.expect(["pvremove", "--yes", "--", "/dev/nvme0n1p1"])
    runner.expect(["parted", "-s", "/dev/nvme0n1", "rm", "1"])
    runner.expect(["partprobe", "/dev/nvme0n1"])
    runner.expect(SETTLE)
    expect_told(cube, times=1)
    body = {"action": "delete", "vg_name": "vg_clvm01,vg_clvm01", "pv_name": "/dev/nvme0n1p1,/dev/sdb1"}
    assert ask(cube, body).status == 200
    assert sent(cube, THIRD) == [(GFS_PATH, {"action": "partprobe", "disks": []})]


@pytest.mark.parametrize("query", ["", "?plan=true"])
@pytest.mark.parametrize(
    ("vgs", "pvs"),
    [
        (["vg_clvm01", "vg_clvm02"], ["/dev/sdb1"]),
        (["vg_clvm01"], ["/dev/sdb1", "/dev/sdc1"]),
    ],
)
def test_lists_of_different_length(cube: NodeUnderTest, vgs: list[str], pvs: list[str], query: str) -> None:
    answer = ask(cube, {"action": "delete", "vg_names": vgs, "pv_names": pvs}, query)
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "pv_names"


@pytest.mark.parametrize("body", [{}, {"vg_names": ["vg_clvm01"]}, {"pv_name": "/dev/sdb1"}, {"vg_names": None}])
def test_delete_without_names(cube: NodeUnderTest, body: dict[str, Any]) -> None:
    answer = ask(cube, {"action": "delete", **body})
    assert (answer.status, answer.body["message"]) == (400, "vg_names and pv_names required")


@pytest.mark.parametrize(
    "name", ["vg_glue", "rl", "vg_clvm", "vg_clvm1x", "-ff", "vg_clvm01/lv", "vg clvm01", "vg_clvm" + "1" * 200]
)
def test_groups_that_are_not_clvms(cube: NodeUnderTest, name: str) -> None:
    answer = ask(cube, {**DELETE, "vg_names": [name]})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "vg_names"


@pytest.mark.parametrize("path", ["/dev/sdz1", "sdb1", "-ff", "/etc/passwd"])
def test_volumes_that_are_no_devices(cube: NodeUnderTest, path: str) -> None:
    lsblk_output.expect(cube.runner, CLVM)
    answer = ask(cube, {**DELETE, "pv_names": [path]})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "pv_names"


def test_a_disk_that_is_not_below_the_group(cube: NodeUnderTest) -> None:
    expect_found(cube, devices=(CLVM, disk("sdc")))
    answer = ask(cube, {**DELETE, "disks": ["/dev/sdc"]})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "disks")


def test_a_group_that_is_not_there(cube: NodeUnderTest) -> None:
    lsblk_output.expect(cube.runner, CLVM)
    expect_vgs(cube.runner, vg("vg_clvm02"))
    assert ask(cube, DELETE).status == 404


def test_a_volume_of_another_group(cube: NodeUnderTest) -> None:
    devices = (CLVM, disk("sdc", part("sdc1")))
    for force in (False, True):
        expect_found(cube, pvs=(pv("/dev/sdc1", "vg_clvm01"), pv("/dev/sdb1", "vg_clvm02")), devices=devices)
        answer = ask(cube, {**DELETE, "force": force})
        assert answer.status == 409
        assert "vg_clvm01 consists of /dev/sdc1" in answer.body["message"]


def test_a_group_with_volumes_is_not_deleted_unless_forced(cube: NodeUnderTest) -> None:
    expect_found(cube, vg("vg_clvm01", lvs=3))
    answer = ask(cube, DELETE)
    assert answer.status == 409
    assert "vg_clvm01 holds 3 volumes" in answer.body["message"]
    expect_found(cube, vg("vg_clvm01", lvs=3))
    val = ask(cube, {**DELETE, "force": True}, "?plan=true").body["val"]
    assert val["overrides"] == ["vg_clvm01 holds 3 volumes"]


def test_a_shared_group_is_never_deleted_here(cube: NodeUnderTest) -> None:
    expect_found(cube, vg("vg_clvm01", lock="dlm"))
    assert ask(cube, {**DELETE, "force": True}).status == 409


@pytest.mark.parametrize("number", range(3))
def test_a_delete_that_stops_midway_tells_what_is_gone(cube: NodeUnderTest, number: int) -> None:
    expect_found(cube)
    steps = [vgremove_argv("vg_clvm01"), PVREMOVE, RM]
    for argv in steps[:number]:
        cube.runner.expect(argv)
    cube.runner.expect(steps[number], code=5, stderr="  Logical volume vg_clvm01/a in use.\n")
    answer = ask(cube, DELETE)
    assert answer.status == 502
    message = answer.body["message"]
    assert message.startswith("Failed to clvm delete: step ")
    told = [
        "nothing was changed before it",
        "stays done: vgremove-vg_clvm01",
        "stays done: vgremove-vg_clvm01, pvremove-sdb1",
    ]
    assert message.endswith(told[number])


def test_a_host_that_is_not_told(cube: NodeUnderTest) -> None:
    expect_found(cube)
    for argv in (vgremove_argv("vg_clvm01"), PVREMOVE, RM, PARTPROBE, SETTLE):
        cube.runner.expect(argv)
    cube.peers.expect(SECOND, "POST", GFS_PATH)
    cube.peers.expect_unreachable(THIRD, "POST", GFS_PATH, "no connection")
    answer = ask(cube, DELETE)
    assert answer.status == 502
    assert f"{THIRD}: no connection" in answer.body["message"]
    assert "stays done: vgremove-vg_clvm01" in answer.body["message"]


def test_a_credential_is_needed(cube: NodeUnderTest) -> None:
    assert ask(cube, CREATE, headers={}).status == 401
