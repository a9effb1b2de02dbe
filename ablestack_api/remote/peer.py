"""HTTP to the API of another node. Nothing else in the package imports an HTTP client.

httpcore and not httpx: a deadline over the whole call (not one per read) needs its network backend, and it follows no
redirect and reads no proxy from the environment (ADR 0003).
"""

import json
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import httpcore

from ablestack_api.core.clock import Clock, Deadline
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target

CONNECT_SECONDS = 3.0
MAX_ANSWER = 4 * 1024 * 1024
# Below the 5 s after which the server closes an idle connection, so that we never send into a closing one.
IDLE_SECONDS = 2.0
# However long an answer may take, the peer's kernel acknowledges what it gets. One that does not is cut off or has no power:
# its open connections fail after this long, not at the deadline (tcp(7)).
SILENT_SECONDS = 6
GIVE_UP_ON_SILENCE = (
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
)


class PeerUnreachable(Exception):
    """No HTTP answer. `reason` is for the operator; `timed_out` when it was the deadline; `connected` when the peer may
    have got the request all the same."""

    def __init__(self, reason: str, *, timed_out: bool = False, connected: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out
        self.connected = connected


@dataclass(frozen=True)
class PeerAnswer:
    """`body` is the decoded JSON, or None when the answer was none; `text` its beginning."""

    status: int
    body: Any
    text: str


class Peers(Protocol):
    def call(
        self,
        target: Target,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: dict[str, str],
        deadline: Deadline,
    ) -> PeerAnswer:
        """One request to a peer; `path` starts with `/api/v1`. Any HTTP status is an answer.

        Raises PeerUnreachable (refused, no route, deadline over, broken off, no HTTP).
        """


class HttpPeers:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._backend = _DeadlineBackend(clock)
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def call(
        self,
        target: Target,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: dict[str, str],
        deadline: Deadline,
    ) -> PeerAnswer:
        self._backend.set_deadline(deadline)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        sent = {"Host": f"{_bracketed(target.address)}:{self._settings.peer_port}", **headers}
        if content is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        try:
            return self._send(target, method, path, sent, content)
        except httpcore.ConnectTimeout as error:
            reason = "no connection in time (the node is off, cut off, or a firewall drops packets)"
            raise PeerUnreachable(reason, timed_out=True, connected=False) from error
        except httpcore.ConnectError as error:
            raise PeerUnreachable(f"no connection: {error}", connected=False) from error
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise PeerUnreachable("no complete answer before the deadline", timed_out=True) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise PeerUnreachable(f"the connection failed: {str(error) or 'it was closed'}") from error

    def close(self) -> None:
        """Close every idle connection. The daemon never needs to: it ends with its process."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _send(self, target: Target, method: str, path: str, headers: dict[str, str], content: bytes | None) -> PeerAnswer:
        url = httpcore.URL(
            scheme=self._settings.peer_scheme, host=target.address, port=self._settings.peer_port, target=path
        )
        with self._pool(target.source).stream(method, url, headers=list(headers.items()), content=content) as answer:
            data = _read_all(answer.iter_stream())
            return _decoded(answer.status, data)

    def _pool(self, source: str) -> httpcore.ConnectionPool:
        with self._lock:
            if source not in self._pools:
                self._pools[source] = httpcore.ConnectionPool(
                    ssl_context=_tls(self._settings),
                    max_connections=64,
                    max_keepalive_connections=32,
                    keepalive_expiry=IDLE_SECONDS,
                    local_address=source or None,
                    network_backend=self._backend,
                )
            return self._pools[source]


class _DeadlineBackend(httpcore.NetworkBackend):
    """Shortens every wait on the network to what is left of the calling thread's deadline."""

    def __init__(self, clock: Clock) -> None:
        self._plain = httpcore.SyncBackend()
        self._thread = threading.local()
        self._clock = clock

    def set_deadline(self, deadline: Deadline) -> None:
        self._thread.deadline = deadline

    def wait(self, most: float | None = None) -> float:
        left: float = self._thread.deadline.remaining()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline is over")
        return left if most is None else min(left, most)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        wait = self.wait(CONNECT_SECONDS)
        options = [*(socket_options or ()), *GIVE_UP_ON_SILENCE]
        return _DeadlineStream(self._plain.connect_tcp(host, port, wait, local_address, options), self)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream, backend: _DeadlineBackend) -> None:
        self._plain = plain
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._backend.wait())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, self._backend.wait())

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(self._plain.start_tls(ssl_context, server_hostname, self._backend.wait()), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """None for plain HTTP: loading certificates nobody uses costs start-up time and memory."""
    if settings.peer_scheme != "https":
        return None
    return ssl.create_default_context(cafile=settings.tls_ca or None)


def _read_all(chunks: Iterable[bytes]) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_ANSWER:
            raise PeerUnreachable(f"the answer is larger than {MAX_ANSWER} bytes")
    return bytes(data)


def _decoded(status: int, data: bytes) -> PeerAnswer:
    text = data[:2000].decode("utf-8", "replace")
    try:
        return PeerAnswer(status, json.loads(data), text)
    except (ValueError, RecursionError):
        return PeerAnswer(status, None, text)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
