"""A node that may be called. Only `orchestrator.targets` makes these, from addresses of the cluster's configuration."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`role` is host, scvm or ccvm. `local` is this very node: it is never called over HTTP.

    `optional` marks a guest that may not be deployed yet: when it cannot be reached it is skipped, not failed.
    `source` is the address our call leaves from (the node's own ablecube address, which first trust looks at),
    empty for whatever the kernel chooses.
    """

    address: str
    hostname: str
    role: str
    local: bool = False
    optional: bool = False
    source: str = ""
