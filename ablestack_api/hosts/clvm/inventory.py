"""The CLVM volume groups that this node sees (contract 02 §7.2)."""

from typing import Any

from ablestack_api.core.errors import BadInput
from ablestack_api.env import Env
from ablestack_api.hosts import disk_links
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.clvm import groups
from ablestack_api.hosts.disk_tree import MULTIPATH, SINGLE, id_in_link
from ablestack_api.tools import lvm
from ablestack_api.tools.lvm import PhysicalVolume

NOTHING = "N/A"
UNITS = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"))


def read(env: Env) -> list[dict[str, Any]]:
    """One entry a physical volume, by the number of its group. Raises what LVM and lsblk raise."""
    volumes = [pv for pv in lvm.pvs(env.runner) if groups.number(pv.vg) is not None]
    if not volumes:
        return []
    devices, links = BlockDevices.read(env), disk_links.member_links(env.settings)
    ordered = sorted(volumes, key=lambda pv: (groups.number(pv.vg) or 0, pv.vg, pv.name))
    return [_entry(pv, devices, links) for pv in ordered]


def told_size(size: int) -> str:
    """Two decimals, as 0.1.2 made of LVM's `<100.00g`."""
    unit, name = next((each for each in UNITS if size >= each[0]), UNITS[-1])
    return f"{size / unit:.2f}{name}"


def _entry(pv: PhysicalVolume, devices: BlockDevices, links: dict[str, str]) -> dict[str, Any]:
    device = _device(devices, pv.name)
    link = links.get(device.kname, "") if device else ""
    disk = devices.parent_disk(device) if device else None
    wwn = (disk.wwn if disk else "") or (device.wwn if device else "")
    multipath = "mpath-" in link or (disk is not None and disk.is_multipath_map)
    return {
        "vg_name": pv.vg,
        "pv_name": pv.name,
        "pv_size": told_size(pv.size),
        "uuid": id_in_link(link) or (devices.multipath_id(disk) if disk and multipath else "") or wwn or NOTHING,
        "path_mode": MULTIPATH if multipath else SINGLE,
        "disk_id": link or NOTHING,
    }


def _device(devices: BlockDevices, path: str) -> Device | None:
    """None for a volume whose disk is missing (`[unknown]`)."""
    try:
        return devices.find(path)
    except BadInput:
        return None
