"""shell/multipath_sync.sh against a server that notes what it is sent."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "shell/multipath_sync.sh"
TOKEN = 'sample"token\\with-quotes-0123456789'
ANSWER = {"code": 200, "message": "ok", "action": "sync", "target": "fanout", "results": []}

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@dataclass
class Api:
    port: int
    status: int = 200
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def api() -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.requests.append((self.path, headers, sent))
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", f"http://127.0.0.1:{found.port}/elsewhere")
            self.end_headers()
            self.wfile.write(json.dumps({**ANSWER, "code": found.status}).encode())

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Api(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def run(api: Api, *argv: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """With a credential of the environment unless `environ` says otherwise."""
    given = {
        "CUBE_INTERNAL_TOKEN": TOKEN,
        "ABLESTACK_API_PORT": str(api.port),
        "ABLESTACK_CONFIG_PATH": "/nowhere",
        **environ,
    }
    base = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    return subprocess.run(
        ["bash", str(SCRIPT), *argv], capture_output=True, text=True, env={**base, **given}, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        ([], {"action": "sync", "targets": [], "target_hostnames": []}),
        ([""], {"action": "sync", "targets": [], "target_hostnames": []}),
        (["sync"], {"action": "sync", "targets": [], "target_hostnames": []}),
        (["rescan"], {"action": "rescan", "targets": [], "target_hostnames": []}),
        (
            ["sync", "10.10.31.2", "fd00::2"],
            {"action": "sync", "targets": ["10.10.31.2", "fd00::2"], "target_hostnames": []},
        ),
        (
            ["rescan", "cube-1.lan", "CUBE2"],
            {"action": "rescan", "targets": [], "target_hostnames": ["cube-1.lan", "CUBE2"]},
        ),
    ],
)
def test_what_is_sent(api: Api, argv: list[str], sent: Any) -> None:
    done = run(api, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == ANSWER
    path, headers, body = api.requests[0]
    assert (path, body) == ("/api/v1/cube/multipath/sync", sent)
    assert headers["x-cube-internal-token"] == TOKEN
    assert headers["content-type"] == "application/json"
    assert not any(name.startswith("x-cube-multipath") for name in headers)


@pytest.mark.parametrize("status", [302, 400, 401, 409, 500, 502])
def test_a_call_that_failed_is_told_by_the_exit_code_too(api: Api, status: int) -> None:
    api.status = status
    done = run(api)
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == status
    assert len(api.requests) == 1


def test_no_api(api: Api) -> None:
    done = run(api, ABLESTACK_API_PORT="1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "did not answer" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["bogus"],
        ["--bogus"],
        ["sync", "-oProxyCommand=x"],
        ["sync", 'a"b'],
        ["sync", "a b"],
        ["sync", "a\nb"],
        ["sync", "$(reboot)"],
        ["sync", ""],
        ["sync", "10.10.31.2", "cube1"],
    ],
)
def test_wrong_usage_sends_nothing(api: Api, argv: list[str]) -> None:
    done = run(api, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert api.requests == []


@pytest.mark.parametrize("option", ["-h", "--help", "help"])
def test_help(api: Api, option: str) -> None:
    done = run(api, option)
    assert (done.returncode, done.stderr, api.requests) == (0, "", [])
    assert done.stdout.startswith("usage: multipath_sync.sh [sync|rescan] [target…]\n")


# --- the credential --------------------------------------------------------------------------------------------------


def sent_with(api: Api, **environ: str) -> dict[str, str]:
    done = run(api, **environ)
    assert done.returncode == 0, done.stderr
    headers = api.requests[-1][1]
    return {name: headers[name] for name in ("x-cube-internal-token", "authorization") if name in headers}


def test_the_order_of_credentials(api: Api, tmp_path: Path) -> None:
    (tmp_path / "properties").mkdir()
    cluster = tmp_path / "properties/cluster.json"
    cluster.write_text(json.dumps({"security": {"internal_token": "of-the-file"}}))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ablestack-auth-token").write_text('#!/bin/sh\n[ "$1" = --plain ] && echo Bearer of-the-program\n')
    (tools / "ablestack-auth-token").chmod(0o755)
    left = {
        "CUBE_INTERNAL_TOKEN": "first",
        "ABLESTACK_INTERNAL_TOKEN": "second",
        "ABLESTACK_CONFIG_PATH": str(tmp_path),
        "ABLESTACK_AUTHORIZATION": "Bearer whole",
        "ABLESTACK_ACCESS_TOKEN": "plain",
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    assert sent_with(api, **left) == {"x-cube-internal-token": "first"}
    left["CUBE_INTERNAL_TOKEN"] = ""
    assert sent_with(api, **left) == {"x-cube-internal-token": "second"}
    left["ABLESTACK_INTERNAL_TOKEN"] = ""
    assert sent_with(api, **left) == {"x-cube-internal-token": "of-the-file"}
    cluster.write_text("{}")
    assert sent_with(api, **left) == {"authorization": "Bearer whole"}
    left["ABLESTACK_AUTHORIZATION"] = ""
    assert sent_with(api, **left) == {"authorization": "Bearer plain"}
    left["ABLESTACK_ACCESS_TOKEN"] = ""
    assert sent_with(api, **left) == {"authorization": "Bearer of-the-program"}


@pytest.mark.parametrize("content", ["{", "[]", "", '{"security": null}'])
def test_a_damaged_cluster_file_is_no_obstacle(api: Api, tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    environ = {"CUBE_INTERNAL_TOKEN": "", "ABLESTACK_CLUSTER_JSON": str(tmp_path / "cluster.json")}
    assert sent_with(api, **environ, ABLESTACK_ACCESS_TOKEN="t") == {"authorization": "Bearer t"}


def test_without_any_credential(api: Api) -> None:
    done = run(api, CUBE_INTERNAL_TOKEN="", PATH="/usr/bin:/bin")
    assert (done.returncode, api.requests) == (3, [])
    assert "there is no credential" in done.stderr


def test_a_credential_that_would_be_two_headers(api: Api) -> None:
    done = run(api, CUBE_INTERNAL_TOKEN="a\nX-Evil: 1")
    assert (done.returncode, api.requests) == (3, [])


def test_no_argument_of_any_program_holds_it(api: Api, tmp_path: Path) -> None:
    """Every program the script starts notes its arguments and its environment first."""
    tools, notes = tmp_path / "bin", tmp_path / "notes"
    tools.mkdir()
    for name in ("curl", "python3", "sed"):
        real = shutil.which(name)
        (tools / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >> {notes}\nexec {real} "$@"\n')
        (tools / name).chmod(0o755)
    (tmp_path / "cluster.json").write_text(json.dumps({"security": {"internal_token": TOKEN}}))
    cluster = str(tmp_path / "cluster.json")
    path = f"{tools}:{os.environ['PATH']}"
    assert run(api, CUBE_INTERNAL_TOKEN="", ABLESTACK_CLUSTER_JSON=cluster, PATH=path).returncode == 0
    assert api.requests[0][1]["x-cube-internal-token"] == TOKEN
    noted = notes.read_text()
    assert "curl" in noted
    assert "python3" in noted
    assert TOKEN not in noted
    assert "sample" not in noted


def test_neither_proxy_nor_redirect_gets_it(api: Api) -> None:
    done = run(api, http_proxy="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
    assert done.returncode == 0
    api.status = 302
    assert run(api).returncode == 1
    assert [request[0] for request in api.requests] == ["/api/v1/cube/multipath/sync"] * 2


@pytest.mark.parametrize(
    "environ",
    [
        {"ABLESTACK_MULTIPATH_SYNC_URL": "http://127.0.0.1:{port}/x/y"},
        {"ABLESTACK_API_BASE_URL": "http://127.0.0.1:{port}/"},
        {"ABLESTACK_API_HOST": "localhost"},
    ],
)
def test_where_it_calls(api: Api, environ: dict[str, str]) -> None:
    done = run(api, **{name: value.format(port=api.port) for name, value in environ.items()})
    assert done.returncode == 0
    wanted = "/x/y" if "ABLESTACK_MULTIPATH_SYNC_URL" in environ else "/api/v1/cube/multipath/sync"
    assert api.requests[0][0] == wanted


# --- the text of it --------------------------------------------------------------------------------------------------


def test_it_trusts_no_stranger() -> None:
    """An older script gave up host keys; no option here gives up a check of who answers."""
    text = SCRIPT.read_text()
    for word in ("StrictHostKeyChecking", "UserKnownHostsFile", "ssh ", "scp ", "--insecure", "insecure", " -k "):
        assert word not in text


def test_bash_and_shellcheck_have_nothing_to_say() -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_package_installs_it() -> None:
    """packaging/build-tree.sh takes all of shell/ to <config>/shell."""
    assert SCRIPT.stat().st_mode & 0o111
    assert "/etc/ablestack/shell/$path" in (REPOSITORY / "packaging/build-tree.sh").read_text()
