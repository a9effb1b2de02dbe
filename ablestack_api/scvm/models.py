"""Shapes of the Storage Center VM's endpoints (contract 03 §12, §14)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt


class StatusQuery(BaseModel):
    refresh: bool = Field(default=False, description="wait for a reading that begins now")


class StatusAnswer(BaseModel):
    code: int
    data: dict[str, Any] = Field(description="the state; what is not known is N/A")
    message: str | None = None
    refresh_time: str = Field(description="RFC 3339: when the data was collected")
    stale: bool | None = None
    refresh_error: str | None = None


class LifecycleRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", max_length=64, description="setup, start, stop, resource, delete or reset")
    target: str = Field(default="", max_length=64, description="address of a host of the cluster; this one when empty")
    target_hostname: str = Field(
        default="", max_length=255, description="name of a host of the cluster, instead of its address"
    )
    cpu: StrictInt | None = Field(default=None, description="resource: vCPUs")
    memory: StrictInt | None = Field(default=None, description="resource: GiB")
    force: StrictBool = Field(default=False, description="override the refusals that the error or the plan names")


class LifecycleAnswer(BaseModel):
    code: int
    val: Any
    retname: str
    message: str
    target: str
    action: str
    pending: str | None = Field(default=None, description="what is in force only after the next start")
