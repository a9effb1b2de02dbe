"""Shapes of POST /cube/scvm/xml (contract 03 §13)."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

# A JSON null is the empty value of its kind, as it was for 0.1.2.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), Field(max_length=256)]
Whole = Annotated[StrictInt, BeforeValidator(lambda value: 0 if value is None else value)]
Texts = Annotated[list[Text], BeforeValidator(lambda value: [] if value is None else value), Field(max_length=64)]


class XmlRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    cpu: Whole = Field(default=0, description="vCPUs, 1 to 255")
    memory: Whole = Field(default=0, description="GiB, reserved on the host as huge pages")
    disk_type: Text = Field(default="", description="raid_passthrough, lun_passthrough or disk_passthrough")
    raid_passthrough_list: Texts = Field(default_factory=list, description="PCI addresses of storage controllers")
    lun_passthrough_list: Texts = Field(default_factory=list, description="device paths, at most 25")
    disk_passthrough_list: Texts = Field(default_factory=list, description="device paths, at most 25")
    management_network_bridge: Text = ""
    storage_traffic_network_type: Text = Field(default="", description="nic_passthrough, nic_passthrough_bonding or bridge")
    server_nic_passthrough: Text = Field(default="", description="PCI address")
    replication_nic_passthrough: Text = Field(default="", description="PCI address")
    server_nic_passthrough_bonding_list: Texts = Field(default_factory=list, description="two PCI addresses")
    replication_nic_passthrough_bonding_list: Texts = Field(default_factory=list, description="two PCI addresses")
    server_network_bridge: Text = ""
    replication_network_bridge: Text = ""
    force: StrictBool = Field(default=False, description="also hand through disks and devices that this host uses")


class XmlQuery(BaseModel):
    plan: bool = Field(default=False, description="show the steps, do nothing")


class XmlAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="empty object")
    message: str | None = None
    xml_path: str | None = None
    checks: list[dict[str, Any]] | None = Field(default=None, description="what was looked at, and what could not be")
    steps: list[dict[str, Any]] | None = Field(default=None, description="what was changed on this host, or skipped")
