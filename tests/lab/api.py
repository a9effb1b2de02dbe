"""Speaks HTTP to a node's daemon from the namespace of the bridges."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from tests.lab import network

JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, headers (looked up in any case), and the bytes of the body."""

    status: int
    headers: "Message[str, str]"
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is none."""
        return json.loads(self.body)


class _Connection(http.client.HTTPConnection):
    """A connection that leaves from inside the lab."""

    def __init__(self, profile: str, address: str, port: int, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout)
        self._profile = profile
        self._patience = timeout

    def connect(self) -> None:
        self.sock = network.connect(self._profile, (self.host, self.port), self._patience)


def call(
    profile: str,
    address: tuple[str, int],
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Reply:
    """Send one request; `body` is sent as JSON unless it is bytes; `timeout` in seconds, for each wait.

    Every status is a value. Raises OSError (ConnectionRefusedError, TimeoutError …) or http.client.HTTPException when
    there is no answer.
    """
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Accept": JSON, **({} if data is None else {"Content-Type": JSON}), **(headers or {})}
    connection = _Connection(profile, *address, timeout)
    try:
        connection.request(method, path, body=data, headers=sent)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()
