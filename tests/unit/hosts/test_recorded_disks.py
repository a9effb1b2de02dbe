"""The disks of a recorded machine (tests/data/lsblk) in several states."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.hosts import disk_tree, disks
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.hosts.disk_tree import Item
from ablestack_api.tools import lsblk, lspci, multipath
from tests.support.node_under_test import NodeUnderTest

DATA = Path(__file__).resolve().parents[2] / "data"
STATES = ["virtual_disk_root", "lvm_root", "multipath", "multipath_gfs", "multipath_root", "md_root"]
NO_LINKS = DiskLinks({}, {}, {})
LUN_1, LUN_2 = "3600a0b80000aa110", "3600a0b80000aa220"
NVME = "nvme.1b36-4e5641-51454d55204e564d65204374726c-00000001"
FIELDS = ("rota", "model", "size", "state", "group", "type", "tran", "subsystems", "vendor", "wwn")


def recorded(name: str) -> str:
    return (DATA / "lsblk" / name).read_text(encoding="utf-8")


def devices_of(node: NodeUnderTest, state: str) -> BlockDevices:
    return BlockDevices(node.settings, tuple(lsblk.parse(recorded(f"{state}.json"))))


def lay_out(node: NodeUnderTest) -> DiskLinks:
    """The links and facts that were recorded beside `multipath_gfs`."""
    for folder in ("by-id", "by-path"):
        place = node.root / "dev/disk" / folder
        place.mkdir(parents=True)
        for line in recorded(f"multipath_gfs.{folder}.txt").splitlines():
            name, target = line.split()
            (place / name).symlink_to(target)
    for line in recorded("multipath_gfs.dm-uuid.txt").splitlines():
        kname, uuid = line.split()
        place = node.root / f"sys/class/block/{kname}/dm"
        place.mkdir(parents=True)
        (place / "uuid").write_text(f"{uuid}\n")
    return DiskLinks.read(node.settings)


def flattened(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from flattened(node.get("children", []))


def reasons(items: list[Item]) -> dict[str, str | None]:
    return {item["name"]: item.get("in_use_reason") for item in items}


def test_the_values_of_0_1_2(node: NodeUnderTest) -> None:
    """Each member is what lsblk without -b printed of the same machine at the same moment."""
    theirs = {
        entry["kname"]: entry
        for entry in flattened(json.loads(recorded("multipath_gfs.columns_of_0.1.2.json"))["blockdevices"])
    }
    items = disk_tree.gfs_view(devices_of(node, "multipath_gfs"), NO_LINKS)
    ours = {entry["kname"]: entry for entry in flattened(items)}
    assert {"dm-4", "dm-7", "dm-8", "sdj", "vda", "nvme2n1"} < set(ours)
    for kname, item in ours.items():
        expected = {field: theirs[kname][field] for field in ("name", "path", *FIELDS) if theirs[kname][field] is not None}
        assert {field: item[field] for field in ("name", "path", *FIELDS) if field in item} == expected


@pytest.mark.parametrize(
    ("state", "system"),
    [
        ("virtual_disk_root", ["vda"]),
        ("lvm_root", ["sdi"]),
        ("multipath", ["sdi"]),
        ("multipath_gfs", ["sdi"]),
        ("multipath_root", ["sdb", "sdd"]),
        ("md_root", ["sdf", "sdg"]),
    ],
)
def test_the_disks_of_the_system(node: NodeUnderTest, state: str, system: list[str]) -> None:
    devices = devices_of(node, state)
    assert [root.name for root in devices.roots if devices.is_system(root)] == system
    shown = [item["name"] for item in disk_tree.list_view(devices, NO_LINKS)]
    assert not set(system) & set(shown)
    assert not {"sr0", "sdk"} & set(shown)


def test_what_is_free_on_a_machine_with_multipath(node: NodeUnderTest) -> None:
    assert reasons(disk_tree.gfs_view(devices_of(node, "multipath_gfs"), NO_LINKS)) == {
        "mpathb": None,
        "mpatha": "partition exists; physical volume of vg_glue",
        "mpathc": None,
        "sde": "Ceph OSD",
        "sdf": None,
        "sdg": None,
        "sdh": "held by crypt secret",
        "sdj": "physical volume of LVM",
        "vda": None,
        "nvme2n1": None,
    }


def test_every_path_in_the_list_says_whose_it_is(node: NodeUnderTest) -> None:
    found = reasons(disk_tree.list_view(devices_of(node, "multipath"), NO_LINKS))
    paths = {"sda": "mpathb", "sdc": "mpathb", "sdb": "mpatha", "sdd": "mpatha", "nvme0n1": "mpathc", "nvme1n1": "mpathc"}
    assert {name: found[name] for name in paths} == {name: f"path of multipath map {map_}" for name, map_ in paths.items()}


def test_paths_whose_maps_were_flushed_are_not_free(node: NodeUnderTest) -> None:
    found = reasons(disk_tree.gfs_view(devices_of(node, "md_root"), NO_LINKS))
    assert {name for name, reason in found.items() if reason == "path of a multipath map"} == {
        "sda",
        "sdb",
        "sdc",
        "sdd",
        "nvme0n1",
        "nvme1n1",
    }


def test_identities_from_the_kernel_and_from_links(node: NodeUnderTest) -> None:
    links = lay_out(node)
    items = {item["name"]: item for item in disk_tree.gfs_view(devices_of(node, "multipath_gfs"), links)}
    assert {name: (item["id"].rsplit("/", 1)[1], item["uuid"]) for name, item in items.items() if "id" in item} == {
        "mpatha": (f"dm-uuid-mpath-{LUN_1}", LUN_1),
        "mpathb": (f"dm-uuid-mpath-{LUN_2}", LUN_2),
        "mpathc": (f"dm-uuid-mpath-{NVME}", NVME),
        "sde": ("wwn-0x6003048000000200", "0x6003048000000200"),
        "sdf": ("wwn-0x6003048000000300", "0x6003048000000300"),
        "sdg": ("wwn-0x6003048000000400", "0x6003048000000400"),
        "sdh": ("wwn-0x6003048000000100", "0x6003048000000100"),
        "sdj": ("wwn-0x5000c50000000002", "0x5000c50000000002"),
        "nvme2n1": ("nvme-QEMU_NVMe_Ctrl_NVB", NVME.replace("4e5641", "4e5642")),
    }
    assert items["vda"].get("uuid") is None
    assert [path["name"] for path in items["mpathc"]["single_path"]] == ["nvme1n1", "nvme0n1"]


def test_by_path_links(node: NodeUnderTest) -> None:
    links = lay_out(node)
    paths = {item["name"]: item["path"] for item in disk_tree.list_view(devices_of(node, "multipath_gfs"), links)}
    assert paths["sde"] == "/dev/disk/by-path/pci-0000:00:04.0-scsi-0:2:2:0"
    assert paths["sdj"] == "/dev/disk/by-path/pci-0000:00:1f.2-ata-2.0"
    assert paths["vda"] == "/dev/disk/by-path/virtio-pci-0000:00:03.0"


def test_what_multipath_tells(node: NodeUnderTest) -> None:
    maps = multipath.parse((DATA / "multipath/three_maps.txt").read_text())
    items = disk_tree.detail_view(devices_of(node, "multipath_gfs"), lay_out(node), maps)
    assert [(item["name"], item["kname"], item["uuid"], item["size"]) for item in items] == [
        ("mpatha", "dm-4", LUN_1, "600M"),
        ("mpathb", "dm-5", LUN_2, "40G"),
        ("mpathc", "dm-6", NVME, "600M"),
    ]
    of_the_system = disk_tree.detail_view(devices_of(node, "multipath_root"), NO_LINKS, maps)
    assert [item["name"] for item in of_the_system] == ["mpathb", "mpathc"]


def test_a_device_is_found_by_its_links(node: NodeUnderTest) -> None:
    lay_out(node)
    devices = devices_of(node, "multipath_gfs")
    part = devices.find(f"/dev/disk/by-id/dm-uuid-part1-mpath-{LUN_1}")
    assert (part.name, devices.parent_disk(part).name) == ("mpatha-part1", "mpatha")
    assert devices.partition(devices.find(f"/dev/disk/by-id/dm-uuid-mpath-{LUN_1}"), 1) is part
    assert devices.parent_disk(devices.find("/dev/disk/by-path/pci-0000:00:06.0-scsi-0:0:0:0")).name == "mpatha"
    assert devices.partition(devices.find("/dev/disk/by-id/wwn-0x5000c50000000001"), 3) is devices.find("/dev/sdi3")


@pytest.mark.parametrize("state", STATES)
def test_no_device_is_lost_or_told_twice_in_the_list(node: NodeUnderTest, state: str) -> None:
    devices = devices_of(node, state)
    shown = [entry["kname"] for entry in disk_tree.flat(disk_tree.list_view(devices, NO_LINKS))]
    assert len(shown) == len(set(shown))
    roots = [root for root in devices.roots if not devices.is_system(root) and root.type != "rom" and root.tran != "usb"]
    assert set(shown) == {each.kname for root in roots for each in root.family()}


def test_raid_and_nvme_controllers() -> None:
    found = disks.raid_controllers(lspci.parse((DATA / "lspci/virtual_machine.txt").read_text()))
    assert [(entry["Class"], entry["Driver"]) for entry in found] == [
        ("RAID bus controller", "megaraid_sas"),
        *[("Non-Volatile memory controller", "nvme")] * 3,
    ]
