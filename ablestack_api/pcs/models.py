"""Shapes of the PCS endpoints (contract 04 §1, §2)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ControlAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: Any = Field(default=None, description="text or object, by action")
    message: str
    action: str
    target: str = Field(description="the node that did it")


class LegacyQuery(BaseModel):
    refresh: bool = Field(default=False, description="true: ask Pacemaker now")


class LegacyAnswer(BaseModel):
    """Keys as the first releases wrote them; all leaves are texts, an empty list is null."""

    model_config = ConfigDict(extra="allow")

    Summary: dict[str, Any]
    Nodes: dict[str, Any]
    Resources: dict[str, Any]
    NodeHistory: dict[str, Any]
    Bans: dict[str, Any]
    Status: dict[str, str]
    RefreshTime: str = Field(description="RFC 3339")


class LegacyResources(BaseModel):
    model_config = ConfigDict(extra="allow")

    PCSResource: list[dict[str, Any]]
    RefreshTime: str = Field(description="RFC 3339")
