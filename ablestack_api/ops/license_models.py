"""Shapes of `/cube/license` and `/cube/license/apply` (contract 06 §1.5, §1.6)."""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class LicenseRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", description="status, or register (update and create mean the same)")
    license_content: str = Field(default="", description="Base64 of the licence file")
    filename: str = Field(
        default="",
        validation_alias=AliasChoices("original_filename", "filename"),
        description="the name it is kept under; license.lic by default",
    )


class LicenseShape(BaseModel):
    status: str = Field(description="active or inactive")
    expired: str
    issued: str
    oem: str | None = None
    file_path: str
    reason: str | None = Field(default=None, description="why it is inactive")


class LicenseAnswer(BaseModel):
    code: int
    val: LicenseShape | str


class LicenseApplyRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="register", description="register (update, create), or status")
    license_content: str = Field(default="", description="Base64 of the licence file; this node's own by default")
    licenses: dict[str, str] = Field(
        default_factory=dict, description="the licence of each target, by name, address or role"
    )
    filename: str = Field(default="", description="the name it is kept under; license.lic by default")
    roles: list[str] = Field(default_factory=list, description="ablecube (default), scvm, ccvm, all")
    targets: list[str] = Field(default_factory=list, description="addresses of this cluster, instead of roles")
    target_hostnames: list[str] = Field(default_factory=list, description="only these of them")
    wait_for_ready: bool = Field(default=False, description="wait up to three minutes for the Cloud Center VM")


class LicenseApplyAnswer(BaseModel):
    code: int
    message: str
    results: list[dict[str, Any]] = Field(description="role, hostname, target, code, message, outcome, attempts, val")
