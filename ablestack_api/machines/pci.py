"""PCI devices of this node that a machine gets for itself: their addresses, and whether the node can spare them.

Source: the kernel's sysfs-bus-pci ABI documentation.
"""

import glob
import os
import re
from collections.abc import Collection
from dataclasses import dataclass

from ablestack_api.core.errors import Conflict, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.machines.node_facts import Check
from ablestack_api.state import json_file

ADDRESS = re.compile(r"(?:(?:0x)?([0-9a-f]{4}):)?(?:0x)?([0-9a-f]{2}):(?:0x)?([01][0-9a-f])\.(?:0x)?([0-7])")
STORAGE, NETWORK = "0x01", "0x02"  # base classes of PCI Code and ID Assignment
CLASS_NAMES = {STORAGE: "storage controller", NETWORK: "network card"}


@dataclass(frozen=True)
class PciAddress:
    """The parts as libvirt takes them: `0x0000`, `0x3b`, `0x00`, `0x1`."""

    domain: str
    bus: str
    slot: str
    function: str

    def __str__(self) -> str:
        return f"{self.domain[2:]}:{self.bus[2:]}:{self.slot[2:]}.{self.function[2:]}"


def parse(field: str, text: str) -> PciAddress:
    """`bb:ss.f` or `dddd:bb:ss.f`, any case, each part with or without 0x. Raises BadInput with 0.1.2's text."""
    found = ADDRESS.fullmatch(text.strip().lower())
    if found is None:
        message = f"invalid pci address: {text[:64]}"
        raise bad_field(field, "is not a PCI address, as 0000:3b:00.0 or 3b:00.0", message)
    domain, bus, slot, function = found.groups(default="0000")
    return PciAddress(f"0x{domain}", f"0x{bus}", f"0x{slot}", f"0x{function}")


def require(settings: Settings, field: str, address: PciAddress, base_class: str) -> list[Check]:
    """The node has it, and it is of that class. Raises BadInput."""
    bus = settings.below("sys/bus/pci/devices")
    if not settings.is_whole_system and not os.path.isdir(bus):
        return [Check(f"PCI device {address}", "skipped", "this node lives in a folder without sys/bus/pci")]
    device = os.path.join(bus, str(address))
    if not os.path.exists(device):
        raise bad_field(field, f"this node has no PCI device {address}")
    found = (json_file.read_bytes(os.path.join(device, "class")) or b"").decode("ascii", "replace").strip()
    if not found.startswith(base_class):
        raise bad_field(field, f"{address} is no {CLASS_NAMES[base_class]}: its class is {found or 'unknown'}")
    if not os.path.exists(os.path.join(device, "iommu_group")):
        told = "is in no IOMMU group: it cannot be handed through before the host's IOMMU is turned on"
        return [Check(f"PCI device {address}", "warning", told)]
    return [Check(f"PCI device {address}")]


def refuse_used(settings: Settings, field: str, address: PciAddress, disks_in_use: Collection[str]) -> None:
    """The host must not lose what it stands on: a card of a bridge or bond, a controller with a disk in use.

    `disks_in_use` are kernel names (`sda`) of whole disks. Raises Conflict.
    """
    device = os.path.join(settings.below("sys/bus/pci/devices"), str(address))
    for interface in sorted(glob.glob(os.path.join(glob.escape(device), "net", "*"))):
        master = os.path.join(interface, "master")
        if os.path.exists(master):
            owner = os.path.basename(os.path.realpath(master))
            raise Conflict(f"{field}: {address} is {os.path.basename(interface)}, a port of the host's {owner}")
    for disk in sorted(glob.glob(os.path.join(settings.below("sys/block"), "*"))):
        if os.path.basename(disk) in disks_in_use and f"/{address}/" in os.path.realpath(disk):
            raise Conflict(f"{field}: {address} is the controller of {os.path.basename(disk)}, which this host uses")
