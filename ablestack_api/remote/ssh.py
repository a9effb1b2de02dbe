"""Commands on another node over SSH. Nothing else in the package logs in anywhere.

Only a host whose key is in known_hosts is logged in to, and a key is never added here: `cluster.known_hosts` does that, on
first sight. Who logs in is proven by root's agent and root's keys; there are no passwords.
"""

import contextlib
import os
import selectors
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.remote import known_hosts

if TYPE_CHECKING:
    from paramiko.client import SSHClient
    from paramiko.hostkeys import HostKeys

DEFAULT_PORT = 22
CONNECT_SECONDS = 5.0
# From the connection to the login: greeting, keys, proof. A server that says nothing is given up after it.
LOGIN_SECONDS = 20.0
# How much of the end of each output is kept: a script may print anything.
MAX_OUTPUT = 256 * 1024
READ_AT_ONCE = 64 * 1024
KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
KNOWN_HOSTS = ("etc/ssh/ssh_known_hosts",)

CONNECT, HOST_KEY, LOGIN, RUN = "connect", "host key", "login", "run"


class SshFailed(Exception):
    """No exit code. `stage` is how far it came; from `run` on the command may have run, or run on.

    `reason` is for the operator; `timed_out` when it was the deadline.
    """

    def __init__(self, stage: str, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason
        self.timed_out = timed_out


@dataclass(frozen=True)
class SshFinished:
    """`stdout` and `stderr` are texts, of very long ones the end."""

    stdout: str
    stderr: str
    code: int


class Ssh(Protocol):
    def run(self, target: Target, argv: Sequence[str], *, user: str, port: int, timeout: float) -> SshFinished:
        """Log in, run one command and wait for it, at most `timeout` seconds in all. Raises SshFailed.

        The arguments are quoted: the far shell sees them as they are.
        """


class ParamikoSsh:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, target: Target, argv: Sequence[str], *, user: str, port: int, timeout: float) -> SshFinished:
        end = time.monotonic() + timeout
        with self._logged_in(target.address, port, user, end) as client:
            return _command(client, shlex.join(argv), end)

    @contextlib.contextmanager
    def _logged_in(self, address: str, port: int, user: str, end: float) -> Iterator["SSHClient"]:
        from paramiko.client import RejectPolicy, SSHClient  # only where ssh is used: it is 15 MB

        client = SSHClient()
        client.set_missing_host_key_policy(RejectPolicy)
        link = _connected(address, port, min(CONNECT_SECONDS, _left(end)))
        try:
            _trust(client.get_host_keys(), self._known_hosts(), address, port)
            _log_in(client, link, address, port, user, self._keys(), min(LOGIN_SECONDS, _left(end)))
            yield client
        finally:
            client.close()
            link.close()

    def _known_hosts(self) -> list[str]:
        places = (os.path.join(self._settings.home, ".ssh/known_hosts"), *KNOWN_HOSTS)
        return [self._settings.below(place) for place in places]

    def _keys(self) -> list[str]:
        places = [self._settings.below(os.path.join(self._settings.home, ".ssh", name)) for name in KEYS]
        return [place for place in places if os.path.exists(place)]


def _connected(address: str, port: int, seconds: float) -> socket.socket:
    try:
        return socket.create_connection((address, port), seconds)
    except TimeoutError as error:
        told = f"no connection to port {port} in time (the node is off, cut off, or a firewall drops packets)"
        raise SshFailed(CONNECT, told, timed_out=True) from error
    except OSError as error:
        raise SshFailed(CONNECT, f"no connection to port {port}: {error.strerror or error}") from error


def _trust(keys: "HostKeys", paths: Sequence[str], address: str, port: int) -> None:
    """Take over the entries of one host. As for ssh(1), it is the same host behind another of its ports.

    Raises SshFailed when it is in none of the files.
    """
    present = known_hosts.trusted_keys("\n".join(_text(path) for path in paths))
    name = known_hosts.entry_name(address, port)
    found = present.lookup(name) or present.lookup(address)
    if not found:
        told = f"its SSH host key is not in {paths[0]}, and is not trusted unseen. An apply of the cluster adds it"
        raise SshFailed(HOST_KEY, told)
    for kind in found:
        keys.add(name, kind, found[kind])


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _log_in(
    client: "SSHClient", link: socket.socket, address: str, port: int, user: str, keys: Sequence[str], seconds: float
) -> None:
    from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, SSHException

    limits: dict[str, Any] = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), seconds)
    try:
        client.connect(
            address, port, user, sock=link, key_filename=list(keys), allow_agent=True, look_for_keys=False, **limits
        )
    except BadHostKeyException as error:
        told = f"its SSH host key ({error.key.get_name()}) is not the one that is trusted; nothing was sent. If the node was"
        raise SshFailed(HOST_KEY, f"{told} installed anew, run: ssh-keygen -R {address}, then apply the cluster") from error
    except AuthenticationException as error:
        told = f"the login of {user} was refused: none of root's keys is accepted there"
        raise SshFailed(LOGIN, told, timed_out="timeout" in str(error).lower()) from error
    except (SSHException, EOFError, OSError) as error:
        stage = LOGIN if "authentication" in str(error).lower() else CONNECT
        raise SshFailed(stage, f"no SSH login: {_first_line(error)}") from error
    except Exception as error:  # paramiko says so of itself: keys of kinds it does not know end in a bare Exception
        raise SshFailed(CONNECT, f"no SSH login: {type(error).__name__}: {_first_line(error)}") from error


def _command(client: "SSHClient", line: str, end: float) -> SshFinished:
    from paramiko.ssh_exception import SSHException

    transport = client.get_transport()
    if transport is None:
        raise SshFailed(LOGIN, "the connection was closed after the login")
    try:
        channel = transport.open_session(timeout=min(LOGIN_SECONDS, _left(end)))
        channel.settimeout(min(LOGIN_SECONDS, _left(end)))
        channel.exec_command(line)
        return _read(channel, end)
    except (SSHException, EOFError, OSError) as error:
        raise SshFailed(RUN, f"logged in, but the command was not begun: {_first_line(error) or 'no answer'}") from error


def _read(channel: Any, end: float) -> SshFinished:
    """Both outputs until the command has ended. Only the end of a long one is kept."""
    kept = (bytearray(), bytearray())
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while not (_drained(channel, kept) and channel.exit_status_ready()):
            if time.monotonic() >= end:
                raise SshFailed(RUN, "the command did not end in time; it may still run there", timed_out=True)
            if channel.closed and not channel.exit_status_ready():
                break
            selector.select(min(0.2, max(0.0, end - time.monotonic())))
    code = channel.recv_exit_status() if channel.exit_status_ready() else -1
    if code < 0:
        raise SshFailed(RUN, "the connection broke while the command ran; it may still run there")
    out, err = (bytes(part).decode("utf-8", "replace") for part in kept)
    return SshFinished(out, err, code)


def _drained(channel: Any, kept: tuple[bytearray, bytearray]) -> bool:
    """Take what has arrived; True when nothing had. An endless flood gives the caller its turn all the same."""
    had = False
    sources = ((channel.recv_ready, channel.recv), (channel.recv_stderr_ready, channel.recv_stderr))
    for (ready, take), store in zip(sources, kept, strict=True):
        if ready():
            had = True
            store.extend(take(READ_AT_ONCE))
            del store[:-MAX_OUTPUT]
    return not had


def _left(end: float) -> float:
    """At least a moment: zero would mean no limit to a socket."""
    return max(0.05, end - time.monotonic())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300].encode("utf-8", "replace").decode()
