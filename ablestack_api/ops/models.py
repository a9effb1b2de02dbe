"""Shapes of the operations endpoints (contract 01 §6.3, §6.6, §6.7)."""

from pydantic import BaseModel


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
