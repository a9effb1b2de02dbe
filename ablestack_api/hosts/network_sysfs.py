"""What the kernel tells of a network device in /sys and /proc."""

import os
import re

from ablestack_api.core.settings import Settings

# In sysfs the domain is always there; 0000 is the usual one.
PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
LONGEST_SPEED = 10
VIRTIO = re.compile(r"virtio\d+")


def driver(settings: Settings, device: str) -> str:
    """`i40e`; empty for a virtual device."""
    path = _path(settings, device, "device/driver")
    try:
        return os.path.basename(os.readlink(path)) if path else ""
    except OSError:
        return ""


def pci_address(settings: Settings, device: str) -> str:
    """`0000:18:00.0` of the card that is passed through to a guest: its own, or that of the virtio function it is all of.

    Empty for anything else. The address above a USB card is that of the whole USB controller.
    """
    path = _path(settings, device, "device")
    if not path or not os.path.exists(path):
        return ""
    place = os.path.realpath(path)
    if VIRTIO.fullmatch(os.path.basename(place)):
        place = os.path.dirname(place)
    name = os.path.basename(place)
    return name if PCI_ADDRESS.fullmatch(name) else ""


def speed(settings: Settings, device: str) -> int:
    """Mb/s, 0 when the kernel does not know (no carrier, no hardware)."""
    text = _text(_path(settings, device, "speed"))
    # Some drivers write the -1 of "unknown" as an unsigned number.
    return int(text) if text.isdecimal() and len(text) < LONGEST_SPEED else 0


def ipv6_is_disabled(settings: Settings, device: str) -> bool | None:
    """None when the kernel does not say."""
    text = _text(settings.below(f"proc/sys/net/ipv6/conf/{device}/disable_ipv6")) if _is_name(device) else ""
    return None if not text else text == "1"


def _path(settings: Settings, device: str, fact: str) -> str:
    return settings.below(f"sys/class/net/{device}/{fact}") if _is_name(device) else ""


def _is_name(device: str) -> bool:
    """NetworkManager knows devices that are none of the kernel's (Bluetooth, Open vSwitch bridges)."""
    return "/" not in device and device not in ("", ".", "..")


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""
