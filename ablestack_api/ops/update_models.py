"""Shapes of `/cube/version/update` (contract 06 §2.2)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class UpdateRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", description="info or run")
    mount_path: str = Field(default="", description="folder where the medium is mounted: absolute, or ~/…")
    update_type: str = Field(default="", description="all (default) or mold")
    force: bool = Field(
        default=False, description="although a host of the cluster does not answer, or others may write there"
    )


class UpdateQuery(BaseModel):
    plan: bool = Field(default=False, description="true: check everything, show the steps, run nothing")


class LastRun(BaseModel):
    """What became of the last update that was run from this node."""

    unit: str
    script: str
    started: str
    running: bool
    exit_code: int | None = None
    log: str


class UpdateInfo(BaseModel):
    mount_path: str
    copy_path: str
    current_os_version: str
    current_mold_version: str
    target_os_version: str
    target_mold_version: str
    current_ablestack_version: str
    target_ablestack_version: str
    update_type: str
    update_label: str
    update_script: str
    work_update_script: str
    checksum_file: str | None = Field(default=None, description="what `run` checks the copy against")
    last_run: LastRun | None = None


class UpdateAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: dict[str, Any] = Field(description="of info: UpdateInfo; of run: message, versions, stdout, stderr, log")
    retname: str
    message: str
    action: str
