"""POST /cube/ccvm/secondary/resize: the plan first, and the VM is back whatever fails (contract 03 §9)."""

import base64
import json
from typing import Any

import pytest

from ablestack_api.core.errors import LibvirtTimedOut
from ablestack_api.hypervisor import domains
from ablestack_api.tools import guest_growth
from tests.contract.ccvm.pacemaker import OTHERS, RESOURCE, Cluster
from tests.support import documents, machines, whole_system
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/ccvm/secondary/resize"
HEADER = "X-Cube-CCVM-Secondary-Resize-Local"
GIB = 2**30
SNAPSHOTS = '[{"id":4,"name":"a","size":1,"protected":"false"},{"id":5,"name":"b","size":1,"protected":"false"}]'
DISK = "mnt/glue/ccvm.qcow2"


def agent_works(agent: ScriptedAgent, *, code: int = 0, stderr: str = "") -> None:
    told = {"exited": True, "exitcode": code, "err-data": base64.b64encode(stderr.encode()).decode()}
    agent.answers |= {"guest-ping": {}, "guest-exec": [{"pid": 7}] * 5, "guest-exec-status": [{"exited": False}, told] * 5}


@pytest.fixture
def agent(host: NodeUnderTest) -> ScriptedAgent:
    """The machine runs on this host, with a guest agent that answers."""
    found = machines.with_domains(host, machines.domain())
    agent_works(found)
    return found


@pytest.fixture
def cluster(host: NodeUnderTest, agent: ScriptedAgent) -> Cluster:
    return Cluster(host)


def looked_at(cluster: Cluster, *, gib: int = 500, snapshots: str = "[]") -> None:
    cluster.rbd("info", "--format", "json", "--", "rbd/ccvm", stdout=json.dumps({"name": "ccvm", "size": gib * GIB}))
    cluster.state()
    cluster.rbd("snap", "list", "--format", "json", "--", "rbd/ccvm", stdout=snapshots)


def enlarged(cluster: Cluster, gib: int = 550, **how: Any) -> None:
    cluster.rbd("resize", "--no-progress", "--size", f"{gib}G", "--", "rbd/ccvm", **how)


def outcomes(body: Any) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in body["steps"]}


def test_an_rbd_disk(host: NodeUnderTest, cluster: Cluster, agent: ScriptedAgent) -> None:
    looked_at(cluster)
    cluster.stops()
    enlarged(cluster)
    cluster.starts()
    answer = host.call("POST", PATH, {"add_size": 50})
    told = {"retname": "CCVM Secondary Resize", "message": "ok", "target": "10.10.31.1", "os_type": "ablestack-hci"}
    assert answer.body == {"code": 200, "val": "CCVM secondary filesystem expansion success.", **told}
    [grown] = [message for message in agent.asked if message["execute"] == "guest-exec"]
    assert grown["arguments"] == {"path": "/bin/sh", "arg": ["-c", guest_growth.shell_line()], "capture-output": True}
    assert grown["arguments"]["arg"][1] == (
        "sgdisk -e /dev/vda && parted --script /dev/vda resizepart 3 100% && pvresize /dev/vda3"
        " && lvextend -l +100%FREE /dev/rl/nfs && xfs_growfs /nfs"
    )


def test_the_plan_comes_first_and_changes_nothing(host: NodeUnderTest, cluster: Cluster) -> None:
    looked_at(cluster, snapshots=SNAPSHOTS)
    planned = host.call("POST", f"{PATH}?plan=true", {"add_size": 50}).body["val"]
    assert planned["plan"] == "enlarge the disk of ccvm from 500 to 550 GiB"
    assert [step["step"] for step in planned["steps"]] == ["stop", "disk", "start", "answer", "grow"]
    assert planned["overrides"] == []
    assert "2 snapshots stay" in planned["warnings"][-1]


def test_snapshots_go_only_when_told(host: NodeUnderTest, cluster: Cluster) -> None:
    """W35: 0.1.2 removed them all without a word."""
    looked_at(cluster, snapshots=SNAPSHOTS)
    planned = host.call("POST", f"{PATH}?plan=true", {"add_size": 50, "purge_snapshots": True}).body["val"]
    assert planned["overrides"] == ["removes 2 snapshots of rbd/ccvm: a, b"]
    looked_at(cluster, snapshots=SNAPSHOTS)
    cluster.stops()
    cluster.rbd("snap", "rm", "--no-progress", "--", "rbd/ccvm@a")
    cluster.rbd("snap", "rm", "--no-progress", "--", "rbd/ccvm@b")
    enlarged(cluster)
    cluster.starts()
    assert host.call("POST", PATH, {"add_size": 50, "purge_snapshots": True}).status == 200


def test_an_enlargement_that_fails_brings_the_vm_back(host: NodeUnderTest, cluster: Cluster) -> None:
    looked_at(cluster)
    cluster.stops()
    enlarged(cluster, code=28, stderr="rbd: resize error: (28) No space left on device")
    cluster.starts()
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, answer.body["retname"]) == (502, "CCVM Secondary Resize")
    assert outcomes(answer.body) == {
        "stop": "undone", "disk": "failed", "start": "not begun", "answer": "not begun", "grow": "not begun",
    }  # fmt: skip
    assert answer.body["val"] == answer.body["message"]


def test_a_snapshot_that_cannot_be_removed_brings_the_vm_back(host: NodeUnderTest, cluster: Cluster) -> None:
    looked_at(cluster, snapshots=SNAPSHOTS)
    cluster.stops()
    cluster.rbd("snap", "rm", "--no-progress", "--", "rbd/ccvm@a", code=16, stderr="rbd: snapshot is protected")
    cluster.starts()
    answer = host.call("POST", PATH, {"add_size": 50, "purge_snapshots": True})
    assert (answer.status, outcomes(answer.body)["stop"]) == (502, "undone")


def test_a_stop_that_fails_lets_it_run(host: NodeUnderTest, cluster: Cluster) -> None:
    looked_at(cluster)
    cluster.state()
    cluster.pcs("resource", "disable", RESOURCE, code=1, stderr="Error: cluster is not running")
    cluster.starts(before="Started")
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, outcomes(answer.body)["stop"]) == (502, "failed")


def test_a_start_that_fails_is_tried_again(host: NodeUnderTest, cluster: Cluster) -> None:
    looked_at(cluster)
    cluster.stops()
    enlarged(cluster)
    cluster.disabled()
    cluster.pcs("resource", "cleanup", RESOURCE, code=1, stderr="Error: unable to connect")
    cluster.starts()
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, outcomes(answer.body)) == (
        502, {"stop": "undone", "disk": "stays", "start": "failed", "answer": "not begun", "grow": "not begun"},
    )  # fmt: skip


def test_a_guest_that_does_not_come_back(host: NodeUnderTest, cluster: Cluster, agent: ScriptedAgent) -> None:
    silent = LibvirtTimedOut("the guest agent of ccvm does not answer")

    def ping(_message: dict[str, Any]) -> Any:
        if agent.asked.count({"execute": "guest-ping"}) > 1:
            raise silent
        return {}

    agent.answers["guest-ping"] = ping
    looked_at(cluster)
    cluster.stops()
    enlarged(cluster)
    cluster.starts()
    cluster.starts(before="Started")  # undoing the stop finds it started
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, outcomes(answer.body)["answer"]) == (504, "failed")
    assert "does not answer within 600 s" in answer.body["message"]


def test_growing_that_fails_in_the_guest(host: NodeUnderTest, cluster: Cluster, agent: ScriptedAgent) -> None:
    agent_works(agent, code=5, stderr="  New size given (100 extents) not larger than existing size")
    looked_at(cluster)
    cluster.stops()
    enlarged(cluster)
    cluster.starts()
    cluster.starts(before="Started")
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, outcomes(answer.body)["disk"]) == (502, "stays")
    assert "CCVM secondary filesystem expansion failed: New size given (100 extents)" in answer.body["message"]


@pytest.mark.parametrize("size", [0, -1, 501, 10_000])
def test_bad_sizes(host: NodeUnderTest, cluster: Cluster, size: int) -> None:
    answer = host.call("POST", PATH, {"add_size": size})
    assert (answer.status, answer.body["message"]) == (
        400, "please enter additional capacity size between 1 and 500 GiB",
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [{"add_size": 1.5}, {"add_size": "50"}, {"add_size": True}, {"purge_snapshots": "yes"}])
def test_wrong_types(host: NodeUnderTest, cluster: Cluster, wrong: dict[str, Any]) -> None:
    answer = host.call("POST", PATH, {"add_size": 50, **wrong})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, next(iter(wrong)))


def test_larger_than_two_tebibytes(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.rbd("info", "--format", "json", "--", "rbd/ccvm", stdout=json.dumps({"size": 1951 * GIB - 5}))
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, answer.body["message"]) == (400, "CCVM can support capacities up to 2 TiB.")


def test_one_that_does_not_run(host: NodeUnderTest, cluster: Cluster) -> None:
    cluster.rbd("info", "--format", "json", "--", "rbd/ccvm", stdout=json.dumps({"size": GIB}))
    cluster.disabled()
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, answer.body["message"][:49]) == (409, "Please check if CCVM status is running normally. ")


def test_one_whose_guest_does_not_answer(host: NodeUnderTest, cluster: Cluster, agent: ScriptedAgent) -> None:
    agent.answers["guest-ping"] = LibvirtTimedOut("the guest agent of ccvm does not answer")
    cluster.rbd("info", "--format", "json", "--", "rbd/ccvm", stdout=json.dumps({"size": GIB}))
    cluster.state()
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, "does not answer within 10 s" in answer.body["message"]) == (504, True)


def test_rbd_that_prints_no_json(host: NodeUnderTest, cluster: Cluster) -> None:
    """W8: a warning belongs to stderr; what is no JSON on stdout is an error."""
    cluster.rbd("info", "--format", "json", "--", "rbd/ccvm", stdout="warning: x\n{}")
    assert host.call("POST", PATH, {"add_size": 50}).status == 502


def test_the_host_that_runs_it_is_asked(host: NodeUnderTest) -> None:
    """The machine may come up on another host than before."""
    machines.with_domains(host)
    cluster = Cluster(host)
    here = {"name": "ccvm", "uuid": "u", "state": "running", "vcpus": 8, "max_memory_kib": 1, "memory_kib": 1}
    told = {**here, "nics": [], "disks": [], "pci_devices": []}

    def seen_on(address: str) -> None:
        for other in OTHERS:
            body = {"code": 200, "val": told if other == address else None}
            host.peers.expect(other, "GET", "/cube/ccvm/status", body=body)

    looked_at(cluster)
    cluster.stops()
    enlarged(cluster)
    cluster.starts()
    for address in ("10.10.31.2", "10.10.31.3", "10.10.31.3"):
        seen_on(address)
        host.peers.expect(address, "POST", PATH, body={"code": 200, "val": "ping"})
    assert host.call("POST", PATH, {"add_size": 50}).status == 200
    parts = [(call.address, call.body["part"]) for call in host.peers.made if call.method == "POST"]
    assert parts == [("10.10.31.2", "ping"), ("10.10.31.3", "ping"), ("10.10.31.3", "grow")]


def test_a_shared_file_and_a_guest_that_grows_itself(host: NodeUnderTest) -> None:
    host.write_cluster(documents.document("ablestack-vm"))
    machines.with_domains(host)
    cluster = Cluster(host, "ablestack-vm")
    folder = host.root / "mnt/glue-gfs"
    folder.mkdir(parents=True)
    (host.root / "proc/self").mkdir(parents=True)
    (host.root / "proc/self/mounts").write_text(f"/dev/dm-3 {folder} gfs2 rw 0 0\n")
    disk = str(folder / "ccvm.qcow2")
    info = {"format": "qcow2", "virtual-size": 500 * GIB, "actual-size": 1}
    host.runner.expect(["qemu-img", "info", "-U", "--output=json", "--", disk], stdout=json.dumps(info))
    cluster.state()
    cluster.stops()
    host.runner.expect(["qemu-img", "resize", "-f", "qcow2", "--", disk, "550G"])
    cluster.starts()
    for _ in range(3):
        host.peers.expect("10.10.31.10", "POST", PATH, body={"code": 200, "val": "ok"})
    assert host.call("POST", PATH, {"add_size": 50}).status == 200
    assert [call.body["part"] for call in host.peers.made] == ["guest-ping", "guest-ping", "guest-grow"]
    assert {call.headers[HEADER] for call in host.peers.made} == {"1"}


def test_a_shared_file_that_is_not_mounted(host: NodeUnderTest) -> None:
    host.write_cluster(documents.document("ablestack-vm"))
    machines.with_domains(host)
    answer = host.call("POST", PATH, {"add_size": 50})
    assert (answer.status, answer.body["message"][:31]) == (409, "gfs mount point is not mounted:")


def test_inside_the_guest(ccvm: NodeUnderTest) -> None:
    whole_system.believe(ccvm)
    headers = {**ccvm.internal(), HEADER: "1"}
    assert ccvm.call("POST", PATH, {"part": "guest-ping"}, headers=headers).body == {"code": 200, "val": "guest-ping"}
    for command in guest_growth.COMMANDS:
        ccvm.runner.expect(list(command))
    assert ccvm.call("POST", PATH, {"part": "guest-grow"}, headers=headers).status == 200
    answer = ccvm.call("POST", PATH, {"part": "nonsense"}, headers=headers)
    assert (answer.status, answer.body["message"]) == (400, "unsupported local mode")


def test_a_node_in_a_folder_grows_nobody_elses_disk(ccvm: NodeUnderTest) -> None:
    answer = ccvm.call("POST", PATH, {"part": "guest-grow"}, headers={**ccvm.internal(), HEADER: "1"})
    assert (answer.status, "lives in a folder" in answer.body["message"]) == (409, True)


@pytest.fixture
def alone(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-standalone"))
    info = {"format": "qcow2", "virtual-size": 350 * GIB, "actual-size": 1}
    node.runner.expect(["qemu-img", "info", "-U", "--output=json", "--", str(node.root / DISK)], stdout=json.dumps(info))
    return node


def test_standalone(alone: NodeUnderTest) -> None:
    hypervisor = machines.with_domains(alone, machines.domain())
    agent_works(hypervisor)
    alone.runner.expect(["qemu-img", "resize", "-f", "qcow2", "--", str(alone.root / DISK), "360G"])
    answer = alone.call("POST", PATH, {"add_size": 10})
    assert (answer.status, answer.body["target"], answer.body["os_type"]) == (200, "local", "ablestack-standalone")
    assert domains.read_state(alone.env.libvirt, "ccvm") == "running"


@pytest.mark.parametrize("broken", ["shutdown", "qemu-img", "guest-exec"])
def test_standalone_is_brought_back_whatever_fails(alone: NodeUnderTest, broken: str) -> None:
    hypervisor = machines.with_domains(alone, machines.domain())
    agent_works(hypervisor, code=1 if broken == "guest-exec" else 0)
    if broken == "shutdown":
        hypervisor.ignores("shutdown")
    else:
        argv = ["qemu-img", "resize", "-f", "qcow2", "--", str(alone.root / DISK), "360G"]
        alone.runner.expect(argv, code=1 if broken == "qemu-img" else 0, stderr="qemu-img: Failed to get lock")
    answer = alone.call("POST", PATH, {"add_size": 10})
    assert answer.status == (504 if broken == "shutdown" else 502)
    assert domains.read_state(alone.env.libvirt, "ccvm") == "running"


def test_two_at_once(alone: NodeUnderTest) -> None:
    """W35: 0.1.2 ran both."""
    hypervisor = machines.with_domains(alone, machines.domain())
    agent_works(hypervisor)
    inner: list[Any] = []

    def ask_again(real: Any) -> Any:
        inner.append(alone.call("POST", PATH, {"add_size": 10}))
        return real()

    hypervisor.hooks["shutdown"] = ask_again
    alone.runner.expect(["qemu-img", "resize", "-f", "qcow2", "--", str(alone.root / DISK), "360G"])
    assert alone.call("POST", PATH, {"add_size": 10}).status == 200
    assert (inner[0].status, inner[0].body["type"][-4:]) == (409, "busy")
