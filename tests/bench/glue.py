"""GET /cube/gluecluster/status: fresh beside the slowest call of ceph that it needs, and with a ceph that hangs."""

import http.client
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import node
from tests.bench.figure import Figure
from tests.support.local_nodes import LocalNode
from tests.support.storage_cluster import DATA

FRESH_LIMIT = 1.2
HUNG_LIMIT_SECONDS = 5.0
ROUNDS, QUICK_ROUNDS = 10, 4
PATH = "/api/v1/cube/gluecluster/status"
# Every call of a real ceph takes about this long, most of it to start; -s is the slowest one.
SECONDS = {"-s": 0.5, "mgr": 0.4, "df": 0.4, "osd": 0.45, "config-key": 0.4}
FILES = {"-s": "status_three.json", "mgr": "mgr_stat.json", "df": "df_detail.json", "osd": "osd_dump.json"}
CEPH = """#!/bin/sh
# ceph --connect-timeout 3 --mon-client-hunt-interval=1 COMMAND …
began=$({date} +%s%N)
[ -e {folder}/hang ] && exec {sleep} 60
case "$4" in
{cases}
esac
echo $(( $({date} +%s%N) - began )) >> {folder}/nanoseconds
exit $code
"""


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    programs = folder / "programs"
    programs.mkdir()
    _write_ceph(programs)
    measured = node.lay_out(folder / "node")
    measured.environ["ABLESTACK_PROGRAM_PATH"] = str(programs)
    with node.running(measured):
        yield _fresh(measured, programs, QUICK_ROUNDS if quick else ROUNDS)
        yield _hung(measured, programs)


def _write_ceph(programs: Path) -> None:
    """Prints what a real one printed, after the time that it takes, and writes down how long it took."""
    cases = [
        f"{command}) {shutil.which('sleep')} {seconds}; code=0; {shutil.which('cat')} {DATA / FILES[command]};;"
        if command in FILES
        else f"{command}) {shutil.which('sleep')} {seconds}; code=2;;"
        for command, seconds in SECONDS.items()
    ]
    text = CEPH.format(folder=programs, cases="\n".join(cases), date=shutil.which("date"), sleep=shutil.which("sleep"))
    (programs / "ceph").write_text(text)
    (programs / "ceph").chmod(0o755)


def _fresh(measured: LocalNode, programs: Path, rounds: int) -> Figure:
    """The call beside the slowest of its own calls of ceph, as those took this time: a busy machine hits both alike."""
    ratios, asked = [], []
    for _ in range(rounds):
        written = programs / "nanoseconds"
        written.unlink(missing_ok=True)
        seconds = _timed(measured, refresh=True)
        slowest = max(int(line) for line in written.read_text().split()) / 1e9
        asked.append(seconds)
        ratios.append(seconds / slowest)
    beside = {"seconds": round(statistics.median(asked), 3), "calls_one_after_the_other": round(sum(SECONDS.values()), 2)}
    return Figure(
        "glue_fresh_ratio", statistics.median(ratios), "<=", FRESH_LIMIT, beside | {"worst": round(max(ratios), 3)}
    )


def _hung(measured: LocalNode, programs: Path) -> Figure:
    """The longest wait of anybody while no monitor answers: with and without a refresh, several at once."""
    (programs / "hang").touch()
    waits: list[float] = []

    def ask(refresh: bool) -> None:
        waits.append(_timed(measured, refresh=refresh))

    threads = [threading.Thread(target=ask, args=(refresh,)) for refresh in (True, False, True, True)]
    for thread in threads:
        thread.start()
        time.sleep(1)
    for thread in threads:
        thread.join()
    ask(False)
    beside = {"answers": len(waits), "last_without_a_refresh": round(waits[-1], 3)}
    return Figure("glue_hung_ceph_wait_seconds", max(waits), "<=", HUNG_LIMIT_SECONDS, beside)


def _timed(measured: LocalNode, *, refresh: bool) -> float:
    connection = http.client.HTTPConnection(measured.address, measured.port, timeout=30)
    headers = {"Authorization": measured.token()}
    started = time.perf_counter()
    connection.request("GET", f"{PATH}?refresh={str(refresh).lower()}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - started
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{PATH}: {response.status}: {body[:300]!r}")
    return seconds
