"""Shapes of `/cube/ssh/key` (contract 06 §6.1)."""

from pydantic import BaseModel, ConfigDict, Field


class KeyRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: str = Field(default="", description="generate (create), download (export), upload (import)")
    overwrite: bool = Field(default=True, description="false: refuse when there is a key")
    bits: int = Field(default=4096, description="2048 to 8192, for generate")


class KeyFile(BaseModel):
    name: str
    path: str
    exists: bool
    size: int | None = None
    mode: str | None = None
    modified_at: str | None = None


class KeyState(BaseModel):
    message: str
    directory: str
    files: list[KeyFile]


class KeyAnswer(BaseModel):
    code: int
    val: KeyState
    retname: str
    message: str
    action: str
