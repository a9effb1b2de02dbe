"""The guest's network cards, every value checked (contract 03 §15.1, §15.2)."""

import ipaddress
import re
from dataclasses import dataclass

from ablestack_api.cloudinit.documents import Nic
from ablestack_api.core.errors import BadInput, bad_field, bad_fields
from ablestack_api.machines import node_facts

STORAGE_MTU = 9000
Fault = tuple[str, str]
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Fields:
    """Where the values of a card come from, as an operator knows it."""

    nic: str
    ip: str
    prefix: str
    gateway: str = ""
    dns: str = ""

    @classmethod
    def of(cls, network: str) -> "Fields":
        """Those of a request: sn_nic, sn_ip … for `sn`; 0.1.2 calls the management network's servers `dns`."""
        dns = "dns" if network == "mgmt" else f"{network}_dns"
        return cls(f"{network}_nic", f"{network}_ip", f"{network}_prefix", f"{network}_gw", dns)


def card(
    fields: Fields, name: str, address: str, prefix: int, *, gateway: str = "", dns: str = "", mtu: int | None = None
) -> Nic:
    """Raises BadInput with every wrong value."""
    servers = [part for part in re.split("[, ]+", dns) if part]
    faults: list[Fault] = []
    fault = node_facts.interface_name_fault(name)
    faults += [(fields.nic, fault)] if fault else []
    network = _network(fields, address, prefix, faults)
    if gateway and network is not None:
        faults += [(fields.gateway, told)] if (told := _gateway_fault(gateway, network)) else []
    faults += [(fields.dns, f"{server} is not an IP address") for server in servers if _parsed(server) is None]
    if faults:
        raise bad_fields(faults)
    return Nic(name, str(network), gateway, tuple(servers), mtu)


def require_distinct(nics: list[Nic]) -> None:
    """No name and no address twice. Raises BadInput."""
    for what, values in (("interface", [nic.name for nic in nics]), ("address", [nic.address for nic in nics])):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise bad_field("nics", f"{what} {twice} is given twice")


def merged(errors: list[BadInput]) -> None:
    if errors:
        raise BadInput(errors[0].detail, fields=[pair for error in errors for pair in error.fields])


def _network(fields: Fields, address: str, prefix: int, faults: list[Fault]) -> Interface | None:
    parsed = _parsed(address)
    if parsed is None or parsed.is_unspecified or parsed.is_multicast:
        faults.append((fields.ip, "is not the address of a machine"))
        return None
    if not 1 <= prefix <= parsed.max_prefixlen:
        faults.append((fields.prefix, f"must be 1 to {parsed.max_prefixlen}"))
        return None
    return ipaddress.ip_interface(f"{parsed}/{prefix}")


def _gateway_fault(gateway: str, network: Interface) -> str:
    parsed = _parsed(gateway)
    if parsed is None:
        return "is not an IP address"
    if parsed == network.ip:
        return "is the machine's own address"
    is_link_local = parsed.version == 6 and parsed.is_link_local
    return "" if parsed in network.network or is_link_local else f"{gateway} is not in the network {network.network}"


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
