"""create-gfs: success, refusals before anything is written, and everything taken back when any step fails."""

import json

import pytest

from ablestack_api.core.errors import CommandFailed, CommandTimedOut, ProgramMissing
from tests.contract.hosts.gfs.conftest import ADDRESSES, GfsCluster
from tests.support.shared_storage import GIB, Disk

BY_ID = "/dev/disk/by-id/wwn-0x600a0b80000aa1ab"


def test_a_file_system_on_every_node(ready: GfsCluster) -> None:
    answer = ready.create()
    assert answer.status == 200, answer.body
    val = answer.body["val"]
    assert {key: val[key] for key in val if key != "prepare_nodes"} == {
        "message": "Create GFS Success",
        "cluster_name": "cloudcenter_cluster",
        "gfs_name": "glue-gfs",
        "mount_point": "/mnt/glue-gfs",
        "vg_name": "vg_glue",
        "lv_name": "lv_glue",
        "lv_path": "/dev/vg_glue/lv_glue",
        "journals": 4,
        "journal_size_mb": 512,
        "resource_group_size_mb": 1024,
        "partitions": ["/dev/sdb1"],
    }
    assert [(node["target"], node["code"], node["val"]) for node in val["prepare_nodes"]] == [
        (address, 200, "Prepare GFS Node Success") for address in ADDRESSES
    ]
    assert (answer.body["code"], answer.body["message"], answer.body["action"]) == (200, "ok", "create-gfs")
    assert answer.body["target"] == ADDRESSES[0]
    assert {step["outcome"] for step in answer.body["steps"]} == {"done"}


def test_what_is_there_afterwards(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    storage = ready.storage
    assert storage.vgs == {"vg_glue": "dlm"}
    assert list(storage.lvs) == [("vg_glue", "lv_glue")]
    assert storage.formatted == {
        "/dev/vg_glue/lv_glue": "-j 4 -J 512 -r 1024 -p lock_dlm -t cloudcenter_cluster:glue-gfs -O -K -q"
    }
    for machine, node in zip(ready.machines, ready.nodes, strict=True):
        assert machine.devices_file == {"/dev/sdb1"}
        assert (node.root / "mnt/glue-gfs").is_dir()
    assert storage.disks["/dev/sdc"] == Disk()


def test_the_file_system_stands_on_the_volume_and_that_on_the_locks(ready: GfsCluster) -> None:
    """0.1.2 colocated the volume with the file system, the wrong way round."""
    assert ready.create().status == 200
    cib = ready.storage.cib
    for pair in (
        'first="glue-locking-clone" then="glue-gfs_res-clone"',
        'rsc="glue-gfs_res-clone" with-rsc="glue-locking-clone"',
        'first="glue-gfs_res-clone" then="glue-gfs-clone"',
        'rsc="glue-gfs-clone" with-rsc="glue-gfs_res-clone"',
    ):
        assert pair in cib


def test_sizes_from_the_configuration(ready: GfsCluster) -> None:
    document = ready.nodes[0].cluster()
    document["clusterConfig"]["gfs"] = {"journal_size_mb": 64, "resource_group_size_mb": "256"}
    ready.nodes[0].write_cluster(document)
    answer = ready.create()
    assert (answer.body["val"]["journal_size_mb"], answer.body["val"]["resource_group_size_mb"]) == (64, 256)


def test_sizes_that_cannot_be_are_refused_before_anything_is_written(ready: GfsCluster) -> None:
    document = ready.nodes[0].cluster()
    before = ready.storage.state()
    for size in (7, 2048, 100, -8, "0.5", 8.5, "x", True, "٨", "1" * 30):
        document["clusterConfig"]["gfs"] = {"journal_size_mb": size}
        ready.nodes[0].write_cluster(document)
        answer = ready.create()
        assert answer.status == 409, size
        assert "clusterConfig.gfs.journal_size_mb must be a power of two between 8MB and 1024MB" in answer.body["message"]
    assert ready.storage.state() == before
    assert not [line for line in ready.programs() if line.startswith("parted")]


def test_a_disk_that_is_too_small(ready: GfsCluster) -> None:
    ready.storage.disks["/dev/sdb"].size = 2 * GIB
    answer = ready.create()
    assert answer.status == 400
    assert "hold 2048 MiB together; a file system with 4 journals needs 4096 MiB" in answer.body["message"]
    assert ready.storage.disks["/dev/sdb"].label == "unknown"


BAD: list[tuple[dict[str, object], str]] = [
    ({"disks": []}, "disks"),
    ({"disks": ["/dev/nonesuch"]}, "disks[0]"),
    ({"disks": ["/etc/passwd"]}, "disks[0]"),
    ({"disks": ["-s"]}, "disks[0]"),
    ({"disks": ["/dev/../etc/passwd"]}, "disks[0]"),
    ({"disks": ["/dev/sdb\nx"]}, "disks[0]"),
    ({"disks": ["/dev/sdb", "/dev/disk/by-id/wwn-0x600a0b80000aa1ab"]}, "disks[1]"),
    ({"vg_name": "-x"}, "vg_name"),
    ({"vg_name": "a b"}, "vg_name"),
    ({"vg_name": "a\nb"}, "vg_name"),
    ({"vg_name": "mapper"}, "vg_name"),
    ({"lv_name": "snapshot1"}, "lv_name"),
    ({"gfs_name": "1gfs"}, "gfs_name"),
    ({"gfs_name": "g" * 31}, "gfs_name"),
    ({"gfs_name": "a:b"}, "gfs_name"),
    ({"mount_point": "/"}, "mount_point"),
    ({"mount_point": "/etc/x"}, "mount_point"),
    ({"mount_point": "/mnt"}, "mount_point"),
    ({"mount_point": "/mnt/../etc"}, "mount_point"),
    ({"mount_point": "mnt/x"}, "mount_point"),
    ({"mount_point": "/mnt/a b"}, "mount_point"),
    ({"cluster_name": "other"}, "cluster_name"),
    ({"cluster_name": "a:b"}, "cluster_name"),
]


def test_bad_input(ready: GfsCluster) -> None:
    before = ready.storage.state()
    for more, field in BAD:
        answer = ready.create(**more)
        assert answer.status == 400, (more, answer.body)
        assert answer.body["errors"][0]["field"] == field, more
    assert ready.storage.state() == before


def test_links_out_of_dev_lead_nowhere(ready: GfsCluster) -> None:
    (ready.nodes[0].root / "dev/evil").symlink_to("/etc/passwd")
    assert ready.create(disks=["/dev/evil"]).status == 400


IN_USE: list[tuple[dict[str, object], str]] = [
    ({"mountpoints": ["/"]}, "root file system"),
    ({"mountpoints": ["/data"], "fstype": "xfs"}, "mounted at /data"),
    ({"fstype": "LVM2_member"}, "physical volume"),
    ({"fstype": "mpath_member"}, "multipath"),
    ({"fstype": "ceph_bluestore"}, "Ceph OSD"),
    ({"fstype": "swap", "mountpoints": ["[SWAP]"]}, "swap"),
    ({"ro": True}, "read-only"),
    ({"size": 0}, "no size"),
]


@pytest.mark.parametrize("force", [False, True])
def test_a_disk_in_use_is_never_written(ready: GfsCluster, force: bool) -> None:
    ready.storage.disks["/dev/sdc"] = Disk(size=200 * GIB)
    for columns, reason in IN_USE:
        ready.storage.disks["/dev/sdb"].columns = columns
        answer = ready.create(disks=["/dev/sdb", "/dev/sdc"], force=force)
        assert answer.status == 409, (columns, answer.body)
        assert reason in answer.body["message"]
    assert not [line for line in ready.programs() if line.split()[0] in ("parted", "pvcreate", "wipefs", "vgcreate")]


def test_what_lies_on_a_disk_is_given_up_by_force_only(ready: GfsCluster) -> None:
    ready.storage.disks["/dev/sdb"].columns = {"fstype": "xfs"}
    refused = ready.create()
    assert (refused.status, refused.body["force"]) == (409, True)
    shown = ready.post({"action": "create-gfs", "disks": [BY_ID], "force": True}, query="?plan=true")
    assert shown.body["val"]["overrides"] == ["/dev/sdb: xfs on sdb"]
    assert ready.create(force=True).status == 200


def test_lvm_is_believed_where_lsblk_knows_nothing(ready: GfsCluster) -> None:
    """Without udev, or before it has looked, lsblk shows no signature on a partition."""
    ready.storage.disks["/dev/sdb"] = Disk(label="gpt", partition=GIB, columns={"children": []})
    for group, told in (("vg_precious", "vg_precious"), ("", "LVM")):
        ready.storage.pvs["/dev/sdb"] = ["u", group]
        answer = ready.create(force=True)
        assert (answer.status, answer.body["force"]) == (409, False)
        assert f"/dev/sdb is a physical volume of {told}" in answer.body["message"]
    assert not ready.machines[0].commands("parted")


def test_names_that_are_taken(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    for more, told in (
        ({}, "exists already"),
        ({"vg_name": "vg_new"}, "the cluster has a resource glue-gfs_res already"),
    ):
        answer = ready.create(disks=["/dev/sdc"], **more)
        assert answer.status == 409
        assert told in answer.body["message"]
    assert ready.storage.disks["/dev/sdc"].label == "unknown"


def test_without_locking_nothing_is_begun(cluster: GfsCluster) -> None:
    cluster.run_cluster()
    answer = cluster.create()
    assert (answer.status, "configure-stonith first" in answer.body["message"]) == (409, True)


def test_without_a_cluster_nothing_is_begun(cluster: GfsCluster) -> None:
    answer = cluster.create()
    assert (answer.status, "run init-pcs-cluster first" in answer.body["message"]) == (409, True)


PROGRAMS = [
    "parted -s /dev/sdb mklabel",
    "lvmdevices --yes --adddev",
    "pvcreate",
    "vgcreate",
    "lvcreate",
    "mkfs.gfs2",
    "crm_verify",
    "pcs -f",
    "pcs cluster cib-push",
]


@pytest.mark.parametrize("afterwards", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_whatever_fails_nothing_is_left(ready: GfsCluster, program: str, afterwards: bool) -> None:
    before = ready.storage.state()
    if program == "crm_verify":
        ready.machines[0].breaks("crm_verify", afterwards=afterwards)
    else:
        ready.machines[0].breaks(program, afterwards=afterwards)
    answer = ready.create()
    assert answer.status in (502, 504), answer.body
    assert ready.storage.state() == before
    assert all(machine.devices_file == set() for machine in ready.machines)
    assert "failed" in [step["outcome"] for step in answer.body["steps"]]
    assert not [step for step in answer.body["steps"] if step["outcome"] in ("undo failed", "stays")]
    assert ready.create().status == 200, "and it can be repeated"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProgramMissing("the program mkfs.gfs2 is not installed", program="mkfs.gfs2", package="gfs2-utils"), 503),
        (CommandTimedOut("mkfs.gfs2 did not end within 600 s", program="mkfs.gfs2", seconds=600), 504),
        (CommandFailed("mkfs.gfs2 ended with code 255: gfs2 will not fit", program="mkfs.gfs2", exit_code=255), 502),
    ],
)
def test_the_status_tells_what_kind_of_failure(
    ready: GfsCluster, error: CommandFailed | CommandTimedOut | ProgramMissing, status: int
) -> None:
    before = ready.storage.state()
    ready.machines[0].breaks("mkfs.gfs2", error)
    answer = ready.create()
    assert answer.status == status
    assert answer.body["message"].startswith("step make-file-system failed: ")
    assert answer.body["val"] == answer.body["message"]
    assert (answer.body["action"], answer.body["target"]) == ("create-gfs", ADDRESSES[0])
    assert ready.storage.state() == before


def test_a_node_that_cannot_prepare(ready: GfsCluster) -> None:
    before = ready.storage.state()
    ready.machines[1].breaks("lvmdevices")
    answer = ready.create()
    assert answer.status == 502
    assert f"prepare_gfs_nodes failed: {ADDRESSES[1]}:" in answer.body["message"]
    assert [(node["target"], node["outcome"]) for node in answer.body["results"]] == [
        (ADDRESSES[0], "ok"),
        (ADDRESSES[1], "failed"),
        (ADDRESSES[2], "ok"),
    ]
    assert ready.storage.state() == before
    assert all(machine.devices_file == set() for machine in ready.machines)


def test_a_node_that_does_not_see_the_new_physical_volume(ready: GfsCluster) -> None:
    before = ready.storage.state()
    ready.machines[2].blind_to = {"/dev/sdb1"}
    answer = ready.create()
    assert answer.status == 502
    assert "this node does not see 1 of the physical volumes" in answer.body["message"]
    assert ready.storage.state() == before
    assert not [line for line in ready.programs() if line.startswith("vgcreate")]


def test_another_disk_of_the_same_name_on_another_node(ready: GfsCluster) -> None:
    """/dev/sdb of node 2 is not that of node 1: its entry in LVM's devices file is neither made nor taken away."""
    ready.machines[1].foreign = {"/dev/sdb": "GUID-of-another"}
    ready.machines[1].devices_file = {"/dev/sdb1"}
    before = ready.storage.state()
    answer = ready.create(disks=["/dev/sdb"])
    assert answer.status == 502
    assert "/dev/sdb is another disk on this node" in answer.body["message"]
    assert ready.storage.state() == before
    assert [machine.devices_file for machine in ready.machines] == [set(), {"/dev/sdb1"}, set()]


def test_a_file_system_that_is_not_mounted_everywhere_is_taken_back(ready: GfsCluster) -> None:
    before = ready.storage.state()
    ready.machines[0].failing = {"glue-gfs"}
    answer = ready.create()
    assert answer.status == 504
    assert "glue-gfs is not mounted on every node after 120 s: glue-gfs failed on" in answer.body["message"]
    assert ready.storage.state() == before


def test_locks_that_do_not_work(ready: GfsCluster) -> None:
    ready.machines[0].failing = {"glue-dlm"}
    answer = ready.create()
    assert answer.status == 504
    assert "wait_pcs_ready failed" in answer.body["message"]
    assert ready.storage.disks["/dev/sdb"].label == "unknown"


def test_resources_of_others_do_not_count(ready: GfsCluster) -> None:
    """0.1.2 searched the text of `pcs status` and was held up by any stopped resource."""
    ready.machines[0].failing = {"cloudcenter_res"}
    assert ready.create().status == 200


def test_the_plan_shows_everything_and_does_nothing(ready: GfsCluster) -> None:
    before = ready.storage.state()
    answer = ready.post({"action": "create-gfs", "disks": [BY_ID]}, query="?plan=true")
    assert answer.status == 200
    assert [step["step"] for step in answer.body["val"]["steps"]] == [
        "wait-locking",
        "partition-sdb",
        "prepare-nodes",
        "create-physical-volumes",
        "see-physical-volumes",
        "create-volume-group",
        "create-volume",
        "make-file-system",
        "create-resources",
        "wait-mounted",
        "cleanup",
    ]
    assert ready.storage.state() == before
    assert {line.split()[0] for line in ready.programs()} <= {"lsblk", "cibadmin", "vgs", "pvs"}


def test_one_writer_at_a_time(ready: GfsCluster) -> None:
    second = []
    ready.machines[0].during(
        "mkfs.gfs2",
        lambda: second.append(ready.post({"action": "extend", "vg_name": "a", "lv_name": "b", "mount_point": "/c"})),
    )
    assert ready.create().status == 200
    assert (second[0].status, second[0].body["type"]) == (409, "urn:ablestack:error:busy")


def test_every_program_has_a_deadline_within_the_whole(ready: GfsCluster) -> None:
    assert ready.create().status == 200
    assert max(timeout for machine in ready.machines for timeout in machine.timeouts) <= 840


def test_another_host_does_it_when_this_one_is_none(ready: GfsCluster) -> None:
    """The execution target of contract 02 §6.2: called from the Cloud Center VM, say."""
    guest = ready.network.add("10.10.31.10", "ccvm")
    guest.write_cluster(ready.nodes[0].cluster())
    answer = guest.call("POST", "/cube/gfs/manage", {"action": "create-gfs", "disks": [BY_ID]})
    assert answer.status == 200, answer.body
    assert answer.body["target"] == ADDRESSES[0]
    assert answer.body["val"]["message"] == "Create GFS Success"
    assert [node["target"] for node in answer.body["results"]] == ADDRESSES


def test_another_host_fails(ready: GfsCluster) -> None:
    guest = ready.network.add("10.10.31.10", "ccvm")
    guest.write_cluster(ready.nodes[0].cluster())
    ready.machines[0].breaks("vgcreate")
    answer = guest.call("POST", "/cube/gfs/manage", {"action": "create-gfs", "disks": [BY_ID]})
    assert answer.status == 502
    assert "step create-volume-group failed" in answer.body["message"]
    assert "undone" in {step["outcome"] for step in answer.body["steps"]}


def test_a_node_in_a_folder_touches_no_disk(ready: GfsCluster) -> None:
    folder = ready.network.add("10.10.31.1", "ablecube31-1-folder")
    document = ready.nodes[0].cluster()
    document["clusterConfig"]["hosts"] = document["clusterConfig"]["hosts"][:1]
    folder.write_cluster(json.loads(json.dumps(document)))
    answer = folder.call("POST", "/cube/gfs/manage", {"action": "create-gfs", "disks": [BY_ID]})
    assert (answer.status, "ABLESTACK_SYSROOT" in answer.body["message"]) == (409, True)


def test_what_another_host_refuses_is_refused_here(ready: GfsCluster) -> None:
    guest = ready.network.add("10.10.31.10", "ccvm")
    guest.write_cluster(ready.nodes[0].cluster())
    for body, status in (
        ({"disks": ["/dev/nonesuch"]}, 400),
        ({"disks": [BY_ID], "vg_name": "-"}, 400),
        ({"disks": [BY_ID, "/dev/sdc"], "gfs_name": "glue-gfs"}, 409),
    ):
        ready.storage.disks["/dev/sdc"].columns = {"mountpoints": ["/data"]}
        answer = guest.call("POST", "/cube/gfs/manage", {"action": "create-gfs", **body})
        assert answer.status == status, answer.body
        assert answer.body["message"].startswith(f"{ADDRESSES[0]}: ")
        assert answer.body["errors"]


def test_cancelled_half_way(ready: GfsCluster) -> None:
    before = ready.storage.state()

    def cancel() -> None:
        jobs = ready.nodes[0].call("GET", "/jobs").body["val"]
        running = next(job for job in jobs if job["kind"] == "gfs create-gfs")
        assert ready.nodes[0].call("DELETE", f"/jobs/{running['id']}").status in (200, 202)

    ready.machines[0].during("pvcreate", cancel)
    answer = ready.create()
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:cancelled")
    assert ready.storage.state() == before


def test_what_cannot_be_undone_is_told(ready: GfsCluster) -> None:
    """Node 3 goes off in the middle: its devices file keeps an entry, which the answer names."""

    def switch_off() -> None:
        ready.network.nodes.pop(ADDRESSES[2])

    ready.machines[0].during("lvcreate", switch_off)
    ready.machines[0].breaks("lvcreate")
    answer = ready.create()
    assert answer.status == 502
    assert "could not be undone, see to it by hand: prepare-nodes (10.10.31.3: no connection" in answer.body["message"]
    outcomes = {step["step"]: step["outcome"] for step in answer.body["steps"]}
    assert (outcomes["prepare-nodes"], outcomes["partition-sdb"]) == ("undo failed", "undone")
    assert [machine.devices_file for machine in ready.machines] == [set(), set(), {"/dev/sdb1"}]


def test_the_whole_has_one_deadline_and_undoing_has_its_own(ready: GfsCluster) -> None:
    before = ready.storage.state()
    clock = ready.nodes[0].clock
    ready.machines[0].during("lvcreate", lambda: clock.advance(900))
    answer = ready.create()
    assert answer.status == 504
    assert "was not begun: the time for the whole work is over" in answer.body["message"]
    assert ready.storage.state() == before
