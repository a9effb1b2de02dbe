"""delete-gfs: nothing is left, on no node; what an earlier attempt left is found."""

from typing import Any

import pytest

from tests.contract.hosts.gfs.conftest import ADDRESSES, GfsCluster
from tests.support.answer import Answer
from tests.support.shared_storage import Disk

BY_ID = "/dev/disk/by-id/wwn-0x600a0b80000aa1ab"
BODY = {
    "action": "delete-gfs",
    "disks": [BY_ID],
    "gfs_name": "glue-gfs",
    "vg_name": "vg_glue",
    "lv_name": "lv_glue",
}


@pytest.fixture
def made(ready: GfsCluster) -> GfsCluster:
    assert ready.create().status == 200
    ready.forget_runs()
    return ready


def delete(cluster: GfsCluster, **more: Any) -> Answer:
    return cluster.post({**BODY, **more})


def test_nothing_is_left_anywhere(ready: GfsCluster) -> None:
    before = ready.storage.state()
    assert ready.create().status == 200
    answer = delete(ready)
    assert (answer.status, answer.body["val"], answer.body["message"]) == (200, "Success to gfs delete", "ok")
    after = ready.storage.state()
    assert after["disks"]["/dev/sdb"] == Disk(label="gpt")
    after["disks"]["/dev/sdb"].label = "unknown"
    assert after == before
    for machine, node in zip(ready.machines, ready.nodes, strict=True):
        assert machine.devices_file == set()
        assert not (node.root / "mnt/glue-gfs").exists()


def test_a_mount_point_that_holds_files_stays(made: GfsCluster) -> None:
    (made.nodes[0].root / "mnt/glue-gfs/notes.txt").write_text("mine")
    assert delete(made).status == 200
    assert (made.nodes[0].root / "mnt/glue-gfs/notes.txt").exists()


@pytest.mark.parametrize("missing", ["disks", "gfs_name", "vg_name", "lv_name"])
def test_all_four_are_required(made: GfsCluster, missing: str) -> None:
    answer = delete(made, **{missing: [] if missing == "disks" else " "})
    assert (answer.status, answer.body["message"]) == (400, "disks, gfs_name, vg_name and lv_name required")


def test_disks_of_another_file_system(made: GfsCluster) -> None:
    before = made.storage.state()
    answer = delete(made, disks=["/dev/sdc"])
    assert answer.status == 409
    assert "vg_glue lies on /dev/sdb, not on /dev/sdc" in answer.body["message"]
    assert made.storage.state() == before
    assert delete(made, disks=["/dev/sdc"], force=True).status == 200
    assert made.storage.disks["/dev/sdc"] == Disk()


def test_other_volumes_of_the_group_are_not_lost_unasked(made: GfsCluster) -> None:
    made.storage.lvs["vg_glue", "precious"] = 1
    answer = delete(made)
    assert answer.status == 409
    assert "vg_glue also holds precious" in answer.body["message"]
    assert ("vg_glue", "lv_glue") in made.storage.lvs
    assert delete(made, force=True).status == 200


def test_nothing_there(ready: GfsCluster) -> None:
    answer = delete(ready)
    assert (answer.status, "nothing is left of glue-gfs" in answer.body["message"]) == (409, True)


def test_a_file_system_that_does_not_stop_stays_as_it_was(made: GfsCluster) -> None:
    before = made.storage.state()
    made.machines[0].breaks("pcs resource disable", afterwards=True)
    answer = delete(made)
    assert answer.status == 502
    assert made.storage.state() == before, "enabled again"


@pytest.mark.parametrize("program", ["lvremove", "vgremove", "pvremove", "lvmdevices", "parted -s /dev/sdb rm"])
def test_what_failed_half_way_is_finished_by_the_next_call(made: GfsCluster, program: str) -> None:
    machine = made.machines[1] if program == "lvmdevices" else made.machines[0]
    if program == "lvmdevices":
        (made.nodes[1].root / "etc/lvm/devices").mkdir(parents=True)
        (made.nodes[1].root / "etc/lvm/devices/system.devices").write_text(
            "IDTYPE=sys_wwid DEVNAME=/dev/sdb1 PVID=x PART=1\n"
        )
    machine.breaks(program)
    answer = delete(made)
    assert answer.status == 502, answer.body
    assert "stays done: " in answer.body["message"]
    assert {"stays", "failed"} <= {step["outcome"] for step in answer.body["steps"]}
    again = delete(made)
    assert again.status == 200, again.body
    assert made.storage.vgs == {}
    assert made.storage.pvs == {}
    assert made.storage.disks["/dev/sdb"].partition == 0
    assert all(machine.devices_file == set() for machine in made.machines)


def test_every_node_lets_go_of_the_locks_first(made: GfsCluster) -> None:
    assert delete(made).status == 200
    for machine in made.machines[1:]:
        assert machine.commands("vgchange") == ["vgchange --lock-stop --yes -- vg_glue"]
    own = made.machines[0].commands("vgchange")
    assert own[-1] == "vgchange --lock-type none --lock-opt force --yes -- vg_glue"


def test_the_plan(made: GfsCluster) -> None:
    before = made.storage.state()
    answer = made.post(BODY, query="?plan=true")
    steps = answer.body["val"]["steps"]
    assert [step["step"] for step in steps] == [
        "stop-resources",
        "delete-resources",
        "stop-lockspace",
        "remove-volume-group",
        "remove-physical-volumes",
        "release-nodes",
        "remove-partitions",
        "partprobe",
        "cleanup",
    ]
    assert answer.body["val"]["warnings"] == ["every file on vg_glue is lost"]
    assert made.storage.state() == before


def test_another_disk_of_the_same_name_on_another_node(made: GfsCluster) -> None:
    made.machines[1].foreign = {"/dev/sdb": "GUID-of-another"}
    assert delete(made).status == 200
    assert [machine.devices_file for machine in made.machines] == [set(), {"/dev/sdb1"}, set()]


def test_names_with_dashes(ready: GfsCluster) -> None:
    """device-mapper doubles them; 0.1.2 never found such a volume again."""
    names = {"vg_name": "vg-a-b", "lv_name": "lv--c", "gfs_name": "gfs-2", "mount_point": "/mnt/gfs-2"}
    assert ready.create(**names).status == 200
    answer = delete(ready, **names)
    assert answer.status == 200, answer.body
    assert ready.storage.vgs == {}


def test_results_tell_every_node(made: GfsCluster) -> None:
    assert [entry["target"] for entry in delete(made).body["results"]] == ADDRESSES
