"""The load generator wrk (https://github.com/wg/wrk), with what it counted as values."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16
SPARE_SECONDS = 15.0


@dataclass(frozen=True)
class Load:
    """`refused` counts answers with a status above 399, `broken` connections that failed or timed out."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def load(url: str, seconds: int, *, authorization: str = "", paths: Sequence[str] = ()) -> Load:
    """Keep 16 connections busy for some seconds. Raises RuntimeError when wrk fails or a connection breaks."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT), url]
    if paths:
        argv += ["--", authorization, *paths]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + SPARE_SECONDS, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"wrk ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    found = _decoded(lines[-1])
    if found.broken:
        raise RuntimeError(f"{found.broken} connections to {url} broke under load")
    return found


def _decoded(line: str) -> Load:
    told = json.loads(line)
    return Load(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        p50_ms=told["p50"] / 1e3,
        p95_ms=told["p95"] / 1e3,
        refused=told["refused"],
        broken=told["broken"],
    )
