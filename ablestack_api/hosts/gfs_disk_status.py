"""Which GFS2 file systems are mounted on this node, and what is below them (contract 02 §4)."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ablestack_api.core.errors import ApiError, NotSetUp
from ablestack_api.core.settings import Settings
from ablestack_api.env import Env
from ablestack_api.hosts.block_devices import BlockDevices, Device
from ablestack_api.hosts.gfs_status_models import GfsDisks, GfsDiskStatusAnswer, GfsFileSystem, RefreshQuery
from ablestack_api.state import mounts
from ablestack_api.state.mounts import Mount
from ablestack_api.tools import df, lsblk

GFS2 = "gfs2"
READING = "gfs disk status"
FILL_SECONDS = 5.0
AT_ONCE = 8
BY_ID = "dev/disk/by-id"
NOTHING = "no disk is mounted as GFS2 on this node"


def read(env: Env, query: RefreshQuery) -> GfsDiskStatusAnswer:
    """Raises NotSetUp when nothing is mounted, and what lsblk raises; their member `val` is as in 0.1.2."""
    try:
        reading = env.readings.get(READING, lambda: _collect(env), refresh=query.refresh)
    except ApiError as error:
        error.members.setdefault("val", error.detail)
        raise
    if not reading.value:
        raise NotSetUp(NOTHING, val={"message": NOTHING}, **reading.freshness())
    mode = "multi" if any(found.multipaths for found in reading.value) else "single"
    return GfsDiskStatusAnswer(val=GfsDisks(mode=mode, blockdevices=reading.value), **reading.freshness())


def _collect(env: Env) -> list[GfsFileSystem]:
    mounted = [mount for mount in mounts.read(env.settings) if mount.fstype == GFS2]
    if not mounted:
        return []
    devices, links = BlockDevices.read(env), _by_id(env.settings)
    by_place = {mount.mountpoint: mount for mount in mounted}
    known = [(place, entry) for place, mount in by_place.items() if (entry := _file_system(mount, devices, links))]
    _fill_in(env, known)
    return [entry for _, entry in known]


def _file_system(mount: Mount, devices: BlockDevices, links: dict[str, list[str]]) -> GfsFileSystem | None:
    """None when no block device is known under any name of the mount's."""
    matches = [device for device in devices.all() if _is_of(device, mount)]
    if not matches:
        return None
    maps: dict[str, list[str]] = {}
    disks: set[str] = set()
    for device in matches:
        for base in _bases(device):
            if base.is_multipath_map:
                maps.setdefault(_path(base), []).extend([*links.get(base.kname, []), *links.get(device.kname, [])])
            else:
                disks.add(_path(base))
    return GfsFileSystem(
        lvm=_path(matches[0]),
        mountpoint=mount.mountpoint.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        size=lsblk.human_size(matches[0].size),
        multipaths=sorted(maps),
        devices=sorted(disks),
        disk_id=sorted(link for found in maps.values() for link in found)[:1] or None,
    )


def _is_of(device: Device, mount: Mount) -> bool:
    name = os.path.basename(mount.device)
    return (
        os.path.normpath(_path(device)) == os.path.normpath(mount.device)
        or mount.mountpoint in device.mountpoints
        or name in (device.kname, device.name)
    )


def _bases(device: Device) -> Iterator[Device]:
    """What it stands on: the nearest multipath map of each way down, else the disk at the bottom."""
    if device.is_multipath_map or not device.parents:
        yield device
        return
    for parent in device.parents:
        yield from _bases(parent)


def _path(device: Device) -> str:
    return device.path or f"/dev/{device.kname or device.name}"


def _fill_in(env: Env, known: Sequence[tuple[str, GfsFileSystem]]) -> None:
    """One df for each, side by side: a file system that hangs keeps its own numbers back and nobody else's."""
    if not known:
        return
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(known)), thread_name_prefix="df") as pool:
        list(pool.map(lambda pair: _ask(env, *pair), known))


def _ask(env: Env, mountpoint: str, entry: GfsFileSystem) -> None:
    try:
        fill = df.read_one(env.runner, mountpoint, seconds=FILL_SECONDS)
    except ApiError as error:
        entry.error = error.detail
    else:
        entry.size, entry.used, entry.avail, entry.use_percent = fill.size, fill.used, fill.available, fill.percent


def _by_id(settings: Settings) -> dict[str, list[str]]:
    """Kernel name -> links of multipath maps and their partitions."""
    folder = settings.below(BY_ID)
    links: dict[str, list[str]] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return {}
    for name in names:
        if "dm-uuid" in name and "LVM" not in name:
            links.setdefault(os.path.basename(_target(os.path.join(folder, name))), []).append(f"/{BY_ID}/{name}")
    return links


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
