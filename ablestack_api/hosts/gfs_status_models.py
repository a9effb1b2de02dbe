"""Shapes of `GET /cube/gfs/disk/status` and `GET /cube/gfs/resource/status` (contract 02 §4, §5)."""

from typing import Any

from pydantic import BaseModel, Field


class RefreshQuery(BaseModel):
    refresh: bool = Field(default=False, description="wait for a reading that begins now")


class GfsFileSystem(BaseModel):
    """One mounted GFS2 file system. Either `multipaths` or `devices` is filled; sizes are for people (`41G`)."""

    lvm: str = Field(description="the logical volume, as lsblk names it")
    mountpoint: str
    size: str
    used: str = "N/A"
    avail: str = "N/A"
    use_percent: str = "N/A"
    multipaths: list[str] = Field(description="the multipath maps below it")
    devices: list[str] = Field(description="the disks below it where there is no multipath")
    disk_id: list[str] | None = Field(default=None, description="the first link below /dev/disk/by-id of the map")
    error: str | None = Field(default=None, description="why the fill level is not known: this file system does not answer")


class GfsDisks(BaseModel):
    mode: str = Field(description="multi: at least one is on multipath; else single")
    blockdevices: list[GfsFileSystem]


class _Fresh(BaseModel):
    code: int = 200
    refresh_time: str = Field(default="", description="when the data was read, RFC 3339")
    stale: bool | None = Field(default=None, description="true: the last refresh failed, this is older data")
    refresh_error: str | None = Field(default=None, description="why the last refresh failed")


class GfsDiskStatusAnswer(_Fresh):
    val: GfsDisks


class Part(BaseModel):
    """Something that has to run on every usable node: a file system, or the locks below all of them."""

    id: str
    ready: bool
    nodes: list[str] = Field(description="where it runs and is healthy")
    missing: list[str] = Field(description="usable nodes where it does not")
    reasons: list[str] = Field(description="why it is not ready")


class Readiness(BaseModel):
    ready: bool = Field(description="the locks and every file system run on every usable node")
    locking: Part
    file_systems: list[Part]
    reasons: list[str] = Field(description="why it is not ready, in one list")


class GfsResources(BaseModel):
    """Attributes of the resources as Pacemaker prints them, all texts, with `node_name`."""

    fence_resources: list[dict[str, str]]
    glue_locking_resources: list[dict[str, str]]
    gfs_mount_resources: list[dict[str, str]] = Field(description="of every GFS2 file system, whatever its name")
    glue_gfs_resources: list[dict[str, str]] = Field(description="those of them whose id begins with glue-gfs, as in 0.1.2")


class GfsResourceStatus(BaseModel):
    nodes_info: list[dict[str, str]]
    resources: GfsResources
    node_history: list[dict[str, Any]] = Field(description="node_name, resource_histories[]: resource_id, operations[]")
    readiness: Readiness


class GfsResourceStatusAnswer(_Fresh):
    val: GfsResourceStatus
