"""Shapes of the Cloud Center VM's endpoints (contract 03)."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, StringConstraints

# Every byte counts, also blanks at the ends.
Verbatim = Annotated[str, StringConstraints(strip_whitespace=False)]


class StatusQuery(BaseModel):
    refresh: bool = Field(default=False, description="wait for a reading that begins now")


class StatusAnswer(BaseModel):
    code: int
    data: dict[str, Any] = Field(description="the health card; what is not known is N/A")
    message: str | None = None
    refresh_time: str = Field(description="RFC 3339: when the data was collected")
    stale: bool | None = None
    refresh_error: str | None = None


class DomainAnswer(BaseModel):
    """The libvirt state of the Cloud Center VM; counters since its start stand beside each card and disk."""

    name: str
    running: bool
    nic: list[dict[str, Any]]
    disk: list[dict[str, Any]]
    refresh_time: str


class StorageAnswer(BaseModel):
    """What `ceph -s` tells."""

    model_config = ConfigDict(extra="allow")

    fsid: str
    health: dict[str, Any]
    refresh_time: str


class LifecycleRequest(BaseModel):
    """`part` counts between nodes only."""

    model_config = ConfigDict(str_strip_whitespace=True)

    action: str | None = Field(
        default=None, max_length=64, description="setup, start, stop, restart, copy, initialize, delete or reset"
    )
    disk: str = Field(default="", max_length=4096, description="reset: disks instead of those of the volume groups")
    destroy: StrictBool = Field(default=False, description="stop and restart, standalone: switch off instead of asking")
    purge: StrictBool = Field(default=False, description="delete: also remove the disk where it is a file")
    force: StrictBool = Field(default=False, description="override the refusals that the error or the plan names")
    part: str = Field(default="", max_length=32, description="between nodes only")


class LifecycleAnswer(BaseModel):
    code: int
    val: str
    retname: str
    message: str
    action: str
    os_type: str
    results: list[dict[str, Any]]


class EditRequest(BaseModel):
    """Texts, as 0.1.2 had them. `part` and `content` count between nodes only."""

    model_config = ConfigDict(str_strip_whitespace=True)

    cpu: StrictStr = Field(default="", max_length=16, description="vCPUs, a whole number as text")
    memory: StrictStr = Field(default="", max_length=16, description="GiB, a whole number as text")
    part: str = Field(default="", max_length=16, description="between nodes only")
    content: Verbatim = Field(default="", max_length=256 * 1024, description="between nodes only")


class EditAnswer(BaseModel):
    code: int
    message: str
    results: list[dict[str, Any]]
    pending: str | None = Field(default=None, description="what is in force only after the next start")


class ResizeRequest(BaseModel):
    """`part` and `guest` count between nodes only."""

    add_size: StrictInt = Field(default=0, description="GiB, 1 to 500")
    purge_snapshots: StrictBool = Field(default=False, description="remove all snapshots of the disk first")
    part: str = Field(default="", max_length=16, description="between nodes only")


class ResizeAnswer(BaseModel):
    code: int
    val: Any
    retname: str
    message: str
    target: str
    os_type: str


class ServiceRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", max_length=64, description="start, restart, stop or status")
    service_name: str = Field(default="", max_length=256, description="a service of systemd in the Cloud Center VM")


class ServiceAnswer(BaseModel):
    code: int
    val: str
