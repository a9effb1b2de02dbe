"""A database dump beside the bare pipe of the same programs, and reading what Pacemaker prints of many resources."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from ablestack_api.backup import dump
from ablestack_api.core.clock import SystemClock
from ablestack_api.core.runner import SystemRunner
from ablestack_api.tools import crm_mon, mariadb
from tests.bench.figure import Figure
from tests.support.database import Database
from tests.support.node_under_test import NodeUnderTest
from tests.support.progress import SilentProgress

PARSE_LIMIT_MS = 50.0
SPEED_LIMIT = 0.9
RESOURCES = 500
# A row is 260 bytes of a dump that do not pack well: 200 MB, or a tenth of it.
ROWS, QUICK_ROWS = 800_000, 80_000
ROUNDS = 3


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    yield _parsed()
    yield _dumped(folder, QUICK_ROWS if quick else ROWS)


def _parsed() -> Figure:
    text = _printed(RESOURCES)
    times = []
    for _ in range(15):
        started = time.perf_counter()
        crm_mon.parse(text)
        times.append(1000 * (time.perf_counter() - started))
    beside = {"median_ms": round(median(times), 1), "bytes": len(text)}
    return Figure("crm_mon_500_resources_ms", min(times), "<", PARSE_LIMIT_MS, beside)


def _printed(count: int) -> str:
    nodes = "".join(f'<node name="n{number}" id="{number}" online="true" type="member"/>' for number in range(3))
    resources = "".join(
        f'<resource id="r{number}" resource_agent="ocf:heartbeat:VirtualDomain" role="Started" active="true" '
        f'orphaned="false" blocked="false" managed="true" failed="false" failure_ignored="false" nodes_running_on="1">'
        f'<node name="n{number % 3}" id="1" cached="true"/></resource>'
        for number in range(count)
    )
    operation = '<operation_history call="9" task="start" rc="0" rc_text="ok" exec-time="12ms" queue-time="0ms"/>'
    history = "".join(f'<resource_history id="r{number}">{operation * 2}</resource_history>' for number in range(count))
    return (
        f"<pacemaker-result><summary/><nodes>{nodes}</nodes><resources>{resources}</resources>"
        f'<node_history><node name="n0">{history}</node></node_history></pacemaker-result>'
    )


def _dumped(folder: Path, rows: int) -> Figure:
    home = folder / "database"
    home.mkdir()
    node = NodeUnderTest(folder / "node", ABLESTACK_DB_OPTION_FILE=str(home / "client.cnf"))
    runner = SystemRunner(node.settings.program_path, "/root")
    env = replace(node.env, runner=runner, clock=SystemClock())
    database = Database(home)
    try:
        database.wait(runner)
        columns = "id INT PRIMARY KEY, a CHAR(128), b CHAR(128)"
        fill = f"INSERT INTO big SELECT seq, SHA2(seq, 512), SHA2(-seq, 512) FROM seq_1_to_{rows}"
        mariadb.query(
            env.runner, database.server, f"CREATE DATABASE cloud; USE cloud; CREATE TABLE big ({columns}); {fill};"
        )
        bare, ours = [], []
        for number in range(ROUNDS):
            bare.append(_bare(database, folder / f"bare{number}"))
            started = time.perf_counter()
            dump.make(env, str(folder / "dumps"), SilentProgress())
            ours.append(time.perf_counter() - started)
    finally:
        database.stop()
    beside = {"bare_seconds": round(median(bare), 2), "dump_seconds": round(median(ours), 2), "rows": rows}
    return Figure("dump_speed_over_bare_pipe", median(bare) / median(ours), ">=", SPEED_LIMIT, beside)


def _bare(database: Database, path: Path) -> float:
    """The same options, without manifest, counting, sync and checks."""
    argv = ["mysqldump", *database.server.arguments, "--single-transaction", "--quick", "--routines", "--events"]
    started = time.perf_counter()
    with path.open("wb") as out:
        first = subprocess.Popen([*argv, "--triggers", "--databases", "cloud"], stdout=subprocess.PIPE)
        subprocess.run(dump.PACK, stdin=first.stdout, stdout=out, check=True)
        first.wait()
    return time.perf_counter() - started
