"""POST /cube/ccvm/lifecycle with Pacemaker: every action, what it refuses, what it takes back (contract 03 §6.1)."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.hypervisor import domains
from ablestack_api.tools import crm_mon
from tests.contract.ccvm.pacemaker import OTHERS, RESOURCE, Cluster
from tests.support import documents, lsblk_output, lvm_reports, machines, pacemaker_xml
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/ccvm/lifecycle"
HEADER = "X-Cube-CCVM-Lifecycle-Local"
TYPES = ("ablestack-hci", "ablestack-hci-filesystem", "ablestack-vm")
XML = "etc/ablestack/vmconfig/ccvm/ccvm.xml"
ISO = "var/lib/libvirt/images/ccvm-cloudinit.iso"
SHARED = "mnt/glue-gfs"


@pytest.fixture
def bare(host: NodeUnderTest) -> ScriptedAgent:
    """The host's libvirt without the domain."""
    return machines.with_domains(host)


@pytest.fixture
def cluster(host: NodeUnderTest, bare: ScriptedAgent) -> Cluster:
    return Cluster(host)


def of_type(host: NodeUnderTest, cluster_type: str) -> Cluster:
    host.write_cluster(documents.document(cluster_type))
    return Cluster(host, cluster_type)


def lay_out(host: NodeUnderTest) -> None:
    for name in (XML, ISO):
        (host.root / name).parent.mkdir(parents=True, exist_ok=True)
        (host.root / name).write_text("content")


def mount_shared(host: NodeUnderTest) -> Path:
    folder = host.root / SHARED
    folder.mkdir(parents=True, exist_ok=True)
    (host.root / "proc/self").mkdir(parents=True, exist_ok=True)
    (host.root / "proc/self/mounts").write_text(f"/dev/vg_glue/lv_glue {folder} gfs2 rw 0 0\n")
    return folder


def answered(action: str, value: str, cluster_type: str = "ablestack-hci") -> dict[str, Any]:
    told = {"retname": "CCVM Lifecycle", "message": "ok", "action": action, "os_type": cluster_type}
    return {"code": 200, "val": value, **told, "results": [{"target": "10.10.31.1", "code": 200, "message": "ok"}]}


@pytest.mark.parametrize("cluster_type", TYPES)
def test_start_waits_for_pacemaker(host: NodeUnderTest, bare: ScriptedAgent, cluster_type: str) -> None:
    cluster = of_type(host, cluster_type)
    cluster.disabled()
    cluster.starts()
    answer = host.call("POST", PATH, {"action": " START "})
    assert answer.body == answered("start", "cloud center start success", cluster_type)
    assert host.clock.slept == [2.0]


@pytest.mark.parametrize("cluster_type", TYPES)
def test_stop_waits_for_pacemaker(host: NodeUnderTest, bare: ScriptedAgent, cluster_type: str) -> None:
    """W25: 0.1.2 answered before it was down."""
    cluster = of_type(host, cluster_type)
    cluster.state()
    cluster.stops()
    answer = host.call("POST", PATH, {"action": "stop"})
    assert answer.body == answered("stop", "cloud center stop success", cluster_type)


@pytest.mark.parametrize("cluster_type", TYPES)
def test_restart_is_a_stop_and_a_start(host: NodeUnderTest, bare: ScriptedAgent, cluster_type: str) -> None:
    """W24: 0.1.2 did not wait in between, and nothing was restarted."""
    cluster = of_type(host, cluster_type)
    cluster.state()
    cluster.stops()
    cluster.starts()
    assert host.call("POST", PATH, {"action": "restart"}).body["val"] == "cloud center restart success"


def test_restart_of_one_that_is_stopped_starts_it(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.disabled()
    cluster.starts()
    assert host.call("POST", PATH, {"action": "restart"}).status == 200


@pytest.mark.parametrize("action", ["start", "stop"])
def test_what_is_so_already(host: NodeUnderTest, cluster: Cluster, action: str) -> None:
    cluster.state() if action == "start" else cluster.disabled()
    assert host.call("POST", PATH, {"action": action}).body["val"] == f"cloud center {action} success"


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_a_machine_that_is_not_there(host: NodeUnderTest, cluster: Cluster, action: str) -> None:
    cluster.no_resource()
    answer = host.call("POST", PATH, {"action": action})
    assert (answer.status, answer.body["val"]) == (409, f"cloud center {action} fail")
    assert answer.body["message"].startswith(f"Pacemaker has no resource {RESOURCE}; nothing was changed")
    assert (answer.body["retname"], answer.body["os_type"]) == ("CCVM Lifecycle", "ablestack-hci")


def test_a_start_that_failed_everywhere_is_told_at_once(host: NodeUnderTest, cluster: Cluster) -> None:
    failures = "".join(pacemaker_xml.failed_start(name) for name in cluster.names)
    cluster.disabled()
    cluster.state("Stopped")
    cluster.pcs("resource", "cleanup", RESOURCE)
    host.runner.expect(["pcs", "resource", "enable", RESOURCE])
    cluster.state("Stopped", failures=pacemaker_xml.failed_start(cluster.names[0]))  # the others are still to be tried
    cluster.state("Stopped", failures=failures)
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["val"]) == (502, "cloud center start fail")
    assert "Pacemaker has given up: start on 100.100.31.1: Unable to determine domain name" in answer.body["message"]
    assert host.clock.slept == [2.0]


def test_a_stop_that_failed_is_told_at_once_and_a_restart_names_that_half(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.state()
    cluster.state()
    cluster.pcs("resource", "disable", RESOURCE)
    cluster.state("Started", failed="true", blocked="true")
    cluster.pcs("resource", "enable", RESOURCE)  # what ran is let run again
    answer = host.call("POST", PATH, {"action": "restart"})
    assert (answer.status, answer.body["val"]) == (502, "cloud center stop fail")


def test_a_start_that_takes_too_long(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.disabled()
    cluster.state("Stopped")
    cluster.pcs("resource", "cleanup", RESOURCE)
    host.runner.expect(["pcs", "resource", "enable", RESOURCE])
    for _ in range(751):
        cluster.state("Stopped")
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["val"]) == (504, "cloud center start fail")
    assert "timed out after 1500 s: role=Stopped" in answer.body["message"]


def test_pcs_refuses(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.state()
    cluster.state()
    cluster.pcs("resource", "disable", RESOURCE, code=1, stderr="Error: unable to get cib")
    answer = host.call("POST", PATH, {"action": "stop"})
    assert (answer.status, "unable to get cib" in answer.body["message"]) == (502, True)


def test_delete_of_a_running_machine_needs_force(host: NodeUnderTest, cluster: Cluster) -> None:
    lay_out(host)
    cluster.state()
    cluster.nowhere()
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, answer.body["val"]) == (409, "cloud center delete fail")
    assert answer.body["overridable"] == ["switches ccvm off"]
    assert (host.root / XML).exists()


def test_a_domain_that_runs_outside_pacemaker_counts_too(host: NodeUnderTest) -> None:
    machines.with_domains(host, machines.domain())
    cluster = Cluster(host)
    cluster.no_resource()
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, "its domain is running on ablecube31-1" in answer.body["message"]) == (409, True)


def test_delete_removes_resource_disk_and_what_is_left_on_every_host(host: NodeUnderTest, cluster: Cluster) -> None:
    """W27: 0.1.2 cleaned the receiving node only."""
    lay_out(host)
    cluster.state()
    cluster.nowhere()
    cluster.image()
    cluster.stops()
    cluster.pcs("resource", "delete", RESOURCE, "--force")
    cluster.rbd("rm", "--no-progress", "--", "rbd/ccvm")
    cluster.others_clean()
    answer = host.call("POST", PATH, {"action": "delete", "force": True})
    assert (answer.status, answer.body["val"]) == (200, "cloud center delete success")
    assert [entry["target"] for entry in answer.body["results"]] == ["10.10.31.1", "10.10.31.1", *OTHERS]
    assert not list((host.root / XML).parent.iterdir())
    assert not (host.root / ISO).exists()
    asked = [(call.body, call.headers[HEADER]) for call in host.peers.made if call.method == "POST"]
    assert asked == [({"action": "delete", "part": "clean", "force": True}, "1")] * 2


def test_delete_can_be_repeated(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.no_resource()
    cluster.nowhere()
    cluster.no_image()
    cluster.others_clean()
    assert host.call("POST", PATH, {"action": "delete"}).status == 200


@pytest.mark.parametrize(
    ("code", "stderr"),
    [
        (1, "rbd: couldn't connect to the cluster!"),
        (1, "unable to find a keyring: (2) No such file or directory"),
        (110, "error connecting to the cluster: (110) Connection timed out"),
    ],
)
def test_a_ceph_that_does_not_answer_is_no_absent_image(
    host: NodeUnderTest, cluster: Cluster, code: int, stderr: str
) -> None:
    """W30: 0.1.2 took `No such file` for the image's absence and reported success."""
    cluster.no_resource()
    cluster.nowhere()
    cluster.rbd("ls", "--format", "json", "--", "rbd", code=code, stderr=stderr)
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, answer.body["val"]) == (502, "cloud center delete fail")


def test_snapshots_are_not_removed_in_passing(host: NodeUnderTest, cluster: Cluster) -> None:
    snapshots = '[{"id":4,"name":"before-update","size":1,"protected":"false"}]'
    cluster.no_resource()
    cluster.nowhere()
    cluster.image(snapshots=snapshots)
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, "1 snapshots (before-update)" in answer.body["message"]) == (409, True)
    cluster.no_resource()
    cluster.nowhere()
    cluster.image(snapshots=snapshots)
    cluster.rbd("snap", "rm", "--no-progress", "--", "rbd/ccvm@before-update")
    cluster.rbd("rm", "--no-progress", "--", "rbd/ccvm")
    cluster.others_clean()
    assert host.call("POST", PATH, {"action": "delete", "force": True}).status == 200


def test_a_delete_that_fails_before_anything_is_destroyed_lets_it_run_again(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.state()
    cluster.nowhere()
    cluster.image()
    cluster.stops()
    cluster.pcs("resource", "delete", RESOURCE, "--force", code=1, stderr="Error: cib is read-only")
    cluster.pcs("resource", "enable", RESOURCE)
    answer = host.call("POST", PATH, {"action": "delete", "force": True})
    assert answer.status == 502
    assert {step["step"]: step["outcome"] for step in answer.body["steps"]} == {
        "stop": "undone", "resource": "failed", "image": "not begun", "hosts": "not begun",
    }  # fmt: skip


def test_an_image_that_is_in_use_stays(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.state("Stopped", target_role="Stopped")
    cluster.nowhere()
    cluster.image()
    cluster.state("Stopped", target_role="Stopped")
    cluster.pcs("resource", "disable", RESOURCE)
    cluster.disabled()
    cluster.pcs("resource", "delete", RESOURCE, "--force")
    cluster.rbd("rm", "--no-progress", "--", "rbd/ccvm", code=16, stderr="rbd: error: image still has watchers")
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, "image still has watchers" in answer.body["message"]) == (502, True)
    assert "stays done: stop, resource" in answer.body["message"]


def test_a_host_that_cannot_be_cleaned_is_named(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.no_resource()
    cluster.nowhere()
    cluster.no_image()
    host.peers.expect("10.10.31.2", "POST", PATH, body={"code": 200, "val": "cleaned"})
    host.peers.expect_unreachable("10.10.31.3", "POST", PATH, "no connection")
    answer = host.call("POST", PATH, {"action": "delete"})
    assert (answer.status, "ablecube31-3: no connection" in answer.body["message"]) == (502, True)
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "ok", "unreachable"]


@pytest.mark.parametrize("purge", [True, False])
def test_purge_removes_the_shared_disk(host: NodeUnderTest, bare: ScriptedAgent, purge: bool) -> None:
    """W27: 0.1.2 ignored it."""
    cluster = of_type(host, "ablestack-vm")
    folder = mount_shared(host)
    for name in ("ccvm.qcow2", "ccvm.xml", "other.qcow2"):
        (folder / name).write_text("x")
    cluster.no_resource()
    cluster.nowhere()
    cluster.others_clean()
    assert host.call("POST", PATH, {"action": "delete", "purge": purge}).status == 200
    left = {"other.qcow2"} if purge else {"ccvm.qcow2", "ccvm.xml", "other.qcow2"}
    assert {path.name for path in folder.iterdir()} == left


def test_initialize_removes_the_resource_and_its_files(host: NodeUnderTest, bare: ScriptedAgent) -> None:
    cluster = of_type(host, "ablestack-vm")
    folder = mount_shared(host)
    for name in ("ccvm.qcow2", "ccvm.xml", "vm.qcow2"):
        (folder / name).write_text("x")
    (folder / "ccvm-old").mkdir()
    cluster.disabled()
    cluster.nowhere()
    cluster.disabled()
    cluster.pcs("resource", "disable", RESOURCE)
    cluster.disabled()
    cluster.pcs("resource", "delete", RESOURCE, "--force")
    answer = host.call("POST", PATH, {"action": " INITIALIZE "})
    assert answer.body["val"] == "cloud center initialize success: resource_removed=true removed_files=3"
    assert answer.body["results"][0]["message"] == "cloudcenter_res removed"
    assert [path.name for path in folder.iterdir()] == ["vm.qcow2"]


def test_initialize_where_nothing_is_mounted(host: NodeUnderTest, bare: ScriptedAgent) -> None:
    """W31: an empty mount point belongs to something else."""
    cluster = of_type(host, "ablestack-vm")
    folder = host.root / SHARED
    folder.mkdir(parents=True)
    (folder / "ccvm.qcow2").write_text("somebody's")
    cluster.no_resource()
    cluster.nowhere()
    answer = host.call("POST", PATH, {"action": "initialize"})
    assert (answer.status, answer.body["message"][:28]) == (409, "gfs mount point is not mount")
    assert (folder / "ccvm.qcow2").exists()


@pytest.mark.parametrize("cluster_type", ["ablestack-hci", "ablestack-hci-filesystem"])
def test_initialize_without_shared_files(host: NodeUnderTest, bare: ScriptedAgent, cluster_type: str) -> None:
    cluster = of_type(host, cluster_type)
    cluster.no_resource()
    cluster.nowhere()
    answer = host.call("POST", PATH, {"action": "initialize"})
    assert answer.body["val"] == "cloud center initialize success: resource_removed=false removed_files=0"
    assert answer.body["results"][0]["message"] == "cloudcenter_res not found; skipped"


def test_reset_of_an_hci_cluster(host: NodeUnderTest, cluster: Cluster) -> None:
    """W28: the flags are cleared for every type."""
    lay_out(host)
    cluster.disabled()
    cluster.nowhere()
    cluster.image()
    cluster.disabled()
    cluster.pcs("resource", "disable", RESOURCE)
    cluster.disabled()
    cluster.pcs("resource", "delete", RESOURCE, "--force")
    cluster.rbd("rm", "--no-progress", "--", "rbd/ccvm")
    cluster.pcs("cluster", "destroy", "--all")
    cluster.others_clean()
    cluster.flags("ccvm", "wall")
    answer = host.call("POST", PATH, {"action": "reset"})
    assert (answer.status, answer.body["val"]) == (200, "cloud center reset success")
    changed = [call.body for call in host.peers.made if call.path.endswith("/system/config")]
    flags = [(body["depth1"], body["depth2"], body["value"], body["option"]) for body in changed]
    assert flags == [("bootstrap", "ccvm", "false", "all"), ("bootstrap", "wall", "false", "all")]


@pytest.mark.parametrize("cluster_type", ["ablestack-vm", "ablestack-hci-filesystem"])
def test_reset_of_a_cluster_on_shared_disks(host: NodeUnderTest, bare: ScriptedAgent, cluster_type: str) -> None:
    cluster = of_type(host, cluster_type)
    lay_out(host)
    cluster.no_resource()
    cluster.nowhere()
    expect_no_image = cluster_type != "ablestack-vm"
    if expect_no_image:
        cluster.no_image()
    lvm_reports.expect_pvs(host.runner)
    gfs = {"action": "init-pcs-cluster", "force": False}
    for path in ("/cube/gfs/manage?plan=true", "/cube/gfs/manage"):
        host.peers.expect("10.10.31.1", "POST", path, body={"code": 200, "val": "ok", "message": "ok"})
    cluster.others_clean()
    cluster.flags("ccvm", "wall", "gfs_configure")
    answer = host.call("POST", PATH, {"action": "reset"})
    assert (answer.status, answer.body["val"]) == (200, "cloud center and gfs disk reset success")
    assert [call.body for call in host.peers.made if "/gfs/" in call.path] == [gfs, gfs]
    # hci-filesystem keeps the state folder
    assert (host.root / XML).exists() is (cluster_type == "ablestack-hci-filesystem")


def test_the_disks_below_the_volumes_are_the_kernels_word(host: NodeUnderTest, bare: ScriptedAgent) -> None:
    """W29: 0.1.2 cut digits off names, which makes another disk of /dev/nvme0n1."""
    cluster = of_type(host, "ablestack-vm")
    cluster.no_resource()
    cluster.nowhere()
    volumes = [lvm_reports.pv("/dev/nvme0n1", "vg_glue"), lvm_reports.pv("/dev/sdb1", "vg_glue_2")]
    lvm_reports.expect_pvs(host.runner, *volumes)
    lsblk_output.expect(host.runner, lsblk_output.disk("nvme0n1"), lsblk_output.disk("sdb", lsblk_output.part("sdb1")))
    refused = {"code": 409, "message": "mounted"}
    host.peers.expect("10.10.31.1", "POST", "/cube/gfs/manage?plan=true", status=409, body=refused)
    assert host.call("POST", PATH, {"action": "reset"}).status == 409
    body = host.peers.made[-1].body
    assert body["disks"] == ["/dev/nvme0n1", "/dev/sdb"]
    pairs = [(pair["vg_name"], pair["lv_name"]) for pair in body["volume_groups"]]
    assert pairs == [("vg_glue", "lv_glue"), ("vg_glue_2", "lv_glue_2")]


def test_a_storage_that_must_not_be_reset_stops_everything_first(host: NodeUnderTest, bare: ScriptedAgent) -> None:
    cluster = of_type(host, "ablestack-vm")
    cluster.disabled()
    cluster.nowhere()
    lvm_reports.expect_pvs(host.runner)
    refused = {"code": 409, "message": "a cluster with 4 resources runs on this node", "reasons": ["resource glue-dlm"]}
    host.peers.expect("10.10.31.1", "POST", "/cube/gfs/manage?plan=true", status=409, body=refused)
    answer = host.call("POST", PATH, {"action": "reset"})
    assert (answer.status, answer.body["reasons"]) == (409, ["resource glue-dlm"])
    assert answer.body["val"] == "cloud center and gfs disk reset fail"


def test_setup_is_the_work_of_pcs_control(host: NodeUnderTest, cluster: Cluster) -> None:
    lay_out(host)
    for address in OTHERS:
        host.peers.expect(address, "POST", PATH, body={"code": 200, "val": {"xml": True}})
    host.peers.expect("10.10.31.1", "POST", "/cube/pcs/control", body={"code": 200, "val": {}, "message": "ok"})
    answer = host.call("POST", PATH, {"action": "setup"})
    assert answer.body == answered("setup", "cloud center setup success")


def test_setup_needs_the_definition_on_every_host(host: NodeUnderTest, cluster: Cluster) -> None:
    lay_out(host)
    host.peers.expect("10.10.31.2", "POST", PATH, body={"code": 200, "val": {"xml": False}})
    host.peers.expect("10.10.31.3", "POST", PATH, body={"code": 200, "val": {"xml": True}})
    answer = host.call("POST", PATH, {"action": "setup"})
    assert (answer.status, answer.body["hosts"], answer.body["val"]) == (409, ["ablecube31-2"], "cloud center setup fail")


def test_setup_that_failed_is_told_as_it_is(host: NodeUnderTest, bare: ScriptedAgent) -> None:
    of_type(host, "ablestack-vm")
    failed = {
        "code": 502,
        "message": "step disk failed: cp ended with code 1",
        "steps": [{"step": "disk", "outcome": "failed"}],
    }
    host.peers.expect("10.10.31.1", "POST", "/cube/pcs/control", status=502, body=failed)
    answer = host.call("POST", PATH, {"action": "setup"})
    assert (answer.status, answer.body["val"], answer.body["steps"][0]["step"]) == (502, "cloud center setup fail", "disk")


def test_the_first_node_of_the_cluster_that_is_well_does_it(host: NodeUnderTest, cluster: Cluster) -> None:
    """Asked on different hosts, all meet at the same lock."""
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": "100.100.31.3", "hostname2": "100.100.31.2"}
    host.write_cluster(document)
    host.peers.expect_unreachable("10.10.31.3", "GET", "/cube/cluster/health", "no connection")
    host.peers.expect("10.10.31.2", "GET", "/cube/cluster/health", body={"status": "ok"})
    told = {**answered("stop", "cloud center stop success"), "results": [{"target": "10.10.31.2"}]}
    host.peers.expect("10.10.31.2", "POST", PATH, body=told)
    answer = host.call("POST", PATH, {"action": "stop", "force": True})
    assert answer.body == told
    assert (host.peers.made[-1].body, host.peers.made[-1].headers[HEADER]) == ({"action": "stop", "force": True}, "1")


def test_no_node_of_the_cluster_answers(host: NodeUnderTest, cluster: Cluster) -> None:
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": "100.100.31.2", "hostname2": "100.100.31.3"}
    host.write_cluster(document)
    for address in OTHERS:
        host.peers.expect_unreachable(address, "GET", "/cube/cluster/health", "no connection")
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, len(answer.body["results"])) == (502, 2)


def test_another_hosts_busy_is_ours(host: NodeUnderTest, cluster: Cluster) -> None:
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": "100.100.31.2"}
    host.write_cluster(document)
    host.peers.expect("10.10.31.2", "GET", "/cube/cluster/health", body={"status": "ok"})
    busy = {"code": 409, "message": "ccvm start holds it", "holder": "root@10.0.0.5", "age_seconds": 3, "job": "a-b"}
    host.peers.expect("10.10.31.2", "POST", PATH, status=409, body=busy)
    answer = host.call("POST", PATH, {"action": "stop"})
    assert (answer.status, answer.body["type"][-4:], answer.body["job"]) == (409, "busy", "a-b")


def test_a_plan_changes_nothing(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.state()
    cluster.nowhere()
    cluster.image()
    planned = host.call("POST", f"{PATH}?plan=true", {"action": "delete", "force": True})
    assert planned.status == 200
    assert [step["step"] for step in planned.body["val"]["steps"]] == ["stop", "resource", "image", "hosts"]
    assert planned.body["val"]["overrides"] == ["switches ccvm off"]


def test_pacemaker_does_not_run(host: NodeUnderTest, cluster: Cluster) -> None:
    (host.root / "etc/corosync").mkdir(parents=True)
    (host.root / "etc/corosync/corosync.conf").write_text("")
    down = '<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>'
    host.runner.expect(list(crm_mon.ARGV), stdout=down, code=102)
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["val"]) == (503, "cloud center start fail")


def test_cleaning_a_host_for_another(host: NodeUnderTest) -> None:
    lay_out(host)
    machines.with_domains(host, machines.domain())
    headers = {**host.internal(), HEADER: "1"}
    refused = host.call("POST", PATH, {"action": "delete", "part": "clean"}, headers=headers)
    assert (refused.status, (host.root / XML).exists()) == (409, True)
    cleaned = host.call("POST", PATH, {"action": "delete", "part": "clean", "force": True}, headers=headers)
    assert (cleaned.body["val"], domains.read_state(host.env.libvirt, "ccvm")) == ("cleaned", None)
    assert not (host.root / ISO).exists()
    assert host.call("POST", PATH, {"action": "delete", "part": "nonsense"}, headers=headers).status == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "request required"),
        ({}, "request required"),
        ({"action": ""}, "unsupported action"),
        ({"action": "destroy"}, "unsupported action"),
        ({"action": "copy"}, "copy action supports ablestack-standalone only"),
    ],
)
def test_bad_input(host: NodeUnderTest, cluster: Cluster, body: Any, message: str) -> None:
    answer = host.call("POST", PATH, body)
    assert (answer.status, answer.body["message"]) == (400, message)


@pytest.mark.parametrize(
    "wrong", [{"action": 1}, {"force": "true"}, {"purge": 1}, {"destroy": None}, {"disk": ["/dev/sdb"]}]
)
def test_wrong_types(host: NodeUnderTest, cluster: Cluster, wrong: dict[str, Any]) -> None:
    answer = host.call("POST", PATH, {"action": "delete", **wrong})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, next(iter(wrong)))


@pytest.mark.parametrize("body", ["", "{}x", "[]", '{"action":"stop"} {"action":"start"}'])
def test_no_json_object(host: NodeUnderTest, cluster: Cluster, body: str) -> None:
    assert host.call("POST", PATH, body).status == 400


def test_unknown_cluster_type(host: NodeUnderTest, cluster: Cluster) -> None:
    document = documents.document()
    document["clusterConfig"]["type"] = "ablestack-other"
    host.write_cluster(document)
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


def test_no_pacemaker_nodes(host: NodeUnderTest, cluster: Cluster) -> None:
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {}
    host.write_cluster(document)
    answer = host.call("POST", PATH, {"action": "start"})
    assert (answer.status, answer.body["message"]) == (400, "pcsCluster required")
