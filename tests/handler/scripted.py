"""A server that says what a test scripts, byte by byte, and remembers what it was asked."""

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


class Talk(NamedTuple):
    """The answering side of one request."""

    asked: ReceivedRequest
    connection: socket.socket
    stopped: threading.Event

    def write(self, data: bytes) -> None:
        """Send; OSError, once the client has gone, ends the connection quietly."""
        self.connection.sendall(data)

    def wait(self, seconds: float | None = None) -> None:
        """Hold the line that long, or for good; the end of the server ends it in any case."""
        if self.stopped.wait(seconds):
            raise ConnectionAbortedError


Answer = Callable[[Talk], None]


def reply(
    body: bytes = b"{}", status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """A whole answer; the connection stays open."""
    return say(head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body)


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """The status line and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def say(data: bytes) -> Answer:
    """Those bytes; the connection stays open for the next request."""
    return lambda talk: talk.write(data)


def say_and_hang_up(data: bytes = b"") -> Answer:
    """Those bytes, and the end of the connection."""

    def answer(talk: Talk) -> None:
        talk.write(data)
        raise ConnectionAbortedError

    return answer


def say_and_reset(data: bytes = b"") -> Answer:
    """Those bytes, and a connection that is reset: whoever reads next meets an error."""

    def answer(talk: Talk) -> None:
        talk.write(data)
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    return answer


def say_and_hang(data: bytes = b"") -> Answer:
    """Those bytes, then never another."""

    def answer(talk: Talk) -> None:
        talk.write(data)
        talk.wait()

    return answer


def drip(said: bytes, dripped: bytes, seconds: float = 0.02) -> Answer:
    """The first bytes at once; the others one by one, again and again, without end."""

    def answer(talk: Talk) -> None:
        talk.write(said)
        while True:
            for byte in dripped:
                talk.wait(seconds)
                talk.write(bytes([byte]))

    return answer


def pour(said: bytes, poured: bytes) -> Answer:
    """The first bytes, then the others again and again, as fast as they are read."""

    def answer(talk: Talk) -> None:
        talk.write(said)
        piece = poured * max(1, _PIECE // len(poured))
        while not talk.stopped.is_set():
            talk.write(piece)

    return answer


def tunnel(port: int) -> Answer:
    """What a proxy answers to CONNECT: a way to that port here, whatever host was asked for."""

    def answer(talk: Talk) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            talk.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ways = {talk.connection: there, there: talk.connection}
            while True:
                for each in select.select([*ways], [], [])[0]:
                    data = each.recv(_PIECE)
                    if not data:
                        raise ConnectionAbortedError
                    ways[each].sendall(data)

    return answer


class Scripted:
    """A server on loopback from `with` to the end of it.

    Each request takes the next answer, whatever its connection; the last one is given again and
    again. Without any, it hangs up.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[ReceivedRequest] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._answers = deque(answers or [say_and_hang_up()])
        self._tls = tls
        self._lock = threading.Lock()
        self._talking: list[tuple[threading.Thread, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._waker: tuple[str, int] | None = None
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def close(self) -> None:
        """Hang up on everybody. Connections that were made until now are counted after this."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        with socket.socket() as waker:
            waker.bind(("127.0.0.1", 0))
            self._waker = waker.getsockname()
            waker.connect(("127.0.0.1", self.port))
            self._acceptor.join()
        for thread, connection in self._talking:
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
                target=self._talk, args=(connection, self.connections), daemon=True
            )
            self._talking.append((thread, connection))
            thread.start()

    def _talk(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError), connection:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            while asked := _read(connection, number):
                with self._lock:
                    self.asked.append(asked)
                    answer = self._answers[0]
                    if len(self._answers) > 1:
                        self._answers.popleft()
                answer(Talk(asked, connection, self.stopped))


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
    """Ask, with a key, what has to fail; the error does not hold the key."""
    with pytest.raises(HttpError) as caught:
        client.get_json(f"{server.url}/things", {"Authorization": "Bearer k3y"}, deadline)
    assert "k3y" not in repr(caught.value)
    return caught.value
