"""Which network card of the storage VM carries which of its addresses, and what that card is (contract 03 §12)."""

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.hypervisor.domains import Domain
from ablestack_api.hypervisor.guest_agent import GuestNic
from ablestack_api.scvm.guest import UNKNOWN
from ablestack_api.state import json_file
from ablestack_api.state.cluster_document import Host

HANDED_THROUGH = "NIC Passthrough"
NETWORK_CLASS = "0x02"


def describe(env: Env, own: Host, domain: Domain, nics: list[GuestNic]) -> dict[str, str]:
    """Type, parent and address of the management, storage and replication card."""
    passed = [device for device in domain.pci_devices if _is_network_card(env, device)]
    return {
        **_card("manageNic", own.scvm_mngt or "", domain, nics, []),
        **_card("storageServerNic", own.scvm or "", domain, nics, passed),
        **_card("storageReplicationNic", own.scvm_cn or "", domain, nics, passed),
    }


def _card(prefix: str, address: str, domain: Domain, nics: list[GuestNic], passed: list[str]) -> dict[str, str]:
    shown, kind, parent = address or UNKNOWN, UNKNOWN, UNKNOWN
    if address:
        mac, with_prefix = _find(nics, address)
        nic = domain.nic(mac) if mac else None
        shown = with_prefix or address
        if nic is not None:
            kind, parent = nic.kind, nic.source
        elif passed:
            kind, parent = HANDED_THROUGH, passed[0] if len(passed) == 1 else UNKNOWN
    return {f"{prefix}Type": kind, f"{prefix}Parent": parent, f"{prefix}Ip": shown}


def _find(nics: list[GuestNic], address: str) -> tuple[str, str]:
    """(hardware address, address with prefix length) of the card that has an address."""
    for nic in nics:
        for found in nic.addresses:
            if found.split("/")[0] == address:
                return nic.mac, found
    return "", ""


def _is_network_card(env: Env, device: str) -> bool:
    """By the class in its PCI configuration (pci.ids, C 02); the kernel shows it for every device of the host."""
    try:
        content = json_file.read_bytes(env.settings.below(f"sys/bus/pci/devices/{device}/class")) or b""
    except ApiError:
        return False
    return content.startswith(NETWORK_CLASS.encode())
