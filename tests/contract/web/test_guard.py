"""Who gets in, and who does not (D3, D8, D9; contract 01 §1.3, §2.3)."""

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule

from tests.support import documents
from tests.support.node_under_test import INTERNAL_TOKEN, SIGNING_VALUE, NodeUnderTest

ASKS_FOR_ANY = "/neighbor"
OPEN = {
    "/health",
    "/api/v1/health",
    "/api/v1/cube/cluster/health",
    "/api/v1/auth/login",
    "/swagger",
    "/swagger/index.html",
    "/swagger/doc.json",
    "/swagger/assets/<path:filename>",
    "/api/v1/swagger",
    "/api/v1/swagger/index.html",
    "/api/v1/swagger/doc.json",
}
ONLY_NODES = {
    "/api/v1/auth/logout/apply",
    "/api/v1/auth/internal-token/apply",
    "/api/v1/auth/apply",
    "/api/v1/cube/cluster/transactions/<uuid:transaction_id>",
}
ONLY_PEOPLE = {
    "/api/v1/auth/logout",
    "/api/v1/auth/me",
    "/api/v1/auth/internal-token/rotate",
    "/api/v1/auth/sync",
}
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJzdWIiOiJyb290Iiwicm9sZSI6ImFkbWluIiwidXNlIjoiYWNjZXNzIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjkyMDB9."
    "y3VOTgmOx4fp4JI9G6TY6vli0L8cycA5IqRPIYSDGi4"
)
VECTOR_ISSUED, VECTOR_EXPIRES = 1767225600, 1767229200


@pytest.fixture
def node(node: NodeUnderTest) -> NodeUnderTest:
    node.write_cluster(documents.document("ablestack-vm"))
    return node


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> NodeUnderTest:
    """One node for all refusals: none of them may leave a trace that matters to the next."""
    node = NodeUnderTest(tmp_path_factory.mktemp("quiet"))
    node.write_cluster(documents.document("ablestack-vm"))
    return node


def rules(node: NodeUnderTest) -> list[Rule]:
    return list(node.client.application.url_map.iter_rules())


def statuses(node: NodeUnderTest, rule: Rule, headers: dict[str, str]) -> set[int]:
    """What every method of a route answers to these headers."""
    path = re.sub(r"<uuid:\w+>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12, rule.rule)
    path = path.replace("<path:filename>", "swagger-ui.css")
    methods = set(rule.methods or ()) - {"OPTIONS", "HEAD"}
    answers = [node.client.open(path, method=method, headers=headers) for method in methods]
    for answer in answers:
        answer.close()
    return {answer.status_code for answer in answers}


def test_everything_but_the_open_routes_wants_a_credential(node: NodeUnderTest) -> None:
    refused = {rule.rule for rule in rules(node) if statuses(node, rule, {}) == {401}}
    assert {rule.rule for rule in rules(node)} - refused == OPEN


def test_people_and_nodes_have_calls_of_their_own(node: NodeUnderTest) -> None:
    found = {rule.rule: rule for rule in rules(node)}
    for path in ONLY_NODES:
        assert statuses(node, found[path], node.bearer()) == {401}, path
    for path in ONLY_PEOPLE:
        assert statuses(node, found[path], node.internal()) == {401}, path


@pytest.mark.parametrize("path", ["/nothing-here", "/auth", "/auth/login/more"])
def test_an_unknown_path_tells_nothing(node: NodeUnderTest, path: str) -> None:
    assert node.call("GET", path, headers={}).status == 404


def test_cluster_health_with_a_query_is_not_open(node: NodeUnderTest) -> None:
    assert node.call("GET", "/cube/cluster/health", headers={}).status == 200
    assert node.call("GET", "/cube/cluster/health?option=host", headers={}).status == 401
    assert node.call("GET", "/cube/cluster/health?anything", headers={}).status == 401


# --- Bearer tokens ---------------------------------------------------------------------------------------------------


def encoded(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(
    node: NodeUnderTest, header: Any = None, key: str = SIGNING_VALUE, digest: str = "sha256", **claims: Any
) -> dict[str, str]:
    """Headers with a token made by hand; a claim that is ... is left out."""
    now = int(node.clock.now().timestamp())
    every = {"sub": "root", "role": "admin", "use": "access", "iat": now, "exp": now + 3600, **claims}
    payload = {name: value for name, value in every.items() if value is not ...}
    signed = f"{encoded(header or {'alg': 'HS256', 'typ': 'JWT'})}.{encoded(payload)}"
    signature = hmac.digest(key.encode(), signed.encode(), digest)
    return {"Authorization": f"Bearer {signed}.{encoded(signature)}"}


def test_the_test_vector_of_the_contract(node: NodeUnderTest) -> None:
    headers = {"Authorization": f"Bearer {VECTOR}"}
    node.clock.time = datetime.fromtimestamp(VECTOR_ISSUED, node.clock.time.tzinfo)
    answer = node.call("GET", "/auth/me", headers=headers)
    assert answer.body["val"] == {
        "sub": "root",
        "role": "admin",
        "use": "access",
        "iat": VECTOR_ISSUED,
        "exp": VECTOR_EXPIRES,
    }
    node.clock.time += timedelta(seconds=VECTOR_EXPIRES - VECTOR_ISSUED)
    refused = node.call("GET", "/auth/me", headers=headers)
    assert (refused.status, refused.body["message"]) == (401, "token expired")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_in_any_case_and_blanks(node: NodeUnderTest, scheme: str) -> None:
    value = node.bearer()["Authorization"].split()[1]
    assert node.call("GET", ASKS_FOR_ANY, headers={"Authorization": f"{scheme}   {value}"}).status == 200


def test_a_token_of_0_1_2_without_an_id_is_accepted(node: NodeUnderTest) -> None:
    assert node.call("GET", ASKS_FOR_ANY, headers=token(node)).status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "authorization header required"),
        ({"Authorization": ""}, "bearer token required"),
        ({"Authorization": "Bearer"}, "bearer token required"),
        ({"Authorization": "Bearer a b"}, "bearer token required"),
        ({"Authorization": "Basic cm9vdDp4"}, "bearer token required"),
        ({"Authorization": f"Token {VECTOR}"}, "bearer token required"),
        ({"Authorization": "Bearer x"}, "invalid token"),
        ({"Authorization": "Bearer a.b"}, "invalid token"),
        ({"Authorization": "Bearer a.b.c.d"}, "invalid token"),
        ({"Authorization": "Bearer .."}, "invalid token"),
        ({"Authorization": f"Bearer {VECTOR[:-1]}"}, "invalid token"),
        ({"Authorization": f"Bearer {VECTOR}=="}, "invalid token"),
        ({"Authorization": "Bearer " + "x" * 10_000}, "invalid token"),
        ({"Authorization": "Bearer \xff.\xfe.\xfd"}, "invalid token"),
    ],
)
def test_what_is_no_token(quiet: NodeUnderTest, headers: dict[str, str], message: str) -> None:
    answer = quiet.call("GET", ASKS_FOR_ANY, headers=headers)
    assert (answer.status, answer.body["message"]) == (401, message)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param({"key": "Zm9yZWlnbi1zaWduaW5nLXZhbHVlLTAwMDAwMDAwMDA"}, "invalid token", id="foreign-key"),
        pytest.param({"key": ""}, "invalid token", id="empty-key"),
        pytest.param({"header": {"alg": "none", "typ": "JWT"}}, "invalid token", id="none-but-signed"),
        pytest.param({"header": {"alg": "HS512", "typ": "JWT"}, "digest": "sha512"}, "invalid token", id="HS512"),
        pytest.param({"header": {"alg": "RS256", "typ": "JWT"}}, "invalid token", id="RS256"),
        pytest.param({"header": {"typ": "JWT"}}, "invalid token", id="no-alg"),
        pytest.param({"header": ["HS256"]}, "invalid token", id="header-is-a-list"),
        pytest.param({"header": b"\xff"}, "invalid token", id="header-is-no-json"),
        pytest.param({"use": "refresh"}, "token expired", id="use"),
        pytest.param({"use": ...}, "token expired", id="no-use"),
        pytest.param({"exp": ...}, "token expired", id="no-exp"),
        pytest.param({"exp": 0}, "token expired", id="exp-0"),
        pytest.param({"exp": "9999999999"}, "token expired", id="exp-text"),
        pytest.param({"exp": True}, "token expired", id="exp-true"),
        pytest.param({"exp": float("inf")}, "token expired", id="exp-infinite"),
        pytest.param({"exp": 10**400}, "token expired", id="exp-beyond-every-calendar"),
        pytest.param({"iat": None}, "invalid token", id="iat-null"),
        pytest.param({"iat": "yesterday"}, "invalid token", id="iat-text"),
        pytest.param({"iat": float("inf")}, "invalid token", id="iat-infinite"),
        pytest.param({"iat": ...}, "token refused: the password was changed after it was issued", id="no-iat"),
        pytest.param({"sub": 0}, "invalid token", id="sub-number"),
        pytest.param({"sub": ["root"]}, "invalid token", id="sub-list"),
        pytest.param({"jti": 5}, "invalid token", id="jti-number"),
        pytest.param({"sub": ...}, "token refused: the account does not exist", id="no-sub"),
        pytest.param({"sub": ""}, "token refused: the account does not exist", id="sub-empty"),
        pytest.param({"sub": "../etc/passwd"}, "token refused: the account does not exist", id="sub-path"),
        pytest.param({"sub": "root\0"}, "token refused: the account does not exist", id="sub-nul"),
        pytest.param({"sub": "\ud800"}, "token refused: the account does not exist", id="sub-surrogate"),
    ],
)
def test_tokens_that_are_refused(quiet: NodeUnderTest, made: dict[str, Any], message: str) -> None:
    answer = quiet.call("GET", ASKS_FOR_ANY, headers=token(quiet, **made))
    assert (answer.status, answer.body["message"]) == (401, message)


def test_an_unsigned_token_is_refused(node: NodeUnderTest) -> None:
    header, payload, _ = token(node, header={"alg": "none"})["Authorization"].split()[1].split(".")
    for value in (f"{header}.{payload}.", f"{header}.{payload}"):
        assert node.call("GET", ASKS_FOR_ANY, headers={"Authorization": f"Bearer {value}"}).status == 401


def test_a_token_dies_at_the_very_second(node: NodeUnderTest) -> None:
    headers = node.bearer(ttl=60)
    node.clock.advance(59)
    assert node.call("GET", ASKS_FOR_ANY, headers=headers).status == 200
    node.clock.advance(1)
    assert node.call("GET", ASKS_FOR_ANY, headers=headers).body["message"] == "token expired"


def test_checking_a_token_never_makes_a_signing_value(node: NodeUnderTest) -> None:
    node.write_auth(linux={"allowed_users": ["root"]}, access_token_secret="")
    before = Path(node.settings.auth_json).read_bytes()
    for key in (SIGNING_VALUE, ""):
        answer = node.call("GET", ASKS_FOR_ANY, headers=token(node, key=key))
        assert answer.status == 401
        assert answer.body["message"].startswith("access token secret required")
    assert Path(node.settings.auth_json).read_bytes() == before


def test_the_signing_value_of_the_environment_wins(tmp_path: Path) -> None:
    value = "signing-value-of-the-unit-file-0123456789abc"
    node = NodeUnderTest(tmp_path, ABLESTACK_AUTH_TOKEN_SECRET=value)
    assert node.call("GET", ASKS_FOR_ANY, headers=node.bearer(key=value)).status == 200
    assert node.call("GET", ASKS_FOR_ANY, headers=node.bearer(key=SIGNING_VALUE)).status == 401


# --- the account behind a token --------------------------------------------------------------------------------------


def remove(node: NodeUnderTest) -> None:
    (node.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")


def lock(node: NodeUnderTest) -> None:
    (node.root / "etc/shadow").write_text("operator:!$6$salt$hash:19000:0:99999:7:::\n")


def expire(node: NodeUnderTest) -> None:
    (node.root / "etc/shadow").write_text("operator:$6$salt$hash:19000:0:99999:7::20000:\n")


def take_out_of_the_group(node: NodeUnderTest) -> None:
    (node.root / "etc/group").write_text("root:x:0:\nwheel:x:10:\n")


def disallow(node: NodeUnderTest) -> None:
    linux = {"allowed_users": ["root"], "allowed_groups": []}
    node.write_auth(linux=linux, access_token_secret=SIGNING_VALUE)


def change_password_today(node: NodeUnderTest) -> None:
    today = int(node.clock.now().timestamp()) // 86400
    (node.root / "etc/shadow").write_text(f"operator:$6$salt$hash:{today + 1}:0:99999:7:::\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (remove, "the account does not exist"),
        (lock, "the account is locked"),
        (expire, "the account has expired"),
        (take_out_of_the_group, "the account is not allowed"),
        (disallow, "the account is not allowed"),
        (change_password_today, "the password was changed after it was issued"),
    ],
)
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_token_ends_with_its_account(node: NodeUnderTest, spoil: Any, reason: str, seen_before: bool) -> None:
    """At once when the account was not looked at for a minute, else within that minute."""
    headers = node.bearer("operator")
    if seen_before:
        assert node.call("GET", ASKS_FOR_ANY, headers=headers).status == 200
    spoil(node)
    if seen_before:
        node.clock.advance(60)
    answer = node.call("GET", ASKS_FOR_ANY, headers=headers)
    assert (answer.status, answer.body["message"]) == (401, f"token refused: {reason}")


def test_a_token_of_the_day_of_the_password_change_is_good(node: NodeUnderTest) -> None:
    today = int(node.clock.now().timestamp()) // 86400
    (node.root / "etc/shadow").write_text(f"root:$6$salt$hash:{today}:0:99999:7:::\n")
    assert node.call("GET", ASKS_FOR_ANY).status == 200
    assert node.call("GET", ASKS_FOR_ANY, headers=token(node, iat=today * 86400 - 1)).status == 401


def test_an_account_that_may_come_back_is_let_in_again(node: NodeUnderTest) -> None:
    headers = node.bearer("operator")
    shadow = (node.root / "etc/shadow").read_text()
    lock(node)
    assert node.call("GET", ASKS_FOR_ANY, headers=headers).status == 401
    (node.root / "etc/shadow").write_text(shadow)
    node.clock.advance(60)
    assert node.call("GET", ASKS_FOR_ANY, headers=headers).status == 200


@pytest.mark.parametrize("field", ["*", "!", "!!", "!*", ""])
def test_an_account_without_a_password_is_not_locked(node: NodeUnderTest, field: str) -> None:
    """Its token came from ablestack-auth-token."""
    (node.root / "etc/shadow").write_text(f"root:{field}:19000:0:99999:7:::\n")
    assert node.call("GET", ASKS_FOR_ANY).status == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000])
def test_a_damaged_auth_json_lets_nobody_in(node: NodeUnderTest, content: bytes) -> None:
    Path(node.settings.auth_json).write_bytes(content)
    answer = node.call("GET", ASKS_FOR_ANY)
    assert (answer.status, answer.body["type"]) == (500, "urn:ablestack:error:state_file_damaged")


# --- the internal token ----------------------------------------------------------------------------------------------


def test_the_internal_token_lets_a_node_in(node: NodeUnderTest) -> None:
    assert node.call("GET", ASKS_FOR_ANY, headers=node.internal()).status == 200
    assert node.call("GET", ASKS_FOR_ANY, headers={"x-cube-internal-token": INTERNAL_TOKEN}).status == 200


@pytest.mark.parametrize(
    "offered",
    [
        "",
        "   ",
        "wrong",
        INTERNAL_TOKEN.swapcase(),
        INTERNAL_TOKEN.upper(),
        INTERNAL_TOKEN[:-1],
        f"{INTERNAL_TOKEN}x",
        f"{INTERNAL_TOKEN},{INTERNAL_TOKEN}",
        hashlib.sha256(INTERNAL_TOKEN.encode()).hexdigest(),
        "\xff" * 43,
        "x" * 10_000,
    ],
)
def test_a_wrong_internal_token_is_refused(quiet: NodeUnderTest, offered: str) -> None:
    answer = quiet.call("GET", ASKS_FOR_ANY, headers=quiet.internal(offered))
    assert (answer.status, answer.body["message"]) == (401, "invalid internal token")


@pytest.mark.parametrize("stored", ["", None, "  ", ...])
def test_a_node_without_a_token_accepts_none(node: NodeUnderTest, stored: Any) -> None:
    document = documents.document("ablestack-vm")
    document["security"] = {} if stored is ... else {"internal_token": stored}
    node.write_cluster(document)
    for offered in ("", "<nil>", "None", "null", INTERNAL_TOKEN):
        assert node.call("GET", ASKS_FOR_ANY, headers=node.internal(offered)).status == 401


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_a_damaged_cluster_json_holds_no_token(node: NodeUnderTest, content: bytes | None) -> None:
    if content is None:
        node.cluster_json.unlink()
    else:
        node.write_cluster(content)
    for offered in ("", INTERNAL_TOKEN):
        assert node.call("GET", ASKS_FOR_ANY, headers=node.internal(offered)).status == 401
    assert node.call("GET", ASKS_FOR_ANY).status == 200


def test_the_token_of_the_environment_wins(tmp_path: Path) -> None:
    node = NodeUnderTest(tmp_path, CUBE_INTERNAL_TOKEN="first", ABLESTACK_INTERNAL_TOKEN="second")
    node.write_cluster(documents.document("ablestack-vm"))
    accepted = [
        offered
        for offered in ("first", "second", INTERNAL_TOKEN)
        if node.call("GET", ASKS_FOR_ANY, headers=node.internal(offered)).status == 200
    ]
    assert accepted == ["first"]


@pytest.mark.parametrize(
    "stray",
    [
        {"X-Cube-Anything": "1"},
        {"X-Cube-Bootstrap-Local": "1"},
        {"X-Cube-Internal-Token": ""},
        {"X-Cube-Internal-Token": "wrong"},
        {"X-Cube-Internal-Token": INTERNAL_TOKEN},
        {"X-Cube-Deadline": "soon"},
        {"X-Cube-Deadline": "-1"},
        {"X-Cube-Deadline": "nan"},
    ],
)
def test_a_stray_header_never_breaks_a_good_bearer(quiet: NodeUnderTest, stray: dict[str, str]) -> None:
    assert quiet.call("GET", ASKS_FOR_ANY, headers={**quiet.bearer(), **stray}).status == 200
    assert quiet.call("GET", "/auth/me", headers={**quiet.bearer(), **stray}).status == 200


def test_a_bad_bearer_never_breaks_a_good_internal_token(node: NodeUnderTest) -> None:
    headers = {**node.internal(), "Authorization": "Bearer nonsense"}
    assert node.call("GET", ASKS_FOR_ANY, headers=headers).status == 200


@pytest.mark.parametrize("header", ["X-Cube-Bootstrap-Local", "X-Cube-Anything", "X-Forwarded-For", "X-Real-IP"])
def test_other_headers_prove_nothing(node: NodeUnderTest, header: str) -> None:
    assert node.call("GET", ASKS_FOR_ANY, headers={header: "127.0.0.1"}, address="127.0.0.1").status == 401


# --- the switch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "value"),
    [("127.0.0.1:8090", "0"), ("127.0.0.7:8090", "false"), ("[::1]:8090", "No"), ("localhost:8090", "OFF")],
)
def test_authentication_can_be_switched_off_on_loopback(tmp_path: Path, listen: str, value: str) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN=listen, ABLESTACK_AUTH_REQUIRED=value)
    assert node.call("GET", ASKS_FOR_ANY, headers={}).status == 200
    # A credential that was sent must still be right, and the calls of nodes stay closed.
    assert node.call("GET", ASKS_FOR_ANY, headers={"Authorization": "Bearer x"}).status == 401
    assert node.call("POST", "/auth/apply", {"token": "x"}, headers={}).status == 401
    assert node.call("POST", "/auth/internal-token/rotate", headers={}).status == 401


@pytest.mark.parametrize("listen", ["0.0.0.0:8090", "[::]:8090", "10.10.31.1:8090", ""])
def test_it_cannot_be_switched_off_anywhere_else(tmp_path: Path, listen: str) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN=listen, ABLESTACK_AUTH_REQUIRED="off")
    assert node.call("GET", ASKS_FOR_ANY, headers={}).status == 401


@pytest.mark.parametrize("value", ["", "1", "true", "on", "maybe", "disabled"])
def test_it_is_on_unless_switched_off_clearly(tmp_path: Path, value: str) -> None:
    node = NodeUnderTest(tmp_path, ABLESTACK_API_LISTEN="127.0.0.1:8090", ABLESTACK_AUTH_REQUIRED=value)
    assert node.call("GET", ASKS_FOR_ANY, headers={}).status == 401
