"""Shapes of the answers and queries of /jobs."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_WAIT = 60.0

Status = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]


class StepShape(BaseModel):
    number: int
    name: str = Field(description="stable, for programs")
    text: str = Field(description="for people")
    started: str = Field(description="RFC 3339")
    seconds: float | None = Field(default=None, description="how long it took; left out while it runs")
    outcome: str = Field(description="running, done, failed, cancelled or interrupted")
    message: str | None = Field(default=None, description="why it failed")


class Answered(BaseModel):
    """What the synchronous call answers."""

    status: int = Field(description="HTTP status")
    body: Any = Field(
        description="the very body; one-time secrets are `****` but in the first reading by the account that began the job,"
        " within an hour of its end"
    )


class JobShape(BaseModel):
    """`interrupted`: the daemon ended while it ran; `message` says at which step and what to look at."""

    id: str
    kind: str
    status: Status
    percent: float | None = Field(default=None, description="0 to 100, where it is known")
    holder: str = Field(description="who began it")
    node: str = Field(description="host name of the node it runs on; other nodes do not know it")
    request_id: str = Field(description="X-Request-ID of the request that began it")
    created: str = Field(description="RFC 3339")
    started: str | None = None
    ended: str | None = Field(default=None, description="when its end was noticed, for an interrupted one")
    holds: list[str] = Field(description="what only one job at a time may write")
    cancellable: bool = Field(description="also once it runs; a queued one always is")
    cancel_asked_by: str | None = None
    message: str | None = Field(default=None, description="why it did not succeed")
    secret_waits: bool | None = Field(default=None, description="a one-time secret can be read by who began the job")
    steps: list[StepShape] | None = Field(default=None, description="left out in lists")
    answer: Answered | None = Field(default=None, description="left out in lists and until it has ended")


class JobsAnswer(BaseModel):
    code: int
    val: list[JobShape] = Field(description="newest first")


class JobAnswer(BaseModel):
    code: int
    val: JobShape


class LineShape(BaseModel):
    number: int
    time: str = Field(description="RFC 3339")
    line: str


class LogShape(BaseModel):
    id: str
    status: Status
    lines: list[LineShape]
    after: int = Field(description="for the next call: the number of the last line of this one")


class LogAnswer(BaseModel):
    code: int
    val: LogShape


class JobsQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: Status | None = Field(default=None, description="only jobs in this state")
    kind: str = Field(default="", max_length=100, description="only jobs of this kind")
    limit: int = Field(default=50, ge=1, le=1000, description="at most so many")


class JobQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    wait: float = Field(
        default=0, ge=0, le=LONGEST_WAIT, description="seconds to wait for its end; a busy daemon may answer earlier"
    )


class LogQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    after: int = Field(default=0, ge=0, le=10**9, description="only lines with a higher number")
    limit: int = Field(default=1000, ge=1, le=10000, description="at most so many lines")
