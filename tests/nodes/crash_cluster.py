"""Three nodes of which one dies before its Nth durable write."""

import sys
from http.client import HTTPException
from pathlib import Path

from tests.support.local_nodes import LocalNode, insert_request, make_nodes

DYING = (sys.executable, "-m", "tests.nodes.crashing_daemon")
CALLER, PEER = 0, 1
MOST_WRITES = 60


class Cluster:
    """Three nodes; one of them dies before its Nth write."""

    def __init__(self, folder: Path, network: str = "127.75.0") -> None:
        self.nodes = make_nodes(folder, 3, network=network)
        for node in self.nodes:
            node.program = DYING
            node.environ["CRASH_WRITES_FILE"] = str(folder / f"{node.hostname}.writes")
            node.start()

    def restart(self, node: LocalNode, *, before_write: int) -> None:
        node.kill()
        Path(node.environ["CRASH_WRITES_FILE"]).unlink(missing_ok=True)
        node.environ["CRASH_BEFORE_WRITE"] = str(before_write)
        node.start()

    def apply(self, marker: str) -> int:
        """Status of an insert with `marker` in it; 0 when the caller died in the middle."""
        request = insert_request(self.nodes, external_timeserver=marker)
        try:
            return self.nodes[CALLER].api("POST", "/cube/cluster/apply", request).status
        except (OSError, HTTPException):
            return 0

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()
