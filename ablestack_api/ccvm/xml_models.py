"""Shapes of POST /cube/ccvm/xml (contract 03 §3)."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints

# More than any definition has.
LONGEST_XML = 256 * 1024

# A JSON null is the empty value of its kind, as it was for 0.1.2.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Verbatim = Annotated[str, StringConstraints(strip_whitespace=False)]
Whole = Annotated[StrictInt, BeforeValidator(lambda value: 0 if value is None else value)]


class XmlRequest(BaseModel):
    """`mode` and `xml_content` come from another node only."""

    model_config = ConfigDict(str_strip_whitespace=True)

    cpu: Whole = Field(default=0, description="vCPUs, 1 to 255")
    memory: Whole = Field(default=0, description="GiB")
    management_network_bridge: Text = Field(default="", max_length=256)
    service_network_bridge: Text = Field(default="", max_length=256, description="second network card when given")
    gfs_mount_point: Text = Field(default="", max_length=256, description="ablestack-vm only: /mnt/glue-gfs")
    mode: Text = Field(default="", max_length=16, description="between nodes only: check, secret, install or restore")
    xml_content: Verbatim | None = Field(default=None, max_length=LONGEST_XML, description="between nodes only")


class XmlQuery(BaseModel):
    plan: bool = Field(default=False, description="show the steps, do nothing")


class XmlAnswer(BaseModel):
    code: int = 200
    val: Any = Field(description="the text of message")
    message: str | None = None
    xml_path: str | None = Field(default=None, description="on every host")
    results: list[dict[str, Any]] | None = Field(default=None, description="one entry a host and step")
    checks: list[dict[str, Any]] | None = Field(default=None, description="what was looked at, and what could not be")
