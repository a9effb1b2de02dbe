"""Three hosts with shared disks, each sure that it is the whole system."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents, whole_system
from tests.support.answer import Answer
from tests.support.network import Network
from tests.support.node_under_test import NodeUnderTest
from tests.support.shared_storage import EMPTY_CIB, Disk, Storage, StorageMachine

PATH = "/cube/gfs/manage"
ADDRESSES = ["10.10.31.1", "10.10.31.2", "10.10.31.3"]
LVM_CONF = """# This is an example configuration file.
devices {
	# Configuration option devices/use_devicesfile.
	# use_devicesfile = 0
	dir = "/dev"
}
global {
	# use_lvmlockd = 1
	umask = 077
	use_lvmlockd = 0	# locks
}
"""


class GfsCluster:
    """`storage` is what they share, `machines` their programs."""

    def __init__(self, folder: Path) -> None:
        self.network = Network(folder)
        document = documents.document("ablestack-vm")
        self.nodes = self.network.add_hosts("ablestack-vm", document)
        self.storage = Storage(disks={"/dev/sdb": Disk(), "/dev/sdc": Disk()})
        self.machines = [self._machine(node) for node in self.nodes]

    def _machine(self, node: NodeUnderTest) -> StorageMachine:
        whole_system.believe(node)
        machine = StorageMachine(self.storage, node.root)
        node.env = replace(node.env, runner=machine)
        (node.root / "etc/lvm").mkdir(parents=True)
        (node.root / "etc/lvm/lvm.conf").write_text(LVM_CONF)
        (node.root / "etc/corosync").mkdir(parents=True)
        self._links(node.root)
        return machine

    @staticmethod
    def _links(root: Path) -> None:
        folder = root / "dev/disk/by-id"
        folder.mkdir(parents=True)
        (folder / "wwn-0x600a0b80000aa1ab").symlink_to("../../sdb")
        (folder / "wwn-0x600a0b80000aa2ac").symlink_to("../../sdc")

    def post(self, body: Any, *, query: str = "", on: int = 0, headers: dict[str, str] | None = None) -> Answer:
        sent = {**self.nodes[on].bearer(), **(headers or {})}
        return self.nodes[on].call("POST", PATH + query, body, headers=sent)

    def local(self, body: dict[str, Any], *, on: int = 0) -> Answer:
        """As another node asks."""
        sent = {**self.nodes[on].internal(), "X-Cube-GFS-Manage-Local": "1"}
        return self.nodes[on].call("POST", PATH, body, headers=sent)

    def run_cluster(self) -> None:
        """A running, empty cluster."""
        self.storage.cib, self.storage.nodes = EMPTY_CIB, list(ADDRESSES)
        for node in self.nodes:
            (node.root / "etc/corosync/corosync.conf").write_text("totem {\n}\n")

    def add_locking(self) -> None:
        self.run_cluster()
        devices = [{"ipaddr": f"192.168.0.{n}", "login": "admin", "passwd": f"fence-secret-{n}"} for n in (1, 2, 3)]
        answer = self.post({"action": "configure-stonith", "stonith": devices})
        assert answer.status == 200, answer.body

    def create(self, **more: Any) -> Answer:
        return self.post({"action": "create-gfs", "disks": ["/dev/disk/by-id/wwn-0x600a0b80000aa1ab"], **more})

    def mount(self) -> None:
        """What the cluster does with the resources: the file system is mounted on every node."""
        for node in self.nodes:
            (node.root / "proc/self").mkdir(parents=True, exist_ok=True)
            (node.root / "proc/self/mounts").write_text("/dev/mapper/vg_glue-lv_glue /mnt/glue-gfs gfs2 rw,noatime 0 0\n")

    def programs(self) -> list[str]:
        return [" ".join(argv) for machine in self.machines for argv in machine.ran]

    def forget_runs(self) -> None:
        for machine in self.machines:
            machine.ran.clear()
            machine.stdin.clear()

    def finish(self) -> None:
        for machine in self.machines:
            machine.finish()
        self.network.finish()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[GfsCluster]:
    under_test = GfsCluster(tmp_path)
    yield under_test
    under_test.finish()


@pytest.fixture
def ready(cluster: GfsCluster) -> GfsCluster:
    """With fencing and locks: a file system can be made."""
    cluster.add_locking()
    cluster.forget_runs()
    return cluster
