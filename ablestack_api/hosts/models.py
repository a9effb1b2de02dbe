"""Shapes of the hosts and neighbour endpoints (contract 01 §7.1, §8)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class HostLine(BaseModel):
    ip: str
    hostnames: list[str]


class NetworkGroup(BaseModel):
    ccvm: HostLine | None = None
    ablecube: list[HostLine] | None = None
    scvm: list[HostLine] | None = None
    self_: HostLine | None = Field(default=None, alias="self")
    model_config = ConfigDict(populate_by_name=True)


class HostsAnswer(BaseModel):
    """/etc/hosts by network and role; empty keys are left out."""

    model_config = ConfigDict(populate_by_name=True)

    localhost: list[HostLine] | None = None
    management_network: NetworkGroup | None = Field(default=None, alias="management-network")
    public_network: NetworkGroup | None = Field(default=None, alias="public-network")
    client_network: NetworkGroup | None = Field(default=None, alias="client-network")
    others: list[HostLine] | None = None
    refresh_time: str = Field(description="RFC 3339")


class DiskQuery(BaseModel):
    action: str = Field(default="list", description="list, gfs, detail or rbd, and 0.1.2's other names of these")
    view: str = Field(default="tree", description="tree, or flat (list): one line a device")
    refresh: bool = Field(default=False, description="wait for a fresh reading")


class DiskPath(BaseModel):
    name: str
    kname: str
    path: str


class BlockDevice(BaseModel):
    """Members without a value are left out. `size` is for people (`1.8T`), as lsblk prints it."""

    name: str
    kname: str | None = None
    path: str | None = None
    id: str | None = Field(default=None, description="link below /dev/disk/by-id")
    rbd_path: str | None = None
    rota: bool | None = None
    model: str | None = None
    size: str | None = None
    state: str | None = None
    group: str | None = None
    type: str | None = None
    tran: str | None = None
    subsystems: str | None = None
    vendor: str | None = None
    wwn: str | None = None
    uuid: str | None = Field(default=None, description="identity of the disk or multipath map (gfs, detail)")
    path_mode: str | None = Field(default=None, description="multipath or single (gfs, detail)")
    in_use: bool | None = Field(default=None, description="true for what must not be taken; else left out")
    in_use_reason: str | None = Field(default=None, description="every reason, separated by `; `")
    single_path: list[DiskPath] | None = Field(default=None, description="the disks below a multipath map")
    children: "list[BlockDevice] | None" = None


class FlatDevice(BaseModel):
    name: str
    kname: str | None = None
    path: str | None = None
    id: str | None = None
    rbd_path: str | None = None
    type: str | None = None
    parent: str | None = Field(default=None, description="kname of the device it is built upon")
    depth: int


class DisksAnswer(BaseModel):
    """`blockdevices` in the tree view, `devices` in the flat view."""

    blockdevices: list[BlockDevice] | None = None
    devices: list[FlatDevice] | None = None
    raidcontrollers: list[dict[str, str]] | None = Field(default=None, description="as lspci names things (list, rbd)")
    warnings: list[str] | None = Field(default=None, description="what could not be looked at")
    refresh_time: str = Field(description="RFC 3339: when the devices were read")
    stale: bool | None = Field(default=None, description="true: there is no newer reading, `refresh_error` says why")
    refresh_error: str | None = None


class Neighbor(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    ip: str = ""
    hostname: str = ""


class NeighborsAnswer(BaseModel):
    neighbors: list[Neighbor]


class NeighborInfoAnswer(BaseModel):
    neighbors: dict[str, Any] = Field(description="hostname -> code and info of that node (err: why there is none)")
