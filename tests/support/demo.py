"""`make demo`: three nodes on this machine; the first applies a cluster to the other two and reads its health back."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.answer import Answer
from tests.support.local_nodes import LocalNode, insert_request, make_nodes


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--json", action="store_true", help="print the answers as JSON lines")
    parser.add_argument("--keep", action="store_true", help="leave the nodes running until Enter is pressed")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="ablestack-demo-") as folder:
        nodes = make_nodes(Path(folder), options.nodes, network="127.76.0")
        try:
            return _play(nodes, options)
        finally:
            for node in nodes:
                node.stop()


def _play(nodes: list[LocalNode], options: argparse.Namespace) -> int:
    say = _Narrator(as_json=options.json)
    say.line(f"Starting {len(nodes)} nodes, each a daemon of its own with its own files:")
    for node in nodes:
        node.start()
        say.line(f"  {node.hostname}  http://{node.address}:{node.port}  {node.root}")
    first = nodes[0]
    say.line("\nApplying a cluster from cube1 to all of them (POST /cube/cluster/apply). The others have never met it:")
    applied = first.api("POST", "/cube/cluster/apply", insert_request(nodes))
    say.results(applied)
    say.line("\nOne signing value on all nodes, so that a token of cube1 is good everywhere (POST /auth/sync):")
    synced = first.api("POST", "/auth/sync", {"option": "host"})
    say.results(synced)
    say.line("\nA new internal token for all of them (POST /auth/internal-token/rotate):")
    rotated = first.api("POST", "/auth/internal-token/rotate")
    say.results(rotated)
    say.line("\nHealth of the cluster as the last node sees it (GET /cube/cluster/health?option=host):")
    token = first.token()
    health = nodes[-1].call("GET", "/cube/cluster/health?option=host", headers={"Authorization": token})
    say.results(health)
    say.line(f"\nWhat /etc/hosts of {nodes[-1].hostname} says now:\n{nodes[-1].hosts_file.read_text()}")
    same = len({json.dumps(node.cluster()["clusterConfig"], sort_keys=True) for node in nodes}) == 1
    good = same and all(answer.status == 200 for answer in (applied, synced, rotated, health))
    say.line("All nodes hold the same configuration." if good else "Something went wrong, see above.")
    if options.keep:
        say.line(f"\nA token: {token}\nPress Enter to stop.")
        sys.stdin.readline()
    return 0 if good else 1


class _Narrator:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def line(self, text: str) -> None:
        if not self._as_json:
            print(text, flush=True)

    def results(self, answer: Answer) -> None:
        """A table of the nodes of one answer."""
        if self._as_json:
            print(json.dumps({"status": answer.status, "body": answer.body}), flush=True)
            return
        print(f"  HTTP {answer.status}  {_message(answer.body)}")
        for entry in answer.body.get("results", []):
            print(f"  {entry['hostname']:<8} {entry['target']:<14} {entry['outcome']:<12} {entry.get('message', '')}")


def _message(body: dict[str, Any]) -> str:
    value = body.get("val")
    return str(body.get("message") or (value.get("message") if isinstance(value, dict) else value) or "")


if __name__ == "__main__":
    sys.exit(main())
