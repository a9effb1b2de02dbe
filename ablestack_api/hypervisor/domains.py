"""Virtual machines of this node as libvirt knows them: their state, their devices, and what is done with them.

Every function takes the connection seam first and has a deadline of its own; a libvirtd that hangs costs that and no more.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ablestack_api.core.clock import Clock, Deadline
from ablestack_api.core.errors import Conflict, LibvirtTimedOut
from ablestack_api.hypervisor.connection import Libvirt

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")

READ_SECONDS = 3.0
CHANGE_SECONDS = 30.0
# qemu is started, with its disks opened: over Ceph that takes its time.
START_SECONDS = 120.0
UNKNOWN = "N/A"
POLL_SECONDS = 1.0
ASK_AGAIN_SECONDS = 20.0

# virDomainState in the order of its numbers (libvirt-domain.h), with the words virsh has for them.
STATES = ("no state", "running", "idle", "paused", "shutdown", "shut off", "crashed", "pmsuspended")
RUNNING, SHUT_OFF, CRASHED = "running", "shut off", "crashed"
IDLE_STATES = (SHUT_OFF, CRASHED)


@dataclass(frozen=True)
class Nic:
    """`kind` is bridge, network, direct …; `source` the bridge (network, device) it hangs on; `traffic` counts bytes and
    packets since the start of the guest, when that was asked for."""

    mac: str
    kind: str
    source: str
    target: str = ""
    traffic: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Disk:
    """`source` is a path, or `pool/image` of a network disk; `requests` counts since the start of the guest."""

    target: str
    kind: str
    device: str
    source: str
    requests: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """`memory_kib` is what the guest may use now, `max_memory_kib` what it may be given; `pci_devices` (`dddd:bb:ss.f`)
    are handed through."""

    name: str
    uuid: str
    state: str
    vcpus: int
    max_memory_kib: int
    memory_kib: int
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    pci_devices: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Does a qemu process exist for it? A paused guest holds its disks as much as a running one."""
        return self.state not in IDLE_STATES

    def nic(self, mac: str) -> Nic | None:
        return next((nic for nic in self.nics if nic.mac == mac.lower()), None)


def read(hypervisor: Libvirt, name: str, *, statistics: bool = False, seconds: float = READ_SECONDS) -> Domain | None:
    """What libvirt knows of a domain; None when there is none of that name on this node.

    Raises LibvirtFailed, LibvirtTimedOut, ProgramMissing.
    """
    return _with(hypervisor, name, lambda domain: _facts(domain, statistics), seconds)


def read_state(hypervisor: Libvirt, name: str, *, seconds: float = READ_SECONDS) -> str | None:
    return _with(hypervisor, name, lambda domain: _state_name(domain.state()[0]), seconds)


def define(hypervisor: Libvirt, xml: str) -> None:
    """Make a domain persistent, or give the one of that name a new definition (in force at its next start).

    A definition without a UUID takes over the one of the domain that it replaces: libvirt would refuse it otherwise.
    """
    root = ET.fromstring(xml)  # noqa: S314  our own file; expat bounds what entities may grow to

    def work(connection: "libvirt.virConnect") -> None:
        present = _find(connection, (root.findtext("name") or "").strip())
        if present is not None and root.find("uuid") is None:
            uuid = ET.Element("uuid")
            uuid.text = present.UUIDString()
            root.insert(1, uuid)
        connection.defineXML(ET.tostring(root, encoding="unicode"))

    hypervisor.call(work, timeout=CHANGE_SECONDS)


def read_definition(hypervisor: Libvirt, name: str) -> str | None:
    """The persistent definition as XML, secrets left out."""
    import libvirt

    return _with(hypervisor, name, lambda domain: str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)), READ_SECONDS)


def start(hypervisor: Libvirt, name: str) -> None:
    """Raises Conflict when there is no such domain; one that runs already is left as it is."""
    _change(hypervisor, name, lambda domain: None if domain.isActive() else domain.create(), START_SECONDS)


def shut_down(hypervisor: Libvirt, name: str) -> None:
    """Ask the guest to switch off; returns at once."""
    _change(hypervisor, name, lambda domain: domain.shutdown() if domain.isActive() else None, CHANGE_SECONDS)


def shut_down_and_wait(hypervisor: Libvirt, clock: Clock, name: str, seconds: float) -> None:
    """Ask until it is off: a guest that is still starting does not see its power button. Raises LibvirtTimedOut."""
    asked = clock.monotonic()

    def ask_again() -> None:
        nonlocal asked
        if clock.monotonic() - asked >= ASK_AGAIN_SECONDS:
            asked = clock.monotonic()
            shut_down(hypervisor, name)

    shut_down(hypervisor, name)
    wait_for(hypervisor, clock, name, IDLE_STATES, seconds, ask_again)


def destroy(hypervisor: Libvirt, name: str) -> None:
    """Switch off without asking; fine when it is off."""
    _change(hypervisor, name, lambda domain: domain.destroy() if domain.isActive() else None, CHANGE_SECONDS)


def set_autostart(hypervisor: Libvirt, name: str, on: bool = True) -> None:
    _change(hypervisor, name, lambda domain: domain.setAutostart(int(on)), CHANGE_SECONDS)


def undefine(hypervisor: Libvirt, name: str, *, keep_nvram: bool) -> bool:
    """Forget a domain that is off; True when there was one. `keep_nvram`: its UEFI variables stay on disk."""

    def work(domain: "libvirt.virDomain") -> bool:
        if domain.isPersistent():
            domain.undefineFlags(_undefine_flags(domain, keep_nvram))
        return True

    return bool(_with(hypervisor, name, work, CHANGE_SECONDS))


def set_resources(hypervisor: Libvirt, name: str, *, vcpus: int | None, memory_gib: int | None) -> None:
    """Change the stored definition (in force at the next start). Raises Conflict when there is no such domain."""
    import libvirt

    def work(domain: "libvirt.virDomain") -> None:
        root = ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))  # noqa: S314
        for tag, text in _resource_texts(vcpus, memory_gib).items():
            element = root.find(tag)
            if element is not None:
                element.text = text
                element.attrib.pop("current", None)
                if tag != "vcpu":
                    element.set("unit", "GiB")
        domain.connect().defineXML(ET.tostring(root, encoding="unicode"))

    _change(hypervisor, name, work, CHANGE_SECONDS)


def host_memory_kib(hypervisor: Libvirt) -> int:
    """Memory of this node; for refusing what can never start."""
    return hypervisor.call(lambda connection: int(connection.getInfo()[1]) * 1024, timeout=READ_SECONDS)


def wait_for(
    hypervisor: Libvirt,
    clock: Clock,
    name: str,
    wanted: Sequence[str | None],
    seconds: float,
    between: Callable[[], None] = lambda: None,
) -> str | None:
    """Wait until the state is one of `wanted` (None: no such domain), looking every second; returns it.

    `between` is called after every look. Raises LibvirtTimedOut when the time is over.
    """
    limit = Deadline(clock, seconds)
    while True:
        state = read_state(hypervisor, name)
        if state in wanted:
            return state
        if limit.remaining() <= 0:
            told = "gone" if wanted[0] is None else wanted[0]
            shown = "domain not found" if state is None else f"current state={state}"
            raise LibvirtTimedOut(f"wait {name} {told} timed out after {seconds:g} s: {shown}")
        between()
        clock.sleep(POLL_SECONDS)


def devices_of(xml: str) -> tuple[tuple[Nic, ...], tuple[Disk, ...], tuple[str, ...]]:
    """(network cards, disks, PCI devices handed through as `dddd:bb:ss.f`) of a domain's XML."""
    devices = ET.fromstring(xml).find("devices")  # noqa: S314  libvirt's own text
    if devices is None:
        return (), (), ()
    nics = tuple(_nic(element) for element in devices.iterfind("interface"))
    disks = tuple(_disk(element) for element in devices.iterfind("disk"))
    addresses = devices.iterfind("hostdev[@type='pci']/source/address")
    return nics, disks, tuple(_pci_text(address) for address in addresses)


def _with(hypervisor: Libvirt, name: str, work: "Callable[[libvirt.virDomain], T]", seconds: float) -> T | None:
    def on_domain(connection: "libvirt.virConnect") -> T | None:
        domain = _find(connection, name)
        return None if domain is None else work(domain)

    return hypervisor.call(on_domain, timeout=seconds)


def _change(hypervisor: Libvirt, name: str, work: "Callable[[libvirt.virDomain], Any]", seconds: float) -> None:
    def on_domain(connection: "libvirt.virConnect") -> bool:
        domain = _find(connection, name)
        if domain is not None:
            work(domain)
        return domain is not None

    if not hypervisor.call(on_domain, timeout=seconds):
        raise Conflict(f"{name} domain not found on this node; nothing was changed")


def _find(connection: "libvirt.virConnect", name: str) -> "libvirt.virDomain | None":
    """None only when there is no such domain: whatever else goes wrong is raised.

    An error's code can get lost: Python may free a domain object in this thread just then, and that resets libvirt's last
    error. Then the list of all domains tells.
    """
    import libvirt

    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
    return next((domain for domain in connection.listAllDomains() if domain.name() == name), None)


def _facts(domain: "libvirt.virDomain", statistics: bool) -> Domain:
    state, max_memory, memory, vcpus, _ = domain.info()
    nics, disks, pci_devices = devices_of(domain.XMLDesc(0))
    if statistics and domain.isActive():
        nics = tuple(replace(nic, traffic=_traffic(domain, nic)) for nic in nics)
        disks = tuple(replace(disk, requests=_requests(domain, disk)) for disk in disks)
    return Domain(
        name=domain.name(),
        uuid=domain.UUIDString(),
        state=_state_name(state),
        vcpus=vcpus,
        max_memory_kib=max_memory,
        memory_kib=memory,
        nics=nics,
        disks=disks,
        pci_devices=pci_devices,
    )


def _state_name(number: int) -> str:
    return STATES[number] if 0 <= number < len(STATES) else "unknown"


def _traffic(domain: "libvirt.virDomain", nic: Nic) -> dict[str, int]:
    names = ("rx_bytes", "rx_packets", "rx_errs", "rx_drop", "tx_bytes", "tx_packets", "tx_errs", "tx_drop")
    return _counted(names, lambda: domain.interfaceStats(nic.mac))


def _requests(domain: "libvirt.virDomain", disk: Disk) -> dict[str, int]:
    names = ("rd_req", "rd_bytes", "wr_req", "wr_bytes", "errs")
    return _counted(names, lambda: domain.blockStats(disk.target))


def _counted(names: tuple[str, ...], ask: Callable[[], Any]) -> dict[str, int]:
    """Counters that libvirt does not have are left out: -1, or a refusal for a device without any."""
    import libvirt

    try:
        values = ask()
    except libvirt.libvirtError:
        return {}
    return {name: int(value) for name, value in zip(names, values, strict=True) if value >= 0}


def _nic(element: ET.Element) -> Nic:
    mac, target = element.find("mac"), element.find("target")
    return Nic(
        mac=mac.get("address", "").lower() if mac is not None else "",
        kind=element.get("type", UNKNOWN),
        source=_first(element.find("source"), ("bridge", "network", "dev")) or UNKNOWN,
        target=target.get("dev", "") if target is not None else "",
    )


def _disk(element: ET.Element) -> Disk:
    target = element.find("target")
    return Disk(
        target=target.get("dev", "") if target is not None else "",
        kind=element.get("type", UNKNOWN),
        device=element.get("device", "disk"),
        source=_first(element.find("source"), ("file", "dev", "name", "volume")),
    )


def _first(element: ET.Element | None, keys: tuple[str, ...]) -> str:
    """The first of some attributes that is there."""
    return "" if element is None else next((found for key in keys if (found := element.get(key))), "")


def _pci_text(address: ET.Element) -> str:
    domain, bus, slot, function = (int(address.get(key, "0"), 0) for key in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _undefine_flags(domain: "libvirt.virDomain", keep_nvram: bool) -> int:
    """Only the flags that the domain needs: not every driver knows all of them."""
    import libvirt

    flags = 0
    if ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("os/nvram") is not None:  # noqa: S314
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep_nvram else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    if domain.hasManagedSaveImage(0):
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    return flags


def _resource_texts(vcpus: int | None, memory_gib: int | None) -> dict[str, str]:
    cpu = {} if vcpus is None else {"vcpu": str(vcpus)}
    return cpu | ({} if memory_gib is None else {"memory": str(memory_gib), "currentMemory": str(memory_gib)})
