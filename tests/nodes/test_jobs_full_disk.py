"""Long work on a node whose disk is really full: urgent work is done, what needs its record is refused (ADR 0009)."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.test_jobs import DAEMON, begin, begun, job, until
from tests.support.answer import Answer
from tests.support.local_nodes import LocalNode, make_nodes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LocalNode]:
    """The daemon's own state is on a disk of half a MiB."""
    made = make_nodes(tmp_path, 1, network="127.72.0")[0]
    made.program = DAEMON
    made.state.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(made.state)], check=True)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        subprocess.run(["umount", "--lazy", str(made.state)], check=True)


def fill(node: LocalNode) -> Path:
    ballast = node.state / "ballast"
    with ballast.open("ab", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return ballast


def begin_when_full(node: LocalNode, headers: dict[str, str] | None) -> Answer:
    """SQLite may find space in what it had itself, and gives some back when it fails: full is what stays full."""
    for _ in range(50):
        fill(node)
        answer = begin(node, headers, seconds=0)
        if "x-job-id" not in answer.headers:
            return answer
    raise AssertionError("the disk never was full")


def test_on_a_full_disk_work_is_done_unrecorded_or_refused_before_it_is_begun(node: LocalNode) -> None:
    assert "x-job-id" in begin(node, {}, seconds=0).headers
    done = begin_when_full(node, {})
    assert (done.status, done.body["code"]) == (200, 200)
    refused = begin_when_full(node, None)
    assert (refused.status, refused.body["type"]) == (507, "urn:ablestack:error:disk_full")
    (node.state / "ballast").unlink()
    recorded = begin(node, {}, seconds=0)
    assert job(node, recorded.headers["x-job-id"])["status"] == "succeeded"


def test_a_job_that_ends_while_the_disk_is_full_is_recorded_when_it_is_not(node: LocalNode) -> None:
    job_id = begin(node, steps=1, seconds=1.5).body["val"]["id"]
    until(begun(node, "begin step-1"))
    ballast = fill(node)
    until(begun(node, "end step-1"))
    fill(node)
    ballast.unlink()
    until(lambda: job(node, job_id)["status"] == "succeeded")
