"""A node whose long work a test decides."""

import threading
from pathlib import Path
from typing import Any

from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from tests.support.answer import Answer
from tests.support.node_under_test import NodeUnderTest

TOO_LONG = 10.0


class Held:
    """Work that goes on when the test says so; `begun` is set when it runs."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.count = 0

    def do(self, progress: Progress) -> dict[str, Any]:
        self.count += 1
        with progress.step("hold", "wait for the test"):
            self.begun.set()
            assert self.go_on.wait(TOO_LONG)
        progress.check_cancelled()
        return {"code": 200, "val": "held"}


class WorkNode(NodeUnderTest):
    def __init__(self, root: Path, **environ: str) -> None:
        super().__init__(root, **environ)
        self.works: dict[str, Work] = {}
        self._held: list[Held] = []

    def add_held(self, name: str, *holds: str, cancellable: bool = False) -> Held:
        held = Held()
        self._held.append(held)
        self.works[name] = Work(f"{name} work", held.do, holds=holds, cancellable=cancellable)
        return held

    def let_go(self) -> None:
        for held in self._held:
            held.go_on.set()

    def now(self, name: str, **headers: str) -> Answer:
        return self.call("POST", f"/test/{name}", headers={**self.bearer(), **headers})

    def later(self, name: str, **headers: str) -> str:
        """The id of a job that was accepted."""
        answer = self.now(name, Prefer="respond-async", **headers)
        assert answer.status == 202, answer
        return str(answer.body["val"]["id"])

    def job(self, job_id: str, query: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self.call("GET", f"/jobs/{job_id}{query}", headers=headers)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body["val"]
        return found

    def ended(self, job_id: str) -> dict[str, Any]:
        found = self.job(job_id, "?wait=10")
        assert found["status"] not in ("queued", "running"), found
        return found

    def jobs(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/jobs{query}").body["val"]
        return found
