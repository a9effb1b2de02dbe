"""The description of the API is the API, and Swagger UI comes from the package."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.node_under_test import NodeUnderTest

PREFIX = "/api/v1"
ANY: list[dict[str, list[str]]] = [{"Bearer": []}, {"InternalToken": []}]


@pytest.fixture
def document(node: NodeUnderTest) -> dict[str, Any]:
    answer = node.client.get("/swagger/doc.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: dict[str, Any] = answer.get_json()
    return found


def served(node: NodeUnderTest) -> set[tuple[str, str]]:
    """(method, path below /api/v1) of every route but Swagger's own."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(PREFIX)))
        for rule in node.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(f"{PREFIX}/") and not rule.rule.startswith(f"{PREFIX}/swagger")
    }


def operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), path): operation for path, item in document["paths"].items() for method, operation in item.items()
    }


def test_the_description_lists_the_routes_and_nothing_else(node: NodeUnderTest, document: dict[str, Any]) -> None:
    assert set(operations(document)) == served(node)
    assert document["openapi"].startswith("3.0.")
    assert document["servers"] == [{"url": PREFIX}]


def test_the_promised_endpoints_are_there(document: dict[str, Any]) -> None:
    promised = {
        "/health", "/version", "/err", "/neighbor", "/neighbor/info",
        "/auth/login", "/auth/logout", "/auth/me", "/auth/sync", "/auth/apply",
        "/auth/internal-token/rotate", "/auth/internal-token/apply",
        "/cube/cluster/health", "/cube/cluster/config", "/cube/cluster/apply", "/cube/cluster/apply-local",
        "/cube/system/config", "/cube/hosts", "/cube/test", "/cube/url", "/cube/time-server",
    }  # fmt: skip
    assert promised <= set(document["paths"])


def test_every_operation_says_what_it_is_for(document: dict[str, Any]) -> None:
    found = operations(document)
    names = [operation["operationId"] for operation in found.values()]
    assert len(set(names)) == len(names)
    for key, operation in found.items():
        assert operation["summary"], key
        assert operation["responses"]["200"]["description"], key
        assert "default" in operation["responses"], key


def test_credentials_are_described(document: dict[str, Any]) -> None:
    expected: dict[tuple[str, str], list[Any]] = {
        ("GET", "/health"): [],
        ("POST", "/auth/login"): [],
        ("GET", "/auth/me"): [{"Bearer": []}],
        ("POST", "/auth/internal-token/rotate"): [{"Bearer": []}],
        ("POST", "/auth/apply"): [{"InternalToken": []}],
        ("GET", "/version"): ANY,
        ("GET", "/cube/cluster/health"): [{}, *ANY],
    }
    found = operations(document)
    assert {key: found[key]["security"] for key in expected} == expected
    assert [key for key, operation in found.items() if "401" not in operation["responses"]] == [("GET", "/health")]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            references.extend(text for key, text in value.items() if key == "$ref")
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references
    assert set(references) <= schemas
    assert {"code", "err_code", "message", "instance", "errors"} <= set(
        document["components"]["schemas"]["Problem"]["properties"]
    )


def test_the_document_needs_no_credential_below_the_prefix_either(node: NodeUnderTest, document: dict[str, Any]) -> None:
    assert node.call("GET", "/swagger/doc.json", headers={}).body == document


# --- Swagger UI ------------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


@pytest.fixture
def page(node: NodeUnderTest) -> str:
    answer = node.client.get("/swagger/index.html")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return answer.get_data(as_text=True)


def test_old_addresses_lead_to_the_page(node: NodeUnderTest) -> None:
    for path in ("/swagger", "/swagger/", "/api/v1/swagger", "/api/v1/swagger/index.html"):
        answer = node.client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/swagger/index.html"), path


def test_the_page_names_nothing_outside_of_the_node(page: str) -> None:
    assert re.findall(r"https?:|[\"'(=]//", page) == []
    assert "/swagger/doc.json" in page


def test_everything_the_page_loads_is_in_the_package(node: NodeUnderTest, page: str) -> None:
    links = Links()
    links.feed(page)
    assert len(links.found) >= 4
    for link in links.found:
        answer = node.client.get(link)
        assert answer.status_code == 200, link
        assert len(answer.get_data()) > 100, link
        answer.close()


def test_the_style_sheet_loads_nothing_from_outside(node: NodeUnderTest) -> None:
    answer = node.client.get("/swagger/assets/swagger-ui.css")
    style = answer.get_data(as_text=True)
    answer.close()
    assert re.findall(r"url\(\s*[\"']?(?:https?:)?//|@import", style) == []


def test_nothing_else_is_open_below_swagger(node: NodeUnderTest) -> None:
    closed = (
        "/swaggerX",
        "/swagger.json",
        "/swagger/other.html",
        "/swagger/assets/",
        "/swagger/assets/missing.js",
        "/swagger/assets/../../../auth_token.py",
        "/swagger/assets/..%2f..%2f..%2fREADME.md",
        "/swagger/assets//etc/passwd",
        "/api/v1/swaggerX",
        "/api/v1/swagger-secret",
        "/apispec_1.json",
        "/flasgger_static/swagger-ui.css",
    )
    for path in closed:
        answer = node.client.get(path, follow_redirects=True)
        assert answer.status_code in (401, 404), path
        assert answer.get_json()["status"] == answer.status_code, path
