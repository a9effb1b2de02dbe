"""The status of both appliance machines: fresh beside libvirt's own calls, kept beside /health, and fifty at once.

libvirt's test driver stands for QEMU: what it answers is real, only faster; its time is taken off.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from ablestack_api.hypervisor import domains
from ablestack_api.hypervisor.connection import SystemLibvirt
from tests.bench import node
from tests.bench.figure import Figure
from tests.contract.scvm import support
from tests.support import documents, machines
from tests.support.local_nodes import LocalNode
from tests.support.node_under_test import NodeUnderTest

FRESH_LIMIT_MS = 30.0
KEPT_LIMIT = 1.3
ROUNDS, QUICK_ROUNDS = 40, 15
KEPT_CALLS = 20
TOGETHER = 50
GUEST_ADDRESS = "127.78.0.10"
STATUS = {"ccvm": "/cube/ccvm/status", "scvm": "/cube/scvm/status"}


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    uri = _machines(folder)
    measured = _host(folder / "host", uri)
    guest = LocalNode(folder / "guest", GUEST_ADDRESS, measured.port, "ccvm")
    guest.lay_out()
    guest.cluster_json.write_bytes(measured.cluster_json.read_bytes())
    with node.running(measured), node.running(guest):
        for name, path in STATUS.items():
            yield _fresh(measured, name, path, uri, rounds)
            yield _kept(measured, name, path, rounds)
    yield _together(folder)


def _machines(folder: Path) -> str:
    path = folder / "node.xml"
    path.write_text(f"<node>{machines.domain()}{support.scvm_domain()}</node>")
    return f"test://{path}"


def _host(folder: Path, uri: str) -> LocalNode:
    measured = node.lay_out(folder, peers=[GUEST_ADDRESS])
    document = json.loads(measured.cluster_json.read_text())
    config = document["clusterConfig"]
    own = {"ablecubePn": "127.78.1.1", "scvmMngt": "127.78.0.20", "scvm": "127.78.1.20", "scvmCn": "127.78.2.20"}
    config |= {"type": "ablestack-hci", "ccvm": {"ip": GUEST_ADDRESS}, "hosts": [{**config["hosts"][0], **own}]}
    measured.cluster_json.write_text(json.dumps(document))
    measured.environ["ABLESTACK_LIBVIRT_URI"] = uri
    return measured


def _fresh(measured: LocalNode, name: str, path: str, uri: str, rounds: int) -> Figure:
    """The call less libvirt's own work for it, one after the other so that a busy machine hits both alike."""
    hypervisor = SystemLibvirt(uri)
    connection, headers = _connected(measured)
    over, alone = [], []
    for _ in range(rounds):
        own = _milliseconds(lambda: domains.read(hypervisor, name, statistics=name == "ccvm"))
        over.append(_milliseconds(lambda: _get(connection, f"{path}?refresh=true", headers)) - own)
        alone.append(own)
    beside = {"libvirt_ms": round(median(alone), 2), "rounds": rounds}
    return Figure(f"{name}_status_fresh_ms_over_libvirt", median(over), "<=", FRESH_LIMIT_MS, beside)


def _kept(measured: LocalNode, name: str, path: str, rounds: int) -> Figure:
    """Calls that need no new reading beside /health, over one connection; /auth/me tells what the credential costs."""
    connection, headers = _connected(measured)
    kept, health, account = [], [], []
    for _ in range(rounds):
        _get(connection, path, headers)
        for _ in range(KEPT_CALLS):
            kept.append(_milliseconds(lambda: _get(connection, path, headers)))
            health.append(_milliseconds(lambda: _get(connection, "/health", {})))
            account.append(_milliseconds(lambda: _get(connection, "/auth/me", headers)))
    beside = {
        "kept_ms": round(median(kept), 3),
        "health_ms": round(median(health), 3),
        "auth_me_ms": round(median(account), 3),
    }
    return Figure(f"{name}_status_kept_ratio", median(kept) / median(health), "<=", KEPT_LIMIT, beside)


def _together(folder: Path) -> Figure:
    """Collections that fifty callers at once cause."""
    asked = NodeUnderTest(folder / "together")
    asked.write_cluster(documents.document())
    agent = machines.with_domains(asked, support.scvm_domain())
    support.agent_answers(agent)
    application, headers = asked.client.application, asked.bearer()

    def ask(_: int) -> int:
        return application.test_client().get(f"/api/v1{STATUS['scvm']}", headers=headers).status_code

    with ThreadPoolExecutor(TOGETHER) as pool:
        statuses = set(pool.map(ask, range(TOGETHER)))
    collections = sum(message["execute"] == "guest-get-fsinfo" for message in agent.asked)
    return Figure("scvm_status_collections_of_50", collections, "<=", 1, {"statuses": sorted(statuses)})


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
