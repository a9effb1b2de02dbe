"""Why a block device must not be written, told by what lsblk knows of it and of what is built upon it."""

from collections.abc import Iterator

from ablestack_api.tools.lsblk import SWAP, Device

ROOT = "/"
PARTITIONED = "partition exists"
SYSTEM_MOUNTS = frozenset(
    {ROOT, "/boot", "/boot/efi", "/efi", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/usr/local", "/var", "/var/log"}
    | {"/var/log/audit", "/tmp", "/var/tmp"}  # noqa: S108  names to compare with, nothing is made there
)
LVM_MEMBER, MULTIPATH_MEMBER = "LVM2_member", "mpath_member"
# Signatures of devices that something else owns, mounted or not.
OWNED = {
    MULTIPATH_MEMBER: "path of a multipath map",
    LVM_MEMBER: "physical volume of LVM",
    "LVM1_member": "physical volume of LVM",
    "ceph_bluestore": "Ceph OSD",
    "swap": "swap",
    "zfs_member": "member of a ZFS pool",
    "bcache": "member of a bcache",
    "drbd": "DRBD device",
    "VMFS_volume_member": "member of a VMFS volume",
    "stratis": "member of a Stratis pool",
    "vdo": "VDO device",
}
# GPT types that ceph-disk and ceph-volume give partitions (ceph: src/ceph-volume/ceph_volume/util/constants.py).
CEPH_PARTITIONS = frozenset(
    (
        "4fbd7e29-9d25-41b8-afd0-062c0ceff05d",
        "45b0969e-9b03-4f30-b4c6-b4b80ceff106",
        "cafecafe-9b03-4f30-b4c6-b4b80ceff106",
        "30cd0809-c2b2-499c-8879-2d6b78529876",
        "5ce17fce-4087-4169-b7ff-056cc58473f9",
        "4fbd7e29-8ae0-4982-bf9d-5a8d867af560",
        "4fbd7e29-9d25-41b8-afd0-5ec00ceff05d",
        "fb3aabf9-d25f-47cc-bf5e-721d1816496b",
    )
)
# EFI system, BIOS boot and PReP partitions, of GPT and of MBR: a system without a mount point for them needs them still.
BOOT_PARTITIONS = frozenset(
    (
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "21686148-6449-6e6f-744e-656564454649",
        "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
        "0xef",
        "0x41",
    )
)


def is_system(device: Device) -> bool:
    """Whether the running system stands on it: one of its file systems, or active swap. A map is what its paths are."""
    parts = (part for whole in _with_paths(device) for part in whole.family())
    return any(place in SYSTEM_MOUNTS or SWAP in place for part in parts for place in part.mountpoints)


def uses(device: Device) -> list[str]:
    """What it serves now; empty for one that nobody owns."""
    told = [reason for part in device.family() for reason in _own_uses(part)]
    told += [*_held(device), *_path_below(device), *_boot_partition(device), *_past_the_map(device)]
    return list(dict.fromkeys(told))


def unfit(device: Device) -> list[str]:
    """Why nobody could write it at all."""
    reasons = ["read-only"] if device.ro else []
    reasons += ["has no medium or no size"] if device.size <= 0 else []
    return [*reasons, "CD or DVD drive"] if device.type == "rom" else reasons


def contents(device: Device) -> list[str]:
    """What lies on it that would be lost, though nobody uses it: partitions, file systems."""
    found = [PARTITIONED] if any(child.is_partition for child in device.children) else []
    for part in device.family():
        if part.fstype and part.fstype not in OWNED and not part.fstype.endswith("_raid_member"):
            found.append(f"{part.fstype} on {part.name}")
    return found


def _own_uses(device: Device) -> Iterator[str]:
    yield from _mounts(device)
    if device.parttype.lower() in CEPH_PARTITIONS or _is_ceph_volume(device):
        yield "Ceph OSD"
    if device.fstype == LVM_MEMBER:
        yield _physical_volume(device)
    elif device.fstype == MULTIPATH_MEMBER and any(child.is_multipath_map for child in device.children):
        return  # the map itself is named by `_held`
    elif device.fstype in OWNED:
        yield OWNED[device.fstype]
    elif device.fstype.endswith("_raid_member"):
        yield "member of a RAID array"


def _mounts(device: Device) -> Iterator[str]:
    for place in device.mountpoints:
        yield "holds the root file system" if place == ROOT else "swap" if SWAP in place else f"mounted at {place}"


def _held(device: Device) -> Iterator[str]:
    """The kernel's holders: whatever is built upon it or upon a partition of it, but for what the signatures tell."""
    for part in _with_partitions(device):
        for holder in part.children:
            if holder.is_multipath_map:
                yield f"path of multipath map {holder.name}"
            elif holder.type == "lvm" and part.type != "lvm":
                yield f"physical volume of {volume_group(holder)}"
            elif not holder.is_partition:
                yield f"held by {holder.type or 'device'} {holder.name}"


def _path_below(device: Device) -> Iterator[str]:
    """A partition that the kernel shows on a path disk is the same place as the map's partition."""
    for parent in device.parents:
        if device.is_partition and not parent.is_multipath_map:
            yield from (f"on a path of multipath map {map_.name}" for map_ in parent.children if map_.is_multipath_map)


def _past_the_map(device: Device) -> Iterator[str]:
    """What uses a path of this map without going through the map: it was there before multipathd was."""
    for path in _with_paths(device):
        if path is not device:
            yield from (f"{reason} (on its path {path.name})" for reason in _mounts(path))
            for child in path.children:
                if child.is_partition:
                    yield from (reason for part in child.family() for reason in _own_uses(part))
                elif not child.is_multipath_map:
                    yield f"held by {child.type or 'device'} {child.name} (on its path {path.name})"


def _with_paths(device: Device) -> list[Device]:
    return [device, *device.parents] if device.is_multipath_map else [device]


def _boot_partition(device: Device) -> Iterator[str]:
    if device.parttype.lower() in BOOT_PARTITIONS and any(is_system(parent) for parent in device.parents):
        yield "boot partition of the system"


def _with_partitions(device: Device) -> Iterator[Device]:
    yield device
    for child in device.children:
        if child.is_partition:
            yield from _with_partitions(child)


def _physical_volume(device: Device) -> str:
    groups = dict.fromkeys(volume_group(child) for child in device.children if child.type == "lvm")
    return f"physical volume of {', '.join(groups) or 'LVM'}"


def _is_ceph_volume(device: Device) -> bool:
    """ceph-volume names its groups ceph-<uuid> and ceph-block-… (`-` is doubled in the names of maps)."""
    return device.type == "lvm" and device.name.startswith("ceph--")


def volume_group(volume: Device) -> str:
    """The group in the map name of a logical volume, `<group>-<volume>` with every `-` of either doubled (lvm(8))."""
    marked = volume.name.replace("--", "\0")
    return marked.split("-", 1)[0].replace("\0", "-")
