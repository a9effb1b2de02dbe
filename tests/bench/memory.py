"""How much memory a serving node takes, and that it stays so."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import node, wrk
from tests.bench.figure import Figure, say
from tests.support.local_nodes import LocalNode

LIMIT_MB = 80.0
GROWTH_LIMIT_MB = 3.0
REQUESTS, QUICK_REQUESTS = 20_000, 2_000
WARM_UP_REQUESTS = 1_500
SLICE_SECONDS = 2
MOST_SLICES = 40
READS = ("/api/v1/health", "/api/v1/cube/cluster/config", "/api/v1/no-such-page")
ONCE = ("/version", "/cube/hosts", "/cube/system/config", "/err", "/auth/me", "/swagger/doc.json", "//swagger/index.html")
MB = 1024.0


@dataclass(frozen=True)
class Memory:
    """Of a whole process tree, in MB. `pss` shares out pages among all processes that use them, whoever they belong to;
    `alone` is what it would be with nothing else on the machine, `heap` the part of it that is no file's pages."""

    alone: float
    pss: float
    rss: float
    heap: float


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    wanted = QUICK_REQUESTS if quick else REQUESTS
    peers = ["127.78.0.3", "127.78.0.4"]
    with node.running(node.lay_out(folder, peers=peers)) as measured:
        authorization = measured.token()
        _warm_up(measured, authorization)
        before = _of_tree(_pid(measured))
        say(f"memory: {before.alone:.1f} MB; {wanted} further requests")
        sent = _read_mixed(measured, authorization, wanted)
        after = _of_tree(_pid(measured))
    highest = max(before, after, key=lambda memory: memory.alone)
    beside = {"pss_mb": round(highest.pss, 1), "rss_mb": round(highest.rss, 1)}
    yield Figure("memory_mb", highest.alone, "<=", LIMIT_MB, beside)
    yield Figure("memory_growth_mb", after.heap - before.heap, "<", GROWTH_LIMIT_MB, {"requests": sent})


def _warm_up(measured: LocalNode, authorization: str) -> None:
    for path in ONCE:
        answer = measured.call("GET", path, headers={"Authorization": authorization})
        if answer.status != 200:
            raise RuntimeError(f"GET {path} answered {answer.status}: {answer.body}")
    _read_mixed(measured, authorization, WARM_UP_REQUESTS)


def _read_mixed(measured: LocalNode, authorization: str, wanted: int) -> int:
    """Send at least so many requests; how many it were. wrk counts seconds, so it runs slice by slice."""
    sent = refused = 0
    for _ in range(MOST_SLICES):
        load = wrk.load(
            f"http://{measured.address}:{measured.port}/", SLICE_SECONDS, authorization=authorization, paths=READS
        )
        sent, refused = sent + load.requests, refused + load.refused
        if sent >= wanted:
            break
    else:
        raise RuntimeError(f"only {sent} of {wanted} requests in {MOST_SLICES * SLICE_SECONDS} s")
    # One path of three does not exist; more refusals mean that the token was not taken.
    if not 0.3 < refused / sent < 0.37:
        raise RuntimeError(f"{refused} of {sent} requests were refused, a third should be")
    return sent


def _pid(measured: LocalNode) -> int:
    if measured.process is None:
        raise RuntimeError("the node does not run")
    return measured.process.pid


def _of_tree(root: int) -> Memory:
    pids = _tree(root)
    sums = [_rollup(pid) for pid in pids]
    pss, rss, heap = (sum(kilobytes[name] for kilobytes in sums) / MB for name in ("Pss", "Rss", "Pss_Anon"))
    return Memory(heap + _file_megabytes(pids), pss, rss, heap)


def _rollup(pid: int) -> dict[str, int]:
    """smaps_rollup (proc(5)): values in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _file_megabytes(pids: Sequence[int]) -> float:
    """Pages of files, each file once: processes of one tree use the same ones."""
    most: Counter[str] = Counter()
    for pid in pids:
        most |= _file_kilobytes(pid)
    return most.total() / MB


def _file_kilobytes(pid: int) -> Counter[str]:
    """By path: what is resident and was not written to (smaps: Rss less Anonymous)."""
    resident: Counter[str] = Counter()
    path = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *values = line.split(maxsplit=5)
        if not name.endswith(":"):
            path = values[4] if len(values) == 5 else ""
        elif path.startswith("/") and name in ("Rss:", "Anonymous:"):
            resident[path] += int(values[0]) if name == "Rss:" else -int(values[0])
    return resident


def _tree(root: int) -> list[int]:
    """The process and everything below it."""
    parents = {pid: _parent(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _parent(pid: int) -> int:
    """0 for a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])
