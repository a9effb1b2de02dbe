"""Shapes of the storage cluster's endpoints (contract 05 §2, §3, §4, §17)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ablestack_api.web.envelope import StepModel


class StatusQuery(BaseModel):
    refresh: bool = Field(default=False, description="true: ask Ceph now")


class UserQuery(StatusQuery):
    username: str = Field(default="", description="a Ceph user, client.admin by default")


class UserBody(BaseModel):
    """0.1.2 also took the name from a JSON body of the GET; it counted before the path and the query."""

    username: str = ""


class StatusAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    cluster_status: str = Field(description="HEALTH_OK, HEALTH_WARN or HEALTH_ERR")
    osd: int
    osd_up: int
    mon_gw1: int = Field(description="all monitors")
    mon_gw2: list[str] = Field(default=[], description="the monitors in the quorum")
    mgr: str = Field(description="the active manager, or N/A")
    mgr_cnt: int | None = None
    pools: int
    avail: str = Field(description="`14.82 TiB`, or N/A")
    used: str
    usage_percentage: str = Field(description="`10.68%`, or N/A")
    maintenance_status: bool = Field(description="the flag noout is set in the OSD map")
    maintenance: dict[str, Any] | None = Field(
        default=None, description="while a flag of the maintenance is set: `flags`, `complete`, `by`, `at`, `node`"
    )
    unread: list[dict[str, str]] | None = Field(default=None, description="what could not be read, and why")
    json_raw: dict[str, Any] = Field(description="`ceph -s` as it is")
    refresh_time: str = Field(description="RFC 3339, of the data")


class MaintenanceRequest(BaseModel):
    action: str = Field(default="", max_length=64, description="set_noout or unset_noout, in any case")
    target_hostname: str = Field(
        default="", max_length=4096, description="storage hosts that will be off together, comma separated; default: any one"
    )
    force: bool = Field(default=False, description="set the flags although a storage host could not be taken off")


class MaintenanceAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: Any = Field(description="`success`")
    retname: str | None = Field(default=None, description="`Maintenance Mode On` or `Maintenance Mode Off`")
    message: str | None = None
    action: str
    changed: list[str] | None = Field(default=None, description="the flags that were not so before")
    checks: list[dict[str, Any]] | None = Field(default=None, description="`host`, `osds`, `monitors`, `ok`, `reason`")
    overrides: list[str] | None = Field(default=None, description="refusals that force set aside")
    warnings: list[str] | None = None


class ConfigRequest(BaseModel):
    action: str = Field(default="", max_length=64, description="update, or empty")
    force: bool = Field(default=False, description="replace a ceph.conf that belongs to another cluster")
    transaction: StepModel | None = None
    request: dict[str, Any] = Field(default_factory=dict, description="between nodes only")


class ConfigAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: Any
    message: str | None = None
    action: str | None = None
    source: str | None = Field(default=None, description="`local`, or `pcsCluster:<address>` of the node that did it")
    results: list[dict[str, Any]] | None = Field(default=None, description="`step` is health or copy")


class LegacyAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    fsid: str
    health: dict[str, Any]
    refresh_time: str = Field(description="RFC 3339, of the data")


class UserAnswer(BaseModel):
    entity: str
    key: str = Field(description="the secret key for a Bearer token, stars for another node")
    caps: dict[str, str] = Field(description="mds, mgr, mon, osd")
    refreshed: str = Field(alias="refreshTime", description="RFC 3339, of the data")


class UsersAnswer(BaseModel):
    auth: dict[str, UserAnswer] = Field(description="by entity")
    refreshed: str = Field(alias="refreshTime", description="RFC 3339, of the data")
