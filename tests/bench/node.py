"""The node being measured: a real daemon with the settings a package ships, in a folder of its own."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.local_nodes import LocalNode, free_port

NODE_ADDRESS = "127.78.0.1"
BARE_ADDRESS = "127.78.0.2"
PROGRAMS = Path(sys.executable).parent
SERVE = (str(PROGRAMS / "ablestack-api"), "serve")
INTERNAL_TOKEN = "bench-internal-token-0123456789-abcdefghijk"
# LocalNode's own number of threads is for tests; an empty value means the default of the product.
DEFAULTS = {"ABLESTACK_API_THREADS": ""}


def lay_out(
    folder: Path, *, address: str = NODE_ADDRESS, peers: Sequence[str] = (), program: Sequence[str] = SERVE
) -> LocalNode:
    """A node that leads a cluster of itself and these peers, not started; its port is free on all their addresses."""
    port = free_port([address, *peers])
    node = LocalNode(folder / address, address, port, "cube1", environ=dict(DEFAULTS), program=program)
    node.lay_out()
    write_cluster(node, peers)
    return node


@contextmanager
def running(node: LocalNode) -> Iterator[LocalNode]:
    """Started, healthy, and ended whatever happens."""
    try:
        node.start()
        yield node
    finally:
        node.stop()


def write_cluster(node: LocalNode, peers: Sequence[str]) -> None:
    """cluster.json of this node (the first host) and its peers; replaced in one step, the daemon reads it at each call."""
    addresses = [node.address, *peers]
    document = {
        "clusterConfig": {
            "type": "ablestack-vm",
            "ccvm": {"ip": "127.78.0.10"},
            "mngtNic": {"cidr": "24", "gw": "127.78.0.254", "dns": "127.78.0.253"},
            "pcsCluster": {f"hostname{number}": address for number, address in enumerate(addresses, 1)},
            "hosts": [
                {"index": str(number), "hostname": f"cube{number}", "ablecube": address}
                for number, address in enumerate(addresses, 1)
            ],
        },
        "security": {"internal_token": INTERNAL_TOKEN},
    }
    fresh = node.cluster_json.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=4))
    fresh.replace(node.cluster_json)
