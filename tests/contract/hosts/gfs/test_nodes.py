"""Actions that every node does for itself, and who may ask for what."""

from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from tests.contract.hosts.gfs.conftest import ADDRESSES, PATH, GfsCluster
from tests.support import documents
from tests.support.answer import Answer
from tests.support.node_under_test import NodeUnderTest

DISK = "/dev/disk/by-id/wwn-0x600a0b80000aa1ab"


def test_an_unknown_action(cluster: GfsCluster) -> None:
    for action in ("", "drop", "release-gfs-node", "destroy-cluster-node", "store-fence-passwords"):
        answer = cluster.post({"action": action})
        assert (answer.status, answer.body["message"]) == (400, "unsupported action"), action
    assert cluster.post({}).status == 400


def test_bodies_of_the_wrong_shape(cluster: GfsCluster) -> None:
    bodies: list[Any] = [
        [],
        "no",
        {"action": 5},
        {"action": "scan", "disks": "x"},
        {"action": "scan", "disks": [1]},
        {"action": "scan", "disks": ["/dev/x"] * 65},
        {"action": "scan", "stonith": {}},
        {"action": "scan", "use_lvmlockd": "perhaps"},
        {"action": "x" * 65},
    ]
    for body in bodies:
        assert cluster.post(body).status == 400, body
    assert cluster.post({"action": "scan", "disks": None, "stonith": None, "force": None, "vg_name": None}).status == 200


def test_internal_actions_are_for_nodes(cluster: GfsCluster) -> None:
    """The marker of somebody without the internal token means nothing (D8)."""
    answer = cluster.post({"action": "destroy-cluster-node"}, headers={"X-Cube-GFS-Manage-Local": "1"})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")
    assert cluster.local({"action": "destroy-cluster-node"}).status == 200


def test_in_local_mode_nobody_else_is_called(cluster: GfsCluster) -> None:
    answer = cluster.local({"action": "partprobe", "disks": [DISK]})
    assert (answer.status, answer.body) == (
        200,
        {"code": 200, "val": "Partprobe Success", "message": "ok", "action": "partprobe", "target": "local"},
    )
    assert cluster.network.calls == []


def test_on_all_nodes(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": "PartProbe", "disk": f"{DISK}, /dev/sdc"})
    assert (answer.status, answer.body["val"], answer.body["target"]) == (200, "ok", "fanout")
    assert [(entry["target"], entry["hostname"], entry["code"], entry["message"]) for entry in answer.body["results"]] == [
        (f"10.10.31.{n}", f"ablecube31-{n}", 200, "ok") for n in (1, 2, 3)
    ]
    assert {entry["val"] for entry in answer.body["results"]} == {"Partprobe Success"}
    for machine in cluster.machines:
        assert machine.commands("partprobe") == ["partprobe /dev/sdb", "partprobe /dev/sdc"]


def test_one_node_fails_every_node_is_tried(cluster: GfsCluster) -> None:
    cluster.machines[0].breaks("partprobe")
    answer = cluster.post({"action": "partprobe", "disks": [DISK]})
    assert answer.status == 502
    assert answer.body["message"].startswith("10.10.31.1: partprobe failed: /dev/sdb")
    assert [entry["outcome"] for entry in answer.body["results"]] == ["failed", "ok", "ok"]


def test_a_node_that_is_off(cluster: GfsCluster) -> None:
    cluster.network.nodes.pop(ADDRESSES[2])
    answer = cluster.post({"action": "scan"})
    assert answer.status == 502
    assert [(entry["outcome"], entry["code"]) for entry in answer.body["results"]] == [
        ("ok", 200),
        ("ok", 200),
        ("unreachable", 503),
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProgramMissing("the program partprobe is not installed", program="partprobe", package="parted"), 503),
        (CommandTimedOut("partprobe did not end within 30 s", program="partprobe", seconds=30), 502),
    ],
)
def test_a_program_that_is_missing_or_hangs(cluster: GfsCluster, error: ProgramMissing, status: int) -> None:
    cluster.machines[0].breaks("partprobe", error)
    assert cluster.local({"action": "partprobe", "disks": [DISK]}).status == status


def test_partprobe_without_disks_tries_all(cluster: GfsCluster) -> None:
    cluster.machines[0].breaks("partprobe /dev/sdb")
    assert cluster.local({"action": "partprobe"}).status == 200, "one that does not like it does not matter"
    assert cluster.machines[0].commands("partprobe") == ["partprobe /dev/sdb", "partprobe /dev/sdc"]
    cluster.machines[0].breaks("partprobe /dev/sdb")
    cluster.machines[0].breaks("partprobe /dev/sdc")
    assert cluster.local({"action": "partprobe"}).status == 502


def test_disks_that_are_none(cluster: GfsCluster) -> None:
    for action in ("partprobe", "lvmdevices-add", "prepare-gfs-node"):
        for disk in ("/dev/sdz", "-s", "/etc/passwd", "/dev/sd\nb", "/dev/../sdb", "sdb"):
            answer = cluster.local({"action": action, "disks": [disk]})
            assert answer.status == 400, (action, disk)
    assert cluster.post({"action": "lvmdevices-add"}).body["message"] == "disks required"


def test_lvmdevices_add(cluster: GfsCluster) -> None:
    body = {"action": "lvmdevices-add", "disks": [DISK]}
    refused = cluster.local(body)
    assert (refused.status, "has no partition" in refused.body["message"]) == (409, True)
    cluster.storage.disks["/dev/sdb"].partition = 1
    answer = cluster.post(body)
    assert {entry["val"] for entry in answer.body["results"]} == {"Lvmdevices Add Success"}
    assert all(machine.devices_file == {"/dev/sdb1"} for machine in cluster.machines)
    cluster.machines[0].breaks("lvmdevices")
    assert cluster.local(body).status == 502, "a failure is told"


def test_lvm_without_a_devices_file(cluster: GfsCluster) -> None:
    cluster.storage.disks["/dev/sdb"].partition = 1
    cluster.machines[0].breaks("lvmdevices", ProgramMissing("no lvmdevices", program="lvmdevices", package="lvm2"))
    assert cluster.local({"action": "lvmdevices-add", "disks": [DISK]}).status == 200


def test_a_partition_that_never_appears(cluster: GfsCluster) -> None:
    answer = cluster.local({"action": "prepare-gfs-node", "disks": [DISK]})
    assert (answer.status, "partition not found for" in answer.body["message"]) == (504, True)
    assert sum(cluster.nodes[0].clock.slept) == 30


def test_a_partition_that_appears_late(cluster: GfsCluster) -> None:
    def appear() -> None:
        cluster.storage.disks["/dev/sdb"].partition = 1

    for work in (lambda: None, lambda: None, lambda: None, appear):  # the fourth look sees it
        cluster.machines[0].during("lsblk", work)
    assert cluster.local({"action": "prepare-gfs-node", "disks": [DISK], "mount_point": "/mnt/new"}).status == 200
    assert cluster.nodes[0].clock.slept == [1.0, 1.0]
    assert (cluster.nodes[0].root / "mnt/new").is_dir()


def test_scan_tells_every_adapter(cluster: GfsCluster) -> None:
    places = [cluster.nodes[1].root / f"sys/class/scsi_host/host{n}/scan" for n in (0, 1)]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_text("")
    answer = cluster.post({"action": "scan"})
    assert {entry["val"] for entry in answer.body["results"]} == {"Success to scan GFS Disk"}, "no adapters: nothing to scan"
    assert [place.read_text() for place in places] == ["- - -\n", "- - -\n"]


def test_an_adapter_that_hangs_is_given_up(cluster: GfsCluster) -> None:
    for number in (0, 1):
        (cluster.nodes[1].root / f"sys/class/scsi_host/host{number}").mkdir(parents=True)
    hung = CommandTimedOut("tee did not end within 60 s and was killed", program="tee", seconds=60)
    cluster.machines[1].breaks("tee", hung)
    answer = cluster.post({"action": "scan"})
    assert [entry["code"] for entry in answer.body["results"]] == [200, 504, 200]
    assert "tee did not end within 60 s" in answer.body["message"]
    assert len(cluster.machines[1].commands("tee")) == 2, "the others are scanned all the same"


def test_after_a_write_the_status_is_read_anew(cluster: GfsCluster) -> None:
    cluster.run_cluster()

    def locking() -> list[str]:
        answer = cluster.nodes[0].call("GET", "/cube/gfs/resource/status")
        return sorted({entry["id"] for entry in answer.body["val"]["resources"]["glue_locking_resources"]})

    assert locking() == []
    cluster.add_locking()
    assert locking() == ["glue-dlm", "glue-lvmlockd"]


def test_resource_cleanup_tells_a_failure(cluster: GfsCluster) -> None:
    cluster.machines[0].breaks("pcs resource cleanup")
    assert cluster.post({"action": "resource-cleanup"}).status == 502
    answer = cluster.post({"action": "resource-cleanup"})
    assert {entry["val"] for entry in answer.body["results"]} == {"Resource Cleanup Success"}


def test_set_cluster_password_everywhere(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": "set-cluster-password"})
    assert answer.status == 200
    passwords = [machine.passwords["hacluster"] for machine in cluster.machines]
    assert len(set(passwords)) == 1
    assert passwords[0] not in str(answer.body)


def test_list_gfs_and_check_host(cluster: GfsCluster) -> None:
    cluster.storage.vgs = {"vg_glue": "dlm", "vg_glue-2": "dlm", "rl": ""}
    answer = cluster.post({"action": "list-gfs"})
    assert answer.body["val"] == [{"vg_name": "vg_glue"}, {"vg_name": "vg_glue-2"}]
    hosts = cluster.post({"action": "check-host"}).body["val"]
    assert hosts[1] == {"index": "2", "hostname": "ablecube31-2", "ablecube": "10.10.31.2"}


def test_check_host_of_a_hyper_converged_cluster(cluster: GfsCluster) -> None:
    document = documents.document()
    document["clusterConfig"]["hosts"].reverse()
    document["clusterConfig"]["hosts"][0]["scvmCn"] = ""
    cluster.nodes[0].write_cluster(document)
    hosts = cluster.post({"action": "check-host"}).body["val"]
    assert [host["hostname"] for host in hosts] == ["ablecube31-1", "ablecube31-2", "ablecube31-3"]
    assert list(hosts[0]) == ["index", "hostname", "ablecube", "ablecubePn", "scvmMngt", "scvm", "scvmCn"]
    assert "scvmCn" not in hosts[2]


def test_without_a_configuration(cluster: GfsCluster) -> None:
    cluster.nodes[0].cluster_json.unlink()
    answer = cluster.post({"action": "scan"})
    assert (answer.status, "failed to read cluster.json" in answer.body["message"]) == (500, True)
    assert cluster.post({"action": "list-gfs"}).status == 200
    cluster.nodes[0].write_cluster({"clusterConfig": {"hosts": []}})
    answer = cluster.post({"action": "scan"})
    assert (answer.status, "hosts[].ablecube required" in answer.body["message"]) == (409, True)


def test_a_node_in_a_folder_writes_its_files_and_says_what_it_skipped(node: NodeUnderTest) -> None:
    (node.root / "etc/lvm").mkdir()
    (node.root / "etc/lvm/lvm.conf").write_text("global {\n}\n")
    node.write_cluster(documents.document("ablestack-vm"))
    headers = {**node.internal(), "X-Cube-GFS-Manage-Local": "1"}
    answer = node.call("POST", PATH, {"action": "modify-lvm-conf"}, headers=headers)
    assert answer.body["val"] == "Modify Lvm Conf Success (skipped on a node in a folder: lvmconfig, mpathconf)"
    assert "use_lvmlockd = 1" in (node.root / "etc/lvm/lvm.conf").read_text()
    answer = node.call("POST", PATH, {"action": "prepare-alert-file"}, headers=headers)
    assert answer.body["val"] == "Alert File Prepare Success (skipped on a node in a folder: chown)"
    for action in ("scan", "partprobe", "set-cluster-password", "resource-cleanup", "destroy-cluster-node"):
        answer = node.call("POST", PATH, {"action": action}, headers=headers)
        assert (answer.status, "ABLESTACK_SYSROOT" in answer.body["message"]) == (409, True), action


def test_credentials(cluster: GfsCluster) -> None:
    assert cluster.nodes[0].call("POST", PATH, {"action": "list-gfs"}, headers={}).status == 401
    assert cluster.nodes[0].call("POST", PATH, {"action": "list-gfs"}, headers=cluster.nodes[0].internal()).status == 200


def test_the_remaining_time_is_passed_on(cluster: GfsCluster) -> None:
    assert cluster.post({"action": "scan"}).status == 200
    assert {float(call.headers["X-Cube-Deadline"]) <= 840 for call in cluster.network.calls} == {True}
    assert {call.headers["X-Cube-GFS-Manage-Local"] for call in cluster.network.calls} == {"1"}


def test_in_the_background(cluster: GfsCluster) -> None:
    answer = cluster.post({"action": "scan"}, headers={"Prefer": "respond-async"})
    assert answer.status == 202
    job = cluster.nodes[0].call("GET", f"{answer.headers['location'].removeprefix('/api/v1')}?wait=20").body
    assert "scan" in str(job)


def test_hosts_that_make_groups_at_the_same_time(cluster: GfsCluster) -> None:
    """Each has to see the other's disk while it is at work itself."""
    second: list[Answer] = []
    other = "/dev/disk/by-id/wwn-0x600a0b80000aa2ac"
    cluster.machines[0].during("vgcreate", lambda: second.append(create_group(cluster, other, on=1)))
    assert create_group(cluster, DISK).status == 200
    assert second[0].status == 200, second[0].body
    groups = {path: vg for path, (_, vg) in cluster.storage.pvs.items()}
    assert groups == {"/dev/sdb1": "vg_clvm01", "/dev/sdc1": "vg_clvm02"}
    assert [machine.devices_file for machine in cluster.machines] == [
        {"/dev/sdc1"},
        {"/dev/sdb1"},
        {"/dev/sdb1", "/dev/sdc1"},
    ]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("partprobe", 200),
        ("scan", 200),
        ("lvmdevices-add", 200),
        ("release-gfs-node", 200),
        ("prepare-gfs-node", 409),
        ("stop-lockspace", 409),
        ("modify-lvm-conf", 409),
        ("destroy-cluster-node", 409),
    ],
)
def test_what_a_node_does_for_another_while_it_is_at_work(cluster: GfsCluster, action: str, status: int) -> None:
    asked: list[Answer] = []
    body = {"action": action, "disks": [DISK], "vg_name": "vg_other"}
    cluster.machines[0].during("vgcreate", lambda: asked.append(cluster.local(body)))
    assert create_group(cluster, DISK).status == 200
    assert asked[0].status == status, asked[0].body
    assert ("holder" in asked[0].body) == (status == 409)


def create_group(cluster: GfsCluster, disk: str, *, on: int = 0) -> Answer:
    return cluster.nodes[on].call("POST", "/cube/clvm/manage", {"action": "create", "disks": [disk]})
