"""Shapes of the operations endpoints (contract 01 §6.3, §6.6, §6.7)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class HealthAnswer(BaseModel):
    status: str = "ok"
    code: int = 200
    message: str = "ok"


class VersionAnswer(BaseModel):
    """What cannot be told is left out, or N/A where 0.1.3 said so."""

    api_version: str
    os_version: str
    kernel_version: str
    cockpit_version: str
    mold_version: str
    glue_version: str | None = None
    ablestack_package_versions: list[str] | None = None


class RecordedError(BaseModel):
    error: str
    refresh_time: str


class ErrorsAnswer(BaseModel):
    errors: list[RecordedError] | None


class ShutdownRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", description="check_mount, stop_scvms, shutdown_hosts, in this order")
    force: bool = Field(default=False, description="although something runs that should be off")


class ShutdownAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: Any = None
    message: str
    action: str
    retname: str | None = None
    target: str | None = None
    results: list[dict[str, Any]] | None = Field(default=None, description="one entry a host")
    mounts: list[dict[str, str]] | None = Field(default=None, description="source, mount_point, status, message")


class DashboardQuery(BaseModel):
    refresh: bool = Field(default=False, description="true: ask everybody now")


class DashboardAnswer(BaseModel):
    """What cannot be told is null; `error` in its half says why."""

    model_config = ConfigDict(extra="allow")

    StorageCenterCluster: dict[str, Any]
    CloudCenterVM: dict[str, Any]
    refresh_time: str
