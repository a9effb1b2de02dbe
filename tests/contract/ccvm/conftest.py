"""Nodes around the Cloud Center VM: a host with libvirt's test driver, and the VM itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import documents, machines
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def host(node: NodeUnderTest) -> NodeUnderTest:
    """The first host of a configured HCI cluster."""
    node.write_cluster(documents.document())
    return node


@pytest.fixture
def hypervisor(host: NodeUnderTest) -> ScriptedAgent:
    """The host's libvirt, on which the domain `ccvm` runs."""
    return machines.with_domains(host, machines.domain())


@pytest.fixture
def ccvm(tmp_path: Path) -> Iterator[NodeUnderTest]:
    """The node inside the Cloud Center VM, with the kernel's files of one."""
    under_test = NodeUnderTest(tmp_path / "ccvm", ABLESTACK_API_LISTEN="10.10.31.10:8090")
    (under_test.root / "etc/hostname").write_text("ccvm\n")
    under_test.write_cluster(documents.document())
    lay_out_guest(under_test.root)
    yield under_test
    under_test.finish()


def lay_out_guest(root: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal:       16094212 kB\nMemFree:         1000000 kB\nMemAvailable:    9081868 kB\n",
        "proc/net/route": (
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
            "eth9\t00000000\t01000A0A\t0003\t0\t0\t900\t00000000\t0\t0\t0\n"
            "enp0s20\t00000000\tFE000A0A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            "enp0s20\t00000A0A\t00000000\t0001\t0\t0\t100\t0000FFFF\t0\t0\t0\n"
        ),
        "sys/devices/system/cpu/online": "0-7\n",
        "sys/class/net/enp0s20/address": f"{machines.CCVM_MAC}\n",
        "sys/class/dmi/id/product_uuid": f"{machines.CCVM_UUID}\n",
        "etc/resolv.conf": "search example\nnameserver 10.10.0.2\nnameserver 10.10.0.3\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def expect_guest_programs(node: NodeUnderTest) -> None:
    address = '[{"ifname":"enp0s20","addr_info":[{"family":"inet","local":"10.10.31.10","prefixlen":16,"scope":"global"}]}]'
    node.runner.expect(["ip", "-j", "-4", "addr", "show", "dev", "enp0s20"], stdout=address)
    node.runner.expect(["systemctl", "is-active", "--", "mold.service", "mysqld"], stdout="active\nfailed\n", code=3)
    node.runner.expect(["df", "-h"], stdout=(DATA / "df/ccvm.txt").read_text())
