"""A server that answers with scripted bytes, and records the requests that it received."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest

from handler.clock import Deadline
from handler.http import Client, HttpError

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 64 * 1024


class ReceivedRequest(NamedTuple):
    """One request as it arrived; header names are in lower case, connections count from 1."""

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Exchange(NamedTuple):
    """The answering side of one request."""

    request: ReceivedRequest
    connection: socket.socket
    stopped: threading.Event

    def write(self, data: bytes) -> None:
        """Send; OSError, once the client has gone, ends the connection quietly."""
        self.connection.sendall(data)

    def wait(self, seconds: float | None = None) -> None:
        """Keep the connection open that long, or until the server stops, which always ends it."""
        if self.stopped.wait(seconds):
            raise ConnectionAbortedError


Answer = Callable[[Exchange], None]


def reply(
    body: bytes = b"{}", status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """Write a complete response; the connection stays open."""
    return write(head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body)


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """The status line and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def write(data: bytes) -> Answer:
    """Write these bytes; the connection stays open for the next request."""
    return lambda exchange: exchange.write(data)


def write_and_close(data: bytes = b"") -> Answer:
    """Write these bytes, and close the connection."""

    def answer(exchange: Exchange) -> None:
        exchange.write(data)
        raise ConnectionAbortedError

    return answer


def write_and_reset(data: bytes = b"") -> Answer:
    """Write these bytes, and reset the connection: the next read fails."""

    def answer(exchange: Exchange) -> None:
        exchange.write(data)
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    return answer


def write_and_hang(data: bytes = b"") -> Answer:
    """Write these bytes, and no others; the connection stays open."""

    def answer(exchange: Exchange) -> None:
        exchange.write(data)
        exchange.wait()

    return answer


def drip(first: bytes, repeated: bytes, seconds: float = 0.02) -> Answer:
    """Write `first` at once; then `repeated` byte by byte, without end."""

    def answer(exchange: Exchange) -> None:
        exchange.write(first)
        while True:
            for byte in repeated:
                exchange.wait(seconds)
                exchange.write(bytes([byte]))

    return answer


def flood(first: bytes, repeated: bytes) -> Answer:
    """Write `first`, then `repeated` without end, as fast as it is read."""

    def answer(exchange: Exchange) -> None:
        exchange.write(first)
        piece = repeated * max(1, _PIECE // len(repeated))
        while not exchange.stopped.is_set():
            exchange.write(piece)

    return answer


def tunnel(port: int) -> Answer:
    """Answer CONNECT as a proxy: connect to that local port, whatever the requested host is."""

    def answer(exchange: Exchange) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            exchange.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ways = {exchange.connection: there, there: exchange.connection}
            while True:
                for end in select.select([*ways], [], [])[0]:
                    data = end.recv(_PIECE)
                    if not data:
                        raise ConnectionAbortedError
                    ways[end].sendall(data)

    return answer


class Scripted:
    """A server on loopback, which runs in a `with` block.

    Each request gets the next answer, on any connection; the last answer is repeated. Without
    answers, the server closes every connection.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._answers = deque(answers or [write_and_close()])
        self._tls = tls
        self._lock = threading.Lock()
        self._exchanges: list[tuple[threading.Thread, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._waker: tuple[str, int] | None = None
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def close(self) -> None:
        """Close all connections. After this, `connections` is final."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        with socket.socket() as waker:
            waker.bind(("127.0.0.1", 0))
            self._waker = waker.getsockname()
            waker.connect(("127.0.0.1", self.port))
            self._acceptor.join()
        for thread, connection in self._exchanges:
            with suppress(OSError):  # the other side was faster
                # Not SSLSocket's own, which pulls the TLS state from under the reading thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            if peer == self._waker:
                connection.close()
                return
            if self._tls:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            self._exchanges.append((thread, connection))
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError), connection:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            while request := _read(connection, number):
                with self._lock:
                    self.requests.append(request)
                    answer = self._answers[0]
                    if len(self._answers) > 1:
                        self._answers.popleft()
                answer(Exchange(request, connection, self.stopped))


def _read(connection: socket.socket, number: int) -> ReceivedRequest | None:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode()
        if not line:
            return None
        method, target, _ = line.split()
        headers = {}
        while (line := stream.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
    return ReceivedRequest(number, method, target, headers, body)


CHUNKED = head(200, {"Transfer-Encoding": "chunked"})


def failure_of(client: Client, server: Scripted, deadline: Deadline) -> HttpError:
    """Send a request that must fail, with a key, and return the error, which has no key in it."""
    with pytest.raises(HttpError) as caught:
        client.get_json(f"{server.url}/things", {"Authorization": "Bearer k3y"}, deadline)
    assert "k3y" not in repr(caught.value)
    return caught.value
