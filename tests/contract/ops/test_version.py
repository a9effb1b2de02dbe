"""GET /version (contract 01 §6.6)."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.support import documents
from tests.support.node_under_test import NodeUnderTest

PACKAGES = ["aspkg", "-qa"]
COCKPIT = ["cockpit-bridge", "--version"]
GLUE = ["glue", "version"]
COCKPIT_PRINTED = "Version: 286.1\nProtocol: 1\n"
VERSION = (Path(__file__).parents[3] / "VERSION").read_text().strip()


def system_file(node: NodeUnderTest, place: str, text: str) -> None:
    path = node.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def version(node: NodeUnderTest) -> dict[str, Any]:
    answer = node.call("GET", "/version")
    assert answer.status == 200
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.parametrize("cluster_type", documents.TYPES)
def test_a_complete_node(node: NodeUnderTest, cluster_type: str) -> None:
    """Glue's version is asked for in HCI clusters only."""
    node.write_cluster(documents.document(cluster_type))
    system_file(node, "etc/os-release", 'NAME="ABLESTACK"\nPRETTY_NAME="ABLESTACK Cube 4.0 (Diplo)"\n')
    place = "usr/share/cloudstack-common/scripts/installer/cloudstack-help-text"
    system_file(node, place, "# text\nACS_VERSION=4.21.0.0\n")
    node.runner.expect(PACKAGES, stdout="zlib-1\nAblestack-wall-2\nablestack-api-1\n")
    node.runner.expect(COCKPIT, stdout=COCKPIT_PRINTED)
    hci = documents.is_hci(cluster_type)
    if hci:
        node.runner.expect(GLUE, stdout="glue  version\n 18.2.7\t(stable)\n")
    assert version(node) == {
        "api_version": VERSION,
        "os_version": "ABLESTACK Cube 4.0 (Diplo)",
        "kernel_version": os.uname().release,
        "cockpit_version": "286.1",
        "mold_version": "4.21.0.0",
        **({"glue_version": "glue version 18.2.7 (stable)"} if hci else {}),
        "ablestack_package_versions": ["Ablestack-wall-2", "ablestack-api-1"],
    }


@pytest.mark.parametrize(
    "error",
    [
        ProgramMissing("not installed", program="x", package="x"),
        CommandFailed("ended with code 1", program="x", exit_code=1),
        CommandTimedOut("did not end", program="x", seconds=5),
    ],
)
def test_what_cannot_be_told_is_left_out(node: NodeUnderTest, error: ApiError) -> None:
    node.write_cluster(documents.document("ablestack-hci"))
    for argv in (PACKAGES, COCKPIT, GLUE):
        node.runner.expect(argv, raises=error)
    assert version(node) == {
        "api_version": VERSION,
        "os_version": "N/A",
        "kernel_version": os.uname().release,
        "cockpit_version": "N/A",
        "mold_version": "N/A",
        "glue_version": "N/A",
    }


@pytest.mark.parametrize("content", [b"", b"{", None])
def test_a_node_without_a_usable_cluster_json_has_no_glue(node: NodeUnderTest, content: bytes | None) -> None:
    if content is not None:
        node.write_cluster(content)
    node.runner.expect(PACKAGES)
    node.runner.expect(COCKPIT)
    assert "glue_version" not in version(node)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (COCKPIT_PRINTED, "286.1"),
        ("cockpit\nVersion:  300  \n", "300"),
        ("version: 301\n", "301"),
        ("\n286.1\n", "286.1"),
        ("Version:\n", "Version:"),
        ("", "N/A"),
        ("\n \n", "N/A"),
    ],
)
def test_cockpit(node: NodeUnderTest, printed: str, expected: str) -> None:
    node.runner.expect(PACKAGES)
    node.runner.expect(COCKPIT, stdout=printed)
    assert version(node)["cockpit_version"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PRETTY_NAME='Rocky Linux 9'\n", "Rocky Linux 9"),
        ("PRETTY_NAME=Plain\n", "Plain"),
        ('PRETTY_NAME="unclosed\n', '"unclosed'),
        ("#PRETTY_NAME=x\n", "N/A"),
        ("PRETTY_NAME\n", "N/A"),
        ("", "N/A"),
    ],
)
def test_os_release(node: NodeUnderTest, text: str, expected: str) -> None:
    system_file(node, "etc/os-release", text)
    node.runner.expect(PACKAGES)
    node.runner.expect(COCKPIT)
    assert version(node)["os_version"] == expected


def test_the_answer_is_printed_for_people(node: NodeUnderTest) -> None:
    node.runner.expect(PACKAGES)
    node.runner.expect(COCKPIT)
    text = node.client.get("/api/v1/version", headers=node.bearer()).get_data(as_text=True)
    assert text.startswith(f'{{\n    "api_version": {json.dumps(VERSION)},\n')


def test_version_wants_a_credential_and_is_read_only(node: NodeUnderTest) -> None:
    assert node.call("GET", "/version", headers={}).status == 401
    assert node.call("POST", "/version").status == 405
