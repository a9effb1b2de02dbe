"""What this node has that a machine asks for: bridges, memory, an earlier definition, the place of QEMU and its firmware.

A node in a folder (D2) is looked at below its root; what is not there cannot be checked, and the answer says so.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import ApiError, BadInput, bad_field
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hypervisor import domains, machine_identity
from ablestack_api.hypervisor.machine_identity import Identity
from ablestack_api.machines import own_hypervisor
from ablestack_api.state import json_file
from ablestack_api.tools import systemctl

LINUX, OPENVSWITCH, UNSEEN = "linux", "openvswitch", "unseen"
OPENVSWITCH_UNIT = "openvswitch"
# A network interface's name: the kernel takes at most 15 bytes, no blank, no slash; we take what is usual.
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
MEM_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)
# The host itself, and QEMU's own memory beside that of the guest.
HOST_KEEPS_GIB = 1
EMULATORS = ("/usr/libexec/qemu-kvm", "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-kvm")
FIRMWARES = ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at before anything is done. `outcome`: ok, skipped, warning."""

    name: str
    outcome: str = "ok"
    message: str = ""

    def entry(self) -> dict[str, str]:
        told = {"check": self.name, "outcome": self.outcome}
        return told | ({"message": self.message} if self.message else {})


def interface_name_fault(name: str) -> str:
    """Why a text cannot be the name of a network interface; empty when it can."""
    if INTERFACE_NAME.fullmatch(name):
        return ""
    return "is not the name of a network interface: up to 15 letters, digits, dots, dashes, underscores"


def bridge_kind(env: Env, field: str, name: str) -> str:
    """`linux` or `openvswitch`; `unseen` on a node in a folder without sysfs. Raises BadInput when there is no such bridge.

    An Open vSwitch bridge shows itself as a virtual interface without the folder `bridge` (that one is the kernel's own).
    """
    interfaces = env.settings.below("sys/class/net")
    if not env.settings.is_whole_system and not os.path.isdir(interfaces):
        return UNSEEN
    interface = os.path.join(interfaces, name)
    if os.path.isdir(os.path.join(interface, "bridge")):
        return LINUX
    if not os.path.exists(interface):
        raise bad_field(field, f"there is no bridge {name} on this node")
    if not os.path.exists(os.path.join(interface, "device")) and systemctl.is_active(env.runner, OPENVSWITCH_UNIT):
        return OPENVSWITCH
    raise bad_field(field, f"{name} is a network interface of this node, but not a bridge")


def require_memory(settings: Settings, field: str, gib: int) -> Check:
    """Raises BadInput when this node does not have that much."""
    total = total_memory(settings)
    if total is None:
        return Check("memory", "skipped", "this node lives in a folder without proc/meminfo")
    if gib > total - HOST_KEEPS_GIB:
        raise bad_field(field, f"{gib} GiB do not fit: this node has {total:.1f} GiB and needs {HOST_KEEPS_GIB} itself")
    return Check("memory")


def total_memory(settings: Settings) -> float | None:
    """GiB of this node."""
    content = json_file.read_bytes(settings.below("proc/meminfo")) or b""
    found = MEM_TOTAL.search(content.decode("ascii", "replace"))
    return int(found.group(1)) / 2**20 if found else None


def cpu_check(settings: Settings, cpus: int) -> Check:
    """More vCPUs than the node has processors start all the same, slowly."""
    folder = settings.below("sys/devices/system/cpu")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    present = sum(bool(re.fullmatch(r"cpu\d+", name)) for name in names)
    if not present:
        return Check("cpu", "skipped", "this node lives in a folder without sys/devices/system/cpu")
    if cpus > present:
        return Check("cpu", "warning", f"{cpus} vCPUs on a node with {present} processors")
    return Check("cpu")


def earlier_identities(env: Env, name: str, files: Sequence[str]) -> tuple[list[Identity], Check]:
    """Who the machine was so far: as libvirt knows it here, then as each of the files (below the sysroot) says."""
    found: list[Identity | None] = []
    check = Check("earlier definition")
    try:
        own_hypervisor.require(env.settings)
        domain = domains.read(env.libvirt, name)
    except ApiError as error:
        check = Check("earlier definition", "skipped", f"only files were looked at: {error.detail}")
    else:
        if domain is not None:
            found.append(Identity(domain.uuid, tuple(nic.mac for nic in domain.nics)))
    for path in files:
        content = json_file.read_bytes(path)
        found.append(machine_identity.of_xml(content.decode("utf-8", "replace") if content else None, name))
    return [one for one in found if one is not None], check


def emulator(settings: Settings) -> str:
    return _first_present(settings, EMULATORS)


def firmware(settings: Settings) -> str:
    return _first_present(settings, FIRMWARES)


def merged_faults(faults: Sequence[BadInput]) -> None:
    """Raise all wrong fields as one error."""
    if faults:
        raise BadInput(faults[0].detail, fields=[field for fault in faults for field in fault.fields])


def _first_present(settings: Settings, places: Sequence[str]) -> str:
    """EL's place when none is there: the domain may be started elsewhere."""
    return next((place for place in places if os.path.exists(settings.below(place))), places[0])
