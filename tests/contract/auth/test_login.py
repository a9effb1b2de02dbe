"""POST /auth/login (contract 01 §3.1, D4)."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ablestack_api.core.errors import ApiError, CommandFailed, CommandTimedOut, ProgramMissing
from tests.contract.auth.three_nodes import signing_value
from tests.support.answer import Answer
from tests.support.node_under_test import SIGNING_VALUE, NodeUnderTest

PATH = "/auth/login"
PASSWORD = "correct horse battery staple"
CHECK = [sys.executable, "-I", "-m", "ablestack_api.auth.pam_check"]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> NodeUnderTest:
    """One node for input that is refused before PAM is asked: nothing of it matters to the next test."""
    return NodeUnderTest(tmp_path_factory.mktemp("quiet"))


def expect_check(node: NodeUnderTest, good: bool, name: str = "root", password: str = PASSWORD) -> None:
    """PAM is asked about this account and password, on stdin."""
    question = json.dumps({"username": name, "password": password, "services": ["ablestack-api", "login"]})
    node.runner.expect(CHECK, stdin=question, stdout="\n" + json.dumps({"good": good, "reason": "reason of PAM"}))


def login(node: NodeUnderTest, name: str = "root", password: str = PASSWORD, *, address: str = "10.0.0.9") -> Answer:
    return node.call("POST", PATH, {"id": name, "password": password}, headers={}, address=address)


def fail(node: NodeUnderTest, name: str, times: int, *, address: str = "10.0.0.9") -> None:
    for _ in range(times):
        expect_check(node, False, name)
        assert login(node, name, address=address).status == 401


@pytest.mark.parametrize("name", ["root", "operator"])
def test_the_right_password_gives_a_token(node: NodeUnderTest, name: str) -> None:
    """root is listed by name, operator through a group."""
    expect_check(node, True, name)
    answer = login(node, name)
    assert answer.status == 200
    assert list(answer.body) == ["code", "token_type", "access_token", "authorization", "expires_in"]
    assert (answer.body["code"], answer.body["token_type"], answer.body["expires_in"]) == (200, "Bearer", 3600)
    assert answer.body["authorization"] == f"Bearer {answer.body['access_token']}"
    me = node.call("GET", "/auth/me", headers={"Authorization": answer.body["authorization"]})
    issued = int(node.clock.now().timestamp())
    assert me.body["val"].items() >= {"sub": name, "role": "admin", "use": "access", "iat": issued}.items()
    assert me.body["val"]["exp"] == issued + 3600
    assert node.clock.slept == []


def test_blanks_around_the_name_do_not_count(node: NodeUnderTest) -> None:
    expect_check(node, True)
    assert login(node, " root ").status == 200


def test_two_logins_give_two_tokens(node: NodeUnderTest) -> None:
    expect_check(node, True)
    expect_check(node, True)
    assert login(node).body["access_token"] != login(node).body["access_token"]


def test_the_first_login_makes_the_signing_value(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret="", site="kept")
    expect_check(node, True)
    answer = login(node)
    made = signing_value(node)
    assert answer.status == 200
    assert len(made) == 43
    assert json.loads(Path(node.settings.auth_json).read_text())["site"] == "kept"
    assert Path(node.settings.auth_json).stat().st_mode & 0o777 == 0o600
    expect_check(node, True)
    assert login(node).status == 200
    assert signing_value(node) == made


def test_a_refused_login_makes_no_signing_value(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret="")
    expect_check(node, False)
    assert login(node).status == 401
    assert signing_value(node) == ""


@pytest.mark.parametrize(
    ("environ", "in_file", "expected"),
    [
        ({}, 600, 600),
        ({}, 0, 3600),
        ({}, -5, 3600),
        ({}, "600", 3600),
        ({}, True, 3600),
        ({"ABLESTACK_ACCESS_TOKEN_TTL_SECONDS": "120"}, 600, 120),
    ],
)
def test_lifetime(tmp_path: Path, environ: dict[str, str], in_file: Any, expected: int) -> None:
    node = NodeUnderTest(tmp_path, **environ)
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_ttl_seconds=in_file, access_token_secret=SIGNING_VALUE)
    expect_check(node, True)
    answer = login(node)
    assert answer.body["expires_in"] == expected
    headers = {"Authorization": answer.body["authorization"]}
    node.clock.advance(expected - 1)
    assert node.call("GET", "/auth/me", headers=headers).status == 200
    node.clock.advance(1)
    assert node.call("GET", "/auth/me", headers=headers).status == 401


def test_a_wrong_password_is_answered_after_a_second(node: NodeUnderTest) -> None:
    expect_check(node, False)
    answer = login(node)
    assert (answer.status, answer.body["message"]) == (401, "invalid credentials")
    assert node.clock.slept == [1.0]
    assert PASSWORD not in json.dumps(answer.body)


def lock(node: NodeUnderTest) -> None:
    (node.root / "etc/shadow").write_text("root:!$6$salt$hash:19000:0:99999:7:::\n")


def expire(node: NodeUnderTest) -> None:
    (node.root / "etc/shadow").write_text("root:$6$salt$hash:19000:0:99999:7::20000:\n")


def remove(node: NodeUnderTest) -> None:
    (node.root / "etc/passwd").write_text("operator:x:1000:1000::/home/operator:/bin/sh\n")


def disallow(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["operator"]}, access_token_secret=SIGNING_VALUE)


@pytest.mark.parametrize("spoil", [lock, expire, remove, disallow])
def test_an_account_that_may_not_log_in_looks_like_a_wrong_password(node: NodeUnderTest, spoil: Any) -> None:
    """The same answer after the same second, and PAM is not asked."""
    spoil(node)
    answer = login(node)
    assert (answer.status, answer.body["message"]) == (401, "invalid credentials")
    assert node.clock.slept == [1.0]


@pytest.mark.parametrize(
    ("linux", "name", "allowed"),
    [
        ({"allowed_users": [], "allowed_groups": []}, "operator", True),
        ({}, "operator", True),
        ({"allowed_users": ["*"], "allowed_groups": ["nobody"]}, "operator", True),
        ({"allowed_users": ["root"], "allowed_groups": ["wheel"]}, "operator", True),
        ({"allowed_users": ["root"], "allowed_groups": ["other"]}, "operator", False),
        ({"allowed_users": ["Operator"], "allowed_groups": []}, "operator", False),
    ],
)
def test_who_is_allowed(node: NodeUnderTest, linux: dict[str, Any], name: str, allowed: bool) -> None:
    node.write_auth(linux=linux, access_token_secret=SIGNING_VALUE)
    if allowed:
        expect_check(node, True, name)
    assert login(node, name).status == (200 if allowed else 401)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("   ", PASSWORD),
        ("root", ""),
        ("root", "nul\0byte"),
        ("-x", PASSWORD),
        ("--help", PASSWORD),
        ("ro:ot", PASSWORD),
        ("ro/ot", PASSWORD),
        ("ro\\ot", PASSWORD),
        ("ro ot", PASSWORD),
        ("ro\not", PASSWORD),
        ("ro\0ot", PASSWORD),
        ("ro\x7fot", PASSWORD),
        ("x" * 129, PASSWORD),
        ("가" * 43, PASSWORD),
        ("관리자", PASSWORD),
        ("root ", ""),
    ],
)
def test_a_name_that_no_account_has_is_refused_without_asking_pam(quiet: NodeUnderTest, name: str, password: str) -> None:
    answer = login(quiet, name, password)
    assert (answer.status, answer.body["message"]) == (401, "invalid credentials")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", ""),
        ("not json", ""),
        ("[]", ""),
        ("null", ""),
        ("5", ""),
        (b'{"id": "\xff", "password": "x"}', ""),
        ("[" * 100_000, ""),
        ({}, "id"),
        ({"id": "root"}, "password"),
        ({"id": 5, "password": "x"}, "id"),
        ({"id": None, "password": "x"}, "id"),
        ({"id": ["root"], "password": "x"}, "id"),
        ({"id": "root", "password": 12345678}, "password"),
        ({"id": "root", "password": None}, "password"),
        ({"id": "root", "password": {"a": 1}}, "password"),
        ({"id": "x" * 10_000, "password": "x"}, "id"),
        ({"id": "root", "password": "x" * 10_000}, "password"),
        ('{"id": "\\ud800", "password": "x"}', "id"),
        ('{"id": "root", "password": "x\\ud800"}', "password"),
    ],
)
def test_bad_input_names_the_field(quiet: NodeUnderTest, body: Any, field: str) -> None:
    answer = quiet.call("POST", PATH, body, headers={})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)
    assert answer.body["message"].startswith("invalid request")
    assert "12345678" not in json.dumps(answer.body)


def test_five_failures_of_an_account_close_it_for_a_while(node: NodeUnderTest) -> None:
    fail(node, "root", 5)
    answer = login(node)
    assert (answer.status, answer.body["type"]) == (429, "urn:ablestack:error:too_many_attempts")
    wait = int(answer.headers["retry-after"])
    assert wait == answer.body["retry_after_seconds"]
    assert 0 < wait <= 15 * 60
    # From anywhere, but only this account.
    assert login(node, address="10.0.0.77").status == 429
    expect_check(node, True, "operator")
    assert login(node, "operator").status == 200
    node.clock.advance(wait)
    expect_check(node, True)
    assert login(node).status == 200


def test_a_right_password_forgets_earlier_failures(node: NodeUnderTest) -> None:
    for _ in range(3):
        fail(node, "root", 4)
        expect_check(node, True)
        assert login(node).status == 200


def test_failures_outlive_a_restart(tmp_path: Path, node: NodeUnderTest) -> None:
    fail(node, "root", 5)
    del node.client
    assert login(node).status == 429


def test_twenty_failures_of_an_address_close_it_for_a_while(node: NodeUnderTest) -> None:
    for number in range(20):
        assert login(node, f"guess{number}").status == 401
    answer = login(node, "operator")
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    expect_check(node, True, "operator")
    assert login(node, "operator", address="10.0.0.77").status == 200


def test_four_passwords_are_checked_at_a_time(node: NodeUnderTest) -> None:
    held = [FileLock(os.path.join(node.settings.state_root, f"login-{number}.lock")) for number in range(4)]
    for slot in held:
        slot.acquire()
    answer = login(node)
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    held[2].release()
    expect_check(node, True)
    assert login(node).status == 200
    for slot in held:
        slot.release()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandFailed("python ended with code 3: no PAM service", program="python", exit_code=3), 502),
        (CommandTimedOut("python did not end within 20 s", program="python", seconds=20), 504),
        (ProgramMissing("the program python is not installed", program="python", package="python3"), 503),
    ],
)
def test_a_check_that_does_not_work_is_no_wrong_password(node: NodeUnderTest, error: ApiError, status: int) -> None:
    node.runner.expect(CHECK, raises=error)
    answer = login(node)
    assert (answer.status, answer.body["type"]) == (status, f"urn:ablestack:error:{error.kind}")
    assert PASSWORD not in json.dumps(answer.body)


@pytest.mark.parametrize("printed", ["", "\n", "nonsense", "[]", "{}", '"good"', '{"good": "yes"}', '{"good": 1}'])
def test_an_answer_of_pam_that_is_none_lets_nobody_in(node: NodeUnderTest, printed: str) -> None:
    node.runner.expect(CHECK, stdout=printed)
    answer = login(node)
    assert answer.status in (401, 502)
    assert "access_token" not in answer.body


def test_what_a_pam_module_prints_does_not_disturb(node: NodeUnderTest) -> None:
    node.runner.expect(CHECK, stdout='Last login: yesterday\n{"good": true, "reason": ""}')
    assert login(node).status == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, None])
def test_an_unusable_auth_json_lets_nobody_in(node: NodeUnderTest, content: bytes | None) -> None:
    path = Path(node.settings.auth_json)
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)
    answer = login(node)
    assert answer.status == 500
    assert "nobody can log in" in answer.body["message"]
    assert content is None or path.read_bytes() == content


def test_login_is_a_post(node: NodeUnderTest) -> None:
    answer = node.call("GET", PATH, headers={})
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")
