"""What a host of the cluster runs when it steers the resource of the Cloud Center VM, and what Pacemaker then prints."""

from typing import Any

from ablestack_api.tools import crm_mon
from tests.support import documents, pacemaker_xml
from tests.support.node_under_test import NodeUnderTest

RESOURCE = "cloudcenter_res"
RBD = ["rbd", "--client-mount-timeout", "5"]
OTHERS = ("10.10.31.2", "10.10.31.3")
VERSION = ["pcs", "--version"]


def nodes(cluster_type: str) -> tuple[str, ...]:
    """The names of the Pacemaker cluster's nodes."""
    hosts = [documents.host(number, cluster_type) for number in (1, 2, 3)]
    return tuple(host.get("ablecubePn", host["ablecube"]) for host in hosts)


class Cluster:
    """Queues programs on a node, in the words of one cluster type."""

    def __init__(self, node: NodeUnderTest, cluster_type: str = "ablestack-hci") -> None:
        self.node = node
        self.names = nodes(cluster_type)

    def state(self, role: str = "Started", **more: Any) -> None:
        told = pacemaker_xml.status(role, self.names[0], nodes=self.names, **more)
        self.node.runner.expect(list(crm_mon.ARGV), stdout=told)

    def disabled(self) -> None:
        self.state("Stopped", target_role="Stopped")

    def no_resource(self) -> None:
        self.state(resource=None)

    def pcs(self, *words: str, code: int = 0, stderr: str = "") -> None:
        self.node.runner.expect(VERSION, stdout="0.11.5\n")
        self.node.runner.expect(["pcs", *words], code=code, stderr=stderr)

    def starts(self, *, before: str = "Stopped") -> None:
        """Pacemaker is told to start it, and has after one look."""
        self.state(before)
        self.pcs("resource", "cleanup", RESOURCE)
        self.node.runner.expect(["pcs", "resource", "enable", RESOURCE])
        self.state("Stopped")
        self.state("Started")

    def stops(self) -> None:
        """Pacemaker is told to stop it, and has after one look."""
        self.state("Started")
        self.pcs("resource", "disable", RESOURCE)
        self.state("Started", target_role="Stopped")
        self.disabled()

    def rbd(self, *words: str, stdout: str = "", code: int = 0, stderr: str = "") -> None:
        self.node.runner.expect([*RBD, *words], stdout=stdout, code=code, stderr=stderr)

    def image(self, *, snapshots: str = "[]") -> None:
        """Ceph has the disk."""
        self.rbd("ls", "--format", "json", "--", "rbd", stdout='["ccvm","other"]')
        self.rbd("snap", "list", "--format", "json", "--", "rbd/ccvm", stdout=snapshots)

    def no_image(self) -> None:
        self.rbd("ls", "--format", "json", "--", "rbd", stdout="[]")

    def nowhere(self) -> None:
        """No other host has the domain."""
        for address in OTHERS:
            self.node.peers.expect(address, "GET", "/cube/ccvm/status", body={"code": 200, "val": None})

    def others_clean(self) -> None:
        for address in OTHERS:
            self.node.peers.expect(address, "POST", "/cube/ccvm/lifecycle", body={"code": 200, "val": "cleaned"})

    def flags(self, *names: str) -> None:
        """The profile is changed by this node's own configuration call."""
        results = [{"role": "host", "target": "10.10.31.1", "code": 200, "message": "ok"}]
        for _ in names:
            value = {"message": "apply success", "results": results}
            self.node.peers.expect("10.10.31.1", "POST", "/cube/system/config", body={"code": 200, "val": value})
