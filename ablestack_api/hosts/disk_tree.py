"""The four views of the block devices (contract 02 §1.4 to §1.9): pure reshaping of one reading, nothing is read here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ablestack_api.hosts import device_uses
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.tools.lsblk import human_size
from ablestack_api.tools.multipath import Map

Item = dict[str, Any]
BY_ID = "/dev/disk/by-id/"
MULTIPATH, SINGLE = "multipath", "single"
MULTIPATH_IDS = ("dm-uuid-part1-mpath-", "dm-uuid-mpath-", "part1-mpath-", "mpath-")
DISK_IDS = ("wwn-", "scsi-")
FLAT_FIELDS = ("name", "kname", "path", "id", "rbd_path", "type")


@dataclass(frozen=True)
class Found:
    """A multipath map with the disks it was seen below, or a disk by itself."""

    device: Device
    paths: tuple[Device, ...]

    @property
    def is_multipath(self) -> bool:
        return self.device.is_multipath_map


def list_view(devices: BlockDevices, links: DiskLinks) -> list[Item]:
    """Every disk that is not the system's; a map below its first path only."""
    items = []
    for device in _offered(devices.roots):
        item = _tree(device)
        item["path"] = links.by_path.get(device.kname, device.path)
        items.append(item)
    return items


def rbd_view(devices: BlockDevices, links: DiskLinks) -> list[Item]:
    """Mapped RBD images with the names that udev gives them, /dev/rbd/<pool>/<image>."""
    items = []
    for device in _offered(devices.roots):
        if "rbd" not in device.name:
            continue
        item = _tree(device)
        if link := links.rbd.get(device.kname):
            item |= {"path": f"/dev/{device.name}", "rbd_path": link}
            _name_partitions(devices, device, item, links)
        items.append(item)
    return items


def gfs_view(devices: BlockDevices, links: DiskLinks) -> list[Item]:
    """Multipath maps, then disks with one path."""
    found = [each for each in _folded(_hardware(devices.roots)) if not devices.is_system(each.device)]
    return [_folded_item(devices, each, links) for each in found]


def detail_view(devices: BlockDevices, links: DiskLinks, maps: list[Map] | None) -> list[Item]:
    """What multipath itself tells (`maps`): its maps, or where there are none the disks. None: nothing is known of it."""
    if maps:
        pairs = _with_nodes(devices, maps)
        return [_map_item(map_, node) for map_, node in pairs if node is None or not devices.is_system(node)]
    items = gfs_view(devices, links)
    if maps is None:
        multipath = [item for item in items if item["path_mode"] == MULTIPATH]
        return multipath or items
    disks = [item for item in items if item.get("type") == "disk"]
    return [{key: value for key, value in item.items() if key != "single_path"} for item in disks]


def flat(items: Iterable[Item], depth: int = 0, parent: str = "") -> Iterator[Item]:
    """Parents before their children, with depth."""
    for item in items:
        line = {name: item[name] for name in FLAT_FIELDS if item.get(name)}
        yield line | ({"parent": parent} if parent else {}) | {"depth": depth}
        own = item.get("kname") or item["name"] or item.get("path", "")
        yield from flat(item.get("children", ()), depth + 1, own)


def _hardware(roots: Iterable[Device]) -> list[Device]:
    return [
        root
        for root in roots
        if "loop" not in root.type and "usb" not in root.tran and "cdrom" not in root.group and root.type != "rom"
    ]


def _offered(roots: Iterable[Device]) -> list[Device]:
    return [root for root in _hardware(roots) if not device_uses.is_system(root)]


def _tree(device: Device) -> Item:
    return _shape(device) | _in_use(device) | _branches(device)


def _branches(device: Device) -> Item:
    """What is built upon a device, each below the first of its parents only."""
    own = (child for child in device.children if child.parents[0] is device)
    return _with_children(_shape(child) | _branches(child) for child in own)


def _with_children(children: Iterable[Item]) -> Item:
    present = list(children)
    return {"children": present} if present else {}


def _shape(device: Device, link: str = "") -> Item:
    """Members in the order of 0.1.2; empty ones are left out."""
    members: Item = {
        "kname": device.kname,
        "path": device.path,
        "id": link,
        "rota": device.rota,
        "model": device.model,
        "size": human_size(device.size),
        "state": device.state,
        "group": device.group,
        "type": device.type,
        "tran": device.tran,
        "subsystems": device.subsystems,
        "vendor": device.vendor,
        "wwn": device.wwn,
    }
    return {"name": device.name, **{key: value for key, value in members.items() if value not in ("", None)}}


def _in_use(device: Device) -> Item:
    """Why it is not free to be taken; 0.1.2's one reason comes first."""
    lost = device_uses.contents(device)
    taken = [*device_uses.unfit(device), *device_uses.uses(device)] or lost
    if device_uses.PARTITIONED in lost:
        taken = list(dict.fromkeys([device_uses.PARTITIONED, *taken]))
    return {"in_use": True, "in_use_reason": "; ".join(taken)} if taken else {}


def _name_partitions(devices: BlockDevices, device: Device, item: Item, links: DiskLinks) -> None:
    by_kname = {child.kname: child for child in device.children if child.is_partition}
    for shape in item.get("children", ()):
        if child := by_kname.get(shape.get("kname", "")):
            number = devices.partition_number(device, child)
            shape["rbd_path"] = links.rbd.get(child.kname, f"{item['rbd_path']}-part{number}")


def _folded(roots: Iterable[Device]) -> list[Found]:
    """Maps in the order they are first seen, each with its paths, then the disks below no map."""
    paths: dict[str, list[Device]] = {}
    maps: dict[str, Device] = {}
    singles = []
    for root in roots:
        nearest = list(_nearest_maps(root))
        for map_ in nearest:
            key = map_.kname or map_.name or map_.path
            maps.setdefault(key, map_)
            paths.setdefault(key, []).append(root)
        if not nearest:
            singles.append(root)
    return [
        *(Found(map_, tuple(dict.fromkeys(paths[key]))) for key, map_ in maps.items()),
        *(Found(single, (single,)) for single in singles),
    ]


def _nearest_maps(device: Device) -> Iterator[Device]:
    if device.is_multipath_map:
        yield device
        return
    for child in device.children:
        yield from _nearest_maps(child)


def _folded_item(devices: BlockDevices, found: Found, links: DiskLinks) -> Item:
    device = found.device
    link = links.by_id.get(device.kname, "")
    wwid = devices.multipath_id(device) if found.is_multipath else ""
    item = _shape(device, link)
    if uuid := wwid or id_in_link(link) or device.wwn:
        item["uuid"] = uuid
    item["path_mode"] = MULTIPATH if found.is_multipath else SINGLE
    item |= _in_use(device)
    item["single_path"] = [{"name": path.name, "kname": path.kname, "path": path.path} for path in found.paths]
    return item | _with_children(_nested(child, links) for child in device.children)


def _nested(device: Device, links: DiskLinks) -> Item:
    link = links.by_id.get(device.kname, "")
    return _shape(device, link) | _with_children(_nested(child, links) for child in device.children)


def id_in_link(link: str) -> str:
    """The identity that a by-id link carries, empty for kinds that carry a model and serial number only."""
    name = link.rsplit("/", 1)[-1]
    lowered = name.lower()
    for start in MULTIPATH_IDS:
        if lowered.startswith(start):
            return name[len(start) :]
    name = name.removesuffix("-part1")
    return next((name[len(start) :] for start in DISK_IDS if name.startswith(start)), "")


def _with_nodes(devices: BlockDevices, maps: list[Map]) -> list[tuple[Map, Device | None]]:
    nodes = [node for node in devices.all() if node.is_multipath_map]
    by_kname, by_name = {node.kname: node for node in nodes}, {node.name: node for node in nodes}
    return [(map_, by_kname.get(map_.kname) or by_name.get(map_.name)) for map_ in maps]


def _map_item(map_: Map, node: Device | None) -> Item:
    """What `multipath -ll` printed, with what lsblk knows beside it."""
    item: Item = {
        "name": map_.name,
        "kname": node.kname if node else map_.kname,
        "path": f"/dev/mapper/{map_.name}",
        "id": f"{BY_ID}dm-uuid-mpath-{map_.wwid}",
        "size": map_.size or (human_size(node.size) if node else ""),
        "state": node.state if node else "",
        "type": "mpath",
        "uuid": map_.wwid,
        "path_mode": MULTIPATH,
    }
    return {key: value for key, value in item.items() if value} | (_in_use(node) if node else {})
