"""Domains through libvirt's own test driver."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import Conflict, LibvirtFailed, LibvirtTimedOut
from ablestack_api.hypervisor import domains
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.support import machines
from tests.support.doubles import QueuedClock
from tests.support.node_under_test import NodeUnderTest

WITHOUT_UUID = "<domain type='test'><name>ccvm</name><memory unit='GiB'>1</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def hypervisor(node: NodeUnderTest) -> SystemLibvirt:
    return machines.with_domains(node, machines.domain())


def test_facts_of_a_domain(hypervisor: SystemLibvirt) -> None:
    found = domains.read(hypervisor, "ccvm")
    assert found is not None
    assert (found.state, found.vcpus, found.max_memory_kib, found.uuid) == ("running", 8, 2 * 1024**2, machines.CCVM_UUID)
    assert [(nic.mac, nic.kind, nic.source) for nic in found.nics] == [(machines.CCVM_MAC, "bridge", "bridge7")]
    assert [(disk.target, disk.source) for disk in found.disks] == [("vda", "/mnt/glue/ccvm.qcow2")]
    assert found.nic(machines.CCVM_MAC.upper()) is found.nics[0]
    assert not found.nics[0].traffic


def test_counters_only_when_asked_for(hypervisor: SystemLibvirt) -> None:
    found = domains.read(hypervisor, "ccvm", statistics=True)
    assert found is not None
    assert {"rx_bytes", "tx_bytes"} <= found.nics[0].traffic.keys()
    assert {"rd_bytes", "wr_bytes"} <= found.disks[0].requests.keys()


def test_no_such_domain_is_no_error_but_a_fault_is(hypervisor: SystemLibvirt, tmp_path: Path) -> None:
    assert domains.read(hypervisor, "scvm") is None
    assert domains.read_state(hypervisor, "scvm") is None
    assert not domains.undefine(hypervisor, "scvm", keep_nvram=True)
    with pytest.raises(LibvirtFailed):
        domains.read(SystemLibvirt(f"test://{tmp_path}/missing.xml"), "ccvm")


def test_off_and_on_again(hypervisor: SystemLibvirt) -> None:
    domains.shut_down(hypervisor, "ccvm")
    assert domains.read_state(hypervisor, "ccvm") == domains.SHUT_OFF
    domains.shut_down(hypervisor, "ccvm")  # off already: fine
    domains.destroy(hypervisor, "ccvm")
    domains.start(hypervisor, "ccvm")
    domains.start(hypervisor, "ccvm")
    assert domains.read_state(hypervisor, "ccvm") == domains.RUNNING


def test_a_domain_that_is_not_there_cannot_be_started(hypervisor: SystemLibvirt) -> None:
    with pytest.raises(Conflict, match="scvm domain not found on this node; nothing was changed"):
        domains.start(hypervisor, "scvm")


def test_a_definition_without_uuid_takes_over_the_one_that_is_there(hypervisor: SystemLibvirt) -> None:
    domains.define(hypervisor, WITHOUT_UUID)
    domains.shut_down(hypervisor, "ccvm")
    found = domains.read(hypervisor, "ccvm")
    assert found is not None
    assert (found.uuid, found.max_memory_kib) == (machines.CCVM_UUID, 1024**2)


def test_undefined_is_gone(hypervisor: SystemLibvirt) -> None:
    domains.destroy(hypervisor, "ccvm")
    assert domains.undefine(hypervisor, "ccvm", keep_nvram=False)
    assert domains.read_state(hypervisor, "ccvm") is None


def test_resources_of_the_stored_definition(hypervisor: SystemLibvirt) -> None:
    domains.set_resources(hypervisor, "ccvm", vcpus=3, memory_gib=None)
    domains.shut_down(hypervisor, "ccvm")
    found = domains.read(hypervisor, "ccvm")
    assert found is not None
    assert (found.vcpus, found.max_memory_kib, len(found.nics)) == (3, 2 * 1024**2, 1)
    domains.set_resources(hypervisor, "ccvm", vcpus=None, memory_gib=1)
    found = domains.read(hypervisor, "ccvm")
    assert found is not None
    assert (found.vcpus, found.max_memory_kib) == (3, 1024**2)


def test_waiting_looks_every_second_and_ends(hypervisor: SystemLibvirt) -> None:
    clock, looks = QueuedClock(), []
    with pytest.raises(LibvirtTimedOut, match="wait ccvm shut off timed out after 3 s: current state=running"):
        domains.wait_for(hypervisor, clock, "ccvm", [domains.SHUT_OFF], 3, lambda: looks.append(1))
    assert (clock.slept, len(looks)) == ([1.0, 1.0, 1.0], 3)
    assert domains.wait_for(hypervisor, clock, "ccvm", [domains.RUNNING], 3) == domains.RUNNING
    with pytest.raises(LibvirtTimedOut, match="wait scvm running timed out after 0 s: domain not found"):
        domains.wait_for(hypervisor, clock, "scvm", [domains.RUNNING], 0)


def test_a_guest_that_is_still_starting_is_asked_again(node: NodeUnderTest) -> None:
    """It does not see its power button before its operating system looks at it."""
    agent = machines.with_domains(node, machines.domain())
    asked: list[float] = []

    def ignored_at_first(real: Any) -> Any:
        asked.append(node.clock.monotonic())
        return real() if len(asked) == 3 else 0

    agent.hooks["shutdown"] = ignored_at_first
    domains.shut_down_and_wait(agent, node.clock, "ccvm", 300)
    assert asked == [0, 20, 40]
    assert domains.read_state(agent, "ccvm") == domains.SHUT_OFF


def test_devices_of_every_kind() -> None:
    nics, disks, pci_devices = domains.devices_of(
        """<domain><devices>
        <disk type='network' device='disk'><source protocol='rbd' name='rbd/ccvm'/><target dev='vda'/></disk>
        <disk type='file' device='cdrom'><target dev='sdz'/></disk>
        <interface type='network'><mac address='00:24:81:AA:00:01'/><source network='default'/></interface>
        <interface type='user'><mac address='00:24:81:aa:00:02'/></interface>
        <hostdev mode='subsystem' type='pci'>
          <source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source>
        </hostdev></devices></domain>"""
    )
    assert [(nic.mac, nic.kind, nic.source) for nic in nics] == [
        ("00:24:81:aa:00:01", "network", "default"),
        ("00:24:81:aa:00:02", "user", "N/A"),
    ]
    assert [(disk.target, disk.device, disk.source) for disk in disks] == [("vda", "disk", "rbd/ccvm"), ("sdz", "cdrom", "")]
    assert pci_devices == ("0000:3b:00.1",)
    assert domains.devices_of("<domain/>") == ((), (), ())
