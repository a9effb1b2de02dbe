"""Who sent the request that is being served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Caller:
    """`user` is the account of a Bearer token, `claims` are that token's. `internal`: a valid internal token came along.
    `unproven_token` is an internal token that this node does not know; only first trust may look at it.
    """

    address: str
    user: str | None = None
    internal: bool = False
    unproven_token: str | None = None
    claims: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """For logs and for the holder of a lock: `root@10.0.0.5`, `node@10.0.0.2`, `unknown@…`."""
        who = self.user or ("node" if self.internal else "unknown")
        return f"{who}@{self.address}"
