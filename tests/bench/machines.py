"""Rendering the XML of the appliance machines, their own check included, without libvirt's schema program."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from ablestack_api.ccvm import xml as ccvm_xml
from ablestack_api.ccvm.xml_models import XmlRequest as CcvmRequest
from ablestack_api.scvm import xml as scvm_xml
from ablestack_api.scvm import xml_request
from ablestack_api.scvm.xml_models import XmlRequest as ScvmRequest
from ablestack_api.state.cluster_document import parse
from tests.bench.figure import Figure
from tests.support import appliances, documents
from tests.support.node_under_test import NodeUnderTest

LIMIT_MS = 10.0
ROUNDS, QUICK_ROUNDS = 200, 50
CONTROLLERS = [f"5e:{number:02x}.0" for number in range(8)]


def measure(folder: Path, quick: bool) -> Iterator[Figure]:
    node = NodeUnderTest(folder / "node")
    appliances.lay_templates(node)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    yield _figure("ccvm_xml_ms", _ccvm(node), rounds)
    yield _figure("scvm_xml_ms", _scvm(node), rounds)


def _figure(name: str, render: Callable[[], str], rounds: int) -> Figure:
    first = _milliseconds(render)
    each = [_milliseconds(render) for _ in range(rounds)]
    beside = {"first": round(first, 3), "slowest": round(max(each), 3), "bytes": len(render())}
    return Figure(name, median(each), "<=", LIMIT_MS, beside)


def _milliseconds(render: Callable[[], str]) -> float:
    started = time.perf_counter()
    render()
    return (time.perf_counter() - started) * 1000


def _ccvm(node: NodeUnderTest) -> Callable[[], str]:
    config = parse(json.dumps(documents.document("ablestack-hci")).encode()).cluster
    asked = CcvmRequest(cpu=8, memory=16, management_network_bridge="bridge0", service_network_bridge="bridge1")
    return lambda: ccvm_xml.render(node.env, config, asked, ccvm_xml.identity(config, asked, []), {})


def _scvm(node: NodeUnderTest) -> Callable[[], str]:
    """As many devices as there are slots."""
    asked = xml_request.asked(
        ScvmRequest(
            cpu=8,
            memory=32,
            disk_type="raid_passthrough",
            raid_passthrough_list=CONTROLLERS,
            management_network_bridge="bridge0",
            storage_traffic_network_type="bridge",
            server_network_bridge="bridge1",
            replication_network_bridge="bridge2",
        )
    )
    return lambda: scvm_xml.render(node.env, asked, scvm_xml.identity(node.env, len(asked.bridges), []), {})
