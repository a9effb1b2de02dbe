"""What an insert does on a whole system beside its files: services, modules, and the way back when one of them fails."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandTimedOut, ProgramMissing
from ablestack_api.core.runner import Finished
from ablestack_api.core.secret import Secret
from tests.support import documents, whole_system
from tests.support.doubles import QueuedRunner
from tests.support.node_under_test import NodeUnderTest

LOCAL = "/cube/cluster/apply-local"
RESTART = ["systemctl", "restart", "--", "chronyd"]
RESTART_FAILURES: list[tuple[dict[str, Any], int]] = [
    ({"code": 1, "stderr": "Job for chronyd.service failed\n"}, 502),
    ({"raises": CommandTimedOut("systemctl did not end within 15 s", program="systemctl", seconds=15)}, 504),
    ({"raises": ProgramMissing("systemctl is not installed", program="systemctl", package="systemd")}, 503),
]


class WithoutKeyscan(QueuedRunner):
    """The scan of SSH keys runs beside the request, at any moment: on these nodes its program is missing."""

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        if argv[0] == "ssh-keyscan":
            raise ProgramMissing("ssh-keyscan is not installed", program="ssh-keyscan", package="openssh-clients")
        return super().run(argv, timeout=timeout, stdin=stdin, ok=ok)


@pytest.fixture
def whole(node: NodeUnderTest) -> Iterator[NodeUnderTest]:
    node.runner = WithoutKeyscan()
    node.env = replace(node.env, runner=node.runner)
    yield whole_system.believe(node)
    for thread in threading.enumerate():
        if thread.name == "known-hosts":
            thread.join(5)


def chrony(node: NodeUnderTest) -> Path:
    return node.root / "etc/chrony.conf"


def configure(node: NodeUnderTest, hosts: str) -> tuple[bytes, ...]:
    """A configured node whose /etc/hosts says `hosts`; its files."""
    node.write_cluster(documents.document())
    node.hosts_file.write_text(hosts)
    chrony(node).write_text("# by hand\n")
    return files(node)


def files(node: NodeUnderTest) -> tuple[bytes, ...]:
    return (node.cluster_json.read_bytes(), node.hosts_file.read_bytes(), chrony(node).read_bytes())


def failed_insert(node: NodeUnderTest, printed: dict[str, Any]) -> int:
    """The error is the program's own; chrony is told to read its old file again."""
    node.runner.expect(RESTART, **printed)
    node.runner.expect(RESTART)
    return node.call("POST", LOCAL, documents.insert(external_timeserver="other.example")).status


@pytest.mark.parametrize(("printed", "status"), RESTART_FAILURES)
def test_an_insert_is_undone_when_chrony_does_not_restart(
    whole: NodeUnderTest, printed: dict[str, Any], status: int
) -> None:
    before = configure(whole, "127.0.0.1 localhost\n")
    assert failed_insert(whole, printed) == status
    after = files(whole)
    assert (after[0], after[2]) == (before[0], before[2])


@pytest.mark.parametrize("hosts", ["127.0.0.1 localhost\n", "10.10.31.10\tccvm-mngt ccvm\n127.0.0.1 localhost\n"])
def test_the_hosts_file_comes_back_to_the_byte(whole: NodeUnderTest, hosts: str) -> None:
    before = configure(whole, hosts)
    failed_insert(whole, RESTART_FAILURES[0][0])
    assert files(whole) == before


def expect_insert(node: NodeUnderTest, *, openvswitch: bool = False, timer: str = "") -> None:
    active = ["systemctl", "is-active", "--quiet", "--", "openvswitch"]
    runner = node.runner
    runner.expect(RESTART)
    runner.expect(active, code=0 if openvswitch else 3)
    runner.expect(active, code=0 if openvswitch else 3)
    if not openvswitch:
        runner.expect(["modprobe", "--", "br_netfilter"])
        runner.expect(["sysctl", "-q", "-p", str(node.root / "etc/sysctl.d/90-ablestack-bridge.conf")])
    if timer:
        runner.expect(["systemctl", "cat", "--", timer])
        runner.expect(["systemctl", "enable", "--now", "--", timer])


def insert(node: NodeUnderTest, cluster_type: str) -> dict[str, str]:
    answer = node.call("POST", LOCAL, documents.insert(cluster_type))
    assert answer.status == 200, answer.body
    return {step["step"]: step["outcome"] for step in answer.body["steps"]}


@pytest.mark.parametrize(
    ("cluster_type", "timer"),
    [
        ("ablestack-hci", "cleanup-rbd.timer"),
        ("ablestack-hci-filesystem", ""),
        ("ablestack-vm", "auto-umount.timer"),
        ("ablestack-standalone", ""),
    ],
)
def test_an_insert_prepares_the_host(whole: NodeUnderTest, cluster_type: str, timer: str) -> None:
    expect_insert(whole, timer=timer)
    steps = insert(whole, cluster_type)
    assert steps["bridge filtering: settings"] == steps["bridge filtering: kernel"] == "done"
    assert steps["bridge filtering: libvirt filter"] == "skipped"  # there is no filter file on this node
    if timer:
        assert steps[f"timer {timer}"] == "done"
    assert (whole.root / "etc/modules-load.d/ablestack.conf").read_text() == "br_netfilter\n"
    assert "net.bridge.bridge-nf-call-iptables=1\n" in (whole.root / "etc/sysctl.d/90-ablestack-bridge.conf").read_text()


def test_open_vswitch_filters_by_itself(whole: NodeUnderTest) -> None:
    expect_insert(whole, openvswitch=True)
    steps = insert(whole, "ablestack-standalone")
    assert steps["bridge filtering: settings"] == steps["bridge filtering: kernel"] == "skipped"
    assert not (whole.root / "etc/sysctl.d").exists()


def test_a_step_of_the_host_that_fails_is_told_and_does_not_fail_the_insert(whole: NodeUnderTest) -> None:
    runner = whole.runner
    missing: ApiError = ProgramMissing("the program systemctl is not installed", program="systemctl", package="systemd")
    runner.expect(RESTART)
    runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"], raises=missing)
    runner.expect(["systemctl", "is-active", "--quiet", "--", "openvswitch"], raises=missing)
    runner.expect(["systemctl", "cat", "--", "cleanup-rbd.timer"], code=1)
    steps = insert(whole, "ablestack-hci")
    assert steps["bridge filtering: settings"] == steps["bridge filtering: kernel"] == "failed"
    assert steps["timer cleanup-rbd.timer"] == "skipped"
