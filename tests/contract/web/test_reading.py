"""How request bodies are read: keys in any case, curl's content type, and whatever is no JSON."""

import json
from typing import Any

import pytest

from ablestack_api.web import endpoint
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

NEIGHBOR = {"ip": "10.0.0.1", "hostname": "a"}


def post(node: NodeUnderTest, data: bytes, content_type: str | None, path: str = "/neighbor") -> tuple[int, Any]:
    headers = {**node.bearer(), **({"Content-Type": content_type} if content_type is not None else {})}
    response = node.client.post(f"/api/v1{path}", data=data, headers=headers)
    return response.status_code, response.get_json()


@pytest.mark.parametrize(
    ("body", "hostname"),
    [
        ('{"IP": "10.0.0.1", "HostName": "a"}', "a"),
        ('{"Ip": "10.0.0.1", "hostname": "exact", "HOSTNAME": "folded"}', "exact"),
        ('{"Ip": "10.0.0.1", "HOSTNAME": "folded", "hostname": "exact"}', "exact"),
        ('{"ip": "10.0.0.1", "hostname": "first", "hostname": "last"}', "last"),
        ('{"ip": "10.0.0.1", "hostname": "a", "unknown": {"x": [1, 2]}}', "a"),
        ('{"ip": "10.0.0.1", "hostname": "관리노드"}', "관리노드"),
        ('{"ip": "10.0.0.1", "hostname": "\\uad00\\ub9ac"}', "관리"),
        ('  {"ip": " 10.0.0.1 ", "hostname": "a\\n"}\r\n', "a"),
    ],
)
def test_keys_match_in_any_case(node: NodeUnderTest, body: str, hostname: str) -> None:
    answer = node.call("POST", "/neighbor", body.encode())
    assert (answer.status, answer.body) == (200, {"neighbors": [{"ip": "10.0.0.1", "hostname": hostname}]})


def test_keys_of_nested_objects_match_in_any_case(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    body = {"Transaction": {"ID": "0" * 36, "Phase": "explode"}}
    answer = node.call("POST", "/auth/apply", body, headers=node.internal())
    assert answer.body["errors"] == [{"field": "transaction.phase", "reason": "unknown"}]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/merge-patch+json",
    ],
)
def test_json_under_the_types_that_clients_send(node: NodeUnderTest, content_type: str | None) -> None:
    """curl -d says x-www-form-urlencoded."""
    status, body = post(node, json.dumps({**NEIGHBOR, "hostname": "a=b&c"}).encode(), content_type)
    assert (status, body) == (200, {"neighbors": [{"ip": "10.0.0.1", "hostname": "a=b&c"}]})
    status, body = post(node, b'{"option": "a=b&c"}', content_type, "/auth/sync")
    assert (status, body["message"]) == (400, "invalid option")


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"ip=10.0.0.1&hostname=a", "application/x-www-form-urlencoded"),
        (b"hostname=a&ip=10.0.0.1&other=x", "application/x-www-form-urlencoded; charset=utf-8"),
        (
            b'--x\r\nContent-Disposition: form-data; name="ip"\r\n\r\n10.0.0.1\r\n'
            b'--x\r\nContent-Disposition: form-data; name="hostname"\r\n\r\na\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_neighbours_may_come_as_form_fields(node: NodeUnderTest, data: bytes, content_type: str) -> None:
    assert post(node, data, content_type) == (200, {"neighbors": [NEIGHBOR]})


@pytest.mark.parametrize("data", [b"=&=", b"&&", b"ip", b"ip=10.0.0.1", b"%ff=%ff", b"\xff", b"{", b""])
def test_broken_forms(node: NodeUnderTest, data: bytes) -> None:
    assert post(node, data, "application/x-www-form-urlencoded")[0] == 400
    assert post(node, data, "multipart/form-data; boundary=x")[0] in (400, 415)
    assert node.call("GET", "/neighbor").body == {"neighbors": []}


def bodies_wanted(node: NodeUnderTest) -> list[tuple[str, str]]:
    """(method, path below /api/v1) of every endpoint that reads a body."""
    app = node.client.application
    found = []
    for rule in app.url_map.iter_rules():
        declared = endpoint.of(app.view_functions[rule.endpoint])
        if declared is not None and declared.body is not None:
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [(method, rule.rule.removeprefix("/api/v1")) for method in sorted(methods)]
    return found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not json", id="text"),
        pytest.param(b'{"a": ', id="half"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"{'a': 1}", id="single-quotes"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'[{"action": "insert"}]', id="array-of-objects"),
        pytest.param(b'"text"', id="json-text"),
        pytest.param(b"5", id="number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="utf-16"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="raw-surrogate"),
        pytest.param(b'{"a": "x\x00y"}', id="raw-nul"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="number-of-5000-digits"),
        pytest.param(b"[" * 100_000, id="deep-array"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="deep-object"),
        pytest.param(b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep-value"),
    ],
)
def test_what_is_no_json_object_is_refused_everywhere(node: NodeUnderTest, data: bytes) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    before = {path: path.read_bytes() for path in (node.root / "etc").rglob("*") if path.is_file()}
    wanted = bodies_wanted(node)
    assert len(wanted) >= 10
    for method, path in wanted:
        answer = node.call(method, path, data, headers={**node.bearer(), **node.internal()})
        assert answer.status == 400, path
        assert answer.body["message"].startswith("invalid request"), path
        assert answer.body["errors"], path
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("depth", [60, 400, 900])
@pytest.mark.parametrize("shape", ["array", "object"])
def test_deep_values_break_nothing(node: NodeUnderTest, depth: int, shape: str) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    left, right = ("[", "]") if shape == "array" else ('{"a":', "}")
    deep = left * depth + "1" + right * depth
    step = json.dumps({"id": "0" * 36, "phase": "prepare"})
    body = f'{{"transaction": {step}, "request": {{"token": {deep}}}, "unknown": {deep}}}'
    assert node.call("POST", "/auth/apply", body, headers=node.internal()).status == 400
    assert node.call("POST", "/neighbor", f'{{"ip": {deep}, "hostname": "a"}}').status == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ip": 5}, "ip"),
        ({"ip": None}, "ip"),
        ({"ip": True}, "ip"),
        ({"ip": ["10.0.0.1"]}, "ip"),
        ({"hostname": {"a": 1}, "ip": "10.0.0.1"}, "hostname"),
        ('{"ip": "10.0.0.1", "hostname": "\\ud800"}', "hostname"),
        ('{"ip": "10.0.0.1", "hostname": "\\udfff\\ud800"}', "hostname"),
        ('{"ip": "10.0.0.1", "hostname": 1e400}', "hostname"),
    ],
)
def test_wrong_types_name_the_field(node: NodeUnderTest, body: Any, field: str) -> None:
    for method in ("POST", "DELETE"):
        answer = node.call(method, "/neighbor", body)
        assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)


def test_every_wrong_field_is_named(node: NodeUnderTest) -> None:
    answer = node.call("POST", "/auth/login", {"id": 1, "password": []}, headers={})
    assert [error["field"] for error in answer.body["errors"]] == ["id", "password"]


def test_a_strange_key_is_no_danger(node: NodeUnderTest) -> None:
    body = '{"ip": "10.0.0.1", "hostname": "a", "\\ud800": 1, "": 2, "x\\u0000": 3, "%s": 4}' % ("k" * 10_000)
    assert node.call("POST", "/neighbor", body).status == 200
