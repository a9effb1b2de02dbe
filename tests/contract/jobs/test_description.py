"""The description of the API knows which calls are long."""

from typing import Any

import pytest

from tests.contract.jobs.work_node import WorkNode


@pytest.fixture
def paths(node: WorkNode) -> dict[str, Any]:
    response = node.client.get("/swagger/doc.json")
    found: dict[str, Any] = response.json["paths"] if response.json else {}
    return found


def test_a_long_call_may_be_answered_at_once(paths: dict[str, Any]) -> None:
    operation = paths["/test/{name}"]["post"]
    assert "Prefer" in [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"]
    schema = operation["responses"]["202"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/JobAnswer"}
    assert list(operation["responses"])[:2] == ["200", "202"]


def test_other_calls_are_not(paths: dict[str, Any]) -> None:
    operation = paths["/jobs"]["get"]
    assert "202" not in operation["responses"]
    assert "Prefer" not in [parameter["name"] for parameter in operation["parameters"]]


@pytest.mark.parametrize(("path", "method"), [("/jobs", "get"), ("/jobs/{job_id}", "get"), ("/jobs/{job_id}", "delete")])
def test_jobs_are_described(paths: dict[str, Any], path: str, method: str) -> None:
    assert paths[path][method]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
