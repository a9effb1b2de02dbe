"""Asking 32 peers that take their time, beside asking one of them."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.bench import node, slow_peers
from tests.bench.figure import Figure
from tests.support.local_nodes import LocalNode

PEERS = 32
PEER_SECONDS = 0.2
LIMIT = 1.8
ROUNDS, QUICK_ROUNDS = 11, 3


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    peers = [f"127.78.1.{number}" for number in range(1, PEERS + 1)]
    measured = node.lay_out(folder, peers=peers)
    with slow_peers.running(peers, measured.port, PEER_SECONDS), node.running(measured):
        authorization = measured.token()
        every, one = [], []
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            one.append(probe_seconds(measured, authorization, peers[:1]))
            every.append(probe_seconds(measured, authorization, peers))
    seconds = {"seconds": round(median(every), 3), "one_peer_seconds": round(median(one), 3)}
    yield Figure("fanout_32_peers_ratio", median(every) / median(one), "<", LIMIT, seconds)


def probe_seconds(measured: LocalNode, authorization: str, peers: Sequence[str], *, status: int = 200) -> float:
    """How long the node takes to probe a cluster of itself and these peers; `status` is what it must answer."""
    node.write_cluster(measured, peers)
    started = time.perf_counter()
    answer = measured.call("GET", "/cube/cluster/health?option=host", headers={"Authorization": authorization}, timeout=30)
    seconds = time.perf_counter() - started
    told = answer.body.get("results", []) if isinstance(answer.body, dict) else []
    if answer.status != status or len(told) != len(peers) + 1:
        raise RuntimeError(f"the health of {len(peers)} peers: {answer.status}, not {status}: {answer.body}")
    return seconds
