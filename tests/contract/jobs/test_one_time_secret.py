"""A generated password is answered once and never recorded."""

import os
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.secret import Secret
from ablestack_api.jobs import answer as job_answer
from ablestack_api.jobs import housekeeping, one_time
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from tests.contract.jobs.work_node import WorkNode
from tests.support import documents

PASSWORD = "generated-password-4711"
MASKED = {"code": 200, "val": {"user": "hacluster", "password": "****", "all": ["****"]}}
SHOWN = {"code": 200, "val": {"user": "hacluster", "password": PASSWORD, "all": [PASSWORD]}}


def make(_: Progress) -> dict[str, Any]:
    secret = Secret(PASSWORD)
    return {"code": 200, "val": {"user": "hacluster", "password": secret, "all": [secret]}}


@pytest.fixture(autouse=True)
def work(node: WorkNode) -> None:
    node.works["make"] = Work("make", make)


def places_of_the_password(node: WorkNode) -> list[Path]:
    files = [path for path in node.root.rglob("*") if path.is_file()]
    return [path for path in files if PASSWORD.encode() in path.read_bytes()]


def body(node: WorkNode, job_id: str, headers: dict[str, str] | None = None) -> Any:
    return node.job(job_id, "?wait=10", headers)["answer"]["body"]


def test_the_synchronous_answer_shows_it_and_nothing_keeps_it(node: WorkNode) -> None:
    answer = node.now("make")
    assert answer.body == SHOWN
    assert body(node, answer.headers["x-job-id"]) == MASKED
    assert places_of_the_password(node) == []


def test_a_job_shows_it_once_to_who_began_it(node: WorkNode) -> None:
    job_id = node.later("make")
    node.call("GET", "/jobs")
    assert body(node, job_id) == SHOWN
    assert body(node, job_id) == MASKED
    assert places_of_the_password(node) == []


def test_until_then_it_is_in_one_file_for_root_only(node: WorkNode) -> None:
    job_id = node.later("make")
    other = node.bearer("operator")
    assert node.job(job_id, "?wait=10", other)["secret_waits"]
    (place,) = places_of_the_password(node)
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    body(node, job_id)
    assert "secret_waits" not in node.job(job_id)


def test_somebody_else_sees_stars_and_takes_nothing_away(node: WorkNode) -> None:
    job_id = node.later("make")
    node.write_cluster(documents.document())
    assert body(node, job_id, node.bearer("operator")) == MASKED
    assert body(node, job_id, node.internal()) == MASKED
    assert body(node, job_id) == SHOWN


def test_a_look_without_a_body_takes_nothing_away(node: WorkNode) -> None:
    job_id = node.later("make")
    node.job(job_id, "?wait=10", node.bearer("operator"))
    assert node.call("HEAD", f"/jobs/{job_id}").status == 200
    assert body(node, job_id) == SHOWN


def test_it_is_not_stored_by_anybody_on_the_way(node: WorkNode) -> None:
    job_id = node.later("make")
    assert node.call("GET", f"/jobs/{job_id}?wait=10").headers["cache-control"] == "no-store"


def test_after_an_hour_it_is_gone(node: WorkNode) -> None:
    job_id = node.later("make")
    node.job(job_id, "?wait=10", node.bearer("operator"))
    (place,) = places_of_the_password(node)
    runner = node.client.application.extensions[job_answer.EXTENSION]
    now = node.clock.now().timestamp()
    os.utime(place, (now, now))  # files have the machine's time
    node.clock.advance(one_time.KEPT_SECONDS - 1)
    housekeeping.tidy(node.env, runner)
    assert place.exists()
    node.clock.advance(2)
    housekeeping.tidy(node.env, runner)
    assert places_of_the_password(node) == []
    assert body(node, job_id, node.bearer()) == MASKED


def test_work_whose_secret_cannot_be_kept_is_done_and_says_so(node: WorkNode) -> None:
    (node.root / "var/lib/ablestack/jobs").mkdir()
    (node.root / "var/lib/ablestack/jobs/once").write_text("in the way")
    job_id = node.later("make")
    job = node.job(job_id, "?wait=10")
    assert (job["status"], job["answer"]["body"]) == ("succeeded", MASKED)
    assert "could not be kept" in job["message"]
