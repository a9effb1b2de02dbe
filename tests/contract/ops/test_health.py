"""GET /health, below the prefix and at the root (contract 01 §6.3)."""

from pathlib import Path

import pytest

from tests.support.node_under_test import NodeUnderTest


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"X-Cube-Internal-Token": "wrong"}])
def test_health_is_open(node: NodeUnderTest, headers: dict[str, str]) -> None:
    for path in ("/health", "/api/v1/health", "/health/", "/api/v1/health?x=1"):
        answer = node.client.get(path, headers=headers)
        assert answer.status_code == 200
        assert answer.get_data(as_text=True) == '{"status":"ok","code":200,"message":"ok"}'
        assert answer.mimetype == "application/json"


def test_head(node: NodeUnderTest) -> None:
    answer = node.client.head("/health")
    assert (answer.status_code, answer.get_data()) == (200, b"")


def test_health_depends_on_nothing(node: NodeUnderTest) -> None:
    node.write_cluster(b"{")
    Path(node.settings.auth_json).write_bytes(b"{")
    node.hosts_file.unlink()
    assert node.client.get("/health").status_code == 200


def test_health_is_read_only(node: NodeUnderTest) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = node.client.open("/health", method=method)
        assert (answer.status_code, answer.get_json()["code"]) == (405, 405)
