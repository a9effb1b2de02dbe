"""`ablestack-api jobs` reads and writes the same record as the daemon."""

import json
import uuid
from typing import Any

import pytest

from ablestack_api import cli
from ablestack_api.core.errors import CommandFailed, Conflict, NotFound
from ablestack_api.jobs import terminal
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from tests.contract.jobs.work_node import WorkNode


def run(node: WorkNode, *arguments: str) -> tuple[str, int]:
    return terminal.run(node.env, cli._parser().parse_args(["jobs", *arguments]))


def as_json(node: WorkNode, *arguments: str) -> Any:
    return json.loads(run(node, *arguments, "--json")[0])


def good(progress: Progress) -> dict[str, Any]:
    with progress.step("create-vg", "create the volume group"):
        progress.log("vgcreate vg_x")
    return {"code": 200, "val": "é"}


def bad(progress: Progress) -> dict[str, Any]:
    with progress.step("create-vg", "create the volume group"):
        raise CommandFailed("vgcreate failed: no")


@pytest.fixture
def jobs(node: WorkNode) -> list[str]:
    node.works = {"good": Work("good work", good, holds=("storage",)), "bad": Work("bad work", bad)}
    return [node.now(name).headers["x-job-id"] for name in ("good", "bad")]


def test_the_list_is_a_table(node: WorkNode, jobs: list[str]) -> None:
    text, code = run(node, "list")
    head, *rows = [line.split() for line in text.splitlines()]
    assert code == 0
    assert head == ["JOB", "STATUS", "%", "KIND", "CREATED", "BY"]
    assert [(row[0], row[1]) for row in rows] == [(jobs[1], "failed"), (jobs[0], "succeeded")]
    assert [row[-1] for row in rows] == ["root@10.0.0.9"] * 2


def test_the_list_can_be_narrowed(node: WorkNode, jobs: list[str]) -> None:
    assert [job["id"] for job in as_json(node, "list", "--status", "failed")] == [jobs[1]]
    assert [job["id"] for job in as_json(node, "list", "--kind", "good work")] == [jobs[0]]
    assert [job["id"] for job in as_json(node, "list", "--limit", "1")] == [jobs[1]]


def test_nothing_is_said_to_be_nothing(node: WorkNode) -> None:
    assert run(node, "list") == ("no jobs", 0)
    assert as_json(node, "list") == []


@pytest.mark.parametrize("arguments", [("list", "--limit", "0"), ("list", "--status", "odd"), ("show",), ()])
def test_wrong_usage_is_refused(node: WorkNode, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(node, *arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_job_is_shown_for_people(node: WorkNode, jobs: list[str]) -> None:
    text, code = run(node, "show", jobs[1])
    assert code == 0
    assert "status   failed" in text
    assert "step     1 create-vg (create the volume group) failed in 0" in text
    assert "message  vgcreate failed: no" in text
    assert "answer   502 {" in text
    assert "é" in run(node, "show", jobs[0])[0]


def test_a_job_is_shown_for_programs_as_over_http(node: WorkNode, jobs: list[str]) -> None:
    assert as_json(node, "show", jobs[0]) == node.job(jobs[0])


def test_the_log_is_lines(node: WorkNode, jobs: list[str]) -> None:
    lines = run(node, "log", jobs[0])[0].splitlines()
    assert lines[1] == "2026-07-01T10:00:00.000+09:00 vgcreate vg_x"
    assert [line["line"] for line in as_json(node, "log", jobs[0])["lines"]][1] == "vgcreate vg_x"


def test_waiting_tells_by_its_exit_code_how_it_ended(node: WorkNode, jobs: list[str]) -> None:
    assert run(node, "wait", jobs[0])[1] == 0
    assert run(node, "wait", jobs[1])[1] == 1
    held = node.add_held("slow")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    text, code = run(node, "wait", job_id, "--seconds", "0.1")
    assert (code, "running" in text) == (1, True)


def test_a_running_job_of_the_daemon_is_cancelled(node: WorkNode) -> None:
    held = node.add_held("slow", cancellable=True)
    job_id = node.later("slow")
    assert held.begun.wait(10)
    assert as_json(node, "cancel", job_id)["cancel_asked_by"].endswith("@localhost")
    assert "asked to cancel it" in run(node, "show", job_id)[0]
    held.go_on.set()
    assert node.ended(job_id)["status"] == "cancelled"


def test_what_cannot_be_is_an_error(node: WorkNode, jobs: list[str]) -> None:
    with pytest.raises(Conflict):
        run(node, "cancel", jobs[0])
    for action in ("show", "log", "wait", "cancel"):
        with pytest.raises(NotFound):
            run(node, action, str(uuid.uuid4()))


def test_a_secret_is_not_taken_by_looking_here(node: WorkNode) -> None:
    from ablestack_api.core.secret import Secret

    node.works["make"] = Work("make", lambda _: {"code": 200, "val": Secret("generated-4711")})
    job_id = node.later("make")
    assert run(node, "wait", job_id)[1] == 0
    assert as_json(node, "show", job_id)["answer"]["body"]["val"] == "****"
    assert node.ended(job_id)["answer"]["body"]["val"] == "generated-4711"
