"""`remote.ssh` against a real sshd on a loopback port, and against servers that misbehave."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.remote import ssh
from ablestack_api.remote.ssh import ParamikoSsh, SshFailed, SshFinished
from tests.support import ssh_server
from tests.support.ssh_server import SshServer

pytestmark = pytest.mark.skipif(ssh_server.SSHD is None or os.geteuid() != 0, reason="needs openssh-server and root")
HERE = Target("127.0.0.1", "cube1", "host")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server.running(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def run(root: Path, port: int, *argv: str, timeout: float = 15, user: str = "root") -> SshFinished:
    seam = ParamikoSsh(Settings({"ABLESTACK_SYSROOT": str(root), "HOME": "/root"}))
    return seam.run(HERE, argv, user=user, port=port, timeout=timeout)


def failure(root: Path, port: int, *argv: str, timeout: float = 15, user: str = "root") -> SshFailed:
    with pytest.raises(SshFailed) as raised:
        run(root, port, *(argv or ("true",)), timeout=timeout, user=user)
    return raised.value


def ready(root: Path, server: SshServer) -> int:
    server.trust(root)
    server.give_key(root)
    return server.port


def test_a_command_runs_and_its_outputs_stay_apart(root: Path, server: SshServer) -> None:
    done = run(root, ready(root, server), "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.code) == ("out\n", "err\n", 7)


def test_arguments_arrive_as_they_are(root: Path, server: SshServer) -> None:
    odd = "a b; $(touch /tmp/never) 'q' \"d\" *"
    assert run(root, ready(root, server), "printf", "%s", odd).stdout == odd


def test_an_unknown_host_is_never_logged_in_to(root: Path, server: SshServer) -> None:
    server.give_key(root)
    error = failure(root, server.port)
    assert (error.stage, "not trusted unseen" in error.reason) == (ssh.HOST_KEY, True)
    assert not (root / "root/.ssh/known_hosts").exists(), "the key was added"


def test_a_changed_host_key_is_refused(root: Path, server: SshServer) -> None:
    port = ready(root, server)
    other = root / "other"
    ssh_server.new_key(other)
    key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    (root / "root/.ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
    error = failure(root, port)
    assert (error.stage, "not the one that is trusted" in error.reason) == (ssh.HOST_KEY, True)


def test_a_revoked_key_is_refused(root: Path, server: SshServer) -> None:
    port = ready(root, server)
    known = root / "root/.ssh/known_hosts"
    known.write_text(known.read_text() + "@revoked * " + known.read_text().split(" ", 1)[1])
    assert failure(root, port).stage == ssh.HOST_KEY


def test_a_host_known_by_its_plain_name_is_known_behind_another_port(root: Path, server: SshServer) -> None:
    server.trust(root, name="127.0.0.1")
    server.give_key(root)
    assert run(root, server.port, "true").code == 0


def test_a_host_known_by_another_kind_of_key_works(root: Path, server: SshServer) -> None:
    server.trust(root, kind="ecdsa")
    server.give_key(root)
    assert run(root, server.port, "true").code == 0


def test_a_damaged_known_hosts_keeps_its_good_lines(root: Path, server: SshServer) -> None:
    server.give_key(root)
    known = root / "root/.ssh/known_hosts"
    known.write_bytes(b"garbage\n\xff\xfe\nname ssh-rsa !!!\n")
    server.trust(root)
    assert run(root, server.port, "true").code == 0


def test_a_refused_key(root: Path, server: SshServer) -> None:
    server.trust(root)
    server.give_key(root, accepted=False)
    error = failure(root, server.port)
    assert (error.stage, error.reason) == (ssh.LOGIN, "the login of root was refused: none of root's keys is accepted there")


def test_no_key_at_all(root: Path, server: SshServer) -> None:
    server.trust(root)
    assert failure(root, server.port).stage in (ssh.LOGIN, ssh.CONNECT)


def test_a_user_that_is_not_there(root: Path, server: SshServer) -> None:
    assert failure(root, ready(root, server), user="nobody-here").stage == ssh.LOGIN


def test_a_closed_port(root: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        error = failure(root, held.getsockname()[1])
    assert (error.stage, error.timed_out) == (ssh.CONNECT, False)
    assert "refused" in error.reason


def test_a_command_that_never_ends(root: Path, server: SshServer) -> None:
    port = ready(root, server)
    started = time.monotonic()
    error = failure(root, port, "sleep", "60", timeout=2)
    assert (error.stage, error.timed_out) == (ssh.RUN, True)
    assert time.monotonic() - started < 5


def test_a_flood_of_output_keeps_its_end_and_little_memory(root: Path, server: SshServer) -> None:
    done = run(root, ready(root, server), "sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x; echo last", timeout=60)
    assert len(done.stdout) == ssh.MAX_OUTPUT
    assert done.stdout.endswith("xlast\n")


def test_a_flood_that_never_ends_is_given_up(root: Path, server: SshServer) -> None:
    assert failure(root, ready(root, server), "yes", timeout=3).timed_out


def test_a_connection_that_breaks_says_that_the_command_may_run_on(root: Path, server: SshServer) -> None:
    error = failure(root, ready(root, server), "sh", "-c", "kill -9 $PPID; sleep 1")
    assert (error.stage, "may still run" in error.reason) == (ssh.RUN, True)


@contextmanager
def talking(greeting: bytes, *, endless: bool = False) -> Iterator[int]:
    """A server that says this to everybody and then nothing more (or the same for ever)."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        held = []
        while not over.is_set():
            try:
                held.append(listener.accept()[0])
                held[-1].sendall(greeting)
                while endless and not over.is_set():
                    held[-1].sendall(greeting)
            except OSError:
                continue
        for link in held:
            link.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with socket.create_connection(listener.getsockname()):
            pass
        thread.join(5)
        listener.close()


@pytest.mark.parametrize(
    ("greeting", "endless"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"\0\xff" * 500, False), (b"x\r\n", True), (b"", False)],
)
def test_a_greeting_that_is_none(root: Path, server: SshServer, greeting: bytes, endless: bool) -> None:
    server.give_key(root)
    with talking(greeting, endless=endless) as port:
        server.trust(root, name=f"[127.0.0.1]:{port}")
        started = time.monotonic()
        assert failure(root, port, timeout=3).stage == ssh.CONNECT
        assert time.monotonic() - started < 8


def test_a_server_that_hangs_after_the_login(root: Path, tmp_path: Path) -> None:
    with ssh_server.running(tmp_path / "hanging", extra="ForceCommand sleep 60\n") as hanging:
        started = time.monotonic()
        error = failure(root, ready(root, hanging), timeout=3)
    assert (error.stage, error.timed_out) == (ssh.RUN, True)
    assert time.monotonic() - started < 8


def test_no_thread_is_left_behind(root: Path, server: SshServer) -> None:
    port = ready(root, server)
    before = threading.active_count()
    for _ in range(5):
        run(root, port, "true")
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert threading.active_count() <= before
