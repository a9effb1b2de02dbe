"""GET /cube/disk: fresh beside lsblk alone, kept beside /health, with an lsblk that hangs, and reshaping a large node."""

import http.client
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from ablestack_api.core.settings import Settings
from ablestack_api.hosts import disk_tree
from ablestack_api.hosts.block_devices import BlockDevices
from ablestack_api.hosts.disk_links import DiskLinks
from ablestack_api.tools import lsblk
from tests.bench import node
from tests.bench.figure import Figure
from tests.support.local_nodes import LocalNode
from tests.support.lsblk_output import ARGV, Node, disk, mapped, printed

RESHAPE_LIMIT_MS = 100.0
FRESH_LIMIT_MS = 15.0
KEPT_LIMIT = 1.3
OTHERS_LIMIT_SECONDS = 0.4
DEVICES = 1000
ROUNDS, QUICK_ROUNDS = 40, 15
KEPT_CALLS = 20
DISKS = "/cube/disk?action=gfs"
LSBLK = '#!/bin/sh\n[ -e {flag} ] && exec {sleep} 60\nexec {program} "$@"\n'


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    yield _reshaped(folder)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    measured = node.lay_out(folder / "node")
    with node.running(measured):
        yield _fresh(measured, rounds)
        yield _kept(measured, rounds)
    yield _hung(folder)


def _reshaped(folder: Path) -> Figure:
    """From lsblk's text to the items of an answer."""
    text = printed(*(tree for number in range(DEVICES // 4) for tree in _lun(number)))
    settings = Settings({"ABLESTACK_SYSROOT": str(folder)})

    def reshape() -> None:
        disk_tree.gfs_view(BlockDevices(settings, tuple(lsblk.parse(text))), DiskLinks({}, {}, {}))

    times = [_milliseconds(reshape) for _ in range(15)]
    return Figure("disk_reshape_1000_devices_ms", min(times), "<", RESHAPE_LIMIT_MS, {"median_ms": round(median(times), 1)})


def _lun(number: int) -> list[Node]:
    """Four devices: a map of two paths with one partition."""
    map_ = mapped("mpath", f"mpath{number}", f"dm-{number}", mapped("part", f"mpath{number}1", f"dm-1{number:04}"))
    return [disk(f"sda{number}", map_), disk(f"sdb{number}", map_)]


def _fresh(measured: LocalNode, rounds: int) -> Figure:
    """The call less the run of lsblk that it needs, one after the other so that a busy machine hits both alike."""
    program = shutil.which(ARGV[0]) or ARGV[0]
    connection, headers = _connected(measured)
    over, alone = [], []
    for _ in range(rounds):
        own = _milliseconds(lambda: subprocess.run([program, *ARGV[1:]], capture_output=True, timeout=20, check=True))
        asked = _milliseconds(lambda: _get(connection, f"{DISKS}&refresh=true", headers))
        alone.append(own)
        over.append(asked - own)
    beside = {"lsblk_ms": round(median(alone), 1), "rounds": rounds}
    return Figure("disk_fresh_ms_over_lsblk", median(over), "<=", FRESH_LIMIT_MS, beside)


def _kept(measured: LocalNode, rounds: int) -> Figure:
    """Calls that need no new reading beside /health, over one connection; /auth/me tells what the credential costs."""
    connection, headers = _connected(measured)
    kept, health, account = [], [], []
    for _ in range(rounds):
        _get(connection, DISKS, headers)
        for _ in range(KEPT_CALLS):
            kept.append(_milliseconds(lambda: _get(connection, DISKS, headers)))
            health.append(_milliseconds(lambda: _get(connection, "/health", {})))
            account.append(_milliseconds(lambda: _get(connection, "/auth/me", headers)))
    beside = {
        "kept_ms": round(median(kept), 3),
        "health_ms": round(median(health), 3),
        "auth_me_ms": round(median(account), 3),
    }
    return Figure("disk_kept_ratio", median(kept) / median(health), "<=", KEPT_LIMIT, beside)


def _hung(folder: Path) -> Figure:
    """The longest that anybody waits who did not ask for a refresh, from the moment lsblk hangs until it is given up."""
    programs, flag = folder / "programs", folder / "hang"
    programs.mkdir()
    program = programs / ARGV[0]
    program.write_text(LSBLK.format(flag=flag, program=shutil.which(ARGV[0]), sleep=shutil.which("sleep")))
    program.chmod(0o755)
    measured = node.lay_out(folder / "hung")
    measured.environ["ABLESTACK_PROGRAM_PATH"] = str(programs)
    with node.running(measured):
        connection, headers = _connected(measured)
        _get(connection, DISKS, headers)
        flag.touch()
        refresher = threading.Thread(target=lambda: _get(_connected(measured)[0], f"{DISKS}&refresh=true", headers))
        started = time.perf_counter()
        refresher.start()
        waits = []
        while refresher.is_alive():
            waits.append(_milliseconds(lambda: _get(connection, DISKS, headers)) / 1000)
            time.sleep(0.05)
        beside = {"refresh_seconds": round(time.perf_counter() - started, 2), "calls": len(waits)}
    return Figure("disk_hung_lsblk_others_wait_seconds", max(waits), "<=", OTHERS_LIMIT_SECONDS, beside)


def _connected(measured: LocalNode) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    connection = http.client.HTTPConnection(measured.address, measured.port, timeout=30)
    return connection, {"Authorization": measured.token()}


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
    connection.request("GET", f"/api/v1{path}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status}: {body[:300]!r}")


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
