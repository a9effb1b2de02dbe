"""GET and DELETE /err (contract 01 §6.7)."""

import json
from pathlib import Path

import pytest

from ablestack_api.state import error_list
from tests.support.node_under_test import NodeUnderTest


def errors_file(node: NodeUnderTest) -> Path:
    return Path(node.settings.state_root) / "errors.json"


def record(node: NodeUnderTest, *texts: str) -> None:
    for text in texts:
        error_list.record(node.settings, node.clock, text)


def test_an_empty_list_is_null(node: NodeUnderTest) -> None:
    text = node.client.get("/api/v1/err", headers=node.bearer()).get_data(as_text=True)
    assert text == '{\n    "errors": null\n}'


def test_errors_are_listed_with_their_time(node: NodeUnderTest) -> None:
    record(node, "first")
    node.clock.advance(90)
    record(node, "둘째")
    answer = node.call("GET", "/err")
    assert (answer.status, answer.body) == (
        200,
        {
            "errors": [
                {"error": "first", "refresh_time": "2026-07-01T10:00:00+09:00"},
                {"error": "둘째", "refresh_time": "2026-07-01T10:01:30+09:00"},
            ]
        },
    )


def test_delete_empties_the_list(node: NodeUnderTest) -> None:
    record(node, "first", "second")
    for _ in range(2):
        answer = node.call("DELETE", "/err")
        assert (answer.status, answer.body) == (200, {"errors": None})
    assert node.call("GET", "/err").body == {"errors": None}
    record(node, "third")
    assert [entry["error"] for entry in node.call("GET", "/err").body["errors"]] == ["third"]


def test_the_list_outlives_a_restart(node: NodeUnderTest) -> None:
    record(node, "first")
    assert node.call("GET", "/err").body["errors"]
    del node.client
    assert [entry["error"] for entry in node.call("GET", "/err").body["errors"]] == ["first"]


def test_the_list_is_bounded(node: NodeUnderTest) -> None:
    present = [{"error": str(number), "refresh_time": "2026-07-01T09:00:00+09:00"} for number in range(199)]
    errors_file(node).write_text(json.dumps(present))
    record(node, "x" * 10_000, "last")
    errors = node.call("GET", "/err").body["errors"]
    assert len(errors) == 200
    assert (errors[0]["error"], errors[-1]["error"]) == ("1", "last")
    assert len(errors[-2]["error"]) == 1000


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_damaged_list_can_be_thrown_away(node: NodeUnderTest, content: bytes) -> None:
    errors_file(node).write_bytes(content)
    answer = node.call("GET", "/err")
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")
    record(node, "must not fail")
    assert errors_file(node).read_bytes() == content
    assert node.call("DELETE", "/err").status == 200
    assert node.call("GET", "/err").body == {"errors": None}


def test_errors_want_a_credential(node: NodeUnderTest) -> None:
    record(node, "first")
    for method in ("GET", "DELETE"):
        assert node.call(method, "/err", headers={}).status == 401
    assert node.call("POST", "/err").status == 405
    assert len(node.call("GET", "/err").body["errors"]) == 1
