"""Templates: escaped, checked, and told by name when they cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import TemplateUnusable
from ablestack_api.hypervisor import domain_xml, templates
from ablestack_api.hypervisor.templates import NetworkCard
from tests.support import appliances
from tests.support.node_under_test import NodeUnderTest

NAME = "ccvm-xml-template.xml"
CARDS = [NetworkCard(0, "00:24:81:00:00:01", "bridge0", "0x14")]


def values(**more: Any) -> dict[str, Any]:
    return {
        "name": "ccvm", "uuid": "5f0d1c7e-0000-4000-8000-0123456789ab", "memory": 16, "cpu": 8, "cards": CARDS,
        "iso": "/a.iso", "disk": {"kind": "file", "source": "/a.qcow2", "fixed_slot": False}, "sound_slot": "0x1b",
        "emulator": "/usr/libexec/qemu-kvm", "firmware": "/OVMF_CODE.fd", **more,
    }  # fmt: skip


@pytest.fixture
def folder(node: NodeUnderTest) -> Path:
    return appliances.lay_templates(node)


@pytest.mark.parametrize("bridge", ["a<b>", "a&b", "a\"/><disk x='", "</source>", "{{ 7*7 }}", "{% raw %}"])
def test_markup_in_a_value_comes_out_escaped(node: NodeUnderTest, folder: Path, bridge: str) -> None:
    text = templates.render(node.settings, NAME, values(cards=[NetworkCard(0, "00:24:81:00:00:01", bridge, "0x14")]))
    found = domain_xml.read(text)
    assert [nic.source for nic in found.nics] == [bridge]
    assert len(found.disks) == 2


def refused(node: NodeUnderTest, **more: Any) -> str:
    with pytest.raises(TemplateUnusable) as raised:
        templates.render(node.settings, NAME, values(**more))
    return raised.value.detail


def test_a_template_that_is_missing_is_named(node: NodeUnderTest, folder: Path) -> None:
    (folder / NAME).unlink()
    assert f"{folder / NAME} does not exist" in refused(node)


@pytest.mark.parametrize("part", ["machine-template.xml", "devices.xml"])
def test_a_part_that_is_missing_is_named(node: NodeUnderTest, folder: Path, part: str) -> None:
    (folder / part).unlink()
    assert f"{folder / part} does not exist" in refused(node)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not well-formed"),
        ("<domain>", "not well-formed"),
        ("<network/>", "root element is network"),
        ("<domain/>", "does not use name, uuid, cpu, memory, cards as given"),
        ("<domain>{% if %}</domain>", "line 1"),
        ("<domain>{{ nobody }}</domain>", "'nobody' is undefined"),
        ("<domain>{{ memory / 0 }}</domain>", "ZeroDivisionError"),
        ("<domain><name>{{ name }}</name><uuid>{{ uuid }}</uuid><vcpu><!--cpu--></vcpu></domain>", "cpu, memory, cards"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><domain>&b;</domain>", "document type"),
    ],
)
def test_a_broken_template_is_told_with_what_is_wrong(node: NodeUnderTest, folder: Path, content: str, told: str) -> None:
    (folder / NAME).write_text(content)
    detail = refused(node)
    assert told in detail
    assert NAME in detail


def test_a_folder_in_a_templates_place_and_bytes_that_are_no_text(node: NodeUnderTest, folder: Path) -> None:
    (folder / NAME).write_bytes(b"<domain>\xff</domain>")
    assert NAME in refused(node)
    (folder / NAME).unlink()
    (folder / NAME).mkdir()
    assert NAME in refused(node)


def test_a_corrected_template_is_used_without_a_restart(node: NodeUnderTest, folder: Path) -> None:
    good = (folder / NAME).read_text()
    (folder / NAME).write_text("<domain>")
    refused(node)
    (folder / NAME).write_text(good)
    assert templates.render(node.settings, NAME, values()).startswith("<domain")


def test_slots_start_at_enp0s20_and_leave_out_what_is_taken() -> None:
    assert templates.slots(3) == ["0x14", "0x15", "0x16"]
    assert templates.slots(9, frozenset([0x1B]))[-3:] == ["0x1a", "0x1c", "0x1d"]
    assert len(templates.slots(100)) == 11
    assert "0x1f" not in templates.slots(100)
