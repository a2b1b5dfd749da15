"""The HTTPS client against providers that hang, drip, never end, or send too much."""

from __future__ import annotations

import os
import resource
import select
import socket
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from handler.clock import Deadline
from handler.http import MOST_BYTES, Client, HttpError
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    CHUNKED,
    Answer,
    Scripted,
    Talk,
    drip,
    head,
    pour,
    reply,
    say,
    say_and_hang,
    say_and_hang_up,
)

Serve = Callable[..., Scripted]
InSeconds = Callable[[float], Deadline]
SIZED = head(200, {"Content-Length": str(100 * 2**20)})
IN_TIME = "^no whole answer in time$"
TOO_LARGE = "^the answer is over 6 MiB$"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(say_and_hang(b"HTTP/1.1 200"), id="hangs within the status line"),
        pytest.param(say_and_hang(b"HTTP/1.1 200 OK\r\nA: b\r\n"), id="hangs within the headers"),
        pytest.param(say_and_hang(head(100)), id="hangs after 100 Continue"),
        pytest.param(say_and_hang(head()), id="hangs before a body without length"),
        pytest.param(say_and_hang(SIZED + b"[1"), id="hangs within the body"),
        pytest.param(say_and_hang(CHUNKED + b'4\r\n{"a"\r\n'), id="hangs between chunks"),
        pytest.param(say_and_hang(CHUNKED + b"2\r\n{}\r\n0\r\n"), id="hangs before the trailer"),
        pytest.param(
            say_and_hang(head(200, {"Content-Length": "3"}) + b"{}"), id="sends less than promised"
        ),
        pytest.param(drip(b"", b"HTTP/1.1 200 OK"), id="drips the status line"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), id="drips headers"),
        pytest.param(drip(SIZED, b"1"), id="drips a body with a length"),
        pytest.param(drip(head(), b"1"), id="drips a body without"),
        pytest.param(drip(CHUNKED, b"1\r\n1\r\n"), id="drips chunks"),
        pytest.param(drip(CHUNKED + b"0\r\n", b"A: b\r\n"), id="drips the trailer"),
        pytest.param(drip(b"", head(100)), id="drips 100 Continue"),
        pytest.param(pour(CHUNKED, b"1\r\n1\r\n"), id="pours tiny chunks"),
    ],
)
def test_given_up_at_the_deadline(
    answer: Answer, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """However an answer fails to come to an end, the deadline ends it, without another try."""
    server = serve(answer)
    with pytest.raises(HttpError, match=IN_TIME) as caught:
        client.get_json(server.url, {}, real_deadline(0.3))
    assert (caught.value.status, caught.value.body) == (None, b"")
    assert len(server.asked) == 1


def test_the_deadline_is_for_all_tries_together(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """A retry gets what the first try left, not a new budget."""
    server = serve(say_and_hang_up(), say_and_hang(b"H"))
    with pytest.raises(HttpError, match=IN_TIME):
        client.get_json(server.url, {}, real_deadline(0.4))
    assert len(server.asked) == 2


def test_nothing_is_begun_after_the_deadline(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Without time left nobody is connected to, nor asked over a kept connection."""
    fresh, known = serve(reply()), serve(reply())
    client.get_json(known.url, {}, set_clock.deadline())
    passed = set_clock.deadline(0)
    for server in (fresh, known):
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json(server.url, {}, passed)
        server.close()
    assert fresh.connections == 0
    assert len(known.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(pour(SIZED, b"1"), id="100 MB"),
        pytest.param(pour(CHUNKED, b"10000\r\n" + b"1" * 2**16 + b"\r\n"), id="without end"),
        pytest.param(pour(head(), b"1"), id="without length or end"),
        pytest.param(pour(head(503), b"1"), id="an error's"),
        pytest.param(reply(b"1" * (MOST_BYTES + 1)), id="one byte too many"),
    ],
)
def test_too_large_a_body_is_left_unread(
    answer: Answer, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A body over 6 MiB is given up where it becomes too large, and not asked for again."""
    server = serve(answer)
    with pytest.raises(HttpError, match=TOO_LARGE):
        client.get_json(server.url, {}, set_clock.deadline())
    assert len(server.asked) == 1
    assert set_clock.waits == []


def test_the_largest_body(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Exactly 6 MiB is read."""
    server = serve(reply(b"1" * MOST_BYTES))
    assert len(client.send("GET", server.url, {}, None, set_clock.deadline())) == MOST_BYTES


def test_a_body_in_tiny_pieces(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """The limit is one on memory, too: many small chunks take little more than a few large ones."""
    size = 40_000
    server = serve(say(CHUNKED + b"2\r\n[]\r\n" * (size // 2) + b"0\r\n\r\n"))
    tracemalloc.start()
    try:
        body = client.send("GET", server.url, {}, None, set_clock.deadline())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == size
    assert peak < 5 * size


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        pytest.param(
            pour(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), "TooManyHeaders", id="pours headers"
        ),
        pytest.param(pour(CHUNKED + b"0\r\n", b"A: b\r\n"), "TooManyHeaders", id="pours trailers"),
        pytest.param(pour(b"", head(100)), "BadStatusLine", id="pours 100 Continue"),
    ],
)
def test_endless_heads(
    answer: Answer, named: str, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """What is poured out without end is cut off by its number, long before the deadline."""
    with pytest.raises(HttpError, match=rf"^connection failed \({named}\)$"):
        client.get_json(serve(answer).url, {}, set_clock.deadline())


def test_more_than_promised(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """What follows the promised length is not part of this answer, nor of the next."""

    def answer(talk: Talk) -> None:
        talk.write(head(200, {"Content-Length": "1"}) + b"1" + b"2" * 10)

    server = serve(answer)
    for _ in range(3):
        assert client.get_json(server.url, {}, set_clock.deadline()) == 1


def test_connecting_takes_too_long(
    deaf_port: int, client: Client, real_deadline: InSeconds
) -> None:
    """The deadline holds while connecting."""
    with pytest.raises(HttpError, match=IN_TIME):
        client.get_json(f"http://127.0.0.1:{deaf_port}", {}, real_deadline(0.2))


def test_resolving_takes_too_long(
    client: Client, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver has time-outs of its own: it is given up at ours."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: answered.wait())
    try:
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json("http://localhost", {}, real_deadline(0.2))
    finally:
        answered.set()


def test_no_tls_answer(client: Client, real_deadline: InSeconds) -> None:
    """The deadline holds during the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(HttpError, match=IN_TIME):
            client.get_json(f"https://127.0.0.1:{port}", {}, real_deadline(0.2))


def test_each_wait_ends_with_the_deadline(
    client: Client, serve: Serve, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is waited for beyond it, however much of it earlier waits took."""
    deadline = set_clock.deadline(6)
    waits: list[tuple[float, float]] = []
    real = select.poll

    class Noted(NamedTuple):
        poller: select.poll

        def register(self, number: int, events: int) -> None:
            self.poller.register(number, events)

        def poll(self, milliseconds: float) -> Any:  # noqa: ANN401 - as poll itself
            waits.append((milliseconds / 1000, deadline.left()))
            set_clock.advance(1)
            return self.poller.poll(milliseconds)

    monkeypatch.setattr(select, "poll", lambda: Noted(real()))
    with pytest.raises(HttpError, match=IN_TIME):
        client.get_json(serve(drip(head(), b"1")).url, {}, deadline)
    assert all(seconds <= left for seconds, left in waits)
    assert waits[-1] == (1, 1)


def test_file_numbers_of_1024_and_above(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """A process that holds many files open asks as well."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server, held = serve(reply(b"[1]")), [os.dup(0)]
    try:
        while held[-1] < 1024:
            held.append(os.dup(0))
        assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
