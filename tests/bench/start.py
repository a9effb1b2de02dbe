"""How long after `ablestack-api serve` the first healthy answer comes."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench import node
from tests.bench.figure import Figure
from tests.support.local_nodes import LocalNode

STARTS = 3
LIMIT_SECONDS = 1.5


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    measured = node.lay_out(folder)
    seconds = [_start(measured) for _ in range(STARTS)]
    yield Figure(
        "start_seconds", median(seconds), "<=", LIMIT_SECONDS, {"each": [round(each, 3) for each in sorted(seconds)]}
    )


def _start(measured: LocalNode) -> float:
    started = time.perf_counter()
    with node.running(measured):
        return time.perf_counter() - started
