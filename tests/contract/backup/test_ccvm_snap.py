"""POST /cube/ccvm/snap (contract 04 §3): where it runs, what it never deletes, what it tells."""

import json
from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

SNAP = "/cube/ccvm/snap"
CRM_MON = ["crm_mon", "--one-shot", "--inactive", "--output-as=xml"]
OBJECT = "ablestack-api.ccvm-snapshot"
RADOS = ["rados", "--client-mount-timeout", "5", "-p", "rbd", "lock"]
TAKE = [*RADOS, "get", OBJECT, "lease", "--lock-cookie", "ablecube31-1", "--lock-duration", "3600"]
TAKE += ["--lock-type", "exclusive"]
TAKEN = "ERROR: failed locking: (16) Device or resource busy\nerror 16: (16) Device or resource busy\n"
RBD = ["rbd", "--client-mount-timeout", "5"]


def xml(role: str, node: str = "", **attributes: str) -> str:
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    inner = f'<node name="{node}" id="1" cached="true"/>' if node else ""
    resource = (
        f'<resource id="cloudcenter_res" resource_agent="ocf:heartbeat:VirtualDomain" role="{role}" active="true"{more}>'
    )
    return (
        '<pacemaker-result api-version="2.25" request="crm_mon"><summary/><nodes>'
        '<node name="10.10.32.1" id="1" online="true"/></nodes>'
        f"<resources>{resource}{inner}</resource></resources><status code='0' message='OK'/></pacemaker-result>"
    )


def entry(number: int, name: str, protected: str = "false") -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "size": 536870912000,
        "protected": protected,
        "timestamp": "Fri May  1 01:00:02 2026",
    }


@pytest.fixture
def hci(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document())
    return node


def pcs_name(number: int) -> str:
    return str(documents.document()["clusterConfig"]["pcsCluster"][f"hostname{number}"])


def lease(node: NodeUnderTest) -> None:
    node.runner.expect(TAKE)


def give_back(node: NodeUnderTest) -> None:
    lockers = {"lockers": [{"name": "client.4711", "cookie": "ablecube31-1"}]}
    node.runner.expect([*RADOS, "info", OBJECT, "lease"], stdout=json.dumps(lockers))
    node.runner.expect([*RADOS, "break", OBJECT, "lease", "client.4711", "--lock-cookie", "ablecube31-1"])


def listed(node: NodeUnderTest, *entries: dict[str, Any]) -> None:
    node.runner.expect([*RBD, "snap", "list", "--format", "json", "--", "rbd/ccvm"], stdout=json.dumps(entries))


def state(node: NodeUnderTest, role: str, where: str = "", **attributes: str) -> None:
    node.runner.expect(CRM_MON, stdout=xml(role, where, **attributes))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "unsupported action"),
        ({"action": "delete"}, "unsupported action"),
        ({"action": "rollback"}, "snap_name required"),
        ({"action": "backup", "snap_name": "a/b"}, "invalid snap_name"),
        ({"action": "backup", "snap_name": "a@b"}, "invalid snap_name"),
        ({"action": "backup", "snap_name": "--yes"}, "invalid snap_name"),
        ({"action": "backup", "snap_name": "a b"}, "invalid snap_name"),
        ({"action": "rollback", "snap_name": "a\nb"}, "invalid snap_name"),
        ({"action": "backup", "snap_name": "x" * 100}, "invalid snap_name"),
    ],
)
def test_bad_input(hci: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = hci.call("POST", SNAP, body)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_only_hci_types_have_snapshots(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    answer = node.call("POST", SNAP, {"action": "list"})
    assert (answer.status, answer.body["message"]) == (400, "unsupported cluster type")


def test_the_list_is_what_rbd_prints(hci: NodeUnderTest) -> None:
    listed(hci, entry(9, "mine"), entry(7, "auto-2026-05-01"))
    answer = hci.call("POST", SNAP, {"action": "list"})
    assert answer.body == {
        "code": 200,
        "val": [entry(7, "auto-2026-05-01"), entry(9, "mine")],
        "message": "CCVM Snapshot List Success",
        "target": "10.10.31.1",
        "action": "list",
    }


def test_a_snapshot_where_no_vm_runs(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    lease(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@2026-07-01-10:00:00"])
    listed(hci, entry(1, "2026-07-01-10:00:00"))
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "backup"})
    assert answer.status == 200, answer.body
    assert answer.body["val"] == "CCVM Snapshot Backup Create Success"
    assert (answer.body["snap_name"], answer.body["consistency"]) == ("2026-07-01-10:00:00", "crash")


def test_retention_only_sees_what_the_schedule_made(hci: NodeUnderTest) -> None:
    """Contract 04 B-18: 0.1.2 deleted what people made, and failed for ever on a protected one."""
    automatic = [entry(number, f"auto-2026-04-{number:02}") for number in range(10, 23)]
    automatic[0]["protected"] = "true"
    state(hci, "Stopped")
    lease(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@mine"])
    listed(hci, *(entry(number, f"by-hand-{number}") for number in range(9)), *automatic, entry(99, "mine"))
    for gone in ("auto-2026-04-11", "auto-2026-04-12"):
        hci.runner.expect([*RBD, "snap", "rm", "--no-progress", "--", f"rbd/ccvm@{gone}"])
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"})
    assert answer.body["deleted_snapshots"] == ["auto-2026-04-11", "auto-2026-04-12"]


def test_a_clean_up_that_fails_does_not_hide_the_snapshot(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    lease(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@mine"])
    listed(hci, *(entry(number, f"auto-{number}") for number in range(11)))
    hci.runner.expect([*RBD, "snap", "rm", "--no-progress", "--", "rbd/ccvm@auto-0"], code=16, stderr="rbd: image busy\n")
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"})
    assert answer.status == 200
    assert "image busy" in answer.body["warnings"][0]


@pytest.mark.parametrize(("name", "status"), [("auto-2026-07-01", 200), ("mine", 409)])
def test_a_name_that_is_taken(hci: NodeUnderTest, name: str, status: int) -> None:
    """The schedule of another node was faster: that is a success, and the reason why it never runs twice."""
    state(hci, "Stopped")
    lease(hci)
    if name.startswith("auto-"):
        listed(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", f"rbd/ccvm@{name}"], code=17, stderr="rbd: exists\n")
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": name})
    assert answer.status == status
    assert answer.body.get("existed", False) is (status == 200)


def test_it_is_made_where_the_vm_runs(hci: NodeUnderTest) -> None:
    state(hci, "Started", pcs_name(2))
    made = {"code": 200, "val": "x", "message": "x", "target": "10.10.31.2", "action": "backup", "snap_name": "mine"}
    hci.peers.expect("10.10.31.2", "POST", SNAP, 200, made)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"})
    assert answer.body == made
    assert hci.peers.made[0].headers["X-Cube-CCVM-Snap-Local"] == "1"
    assert hci.peers.made[0].body["require_running"] is True


def test_a_node_that_was_asked_and_did_not_answer_is_the_last_one(hci: NodeUnderTest) -> None:
    """Contract 04 B-20: it may be working; a second node would do it again."""
    state(hci, "Started", pcs_name(2))
    hci.peers.expect_unreachable("10.10.31.2", "POST", SNAP, "no complete answer", timed_out=True, connected=True)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"})
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    assert len(hci.peers.made) == 1


def test_a_vm_that_is_not_here_after_all(hci: NodeUnderTest) -> None:
    lease(hci)
    give_back(hci)
    headers = hci.internal() | {"X-Cube-CCVM-Snap-Local": "1"}
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "a", "require_running": True}, headers=headers)
    assert answer.status == 409
    assert "failed to confirm running ccvm" in answer.body["message"]


def held_by(node: NodeUnderTest, cookie: str) -> None:
    """As rados 16.2 prints it."""
    until = "2026-07-01T11:00:00.605250+0000"
    locker = {"name": "client.1", "cookie": cookie, "description": "", "expiration": until, "addr": "10.10.32.3:0/38"}
    printed = {"name": "lease", "type": "exclusive", "tag": "", "lockers": [locker]}
    node.runner.expect([*RADOS, "info", OBJECT, "lease"], stdout=json.dumps(printed))


def test_somebody_else_has_the_lease(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    hci.runner.expect(TAKE, code=1, stderr=TAKEN)
    held_by(hci, "ablecube31-3")
    answer = hci.call("POST", SNAP, {"action": "backup"})
    assert (answer.status, answer.body["holder"]) == (409, "ablecube31-3")
    assert "2026-07-01T11:00:00" in answer.body["message"]


def test_a_ceph_that_does_not_answer(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    hci.runner.expect(TAKE, code=1, stderr="failed to fetch mon config (--no-mon-config to skip)\n")
    answer = hci.call("POST", SNAP, {"action": "backup"})
    assert answer.status == 502
    assert "nothing was done: rados lock get failed: failed to fetch mon config" in answer.body["message"]


def test_a_ceph_that_is_lost_afterwards_does_not_hide_the_snapshot(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    lease(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@mine"])
    listed(hci, entry(1, "mine"))
    fault = CommandTimedOut("rados did not end within 15 s and was killed", program="rados", seconds=15)
    hci.runner.expect([*RADOS, "info", OBJECT, "lease"], raises=fault)
    assert hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"}).status == 200


def test_a_lease_that_a_killed_daemon_of_this_node_left_is_taken_over(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    hci.runner.expect(TAKE, code=1, stderr=TAKEN)
    held_by(hci, "ablecube31-1")
    held_by(hci, "ablecube31-1")
    hci.runner.expect([*RADOS, "break", OBJECT, "lease", "client.1", "--lock-cookie", "ablecube31-1"])
    lease(hci)
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@mine"])
    listed(hci, entry(1, "mine"))
    give_back(hci)
    assert hci.call("POST", SNAP, {"action": "backup", "snap_name": "mine"}).status == 200


@pytest.mark.parametrize(
    ("role", "attributes"), [("Started", {}), ("Starting", {}), ("Stopped", {}), ("Stopped", {"target_role": "Started"})]
)
def test_no_rollback_unless_it_is_stopped_and_disabled(hci: NodeUnderTest, role: str, attributes: dict[str, str]) -> None:
    """Contract 04 B-21: a stopped resource that is not disabled may be started at any moment."""
    state(hci, role, pcs_name(1) if role == "Started" else "", **attributes)
    answer = hci.call("POST", SNAP, {"action": "rollback", "snap_name": "mine"})
    assert answer.status == 409
    assert answer.body["message"].startswith("CCVM Snapshot Rollback Fail. Check if ccvm is Stopped")


def test_a_rollback_keeps_what_the_disk_held(hci: NodeUnderTest) -> None:
    state(hci, "Stopped", target_role="Stopped")
    lease(hci)
    listed(hci, entry(7, "mine"))
    hci.runner.expect([*RBD, "status", "--format", "json", "--", "rbd/ccvm"], stdout='{"watchers": []}')
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@before-rollback-2026-07-01-10:00:00"])
    hci.runner.expect([*RBD, "snap", "rollback", "--no-progress", "--", "rbd/ccvm@mine"])
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "rollback", "snap_name": "mine"})
    assert answer.status == 200, answer.body
    assert answer.body["val"] == "CCVM Snapshot Rollback Success"
    assert answer.body["safety_snapshot"] == "before-rollback-2026-07-01-10:00:00"


def test_a_rollback_that_fails_tells_where_the_old_content_is(hci: NodeUnderTest) -> None:
    state(hci, "Stopped", target_role="Stopped")
    lease(hci)
    listed(hci, entry(7, "mine"))
    hci.runner.expect([*RBD, "status", "--format", "json", "--", "rbd/ccvm"], stdout='{"watchers": []}')
    hci.runner.expect([*RBD, "snap", "create", "--no-progress", "--", "rbd/ccvm@before-rollback-2026-07-01-10:00:00"])
    fault = CommandTimedOut("rbd did not end within 1800 s and was killed", program="rbd", seconds=1800)
    hci.runner.expect([*RBD, "snap", "rollback", "--no-progress", "--", "rbd/ccvm@mine"], raises=fault)
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "rollback", "snap_name": "mine"})
    assert answer.status == 504
    assert "before-rollback-2026-07-01-10:00:00" in answer.body["message"]


def test_no_rollback_of_a_disk_that_somebody_has_open(hci: NodeUnderTest) -> None:
    state(hci, "Stopped", target_role="Stopped")
    lease(hci)
    listed(hci, entry(7, "mine"))
    watchers = {"watchers": [{"address": "10.10.32.3:0/123", "client": 5, "cookie": 1}]}
    hci.runner.expect([*RBD, "status", "--format", "json", "--", "rbd/ccvm"], stdout=json.dumps(watchers))
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "rollback", "snap_name": "mine"})
    assert answer.status == 409
    assert "open on 10.10.32.3" in answer.body["message"]


def test_no_rollback_to_what_is_not_there(hci: NodeUnderTest) -> None:
    state(hci, "Stopped", target_role="Stopped")
    lease(hci)
    listed(hci)
    give_back(hci)
    assert hci.call("POST", SNAP, {"action": "rollback", "snap_name": "mine"}).status == 404


def test_an_automatic_one_that_is_there_leaves_the_guest_alone(hci: NodeUnderTest) -> None:
    state(hci, "Stopped")
    lease(hci)
    listed(hci, entry(3, "auto-2026-07-01"))
    give_back(hci)
    answer = hci.call("POST", SNAP, {"action": "backup", "snap_name": "auto-2026-07-01"})
    assert (answer.status, answer.body["existed"]) == (200, True)
