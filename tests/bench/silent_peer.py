"""One peer of three does not answer: the other two are told of in time all the same."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from ablestack_api.cluster.health import PROBE_SECONDS
from tests.bench import node, slow_peers
from tests.bench.fanout import probe_seconds
from tests.bench.figure import Figure, say
from tests.support.local_nodes import LocalNode

PEERS = ("127.78.2.1", "127.78.2.2")
SILENT = "127.78.2.3"
LIMIT_SECONDS = 0.3
PEERS_FAILED = 502
FILLERS = 8
UNANSWERED_SECONDS = 0.3

Peer = Callable[[int], AbstractContextManager[None]]


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    """Seconds over the deadline of the whole answer; a negative value is time to spare."""
    measured = node.lay_out(folder, peers=[*PEERS, SILENT])
    with slow_peers.running(PEERS, measured.port, 0.01), node.running(measured):
        authorization = measured.token()
        for name, peer in (("swallowing", swallowing), ("mute", mute)):
            yield _figure(measured, authorization, name, peer)


def _figure(measured: LocalNode, authorization: str, name: str, peer: Peer) -> Figure:
    say(f"silent peer: {name}, at most {PROBE_SECONDS + LIMIT_SECONDS} s")
    with peer(measured.port):
        seconds = probe_seconds(measured, authorization, [*PEERS, SILENT], status=PEERS_FAILED)
    beside = {"seconds": round(seconds, 3), "deadline_seconds": PROBE_SECONDS}
    return Figure(f"silent_peer_{name}_seconds_over", seconds - PROBE_SECONDS, "<=", LIMIT_SECONDS, beside)


@contextmanager
def mute(port: int) -> Iterator[None]:
    """Takes connections (the kernel does) and never answers."""
    with socket.create_server((SILENT, port)):
        yield


@contextmanager
def swallowing(port: int) -> Iterator[None]:
    """Answers no packet of a new connection: its queue of connections nobody accepts is full, so Linux drops them.

    Needs no privilege, unlike a firewall rule that drops.
    """
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((SILENT, port), backlog=0))
        for _ in range(FILLERS):
            filler = opened.enter_context(socket.socket())
            filler.settimeout(UNANSWERED_SECONDS)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            raise RuntimeError("this kernel answers new connections although the queue of the listener is full")
        yield
