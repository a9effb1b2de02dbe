"""What create-gfs is to make: names, sizes and disks, from the request and clusterConfig.gfs."""

from dataclasses import dataclass

from ablestack_api.core.errors import Conflict
from ablestack_api.hosts import cluster_hosts, free_disks, storage_names
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.hosts.gfs.resources import Names
from ablestack_api.hosts.partitions import NewPartition
from ablestack_api.state.cluster_document import ClusterConfig

MIB = 1 << 20
JOURNAL_MB, RESOURCE_GROUP_MB = (512, 8, 1024), (1024, 32, 2048)


@dataclass(frozen=True)
class Layout:
    """What is to be made: names, sizes in MiB, the disks by the path of the request."""

    vg: str
    lv: str
    gfs: str
    mount_point: str
    cluster: str
    journals: int
    journal_mb: int
    resource_group_mb: int
    paths: tuple[str, ...]
    partitions: tuple[NewPartition, ...]

    @property
    def lv_path(self) -> str:
        return f"/dev/{self.vg}/{self.lv}"

    @property
    def names(self) -> Names:
        return Names.of(self.gfs)


def of(call: Call) -> Layout:
    """The disks are looked over. Raises BadInput, Conflict."""
    request = call.request
    vg = storage_names.vg_name(request.vg_name or "vg_glue")
    lv = storage_names.lv_name(request.lv_name or "lv_glue", vg=vg)
    gfs = storage_names.gfs_name(request.gfs_name or "glue-gfs")
    mount_point = storage_names.mount_point(request.mount_point or "/mnt/glue-gfs")
    cluster = storage_names.cluster_name(request.cluster_name) if request.cluster_name else ""
    journal_mb, group_mb = sizes(call.config)
    journals = len(cluster_hosts.of(call.env, call.config)) + 1
    paths = request.every_disk
    found = free_disks.find_each(call.env, paths, force=request.force)
    # What mkfs.gfs2 needs at least: the journals and two resource groups.
    free_disks.require_space(found, (journals * journal_mb + 2 * group_mb) * MIB, f"a file system with {journals} journals")
    new = tuple(NewPartition(disk, gfs) for disk in found)
    return Layout(vg, lv, gfs, mount_point, cluster, journals, journal_mb, group_mb, tuple(paths), new)


def sizes(config: ClusterConfig) -> tuple[int, int]:
    """Journal and resource group in MiB, from clusterConfig.gfs; 0 and absent mean the default. Raises Conflict."""
    block = (config.model_extra or {}).get("gfs")
    block = block if isinstance(block, dict) else {}
    return (
        _size(block.get("journal_size_mb"), "journal_size_mb", *JOURNAL_MB),
        _size(block.get("resource_group_size_mb"), "resource_group_size_mb", *RESOURCE_GROUP_MB),
    )


def _size(value: object, name: str, default: int, low: int, high: int) -> int:
    text = "0" if value in (None, "") else str(value).strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else -1
    if number == 0:
        return default
    if not low <= number <= high or number & (number - 1):
        raise Conflict(
            f"clusterConfig.gfs.{name} must be a power of two between {low}MB and {high}MB", fields=[(name, f"is {text}")]
        )
    return number
