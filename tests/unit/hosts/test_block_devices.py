"""hosts.block_devices: finding a device, its disk and partitions, and never writing what somebody uses."""

from typing import Any

import pytest

from ablestack_api.core.errors import BadInput, Conflict
from ablestack_api.hosts.block_devices import BlockDevices
from tests.support.lsblk_output import Node, device, disk, expect, mapped, part, physical_volume
from tests.support.node_under_test import NodeUnderTest

WWID = "3600a0b80000aa11"
SYSTEM_DISK = disk(
    "sda",
    part("sda1", fstype="vfat", mountpoints=["/boot/efi"]),
    part("sda2", fstype="xfs", mountpoints=["/boot"]),
    part(
        "sda3",
        mapped("lvm", "rl-root", "dm-0", fstype="xfs", mountpoints=["/"]),
        mapped("lvm", "rl-swap", "dm-1", fstype="swap", mountpoints=["[SWAP]"]),
        mapped("lvm", "rl-home--old", "dm-2", fstype="xfs"),
        **physical_volume(),
    ),
    part("sda4", parttype="21686148-6449-6e6f-744e-656564454649"),
    part("sda5"),
)


def mpatha(*children: Node, **columns: Any) -> Node:
    return mapped("mpath", "mpatha", "dm-5", *children, **columns)


def read(node: NodeUnderTest, *nodes: Node) -> BlockDevices:
    expect(node.runner, *nodes)
    return BlockDevices.read(node.env)


def link(node: NodeUnderTest, name: str, target: str) -> None:
    place = node.root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def fact(node: NodeUnderTest, kname: str, name: str, text: str) -> None:
    place = node.root / "sys/class/block" / kname / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


# find


@pytest.mark.parametrize("path", ["/dev/sdb", "/dev//sdb", "/dev/./sdb", "/dev/disk/by-id/wwn-0x5000ab", "/dev/again"])
def test_found_by_node_and_through_links(node: NodeUnderTest, path: str) -> None:
    link(node, "dev/disk/by-id/wwn-0x5000ab", "../../sdb")
    link(node, "dev/again", "disk/by-id/wwn-0x5000ab")
    assert read(node, disk("sda"), disk("sdb")).find(path).name == "sdb"


def test_found_as_map_and_as_its_kernel_node(node: NodeUnderTest) -> None:
    link(node, "dev/mapper/mpatha", "../dm-5")
    link(node, "dev/vg/lv", "../dm-6")
    devices = read(node, disk("sdb", mpatha(mapped("lvm", "vg-lv", "dm-6"))))
    assert {devices.find(path).name for path in ("/dev/mapper/mpatha", "/dev/dm-5")} == {"mpatha"}
    assert {devices.find(path).name for path in ("/dev/vg/lv", "/dev/mapper/vg-lv", "/dev/dm-6")} == {"vg-lv"}


def test_a_kernel_name_with_a_slash(node: NodeUnderTest) -> None:
    devices = read(node, disk("c0d0", kname="cciss!c0d0", path="/dev/cciss/c0d0"))
    assert devices.find("/dev/cciss/c0d0").kname == "cciss!c0d0"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "sdb",
        "dev/sdb",
        "-",
        "--all",
        "-/dev/sdb",
        "/dev",
        "/dev/",
        "/dev/../etc",
        "/dev/../dev/sdb",
        "/dev/sdb/..",
        "/etc/passwd",
        "/dev/sdb\n",
        "/dev/sdb\0",
        "/dev/sd\x1bb",
        "/dev/\udcff",
        " /dev/sdb",
        "/dev/sdb ",
        "/dev/sdb,/dev/sdc",
        "/dev/sdc",
        "/dev/null",
        "/dev/sd",
        "/dev/SDB",
        "/dev/disk",
        "/dev/disk/by-id/out",
        "/dev/disk/by-id/absolute",
        "/dev/disk/by-id/loop",
        "/dev/disk/by-id/broken",
        "/dev/" + "x" * 10_000,
        "/dev/" + "x" * 500,
        "/dev/디스크",
    ],
)
def test_what_is_no_block_device_is_bad_input(node: NodeUnderTest, path: str) -> None:
    link(node, "dev/disk/by-id/out", "../../../etc/passwd")
    link(node, "dev/disk/by-id/absolute", "/etc/passwd")
    link(node, "dev/disk/by-id/loop", "loop")
    link(node, "dev/disk/by-id/broken", "../../sdz")
    (node.root / "dev/null").write_text("")
    with pytest.raises(BadInput) as caught:
        read(node, disk("sdb")).find(path, "disks.0")
    assert [field for field, _ in caught.value.fields] == ["disks.0"]
    assert len(caught.value.detail) < 250
    assert caught.value.detail.isprintable()


# parents and partitions


def test_the_disk_comes_from_facts_not_from_digits(node: NodeUnderTest) -> None:
    """`sdp1` is a partition of `sdp`, `mpathp1` one of `mpathp`, `nvme0n1` and `rbd12` are whole."""
    devices = read(
        node,
        disk("sdp", part("sdp1")),
        disk("nvme0n1", part("nvme0n1p1")),
        disk("rbd12", part("rbd12p1")),
        disk("sdx", mapped("mpath", "mpathp", "dm-1", mapped("part", "mpathp1", "dm-2"))),
        disk("sdy", mapped("mpath", "lun-1", "dm-3", mapped("part", "lun-1-part1", "dm-4"))),
    )
    expected = {
        "/dev/sdp": "sdp",
        "/dev/sdp1": "sdp",
        "/dev/nvme0n1": "nvme0n1",
        "/dev/nvme0n1p1": "nvme0n1",
        "/dev/rbd12": "rbd12",
        "/dev/rbd12p1": "rbd12",
        "/dev/mapper/mpathp": "mpathp",
        "/dev/mapper/mpathp1": "mpathp",
        "/dev/mapper/lun-1": "lun-1",
        "/dev/mapper/lun-1-part1": "lun-1",
    }
    assert {path: devices.parent_disk(devices.find(path)).name for path in expected} == expected


@pytest.mark.parametrize("path", ["/dev/sdb", "/dev/sdb1", "/dev/sdc", "/dev/mapper/mpatha1", "/dev/mapper/vg-lv"])
def test_the_disk_of_a_path_is_the_map(node: NodeUnderTest, path: str) -> None:
    tree = mpatha(mapped("part", "mpatha1", "dm-6", mapped("lvm", "vg-lv", "dm-7"), **physical_volume()))
    devices = read(node, disk("sdb", part("sdb1"), tree), disk("sdc", tree))
    assert devices.parent_disk(devices.find(path)).name == "mpatha"


def test_a_volume_on_two_disks(node: NodeUnderTest) -> None:
    volume = mapped("lvm", "vg-lv", "dm-7")
    devices = read(node, disk("sdb", volume, **physical_volume()), disk("sdc", part("sdc1", volume, **physical_volume())))
    assert [each.name for each in devices.parent_disks(devices.find("/dev/mapper/vg-lv"))] == ["sdb", "sdc"]


def test_a_device_is_one_object_however_many_paths_it_has(node: NodeUnderTest) -> None:
    devices = read(node, disk("sdb", mpatha()), disk("sdc", mpatha()))
    assert [each.name for each in devices.all()] == ["sdb", "mpatha", "sdc"]
    assert [parent.name for parent in devices.find("/dev/dm-5").parents] == ["sdb", "sdc"]


def test_partitions_by_number(node: NodeUnderTest) -> None:
    devices = read(
        node,
        disk("sdb", part("sdb1"), part("sdb12")),
        disk("nvme0n1", part("nvme0n1p2")),
        disk("sdx", mapped("mpath", "mpath1", "dm-1", mapped("part", "mpath1p3", "dm-2"))),
        disk("sdy", mapped("mpath", "lun", "dm-3", mapped("part", "lun-part1", "dm-4"), mapped("part", "odd", "dm-6"))),
        disk("sdz", part("renamed")),
    )
    fact(node, "dm-6", "dm/uuid", f"part7-mpath-{WWID}\n")
    fact(node, "renamed", "partition", "4\n")
    found = {
        (path, number): partition and partition.name
        for path in ("/dev/sdb", "/dev/nvme0n1", "/dev/dm-1", "/dev/dm-3", "/dev/sdz")
        for number in (1, 2, 3, 4, 7, 12)
        if (partition := devices.partition(devices.find(path), number))
    }
    assert found == {
        ("/dev/sdb", 1): "sdb1",
        ("/dev/sdb", 12): "sdb12",
        ("/dev/nvme0n1", 2): "nvme0n1p2",
        ("/dev/dm-1", 3): "mpath1p3",
        ("/dev/dm-3", 1): "lun-part1",
        ("/dev/dm-3", 7): "odd",
        ("/dev/sdz", 4): "renamed",
    }
    assert devices.partition(devices.find("/dev/sdb"), 2) is None


def test_the_wwid_of_a_map(node: NodeUnderTest) -> None:
    devices = read(node, disk("sdb", mpatha()))
    assert devices.multipath_id(devices.find("/dev/dm-5")) == ""
    fact(node, "dm-5", "dm/uuid", f"mpath-{WWID}\n")
    assert devices.multipath_id(devices.find("/dev/dm-5")) == WWID


# uses

TAKEN: list[tuple[Node, str]] = [
    (disk("sdb", fstype="xfs", mountpoints=["/"]), "holds the root file system"),
    (disk("sdb", fstype="xfs", mountpoints=["/data", "/bound"]), "mounted at /bound"),
    (disk("sdb", part("sdb1", fstype="xfs", mountpoints=["/mnt/glue"])), "mounted at /mnt/glue"),
    (disk("sdb", fstype="swap", mountpoints=["[SWAP]"]), "swap"),
    (disk("sdb", part("sdb1", fstype="swap")), "swap"),
    (disk("sdb", **physical_volume()), "physical volume of LVM"),
    (disk("sdb", part("sdb1", mapped("lvm", "vg_x-lv", "dm-1"), **physical_volume())), "physical volume of vg_x"),
    (disk("sdb", mapped("lvm", "a--b-c--d", "dm-1"), **physical_volume()), "physical volume of a-b"),
    (disk("sdb", mapped("lvm", "vg-lv", "dm-1")), "physical volume of vg"),
    (disk("sdb", mpatha(), fstype="mpath_member"), "path of multipath map mpatha"),
    (disk("sdb", mpatha()), "path of multipath map mpatha"),
    (disk("sdb", fstype="mpath_member"), "path of a multipath map"),
    (disk("sdb", part("sdb1"), fstype="mpath_member"), "path of a multipath map"),
    (disk("sdb", fstype="ceph_bluestore"), "Ceph OSD"),
    (disk("sdb", part("sdb1", parttype="4fbd7e29-9d25-41b8-afd0-062c0ceff05d")), "Ceph OSD"),
    (disk("sdb", part("sdb1", parttype="4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D")), "Ceph OSD"),
    (disk("sdb", mapped("lvm", "ceph--1b2c-osd--block--9", "dm-1"), **physical_volume()), "Ceph OSD"),
    (disk("sdb", fstype="linux_raid_member"), "member of a RAID array"),
    (disk("sdb", fstype="ddf_raid_member"), "member of a RAID array"),
    (disk("sdb", device("raid1", "md0"), fstype="linux_raid_member"), "held by raid1 md0"),
    (disk("sdb", mapped("crypt", "luks-1", "dm-1"), fstype="crypto_LUKS"), "held by crypt luks-1"),
    (disk("sdb", part("sdb1", mapped("dm", "strange", "dm-1"))), "held by dm strange"),
    (disk("sdb", fstype="zfs_member"), "member of a ZFS pool"),
    (disk("sdb", part("sdb1", fstype="drbd")), "DRBD device"),
    (disk("sdb", fstype="bcache"), "member of a bcache"),
]
TAKEN_IDS = [f"{number}: {reason}" for number, (_, reason) in enumerate(TAKEN)]


@pytest.mark.parametrize(("tree", "reason"), TAKEN, ids=TAKEN_IDS)
def test_what_is_in_use_is_never_written_even_by_force(node: NodeUnderTest, tree: Node, reason: str) -> None:
    devices = read(node, tree)
    found = devices.find("/dev/sdb")
    assert reason in devices.uses(found)
    for force in (False, True):
        with pytest.raises(Conflict) as caught:
            devices.require_free(found, "disks", force=force)
        assert reason in caught.value.detail
        assert "Nothing was written" in caught.value.detail
        assert caught.value.members["force"] is False
        assert [field for field, _ in caught.value.fields] == ["disks"]


@pytest.mark.parametrize(
    ("path", "reasons"),
    [
        (
            "/dev/sda",
            ["mounted at /boot/efi", "mounted at /boot", "physical volume of rl", "holds the root file system", "swap"],
        ),
        ("/dev/sda1", ["mounted at /boot/efi"]),
        ("/dev/sda3", ["physical volume of rl", "holds the root file system", "swap"]),
        ("/dev/sda4", ["boot partition of the system"]),
        ("/dev/sda5", []),
        ("/dev/mapper/rl-root", ["holds the root file system"]),
        ("/dev/mapper/rl-home--old", []),
    ],
)
def test_the_disk_of_the_system(node: NodeUnderTest, path: str, reasons: list[str]) -> None:
    devices = read(node, SYSTEM_DISK)
    assert devices.uses(devices.find(path)) == reasons
    assert devices.is_system(devices.find("/dev/sda"))


def test_an_unused_boot_partition_of_an_old_disk_is_no_use(node: NodeUnderTest) -> None:
    devices = read(node, SYSTEM_DISK, disk("sdb", part("sdb1", parttype="c12a7328-f81f-11d2-ba4b-00a0c93ec93b")))
    assert devices.uses(devices.find("/dev/sdb")) == []


def test_every_path_of_a_map_in_use_is_in_use(node: NodeUnderTest) -> None:
    tree = mpatha(mapped("part", "mpatha1", "dm-6", fstype="xfs", mountpoints=["/"]))
    devices = read(node, disk("sdb", part("sdb1"), tree), disk("sdc", tree))
    for path in ("/dev/sdb", "/dev/sdc"):
        assert devices.uses(devices.find(path)) == ["holds the root file system", "path of multipath map mpatha"]
    assert devices.uses(devices.find("/dev/sdb1")) == ["on a path of multipath map mpatha"]


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        (mapped("crypt", "secret", "dm-9"), "held by crypt secret (on its path sdb)"),
        (part("sdb1", fstype="xfs", mountpoints=["/data"]), "mounted at /data"),
        (part("sdb1", fstype="xfs", mountpoints=["/"]), "holds the root file system"),
        (part("sdb1", mapped("lvm", "vg-lv", "dm-9"), **physical_volume()), "physical volume of vg"),
    ],
)
def test_a_map_whose_path_is_used_past_it(node: NodeUnderTest, beside: Node, reason: str) -> None:
    """Seen on a real machine: multipathd makes maps over disks that something else had taken before."""
    devices = read(node, disk("sdb", beside, mpatha()), disk("sdc", mpatha()))
    map_ = devices.find("/dev/mapper/mpatha")
    assert devices.uses(map_) == [reason]
    assert devices.is_system(map_) is (reason == "holds the root file system")
    with pytest.raises(Conflict):
        devices.require_free(map_, "disks", force=True)


def test_what_is_free(node: NodeUnderTest) -> None:
    devices = read(
        node, disk("sdb"), disk("sdc", mpatha()), disk("rbd0"), device("loop", "loop0"), disk("sdd", part("sdd1"))
    )
    for path in ("/dev/sdb", "/dev/dm-5", "/dev/rbd0", "/dev/loop0", "/dev/sdd1"):
        found = devices.find(path)
        assert devices.uses(found) == []
        devices.require_free(found, "disks")


@pytest.mark.parametrize(
    ("tree", "content"),
    [
        (disk("sdb", part("sdb1")), "partition exists"),
        (disk("sdb", fstype="ext4"), "ext4 on sdb"),
        (disk("sdb", part("sdb1", fstype="gfs2")), "gfs2 on sdb1"),
        (disk("sdb", fstype="crypto_LUKS"), "crypto_LUKS on sdb"),
    ],
)
def test_what_would_be_lost_is_lost_by_force_only(node: NodeUnderTest, tree: Node, content: str) -> None:
    devices = read(node, tree)
    found = devices.find("/dev/sdb")
    assert devices.uses(found) == []
    with pytest.raises(Conflict) as caught:
        devices.require_free(found, "disks")
    assert content in caught.value.detail
    assert caught.value.members["force"] is True
    devices.require_free(found, "disks", force=True)


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (disk("sdb", ro=True), "read-only"),
        (disk("sdb", ro="1"), "read-only"),
        (disk("sdb", size=0), "has no medium or no size"),
        (disk("sdb", size=None), "has no medium or no size"),
        (device("rom", "sdb"), "CD or DVD drive"),
    ],
)
def test_what_nobody_could_write(node: NodeUnderTest, tree: Node, reason: str) -> None:
    devices = read(node, tree)
    with pytest.raises(Conflict, match=reason):
        devices.require_free(devices.find("/dev/sdb"), "disks", force=True)
