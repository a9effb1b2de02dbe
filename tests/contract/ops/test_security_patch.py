"""POST /cube/security/patch (contract 06 §3.1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut, ProgramMissing
from ablestack_api.remote import ssh
from ablestack_api.remote.ssh import SshFailed
from tests.support import documents, whole_system
from tests.support.answer import Answer
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest

PATCH = "/cube/security/patch"
DONE = "changed: /etc/motd\nPermissions have been updated.\n"
GUEST = "/usr/local/sbin/security_patch.sh"
HCI = "ablestack-hci"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeUnderTest]:
    made = whole_system.believe(NodeUnderTest(tmp_path))
    made.write_cluster(documents.document("ablestack-vm", ccvm="true"))
    yield made
    made.finish()


def patch(node: NodeUnderTest, **body: Any) -> Answer:
    return node.call("POST", PATCH, body)


def script(node: NodeUnderTest) -> str:
    return node.settings.security_patch_script


def by_ip(answer: Answer) -> dict[str, dict[str, Any]]:
    return {each["ip"]: each for each in answer.body["val"]["targets"]}


def test_every_node_of_the_cluster(node: NodeUnderTest) -> None:
    for address in ("10.10.31.2", "10.10.31.3"):
        node.ssh.expect(address, [script(node)], stdout=DONE)
    node.ssh.expect("10.10.31.10", [GUEST], stdout=DONE)
    node.runner.expect([script(node)], stdout=DONE)
    answer = patch(node)
    assert (answer.status, answer.body["message"], answer.body["retname"]) == (200, "ok", "Security Update")
    assert answer.body["val"]["summary"] == {
        "json": node.settings.cluster_json,
        "total": 4,
        "success": 4,
        "failed": 0,
        "dryRun": False,
        "maxRetries": 3,
        "retryDelaySec": 2,
        "successPattern": "Permissions have been updated.",
        "clusterType": "ablestack-vm",
        "connectPort": 22,
        "sshUser": "root",
    }
    assert list(by_ip(answer)) == ["10.10.31.1", "10.10.31.2", "10.10.31.3", "10.10.31.10"], "sorted by address"
    assert by_ip(answer)["10.10.31.10"] == {
        "ip": "10.10.31.10",
        "targetKind": "ccvm",
        "scriptPath": GUEST,
        "connectPort": 22,
        "ok": True,
        "rc": 0,
        "stdout": DONE,
        "changes": ["changed: /etc/motd"],
        "attempts": 1,
        "successAttempt": 1,
        "successPattern": "Permissions have been updated.",
        "clusterType": "ablestack-vm",
        "transport": "ssh",
    }
    own = by_ip(answer)["10.10.31.1"]
    assert (own["isLocal"], own["transport"], "connectPort" in own) == (True, "local", False)


def test_storage_vms_are_called_on_the_storage_network(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document(HCI, scvm="true"))
    for number in (11, 12, 13):
        node.ssh.expect(f"100.100.31.{number}", [GUEST], stdout=DONE, port=2022, user="admin")
    answer = patch(node, targets=["scvm"], ssh_port=2022, ssh_user="admin")
    assert (answer.status, len(by_ip(answer))) == (200, 3)


@pytest.mark.parametrize(
    ("code", "stdout", "rc"), [(0, "nothing said\n", 1), (1, DONE, 1), (75, "", 75)], ids=["silent", "failed", "busy"]
)
def test_only_an_end_that_is_good_and_says_so_counts(node: NodeUnderTest, code: int, stdout: str, rc: int) -> None:
    for _ in range(3):
        node.runner.expect([script(node)], stdout=stdout, stderr="why\n", code=code)
    answer = patch(node, local=True)
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:peers_failed")
    told = answer.body["val"]["targets"][0]
    assert (told["ok"], told["rc"], told["attempts"]) == (False, rc, 3)
    assert node.clock.slept == [2.0, 2.0]
    assert answer.body["val"]["summary"]["failed"] == 1


def test_the_third_time(node: NodeUnderTest) -> None:
    for code in (1, 1, 0):
        node.runner.expect([script(node)], stdout=DONE, code=code)
    answer = patch(node, local=True)
    assert (answer.status, answer.body["val"]["targets"][0]["successAttempt"]) == (200, 3)


def test_a_script_that_is_not_there_or_never_ends(node: NodeUnderTest) -> None:
    node.runner.expect([script(node)], raises=ProgramMissing("gone", program="x", package="x"))
    assert patch(node, local=True).body["val"]["targets"][0]["rc"] == 127
    for _ in range(3):
        node.runner.expect([script(node)], raises=CommandTimedOut("too long", program="x", seconds=1800))
    assert patch(node, local=True).body["val"]["targets"][0]["rc"] == 124


@pytest.mark.parametrize(
    ("error", "times", "rc"),
    [
        (SshFailed(ssh.CONNECT, "no connection to port 22: refused"), 3, 255),
        (SshFailed(ssh.CONNECT, "no SSH login: Error reading SSH protocol banner"), 3, 255),
        (SshFailed(ssh.HOST_KEY, "its SSH host key is not trusted unseen"), 1, 255),
        (SshFailed(ssh.LOGIN, "the login of root was refused"), 1, 255),
        (SshFailed(ssh.RUN, "the command did not end in time", timed_out=True), 1, 124),
    ],
)
def test_a_node_that_cannot_be_had(node: NodeUnderTest, error: SshFailed, times: int, rc: int) -> None:
    """The others are done all the same. What cannot change is not tried again; what may still run is not started twice."""
    for _ in range(times):
        node.ssh.expect("10.10.31.2", [script(node)], fails=error)
    node.ssh.expect("10.10.31.3", [script(node)], stdout=DONE)
    node.runner.expect([script(node)], stdout=DONE)
    answer = patch(node, targets=["ablecube"])
    assert (answer.status, answer.body["val"]["summary"]["success"]) == (502, 2)
    told = by_ip(answer)["10.10.31.2"]
    assert (told["ok"], told["rc"], told["stderr"]) == (False, rc, error.reason)
    assert error.reason in answer.body["message"]


def test_a_guest_that_is_not_deployed_is_skipped(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    for _ in range(3):
        node.ssh.expect("10.10.31.10", [GUEST], fails=SshFailed(ssh.CONNECT, "no connection"))
    answer = patch(node, targets=["ccvm"])
    assert (answer.status, answer.body["val"]["summary"]["failed"]) == (200, 0)
    assert "not deployed yet" in by_ip(answer)["10.10.31.10"]["skipped"]


def moved(node: NodeUnderTest, *more: str) -> list[str]:
    return [script(node), "-P", "2222", "--port-change", *more]


def test_the_old_port_closes_after_the_new_one_is_proven(node: NodeUnderTest) -> None:
    for address in ("10.10.31.2", "10.10.31.3"):
        node.ssh.expect(address, moved(node, "--keep-old-port"), stdout=DONE)
        node.ssh.expect(address, ["true"], port=2222)
        node.ssh.expect(address, moved(node), port=2222, stdout="changed: closed\nPermissions have been updated.\n")
    node.runner.expect(moved(node), stdout=DONE)
    answer = patch(node, targets=["ablecube"], new_port=2222, port_change=True)
    assert answer.status == 200, answer.body
    told = by_ip(answer)["10.10.31.2"]
    assert (told["changeTo"], told["connectPort"], told["changes"]) == (2222, 22, ["changed: /etc/motd", "changed: closed"])
    assert answer.body["val"]["summary"]["requestedNewPort"] == 2222


def test_a_new_port_that_nobody_reaches_is_given_up_through_the_old_one(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm", ccvm="true"))
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--keep-old-port"], stdout=DONE)
    node.ssh.expect("10.10.31.10", ["true"], port=2222, fails=SshFailed(ssh.CONNECT, "a firewall drops packets"))
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "22", "--port-change"], stdout=DONE)
    answer = patch(node, targets=["ccvm"], new_port=2222)
    told = by_ip(answer)["10.10.31.10"]
    assert (answer.status, told["ok"]) == (502, False)
    assert told["stderr"].endswith("a firewall drops packets; it listens on port 22 alone again")


def test_a_port_that_cannot_be_put_back_is_told_with_the_reason(node: NodeUnderTest) -> None:
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--keep-old-port"], stdout=DONE)
    node.ssh.expect("10.10.31.10", ["true"], port=2222, fails=SshFailed(ssh.CONNECT, "a firewall drops packets"))
    gone = SshFailed(ssh.RUN, "the connection broke while the command ran")
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "22", "--port-change"], fails=gone)
    told = by_ip(patch(node, targets=["ccvm"], new_port=2222))["10.10.31.10"]
    assert told["stderr"].endswith("a firewall drops packets; it still listens on both: " + gone.reason)


def test_an_old_port_that_cannot_be_closed_is_told(node: NodeUnderTest) -> None:
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--keep-old-port"], stdout=DONE)
    node.ssh.expect("10.10.31.10", ["true"], port=2222)
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--port-change"], port=2222, fails=SshFailed(ssh.LOGIN, "refused"))
    answer = patch(node, targets=["ccvm"], new_port=2222)
    told = by_ip(answer)["10.10.31.10"]
    assert (answer.status, told["stderr"]) == (502, "port 2222 works; the one before was not closed: refused")


def test_a_node_that_was_moved_before_is_found(node: NodeUnderTest) -> None:
    for _ in range(3):
        node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--keep-old-port"], fails=SshFailed(ssh.CONNECT, "refused"))
    node.ssh.expect("10.10.31.10", ["true"], port=2222)
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--keep-old-port"], port=2222, stdout=DONE)
    node.ssh.expect("10.10.31.10", ["true"], port=2222)
    node.ssh.expect("10.10.31.10", [GUEST, "-P", "2222", "--port-change"], port=2222, stdout=DONE)
    assert patch(node, targets=["ccvm"], new_port=2222).status == 200


def test_the_port_of_this_node_is_where_the_others_listen_too(node: NodeUnderTest) -> None:
    place = node.root / "etc/ssh/sshd_config"
    place.parent.mkdir()
    place.write_text("Port 2200\n")
    node.ssh.expect("10.10.31.10", [GUEST], port=2200, stdout=DONE)
    assert patch(node, targets=["ccvm"]).body["val"]["summary"]["connectPort"] == 2200


def test_a_dry_run_calls_nobody(node: NodeUnderTest) -> None:
    answer = patch(node, dry_run=True, new_port=2222)
    assert (answer.status, answer.body["val"]["summary"]["dryRun"]) == (200, True)
    commands = {ip: each["dryRunCmd"] for ip, each in by_ip(answer).items()}
    assert commands["10.10.31.1"] == f"{script(node)} -P 2222"
    assert commands["10.10.31.10"] == f"ssh -p 22 root@10.10.31.10 '{GUEST} -P 2222'"
    assert {(each["ok"], each["rc"], each["retriesPlanned"], each["retryDelaySec"]) for each in by_ip(answer).values()} == {
        (True, 0, 3, 2)
    }


def test_a_new_host(node: NodeUnderTest) -> None:
    """Its own storage VM by the address of cluster.json, in both types that have one."""
    for kind in ("ablestack-hci", "ablestack-hci-filesystem"):
        node.write_cluster(documents.document(kind))
        node.runner.expect([script(node)], stdout=DONE)
        node.ssh.expect("100.100.31.11", [GUEST], stdout=DONE)
        answer = patch(node, add_host=True)
        summary = answer.body["val"]["summary"]
        assert (answer.status, summary["alone"], summary["scvmIncluded"]) == (200, True, True)
    node.write_cluster(documents.document("ablestack-vm"))
    node.runner.expect([script(node)], stdout=DONE)
    assert patch(node, add_host=True).body["val"]["summary"]["scvmIncluded"] is False


def test_cephadm(node: NodeUnderTest) -> None:
    node.runner.expect([script(node), "-P", "2222", "--ceph-ssh-change"], stdout=DONE)
    answer = patch(node, ceph_ssh_change=True, new_port=2222)
    assert (answer.status, answer.body["val"]["summary"]["cephSshChange"]) == (200, True)


@pytest.mark.parametrize(("targets", "path"), [(["ccvm"], GUEST), (["all"], ""), ([], "")])
def test_this_node_alone(node: NodeUnderTest, targets: list[str], path: str) -> None:
    node.runner.expect([path or script(node)], stdout=DONE)
    assert patch(node, local=True, targets=targets).status == 200


def test_no_targets(node: NodeUnderTest) -> None:
    answer = patch(node, targets=["scvm"])
    assert (answer.status, answer.body["val"]["summary"]["message"]) == (200, "no targets")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"new_port": 0}, "invalid port: 0"),
        ({"new_port": 65536}, "invalid port: 65536"),
        ({"ssh_port": -1}, "invalid port: -1"),
        ({"targets": ["moon"]}, "invalid target: moon"),
        ({"targets": ["10.10.99.9"]}, "invalid target: 10.10.99.9"),
        ({"port_change": True}, "port_change requires new_port"),
        ({"ceph_ssh_change": True}, "ceph_ssh_change requires new_port"),
        ({"json": "cluster.json"}, "json must be an absolute path"),
    ],
)
def test_bad_requests(node: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = patch(node, **body)
    assert (answer.status, answer.body["message"]) == (400, message)


@pytest.mark.parametrize(
    "body",
    [{"ssh_user": "-oProxyCommand=x"}, {"ssh_user": "a b"}, {"json": "/etc/shadow"}, {"new_port": "x"}, {"local": "x"}],
)
def test_more_bad_requests(node: NodeUnderTest, body: dict[str, Any]) -> None:
    answer = patch(node, **body)
    assert answer.status == 400
    assert "root:" not in str(answer.body)


def test_the_own_cluster_json_may_be_named(node: NodeUnderTest) -> None:
    assert patch(node, json=node.settings.cluster_json, dry_run=True).status == 200


def test_without_a_cluster(node: NodeUnderTest) -> None:
    node.cluster_json.unlink()
    assert patch(node).status == 500


def test_a_node_in_a_folder_leaves_its_system_alone(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path)
    node.write_cluster(documents.document("ablestack-vm"))
    answer = patch(node, local=True)
    assert (answer.status, "folder" in answer.body["val"]["targets"][0]["skipped"]) == (200, True)


def test_the_guard(node: NodeUnderTest) -> None:
    assert node.call("POST", PATCH, {}, headers={}).status == 401


def test_the_flag_on_every_host_or_on_none(tmp_path: Path) -> None:
    network = Network(tmp_path)
    hosts = network.add_hosts(HCI, documents.document(HCI))
    answer = patch(hosts[0], update_json_file=True)
    assert (answer.status, answer.body["val"]["summary"]["val"]) == (200, "security_patch.status = true")
    assert {host.cluster()["systemProfile"]["security_patch"]["status"] for host in hosts} == {"true"}
    assert len(answer.body["val"]["results"]) == 3
    for host in hosts:
        host.write_cluster(documents.document(HCI))
    del network.nodes["10.10.31.3"]
    answer = patch(hosts[0], update_json_file=True, retname="Mine")
    assert (answer.status, answer.body["retname"]) == (502, "Mine Error")
    assert answer.body["message"].startswith("security patch error: ")
    assert {host.cluster()["systemProfile"]["security_patch"]["status"] for host in hosts} == {"false"}
    network.finish()


def test_the_flag_of_this_node_alone(node: NodeUnderTest) -> None:
    assert patch(node, update_json_file=True, local=True).status == 200
    assert node.cluster()["systemProfile"]["security_patch"]["status"] == "true"
