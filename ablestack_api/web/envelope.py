"""The step of a cluster change as it comes over HTTP, the same for every kind of change."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ablestack_api.core.caller import Caller
from ablestack_api.core.errors import Unauthorized
from ablestack_api.env import Env
from ablestack_api.orchestrator import participant
from ablestack_api.orchestrator.participant import Kind, Step


class StepModel(BaseModel):
    """Sent by the node that leads a change; not for other clients."""

    id: str = Field(pattern=r"^[0-9a-f-]{36}$", description="the change")
    phase: str = Field(description="prepare, apply, undo or finish")
    holder: str = Field(default="", max_length=300, description="who started it")
    coordinator: str = Field(default="", max_length=64, description="address to ask for the outcome")
    members: list[str] = Field(default_factory=list, max_length=256, description="addresses of all nodes of the change")
    protocol: int = 1


class Envelope(BaseModel):
    """`request` is the payload, sent with `prepare` only."""

    model_config = ConfigDict(extra="ignore")

    transaction: StepModel
    request: dict[str, Any] = Field(default_factory=dict)


def take(env: Env, kind: Kind, envelope: Envelope, caller: Caller, *, proven: bool = False) -> dict[str, Any]:
    """Do the step. Steps come from nodes only: a Bearer token is not enough; `proven` is first trust's word."""
    if not (caller.internal or proven):
        raise Unauthorized("invalid internal token")
    given = envelope.transaction
    step = Step(given.id, given.phase, given.holder, given.coordinator, tuple(given.members), given.protocol)
    return {"code": 200, "val": participant.take(env, kind, step, envelope.request)}
