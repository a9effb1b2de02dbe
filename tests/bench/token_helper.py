"""How long `ablestack-auth-token` takes, beside a bare interpreter that imports json and hmac."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.bench import node
from tests.bench.figure import Figure

LIMIT = 1.5
RUNS = 40
WARM_UP_RUNS = 3
HELPER = (str(node.PROGRAMS / "ablestack-auth-token"),)
BARE = (sys.executable, "-c", "import json, hmac")


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    measured = node.lay_out(folder)
    measured.token()  # makes the signing value
    ours, bare = [], []
    for _ in range(WARM_UP_RUNS + RUNS):
        ours.append(_run(HELPER, measured.full_environ))
        bare.append(_run(BARE, measured.full_environ))
    our, their = (median(seconds[WARM_UP_RUNS:]) for seconds in (ours, bare))
    beside = {"milliseconds": round(our * 1000, 1), "bare_milliseconds": round(their * 1000, 1)}
    yield Figure("token_helper_ratio", our / their, "<=", LIMIT, beside)


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(argv, env=environ, capture_output=True, timeout=20, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return seconds
