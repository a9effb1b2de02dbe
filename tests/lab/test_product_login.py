"""Logins with real Linux accounts through PAM, and the token helper, inside a node."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab import api, lifecycle, product
from tests.lab.cluster import expect, internal_token, signing_value
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

NODE = "cube1"
LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"
PASSWORD = "Pw-7hgK2-right"
KOREAN = "한글비밀번호-가나다-7"
WHEEL = "wheel"
FAILURES = "var/lib/ablestack/login_failures.json"
ALLOWED_FAILURES = 5
QUARTER = timedelta(minutes=16)
TODAY = datetime.now(UTC).date()

# Name of an account and how it comes to be what it is called; every one has PASSWORD and is in the group `wheel`.
ACCOUNTS: dict[str, list[list[str]]] = {
    "labgood": [],
    "labother": [],
    "labkorean": [],
    "lablocked": [["usermod", "-L", "lablocked"]],
    "labexpired": [["chage", "-E", str(TODAY - timedelta(days=2)), "labexpired"]],
    "labmustchange": [["chage", "-d", "0", "labmustchange"]],
    "labtooold": [["chage", "-d", "2020-01-01", "-M", "30", "labtooold"]],
    "labnogroup": [["usermod", "-G", "", "labnogroup"]],
}


@pytest.fixture(scope="module")
def accounts(running_lab: Lab) -> Iterator[None]:
    """The accounts of the node, and the group that auth.json allows."""
    has_wheel = running_lab.run(NODE, ["getent", "group", WHEEL], ok=None).code == 0
    if not has_wheel:
        running_lab.run(NODE, ["groupadd", "--system", WHEEL])
    try:
        for name, steps in ACCOUNTS.items():
            make_account(running_lab, name)
            for step in steps:
                running_lab.run(NODE, step)
        running_lab.run(NODE, ["chpasswd"], stdin=f"labkorean:{KOREAN}\n")
        yield
    finally:
        for name in ACCOUNTS:
            running_lab.run(NODE, ["userdel", "-f", name], ok=None)
        if not has_wheel:
            running_lab.run(NODE, ["groupdel", WHEEL], ok=None)


@pytest.fixture
def login_lab(product_as_new: None, accounts: None, lab: Lab) -> Iterator[Lab]:
    """The lab with the accounts; nobody has failed to log in before or after the test."""
    forget_failures(lab)
    yield lab
    forget_failures(lab)


def forget_failures(lab: Lab) -> None:
    (lab.machine(NODE).root / FAILURES).unlink(missing_ok=True)


def make_account(lab: Lab, name: str) -> None:
    """An account with PASSWORD in the allowed group; password dates of today."""
    lab.run(NODE, ["userdel", "-f", name], ok=None)
    lab.run(NODE, ["useradd", "--no-create-home", "--groups", WHEEL, "--shell", "/bin/bash", name])
    lab.run(NODE, ["chpasswd"], stdin=f"{name}:{PASSWORD}\n")


def log_in(lab: Lab, name: str, password: str = PASSWORD) -> api.Reply:
    return lab.api(NODE, "POST", LOGIN, {"id": name, "password": password})


def token_of(lab: Lab, name: str, password: str = PASSWORD) -> str:
    return str(expect(log_in(lab, name, password))["access_token"])


def subject(lab: Lab, token: str) -> str:
    """Whom a token is accepted for; its refusal's status in brackets when it is not."""
    reply = lab.api(NODE, "GET", ME, token=token)
    return str(reply.json()["val"]["sub"]) if reply.status == 200 else f"({reply.status})"


def restart(lab: Lab) -> None:
    """A daemon that has to look at every account again."""
    lab.run(NODE, ["systemctl", "restart", product.UNIT])
    lifecycle.wait_answering(lab)


@pytest.mark.parametrize(("name", "password"), [("labgood", PASSWORD), ("labkorean", KOREAN)])
def test_a_right_password_of_an_account_in_an_allowed_group(login_lab: Lab, name: str, password: str) -> None:
    answer = expect(log_in(login_lab, name, password))
    assert (answer["token_type"], answer["authorization"]) == ("Bearer", f"Bearer {answer['access_token']}")
    assert subject(login_lab, answer["access_token"]) == name


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("labgood", PASSWORD + "x"),
        ("labkorean", KOREAN[:-1]),
        ("lablocked", PASSWORD),
        ("labexpired", PASSWORD),
        ("labmustchange", PASSWORD),
        ("labtooold", PASSWORD),
        ("labnogroup", PASSWORD),
        ("labnobody", PASSWORD),
        ("nobody", ""),
    ],
)
def test_everybody_else_is_refused_and_learns_nothing(login_lab: Lab, name: str, password: str) -> None:
    started = time.monotonic()
    reply = log_in(login_lab, name, password)
    assert (reply.status, reply.json()["message"]) == (401, "invalid credentials")
    assert not password or time.monotonic() - started > 0.9, "a wrong answer takes a second"


def test_after_five_failures_this_account_waits_and_others_do_not(login_lab: Lab) -> None:
    with ThreadPoolExecutor(ALLOWED_FAILURES) as pool:
        replies = list(pool.map(lambda _: log_in(login_lab, "labgood", "wrong"), range(3)))
        replies += list(pool.map(lambda _: log_in(login_lab, "labgood", "wrong"), range(2)))
    assert [reply.status for reply in replies] == [401] * ALLOWED_FAILURES
    refused = log_in(login_lab, "labgood")
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
    assert log_in(login_lab, "labother").status == 200

    login_lab.clock(NODE, "ablestack-api", QUARTER)
    lifecycle.wait_answering(login_lab)
    assert log_in(login_lab, "labgood").status == 200


def test_a_token_ends_with_its_account_and_with_its_password(login_lab: Lab) -> None:
    names = ["labkept", "lablater", "labgone", "labchanged"]
    try:
        for name in names:
            make_account(login_lab, name)
        tokens = {name: token_of(login_lab, name) for name in names}
        assert [subject(login_lab, tokens[name]) for name in names] == names
        login_lab.run(NODE, ["usermod", "-L", "lablater"])
        login_lab.run(NODE, ["userdel", "labgone"])
        login_lab.run(NODE, ["chage", "-d", str(TODAY + timedelta(days=1)), "labchanged"])
        restart(login_lab)
        assert [subject(login_lab, tokens[name]) for name in names] == ["labkept", "(401)", "(401)", "(401)"]
    finally:
        for name in names:
            login_lab.run(NODE, ["userdel", "-f", name], ok=None)


def test_the_helper_gives_root_a_token_that_is_accepted(login_lab: Lab) -> None:
    printed = login_lab.run(NODE, ["ablestack-auth-token"])
    answer = json.loads(printed.stdout)
    assert (printed.stdout.count("\n"), answer["subject"]) == (1, "root")
    assert subject(login_lab, answer["access_token"]) == "root"
    plain = login_lab.run(NODE, ["ablestack-auth-token", "--plain"]).stdout
    assert subject(login_lab, plain.split()[1]) == "root"


def test_the_helper_gives_root_a_token_of_another_account(login_lab: Lab) -> None:
    answer = json.loads(login_lab.run(NODE, ["ablestack-auth-token", "--user", "labgood"]).stdout)
    assert answer["subject"] == subject(login_lab, answer["access_token"]) == "labgood"


@pytest.mark.parametrize("name", ["lablocked", "labexpired", "labnogroup", "labnobody"])
def test_the_helper_gives_no_token_of_an_account_that_may_not_log_in(login_lab: Lab, name: str) -> None:
    refused = login_lab.run(NODE, ["ablestack-auth-token", "--user", name], ok=None)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("ablestack-auth-token: linux user is not allowed")


@pytest.mark.parametrize("options", [[], ["--user", "root"]])
def test_the_helper_refuses_an_ordinary_user_in_one_line(login_lab: Lab, options: list[str]) -> None:
    refused = login_lab.run(NODE, ["runuser", "-u", "labgood", "--", "ablestack-auth-token", *options], ok=None)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("ablestack-auth-token: ")
    assert len(refused.stderr.splitlines()) == 1


def test_no_secret_shows_in_a_log_or_in_a_process_list(login_lab: Lab) -> None:
    seen: set[bytes] = set()
    done = threading.Event()
    watcher = threading.Thread(target=_watch_command_lines, args=(seen, done))
    watcher.start()
    try:
        tokens = [token_of(login_lab, "labgood") for _ in range(3)]
        log_in(login_lab, "labgood", PASSWORD + "-wrong")
        log_in(login_lab, PASSWORD, PASSWORD)  # the password typed into the wrong field
        tokens.append(json.loads(login_lab.run(NODE, ["ablestack-auth-token"]).stdout)["access_token"])
    finally:
        done.set()
        watcher.join()
    assert any(b"ablestack_api.auth.pam_check" in line for line in seen), "the watcher never saw a password check"

    secrets = [PASSWORD, signing_value(login_lab, NODE), internal_token(login_lab, NODE), *tokens]
    secrets += [token.rpartition(".")[2] for token in tokens]
    journal = login_lab.run(NODE, ["journalctl", "-u", product.UNIT, "--no-pager", "-o", "cat"]).stdout
    logs = [path.read_text(encoding="utf-8") for path in (login_lab.machine(NODE).root / "var/log/ablestack").glob("*.log")]
    shown = "\n".join([journal, *logs, *(line.decode(errors="replace") for line in seen)])
    assert "labgood" in shown
    assert not [secret[:8] for secret in secrets if secret and secret in shown]


def _watch_command_lines(seen: set[bytes], done: threading.Event) -> None:
    """Collect every argument list and environment of this machine, the nodes' processes among them."""
    while not done.is_set():
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes()
                if b"ablestack" in line:
                    seen.update((line, (folder / "environ").read_bytes()))


def test_auth_json_that_is_no_json_lets_nobody_in(login_lab: Lab) -> None:
    path = login_lab.machine(NODE).root / "etc/ablestack/auth.json"
    good = path.read_bytes()
    try:
        path.write_bytes(b'{"linux": {')
        reply = log_in(login_lab, "labgood")
        assert reply.status == 500
        assert "auth.json" in reply.json()["message"]
        helper = login_lab.run(NODE, ["ablestack-auth-token"], ok=None)
        assert (helper.code, helper.stdout) == (1, "")
        assert "Traceback" not in helper.stderr
    finally:
        path.write_bytes(good)
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert log_in(login_lab, "labgood").status == 200
