"""Who a machine is: its UUID and the hardware addresses of its network cards, the same at every rendering.

An earlier definition is believed first, so that a machine never changes under its guest; what none of them says is derived
from a text that names the machine for good (the cluster's address of the Cloud Center VM, the host of a Storage Center VM).
"""

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from ablestack_api.hypervisor import domain_xml
from ablestack_api.hypervisor.domain_xml import NotADomain

NAMESPACE = uuid.UUID("6f1b5a52-93a3-5c6e-9d0e-2f8f5a0c7b11")
MAC_PREFIX = "00:24:81"
UNICAST_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
NOBODY = "00:00:00:00:00:00"


@dataclass(frozen=True)
class Identity:
    """`macs` in the order of the cards."""

    uuid: str
    macs: tuple[str, ...] = ()


def of_xml(text: str | None, name: str) -> Identity | None:
    """What an earlier definition of the machine says; None when it is no definition of it."""
    try:
        found = domain_xml.read(text) if text else None
    except NotADomain:
        return None
    if found is None or found.name != name:
        return None
    return Identity(found.uuid if _is_uuid(found.uuid) else "", tuple(mac for mac in found.macs if is_unicast(mac)))


def settled(name: str, named_by: str, cards: int, earlier: Iterable[Identity | None]) -> Identity:
    """The identity of machine `name` with `cards` network cards: the first earlier one that says it, else derived."""
    known = [one for one in earlier if one is not None]
    macs: list[str] = []
    for position in range(cards):
        kept = [one.macs[position] for one in known if len(one.macs) > position]
        derived = (derived_mac(f"{name}|{named_by}|card {position}|{attempt}") for attempt in range(cards + len(macs) + 1))
        macs.append(next(mac for mac in [*kept, *derived] if mac not in macs))
    identifier = next((one.uuid for one in known if one.uuid), "")
    return Identity(identifier or str(uuid.uuid5(NAMESPACE, f"{name}|{named_by}")), tuple(macs))


def derived_mac(text: str) -> str:
    """0.1.2's prefix and shape: one byte 00-7f, two bytes 00-ff."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return f"{MAC_PREFIX}:{digest[0] & 0x7F:02x}:{digest[1]:02x}:{digest[2]:02x}"


def is_unicast(mac: str) -> bool:
    return bool(UNICAST_MAC.fullmatch(mac)) and mac != NOBODY


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
