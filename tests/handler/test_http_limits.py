"""The HTTPS client against providers that hang, drip, never stop, or send too much."""

from __future__ import annotations

import os
import resource
import socket
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from handler.clock import Deadline
from handler.http import MAX_BODY_BYTES, Client, HttpError
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    CHUNKED,
    Answer,
    Exchange,
    Scripted,
    drip,
    flood,
    head,
    reply,
    write,
    write_and_close,
    write_and_hang,
)

Serve = Callable[..., Scripted]
InSeconds = Callable[[float], Deadline]
SIZED = head(200, {"Content-Length": str(MAX_BODY_BYTES)})
IN_TIME = "^no complete answer in time$"
TOO_LARGE = "^the response is larger than 6 MiB$"


ENDLESS: dict[str, Answer] = {
    "hangs within the status line": write_and_hang(b"HTTP/1.1 200"),
    "hangs within the headers": write_and_hang(b"HTTP/1.1 200 OK\r\nA: b\r\n"),
    "hangs after 100 Continue": write_and_hang(head(100)),
    "hangs before a body without length": write_and_hang(head()),
    "hangs within the body": write_and_hang(SIZED + b"[1"),
    "hangs between chunks": write_and_hang(CHUNKED + b'4\r\n{"a"\r\n'),
    "hangs before the trailer": write_and_hang(CHUNKED + b"2\r\n{}\r\n0\r\n"),
    "sends less than promised": write_and_hang(head(200, {"Content-Length": "3"}) + b"{}"),
    "drips the status line": drip(b"", b"HTTP/1.1 200 OK"),
    "drips headers": drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "drips a body with a length": drip(SIZED, b"1"),
    "drips a body without": drip(head(), b"1"),
    "drips chunks": drip(CHUNKED, b"1\r\n1\r\n"),
    "drips the trailer": drip(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "drips 100 Continue": drip(b"", head(100)),
}


@pytest.mark.usefixtures("_no_hedging")
def test_given_up_at_the_deadline(client: Client, serve: Serve, real_deadline: InSeconds) -> None:
    """The deadline ends an unfinished response, without a retry."""
    servers = {name: serve(answer) for name, answer in ENDLESS.items()}

    def failure(name: str) -> tuple[str, int]:
        with pytest.raises(HttpError, match=IN_TIME) as caught:
            client.get_json(servers[name].url, {}, real_deadline(1))
        assert (caught.value.status, caught.value.body) == (None, b"")
        return name, len(servers[name].requests)

    with ThreadPoolExecutor(len(servers)) as pool:
        assert dict(pool.map(failure, servers)) == dict.fromkeys(servers, 1)


@pytest.mark.usefixtures("_no_hedging")
def test_retries_share_the_deadline(client: Client, serve: Serve, real_deadline: InSeconds) -> None:
    """A retry gets what the first try left, not a new budget."""
    server = serve(write_and_close(), write_and_hang(b"H"))
    with pytest.raises(HttpError, match=IN_TIME):
        client.get_json(server.url, {}, real_deadline(1))
    assert len(server.requests) == 2


def test_nothing_is_begun_after_the_deadline(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Then no connection is opened, and no kept one used."""
    fresh, known = serve(reply()), serve(reply())
    client.get_json(known.url, {}, set_clock.deadline())
    passed = set_clock.deadline(0)
    for server in (fresh, known):
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json(server.url, {}, passed)
        server.close()
    assert fresh.connections == 0
    assert len(known.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood(head(200, {"Content-Length": "104857600"}), b"1"), id="100 MB"),
        pytest.param(flood(CHUNKED, b"10000\r\n" + b"1" * 2**16 + b"\r\n"), id="without end"),
        pytest.param(flood(head(), b"1"), id="without length or end"),
        pytest.param(flood(head(503), b"1"), id="an error's"),
        pytest.param(reply(b"1" * (MAX_BODY_BYTES + 1)), id="one byte too many"),
    ],
)
def test_a_too_large_body(
    answer: Answer, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Reading stops once a body exceeds 6 MiB, without a retry."""
    server = serve(answer)
    with pytest.raises(HttpError, match=TOO_LARGE):
        client.get_json(server.url, {}, set_clock.deadline())
    assert len(server.requests) == 1
    assert set_clock.waits == []


def test_the_largest_body(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Exactly 6 MiB is read."""
    server = serve(reply(b"1" * MAX_BODY_BYTES))
    assert len(client.send("GET", server.url, {}, None, set_clock.deadline())) == MAX_BODY_BYTES


def test_a_body_in_tiny_pieces(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Many small chunks take little more memory than a few large ones."""
    size = 40_000
    server = serve(write(CHUNKED + b"2\r\n[]\r\n" * (size // 2) + b"0\r\n\r\n"))
    tracemalloc.start()
    try:
        body = client.send("GET", server.url, {}, None, set_clock.deadline())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == size
    assert peak < 5 * size


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), id="pours headers"),
        pytest.param(flood(CHUNKED + b"0\r\n", b"A: b\r\n"), id="pours trailers"),
        pytest.param(flood(b"", head(100)), id="pours 100 Continue"),
        pytest.param(flood(b"", head(103)), id="pours early hints"),
        pytest.param(flood(CHUNKED, b"1;x=y\r\n1\r\n"), id="pours tiny chunks"),
    ],
)
def test_endless_framing(answer: Answer, client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Endless headers or chunks are cut off at a number or size, before the deadline."""
    problem = "^connection failed: the response has too much outside its body$"
    with pytest.raises(HttpError, match=problem):
        client.get_json(serve(answer).url, {}, set_clock.deadline())


def test_bytes_beyond_the_content_length(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """They are not part of this response, nor of the next one."""

    def answer(exchange: Exchange) -> None:
        exchange.write(head(200, {"Content-Length": "1"}) + b"1" + b"2" * 10)

    server = serve(answer)
    for _ in range(3):
        assert client.get_json(server.url, {}, set_clock.deadline()) == 1


def test_connecting_takes_too_long(
    deaf_port: int, client: Client, real_deadline: InSeconds
) -> None:
    """The deadline applies while connecting."""
    with pytest.raises(HttpError, match=IN_TIME):
        client.get_json(f"http://127.0.0.1:{deaf_port}", {}, real_deadline(0.2))


def test_resolving_takes_too_long(
    client: Client, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver's own timeouts are longer: the deadline ends the wait."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: answered.wait())
    try:
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json("http://localhost", {}, real_deadline(0.2))
    finally:
        answered.set()


def test_no_tls_answer(client: Client, real_deadline: InSeconds) -> None:
    """The deadline applies during the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json(f"https://127.0.0.1:{port}", {}, real_deadline(0.2))


def test_each_operation_ends_with_the_deadline(serve: Serve, set_clock: SetClock) -> None:
    """Each gets the time that is left, and none is started after the deadline."""
    server, deadline = serve(drip(head(), b"1")), set_clock.deadline(6)
    timeouts: list[tuple[float | None, float]] = []

    class Recorded(socket.socket):
        def settimeout(self, value: float | None) -> None:
            timeouts.append((value, deadline.left()))
            super().settimeout(value)

        def recv_into(self, *args: Any) -> int:  # noqa: ANN401 - whatever it takes
            set_clock.advance(1)
            return super().recv_into(*args)

    def connect(*_: object) -> socket.socket:
        return Recorded(fileno=socket.create_connection(("127.0.0.1", server.port)).detach())

    with pytest.raises(HttpError, match=IN_TIME):
        Client(set_clock.clock, connect).get_json(server.url, {}, deadline)
    assert all(timeout == left for timeout, left in timeouts)
    assert timeouts[-1] == (1, 1)


def test_file_numbers_of_1024_and_above(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """A process with many open files can still send requests."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server, held = serve(reply(b"[1]")), [os.dup(0)]
    try:
        while held[-1] < 1024:
            held.append(os.dup(0))
        assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
