"""The local volume: its fixed names, and what this node has of it now."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import Conflict
from ablestack_api.env import Env
from ablestack_api.state import cluster_file, fstab, mounts
from ablestack_api.tools import lvm
from ablestack_api.tools.lvm import LogicalVolume, VolumeGroup

VG, LV, DEVICE, MOUNT_POINT, FSTYPE = "vg_glue", "lv_glue", "/dev/vg_glue/lv_glue", "/mnt/glue", "xfs"
MAPPED = "/dev/mapper/vg_glue-lv_glue"
# Marks what create made, so that reset takes nothing else for it.
TAG = "ablestack_local"
TYPE = "ablestack-standalone"


@dataclass(frozen=True)
class Found:
    """`group` is None when there is no vg_glue, `mounted` empty when nothing is at the mount point.

    `ours`: made by create, as its tag, fstab or cluster.json tell.
    """

    group: VolumeGroup | None
    volumes: tuple[LogicalVolume, ...]
    pvs: tuple[str, ...]
    mounted: str
    listed: bool
    configured: bool
    tagged: bool

    @property
    def ours(self) -> bool:
        return self.tagged or self.listed or self.configured

    @property
    def mounted_other(self) -> str:
        return "" if self.mounted in (DEVICE, MAPPED) else self.mounted

    @property
    def has_volume(self) -> bool:
        return any(volume.name == LV for volume in self.volumes)

    @property
    def foreign(self) -> list[str]:
        return [volume.name for volume in self.volumes if volume.name != LV]


def folder(env: Env) -> str:
    return env.settings.below(MOUNT_POINT)


def mounted_device(env: Env) -> str:
    """What is seen at the mount point: the device as the kernel names it; empty when nothing is mounted there."""
    found = [mount.device for mount in mounts.read(env.settings) if mount.mountpoint in (MOUNT_POINT, folder(env))]
    return found[-1] if found else ""


def require_standalone(env: Env) -> None:
    """vg_glue is also the name of a GFS cluster's shared group: only a standalone node has a local one. Raises Conflict."""
    found = cluster_file.read(env.settings).document.cluster.type
    if found.lower() != TYPE:
        raise Conflict(
            f"local storage is for the cluster type {TYPE}, this one is {found or 'not configured'}; nothing was changed"
        )


def group_named(groups: Sequence[VolumeGroup]) -> VolumeGroup | None:
    return next((group for group in groups if group.name == VG), None)


def find(env: Env) -> Found:
    """Raises CommandFailed when LVM cannot tell: nothing is taken for absent then."""
    group = group_named(lvm.vgs(env.runner))
    present = group is not None
    profile = cluster_file.read(env.settings).document.profile
    return Found(
        group=group,
        volumes=tuple(volume for volume in lvm.lvs(env.runner) if volume.vg == VG) if present else (),
        pvs=tuple(volume.name for volume in lvm.pvs(env.runner) if volume.vg == VG) if present else (),
        mounted=mounted_device(env),
        listed=any(device == DEVICE for device, _ in fstab.mounts(env.settings)),
        configured=profile.bootstrap.local_configure == "true",
        tagged=present and TAG in lvm.vg_tags(env.runner).get(VG, ()),
    )
