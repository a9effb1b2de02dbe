"""Three nodes of one cluster in this process: a call of one reaches the real application of another.

Only the network is replaced, so an answer depends on what was really sent. A test may break single steps.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.target import Target
from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

ADDRESSES = ("10.10.31.1", "10.10.31.2", "10.10.31.3")
OFF = PeerUnreachable("no connection", connected=False)
SILENT = PeerUnreachable("no complete answer before the deadline", timed_out=True)


@dataclass(frozen=True)
class Sent:
    """One call that left a node; `phase` is that of the change it belongs to, empty for other calls."""

    address: str
    path: str
    phase: str
    body: Any
    headers: dict[str, str]


class ThreeNodes:
    """`nodes` by address, the first one leads. `faults` replaces the answer of a node in a phase; `watches` runs first."""

    def __init__(self, root: Path, cluster_type: str = "ablestack-vm", **bootstrap: str) -> None:
        self.sent: list[Sent] = []
        self.faults: dict[tuple[str, str], PeerAnswer | PeerUnreachable] = {}
        self.watches: dict[tuple[str, str], Callable[[], None]] = {}
        self.nodes: dict[str, NodeUnderTest] = {}
        for number, address in enumerate(ADDRESSES, 1):
            node = NodeUnderTest(root / f"cube{number}", ABLESTACK_API_LISTEN=f"{address}:8090")
            (node.root / "etc/hostname").write_text(f"ablecube31-{number}\n")
            node.write_cluster(documents.document(cluster_type, **bootstrap))
            node.clock = next(iter(self.nodes.values()), node).clock
            node.env = replace(node.env, clock=node.clock, peers=_Wire(self, address))
            self.nodes[address] = node

    @property
    def first(self) -> NodeUnderTest:
        return self.nodes[ADDRESSES[0]]

    @property
    def tokens(self) -> set[str]:
        """The internal tokens in the nodes' cluster.json."""
        return {node.cluster()["security"]["internal_token"] for node in self.nodes.values()}

    @property
    def signing_values(self) -> list[str]:
        return [signing_value(node) for node in self.nodes.values()]

    def prepared_with(self) -> dict[str, Any]:
        """The payload that the nodes were asked to prepare."""
        payload: dict[str, Any] = next(sent.body["request"] for sent in self.sent if sent.phase == "prepare")
        return payload

    def addresses_called(self) -> list[str]:
        return list(dict.fromkeys(sent.address for sent in self.sent))


def signing_value(node: NodeUnderTest) -> str:
    value: str = json.loads(Path(node.settings.auth_json).read_text())["access_token_secret"]
    return value


def accepts_internal(node: NodeUnderTest, token: str) -> bool:
    return node.call("GET", "/neighbor", headers=node.internal(token)).status == 200


class _Wire:
    """The Peers seam of the node with the address `own`."""

    def __init__(self, cluster: ThreeNodes, own: str) -> None:
        self._cluster = cluster
        self._own = own

    def call(
        self, target: Target, method: str, path: str, *, body: object = None, headers: dict[str, str], deadline: Deadline
    ) -> PeerAnswer:
        step = body.get("transaction") if isinstance(body, dict) else None
        phase = str(step["phase"]) if step else ""
        self._cluster.sent.append(Sent(target.address, path, phase, body, headers))
        if watch := self._cluster.watches.get((target.address, phase)):
            watch()
        fault = self._cluster.faults.get((target.address, phase))
        if isinstance(fault, PeerUnreachable):
            raise fault
        if fault is not None:
            return fault
        node = self._cluster.nodes.get(target.address)
        if node is None:
            raise OFF
        response = node.client.application.test_client().open(
            path, method=method, data=json.dumps(body), headers=headers, environ_base={"REMOTE_ADDR": self._own}
        )
        return PeerAnswer(response.status_code, response.get_json(silent=True), response.get_data(as_text=True))
