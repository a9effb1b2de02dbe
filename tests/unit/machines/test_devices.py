"""PCI addresses and device paths as an operator writes them (weakness 21)."""

import pytest

from ablestack_api.core.errors import BadInput
from ablestack_api.machines import disks, node_facts, pci
from ablestack_api.tools import lsblk
from tests.support.lsblk_output import disk, mapped, part, printed

DEVICES = lsblk.parse(
    printed(disk("sda", part("sda1", mountpoints=["/boot"])), disk("sdb", mapped("mpath", "mpatha", "dm-0")))
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("3b:00.1", "0000:3b:00.1"),
        ("0000:3B:1f.7", "0000:3b:1f.7"),
        ("10000:00:00.0", ""),
        ("0x0001:0x3b:0x00.0x1", "0001:3b:00.1"),
        (" 3b:00.0 ", "0000:3b:00.0"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    if not address:
        with pytest.raises(BadInput):
            pci.parse("field", text)
        return
    assert str(pci.parse("field", text)) == address


def test_the_parts_are_as_libvirt_takes_them() -> None:
    found = pci.parse("field", "3b:00.1")
    assert (found.domain, found.bus, found.slot, found.function) == ("0x0000", "0x3b", "0x00", "0x1")


@pytest.mark.parametrize("path", ["/dev/sda", "/dev/sda1", "/dev/mapper/mpatha", "/dev/dm-0"])
def test_devices_that_are_there(path: str) -> None:
    assert disks.find("field", path, DEVICES).kname


@pytest.mark.parametrize(
    "path",
    [
        "", "/dev/", "/dev", "sda", "/dev/sdx", "/dev/../dev/sda", "/dev/./sda", "/dev//sda", "/etc/passwd", "-/dev/sda",
        "/dev/sda;reboot", "/dev/$(id)", "/dev/sda\n", "/dev/" + "a" * 300, "/dev/null",
    ],
)  # fmt: skip
def test_paths_that_are_no_device(path: str) -> None:
    with pytest.raises(BadInput):
        disks.find("field", path, DEVICES)


def test_what_the_host_stands_on() -> None:
    system, shared = DEVICES
    assert disks.host_uses(system) == ["/dev/sda1 is mounted at /boot"]
    assert disks.host_uses(shared) == ["it is a path of the multipath map /dev/mapper/mpatha"]
    assert disks.in_use(DEVICES) == {"sda", "sdb"}


def test_swap_is_a_use() -> None:
    (device,) = lsblk.parse(printed(disk("sda", part("sda2", mountpoints=["[SWAP]"]))))
    assert disks.host_uses(device) == ["/dev/sda2 is swap of this host"]


@pytest.mark.parametrize("name", ["bridge0", "br-ex", "vmbr0.100", "a", "_x", "a" * 15])
def test_names_of_interfaces(name: str) -> None:
    assert node_facts.interface_name_fault(name) == ""


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a/b", "a b", "a" * 16, "br0\n", "브리지", "a:b", "<x/>"])
def test_names_that_are_none(name: str) -> None:
    assert node_facts.interface_name_fault(name)
