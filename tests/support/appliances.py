"""A node in a folder that can define appliance machines: templates, bridges, memory, processors, PCI devices, keys."""

import shutil
from pathlib import Path

from tests.support.local_nodes import REPOSITORY
from tests.support.node_under_test import NodeUnderTest

TEMPLATES = REPOSITORY / "configs/xml-template"
VALIDATE = ["virt-xml-validate", "-", "domain"]
NETWORK_CARD, STORAGE_CONTROLLER, GRAPHICS = "0x020000", "0x010700", "0x030000"
PUBLIC_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 root@ablecube31-1"
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n"


def lay_templates(node: NodeUnderTest) -> Path:
    """The product's own templates; returns their folder."""
    folder = Path(node.settings.config_root) / "xml-template"
    shutil.copytree(TEMPLATES, folder)
    return folder


def lay_memory(node: NodeUnderTest, gib: int = 64, *, page_kib: int = 2048) -> None:
    (node.root / "proc").mkdir(exist_ok=True)
    (node.root / "proc/meminfo").write_text(f"MemTotal:       {gib * 2**20} kB\nHugepagesize:       {page_kib} kB\n")


def lay_processors(node: NodeUnderTest, count: int = 16) -> None:
    for number in range(count):
        (node.root / f"sys/devices/system/cpu/cpu{number}").mkdir(parents=True)
    (node.root / "sys/devices/system/cpu/cpufreq").mkdir()


def lay_bridge(node: NodeUnderTest, name: str, *, linux: bool = True) -> None:
    """A bridge of the kernel, or (not `linux`) an interface as Open vSwitch makes it."""
    interface = node.root / "sys/class/net" / name
    (interface / "bridge" if linux else interface).mkdir(parents=True)


def lay_card(node: NodeUnderTest, name: str) -> None:
    """A network card, which is no bridge."""
    (node.root / "sys/class/net" / name / "device").mkdir(parents=True)


def lay_pci(node: NodeUnderTest, address: str, device_class: str, *, iommu: bool = True) -> Path:
    device = node.root / "sys/bus/pci/devices" / address
    device.mkdir(parents=True)
    (device / "class").write_text(f"{device_class}\n")
    if iommu:
        (device / "iommu_group").mkdir()
    return device


def lay_keys(node: NodeUnderTest) -> None:
    folder = node.root / "root/.ssh"
    folder.mkdir(parents=True)
    (folder / "id_rsa.pub").write_text(PUBLIC_KEY + "\n")
    (folder / "id_rsa").write_text(PRIVATE_KEY)
    (folder / "id_rsa").chmod(0o600)


def lay_host(node: NodeUnderTest, *bridges: str) -> NodeUnderTest:
    """Everything that a machine's XML asks for: 64 GiB, 16 processors, Linux bridges."""
    lay_templates(node)
    lay_memory(node)
    lay_processors(node)
    for name in bridges or ("bridge0", "bridge1", "bridge2"):
        lay_bridge(node, name)
    return node
