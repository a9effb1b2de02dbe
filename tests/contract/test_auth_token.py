"""`ablestack-auth-token` as a program of its own (contract 01 §4.2)."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.local_nodes import LocalNode
from tests.support.node_under_test import SIGNING_VALUE, NodeUnderTest

OWN = pwd.getpwuid(os.geteuid()).pw_name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask for another account")


@pytest.fixture
def node(tmp_path: Path) -> LocalNode:
    """A node in a folder whose auth.json allows the account that runs the test, and `operator`."""
    local = LocalNode(tmp_path / "cube1", "127.0.0.1", 8090, "cube1")
    local.lay_out(users=["operator"])
    return local


def run(
    node: LocalNode, *arguments: str, module: str = "ablestack_api.auth_token", user: int | None = None, **environ: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**node.full_environ, **environ},
        user=user,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def somebody(node: LocalNode) -> int:
    """The number of an account that is not root."""
    if os.geteuid() != 0:
        return os.geteuid()
    number = pwd.getpwnam("nobody").pw_uid
    try:
        usable = run(node, module="ablestack_api", user=number).returncode == 2
    except PermissionError:
        usable = False
    if not usable:
        pytest.skip("other accounts cannot run this interpreter")
    return number


def auth_file(node: LocalNode) -> Path:
    return node.root / "etc/ablestack/auth.json"


def auth(node: LocalNode) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(auth_file(node).read_text())
    return data


def write_auth(node: LocalNode, **more: Any) -> None:
    auth_file(node).write_text(json.dumps({**auth(node), **more}))


def assert_refused(done: "subprocess.CompletedProcess[str]", text: str, code: int = 1) -> None:
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("ablestack-auth-token: ")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_json_by_default_and_a_signing_value_when_there_is_none(node: LocalNode) -> None:
    write_auth(node, site="kept", access_token_ttl_seconds=600)
    done = run(node)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    answer = json.loads(done.stdout)
    token = answer["access_token"]
    assert answer == {
        "token_type": "Bearer",
        "code": 200,
        "access_token": token,
        "authorization": f"Bearer {token}",
        "expires_in": 600,
        "subject": OWN,
    }
    made = auth(node)["access_token_secret"]
    assert len(made) == 43
    assert auth(node)["site"] == "kept"
    assert auth_file(node).stat().st_mode & 0o777 == 0o600
    claims = jwt.decode(token, made, algorithms=["HS256"])
    assert list(claims) == ["sub", "role", "use", "iat", "exp", "jti"]
    assert (claims["sub"], claims["role"], claims["use"]) == (OWN, "admin", "access")
    assert claims["exp"] - claims["iat"] == 600
    # It is made once: the next call uses it.
    again = json.loads(run(node).stdout)["access_token"]
    assert again != token
    assert auth(node)["access_token_secret"] == made
    assert jwt.decode(again, made, algorithms=["HS256"])["sub"] == OWN


@pytest.mark.parametrize("flag", ["--plain", "-plain"])
def test_plain_is_the_value_of_the_header(node: LocalNode, flag: str) -> None:
    write_auth(node, access_token_secret=SIGNING_VALUE)
    before = auth_file(node).read_bytes()
    done = run(node, flag)
    scheme, token = done.stdout.split(" ")
    assert (done.returncode, scheme, token[-1]) == (0, "Bearer", "\n")
    assert jwt.decode(token.strip(), SIGNING_VALUE, algorithms=["HS256"])["sub"] == OWN
    assert auth_file(node).read_bytes() == before


def test_the_daemon_accepts_the_token(node: LocalNode, tmp_path: Path) -> None:
    write_auth(node, access_token_secret=SIGNING_VALUE)
    daemon = NodeUnderTest(tmp_path / "daemon")
    daemon.write_auth(linux={"allowed_users": ["*"]}, access_token_secret=SIGNING_VALUE)
    (daemon.root / "etc/passwd").write_text(f"{OWN}:x:0:0::/:/bin/sh\n")
    header = run(node, "--plain").stdout.strip()
    answer = daemon.call("GET", "/auth/me", headers={"Authorization": header})
    assert (answer.status, answer.body["val"]["sub"]) == (200, OWN)


def test_the_environment_decides_first(node: LocalNode) -> None:
    value = "signing-value-of-the-unit-file-0123456789abc"
    done = run(node, "--plain", ABLESTACK_AUTH_TOKEN_SECRET=value, ABLESTACK_ACCESS_TOKEN_TTL_SECONDS="77")
    claims = jwt.decode(done.stdout.split()[1], value, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 77
    assert auth(node)["access_token_secret"] == ""


@as_root
@pytest.mark.parametrize("arguments", [("--user", "operator"), ("-user", " operator "), ("--user=operator",)])
def test_root_may_ask_for_another_account(node: LocalNode, arguments: tuple[str, ...]) -> None:
    answer = json.loads(run(node, *arguments).stdout)
    assert answer["subject"] == "operator"


@pytest.mark.parametrize("arguments", [("--user", ""), ("--user", OWN)])
def test_an_empty_name_is_the_own_account(node: LocalNode, arguments: tuple[str, ...]) -> None:
    assert json.loads(run(node, *arguments).stdout)["subject"] == OWN


def test_nobody_else_may(node: LocalNode, somebody: int) -> None:
    done = run(node, "--user", "operator", user=somebody if os.geteuid() == 0 else None)
    assert_refused(done, "--user can only target another account when running as root")


@as_root
def test_an_account_that_cannot_read_auth_json_gets_no_token(node: LocalNode, somebody: int) -> None:
    """0.1.2 took an unreadable file for an empty one, which allows everybody."""
    auth_file(node).chmod(0o600)
    assert_refused(run(node, user=somebody), "Permission denied; nobody can log in")


@pytest.mark.parametrize("name", ["-x", "two words", "../root", "x" * 129])
def test_a_name_that_no_account_has(node: LocalNode, name: str) -> None:
    assert_refused(run(node, "--user", name), "invalid linux user")
    assert auth(node)["access_token_secret"] == ""


def lock(node: LocalNode) -> None:
    (node.root / "etc/shadow").write_text(f"{OWN}:!$6$salt$hash:19000:0:99999:7:::\n")


def expire(node: LocalNode) -> None:
    (node.root / "etc/shadow").write_text(f"{OWN}:$6$salt$hash:19000:0:99999:7::2:\n")


def remove(node: LocalNode) -> None:
    (node.root / "etc/passwd").write_text("operator:x:1000:1000::/:/bin/sh\n")


def disallow(node: LocalNode) -> None:
    write_auth(node, linux={"allowed_users": ["operator"], "allowed_groups": ["wheel"]})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lock, "the account is locked"),
        (expire, "the account has expired"),
        (remove, "the account does not exist"),
        (disallow, "the account is not allowed"),
    ],
)
def test_an_account_that_may_not_use_the_api(node: LocalNode, spoil: Callable[[LocalNode], None], reason: str) -> None:
    spoil(node)
    assert_refused(run(node), f"linux user is not allowed: {reason}")
    assert auth(node)["access_token_secret"] == ""


def test_a_group_allows_too(node: LocalNode) -> None:
    write_auth(node, linux={"allowed_users": [], "allowed_groups": ["wheel"]})
    (node.root / "etc/group").write_text(f"wheel:x:10:someone,{OWN}\n")
    assert run(node).returncode == 0


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, None])
def test_an_unusable_auth_json_is_told_and_left_alone(node: LocalNode, content: bytes | None) -> None:
    path = auth_file(node)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert_refused(run(node), str(path))
    assert path.exists() is (content is not None)
    assert content is None or path.read_bytes() == content


def test_an_auth_json_that_cannot_be_read(node: LocalNode) -> None:
    path = auth_file(node)
    path.unlink()
    path.mkdir()
    assert_refused(run(node), "Is a directory")


def test_a_variable_that_cannot_be_used(node: LocalNode) -> None:
    assert_refused(run(node, ABLESTACK_API_LISTEN="nonsense"), "ABLESTACK_API_LISTEN")


@pytest.mark.parametrize("arguments", [("--nonsense",), ("name",), ("--plain=yes",), ("--plain", "--user"), ("",)])
def test_wrong_usage(node: LocalNode, arguments: tuple[str, ...]) -> None:
    done = run(node, *arguments)
    assert_refused(done, "unknown or incomplete option", code=2)
    assert "usage: ablestack-auth-token" in done.stderr
    assert auth(node)["access_token_secret"] == ""


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(node: LocalNode, flag: str) -> None:
    done = run(node, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ablestack-auth-token")


def test_every_token_is_audited_and_none_is_written_down(node: LocalNode) -> None:
    token = json.loads(run(node).stdout)["access_token"]
    text = (node.root / "var/log/ablestack/audit.log").read_text()
    line = json.loads(text)
    assert (line["type"], line["caller"], line["account"]) == ("audit", f"{OWN}@local", OWN)
    assert line["action"] == "ablestack-auth-token"
    assert token.split(".")[2] not in text
    assert auth(node)["access_token_secret"] not in text
