"""/jobs: looking, waiting, reading, cancelling."""

import threading
import time
import uuid
from typing import Any

import pytest

from ablestack_api.core.errors import DiskFull
from ablestack_api.jobs import answer as job_answer
from ablestack_api.jobs import housekeeping, plan
from ablestack_api.jobs.job_runner import JobRunner
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from tests.contract.jobs.work_node import WorkNode
from tests.support import documents
from tests.support.progress import SilentProgress

NOBODY = str(uuid.UUID(int=0))


def runner(node: WorkNode) -> JobRunner:
    found: JobRunner = node.client.application.extensions[job_answer.EXTENSION]
    return found


def talking(progress: Progress) -> dict[str, Any]:
    for number in range(1, 4):
        progress.log(f"line {number}")
    return {"code": 200}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("GET", f"/jobs/{NOBODY}"), ("GET", f"/jobs/{NOBODY}/log"), ("DELETE", f"/jobs/{NOBODY}")],
)
def test_any_credential_is_asked_for_and_enough(node: WorkNode, method: str, path: str) -> None:
    assert node.call(method, path, headers={}).status == 401
    node.write_cluster(documents.document())
    expected = 200 if path == "/jobs" else 404
    assert node.call(method, path).status == expected
    assert node.call(method, path, headers=node.internal()).status == expected


@pytest.mark.parametrize("path", [f"/jobs/{NOBODY}", f"/jobs/{NOBODY}/log"])
def test_a_job_that_nobody_knows_is_not_found(node: WorkNode, path: str) -> None:
    answer = node.call("GET", path)
    assert answer.status == 404
    assert "a job is known to the node that runs it" in answer.body["message"]


@pytest.mark.parametrize("path", ["/jobs/1", "/jobs/..", "/jobs/%00", f"/jobs/{NOBODY}x/log"])
def test_what_is_no_id_is_not_found(node: WorkNode, path: str) -> None:
    assert node.call("GET", path).status == 404


def test_jobs_are_listed_newest_first_and_narrowed(node: WorkNode) -> None:
    node.works = {"good": Work("good", lambda _: {"code": 200}), "bad": Work("bad", lambda _: {"x": 1 / 0})}
    for name in ("good", "bad", "good"):
        node.now(name)
    assert [job["kind"] for job in node.jobs()] == ["good", "bad", "good"]
    assert [job["kind"] for job in node.jobs("?limit=2")] == ["good", "bad"]
    assert [job["kind"] for job in node.jobs("?kind=good&status=succeeded")] == ["good", "good"]
    assert [job["status"] for job in node.jobs("?status=failed")] == ["failed"]
    assert node.jobs("?kind=good&status=failed") == []
    assert node.jobs() == node.jobs()
    assert not {"steps", "answer"} & set(node.jobs()[0])


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=x", "?status=sleeping", "?kind=" + "k" * 101])
def test_a_bad_query_of_the_list_names_its_field(node: WorkNode, query: str) -> None:
    answer = node.call("GET", f"/jobs{query}")
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] in query


def test_no_jobs_are_an_empty_list(node: WorkNode) -> None:
    assert node.call("GET", "/jobs").body == {"code": 200, "val": []}


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_waiting_ends_with_the_job(node: WorkNode) -> None:
    held = node.add_held("slow")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    threading.Timer(0.2, held.go_on.set).start()
    started = time.monotonic()
    assert node.job(job_id, "?wait=60")["status"] == "succeeded"
    assert time.monotonic() - started < 20


def test_waiting_ends_with_its_time(node: WorkNode) -> None:
    held = node.add_held("slow")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    started = time.monotonic()
    assert node.job(job_id, "?wait=0.3")["status"] == "running"
    assert 0.3 <= time.monotonic() - started < 20


def test_a_job_that_has_ended_is_not_waited_for(node: WorkNode) -> None:
    node.works["good"] = Work("good", lambda _: {"code": 200})
    job_id = node.now("good").headers["x-job-id"]
    started = time.monotonic()
    node.job(job_id, "?wait=60")
    assert node.call("GET", f"/jobs/{NOBODY}?wait=60").status == 404
    assert time.monotonic() - started < 20


def test_only_a_share_of_the_threads_waits(node: WorkNode) -> None:
    """16 threads: four may wait, the fifth is answered at once."""
    held = node.add_held("slow")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    waiting = [threading.Thread(target=node.job, args=(job_id, "?wait=60")) for _ in range(4)]
    for thread in waiting:
        thread.start()
    end = time.monotonic() + 10
    while runner(node)._wait_slots._value and time.monotonic() < end:
        time.sleep(0.01)
    started = time.monotonic()
    assert node.job(job_id, "?wait=60")["status"] == "running"
    assert time.monotonic() - started < 10
    held.go_on.set()
    for thread in waiting:
        thread.join(20)
    assert not any(thread.is_alive() for thread in waiting)
    assert node.job(job_id, "?wait=1")["status"] == "succeeded"  # the places are free again


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf", "1e9", "0x10"])
def test_a_bad_wait_is_refused(node: WorkNode, wait: str) -> None:
    answer = node.call("GET", f"/jobs/{NOBODY}?wait={wait}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "wait")


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_log_is_read_in_pieces(node: WorkNode) -> None:
    node.works["talk"] = Work("talk", talking)
    job_id = node.now("talk").headers["x-job-id"]
    whole = node.call("GET", f"/jobs/{job_id}/log").body["val"]
    assert [(line["number"], line["line"]) for line in whole["lines"]] == [(1, "line 1"), (2, "line 2"), (3, "line 3")]
    assert whole["lines"][0]["time"] == "2026-07-01T10:00:00.000+09:00"
    assert (whole["id"], whole["status"], whole["after"]) == (job_id, "succeeded", 3)
    part = node.call("GET", f"/jobs/{job_id}/log?after=1&limit=1").body["val"]
    assert ([line["line"] for line in part["lines"]], part["after"]) == (["line 2"], 2)
    assert node.call("GET", f"/jobs/{job_id}/log?after=3").body["val"]["after"] == 3


def test_a_log_is_text_for_who_asks_for_text(node: WorkNode) -> None:
    node.works["talk"] = Work("talk", talking)
    job_id = node.now("talk").headers["x-job-id"]
    answer = node.call("GET", f"/jobs/{job_id}/log", headers={**node.bearer(), "Accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.splitlines()[0] == "2026-07-01T10:00:00.000+09:00 line 1"
    assert len(answer.body.splitlines()) == 3
    for accept in ("*/*", "application/json", "text/html, */*"):
        answer = node.call("GET", f"/jobs/{job_id}/log", headers={**node.bearer(), "Accept": accept})
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?limit=0", "?limit=10001"])
def test_a_bad_query_of_the_log_is_refused(node: WorkNode, query: str) -> None:
    assert node.call("GET", f"/jobs/{NOBODY}/log{query}").status == 400


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_running_job_takes_back_what_it_did(node: WorkNode) -> None:
    held = node.add_held("inner")
    diary: list[str] = []
    steps = [
        Step("a", "the first", lambda: diary.append("a"), undo=lambda: diary.append("undo a")),
        Step("b", "the second", lambda: held.do(SilentProgress()), undo=lambda: diary.append("undo b")),
        Step("c", "the third", lambda: diary.append("c")),
    ]
    node.works["plan"] = Work("a plan", lambda progress: plan.run(Plan("p", steps), progress), cancellable=True)
    job_id = node.later("plan")
    assert held.begun.wait(10)
    answers = [node.call("DELETE", f"/jobs/{job_id}") for _ in range(2)]
    assert [(answer.status, answer.body["val"]["status"]) for answer in answers] == [(202, "running")] * 2
    assert answers[0].body["val"]["cancel_asked_by"] == "root@10.0.0.9"
    held.go_on.set()
    job = node.ended(job_id)
    assert job["status"] == "cancelled"
    assert diary == ["a", "undo b", "undo a"]
    assert [(step["name"], step["outcome"]) for step in job["steps"]] == [
        ("a", "done"),
        ("b", "done"),
        ("undo-b", "done"),
        ("undo-a", "done"),
    ]
    assert (job["answer"]["status"], job["answer"]["body"]["type"]) == (409, "urn:ablestack:error:cancelled")
    assert [entry["outcome"] for entry in job["answer"]["body"]["steps"]] == ["undone", "undone", "not begun"]
    assert job["message"] == "a plan was cancelled: root@10.0.0.9 asked for it, before step c; undone: a, b"


def test_a_waiting_job_is_never_begun(node: WorkNode) -> None:
    node.add_held("busy")
    jobs = [node.later("busy") for _ in range(8)]
    waiting = node.add_held("waiting", "vm:ccvm")
    job_id = node.later("waiting")
    answer = node.call("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.body["val"]["status"]) == (200, "cancelled")
    job = node.job(job_id)
    assert "before it was begun: root@10.0.0.9 asked for it; nothing was changed" in job["message"]
    assert job["answer"]["body"]["instance"] == job["request_id"]
    node.works["next"] = Work("next", lambda _: {"code": 200}, holds=("vm:ccvm",))
    assert node.now("next").status == 200  # its hold is free
    node.let_go()
    for other in jobs:
        node.ended(other)
    assert waiting.count == 0


def test_what_cannot_be_cancelled_says_so(node: WorkNode) -> None:
    held = node.add_held("slow")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    answer = node.call("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.body["type"], answer.body["job_status"]) == (
        409,
        "urn:ablestack:error:conflict",
        "running",
    )
    assert "cannot be cancelled once it runs" in answer.body["message"]
    held.go_on.set()
    assert node.ended(job_id)["status"] == "succeeded"


def test_what_has_ended_cannot_be_cancelled(node: WorkNode) -> None:
    node.works["good"] = Work("good", lambda _: {"code": 200})
    job_id = node.now("good").headers["x-job-id"]
    answer = node.call("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.body["job_status"]) == (409, "succeeded")
    assert "has ended already: succeeded" in answer.body["message"]
    assert node.call("DELETE", f"/jobs/{NOBODY}").status == 404


def test_a_job_that_gets_through_before_it_looks_has_succeeded(node: WorkNode) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def never_looks(_: Progress) -> dict[str, Any]:
        begun.set()
        go_on.wait(10)
        return {"code": 200}

    node.works["blind"] = Work("blind", never_looks, cancellable=True)
    job_id = node.later("blind")
    assert begun.wait(10)
    assert node.call("DELETE", f"/jobs/{job_id}").status == 202
    go_on.set()
    job = node.ended(job_id)
    assert (job["status"], job["cancel_asked_by"]) == ("succeeded", "root@10.0.0.9")


def test_a_synchronous_call_is_cancelled_too(node: WorkNode) -> None:
    held = node.add_held("slow", cancellable=True)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(node.now("slow")))
    caller.start()
    assert held.begun.wait(10)
    (job,) = node.jobs("?status=running")
    assert node.call("DELETE", f"/jobs/{job['id']}").status == 202
    held.go_on.set()
    caller.join(10)
    assert (answers[0].status, answers[0].body["type"]) == (409, "urn:ablestack:error:cancelled")
    assert node.job(job["id"])["status"] == "cancelled"


# --- what was left behind --------------------------------------------------------------------------------------------


def test_a_job_of_a_process_that_is_gone_is_interrupted_at_the_next_look(node: WorkNode) -> None:
    held = node.add_held("slow")
    node.works["slow"] = Work("slow", held.do, look_at="virsh dominfo ccvm")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    runner(node)._owner = None  # the process is gone: its lock is free
    job = node.job(job_id)
    assert job["status"] == "interrupted"
    assert job["message"] == (
        "the daemon ended while step hold (wait for the test) was running; how far that got is not known, and a program it"
        " had started may still be running; no step was done before; before you repeat it look at virsh dominfo ccvm and at"
        " the job's log"
    )
    assert [step["outcome"] for step in job["steps"]] == ["interrupted"]
    assert node.call("DELETE", f"/jobs/{job_id}").body["job_status"] == "interrupted"


def test_tidying_forgets_jobs_after_thirty_days(node: WorkNode) -> None:
    node.works["good"] = Work("good", lambda _: {"code": 200})
    old = node.now("good").headers["x-job-id"]
    node.clock.advance(29 * 86400)
    new = node.now("good", **node.bearer()).headers["x-job-id"]
    housekeeping.tidy(node.env, runner(node))
    assert {job["id"] for job in node.jobs()} == {old, new}
    node.clock.advance(2 * 86400)
    housekeeping.tidy(node.env, runner(node))
    assert {job["id"] for job in node.jobs()} == {new}


def test_a_record_that_grows_too_large_loses_its_older_half(node: WorkNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "KEPT_JOBS", 16)
    monkeypatch.setattr(housekeeping, "KEPT_BYTES", 400_000)
    node.works["big"] = Work("big", lambda _: {"code": 200, "val": "x" * 50_000})
    jobs = [node.now("big").headers["x-job-id"] for _ in range(12)]
    housekeeping.tidy(node.env, runner(node))
    assert [job["id"] for job in node.jobs()] == jobs[:-5:-1]


def test_an_end_that_could_not_be_recorded_is_recorded_later(node: WorkNode, monkeypatch: pytest.MonkeyPatch) -> None:
    held = node.add_held("slow", "vm:ccvm")
    job_id = node.later("slow")
    assert held.begun.wait(10)
    tried = threading.Event()

    def refuse(*_: object) -> bool:
        tried.set()
        raise DiskFull("jobs.sqlite: full")

    with monkeypatch.context() as patch:
        patch.setattr(runner(node).db, "end", refuse)
        held.go_on.set()
        assert tried.wait(10)
        runner(node).save_ends()
        assert node.now("slow").status == 200  # the hold is free
    assert node.job(job_id)["status"] == "running"
    runner(node).save_ends()
    assert node.job(job_id)["answer"] == {"status": 200, "body": {"code": 200, "val": "held"}}
    errors = [entry["error"] for entry in node.call("GET", "/err").body["errors"] if job_id in entry["error"]]
    assert errors == [f"job {job_id} is succeeded, which could not be recorded yet: jobs.sqlite: full"]
