"""/health under load, beside a bare Flask application under the same gunicorn settings."""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench import node, wrk
from tests.bench.figure import Figure, say
from tests.bench.wrk import Load
from tests.support.local_nodes import LocalNode

RATIO_LIMIT = 0.7
P95_LIMIT_MS = 15.0
ROUNDS, QUICK_ROUNDS = 15, 4
ROUND_SECONDS = 1
BARE = (sys.executable, "-m", "tests.bench.bare_flask")


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    ours = node.lay_out(folder)
    bare = node.lay_out(folder, address=node.BARE_ADDRESS, program=BARE)
    with node.running(ours), node.running(bare):
        pairs = _rounds(ours, bare, quick)
    ratios = [our.per_second / their.per_second for our, their in pairs]
    rates = {
        "requests_per_second": round(median(our.per_second for our, _ in pairs)),
        "bare_requests_per_second": round(median(their.per_second for _, their in pairs)),
    }
    yield Figure("health_rps_ratio", median(ratios), ">=", RATIO_LIMIT, rates)
    waits = {
        "quietest_round_ms": min(our.p95_ms for our, _ in pairs),
        "bare_ms": round(median(their.p95_ms for _, their in pairs), 3),
    }
    yield Figure("health_p95_ms", median(our.p95_ms for our, _ in pairs), "<", P95_LIMIT_MS, waits)


def _rounds(ours: LocalNode, bare: LocalNode, quick: bool) -> list[tuple[Load, Load]]:
    """(ours, bare) by round. Rounds are short and the order changes, so that a busy machine hits both alike."""
    for each in (ours, bare):
        _load(each)
    pairs = []
    for number in range(QUICK_ROUNDS if quick else ROUNDS):
        order = (ours, bare) if number % 2 == 0 else (bare, ours)
        loads = {each.address: _load(each) for each in order}
        pair = loads[ours.address], loads[bare.address]
        say(f"health: {pair[0].per_second:.0f} against {pair[1].per_second:.0f} requests/s, p95 {pair[0].p95_ms:.1f} ms")
        pairs.append(pair)
    return pairs


def _load(measured: LocalNode) -> Load:
    load = wrk.load(f"http://{measured.address}:{measured.port}/api/v1/health", ROUND_SECONDS)
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.requests} requests were refused")
    return load
