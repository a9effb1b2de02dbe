"""The disks of this node and its RAID controllers (contract 02 §1)."""

from dataclasses import dataclass, field
from typing import Any

from ablestack_api.core.errors import ApiError, ProgramMissing
from ablestack_api.env import Env
from ablestack_api.hosts import disk_tree
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.hosts.disk_tree import Item
from ablestack_api.hosts.models import DiskQuery
from ablestack_api.state.cluster_document import layout
from ablestack_api.tools import lspci, multipath
from ablestack_api.tools.multipath import Map

# For `env.readings.forget` after anything that changes devices.
READING, MULTIPATH_READING, PCI_READING = "disks", "multipath", "lspci"
# Controllers are not plugged in every second, and their list costs more than that of the disks.
PCI_SECONDS = 60.0
LIST, GFS, DETAIL, RBD = "list", "gfs", "detail", "rbd"
ACTIONS = {
    "gfs": GFS,
    "gfs-list": GFS,
    "detail": DETAIL,
    "multipath": DETAIL,
    "mpath": DETAIL,
    "mpath-list": DETAIL,
    "rbd": RBD,
    "hci-file-system-list": RBD,
    "hci-shared-file-list": RBD,
}
FLAT_VIEWS = ("flat", "list")
RAID_CLASSES = ("raid", "non-volatile memory controller")


@dataclass(frozen=True)
class Maps:
    """`maps` is None when multipath told nothing; `warning` says why it should have."""

    maps: list[Map] | None
    warning: str = ""


@dataclass(frozen=True)
class PciDevices:
    devices: list[dict[str, str]]
    warning: str = ""


@dataclass(frozen=True)
class Printed:
    """An answer and the readings, beside that of the disks, which it was made from."""

    maps: Maps | None
    pci: PciDevices | None
    text: str


@dataclass(frozen=True)
class Disks:
    """One reading. `answers` keeps what was printed from it: a large node's answer takes longer to print than to read."""

    devices: BlockDevices
    links: DiskLinks
    answers: dict[tuple[str, bool], Printed] = field(default_factory=dict)


def print_disks(env: Env, query: DiskQuery) -> str:
    """The answer as JSON. Raises CommandFailed, CommandTimedOut, ProgramMissing of lsblk; the rest are warnings."""
    action, flat = ACTIONS.get(query.action, LIST), query.view.lower() in FLAT_VIEWS
    reading = env.readings.get(READING, lambda: _collect(env), refresh=query.refresh)
    maps = _read_maps(env, query.refresh) if action == DETAIL else None
    pci = read_pci(env, refresh=query.refresh) if action in (LIST, RBD) else None
    known = reading.value.answers.get((action, flat))
    if known is not None and known.maps is maps and known.pci is pci and not reading.stale:
        return known.text
    shape = _shaped(_view(action, reading.value, maps), flat, maps, pci)
    text = layout(shape | reading.freshness())
    if not reading.stale:
        reading.value.answers[action, flat] = Printed(maps, pci, text)
    return text


def read_pci(env: Env, *, refresh: bool = False) -> PciDevices:
    """The PCI devices, read at most once a minute; without lspci none, and a warning."""
    return env.readings.get(PCI_READING, lambda: _collect_pci(env), refresh=refresh, keep=PCI_SECONDS).value


def raid_controllers(devices: list[dict[str, str]]) -> list[dict[str, str]]:
    return [device for device in devices if any(name in device.get("Class", "").lower() for name in RAID_CLASSES)]


def _shaped(items: list[Item], flat: bool, maps: Maps | None, pci: PciDevices | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"devices": list(disk_tree.flat(items))} if flat else {"blockdevices": items}
    if pci is not None and (controllers := raid_controllers(pci.devices)):
        answer["raidcontrollers"] = controllers
    if warnings := [source.warning for source in (maps, pci) if source is not None and source.warning]:
        answer["warnings"] = warnings
    return answer


def _view(action: str, disks: Disks, maps: Maps | None) -> list[Item]:
    if maps is not None:
        return disk_tree.detail_view(disks.devices, disks.links, maps.maps)
    views = {LIST: disk_tree.list_view, GFS: disk_tree.gfs_view, RBD: disk_tree.rbd_view}
    return views[action](disks.devices, disks.links)


def _read_maps(env: Env, refresh: bool) -> Maps:
    return env.readings.get(MULTIPATH_READING, lambda: _collect_maps(env), refresh=refresh).value


def _collect(env: Env) -> Disks:
    try:
        devices = BlockDevices.read(env)
    except ApiError as error:
        detail = f"failed to read disk list: {error.detail}"
        raise type(error)(detail, fields=error.fields, headers=error.headers, **error.members) from error
    return Disks(devices, DiskLinks.read(env.settings))


def _collect_maps(env: Env) -> Maps:
    try:
        return Maps(multipath.read_maps(env.runner))
    except ProgramMissing:
        return Maps(None)  # a node of disks with one path each need not have it
    except ApiError as error:
        return Maps(None, f"multipath maps are those that lsblk shows: {error.detail}")


def _collect_pci(env: Env) -> PciDevices:
    try:
        return PciDevices(lspci.read(env.runner))
    except ApiError as error:
        return PciDevices([], f"PCI devices are unknown: {error.detail}")
