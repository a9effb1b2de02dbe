"""GET /cube/disk (contract 02 §1): what a client of 0.1.2 reads, and what it must never be offered."""

import re
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.support.lsblk_output import ARGV, GIB, Node, device, disk, expect, mapped, part, physical_volume, printed
from tests.support.node_under_test import NodeUnderTest

LSPCI = ["lspci", "-vmm", "-k"]
MULTIPATH = ["multipath", "-ll"]
NOW = "2026-07-01T10:00:00+09:00"
SYSTEM = disk(
    "sda",
    part("sda1", mountpoints=["/boot/efi"]),
    part("sda2", mapped("lvm", "rl-root", "dm-0", mountpoints=["/"]), **physical_volume()),
)
WWID = "3600a0b80000aa11"
CONTROLLERS = """\
Slot:\t01:00.0
Class:\tRAID bus controller
Vendor:\tBroadcom / LSI
Device:\tMegaRAID SAS-3 3108 [Invader]
SVendor:\tLenovo
SDevice:\tThinkSystem RAID 930-8i 2GB Flash PCIe 12Gb Adapter
Rev:\t02
Driver:\tmegaraid_sas
Module:\tmegaraid_sas
NUMANode:\t0

Slot:\t02:00.0
Class:\tRAID bus controller
Vendor:\tHewlett-Packard Company
Device:\tSmart Array Gen9 Controllers
Driver:\thpsa

Slot:\t03:00.0
Class:\tRAID bus controller
Vendor:\tAdaptec
Device:\tSmart Storage PQI SAS
Driver:\tsmartpqi

Slot:\t04:00.0
Class:\tRAID bus controller
Vendor:\tAreca Technology Corp.
Device:\tARC-1883 series PCIe 3.0 to SAS/SATA 12/6Gb RAID Controller
Driver:\tarcmsr

Slot:\t05:00.0
Class:\tNon-Volatile memory controller
Vendor:\tSamsung Electronics Co Ltd
Device:\tNVMe SSD Controller PM9A1/PM9A3/980PRO
ProgIf:\t02
Driver:\tnvme

Slot:\t06:00.0
Class:\tEthernet controller
Vendor:\tIntel Corporation
"""


def lun(*children: Node, **columns: Any) -> Node:
    return mapped("mpath", "mpathb", "dm-3", *children, **columns)


def ask(node: NodeUnderTest, query: str, *trees: Node, pci: str | ApiError = "", maps: str | ApiError | None = None) -> Any:
    """The answer for these devices; lspci and multipath are expected when they belong to the action."""
    expect(node.runner, *trees)
    if maps is not None:
        failure, text = (maps, "") if isinstance(maps, ApiError) else (None, maps)
        node.runner.expect(MULTIPATH, stdout=text, raises=failure)
    elif not re.search("action=(gfs|detail|m)", query):
        failure, text = (pci, "") if isinstance(pci, ApiError) else (None, pci)
        node.runner.expect(LSPCI, stdout=text, raises=failure)
    answer = node.call("GET", f"/cube/disk{query}")
    assert answer.status == 200, answer.body
    return answer.body


def link(node: NodeUnderTest, path: str, target: str) -> None:
    place = node.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def wwid(node: NodeUnderTest, kname: str, value: str) -> None:
    place = node.root / f"sys/class/block/{kname}/dm/uuid"
    place.parent.mkdir(parents=True)
    place.write_text(f"mpath-{value}\n")


def names(body: Any) -> list[str]:
    return [item["name"] for item in body["blockdevices"]]


# list


def test_the_list_with_every_member(node: NodeUnderTest) -> None:
    link(node, "dev/disk/by-path/pci-0000:01:00.0-scsi-0:2:1:0", "../../sdb")
    link(node, "dev/disk/by-path/pci-0000:01:00.0-scsi-0:2:1:0-part1", "../../sdb1")
    tree = disk(
        "sdb",
        part("sdb1", size=GIB, group="disk"),
        size=2_000_398_934_016,
        rota=True,
        model="VIRTUAL-DISK",
        wwn="0x600605b00d2a1f30",
        vendor="LSI     ",
    )
    body = ask(node, "", tree)
    assert list(body) == ["blockdevices", "refresh_time"]
    assert body["refresh_time"] == NOW
    assert list(body["blockdevices"][0].items()) == [
        ("name", "sdb"),
        ("kname", "sdb"),
        ("path", "/dev/disk/by-path/pci-0000:01:00.0-scsi-0:2:1:0"),
        ("rota", True),
        ("model", "VIRTUAL-DISK"),
        ("size", "1.8T"),
        ("state", "running"),
        ("group", "disk"),
        ("type", "disk"),
        ("tran", "sas"),
        ("subsystems", "block:scsi:pci"),
        ("vendor", "LSI     "),
        ("wwn", "0x600605b00d2a1f30"),
        ("in_use", True),
        ("in_use_reason", "partition exists"),
        (
            "children",
            [
                {
                    "name": "sdb1",
                    "kname": "sdb1",
                    "path": "/dev/sdb1",
                    "rota": False,
                    "size": "1G",
                    "group": "disk",
                    "type": "part",
                    "subsystems": "block",
                }
            ],
        ),
    ]


def test_the_answer_is_printed_for_people(node: NodeUnderTest) -> None:
    expect(node.runner, disk("sdb"))
    text = node.client.get("/api/v1/cube/disk?action=gfs", headers=node.bearer()).get_data(as_text=True)
    assert text.startswith('{\n    "blockdevices": [\n        {\n            "name": "sdb"')


@pytest.mark.parametrize("query", ["", "?action=list", "?action=", "?action=GFS", "?action=unknown", "?action=디스크"])
def test_everything_unknown_is_the_list(node: NodeUnderTest, query: str) -> None:
    body = ask(node, query.replace("GFS", "GFs"), disk("sdb"), pci=CONTROLLERS)
    assert "single_path" not in body["blockdevices"][0]
    assert len(body["raidcontrollers"]) == 5


def test_what_is_no_disk_of_the_host_is_left_out(node: NodeUnderTest) -> None:
    body = ask(
        node,
        "",
        device("loop", "loop0"),
        disk("sdk", tran="usb"),
        device("rom", "sr0", group="cdrom", tran="sata"),
        device("rom", "sr1", group="root"),
        disk("nvme0n1", tran="nvme"),
    )
    assert names(body) == ["nvme0n1"]


OF_THE_SYSTEM: list[list[Node]] = [
    [SYSTEM],
    [disk("sda", mountpoints=["/"])],
    [disk("sda", part("sda1", mountpoints=["/data", "/"]))],
    [disk("sda", part("sda1", mountpoints=["[SWAP]"]))],
    [disk("sda", part("sda1", mountpoints=["/boot"]))],
    [disk("sda", part("sda1", mountpoints=["/var"]))],
    [disk("sda", part("sda1", mapped("crypt", "luks", "dm-1", mapped("lvm", "vg-home", "dm-2", mountpoints=["/home"]))))],
    [disk(name, part(f"{name}1", device("raid1", "md0", mountpoints=["/"]))) for name in ("sda", "sdb")],
    [disk(name, lun(mapped("part", "mpathb1", "dm-4", mountpoints=["/boot"]))) for name in ("sda", "sdb")],
    [device("disk", "zram0", mountpoints=["[SWAP]"])],
]


@pytest.mark.parametrize("action", ["list", "gfs", "detail", "rbd"])
@pytest.mark.parametrize("trees", OF_THE_SYSTEM)
def test_the_disks_of_the_system_are_never_offered(node: NodeUnderTest, action: str, trees: list[Node]) -> None:
    """Also the second path of a map: 0.1.2 showed it as an empty disk."""
    body = ask(node, f"?action={action}", *trees, maps="" if action == "detail" else None)
    assert body["blockdevices"] == []


def test_a_map_is_shown_below_its_first_path_and_the_second_says_why_it_is_taken(node: NodeUnderTest) -> None:
    tree = lun(mapped("part", "mpathb1", "dm-4"))
    first, second = ask(node, "", disk("sdb", tree), disk("sdf", tree))["blockdevices"]
    assert [child["name"] for child in first["children"]] == ["mpathb"]
    assert [child["name"] for child in first["children"][0]["children"]] == ["mpathb1"]
    assert "children" not in second
    assert (second["in_use"], second["in_use_reason"]) == (True, "path of multipath map mpathb")


def test_a_link_is_found_by_the_kernel_name(node: NodeUnderTest) -> None:
    link(node, "dev/disk/by-path/pci-1", "../../c0d0")
    link(node, "dev/disk/by-path/pci-2", "../../c0d0")
    (item,) = ask(node, "", disk("shown", kname="c0d0"))["blockdevices"]
    assert item["path"] == "/dev/disk/by-path/pci-2"


# RAID controllers


def test_raid_controllers_of_several_makers(node: NodeUnderTest) -> None:
    body = ask(node, "", disk("sdb"), pci=CONTROLLERS)
    assert [device["Slot"] for device in body["raidcontrollers"]] == [f"0{number}:00.0" for number in range(1, 6)]
    assert body["raidcontrollers"][0] == {
        "Slot": "01:00.0",
        "Class": "RAID bus controller",
        "Vendor": "Broadcom / LSI",
        "Device": "MegaRAID SAS-3 3108 [Invader]",
        "SVendor": "Lenovo",
        "SDevice": "ThinkSystem RAID 930-8i 2GB Flash PCIe 12Gb Adapter",
        "Rev": "02",
        "Driver": "megaraid_sas",
        "Module": "megaraid_sas",
        "NUMANode": "0",
    }


def test_controllers_are_read_once_a_minute(node: NodeUnderTest) -> None:
    ask(node, "?action=rbd", pci=CONTROLLERS)
    node.clock.advance(10)
    expect(node.runner, disk("sdb"))
    assert len(node.call("GET", "/cube/disk").body["raidcontrollers"]) == 5
    node.clock.advance(51)
    assert "raidcontrollers" not in ask(node, "", disk("sdb"))


@pytest.mark.parametrize(
    "error",
    [
        ProgramMissing("the program lspci is not installed", program="lspci", package="pciutils"),
        CommandTimedOut("lspci did not end within 5 s", program="lspci", seconds=5.0),
        CommandFailed("lspci ended with code 1", program="lspci", exit_code=1),
    ],
)
def test_without_lspci_there_are_the_disks_and_a_warning(node: NodeUnderTest, error: ApiError) -> None:
    body = ask(node, "", disk("sdb"), pci=error)
    assert names(body) == ["sdb"]
    assert "raidcontrollers" not in body
    assert body["warnings"] == [f"PCI devices are unknown: {error.detail}"]


# gfs


def test_maps_first_each_with_its_paths_then_single_disks(node: NodeUnderTest) -> None:
    link(node, "dev/disk/by-id/dm-uuid-mpath-" + WWID, "../../dm-3")
    link(node, "dev/disk/by-id/wwn-0x" + WWID, "../../dm-3")
    link(node, "dev/disk/by-id/scsi-35000c500", "../../sdc")
    link(node, "dev/disk/by-id/ata-DISK_1", "../../sdc")
    wwid(node, "dm-3", WWID)
    tree = lun(mapped("part", "mpathb1", "dm-4", size=500 * GIB), size=500 * GIB, rota=True)
    body = ask(node, "?action=gfs", SYSTEM, disk("sdb", tree), disk("sdc", wwn="0x5000c500"), disk("sdf", tree))
    assert body["blockdevices"] == [
        {
            "name": "mpathb",
            "kname": "dm-3",
            "path": "/dev/mapper/mpathb",
            "id": f"/dev/disk/by-id/dm-uuid-mpath-{WWID}",
            "rota": True,
            "size": "500G",
            "state": "running",
            "group": "disk",
            "type": "mpath",
            "subsystems": "block",
            "uuid": WWID,
            "path_mode": "multipath",
            "in_use": True,
            "in_use_reason": "partition exists",
            "single_path": [
                {"name": "sdb", "kname": "sdb", "path": "/dev/sdb"},
                {"name": "sdf", "kname": "sdf", "path": "/dev/sdf"},
            ],
            "children": [
                {
                    "name": "mpathb1",
                    "kname": "dm-4",
                    "path": "/dev/mapper/mpathb1",
                    "rota": False,
                    "size": "500G",
                    "state": "running",
                    "group": "disk",
                    "type": "part",
                    "subsystems": "block",
                }
            ],
        },
        {
            "name": "sdc",
            "kname": "sdc",
            "path": "/dev/sdc",
            "id": "/dev/disk/by-id/scsi-35000c500",
            "rota": False,
            "size": "100G",
            "state": "running",
            "group": "disk",
            "type": "disk",
            "tran": "sas",
            "subsystems": "block:scsi:pci",
            "vendor": "ATA     ",
            "wwn": "0x5000c500",
            "uuid": "35000c500",
            "path_mode": "single",
            "single_path": [{"name": "sdc", "kname": "sdc", "path": "/dev/sdc"}],
        },
    ]


@pytest.mark.parametrize(
    ("links", "chosen", "uuid"),
    [
        (["ata-A", "nvme-B", "scsi-C", "wwn-0xD"], "wwn-0xD", "0xD"),
        (["ata-A", "nvme-B", "scsi-C"], "scsi-C", "C"),
        (["ata-A", "nvme-B"], "nvme-B", "0xw"),
        (["ata-A"], "ata-A", "0xw"),
        (["scsi-B", "scsi-A", "SCSI-0"], "SCSI-0", "0xw"),
        (["usb-A", "wwn-0xD-part1", "lvm-pv-uuid-A", "dm-name-x", "md-uuid-x"], None, "0xw"),
    ],
)
def test_the_link_of_a_disk_by_priority(node: NodeUnderTest, links: list[str], chosen: str | None, uuid: str) -> None:
    for name in links:
        link(node, f"dev/disk/by-id/{name}", "../../sdc")
    (item,) = ask(node, "?action=gfs-list", disk("sdc", wwn="0xw"))["blockdevices"]
    assert item.get("id") == (chosen and f"/dev/disk/by-id/{chosen}")
    assert item["uuid"] == uuid


NOT_FREE: list[tuple[Node, str]] = [
    (disk("sdc", part("sdc1")), "partition exists"),
    (disk("sdc", part("sdc1", mountpoints=["/data"], fstype="xfs")), "partition exists; mounted at /data"),
    (disk("sdc", fstype="xfs", mountpoints=["/data"]), "mounted at /data"),
    (disk("sdc", fstype="xfs"), "xfs on sdc"),
    (disk("sdc", **physical_volume()), "physical volume of LVM"),
    (disk("sdc", mapped("lvm", "vg_clvm-lv", "dm-9"), **physical_volume()), "physical volume of vg_clvm"),
    (disk("sdc", part("sdc1", fstype="LVM2_member")), "partition exists; physical volume of LVM"),
    (disk("sdc", fstype="mpath_member"), "path of a multipath map"),
    (disk("sdc", device("raid5", "md127"), fstype="linux_raid_member"), "member of a RAID array; held by raid5 md127"),
    (
        disk("sdc", mapped("lvm", "ceph--1b2c-osd--block--9", "dm-9"), **physical_volume()),
        "physical volume of ceph-1b2c; Ceph OSD",
    ),
    (disk("sdc", fstype="ceph_bluestore"), "Ceph OSD"),
    (disk("sdc", fstype="swap"), "swap"),
    (disk("sdc", fstype="zfs_member"), "member of a ZFS pool"),
    (disk("rbd0", tran=None, fstype="gfs2"), "gfs2 on rbd0"),
    (disk("rbd0", part("rbd0p1")), "partition exists"),
    (disk("sdc", ro=True), "read-only"),
    (disk("sdc", size=0), "has no medium or no size"),
    (disk("sdc", tran="iscsi", fstype="LVM2_member"), "physical volume of LVM"),
]


@pytest.mark.parametrize("action", ["list", "gfs", "detail"])
@pytest.mark.parametrize(("tree", "reason"), NOT_FREE)
def test_what_is_not_free_says_why(node: NodeUnderTest, action: str, tree: Node, reason: str) -> None:
    (item,) = ask(node, f"?action={action}", tree, maps="" if action == "detail" else None)["blockdevices"]
    assert (item["in_use"], item["in_use_reason"]) == (True, reason)


def test_lvm_and_a_file_system_right_on_a_map(node: NodeUnderTest) -> None:
    for number, (columns, reason) in enumerate(
        [({"fstype": "LVM2_member"}, "physical volume of LVM"), ({"fstype": "gfs2"}, "gfs2 on mpathb"), ({}, None)]
    ):
        node.clock.advance(10 * number)
        (item,) = ask(node, "?action=gfs", disk("sdb", lun(**columns), fstype="mpath_member"))["blockdevices"]
        assert item.get("in_use_reason") == reason


def test_members_of_odd_names_are_kept_as_they_are(node: NodeUnderTest) -> None:
    tree = disk("sdc", model="삼성 디스크 \ufffd", partlabel="데이터", fstype="xfs")
    (item,) = ask(node, "?action=gfs", tree)["blockdevices"]
    assert item["model"] == "삼성 디스크 \ufffd"


# detail

MAPS = f"""\
mpathb ({WWID}) dm-3 IBM,2145
size=500G features='1 queue_if_no_path' hwhandler='0' wp=rw
`-+- policy='service-time 0' prio=1 status=active
  |- 1:0:0:0 sdb 8:16 active ready running
  `- 2:0:0:0 sdf 8:80 active ready running
"""


@pytest.mark.parametrize("action", ["detail", "multipath", "mpath", "mpath-list"])
def test_exactly_the_maps_that_multipath_tells(node: NodeUnderTest, action: str) -> None:
    tree = lun(size=500 * GIB)
    body = ask(node, f"?action={action}", disk("sdb", tree), disk("sdc"), disk("sdf", tree), maps=MAPS)
    assert body == {
        "blockdevices": [
            {
                "name": "mpathb",
                "kname": "dm-3",
                "path": "/dev/mapper/mpathb",
                "id": f"/dev/disk/by-id/dm-uuid-mpath-{WWID}",
                "size": "500G",
                "state": "running",
                "type": "mpath",
                "uuid": WWID,
                "path_mode": "multipath",
            }
        ],
        "refresh_time": NOW,
    }


def test_a_map_in_use_in_the_detail(node: NodeUnderTest) -> None:
    (item,) = ask(node, "?action=detail", disk("sdb", lun(part("x"))), maps=MAPS)["blockdevices"]
    assert item["in_use_reason"] == "partition exists"
    assert not {"children", "single_path"} & set(item)


def test_a_map_that_lsblk_does_not_show(node: NodeUnderTest) -> None:
    (item,) = ask(node, "?action=detail", disk("sdb"), maps=MAPS)["blockdevices"]
    assert (item["name"], item["kname"], item["size"]) == ("mpathb", "dm-3", "500G")


def test_the_map_of_the_system_leaves_an_empty_list_not_the_single_disks(node: NodeUnderTest) -> None:
    body = ask(node, "?action=detail", disk("sdb", lun(mountpoints=["/"])), disk("sdc"), maps=MAPS)
    assert body["blockdevices"] == []


def test_without_maps_the_disks(node: NodeUnderTest) -> None:
    trees = disk("sdc", part("sdc1"), wwn="0x5"), device("raid1", "md0"), disk("sdk", tran="usb"), device("rom", "sr0")
    (item,) = ask(node, "?action=detail", *trees, maps="")["blockdevices"]
    assert (item["name"], item["path_mode"], item["uuid"]) == ("sdc", "single", "0x5")
    assert [child["name"] for child in item["children"]] == ["sdc1"]
    assert "single_path" not in item


@pytest.mark.parametrize(
    ("error", "warned"),
    [
        (ProgramMissing("no multipath", program="multipath", package="device-mapper-multipath"), False),
        (CommandFailed("multipath ended with code 1", program="multipath", exit_code=1), True),
        (CommandTimedOut("multipath did not end within 5 s", program="multipath", seconds=5.0), True),
    ],
)
def test_when_multipath_tells_nothing_lsblk_does(node: NodeUnderTest, error: ApiError, warned: bool) -> None:
    body = ask(node, "?action=detail", disk("sdb", lun()), disk("sdc"), maps=error)
    assert names(body) == ["mpathb"]
    assert [path["name"] for path in body["blockdevices"][0]["single_path"]] == ["sdb"]
    assert bool(body.get("warnings")) is warned
    node.clock.advance(10)
    assert names(ask(node, "?action=detail", disk("sdc"), maps=error)) == ["sdc"]


# rbd


@pytest.mark.parametrize("action", ["rbd", "hci-file-system-list", "hci-shared-file-list"])
def test_rbd_images_have_the_names_of_their_links(node: NodeUnderTest, action: str) -> None:
    link(node, "dev/rbd/rbd/gfs01", "../../rbd0")
    link(node, "dev/rbd/rbd/gfs01-part1", "../../rbd0p1")
    link(node, "dev/rbd/other/ns/gfs02", "../../../rbd1")
    expect(
        node.runner,
        disk("sdb"),
        device("loop", "loop0"),
        disk("rbd0", part("rbd0p1"), part("rbd0p2"), tran=None, vendor=None),
        disk("rbd1", tran=None, vendor=None),
        disk("rbd2", tran=None, vendor=None, path="/dev/rbd2"),
    )
    node.runner.expect(LSPCI)
    body = node.call("GET", f"/cube/disk?action={action}").body
    found = [(item["path"], item.get("rbd_path"), item.get("in_use_reason")) for item in body["blockdevices"]]
    assert found == [
        ("/dev/rbd0", "/dev/rbd/rbd/gfs01", "partition exists"),
        ("/dev/rbd1", "/dev/rbd/other/ns/gfs02", None),
        ("/dev/rbd2", None, None),
    ]
    children = body["blockdevices"][0]["children"]
    assert [child["rbd_path"] for child in children] == ["/dev/rbd/rbd/gfs01-part1", "/dev/rbd/rbd/gfs01-part2"]


# flat


@pytest.mark.parametrize("view", ["flat", "list", "FLAT", "List"])
def test_one_line_a_device(node: NodeUnderTest, view: str) -> None:
    link(node, "dev/disk/by-path/pci-1", "../../sdb")
    tree = disk("sdb", part("sdb1", mapped("lvm", "vg-lv", "dm-1"), **physical_volume()))
    body = ask(node, f"?view={view}", SYSTEM, tree, disk("sdc"), pci=CONTROLLERS)
    assert body["devices"] == [
        {"name": "sdb", "kname": "sdb", "path": "/dev/disk/by-path/pci-1", "type": "disk", "depth": 0},
        {"name": "sdb1", "kname": "sdb1", "path": "/dev/sdb1", "type": "part", "parent": "sdb", "depth": 1},
        {"name": "vg-lv", "kname": "dm-1", "path": "/dev/mapper/vg-lv", "type": "lvm", "parent": "sdb1", "depth": 2},
        {"name": "sdc", "kname": "sdc", "path": "/dev/sdc", "type": "disk", "depth": 0},
    ]
    assert list(body) == ["devices", "raidcontrollers", "refresh_time"]


@pytest.mark.parametrize("view", ["tree", "", "TREE", "unknown"])
def test_every_other_view_is_the_tree(node: NodeUnderTest, view: str) -> None:
    assert "blockdevices" in ask(node, f"?view={view}")


def test_flat_and_empty(node: NodeUnderTest) -> None:
    assert ask(node, "?action=gfs&view=flat") == {"devices": [], "refresh_time": NOW}


def test_the_flat_view_does_not_list_paths_of_maps(node: NodeUnderTest) -> None:
    body = ask(node, "?action=gfs&view=flat", disk("sdb", lun(part("mpathb1"))), disk("sdf", lun(part("mpathb1"))))
    assert [(line["name"], line["depth"]) for line in body["devices"]] == [("mpathb", 0), ("mpathb1", 1)]


# freshness and failures


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (CommandFailed("lsblk ended with code 1: no", program="lspci", exit_code=1), 502, "command_failed"),
        (CommandTimedOut("lsblk did not end within 10 s", program="lsblk", seconds=10.0), 504, "command_timed_out"),
        (ProgramMissing("no lsblk", program="lsblk", package="util-linux"), 503, "program_missing"),
    ],
)
@pytest.mark.parametrize("action", ["list", "gfs", "detail", "rbd"])
def test_without_lsblk(node: NodeUnderTest, action: str, error: ApiError, status: int, kind: str) -> None:
    node.runner.expect(ARGV, raises=error)
    answer = node.call("GET", f"/cube/disk?action={action}")
    assert (answer.status, answer.body["type"]) == (status, f"urn:ablestack:error:{kind}")
    assert answer.body["message"] == f"failed to read disk list: {error.detail}"
    assert answer.body["program"] == error.members["program"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"blockdevices": 5}'])
def test_lsblk_that_prints_no_json(node: NodeUnderTest, text: str) -> None:
    node.runner.expect(ARGV, stdout=text)
    answer = node.call("GET", "/cube/disk")
    assert answer.status == 502
    assert answer.body["message"].startswith("failed to read disk list: lsblk did not print JSON")


def test_warnings_beside_the_output_of_lsblk_disturb_nothing(node: NodeUnderTest) -> None:
    node.runner.expect(ARGV, stdout=printed(disk("sdb")), stderr="lsblk: sdz: failed to get device path\n")
    assert names(node.call("GET", "/cube/disk?action=gfs").body) == ["sdb"]


def test_an_answer_is_kept_for_a_moment_for_all_actions_that_need_the_same(node: NodeUnderTest) -> None:
    ask(node, "?action=gfs", disk("sdb"))
    node.clock.advance(1)
    body = node.call("GET", "/cube/disk?action=gfs&view=flat").body
    assert (body["devices"][0]["name"], body["refresh_time"]) == ("sdb", NOW)
    node.clock.advance(2)
    body = ask(node, "?action=gfs", disk("sdc"))
    assert (names(body), body["refresh_time"]) == (["sdc"], "2026-07-01T10:00:03+09:00")


def test_a_refresh_reads_anew(node: NodeUnderTest) -> None:
    ask(node, "?action=gfs", disk("sdb"))
    assert names(ask(node, "?action=gfs&refresh=true", disk("sdc"))) == ["sdc"]


def test_a_failed_refresh_gives_the_last_reading_as_stale(node: NodeUnderTest) -> None:
    ask(node, "?action=gfs", disk("sdb"))
    node.clock.advance(5)
    node.runner.expect(ARGV, raises=CommandTimedOut("lsblk did not end within 10 s", program="lsblk", seconds=10.0))
    body = node.call("GET", "/cube/disk?action=gfs&refresh=true").body
    assert (names(body), body["refresh_time"], body["stale"]) == (["sdb"], NOW, True)
    assert body["refresh_error"] == "failed to read disk list: lsblk did not end within 10 s"


@pytest.mark.parametrize("value", ["maybe", "2", "%00"])
def test_a_refresh_that_is_no_truth(node: NodeUnderTest, value: str) -> None:
    answer = node.call("GET", f"/cube/disk?refresh={value}")
    assert (answer.status, [fault["field"] for fault in answer.body["errors"]]) == (400, ["refresh"])


def test_disks_want_a_credential_and_are_read_only(node: NodeUnderTest) -> None:
    assert node.call("GET", "/cube/disk", headers={}).status == 401
    assert node.call("POST", "/cube/disk").status == 405
