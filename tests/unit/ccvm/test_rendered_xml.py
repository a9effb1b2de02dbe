"""The Cloud Center VM's XML in every variant, as libvirt sees it (contract 03 §3.2, §5)."""

import json
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ablestack_api.ccvm import xml
from ablestack_api.ccvm.xml_models import XmlRequest
from ablestack_api.hypervisor import domain_xml
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.state.cluster_document import ClusterConfig, parse
from tests.support import appliances, documents, libvirt_schema
from tests.support.node_under_test import NodeUnderTest

SLOT = "address/[@slot]"
VARIANTS = list(product((*documents.TYPES, "ablestack-other"), (True, False), (True, False)))


@pytest.fixture
def laid(node: NodeUnderTest) -> NodeUnderTest:
    appliances.lay_templates(node)
    return node


def config(cluster_type: str) -> ClusterConfig:
    return parse(json.dumps(documents.document(cluster_type)).encode()).cluster


def request(*, service: bool = False) -> XmlRequest:
    more = {"service_network_bridge": "bridge1"} if service else {}
    return XmlRequest(cpu=8, memory=16, management_network_bridge="bridge0", gfs_mount_point="/mnt/glue-gfs", **more)


def rendered(
    node: NodeUnderTest, cluster_type: str, *, service: bool = False, ovs: bool = False, who: Identity | None = None
) -> str:
    asked, cluster = request(service=service), config(cluster_type)
    kinds = dict.fromkeys(("bridge0", "bridge1"), "openvswitch" if ovs else "linux")
    return xml.render(node.env, cluster, asked, who or xml.identity(cluster, asked, []), kinds)


@libvirt_schema.needs_schema
@pytest.mark.parametrize(("cluster_type", "service", "ovs"), VARIANTS)
def test_libvirt_accepts_every_variant(laid: NodeUnderTest, cluster_type: str, service: bool, ovs: bool) -> None:
    text = rendered(laid, cluster_type, service=service, ovs=ovs)
    assert libvirt_schema.fault(text) == ""


@pytest.mark.parametrize(("cluster_type", "service", "ovs"), VARIANTS)
def test_a_second_definition_replaces_the_first(laid: NodeUnderTest, cluster_type: str, service: bool, ovs: bool) -> None:
    text = rendered(laid, cluster_type, service=service, ovs=ovs)
    assert text == rendered(laid, cluster_type, service=service, ovs=ovs)
    assert libvirt_schema.define_twice(text) == domain_xml.read(text).uuid


@pytest.mark.parametrize(
    ("cluster_type", "source"),
    [
        ("ablestack-hci", "rbd/ccvm"),
        ("ablestack-hci-filesystem", "rbd/ccvm"),
        ("ablestack-vm", "/mnt/glue-gfs/ccvm.qcow2"),
        ("ablestack-standalone", "/mnt/glue/ccvm.qcow2"),
        ("ablestack-other", "/var/lib/libvirt/images/ablestack-template.qcow2"),
    ],
)
def test_the_disk_of_each_type(laid: NodeUnderTest, cluster_type: str, source: str) -> None:
    disks = domain_xml.read(rendered(laid, cluster_type)).disks
    assert [(disk.target, disk.source) for disk in disks] == [
        ("sdz", "/var/lib/libvirt/images/ccvm-cloudinit.iso"),
        ("vda", source),
    ]


def test_the_ceph_disk(laid: NodeUnderTest) -> None:
    disk = ElementTree.fromstring(rendered(laid, "ablestack-hci")).findall("devices/disk")[1]
    driver, host, secret = disk.find("driver"), disk.find("source/host"), disk.find("auth/secret")
    assert driver is not None
    assert host is not None
    assert secret is not None
    assert driver.attrib == {"name": "qemu", "type": "raw", "cache": "writeback", "io": "io_uring"}
    assert host.attrib == {"name": "scvm", "port": "6789"}
    assert secret.get("uuid") == "11111111-1111-1111-1111-111111111111"
    assert disk.find("address") is None


def test_only_the_disk_on_gfs_has_a_fixed_slot(laid: NodeUnderTest) -> None:
    disk = ElementTree.fromstring(rendered(laid, "ablestack-vm")).findall("devices/disk")[1]
    address = disk.find("address")
    assert address is not None
    assert (address.get("bus"), address.get("slot")) == ("0x04", "0x00")


def test_cards_are_enp0s20_and_enp0s21(laid: NodeUnderTest) -> None:
    cards = ElementTree.fromstring(rendered(laid, "ablestack-vm", service=True)).findall("devices/interface")
    assert [card.find("address").get("slot") for card in cards] == ["0x14", "0x15"]  # type: ignore[union-attr]
    assert [card.find("source").get("bridge") for card in cards] == ["bridge0", "bridge1"]  # type: ignore[union-attr]


@pytest.mark.parametrize("ovs", [True, False])
def test_every_card_fits_its_bridge(laid: NodeUnderTest, ovs: bool) -> None:
    """Weakness 12: the second card had no virtualport on Open vSwitch."""
    for card in ElementTree.fromstring(rendered(laid, "ablestack-vm", service=True, ovs=ovs)).findall("devices/interface"):
        assert (card.find("virtualport") is not None) == ovs
        assert (card.find("filterref") is None) == ovs


def test_no_two_devices_share_a_place(laid: NodeUnderTest) -> None:
    root = ElementTree.fromstring(rendered(laid, "ablestack-vm", service=True))
    places = [
        (address.get("bus"), address.get("slot"), address.get("function"))
        for address in root.findall("devices//address[@type='pci']")
    ]
    assert len(places) == len(set(places))


def test_an_earlier_identity_is_kept(laid: NodeUnderTest) -> None:
    who = Identity("5f0d1c7e-0000-4000-8000-0123456789ab", ("00:24:81:0a:0b:0c",))
    found = domain_xml.read(rendered(laid, "ablestack-vm", who=xml.identity(config("ablestack-vm"), request(), [who])))
    assert (found.uuid, found.macs) == (who.uuid, who.macs)


def test_debians_programs_are_used_where_they_are(laid: NodeUnderTest) -> None:
    for place in ("usr/bin/qemu-system-x86_64", "usr/share/OVMF/OVMF_CODE_4M.fd"):
        path = Path(laid.root) / place
        path.parent.mkdir(parents=True)
        path.touch()
    text = rendered(laid, "ablestack-vm")
    assert "<emulator>/usr/bin/qemu-system-x86_64</emulator>" in text
    assert ">/usr/share/OVMF/OVMF_CODE_4M.fd</loader>" in text
