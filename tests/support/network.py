"""Several nodes in one process that really call each other: a call is served by the called node's own application."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablestack_api.core.clock import Deadline
from ablestack_api.core.target import Target
from ablestack_api.remote.peer import PeerAnswer, PeerUnreachable
from ablestack_api.state import transactions
from tests.support import documents
from tests.support.doubles import Call, QueuedClock
from tests.support.node_under_test import NodeUnderTest

CCVM_ADDRESS = "10.10.31.10"
CLUSTER = "/cube/cluster"


@dataclass(frozen=True)
class Fault:
    """What happens instead of an answer. `delivered`: the peer does the work all the same, only its answer is lost."""

    address: str
    step: str
    happens: PeerAnswer | PeerUnreachable | Callable[[], None]
    delivered: bool = False


class Network:
    """Nodes by their address. Who was not added cannot be reached, as a machine that is switched off.

    A step is `prepare`, `apply`, `finish`, `undo`, or for other calls the path below /api/v1.
    """

    def __init__(self, folder: Path) -> None:
        self.nodes: dict[str, NodeUnderTest] = {}
        self.calls: list[Call] = []
        self.clock = QueuedClock()
        self._folder = folder
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, address: str, hostname: str, **environ: str) -> NodeUnderTest:
        node = NodeUnderTest(self._folder / hostname, ABLESTACK_API_LISTEN=f"{address}:8090", **environ)
        (node.root / "etc/hostname").write_text(f"{hostname}\n")
        node.clock = self.clock
        node.env = replace(node.env, clock=self.clock, peers=_Wire(self, address))
        self.nodes[address] = node
        return node

    def add_hosts(
        self, cluster_type: str = "ablestack-hci", document: Mapping[str, Any] | None = None
    ) -> list[NodeUnderTest]:
        """The hosts of the invented cluster, each with `document` as its cluster.json where one is given."""
        hosts = [documents.host(number) for number in range(1, documents.count(cluster_type) + 1)]
        return [self._configured(self.add(host["ablecube"], host["hostname"]), document) for host in hosts]

    def add_guests(self, document: Mapping[str, Any], numbers: Sequence[int] = (1, 2, 3)) -> list[NodeUnderTest]:
        """Storage VMs by their number, then the Cloud Center VM."""
        guests = [(documents.host(number)["scvmMngt"], f"scvm{number}") for number in numbers]
        return [self._configured(self.add(*guest), document) for guest in [*guests, (CCVM_ADDRESS, "ccvm")]]

    def answers(self, address: str, step: str, status: int, body: Any = None, *, delivered: bool = False) -> None:
        """A text as `body` stands for an answer that is no JSON."""
        answer = PeerAnswer(status, None, body) if isinstance(body, str) else PeerAnswer(status, body, "")
        self._faults.append(Fault(address, step, answer, delivered))

    def is_silent(self, address: str, step: str, *, connected: bool = True, delivered: bool = False) -> None:
        """No answer before the deadline; not `connected` when not even a connection came about."""
        reason = "no complete answer before the deadline" if connected else "no connection"
        error = PeerUnreachable(reason, timed_out=True, connected=connected)
        self._faults.append(Fault(address, step, error, delivered))

    def during(self, address: str, step: str, work: Callable[[], None]) -> None:
        """Do something at the very moment a step reaches a node, before that node sees it."""
        self._faults.append(Fault(address, step, work))

    def heal(self) -> None:
        self._faults.clear()

    def steps(self, address: str) -> list[str]:
        """What a node was asked, in order."""
        return [_step(call.path, call.body) for call in self.calls if call.address == address]

    def called(self) -> set[str]:
        return {call.address for call in self.calls}

    def files(self) -> dict[str, bytes]:
        """Every file that an apply may touch, on every node: to compare before and after."""
        return {f"{address} {name}": data for address, node in self.nodes.items() for name, data in files_of(node).items()}

    def open_changes(self) -> list[str]:
        """Nodes that still take part in a change, or lead one."""
        return [
            address
            for address, node in self.nodes.items()
            if transactions.participation(node.settings) or transactions.list_journals(node.settings)
        ]

    def finish(self) -> None:
        for node in self.nodes.values():
            node.finish()

    def deliver(self, source: str, call: Call) -> PeerAnswer:
        self.calls.append(call)
        step = _step(call.path, call.body)
        for fault in [fault for fault in self._faults if (fault.address, fault.step) == (call.address, step)]:
            if callable(fault.happens):
                fault.happens()
                continue
            if fault.delivered:
                self._served(source, call)
            if isinstance(fault.happens, PeerUnreachable):
                raise fault.happens
            return fault.happens
        return self._served(source, call)

    def _served(self, source: str, call: Call) -> PeerAnswer:
        node = self.nodes.get(call.address)
        if node is None:
            raise PeerUnreachable("no connection: refused", connected=False)
        with self._lock:  # the application is made at the first call, and calls come from several threads
            application = node.client.application
        response = application.test_client().open(
            call.path, method=call.method, data=call.body, headers=call.headers, environ_base={"REMOTE_ADDR": source}
        )
        text = response.get_data(as_text=True)
        return PeerAnswer(response.status_code, json.loads(text) if response.is_json else None, text[:2000])

    @staticmethod
    def _configured(node: NodeUnderTest, document: Mapping[str, Any] | None) -> NodeUnderTest:
        if document is not None:
            node.write_cluster(document)
        return node


class _Wire:
    """The peers of one node."""

    def __init__(self, network: Network, address: str) -> None:
        self._network = network
        self._address = address

    def call(
        self, target: Target, method: str, path: str, *, body: object = None, headers: dict[str, str], deadline: Deadline
    ) -> PeerAnswer:
        if deadline.remaining() <= 0:
            raise PeerUnreachable("no complete answer before the deadline", timed_out=True, connected=False)
        data = None if body is None else json.dumps(body)
        return self._network.deliver(target.source or self._address, Call(target.address, method, path, data, dict(headers)))


def files_of(node: NodeUnderTest) -> dict[str, bytes]:
    """The files of one node without locks, logs, kept revisions, the list of errors and the history of changes."""
    found = [*(node.root / "etc").rglob("*"), *(node.root / "var/lib/ablestack").glob("*")]
    plain = [path for path in found if path.is_file() and path.suffix != ".lock" and path.name != "errors.json"]
    return {str(path.relative_to(node.root)): path.read_bytes() for path in plain if path.parent.name != "revisions"}


def _step(path: str, data: Any) -> str:
    body = json.loads(data) if data else {}
    step = body.get("transaction") or {}
    return str(step.get("phase") or path.removeprefix("/api/v1"))
