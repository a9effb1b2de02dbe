"""The Storage Center VM's XML in every variant, as libvirt sees it (contract 03 §13, §5.3)."""

from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest

from ablestack_api.hypervisor import domain_xml
from ablestack_api.scvm import xml, xml_request
from ablestack_api.scvm.xml_models import XmlRequest
from tests.support import appliances, libvirt_schema
from tests.support.node_under_test import NodeUnderTest

DISKS: dict[str, dict[str, Any]] = {
    "raid_passthrough": {"raid_passthrough_list": ["5e:00.0", "0000:5F:00.0"]},
    "lun_passthrough": {"lun_passthrough_list": ["/dev/mapper/mpatha", "/dev/sdc"]},
    "disk_passthrough": {"disk_passthrough_list": ["/dev/disk/by-id/wwn-0x5000c500a1b2c3d4"]},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "nic_passthrough": {"server_nic_passthrough": "0000:3b:00.0", "replication_nic_passthrough": "0000:3b:00.1"},
    "nic_passthrough_bonding": {
        "server_nic_passthrough_bonding_list": ["0000:3b:00.0", "0000:3c:00.0"],
        "replication_nic_passthrough_bonding_list": ["0000:3b:00.1", "0000:3c:00.1"],
    },
    "bridge": {"server_network_bridge": "bridge1", "replication_network_bridge": "bridge2"},
}
VARIANTS = list(product(DISKS, NETWORKS, (True, False)))


@pytest.fixture
def laid(node: NodeUnderTest) -> NodeUnderTest:
    appliances.lay_templates(node)
    return node


def rendered(node: NodeUnderTest, disk: str, network: str, *, ovs: bool = False, **more: Any) -> str:
    request = XmlRequest(
        cpu=8,
        memory=32,
        management_network_bridge="bridge0",
        **{"disk_type": disk, "storage_traffic_network_type": network, **DISKS[disk], **NETWORKS[network], **more},
    )
    asked = xml_request.asked(request)
    kinds = {name: "openvswitch" if ovs else "linux" for _, name in asked.bridges}
    return xml.render(node.env, asked, xml.identity(node.env, len(asked.bridges), []), kinds)


def slots(text: str, kind: str) -> list[str]:
    root = ElementTree.fromstring(text)
    return [str(address.get("slot")) for address in root.findall(f"devices/{kind}/address[@type='pci']")]


@libvirt_schema.needs_schema
@pytest.mark.parametrize(("disk", "network", "ovs"), VARIANTS)
def test_libvirt_accepts_every_variant(laid: NodeUnderTest, disk: str, network: str, ovs: bool) -> None:
    assert libvirt_schema.fault(rendered(laid, disk, network, ovs=ovs)) == ""


@pytest.mark.parametrize(("disk", "network", "ovs"), VARIANTS)
def test_a_second_definition_replaces_the_first(laid: NodeUnderTest, disk: str, network: str, ovs: bool) -> None:
    """Weakness 16: without a UUID libvirt refused it."""
    text = rendered(laid, disk, network, ovs=ovs)
    assert libvirt_schema.define_twice(text) == domain_xml.read(text).uuid


def test_the_guest_sees_its_cards_in_the_order_of_their_names(laid: NodeUnderTest) -> None:
    text = rendered(laid, "raid_passthrough", "nic_passthrough_bonding")
    assert slots(text, "interface") == ["0x14"]
    assert slots(text, "hostdev") == ["0x15", "0x16", "0x17", "0x18", "0x19", "0x1a"]
    assert domain_xml.read(text).pci == (
        "0000:3b:00.0", "0000:3b:00.1", "0000:3c:00.0", "0000:3c:00.1", "0000:5e:00.0", "0000:5f:00.0",
    )  # fmt: skip


def test_bridges_come_right_after_the_management_card(laid: NodeUnderTest) -> None:
    text = rendered(laid, "raid_passthrough", "bridge")
    assert slots(text, "interface") == ["0x14", "0x15", "0x16"]
    assert slots(text, "hostdev") == ["0x17", "0x18"]
    assert [nic.source for nic in domain_xml.read(text).nics] == ["bridge0", "bridge1", "bridge2"]


@pytest.mark.parametrize(("disk", "device"), [("lun_passthrough", "lun"), ("disk_passthrough", "disk")])
def test_disks_handed_through(laid: NodeUnderTest, disk: str, device: str) -> None:
    found = [one for one in domain_xml.read(rendered(laid, disk, "bridge")).disks if one.target.startswith("sd")]
    given = DISKS[disk][f"{disk}_list"]
    assert [(one.target, one.source, one.device) for one in found[1:]] == [
        (f"sd{letter}", path, device) for letter, path in zip("ab", given, strict=False)
    ]


def test_as_many_disks_as_there_are_names(laid: NodeUnderTest) -> None:
    """Weakness 21: the 26th disk had the name of the cloud-init drive."""
    paths = [f"/dev/sd{chr(98 + number)}" for number in range(24)] + ["/dev/sdaa"]
    text = rendered(laid, "lun_passthrough", "bridge", lun_passthrough_list=paths)
    targets = [disk.target for disk in domain_xml.read(text).disks]
    assert len(targets) == len(set(targets)) == 27
    assert libvirt_schema.define_twice(text)


def test_as_many_controllers_as_there_are_slots(laid: NodeUnderTest) -> None:
    """Weakness 21: the slots had no upper bound; 0x1f is the SATA controller, 0x13 the sound card."""
    addresses = [f"5e:{number:02x}.0" for number in range(8)]
    text = rendered(laid, "raid_passthrough", "bridge", raid_passthrough_list=addresses)
    assert slots(text, "hostdev")[-1] == "0x1e"
    assert libvirt_schema.define_twice(text)


def test_memory_is_huge_pages(laid: NodeUnderTest) -> None:
    root = ElementTree.fromstring(rendered(laid, "raid_passthrough", "bridge"))
    assert root.find("memoryBacking/hugepages") is not None


def test_two_hosts_have_two_machines(laid: NodeUnderTest) -> None:
    first = domain_xml.read(rendered(laid, "raid_passthrough", "bridge"))
    (laid.root / "etc/machine-id").write_text("4a2ab5f6c1b84b0f9a0e3ad1a4c0c1de\n")
    second = domain_xml.read(rendered(laid, "raid_passthrough", "bridge"))
    assert first.uuid != second.uuid
    assert set(first.macs).isdisjoint(second.macs)
