"""extend and add-extend."""

from typing import Any

import pytest

from tests.contract.hosts.gfs.conftest import ADDRESSES, GfsCluster
from tests.support.answer import Answer
from tests.support.shared_storage import GIB

VOLUME = {"vg_name": "vg_glue", "lv_name": "lv_glue", "mount_point": "/mnt/glue-gfs"}
NEW = ["/dev/disk/by-id/wwn-0x600a0b80000aa2ac"]


@pytest.fixture
def made(ready: GfsCluster) -> GfsCluster:
    assert ready.create().status == 200
    ready.mount()
    ready.forget_runs()
    return ready


def add(cluster: GfsCluster, **more: Any) -> Answer:
    return cluster.post({"action": "add-extend", "disks": NEW, "gfs_name": "glue-gfs", **VOLUME, **more})


def test_the_lun_was_enlarged(made: GfsCluster) -> None:
    made.storage.disks["/dev/sdb"].size = 200 * GIB
    answer = made.post({"action": "extend", **VOLUME})
    assert (answer.status, answer.body["val"]) == (200, "Success to extend GFS Disk")
    assert made.storage.disks["/dev/sdb"].partition > 199 * GIB
    first = made.machines[0]
    assert first.commands("pvresize") == ["pvresize -- /dev/sdb1"]
    assert first.commands("lvextend") == ["lvextend --extents +100%FREE -- vg_glue/lv_glue"]
    assert first.commands("gfs2_grow") == ["gfs2_grow /mnt/glue-gfs"]
    assert [entry["target"] for entry in answer.body["results"]] == ADDRESSES


def test_only_devices_that_can_be_are_rescanned(made: GfsCluster) -> None:
    """RBD, virtio and NVMe disks have no `rescan`; 0.1.2 failed on them."""
    scsi = made.nodes[0].root / "sys/block/sdb/device/rescan"
    scsi.parent.mkdir(parents=True)
    scsi.write_text("")
    nvme = made.nodes[1].root / "sys/block/sdb/device/rescan_controller"
    nvme.parent.mkdir(parents=True)
    nvme.write_text("")
    assert made.post({"action": "rescan", **VOLUME}).status == 200
    assert (scsi.read_text(), nvme.read_text()) == ("1", "1")


@pytest.mark.parametrize("missing", ["vg_name", "lv_name", "mount_point"])
@pytest.mark.parametrize("action", ["extend", "rescan"])
def test_what_extend_needs(made: GfsCluster, action: str, missing: str) -> None:
    answer = made.post({"action": action, **VOLUME, missing: ""})
    assert (answer.status, answer.body["message"]) == (400, "vg_name, lv_name and mount_point required")


def test_what_add_extend_needs(made: GfsCluster) -> None:
    for missing in ("vg_name", "lv_name", "mount_point", "gfs_name", "disks"):
        answer = add(made, **{missing: [] if missing == "disks" else ""})
        told = "disks, gfs_name, vg_name, lv_name and mount_point required"
        assert (answer.status, answer.body["message"]) == (400, told), missing


def test_a_file_system_that_is_not_mounted_does_not_grow(made: GfsCluster) -> None:
    before = made.storage.state()
    for body in (
        {"action": "extend", **VOLUME, "mount_point": "/mnt/other"},
        {"action": "extend", **VOLUME, "lv_name": "x"},
    ):
        answer = made.post(body)
        assert answer.status == 409, answer.body
    assert made.storage.state() == before


def test_a_new_lun_joins(made: GfsCluster) -> None:
    answer = add(made)
    assert (answer.status, answer.body["val"]) == (200, "Success to Extend Add GFS Disk"), answer.body
    assert [group for _, group in made.storage.pvs.values()] == ["vg_glue", "vg_glue"]
    assert all(machine.devices_file == {"/dev/sdb1", "/dev/sdc1"} for machine in made.machines)
    order = [line.split()[0] for line in made.programs()[: len(made.machines[0].ran)]]
    assert order.index("vgextend") > order.index("pvcreate")


@pytest.mark.parametrize("program", ["parted -s /dev/sdc mklabel", "lvmdevices", "pvcreate", "vgextend"])
@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
def test_nothing_is_left_when_it_fails_before_the_volume_grows(made: GfsCluster, program: str, afterwards: bool) -> None:
    before = made.storage.state()
    made.machines[0].breaks(program, afterwards=afterwards)
    assert add(made).status == 502
    assert made.storage.state() == before
    assert all(machine.devices_file == {"/dev/sdb1"} for machine in made.machines)


def test_every_node_sees_the_new_volume_before_the_group_uses_it(made: GfsCluster) -> None:
    made.machines[1].blind_to = {"/dev/sdc1"}
    before = made.storage.state()
    answer = add(made)
    assert (answer.status, "does not see" in answer.body["message"]) == (502, True)
    assert made.storage.state() == before
    assert not made.machines[0].commands("vgextend")


def test_once_the_volume_has_grown_nothing_is_taken_back(made: GfsCluster) -> None:
    made.machines[0].breaks("gfs2_grow")
    answer = add(made)
    assert answer.status == 502
    assert [step["outcome"] for step in answer.body["steps"]][-2:] == ["stays", "failed"]
    assert "undone" not in {step["outcome"] for step in answer.body["steps"]}
    assert [group for _, group in made.storage.pvs.values()] == ["vg_glue", "vg_glue"]
    assert made.post({"action": "extend", **VOLUME}).status == 200, "which extend then finishes"


def test_maintenance_mode_is_left_whatever_happens(made: GfsCluster) -> None:
    wanted = [
        "pcs property set maintenance-mode=true",
        "pcs property set maintenance-mode=false",
    ]
    for broken in (None, "gfs2_grow", "lvextend", "pcs property set maintenance-mode=true"):
        made.forget_runs()
        if broken:
            made.machines[0].breaks(broken)
        answer = made.post({"action": "extend", **VOLUME, "non_stop_check": "TRUE"})
        assert answer.status == (502 if broken else 200), answer.body
        assert [line for line in made.machines[0].commands("pcs") if "property" in line] == wanted, broken


def test_a_rescan_that_fails_on_one_node(made: GfsCluster) -> None:
    before = made.storage.state()
    made.machines[2].breaks("udevadm")
    answer = made.post({"action": "extend", **VOLUME})
    assert answer.status == 502
    assert f"rescan multipath devices failed: {ADDRESSES[2]}" in answer.body["message"]
    assert made.storage.state() == before
