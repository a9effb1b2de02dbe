"""A domain's XML read as facts, and its size altered byte for byte (contract 03 §8)."""

import pytest

from ablestack_api.hypervisor import domain_xml
from ablestack_api.hypervisor.domain_xml import NotADomain

DOMAIN = """<?xml version='1.0' encoding='UTF-8'?>
<!-- <vcpu>1</vcpu> <memory>1</memory> -->
<domain type='kvm'>
  <name>ccvm</name>   <!-- 클라우드 -->
  <uuid>5F0D1C7E-0000-4000-8000-0123456789AB</uuid>
  <memory unit="KiB" dumpCore='on'>16777216</memory>
  <currentMemory>8388608</currentMemory>
  <memoryBacking><hugepages/></memoryBacking>
  <vcpu placement='static' current="2">4</vcpu>
  <devices>
    <memory model='dimm'><target><size unit='MiB'>512</size></target></memory>
    <disk type='network' device='disk'><source protocol='rbd' name='rbd/ccvm'/><target dev='vda'/></disk>
    <interface type='bridge'><mac address='00:24:81:0A:0B:0C'/><source bridge='bridge0'/></interface>
    <hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source></hostdev>
  </devices>
</domain>
"""  # noqa: E501  as libvirt prints it
RESIZED = (
    DOMAIN.replace("<memory unit=\"KiB\" dumpCore='on'>16777216</memory>", "<memory unit=\"GiB\" dumpCore='on'>32</memory>")
    .replace("<currentMemory>8388608</currentMemory>", "<currentMemory unit='GiB'>32</currentMemory>")
    .replace("<vcpu placement='static' current=\"2\">4</vcpu>", "<vcpu placement='static'>8</vcpu>")
)


def test_the_facts_of_a_domain() -> None:
    found = domain_xml.read(DOMAIN)
    assert (found.name, found.uuid, found.vcpus) == ("ccvm", "5f0d1c7e-0000-4000-8000-0123456789ab", 4)
    assert found.memory == 16 * 2**20
    assert (found.macs, found.nics[0].source) == (("00:24:81:0a:0b:0c",), "bridge0")
    assert (found.disks[0].target, found.disks[0].source) == ("vda", "rbd/ccvm")
    assert found.pci == ("0000:3b:00.1",)


@pytest.mark.parametrize(
    ("unit", "number", "kib"),
    [("GiB", "2", 2**21), ("MiB", "512", 2**19), ("bytes", "1048576", 1024), ("KiB", "7", 7), ("MB", "1024", 10**6)],
)
def test_every_unit_of_memory(unit: str, number: str, kib: int) -> None:
    assert domain_xml.read(f"<domain><memory unit='{unit}'>{number}</memory></domain>").memory == kib


def test_only_the_size_changes() -> None:
    assert domain_xml.resized(DOMAIN, 8, 32) == RESIZED


def test_resizing_twice_is_resizing_once() -> None:
    assert domain_xml.resized(RESIZED, 8, 32) == RESIZED


def test_self_closing_elements_get_a_value() -> None:
    text = "<domain><vcpu/><memory/><currentMemory unit='x' /></domain>"
    assert domain_xml.resized(text, 8, 16) == (
        "<domain><vcpu>8</vcpu><memory unit='GiB'>16</memory><currentMemory unit='GiB'>16</currentMemory></domain>"
    )


@pytest.mark.parametrize("tag", ["vcpu", "memory", "currentMemory"])
def test_a_missing_element_is_named_as_0_1_2_did(tag: str) -> None:
    text = "".join(f"<{name}>1</{name}>" for name in domain_xml.SIZE_TAGS if name != tag)
    with pytest.raises(NotADomain, match=f"^{tag} tag not found$"):
        domain_xml.resized(f"<domain>{text}</domain>", 1, 1)


BOMB = """<!DOCTYPE domain [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><domain><name>&b;</name></domain>"""
OUTSIDE = """<!DOCTYPE domain SYSTEM "file:///etc/passwd"><domain><name>ccvm</name></domain>"""


@pytest.mark.parametrize(
    "text", ["", "<domain>", "<domain></name>", "<network/>", "ccvm", BOMB, OUTSIDE, "<domain>\x00</domain>"]
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(NotADomain):
        domain_xml.read(text)
    with pytest.raises(NotADomain):
        domain_xml.resized(text, 1, 1)


def test_an_address_that_is_no_number() -> None:
    source = "<hostdev type='pci'><source><address domain='x'/></source></hostdev>"
    with pytest.raises(NotADomain, match="address"):
        domain_xml.read(f"<domain><devices>{source}</devices></domain>")
