"""hosts.disk_tree: the views of large and of recorded nodes."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.hosts import disk_tree
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.hosts.disk_tree import Item
from ablestack_api.tools import lsblk, multipath
from tests.support.lsblk_output import Node, disk, mapped, part, physical_volume, printed

LUNS, PATHS, DISKS = 100, 4, 200
SECONDS = 0.1  # of this thread: what other programs do meanwhile does not count
NO_LINKS = DiskLinks({}, {}, {})


def large_node() -> list[Node]:
    """200 disks, half of them with an OSD, and 100 LUNs on four paths each: 1,000 devices and a hundred volumes."""
    osds = [
        disk(f"sd{number}", mapped("lvm", f"ceph--{number}-osd--block--1", f"dm-{number}"), **physical_volume())
        for number in range(DISKS // 2)
    ]
    free = [disk(f"nvme{number}n1", part(f"nvme{number}n1p1")) for number in range(DISKS // 2)]
    luns = [
        mapped("mpath", f"mpath{number}", f"dm-1{number:03}", mapped("part", f"mpath{number}1", f"dm-2{number:03}"))
        for number in range(LUNS)
    ]
    paths = [
        disk(f"sdz{number}x{path}", lun, fstype="mpath_member") for number, lun in enumerate(luns) for path in range(PATHS)
    ]
    return [*osds, *free, *paths]


def reading(tmp_path: Path, text: str) -> BlockDevices:
    return BlockDevices(Settings({"ABLESTACK_SYSROOT": str(tmp_path)}), tuple(lsblk.parse(text)))


VIEWS: list[tuple[Callable[[BlockDevices], list[Item]], int]] = [
    (lambda devices: disk_tree.list_view(devices, NO_LINKS), DISKS + LUNS * PATHS),
    (lambda devices: disk_tree.rbd_view(devices, NO_LINKS), 0),
    (lambda devices: disk_tree.gfs_view(devices, NO_LINKS), DISKS + LUNS),
    (lambda devices: disk_tree.detail_view(devices, NO_LINKS, None), LUNS),
    (lambda devices: disk_tree.detail_view(devices, NO_LINKS, []), DISKS),
    (
        lambda devices: disk_tree.detail_view(
            devices,
            NO_LINKS,
            [multipath.Map(f"mpath{number}", f"3600{number}", f"dm-1{number:03}") for number in range(LUNS)],
        ),
        LUNS,
    ),
]


@pytest.mark.parametrize(("view", "count"), VIEWS)
def test_a_thousand_devices_are_reshaped_at_once(
    tmp_path: Path, view: Callable[[BlockDevices], list[Item]], count: int
) -> None:
    devices = reading(tmp_path, printed(*large_node()))
    assert len(devices.all()) == 1000
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        items = view(devices)
        list(disk_tree.flat(items))
        seconds.append(time.thread_time() - started)
    assert len(items) == count
    assert min(seconds) < SECONDS


def test_a_thousand_devices_are_parsed_at_once() -> None:
    text = printed(*large_node())
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        lsblk.parse(text)
        seconds.append(time.thread_time() - started)
    assert min(seconds) < SECONDS
