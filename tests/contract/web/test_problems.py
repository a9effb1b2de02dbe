"""One body for every failure (D10)."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ablestack_api.core.runner import Finished
from ablestack_api.core.secret import Secret
from tests.support.answer import Answer
from tests.support.doubles import QueuedRunner
from tests.support.node_under_test import NodeUnderTest

LIMIT = 512 * 1024
LOGIN = "/auth/login"


class BrokenRunner(QueuedRunner):
    """A program that fails in a way nobody thought of."""

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        raise RuntimeError("planted detail of the inside")


def assert_is_problem(answer: Answer, status: int, kind: str) -> None:
    body = answer.body
    assert answer.status == status
    assert (body["code"], body["err_code"], body["status"]) == (status, status, status)
    assert body["type"] == f"urn:ablestack:error:{kind}"
    assert body["message"] == body["detail"] != ""
    assert body["title"]
    assert body["instance"] == answer.headers["x-request-id"] != ""
    assert "Traceback" not in json.dumps(body)


def send(
    node: NodeUnderTest,
    method: str,
    path: str,
    *,
    data: bytes = b"{}",
    content_type: str = "application/json",
    accept: str = "*/*",
    chunked: bool = False,
    headers: dict[str, str] | None = None,
) -> Answer:
    """A request with its own body; `chunked` as gunicorn hands one on: no length, the stream ends by itself."""
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
    response = node.client.open(
        f"/api/v1{path}",
        method=method,
        content_type=content_type,
        headers={"Accept": accept, **(headers or {})},
        environ_overrides=environ,
        **({"input_stream": io.BytesIO(data)} if chunked else {"data": data}),
    )
    text = response.get_data(as_text=True)
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, json.loads(text) if response.is_json else text, names)


def test_bad_input(node: NodeUnderTest) -> None:
    answer = send(node, "POST", LOGIN)
    assert_is_problem(answer, 400, "bad_input")
    assert answer.body["errors"] == [
        {"field": "id", "reason": "Field required"},
        {"field": "password", "reason": "Field required"},
    ]


def test_no_credential(node: NodeUnderTest) -> None:
    answer = send(node, "GET", "/neighbor")
    assert_is_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ablestack"'
    assert "errors" not in answer.body


@pytest.mark.parametrize(
    "path", ["/nothing", "/auth", "/cube/cluster/transactions/not-a-uuid", "/%ff", "/한국", "/" + "x" * 5000]
)
def test_unknown_path(node: NodeUnderTest, path: str) -> None:
    assert_is_problem(send(node, "GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", LOGIN, {"POST", "OPTIONS"}),
        ("DELETE", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/neighbor", {"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"}),
        ("BREW", "/version", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method(node: NodeUnderTest, method: str, path: str, allowed: set[str]) -> None:
    answer = send(node, method, path)
    assert_is_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", [LOGIN, "/neighbor"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_of_one_byte_too_many(node: NodeUnderTest, chunked: bool, path: str, content_type: str) -> None:
    """Cut at the limit it would be good input: it must not be read as that."""
    good = b'{"id": "-", "password": "x", "ip": "10.0.0.1", "hostname": "a"}'
    data = good + b" " * (LIMIT + 1 - len(good))
    answer = send(node, "POST", path, data=data, chunked=chunked, content_type=content_type, headers=node.bearer())
    assert_is_problem(answer, 413, "body_too_large")
    assert "512 KiB" in answer.body["message"]
    assert node.call("GET", "/neighbor").body == {"neighbors": []}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_just_the_limit(node: NodeUnderTest, chunked: bool) -> None:
    good = b'{"ip": "10.0.0.1", "hostname": "a"}'
    data = good + b" " * (LIMIT - len(good))
    assert send(node, "POST", "/neighbor", data=data, chunked=chunked, headers=node.bearer()).status == 200


@pytest.mark.parametrize("content_type", ["application/xml", "image/png", "text/html"])
def test_a_body_of_an_unknown_type(node: NodeUnderTest, content_type: str) -> None:
    for path in (LOGIN, "/neighbor", "/cube/cluster/apply", "/auth/sync"):
        answer = send(node, "POST", path, data=b"<a/>", content_type=content_type, headers=node.bearer())
        assert_is_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("application/problem+json, application/json;q=0.5", "application/problem+json"),
    ],
)
def test_the_media_type_follows_accept(node: NodeUnderTest, accept: str, media: str) -> None:
    answers = [
        send(node, "POST", LOGIN, accept=accept),
        send(node, "GET", "/neighbor", accept=accept),
        send(node, "GET", "/nothing", accept=accept),
        send(node, "PUT", LOGIN, accept=accept),
        send(node, "POST", LOGIN, accept=accept, data=b" " * (LIMIT + 1)),
        send(node, "POST", LOGIN, accept=accept, content_type="text/html"),
    ]
    assert [answer.status for answer in answers] == [400, 401, 404, 405, 413, 415]
    assert {answer.headers["content-type"] for answer in answers} == {media}
    assert [answer.body["status"] for answer in answers] == [answer.status for answer in answers]


def test_the_unexpected(node: NodeUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the request id, the journal the details, `GET /err` a line."""
    node.env = replace(node.env, runner=BrokenRunner())
    answer = node.call("GET", "/version")
    assert_is_problem(answer, 500, "internal_error")
    told = json.dumps(answer.body)
    for inside in ("planted detail", "RuntimeError", "File ", ".py"):
        assert inside not in told
    assert "planted detail of the inside" in caplog.text
    assert answer.body["instance"] in caplog.text
    (entry,) = node.call("GET", "/err").body["errors"]
    assert entry["error"] == f"GET /api/v1/version: RuntimeError (request {answer.body['instance']})"


def test_a_file_error_names_the_file(node: NodeUnderTest) -> None:
    Path(node.settings.neighbor_json).mkdir()
    answer = node.call("GET", "/neighbor")
    assert_is_problem(answer, 500, "file_unusable")
    assert node.settings.neighbor_json in answer.body["message"]


def test_further_members_of_an_error_are_told(node: NodeUnderTest) -> None:
    Path(node.settings.neighbor_json).write_text("{")
    answer = node.call("GET", "/neighbor")
    assert_is_problem(answer, 500, "state_file_damaged")
    assert answer.body["path"] == node.settings.neighbor_json
