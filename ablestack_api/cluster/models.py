"""Shapes of the cluster endpoints (contract 01 §5, §6)."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from ablestack_api.web.envelope import StepModel

# A JSON null in a text's place is an empty text, as it was for 0.1.2; a number is refused, as it was too.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class _Request(BaseModel):
    model_config = ConfigDict(populate_by_name=True, str_strip_whitespace=True)


class HostEntry(_Request):
    index: Text = Field(default="", description='position, "1" for the first host')
    hostname: Text = ""
    ablecube: Text = Field(default="", description="management address")
    ablecube_pn: Text = Field(default="", alias="ablecubePn", description="storage network address")
    scvm_mngt: Text = Field(default="", alias="scvmMngt", description="storage VM: management address")
    scvm: Text = Field(default="", description="storage VM: storage network address")
    scvm_cn: Text = Field(default="", alias="scvmCn", description="storage VM: replication network address")


class CcvmEntry(_Request):
    ip: Text = ""
    cidr: Text = Field(default="", description="old place of mngtNic.cidr")
    gw: Text = Field(default="", description="old place of mngtNic.gw")
    dns: Text = Field(default="", description="old place of mngtNic.dns")


class NicEntry(_Request):
    cidr: Text = Field(default="", description="prefix length")
    gw: Text = ""
    dns: Text = ""


class SecurityEntry(_Request):
    internal_token: Text = ""


class ApplyRequest(_Request):
    action: Text = Field(default="", description="insert, remove, reset or check")
    option: Text = Field(
        default="", description="insert: add, local, all; check: hostOnly, withScvm, all; empty for the usual"
    )
    type: Text = Field(default="", description="ablestack-hci, ablestack-hci-filesystem, ablestack-vm, ablestack-standalone")
    ccvm: CcvmEntry = Field(default_factory=CcvmEntry)
    mngt_nic: NicEntry = Field(default_factory=NicEntry, alias="mngtNic")
    security: SecurityEntry = Field(default_factory=SecurityEntry)
    pcs_cluster_list: list[Text] = Field(default_factory=list, description="names or addresses for Pacemaker, 1 to 16")
    hosts: list[HostEntry] = Field(default_factory=list, max_length=64)
    exclude_hostname: Text = Field(default="", description="its storage VM is not called")
    remove_hostname: Text = Field(default="", validation_alias=AliasChoices("remove_hostname", "target_hostname"))
    new_hostname: Text = Field(default="", description="with add: comma list of hosts whose storage VMs are not called")
    external_timeserver: Text = Field(default="", validation_alias=AliasChoices("external_timeserver", "extenal_timeserver"))
    storage_network: Text = Field(
        default="",
        validation_alias=AliasChoices("iscsi_storage", "storage_network"),
        description="true when there is a storage network of its own; 0.1.2 calls it iscsi_storage",
    )
    enrolment_codes: dict[str, str] = Field(
        default_factory=dict, description="hostname -> one-time code of `ablestack-api enrol` on that node"
    )
    transaction: StepModel | None = None
    request: dict[str, Any] = Field(default_factory=dict, description="between nodes only")


class ApplyAnswer(BaseModel):
    code: int = 200
    message: str
    results: list[dict[str, Any]] = Field(description="one entry a node: target, hostname, role, code, outcome, message")
    revision: str | None = Field(default=None, description="what all nodes hold now")
    steps: list[dict[str, Any]] | None = Field(default=None, description="what was done, or skipped, on this node")


class LocalAnswer(BaseModel):
    code: int = 200
    val: Any
    steps: list[dict[str, Any]] | None = None


class ConfigQuery(BaseModel):
    download: bool = Field(default=False, description="with the internal token, to configure further nodes; Bearer only")


class HealthQuery(BaseModel):
    option: str = Field(default="", description="comma list of host, scvm, ccvm")
    target_hostname: str = Field(default="", description="comma list of names; scvmN and ccvm for the guests")


class SystemConfigRequest(_Request):
    action: Text = Field(default="", description="status, update, allUpdate, reset")
    option: Text = Field(default="", description="all: every host; else this node")
    depth1: Text = Field(default="", description="bootstrap, license or security_patch")
    depth2: Text = ""
    value: Text = ""
    transaction: StepModel | None = None
    request: dict[str, Any] = Field(default_factory=dict, description="between nodes only")


class UrlQuery(BaseModel):
    option: str = Field(default="", description="cloudCenter, wallCenter, storageCenter; all when empty")


class TimeServerRequest(_Request):
    external_timeserver: Text = Field(default="", description="default: as in cluster.json")
    time_servers: list[Text] = Field(default_factory=list, max_length=16, description="default: the first two hosts")


class ValueAnswer(BaseModel):
    code: int = 200
    val: Any
    message: str | None = None


class DeployQuery(BaseModel):
    refresh: bool = Field(default=False, description="true: ask everybody now")


class DeployWarning(BaseModel):
    key: str
    message: str


class DeployStatus(BaseModel):
    model_config = ConfigDict(extra="allow")

    os_type: str = Field(description="cluster type as it is stored")
    stage: str
    stage_order: int = Field(description="0 to 12; 12 is ready")
    severity: str = Field(description="warning or success")
    message_key: str
    available_actions: list[str]
    warnings: list[DeployWarning]
    raw: dict[str, str] = Field(description="what the stage was decided from; what does not apply to the type is left out")
    checked_at: str = Field(description="RFC 3339")


class DeployAnswer(BaseModel):
    code: int
    data: DeployStatus
    message: str
