"""Shapes of `POST /cube/multipath/sync` (contract 02 §11)."""

from typing import Any

from pydantic import BaseModel, Field

from ablestack_api.core.errors import bad_field
from ablestack_api.state.cluster_document import distinct

SYNC, RESCAN = "sync", "rescan"
ACTIONS = {"": SYNC, "sync": SYNC, "rescan": RESCAN, "scan": RESCAN}
MOST_TARGETS = 256


class MultipathSyncRequest(BaseModel):
    """Blanks around an action, address or name do not count; the files are taken as they are."""

    action: str | None = Field(default="", description="sync (default) or rescan (scan)")
    targets: list[str] | None = Field(default=None, max_length=MOST_TARGETS, description="addresses of hosts of the cluster")
    target_hostnames: list[str] | None = Field(
        default=None, max_length=MOST_TARGETS, description="their names; counts when there are no targets"
    )
    bindings: str | None = Field(default=None, description="between nodes only", repr=False)
    wwids: str | None = Field(default=None, description="between nodes only", repr=False)
    source_provided: bool | None = Field(default=None, description="between nodes only")

    @property
    def wanted(self) -> str:
        """The action in its normal form. Raises BadInput."""
        wanted = ACTIONS.get((self.action or "").strip().lower())
        if wanted is None:
            raise bad_field("action", "is none of sync, rescan, scan", "unsupported action")
        return wanted

    @property
    def addresses(self) -> list[str]:
        return distinct(self.targets or [])

    @property
    def hostnames(self) -> list[str]:
        return distinct(self.target_hostnames or [])


class MultipathSyncAnswer(BaseModel):
    code: int = 200
    message: str = "ok"
    action: str
    target: str = Field(description="fanout, or local for a call between nodes")
    val: dict[str, Any] | None = Field(default=None, description="with ?plan=true: the steps")
    results: list[dict[str, Any]] | None = Field(default=None, description="hostname, target, code, outcome, message, steps")
    steps: list[dict[str, Any]] | None = Field(default=None, description="name, status, message, output")
