"""Long work: here and now, or with `Prefer: respond-async` (D21)."""

import json
from typing import Any

import pytest

from ablestack_api.core.errors import BadInput, CommandFailed
from ablestack_api.jobs.progress import Progress
from ablestack_api.jobs.work import Work
from tests.contract.jobs.work_node import WorkNode

ANSWER = {"code": 200, "val": {"name": "ccvm", "state": None, "한글": "é"}, "message": "done"}


def good(progress: Progress) -> dict[str, Any]:
    with progress.step("one", "the first"):
        progress.log("a line")
    return ANSWER


def bad(progress: Progress) -> dict[str, Any]:
    with progress.step("one", "the first"):
        raise CommandFailed("qemu-img failed: no space", program="qemu-img", exit_code=1)


def wrong(_: Progress) -> dict[str, Any]:
    raise ZeroDivisionError("what only we understand")


def test_a_call_answers_as_ever_and_names_its_job(node: WorkNode) -> None:
    node.works["good"] = Work("good work", good)
    answer = node.now("good", **{"X-Request-ID": "from-the-caller"})
    assert (answer.status, answer.body) == (200, ANSWER)
    assert "location" not in answer.headers
    job = node.job(answer.headers["x-job-id"])
    assert (job["kind"], job["status"], job["percent"]) == ("good work", "succeeded", 100)
    assert (job["holder"], job["node"], job["request_id"]) == ("root@10.0.0.9", "ablecube31-1", "from-the-caller")
    assert job["created"] == job["started"] == job["ended"] == "2026-07-01T10:00:00.000+09:00"
    assert [(step["name"], step["outcome"]) for step in job["steps"]] == [("one", "done")]
    assert job["answer"] == {"status": 200, "body": ANSWER}
    assert "message" not in job


def test_a_call_that_fails_answers_as_ever_and_is_recorded(node: WorkNode) -> None:
    node.works["bad"] = Work("bad work", bad)
    answer = node.now("bad")
    assert (answer.status, answer.body["type"]) == (502, "urn:ablestack:error:command_failed")
    job = node.job(answer.headers["x-job-id"])
    assert (job["status"], job["message"]) == ("failed", "qemu-img failed: no space")
    assert job["answer"] == {"status": 502, "body": answer.body}
    assert job["steps"][0]["message"] == "qemu-img failed: no space"


def test_a_fault_of_ours_is_told_and_recorded_without_its_text(node: WorkNode) -> None:
    node.works["wrong"] = Work("wrong work", wrong)
    answer = node.now("wrong")
    assert answer.status == 500
    job = node.job(answer.headers["x-job-id"])
    assert job["answer"] == {"status": 500, "body": answer.body}
    assert "only we understand" not in json.dumps(job)


def test_preferred_so_the_call_is_answered_at_once_and_the_job_has_the_very_answer(node: WorkNode) -> None:
    held = node.add_held("slow")
    answer = node.now("slow", Prefer="respond-async")
    assert answer.status == answer.body["code"] == 202
    job_id = answer.body["val"]["id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job_id}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert held.begun.wait(10)
    running = node.job(job_id)
    assert (running["status"], running["steps"][0]["outcome"]) == ("running", "running")
    assert "answer" not in running
    held.go_on.set()
    assert node.ended(job_id)["answer"] == {"status": 200, "body": {"code": 200, "val": "held"}}


@pytest.mark.parametrize("name", ["good", "bad", "wrong"])
def test_asynchronous_and_synchronous_give_the_same_answer(node: WorkNode, name: str) -> None:
    node.works = {"good": Work("w", good), "bad": Work("w", bad), "wrong": Work("w", wrong)}
    answer = node.now(name, **{"X-Request-ID": "same"})
    job = node.ended(node.later(name, **{"X-Request-ID": "same"}))
    assert job["answer"] == {"status": answer.status, "body": answer.body}
    assert job["request_id"] == "same"


def test_a_fault_of_ours_in_a_job_is_in_the_list_of_errors(node: WorkNode) -> None:
    node.works["wrong"] = Work("wrong work", wrong)
    job_id = node.later("wrong", **{"X-Request-ID": "find-me"})
    node.ended(job_id)
    errors = node.call("GET", "/err").body["errors"]
    assert [entry["error"] for entry in errors] == [f"job {job_id} (wrong work): ZeroDivisionError (request find-me)"]


def test_the_end_of_an_asynchronous_job_is_audited(node: WorkNode) -> None:
    node.works["bad"] = Work("bad work", bad)
    job_id = node.later("bad")
    node.ended(job_id)
    lines = [json.loads(line) for line in (node.root / "var/log/ablestack/audit.log").read_text().splitlines()]
    # Two writers, in any order: the request's line has a path.
    begun, ended = sorted((line for line in lines if line.get("job") == job_id), key=lambda line: "path" not in line)
    assert (begun["status"], begun["path"]) == (202, "/api/v1/test/bad")
    assert (ended["status"], ended["outcome"], ended["caller"], ended["kind"]) == (502, "error", "root@10.0.0.9", "bad work")


@pytest.mark.parametrize("value", ["wait=5", "respond-async=never", "\x0b,;=", 'x="respond-async"'])
def test_other_preferences_change_nothing(node: WorkNode, value: str) -> None:
    node.works["good"] = Work("good work", good)
    assert node.now("good", Prefer=value).status == 200


@pytest.mark.parametrize(
    "value", ["return=minimal, respond-async", "wait=5, RESPOND-ASYNC; x=y", '"rubbish", respond-async']
)
def test_one_of_several_preferences_counts(node: WorkNode, value: str) -> None:
    node.works["good"] = Work("good work", good)
    node.ended(str(node.now("good", Prefer=value).body["val"]["id"]))


def test_two_headers_are_one_list(node: WorkNode) -> None:
    node.works["good"] = Work("good work", good)
    headers = [*node.bearer().items(), ("Prefer", "return=minimal"), ("Prefer", "respond-async")]
    response = node.client.post("/api/v1/test/good", headers=headers)
    assert response.status_code == 202
    assert response.json is not None
    node.ended(response.json["val"]["id"])


# --- holds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
def test_a_second_writer_is_told_the_job_that_holds_it(node: WorkNode, prefer: dict[str, str]) -> None:
    held = node.add_held("first", "vm:ccvm")
    second = node.add_held("second", "storage", "vm:ccvm")
    job_id = node.later("first")
    assert held.begun.wait(10)
    node.clock.advance(4)
    answer = node.now("second", **prefer)
    assert (answer.status, answer.body["type"]) == (409, "urn:ablestack:error:busy")
    members = {key: answer.body[key] for key in ("job", "holder", "age_seconds", "hold")}
    assert members == {"job": job_id, "holder": "root@10.0.0.9", "age_seconds": 4.0, "hold": "vm:ccvm"}
    assert answer.body["message"] == (
        "second work was not begun: first work by root@10.0.0.9 has held vm:ccvm for 4 s"
        f" (job {job_id}). Wait for it with GET /api/v1/jobs/{job_id}?wait=30, or cancel it with DELETE"
    )
    assert second.count == 0
    assert [job["id"] for job in node.jobs()] == [job_id]  # no job is left behind
    held.go_on.set()
    second.go_on.set()
    node.ended(job_id)
    assert node.now("second").status == 200


def test_what_writes_something_else_is_not_kept_waiting(node: WorkNode) -> None:
    held = node.add_held("first", "vm:ccvm")
    node.later("first")
    assert held.begun.wait(10)
    node.works["other"] = Work("other work", good, holds=("vm:scvm",))
    assert node.now("other").status == 200


def test_who_sees_the_end_may_begin_the_next(node: WorkNode) -> None:
    for name in ("good", "bad", "wrong"):
        node.works[name] = Work(name, {"good": good, "bad": bad, "wrong": wrong}[name], holds=("vm:ccvm",))
        node.now(name)
        node.ended(node.later(name))
    node.works["last"] = Work("last", good, holds=("vm:ccvm",))
    assert node.now("last").status == 200


# --- many ------------------------------------------------------------------------------------------------------------


def test_eight_run_at_once_and_the_others_wait_with_their_holds(node: WorkNode) -> None:
    works = [node.add_held(f"w{number}", f"vm:{number}") for number in range(10)]
    jobs = [node.later(f"w{number}") for number in range(10)]
    assert all(held.begun.wait(10) for held in works[:8])
    assert [node.job(job_id)["status"] for job_id in jobs[8:]] == ["queued", "queued"]
    assert node.now("w9").status == 409
    works[0].go_on.set()
    assert works[8].begun.wait(10)
    node.let_go()
    assert [node.ended(job_id)["status"] for job_id in jobs] == ["succeeded"] * 10


def test_a_synchronous_call_never_waits_for_others(node: WorkNode) -> None:
    works = [node.add_held(f"w{number}") for number in range(8)]
    for number in range(8):
        node.later(f"w{number}")
    assert all(held.begun.wait(10) for held in works)
    node.works["good"] = Work("good work", good)
    assert node.now("good").status == 200


def test_too_many_waiting_jobs_are_refused(node: WorkNode) -> None:
    node.add_held("slow")
    jobs = [node.later("slow") for _ in range(8 + 32)]
    answer = node.now("slow", Prefer="respond-async")
    assert answer.status == 409
    assert "32 jobs are waiting on this node already" in answer.body["message"]
    assert answer.body["job"] == jobs[8]
    node.let_go()
    assert [node.ended(job_id)["status"] for job_id in jobs] == ["succeeded"] * 40


# --- the record cannot be written ------------------------------------------------------------------------------------


def damage(node: WorkNode) -> None:
    for place in (node.root / "var/lib/ablestack").glob("jobs.sqlite*"):
        place.unlink()
    (node.root / "var/lib/ablestack/jobs.sqlite").write_bytes(b"this is no database" * 500)


def test_without_a_record_the_work_is_done_all_the_same(node: WorkNode) -> None:
    """The operator may be about to free the very disk that is full."""
    damage(node)
    node.works["good"] = Work("good work", good, holds=("vm:ccvm",))
    for _ in range(2):
        answer = node.now("good")
        assert (answer.status, answer.body) == (200, ANSWER)
        assert "x-job-id" not in answer.headers
    errors = [entry["error"] for entry in node.call("GET", "/err").body["errors"]]
    assert "good work of root@10.0.0.9 is done without a record of it" in errors[0]


def test_without_a_record_errors_are_told_as_ever(node: WorkNode) -> None:
    damage(node)
    node.works["bad"] = Work("bad work", bad)
    assert node.now("bad").status == 502


def test_without_a_record_nothing_asynchronous_is_begun(node: WorkNode) -> None:
    damage(node)
    held = node.add_held("slow", "vm:ccvm")
    answer = node.now("slow", Prefer="respond-async")
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
    assert held.count == 0
    held.go_on.set()
    assert node.now("slow").status == 200  # the hold was given back


def test_jobs_cannot_be_told_from_a_damaged_record_until_it_is_moved_away(node: WorkNode) -> None:
    damage(node)
    answer = node.call("GET", "/jobs")
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
    (node.root / "var/lib/ablestack/jobs.sqlite").unlink()
    assert node.jobs() == []


def test_bad_input_that_the_work_finds_is_as_ever(node: WorkNode) -> None:
    def do(_: Progress) -> dict[str, Any]:
        raise BadInput("disk: is no disk", fields=[("disk", "is no disk")])

    node.works["input"] = Work("input work", do)
    answer = node.now("input")
    assert (answer.status, answer.body["errors"]) == (400, [{"field": "disk", "reason": "is no disk"}])
