"""Do all nodes hold the same cluster, with nothing left open?"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.local_nodes import LocalNode

SETTLE_SECONDS = 20.0


def held(node: LocalNode) -> str:
    """What a node holds: configuration, token and its names in /etc/hosts, as one comparable text."""
    document = node.cluster()
    hosts = sorted(line.split()[1] for line in node.hosts_file.read_text().splitlines() if len(line.split()) > 1)
    return json.dumps([document["clusterConfig"], document.get("security"), hosts], sort_keys=True)


def open_records(node: LocalNode) -> list[str]:
    """Records of changes that are not settled yet."""
    folder = node.state / "transaction"
    journals = [str(path) for path in (folder / "journals").glob("*.json")]
    return journals + [str(path) for path in folder.glob("participant.json")]


def settled(nodes: Sequence[LocalNode], seconds: float = SETTLE_SECONDS) -> str:
    """Wait until no node has an open record and all hold the same; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(open_records(node) for node in nodes) and len({held(node) for node in nodes}) == 1:
            return held(nodes[0])
        time.sleep(0.05)
    raise AssertionError("the nodes did not settle:\n" + "\n".join(_state(node) for node in nodes))


def _state(node: LocalNode) -> str:
    contents: dict[str, Any] = {path: Path(path).read_text()[:2000] for path in open_records(node)}
    return f"{node.hostname}: {held(node)}\n  open: {contents}\n  log: {node.log()[-1500:]}"
