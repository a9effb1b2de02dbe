"""The query of every write that can show its plan."""

from pydantic import BaseModel, Field


class PlanQuery(BaseModel):
    plan: bool = Field(default=False, description="true: check, and show the steps and what stands against them; do nothing")
