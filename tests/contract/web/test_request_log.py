"""The request log and the audit log: one JSON line each, and never a secret."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, SIGNING_VALUE, NodeUnderTest

CHECK = [sys.executable, "-I", "-m", "ablestack_api.auth.pam_check"]


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()] if Path(path).exists() else []


def requests(node: NodeUnderTest) -> list[dict[str, Any]]:
    return lines(node.settings.request_log)


def audit(node: NodeUnderTest) -> list[dict[str, Any]]:
    return lines(node.settings.audit_log)


def test_every_request_has_a_line(node: NodeUnderTest) -> None:
    node.call("GET", "/neighbor?colour=red&size=5", address="10.0.0.5")
    (line,) = requests(node)
    assert line.pop("latency_ms") >= 0
    assert len(line.pop("request_id")) == 16
    assert line == {
        "time": "2026-07-01T10:00:00+09:00",
        "type": "api_request",
        "status": 200,
        "outcome": "success",
        "method": "GET",
        "path": "/api/v1/neighbor",
        "query": ["colour", "size"],
        "route": "/api/v1/neighbor",
        "client_ip": "10.0.0.5",
        "caller": "root@10.0.0.5",
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "caller"),
    [
        ("GET", "/neighbor", {}, 401, "unknown@10.0.0.9"),
        ("GET", "/nothing", {}, 404, "unknown@10.0.0.9"),
        ("PUT", "/auth/login", {}, 405, "unknown@10.0.0.9"),
        ("GET", "/health", {}, 200, "unknown@10.0.0.9"),
        ("GET", "/neighbor", {"X-Cube-Internal-Token": INTERNAL_TOKEN}, 200, "node@10.0.0.9"),
    ],
)
def test_refusals_have_a_line_too(
    node: NodeUnderTest, method: str, path: str, headers: dict[str, str], status: int, caller: str
) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    node.call(method, path, headers=headers)
    (line,) = requests(node)
    assert (line["status"], line["caller"]) == (status, caller)
    assert line["outcome"] == ("success" if status < 400 else "error")


def test_nobody_can_forge_a_line(node: NodeUnderTest) -> None:
    node.call("GET", '/x%0a{"type":"audit"}%0d%1b', headers={"X-Request-ID": 'a"b', "User-Agent": "x"})
    (line,) = requests(node)
    assert (line["status"], line["request_id"]) == (404, 'a"b')
    assert line["path"].startswith("/api/v1/x\n")


def test_a_long_path_is_cut(node: NodeUnderTest) -> None:
    node.call("GET", "/" + "x" * 10_000)
    assert len(requests(node)[0]["path"]) == 256


# --- request ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "used"),
    [
        ("deploy-42", "deploy-42"),
        ("  deploy-42  ", "deploy-42"),
        ("two words", "twowords"),
        ("caf\xe9-1", "caf-1"),
        ("a\tb", "ab"),
        ("x" * 500, "x" * 128),
    ],
)
def test_the_request_id_is_echoed(node: NodeUnderTest, sent: str, used: str) -> None:
    answer = node.call("GET", "/nothing", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == answer.body["instance"] == used
    assert requests(node)[0]["request_id"] == used


@pytest.mark.parametrize("sent", [None, "", "   ", "\xe9\xe9"])
def test_a_request_without_a_usable_id_gets_one(node: NodeUnderTest, sent: str | None) -> None:
    headers = {} if sent is None else {"X-Request-ID": sent}
    given = [node.call("GET", "/health", headers=headers).headers["x-request-id"] for _ in range(3)]
    assert len(set(given)) == 3
    assert all(len(value) == 16 for value in given)


def test_peers_are_called_under_the_same_id(node: NodeUnderTest) -> None:
    node.write_cluster(documents.document("ablestack-vm"))
    for address in ("10.10.31.2", "10.10.31.3"):
        node.peers.expect(address, "POST", "/auth/logout/apply")
    node.call("POST", "/auth/logout", headers={**node.bearer(), "X-Request-ID": "logout-7"})
    assert {call.headers["X-Request-ID"] for call in node.peers.made} == {"logout-7"}


# --- audit -----------------------------------------------------------------------------------------------------------


def test_every_write_is_audited(node: NodeUnderTest) -> None:
    node.call("POST", "/neighbor", {"ip": "10.0.0.1", "hostname": "a"}, headers={**node.bearer(), "X-Request-ID": "one"})
    assert audit(node) == [
        {
            "type": "audit",
            "time": "2026-07-01T10:00:00+09:00",
            "request_id": "one",
            "status": 200,
            "outcome": "success",
            "method": "POST",
            "path": "/api/v1/neighbor",
            "client_ip": "10.0.0.9",
            "caller": "root@10.0.0.9",
            "ip": "10.0.0.1",
            "hostname": "a",
        }
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("DELETE", "/err", None, 200, {}),
        ("DELETE", "/neighbor", {"ip": "10.0.0.1"}, 200, {"ip": "10.0.0.1"}),
        ("PUT", "/neighbor", {"ip": "nonsense", "hostname": "a"}, 400, {"ip": "nonsense"}),
        ("POST", "/auth/sync", {"option": "bogus"}, 400, {"option": "bogus"}),
        ("POST", "/auth/logout", None, 200, {}),
        ("POST", "/nothing", None, 404, {}),
        ("POST", "/health", None, 405, {}),
        ("POST", "/auth/apply", {"token": "x"}, 401, {}),
    ],
)
def test_a_write_is_audited_whatever_comes_of_it(
    node: NodeUnderTest, method: str, path: str, body: Any, status: int, told: dict[str, str]
) -> None:
    answer = node.call(method, path, body)
    (line,) = audit(node)
    assert answer.status == line["status"] == status
    assert (line["method"], line["path"]) == (method, f"/api/v1{path}")
    assert line.items() >= told.items()
    assert line["outcome"] == ("success" if status < 400 else "error")


@pytest.mark.parametrize("good", [True, False])
def test_a_login_is_audited_with_its_account(node: NodeUnderTest, good: bool) -> None:
    node.runner.expect(CHECK, stdout=json.dumps({"good": good, "reason": ""}))
    node.call("POST", "/auth/login", {"id": "root", "password": "x"}, headers={}, address="10.0.0.5")
    (line,) = audit(node)
    assert (line["account"], line["client_ip"], line["status"]) == ("root", "10.0.0.5", 200 if good else 401)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reads_are_not_audited(node: NodeUnderTest, method: str) -> None:
    node.client.open("/api/v1/neighbor", method=method, headers=node.bearer())
    assert audit(node) == []
    assert len(requests(node)) == 1


def test_what_is_told_of_a_write_is_cut(node: NodeUnderTest) -> None:
    node.call("PUT", "/neighbor", {"ip": "x" * 10_000, "hostname": "a"})
    assert len(audit(node)[0]["ip"]) == 200


# --- secrets ---------------------------------------------------------------------------------------------------------

PLANTED = "pl4nted-secret-0123456789-0123456789-abcdef"


def test_no_secret_is_ever_written(node: NodeUnderTest) -> None:
    """Wherever a client puts one, rightly or wrongly."""
    node.write_cluster(documents.document("ablestack-standalone"))
    inside = node.internal()
    node.runner.expect(CHECK, stdout='{"good": true, "reason": ""}')
    token = node.call("POST", "/auth/login", {"id": "root", "password": PLANTED}, headers={}).body["access_token"]
    node.runner.expect(CHECK, stdout='{"good": false, "reason": ""}')
    node.call("POST", "/auth/login", {"id": "root", "password": PLANTED}, headers={})
    node.call("POST", "/auth/login", f'{{"id": "root", "password": "{PLANTED}"', headers={})
    node.call("POST", "/auth/login", {"id": ["root"], "password": PLANTED}, headers={})
    node.call("POST", "/auth/login", {"id": "root", "password": [PLANTED]}, headers={})
    node.call("POST", f"/auth/login?id=root&password={PLANTED}&{PLANTED}=1", {}, headers={})
    node.call("GET", f"/neighbor?token={PLANTED}&access_token={token}")
    node.call("GET", "/neighbor", headers={"Authorization": f"Bearer {PLANTED}"})
    node.call("GET", "/neighbor", headers={"Authorization": f"Basic {PLANTED}"})
    node.call("GET", "/neighbor", headers={"X-Cube-Internal-Token": PLANTED})
    node.call("GET", "/neighbor", headers={"Cookie": f"session={PLANTED}", "User-Agent": PLANTED, "Referer": PLANTED})
    node.call("POST", "/auth/sync")
    node.call("POST", "/auth/internal-token/apply", {"internal_token": ["no", PLANTED]}, headers=inside)
    node.call("POST", "/auth/apply", {"token": PLANTED, "internal_token": PLANTED}, headers=inside)
    node.call("POST", "/auth/internal-token/apply", {"internal_token": PLANTED}, headers=inside)
    step = {"id": "0" * 36, "phase": "prepare"}
    body = {"transaction": step, "request": {"internal_token": PLANTED + PLANTED}}
    node.call("POST", "/auth/internal-token/apply", body, headers=node.internal(PLANTED))
    assert node.cluster()["security"]["internal_token"] == PLANTED
    assert len(requests(node)) == 16
    written = Path(node.settings.request_log).read_text() + Path(node.settings.audit_log).read_text()
    for secret in (PLANTED, token, token.split(".")[2], INTERNAL_TOKEN, SIGNING_VALUE):
        assert secret not in written


def test_no_answer_shows_a_secret(node: NodeUnderTest) -> None:
    """Errors name the field, not what was in it."""
    node.write_cluster(documents.document("ablestack-vm"))
    bodies = [
        ("/auth/login", {"id": "root", "password": [PLANTED]}, {}),
        ("/auth/login", {"id": 5, "password": PLANTED}, {}),
        ("/auth/login", f'{{"password": "{PLANTED}"', {}),
        ("/auth/apply", {"token": [PLANTED]}, node.internal()),
        ("/auth/apply", {"token": f"{PLANTED}\0x"}, node.internal()),
        ("/auth/internal-token/apply", {"internal_token": f"{PLANTED} x"}, node.internal()),
        ("/auth/apply", {"token": PLANTED}, node.internal(PLANTED)),
        (
            "/auth/apply",
            {"transaction": {"id": "0" * 36, "phase": "prepare"}, "request": {"token": f"{PLANTED}\n"}},
            node.internal(),
        ),
    ]
    for path, body, headers in bodies:
        answer = node.call("POST", path, body, headers=headers)
        assert answer.status in (400, 401)
        assert PLANTED not in json.dumps(answer.body)


def test_the_logs_are_not_for_everybody(node: NodeUnderTest) -> None:
    node.call("DELETE", "/err")
    for path in (node.settings.request_log, node.settings.audit_log):
        assert Path(path).stat().st_mode & 0o007 == 0


def test_a_log_that_cannot_be_written_fails_no_request(node: NodeUnderTest, capfd: pytest.CaptureFixture[str]) -> None:
    Path(node.settings.audit_log).mkdir()
    assert node.call("POST", "/neighbor", {"ip": "10.0.0.1", "hostname": "a"}).status == 200
    assert '"type":"audit"' in capfd.readouterr().err


def test_the_folder_of_the_logs_is_made(node: NodeUnderTest, tmp_path: Path) -> None:
    elsewhere = NodeUnderTest(tmp_path / "other", ABLESTACK_API_LOG=str(tmp_path / "new/folder/api.log"))
    node.env = replace(node.env, settings=elsewhere.settings)
    assert node.call("GET", "/health").status == 200
    assert len(lines(str(tmp_path / "new/folder/api.log"))) == 1
