"""Cross-origin calls: configured origins only (D24)."""

from pathlib import Path

import pytest

from tests.support.answer import Answer
from tests.support.node_under_test import NodeUnderTest

COCKPIT, WALL = "https://10.10.31.1:9090", "https://wall.example"


@pytest.fixture
def node(tmp_path: Path) -> NodeUnderTest:
    return NodeUnderTest(tmp_path, ABLESTACK_API_CORS_ORIGINS=f"{COCKPIT}, {WALL}")


def cross(answer: Answer) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", [COCKPIT, WALL])
def test_a_configured_origin_is_allowed(node: NodeUnderTest, origin: str) -> None:
    answer = node.call("GET", "/neighbor", headers={**node.bearer(), "Origin": origin})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "Prefer" in answer.headers["access-control-allow-headers"]
    assert "X-Job-Id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "*", "", f"{WALL}.evil.example", WALL.upper(), f"{WALL}/", "http://wall.example"],
)
def test_another_origin_is_not(node: NodeUnderTest, origin: str) -> None:
    assert cross(node.call("GET", "/health", headers={"Origin": origin})) == []


@pytest.mark.parametrize("origin", [COCKPIT, "*", "null"])
def test_no_origin_is_allowed_by_default(tmp_path: Path, origin: str) -> None:
    node = NodeUnderTest(tmp_path)
    assert cross(node.call("GET", "/health", headers={"Origin": origin})) == []
    assert cross(node.call("OPTIONS", "/neighbor", headers={"Origin": origin})) == []


def test_a_preflight_needs_no_credential(node: NodeUnderTest) -> None:
    for path in ("/neighbor", "/auth/internal-token/apply", "/nothing-here"):
        asked = {"Origin": WALL, "Access-Control-Request-Method": "POST"}
        answer = node.call("OPTIONS", path, headers=asked)
        assert (answer.status, answer.body) == (204, "")
        assert answer.headers["access-control-allow-origin"] == WALL
        assert answer.headers["access-control-allow-methods"] == "GET,POST,PUT,DELETE,OPTIONS"


@pytest.mark.parametrize(("path", "status"), [("/neighbor", 401), ("/nothing", 404)])
def test_a_page_of_an_allowed_origin_can_read_refusals(node: NodeUnderTest, path: str, status: int) -> None:
    answer = node.call("GET", path, headers={"Origin": WALL})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, WALL)
