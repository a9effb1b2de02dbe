"""remote.peer against real servers on loopback addresses: whatever a peer does, the call ends at its deadline."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ablestack_api.core.clock import Deadline, SystemClock
from ablestack_api.core.settings import Settings
from ablestack_api.core.target import Target
from ablestack_api.remote.peer import MAX_ANSWER, HttpPeers, PeerAnswer, PeerUnreachable

Talk = Callable[[socket.socket, threading.Event], None]
SECONDS = 0.4
# A hang is the bug: far above the deadline, far below what the servers would take.
HANG = 5.0
ADDRESS = "127.0.0.71"


class Server:
    """Accepts connections and hands each to `talk` in a thread of its own."""

    def __init__(self, talk: Talk, address: str = ADDRESS) -> None:
        self.over = threading.Event()
        self.callers: list[tuple[str, int]] = []
        self.requests: list[bytes] = []
        self._talk = talk
        self._socket = socket.create_server((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(HANG)

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, caller = self._socket.accept()
            except OSError:
                return
            self.callers.append(caller)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(HANG)
            try:
                self._talk(connection, self.over)
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Server]]:
    servers: list[Server] = []

    def start(talk: Talk) -> Server:
        servers.append(Server(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """One request: the head, then as many bytes as it says."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answering(data: bytes) -> Talk:
    def talk(connection: socket.socket, _over: threading.Event) -> None:
        while True:
            read_request(connection)
            connection.sendall(data)

    return talk


def trickling(head: bytes, piece: bytes) -> Talk:
    """A byte now and then for ever: each wait on the network is short, only the whole is not."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head)
        while not over.wait(0.05):
            connection.sendall(piece)

    return talk


def hanging(head: bytes) -> Talk:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head)
        over.wait(HANG)

    return talk


def deaf(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(HANG)


@contextmanager
def peers_at(port: int) -> Iterator[Callable[..., PeerAnswer]]:
    """A caller of the peers that listen on `port`, each call with a deadline of its own."""
    clock = SystemClock()
    peers = HttpPeers(Settings({"ABLESTACK_API_PORT": str(port)}), clock)

    def ask(path: str = "/", *, seconds: float = HANG, body: object = None, source: str = "") -> PeerAnswer:
        target = Target(address=ADDRESS, hostname="peer", role="host", source=source)
        return peers.call(target, "POST", path, body=body, headers={"X-Extra": "1"}, deadline=Deadline(clock, seconds))

    try:
        yield ask
    finally:
        peers.close()


def call(port: int, *, seconds: float = HANG, body: object = None, source: str = "") -> PeerAnswer:
    with peers_at(port) as ask:
        return ask("/api/v1/x?y=1", seconds=seconds, body=body, source=source)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HANGS: dict[str, Talk] = {
    "after accept": deaf,
    "after the request": hanging(b""),
    "inside the status line": hanging(b"HTTP/1.1 20"),
    "inside the headers": hanging(HEAD),
    "after the headers": hanging(HEAD + b"Content-Length: 100\r\n\r\n"),
    "inside the body": hanging(HEAD + b'Content-Length: 100\r\n\r\n{"code": '),
    "without a length": hanging(HEAD + b'\r\n{"code": 200}'),
    "inside a chunk": hanging(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nabc"),
    "trickling a body": trickling(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "trickling headers": trickling(HEAD, b"x"),
    "trickling chunks": trickling(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "trickling interim answers": trickling(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize("talk", HANGS.values(), ids=HANGS)
def test_the_call_ends_at_its_deadline(serve: Callable[[Talk], Server], talk: Talk) -> None:
    server = serve(talk)
    started = time.monotonic()
    with pytest.raises(PeerUnreachable) as caught:
        call(server.port, seconds=SECONDS)
    assert time.monotonic() - started < SECONDS + 2
    assert (caught.value.timed_out, caught.value.connected) == (True, True)
    assert caught.value.reason == "no complete answer before the deadline"


def test_a_peer_that_never_accepts_more(serve: Callable[[Talk], Server]) -> None:
    """The queue of connections is full: as if a firewall dropped the packets."""
    with socket.create_server((ADDRESS, 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((ADDRESS, port))
        started = time.monotonic()
        with pytest.raises(PeerUnreachable) as caught:
            call(port, seconds=SECONDS)
        assert time.monotonic() - started < SECONDS + 2
        assert caught.value.timed_out
        for each in waiting:
            each.close()


def test_a_deadline_that_is_over_already(serve: Callable[[Talk], Server]) -> None:
    server = serve(answering(answer(b"{}")))
    with pytest.raises(PeerUnreachable) as caught:
        call(server.port, seconds=0)
    assert caught.value.timed_out


def test_nobody_listens(serve: Callable[[Talk], Server]) -> None:
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        with pytest.raises(PeerUnreachable) as caught:
            call(free.getsockname()[1])
    assert (caught.value.timed_out, caught.value.connected) == (False, False)
    assert "refused" in caught.value.reason


BROKEN: dict[str, bytes | None] = {
    "closes at once": None,
    "closes after the request": b"",
    "closes inside the headers": HEAD,
    "closes inside the body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "binary": b"\x15\x03\x01\x00\x02\x02\x50",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_connection_that_breaks(serve: Callable[[Talk], Server], data: bytes | None) -> None:
    def talk(connection: socket.socket, _over: threading.Event) -> None:
        if data is not None:
            read_request(connection)
            connection.sendall(data)

    with pytest.raises(PeerUnreachable) as caught:
        call(serve(talk).port)
    assert caught.value.connected
    assert not caught.value.timed_out
    assert caught.value.reason.startswith("the connection failed: ")


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (answer(b'{"code": 200, "val": "\xea\xb0\x80"}'), 200, {"code": 200, "val": "가"}),
        (answer(b'{"code": 500}', "500 Internal Server Error"), 500, {"code": 500}),
        (answer(b"[]"), 200, []),
        (answer(b"<html>It works!</html>"), 200, None),
        (answer(b""), 200, None),
        (answer(b"[" * 100_000), 200, None),
        (answer(b"9" * 5000), 200, None),
        (answer(b"\xff\xfe"), 200, None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, {}),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_any_http_answer_is_a_value(serve: Callable[[Talk], Server], data: bytes, status: int, body: object) -> None:
    got = call(serve(answering(data)).port)
    assert (got.status, got.body) == (status, body)


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_a_redirect_is_never_followed(serve: Callable[[Talk], Server], status: str) -> None:
    elsewhere = serve(answering(answer(b"{}")))
    location = f"Location: http://{ADDRESS}:{elsewhere.port}/api/v1/x"
    assert call(serve(answering(answer(b"", status, location))).port).status == int(status[:3])
    assert elsewhere.callers == []


@pytest.mark.parametrize(("size", "fits"), [(MAX_ANSWER, True), (MAX_ANSWER + 1, False)])
def test_the_largest_answer(serve: Callable[[Talk], Server], size: int, fits: bool) -> None:
    server = serve(answering(answer(b'"' + b"x" * (size - 2) + b'"')))
    if fits:
        assert len(call(server.port).body) == size - 2
        return
    with pytest.raises(PeerUnreachable, match="larger than"):
        call(server.port)


def test_an_answer_without_end_is_cut_off(serve: Callable[[Talk], Server]) -> None:
    with pytest.raises(PeerUnreachable, match="larger than"):
        call(serve(trickling(HEAD + b"\r\n", b"x" * 1_000_000)).port)


def test_what_is_sent(serve: Callable[[Talk], Server]) -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket, _over: threading.Event) -> None:
        seen.append(read_request(connection))
        connection.sendall(answer(b"{}"))

    server = serve(talk)
    call(server.port, body={"name": "가 \ud800"})
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/v1/x?y=1 HTTP/1.1"
    assert {f"Host: {ADDRESS}:{server.port}", "X-Extra: 1", "Content-Type: application/json"} <= set(lines)
    assert json.loads(body) == {"name": "가 ?"}


def test_connections_are_used_again(serve: Callable[[Talk], Server]) -> None:
    server = serve(answering(answer(b"{}")))
    with peers_at(server.port) as ask:
        assert [ask().status for _ in range(5)] == [200] * 5
    assert len(server.callers) == 1


def test_a_connection_that_the_peer_closed_meanwhile_is_not_used_again(serve: Callable[[Talk], Server]) -> None:
    def talk(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer(b"{}"))

    server = serve(talk)
    with peers_at(server.port) as ask:
        for _ in range(3):
            assert ask().status == 200
            time.sleep(0.05)  # the end of the connection has to arrive
    assert len(server.callers) == 3


def test_a_hang_does_not_hold_other_calls(serve: Callable[[Talk], Server]) -> None:
    """One pool for all peers, one deadline for each call."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        if b"/hang" in read_request(connection):
            over.wait(HANG)
        connection.sendall(answer(b"{}"))

    with peers_at(serve(talk).port) as ask:

        def hang() -> None:
            with pytest.raises(PeerUnreachable):
                ask("/hang", seconds=1.0)

        threads = [threading.Thread(target=hang) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert ask("/", seconds=0.9).status == 200
        for thread in threads:
            thread.join(HANG)


@pytest.mark.parametrize("source", ["127.0.0.72", "127.0.0.73"])
def test_calls_leave_from_the_own_address(serve: Callable[[Talk], Server], source: str) -> None:
    server = serve(answering(answer(b"{}")))
    call(server.port, source=source)
    assert [address for address, _ in server.callers] == [source]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_no_proxy_of_the_environment_is_used(
    serve: Callable[[Talk], Server], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy = serve(answering(answer(b"{}", "502 Bad Gateway")))
    monkeypatch.setenv(name, f"http://{ADDRESS}:{proxy.port}")
    assert call(serve(answering(answer(b"{}"))).port).status == 200
    assert proxy.callers == []
