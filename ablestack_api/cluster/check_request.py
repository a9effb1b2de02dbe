"""What a cluster request must look like before anything is written or sent (D19)."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ablestack_api.cluster.models import ApplyRequest, HostEntry
from ablestack_api.core.errors import BadInput, bad_field, bad_fields
from ablestack_api.state.cluster_document import CLUSTER_TYPES, HCI_TYPES, distinct

HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*")
LONGEST_HOSTNAME = 253
INDEX = re.compile(r"[1-9][0-9]{0,2}")
TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
MOST_PCS_NODES = 16

Field = tuple[str, str]
M = TypeVar("M", bound=BaseModel)


def of_payload(model: type[M], payload: dict[str, Any]) -> M:
    """What another node sent as the payload of a step. Raises BadInput."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        faults = [(".".join(str(part) for part in item["loc"]), item["msg"]) for item in error.errors()]
        raise bad_fields(faults) from error


def pcs_list(request: ApplyRequest) -> None:
    """1 to 16 entries; 3 to 16 for HCI types; 0 to 16 for a standalone node."""
    names = distinct(request.pcs_cluster_list)
    least = {"ablestack-standalone": 0}.get(request.type.lower(), 3 if request.type.lower() in HCI_TYPES else 1)
    if len(names) < least:
        raise bad_field("pcs_cluster_list", f"has {len(names)}", f"pcs_cluster_list requires at least {least} host(s)")
    if len(names) > MOST_PCS_NODES:
        raise bad_field("pcs_cluster_list", f"has {len(names)}", f"pcs_cluster_list supports up to {MOST_PCS_NODES} hosts")


def required(request: ApplyRequest) -> None:
    for field, value, told in (
        ("type", request.type, "type required"),
        ("ccvm.ip", request.ccvm.ip, "ccvm required"),
        ("iscsi_storage", request.storage_network, "iscsi_storage required (newer name: storage_network)"),
    ):
        if not value:
            raise bad_field(field, "required", told)


def values(request: ApplyRequest) -> None:
    """Every value that is given must be of its kind, and nothing may come twice. Raises BadInput with all faults."""
    faults = [*_general_faults(request), *_host_faults(request), *_duplicates(request)]
    if faults:
        field, reason = faults[0]
        more = f" (and {len(faults) - 1} more, see errors)" if len(faults) > 1 else ""
        raise BadInput(f"invalid request: {field}: {reason}{more}", fields=faults)


def hostname_fault(value: str) -> str:
    """Why a text is no host name; empty when it is one."""
    if len(value) > LONGEST_HOSTNAME:
        return f"is longer than {LONGEST_HOSTNAME} characters"
    if value.isascii() and value.replace(".", "").isdigit():
        return "looks like an address, not like a host name"
    if not HOSTNAME.fullmatch(value):
        return "is not a host name: letters, digits, dots and dashes, not a dash at either end"
    return ""


def address_fault(value: str) -> str:
    """Why a text is no address of one host; empty when it is one."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "is not an IP address"
    if address.is_unspecified or address.is_multicast or "%" in value:
        return "is not the address of a host"
    return ""


def name_or_address_fault(value: str) -> str:
    return "" if not address_fault(value) else hostname_fault(value) and "is neither a host name nor an IP address"


def _general_faults(request: ApplyRequest) -> list[Field]:
    faults = []
    if request.type and request.type.lower() not in CLUSTER_TYPES:
        faults.append(("type", f"is none of {', '.join(CLUSTER_TYPES)}"))
    nic = request.mngt_nic
    faults += _faults([("ccvm.ip", request.ccvm.ip), ("mngtNic.gw", nic.gw)], address_fault)
    faults += [("mngtNic.dns", fault) for part in re.split("[, ]+", nic.dns) if part and (fault := address_fault(part))]
    if nic.cidr and not (nic.cidr.isascii() and nic.cidr.isdigit() and len(nic.cidr) <= 3 and 1 <= int(nic.cidr) <= 128):
        faults.append(("mngtNic.cidr", "is not a prefix length"))
    named = [("external_timeserver", request.external_timeserver)]
    named += [(f"pcs_cluster_list.{position}", name) for position, name in enumerate(request.pcs_cluster_list)]
    faults += _faults(named, name_or_address_fault)
    names = [("remove_hostname", request.remove_hostname), ("exclude_hostname", request.exclude_hostname)]
    faults += _faults(names, hostname_fault)
    if request.security.internal_token and not TOKEN.fullmatch(request.security.internal_token):
        faults.append(("security.internal_token", "must be 16 to 512 printable characters without blanks"))
    if len(request.storage_network) > 32 or not request.storage_network.isprintable():
        faults.append(("iscsi_storage", "must be true or false"))
    return faults


def _host_faults(request: ApplyRequest) -> list[Field]:
    hci = request.type.lower() in HCI_TYPES
    return [fault for position, host in enumerate(request.hosts) for fault in _one_host(f"hosts.{position}", host, hci)]


def _one_host(place: str, host: HostEntry, hci: bool) -> Iterable[Field]:
    if not INDEX.fullmatch(host.index):
        yield f"{place}.index", "must be a whole number from 1, as a text"
    if not host.hostname:
        yield f"{place}.hostname", "required"
    elif fault := hostname_fault(host.hostname):
        yield f"{place}.hostname", fault
    for key, value in _addresses(host).items():
        if not value and (key == "ablecube" or hci):
            yield f"{place}.{key}", "required"
        elif value and (fault := address_fault(value)):
            yield f"{place}.{key}", fault


def _addresses(host: HostEntry) -> dict[str, str]:
    dumped = host.model_dump(by_alias=True)
    return {key: dumped[key] for key in ("ablecube", "ablecubePn", "scvmMngt", "scvm", "scvmCn")}


def _duplicates(request: ApplyRequest) -> list[Field]:
    seen: dict[tuple[str, str], str] = {}
    faults: list[Field] = []
    if request.ccvm.ip:
        seen["address", _one_spelling(request.ccvm.ip)] = "ccvm.ip"
    for position, host in enumerate(request.hosts):
        named = [("index", "index", host.index), ("hostname", "hostname", host.hostname.lower())]
        named += [("address", key, _one_spelling(value)) for key, value in _addresses(host).items()]
        for kind, key, value in named:
            place = f"hosts.{position}.{key}"
            if value and (kind, value) in seen:
                faults.append((place, f"is the same as {seen[kind, value]}"))
            seen.setdefault((kind, value), place)
    return faults


def _one_spelling(address: str) -> str:
    """An IPv6 address has many; a text that is no address stays as it is."""
    return address if address_fault(address) else str(ipaddress.ip_address(address))


def _faults(named: Iterable[Field], check: Callable[[str], str]) -> list[Field]:
    return [(field, fault) for field, value in named if value and (fault := check(value))]
