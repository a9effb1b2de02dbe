"""POST /cube/pcs/control (contract 04 §1): checked first, done on one node, and waited for."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from tests.support import documents, pacemaker_xml
from tests.support.node_under_test import NodeUnderTest
from tests.support.pacemaker_xml import NODES, status

CONTROL = "/cube/pcs/control"
CRM_MON = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]
RESOURCE = "cloudcenter_res"
# Should the daemon die in a move, the constraint ends by itself.
LIFETIME = "lifetime=PT600S"
DOWN = '<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>'


@pytest.fixture
def member(node: NodeUnderTest) -> NodeUnderTest:
    """A host of an HCI cluster, in its Pacemaker cluster."""
    node.write_cluster(documents.document())
    (node.root / "etc/corosync").mkdir()
    (node.root / "etc/corosync/corosync.conf").write_text("totem {}\n")
    return node


def sees(node: NodeUnderTest, *printed: str) -> None:
    for text in printed:
        node.runner.expect(CRM_MON, stdout=text)


def pcs(node: NodeUnderTest, *argv: str, version: str = "0.11.5") -> None:
    """pcs is asked for its version once for every connection."""
    if version:
        node.runner.expect(["pcs", "--version"], stdout=f"{version}\n")
    node.runner.expect(["pcs", *argv])


def control(node: NodeUnderTest, action: str, **more: Any) -> Any:
    return node.call("POST", CONTROL, {"action": action, **more})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "unsupported action"),
        ({"action": "reboot"}, "unsupported action"),
        ({"action": "setup-cron"}, "unsupported action"),
        ({"action": "config"}, "cluster required"),
        ({"action": "config", "cluster": "c"}, "hosts required"),
        (
            {"action": "config", "cluster": "--force", "hosts": ["a"]},
            "cluster: must be 1 to 32 letters, digits, - and _, no dash in front",
        ),
        ({"action": "create"}, "xml required"),
        ({"action": "move"}, "target required"),
        ({"action": "move", "target": "--lifetime=1"}, "target: is no name of a node"),
        ({"action": "sync"}, "time required"),
        ({"action": "sync", "time": "-1"}, "time: must be a number of milliseconds from 1000 to 300000"),
        ({"action": "sync", "time": "1.5"}, "time: must be a number of milliseconds from 1000 to 300000"),
        ({"action": "sync", "time": "10"}, "time: must be a number of milliseconds from 1000 to 300000"),
        ({"action": "sync", "time": "3000 transport=udp"}, "time: must be a number of milliseconds from 1000 to 300000"),
        (
            {"action": "enable", "resource": "--all"},
            "resource: must be 1 to 63 letters, digits, . - and _, and begin with a letter or _",
        ),
        (
            {"action": "enable", "resource": "a=b"},
            "resource: must be 1 to 63 letters, digits, . - and _, and begin with a letter or _",
        ),
        (
            {"action": "enable", "resource": "a\nb"},
            "resource: must be 1 to 63 letters, digits, . - and _, and begin with a letter or _",
        ),
    ],
)
def test_bad_input_never_reaches_pcs(member: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = member.call("POST", CONTROL, body)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_status_has_the_keys_of_0_1_2(member: NodeUnderTest) -> None:
    sees(member, status(where=NODES[1]))
    answer = control(member, "status")
    assert answer.status == 200, answer.body
    assert answer.body["target"] == "10.10.31.1"
    value = answer.body["val"]
    assert value["clustered_host"] == list(NODES)
    assert value["nodes"][0] == {
        "host": NODES[0],
        "online": "true",
        "resources_running": "1",
        "standby": "false",
        "standby_onfail": "false",
        "maintenance": "false",
        "pending": "false",
        "unclean": "false",
        "shutdown": "false",
        "expected_up": "true",
        "is_dc": "true",
        "type": "member",
    }
    told = {key: value[key] for key in ("started", "role", "active", "blocked", "failed")}
    assert told == {"started": NODES[1], "role": "Started", "active": "true", "blocked": "false", "failed": "false"}


def test_a_read_is_no_job(member: NodeUnderTest) -> None:
    sees(member, status())
    assert "x-job-id" not in control(member, "status").headers


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"stdout": DOWN, "code": 102}, 409, "cluster is not configured."),
        ({"stdout": status(resource=None)}, 404, "resource not found."),
        ({"stdout": "<pacemaker-result"}, 502, "crm_mon printed no XML"),
        ({"raises": CommandTimedOut("crm_mon did not end within 10 s", program="crm_mon", seconds=10)}, 504, "did not end"),
        ({"raises": ProgramMissing("crm_mon is not installed", program="crm_mon", package="x")}, 503, "not installed"),
    ],
    ids=["not running", "no resource", "rubbish", "hangs", "missing"],
)
def test_every_way_to_have_no_status_is_told_apart(
    member: NodeUnderTest, given: dict[str, Any], code: int, text: str
) -> None:
    member.runner.expect(CRM_MON, **given)
    answer = control(member, "status")
    assert answer.status == code
    assert text in answer.body["message"]


def test_enable_tells_where_pacemaker_started_it(member: NodeUnderTest) -> None:
    sees(member, status("Stopped"), status("Stopped"))
    pcs(member, "resource", "cleanup", RESOURCE)
    pcs(member, "resource", "enable", RESOURCE, version="")
    sees(member, status("Starting"), status("Started", NODES[2]))
    answer = control(member, "enable")
    assert answer.status == 200, answer.body
    assert (answer.body["val"], answer.body["started"]) == ("enable", NODES[2])


def test_enable_that_does_not_come_up_tells_why(member: NodeUnderTest) -> None:
    sees(member, status("Stopped"), status("Stopped"))
    pcs(member, "resource", "cleanup", RESOURCE)
    pcs(member, "resource", "enable", RESOURCE, version="")
    failing = status("Stopped", failures=pacemaker_xml.failed_start(NODES[0]), failed="true")
    sees(member, *[failing] * 751)
    answer = control(member, "enable")
    assert answer.status == 504
    assert "start on 10.10.32.1: Unable to determine domain name" in answer.body["message"]
    assert "Pacemaker goes on trying" in answer.body["message"]


@pytest.mark.parametrize("action", ["enable", "move"])
def test_nothing_is_started_or_moved_without_quorum(member: NodeUnderTest, action: str) -> None:
    seen = status("Stopped" if action == "enable" else "Started", quorum=False, off=NODES[1:])
    sees(member, seen) if action == "move" else sees(member, seen, seen)
    if action == "move":
        member.runner.expect(CRM_MON, stdout=seen)
    answer = control(member, action, target=NODES[1])
    assert answer.status == 409
    assert "Nothing was changed" in answer.body["message"]


def test_disable_waits_until_no_node_has_it(member: NodeUnderTest) -> None:
    sees(member, status(), status())
    pcs(member, "resource", "disable", RESOURCE)
    sees(member, status("Stopping"), status("Stopped", target_role="Stopped"))
    answer = control(member, "disable")
    assert (answer.status, answer.body["val"]) == (200, "disable")


@pytest.mark.parametrize(
    ("seen", "target", "code", "text"),
    [
        (status(), NODES[0], 409, "cannot be migrated to the same host."),
        (status("Stopped"), NODES[1], 409, "Migration is not possible while stopped."),
        (status(), "10.10.32.9", 404, "Pacemaker knows no node 10.10.32.9"),
        (status(off=[NODES[1]]), NODES[1], 409, "it is offline"),
        (status(standby=[NODES[1]]), NODES[1], 409, "standby"),
        (status(managed="false"), NODES[1], 409, "is not managed"),
    ],
)
def test_a_move_is_checked_first(member: NodeUnderTest, seen: str, target: str, code: int, text: str) -> None:
    sees(member, seen, seen)
    answer = control(member, "move", target=target)
    assert answer.status == code
    assert text in answer.body["message"]


@pytest.mark.parametrize(("version", "word"), [("0.10.18", "move"), ("0.11.5", "move-with-constraint")])
def test_a_move_leaves_no_constraint_behind(member: NodeUnderTest, version: str, word: str) -> None:
    sees(member, status(), status())
    pcs(member, "resource", word, RESOURCE, NODES[1], LIFETIME, version=version)
    sees(member, status("Migrating"), status(where=NODES[1]))
    pcs(member, "resource", "clear", RESOURCE, version="")
    answer = control(member, "move", target=NODES[1])
    assert answer.body["val"] == {"current host": NODES[0], "target host": NODES[1]}


def test_a_move_that_does_not_arrive_leaves_no_constraint_either(member: NodeUnderTest) -> None:
    sees(member, status(), status())
    pcs(member, "resource", "move-with-constraint", RESOURCE, NODES[1], LIFETIME)
    sees(member, *[status()] * 301)
    pcs(member, "resource", "clear", RESOURCE, version="")
    answer = control(member, "move", target=NODES[1])
    assert answer.status == 504
    assert "on 10.10.32.1" in answer.body["message"]


def test_remove_stops_it_first(member: NodeUnderTest) -> None:
    sees(member, status())
    pcs(member, "resource", "cleanup", RESOURCE)
    sees(member, status())
    pcs(member, "resource", "disable", RESOURCE)
    sees(member, status("Stopped"))
    pcs(member, "resource", "delete", RESOURCE, version="")
    assert control(member, "remove").body["val"] == "remove"


def test_a_failure_of_pcs_is_not_told_as_a_missing_resource(member: NodeUnderTest) -> None:
    """Contract 04 B-6: callers took that answer for `it is gone` and deleted the disk."""
    sees(member, status())
    member.runner.expect(["pcs", "--version"], stdout="0.11.5\n")
    member.runner.expect(["pcs", "resource", "cleanup", RESOURCE], stderr="Error: unable to connect\n", code=1)
    answer = control(member, "remove")
    assert (answer.status, "unable to connect" in answer.body["message"]) == (502, True)


def test_cleanup(member: NodeUnderTest) -> None:
    sees(member, status())
    pcs(member, "resource", "cleanup", RESOURCE)
    pcs(member, "stonith", "history", "cleanup", version="")
    assert control(member, "cleanup").body["val"] == "cleanup"


def test_sync_is_in_force_at_once(member: NodeUnderTest) -> None:
    """Contract 04 B-44."""
    pcs(member, "cluster", "config", "update", "totem", "token=5000")
    pcs(member, "cluster", "reload", "corosync", version="")
    assert control(member, "sync", time="5000").body["val"] == "Cloud VM Cluster Sync Mechanism Success"


def test_a_cluster_is_not_destroyed_under_the_cloud_center(member: NodeUnderTest) -> None:
    sees(member, status())
    answer = control(member, "destroy")
    assert (answer.status, answer.body["overridable"]) == (409, ["cloud center running"])
    pcs(member, "cluster", "destroy", "--all")
    assert control(member, "destroy", force=True).body["val"] == "destroy"


def test_a_stopped_one_may_be_destroyed(member: NodeUnderTest) -> None:
    sees(member, status("Stopped"))
    pcs(member, "cluster", "destroy", "--all")
    assert control(member, "destroy").status == 200


@pytest.mark.parametrize("action", ["destroy", "stop"])
def test_a_node_in_no_cluster(node: NodeUnderTest, action: str) -> None:
    node.write_cluster(documents.document())
    answer = control(node, action)
    assert (answer.status, answer.body["message"]) == (404, "cluster not found.")


def test_stop_tells_what_ran(member: NodeUnderTest) -> None:
    sees(member, status())
    pcs(member, "cluster", "stop", "--all")
    answer = control(member, "stop")
    assert (answer.body["val"], answer.body["stopped_resources"]) == ("stop", [RESOURCE])


def password(node: NodeUnderTest) -> None:
    path = node.root / "etc/ablestack/pcs_password"
    path.write_text("invented-password\n")
    path.chmod(0o600)


def hosts() -> list[str]:
    return [documents.document()["clusterConfig"]["pcsCluster"][f"hostname{number}"] for number in (1, 2, 3)]


def expect_config(node: NodeUnderTest) -> None:
    node.runner.expect(["pcs", "--version"], stdout="0.11.5\n")
    node.runner.expect(["pcs", "host", "auth", *hosts(), "-u", "hacluster"], stdin="invented-password\n")


def test_a_new_cluster(node: NodeUnderTest) -> None:
    """No password in argv (contract 04 B-1), enabled on every node (B-8)."""
    node.write_cluster(documents.document())
    password(node)
    expect_config(node)
    for words in (
        ["cluster", "setup", "cloudcenter_cluster", *hosts()],
        ["cluster", "start", "--all", "--wait=120"],
        ["cluster", "enable", "--all"],
        ["property", "set", "stonith-enabled=false"],
        ["resource", "defaults", "update", "resource-stickiness=1"],
    ):
        node.runner.expect(["pcs", *words])
    answer = control(node, "config", cluster="cloudcenter_cluster", hosts=hosts())
    assert answer.status == 200, answer.body
    assert answer.body["val"] == {"cluster name :": "cloudcenter_cluster", "hosts": hosts()}


def test_a_new_cluster_that_does_not_start_is_taken_down_again(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    password(node)
    expect_config(node)
    node.runner.expect(["pcs", "cluster", "setup", "c", *hosts()])
    node.runner.expect(["pcs", "cluster", "start", "--all", "--wait=120"], code=1, stderr="Error: node 3 is down\n")
    node.runner.expect(["pcs", "cluster", "destroy", "--all"])
    answer = control(node, "config", cluster="c", hosts=hosts())
    assert answer.status == 502
    assert {step["step"]: step["outcome"] for step in answer.body["steps"]} == {
        "auth": "stays",
        "setup": "undone",
        "start": "failed",
        "enable": "not begun",
        "properties": "not begun",
    }


def test_a_cluster_that_is_there_already_is_left_as_it_is(member: NodeUnderTest) -> None:
    sees(member, status(nodes=hosts(), where=hosts()[0]))
    assert control(member, "config", cluster="c", hosts=hosts()).status == 200


def test_another_cluster_is_not_replaced(member: NodeUnderTest) -> None:
    password(member)
    other = status(nodes=["10.9.9.9"], where="10.9.9.9")
    sees(member, other, other)
    answer = control(member, "config", cluster="c", hosts=hosts())
    assert answer.status == 409
    assert "in another cluster already" in answer.body["message"]


def test_the_password_of_the_cluster_is_sent_to_its_hosts_only(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    password(node)
    answer = control(node, "config", cluster="c", hosts=["198.51.100.7"])
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "hosts")


def test_no_password_is_ever_made_up(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document())
    answer = control(node, "config", cluster="c", hosts=hosts())
    assert answer.status == 409
    assert "set-cluster-password" in answer.body["message"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "relative.xml", "/etc/ablestack/vmconfig/../../passwd", "/mnt/glue-gfs/none.xml"]
)
def test_an_xml_outside_its_folders(member: NodeUnderTest, path: str) -> None:
    answer = control(member, "create", xml=path)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "xml")


def test_create(member: NodeUnderTest) -> None:
    path = member.root / "etc/ablestack/vmconfig/ccvm/ccvm.xml"
    path.parent.mkdir(parents=True)
    path.write_text("<domain/>")
    sees(member, status(resource=None))
    pcs(
        member,
        *("resource", "create", RESOURCE, "ocf:heartbeat:VirtualDomain", "hypervisor=qemu:///system", f"config={path}"),
        *("migration_transport=ssh", "meta", "allow-migrate=true", "priority=100", "op", "start", "timeout=120s"),
        *("op", "stop", "timeout=120s", "op", "monitor", "timeout=30", "interval=10"),
    )
    answer = control(member, "create", xml=str(path))
    assert answer.body["val"]["resource name :"] == RESOURCE


def test_a_host_outside_pacemaker_asks_one_inside(node: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": hosts()[1], "hostname2": hosts()[2]}
    node.write_cluster(document)
    node.peers.expect_unreachable("10.10.31.2", "GET", "/cube/cluster/health")
    node.peers.expect("10.10.31.3", "GET", "/cube/cluster/health", 200, {"status": "ok"})
    told = {"code": 200, "val": "disable", "message": "ok", "action": "disable", "target": "local"}
    node.peers.expect("10.10.31.3", "POST", CONTROL, 200, told)
    answer = control(node, "disable")
    assert answer.body == {**told, "target": "10.10.31.3"}
    assert node.peers.made[-1].headers["X-Cube-PCS-Local"] == "1"


def test_nothing_is_done_outside_the_cluster_when_no_node_of_it_answers(node: NodeUnderTest) -> None:
    """Contract 04 B-14: 0.1.2 then ran `pcs cluster destroy` on the node that was asked."""
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": hosts()[1]}
    node.write_cluster(document)
    node.peers.expect_unreachable("10.10.31.2", "GET", "/cube/cluster/health")
    answer = control(node, "destroy")
    assert answer.status == 502
    assert "nothing was done" in answer.body["message"]


def test_a_refusal_of_the_node_stays_a_refusal(node: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": hosts()[1]}
    node.write_cluster(document)
    node.peers.expect("10.10.31.2", "GET", "/cube/cluster/health", 200, {"status": "ok"})
    node.peers.expect("10.10.31.2", "POST", CONTROL, 404, {"code": 404, "message": "resource not found."})
    answer = control(node, "cleanup")
    assert answer.status == 404
    assert "resource not found." in answer.body["message"]


@pytest.mark.parametrize("role", ["Started", "Stopped"])
def test_the_cloud_vm_is_there_when_pacemaker_has_it(member: NodeUnderTest, role: str) -> None:
    sees(member, status(role))
    assert control(member, "ccvm-status").body["val"] == "The CloudCenter virtual machine has been successfully created."


def test_the_cloud_vm_is_not_there(member: NodeUnderTest) -> None:
    sees(member, status(resource=None))
    answer = control(member, "ccvm-status")
    assert (answer.status, answer.body["message"]) == (404, "The CloudCenter VM has not been created.")


def test_pcs_as_the_first_releases_answered(member: NodeUnderTest) -> None:
    text = (Path(__file__).parents[2] / "data/crm_mon/healthy.xml").read_text()
    member.runner.expect(CRM_MON, stdout=text)
    body = member.call("GET", "/pcs").body
    assert [entry["Name"] for entry in body["Nodes"]["Node"]] == ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
    assert body["Summary"]["CurrentDc"]["WithQuorum"] in ("true", "false")
    assert body["RefreshTime"] == "2026-07-01T10:00:00+09:00"
    plain = member.call("GET", "/pcs/resources").body["PCSResource"]
    assert "cloudcenter_res" in [entry["ID"] for entry in plain]
    assert all(isinstance(value, str) for entry in plain for key, value in entry.items() if key != "Node")


def test_an_old_reading_is_marked_when_pacemaker_cannot_be_asked(member: NodeUnderTest) -> None:
    sees(member, status())
    assert "stale" not in member.call("GET", "/pcs").body
    member.runner.expect(CRM_MON, stdout=DOWN, code=102)
    body = member.call("GET", "/pcs?refresh=true").body
    assert (body["stale"], body["RefreshTime"]) == (True, "2026-07-01T10:00:00+09:00")


# --- setup (contract 04 §1.6.2) ---

TEMPLATE = "var/lib/libvirt/images/ablestack-template-back.qcow2"
RBD = ["rbd", "--client-mount-timeout", "5"]


@pytest.fixture
def ready(member: NodeUnderTest) -> NodeUnderTest:
    """The only node of its Pacemaker cluster, with the files that a set-up needs."""
    document = documents.document()
    document["clusterConfig"]["pcsCluster"] = {"hostname1": hosts()[0]}
    member.write_cluster(document)
    for path in (TEMPLATE, "etc/ablestack/vmconfig/ccvm/ccvm.xml"):
        (member.root / path).parent.mkdir(parents=True)
        (member.root / path).write_text("x")
    return member


def expect_disk(node: NodeUnderTest, *, present: str = "[]") -> None:
    """Up to the disk: is anything started, which images are there, then the template becomes one."""
    sees(node, status(resource=None, nodes=hosts()[:1]))
    node.runner.expect([*RBD, "ls", "--format", "json", "--", "rbd"], stdout=present)
    if present != "[]":
        node.runner.expect([*RBD, "rename", "--", "rbd/ccvm", "rbd/ccvm-before-20260701-100000"])
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "rbd", "--", str(node.root / TEMPLATE), "rbd:rbd/ccvm"]
    node.runner.expect(convert)
    node.runner.expect([*RBD, "resize", "--no-progress", "--size", "500G", "--", "rbd/ccvm"])


def expect_resource(node: NodeUnderTest) -> None:
    """The cluster is there already; the resource is made stopped."""
    seen = status(resource=None, nodes=hosts()[:1])
    sees(node, seen, seen, seen)
    xml = node.root / "etc/ablestack/vmconfig/ccvm/ccvm.xml"
    pcs(
        node,
        *("resource", "create", RESOURCE, "ocf:heartbeat:VirtualDomain", "hypervisor=qemu:///system", f"config={xml}"),
        *("migration_transport=ssh", "meta", "allow-migrate=true", "priority=100", "op", "start", "timeout=120s"),
        *("op", "stop", "timeout=120s", "op", "monitor", "timeout=30", "interval=10", "--disabled"),
    )


def test_setup_puts_the_cloud_vm_under_pacemaker(ready: NodeUnderTest) -> None:
    expect_disk(ready)
    expect_resource(ready)
    name = hosts()[0]
    sees(ready, status("Stopped", nodes=[name]))
    pcs(ready, "resource", "cleanup", RESOURCE)
    pcs(ready, "resource", "enable", RESOURCE, version="")
    sees(ready, status("Started", name, nodes=[name]))
    answer = control(ready, "setup")
    assert answer.status == 200, answer.body
    assert answer.body["val"]["setup"] == "cloud center setup success"
    assert answer.body["val"]["cron"][0]["pcs_host"] == name


def test_setup_keeps_the_disk_of_an_earlier_installation(ready: NodeUnderTest) -> None:
    """Contract 03 W32: it could not be repeated, or deleted the image first."""
    expect_disk(ready, present='["ccvm"]')
    expect_resource(ready)
    assert control(ready, "setup", create_only=True).status == 200


def test_a_setup_that_fails_gives_everything_back(ready: NodeUnderTest) -> None:
    expect_disk(ready, present='["ccvm"]')
    sees(ready, *[status(resource=None, nodes=hosts()[:1])] * 3)
    ready.runner.expect(["pcs", "--version"], stdout="0.11.5\n")
    xml = ready.root / "etc/ablestack/vmconfig/ccvm/ccvm.xml"
    ready.runner.expect(
        [
            *("pcs", "resource", "create", RESOURCE, "ocf:heartbeat:VirtualDomain", "hypervisor=qemu:///system"),
            *(f"config={xml}", "migration_transport=ssh", "meta", "allow-migrate=true", "priority=100", "op", "start"),
            *("timeout=120s", "op", "stop", "timeout=120s", "op", "monitor", "timeout=30", "interval=10", "--disabled"),
        ],
        code=1,
        stderr="Error: unable to get cib\n",
    )
    ready.runner.expect([*RBD, "ls", "--format", "json", "--", "rbd"], stdout='["ccvm"]')
    ready.runner.expect([*RBD, "rm", "--no-progress", "--", "rbd/ccvm"])
    ready.runner.expect([*RBD, "rename", "--", "rbd/ccvm-before-20260701-100000", "rbd/ccvm"])
    answer = control(ready, "setup", create_only=True)
    assert answer.status == 502
    assert answer.body["val"]["setup"] == "cloud center setup fail"
    assert {step["step"]: step["outcome"] for step in answer.body["steps"]} == {
        "keep-old": "undone",
        "disk": "undone",
        "grow": "stays",
        "cluster": "stays",
        "resource": "failed",
    }


@pytest.mark.parametrize(
    ("missing", "told"),
    [(TEMPLATE, "ccvm template image not found"), ("etc/ablestack/vmconfig/ccvm/ccvm.xml", "ccvm xml not found")],
)
def test_setup_without_its_files_does_nothing(ready: NodeUnderTest, missing: str, told: str) -> None:
    (ready.root / missing).unlink()
    if missing == TEMPLATE:
        sees(ready, status(resource=None))
    answer = control(ready, "setup")
    assert (answer.status, told in answer.body["message"]) == (404, True)


def test_setup_over_a_running_cloud_vm(ready: NodeUnderTest) -> None:
    sees(ready, status())
    answer = control(ready, "setup")
    assert answer.status == 409
    assert "disable it first" in answer.body["message"]


def test_a_shared_file_system_that_is_not_mounted(ready: NodeUnderTest) -> None:
    document = documents.document("ablestack-vm")
    document["clusterConfig"]["pcsCluster"] = {"hostname1": document["clusterConfig"]["hosts"][0]["ablecube"]}
    ready.write_cluster(document)
    (ready.root / "proc/self").mkdir(parents=True)
    (ready.root / "proc/self/mounts").write_text("x / xfs rw 0 0\n")
    sees(ready, status(resource=None))
    answer = control(ready, "setup")
    assert (answer.status, "gfs mount point is not mounted" in answer.body["message"]) == (409, True)
