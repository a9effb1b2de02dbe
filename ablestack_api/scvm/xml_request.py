"""What a request for the Storage Center VM's XML asks for, checked by itself (contract 03 §13)."""

from dataclasses import dataclass

from ablestack_api.core.errors import BadInput, bad_field
from ablestack_api.machines import node_facts, pci
from ablestack_api.machines.pci import PciAddress
from ablestack_api.scvm.xml_models import XmlRequest

RAID, LUN, DISK = "raid_passthrough", "lun_passthrough", "disk_passthrough"
DISK_TYPES = {RAID: "raid_passthrough_list", LUN: "lun_passthrough_list", DISK: "disk_passthrough_list"}
NIC, BONDING, BRIDGE = "nic_passthrough", "nic_passthrough_bonding", "bridge"
NETWORK_TYPES = (NIC, BONDING, BRIDGE)
MOST_CPUS = 255
MOST_MEMORY_GIB = 65536
# sda to sdy: sdz is the cloud-init drive.
MOST_DISKS = 25
# Slots 0x14 to 0x1e of PCI bus 0; the first is the management card's.
MOST_CARDS_AND_DEVICES = 11

Named = list[tuple[str, PciAddress]]  # field of the request, address


@dataclass(frozen=True)
class Asked:
    """`bridges` are (field, name), management first; `cards` and `controllers` PCI devices in the order of the guest."""

    cpu: int
    memory: int
    bridges: list[tuple[str, str]]
    cards: Named
    controllers: Named
    disks: list[tuple[str, str]]
    disk_device: str
    force: bool


def asked(request: XmlRequest) -> Asked:
    """Raises BadInput; the first missing value with 0.1.2's text, else every wrong one."""
    disk_type, network_type = request.disk_type.lower(), request.storage_traffic_network_type.lower()
    _require_given(request, disk_type, network_type)
    faults: list[BadInput] = []
    bridges = _bridges(request, network_type, faults)
    cards = _parsed(_card_texts(request, network_type), faults)
    listed = [(f"{DISK_TYPES[disk_type]}.{number}", text) for number, text in enumerate(_list(request, disk_type))]
    controllers = _parsed(listed, faults) if disk_type == RAID else []
    disks = [] if disk_type == RAID else listed
    faults += _too_much(request, len(bridges) + len(cards) + len(controllers), len(disks))
    faults += _repeated([(field, str(address)) for field, address in (*cards, *controllers)]) + _repeated(disks)
    node_facts.merged_faults(faults)
    device = "lun" if disk_type == LUN else "disk"
    return Asked(request.cpu, request.memory, bridges, cards, controllers, disks, device, request.force)


def _require_given(request: XmlRequest, disk_type: str, network_type: str) -> None:
    needed: list[tuple[str, bool, str]] = [
        ("cpu", request.cpu > 0, "cpu required"),
        ("memory", request.memory > 0, "memory required"),
        ("disk_type", disk_type in DISK_TYPES, f"disk_type must be {RAID}, {LUN} or {DISK}"),
    ]
    if disk_type in DISK_TYPES:
        field = DISK_TYPES[disk_type]
        needed.append((field, bool(_list(request, disk_type)), f"{field} required"))
    needed += [
        ("management_network_bridge", bool(request.management_network_bridge), "management_network_bridge required"),
        (
            "storage_traffic_network_type",
            network_type in NETWORK_TYPES,
            f"storage_traffic_network_type must be {NIC}, {BONDING} or {BRIDGE}",
        ),
        *_network_needs(request, network_type),
    ]
    for field, given, told in needed:
        if not given:
            raise bad_field(field, "required" if told.endswith("required") else told, told)


def _network_needs(request: XmlRequest, network_type: str) -> list[tuple[str, bool, str]]:
    if network_type == BONDING:
        fields = ("server_nic_passthrough_bonding_list", "replication_nic_passthrough_bonding_list")
        counts = {field: len(_trimmed(getattr(request, field))) for field in fields}
        return [(field, count == 2, f"{field} requires exactly 2 items") for field, count in counts.items()]
    kind = "nic_passthrough" if network_type == NIC else "network_bridge"
    fields = (f"server_{kind}", f"replication_{kind}")
    return [(field, bool(getattr(request, field)), f"{field} required") for field in fields]


def _bridges(request: XmlRequest, network_type: str, faults: list[BadInput]) -> list[tuple[str, str]]:
    fields = ["management_network_bridge"]
    if network_type == BRIDGE:
        fields += ["server_network_bridge", "replication_network_bridge"]
    named = [(field, str(getattr(request, field))) for field in fields]
    faults += [bad_field(field, fault) for field, name in named if (fault := node_facts.interface_name_fault(name))]
    return named


def _card_texts(request: XmlRequest, network_type: str) -> list[tuple[str, str]]:
    """In the order of the guest's names: bonding is server, replication, server, replication."""
    if network_type == NIC:
        return [(field, getattr(request, field)) for field in ("server_nic_passthrough", "replication_nic_passthrough")]
    if network_type != BONDING:
        return []
    server = _trimmed(request.server_nic_passthrough_bonding_list)
    replication = _trimmed(request.replication_nic_passthrough_bonding_list)
    return [
        (f"{kind}_nic_passthrough_bonding_list.{number}", texts[number])
        for number in range(2)
        for kind, texts in (("server", server), ("replication", replication))
    ]


def _parsed(texts: list[tuple[str, str]], faults: list[BadInput]) -> Named:
    addresses: Named = []
    for field, text in texts:
        try:
            addresses.append((field, pci.parse(field, text)))
        except BadInput as error:
            faults.append(error)
    return addresses


def _too_much(request: XmlRequest, devices: int, disks: int) -> list[BadInput]:
    faults = []
    if request.cpu > MOST_CPUS:
        faults.append(bad_field("cpu", f"must be at most {MOST_CPUS}"))
    if request.memory > MOST_MEMORY_GIB:
        faults.append(bad_field("memory", f"must be at most {MOST_MEMORY_GIB} GiB"))
    if devices > MOST_CARDS_AND_DEVICES:
        told = f"{devices} network cards and PCI devices are too many: there are {MOST_CARDS_AND_DEVICES} slots"
        faults.append(bad_field("raid_passthrough_list", told))
    if disks > MOST_DISKS:
        faults.append(bad_field(DISK_TYPES[request.disk_type.lower()], f"has {disks} items, possible are {MOST_DISKS}"))
    return faults


def _repeated(named: list[tuple[str, str]]) -> list[BadInput]:
    first: dict[str, str] = {}
    for field, value in named:
        first.setdefault(value, field)
    again = [(field, value) for field, value in named if first[value] != field]
    return [bad_field(field, f"{value} is given twice, see {first[value]}") for field, value in again]


def _list(request: XmlRequest, disk_type: str) -> list[str]:
    return _trimmed(getattr(request, DISK_TYPES[disk_type]))


def _trimmed(texts: list[str]) -> list[str]:
    return [text for text in texts if text]
