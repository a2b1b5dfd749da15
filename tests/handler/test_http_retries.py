"""The HTTPS client: what is retried, when, and how often."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest

from handler.http import Client, HttpError
from tests.handler.conftest import NOW, SetClock
from tests.handler.scripted import (
    CHUNKED,
    Answer,
    Scripted,
    failure_of,
    head,
    reply,
    write,
    write_and_close,
)

Serve = Callable[..., Scripted]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_overload_is_retried(
    status: int, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """429 and 5xx are retried twice, each time after a longer pause."""
    overloaded = write(b"HTTP/1.1 %d Busy\r\nContent-Length: 2\r\n\r\nno" % status)
    server = serve(overloaded, overloaded, reply(b"[1]"))
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    assert set_clock.waits == [0.2, 0.4]


def test_gives_up_after_two_retries(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """The third refusal is the result."""
    server = serve(reply(b"no", 503))
    error = failure_of(client, server, set_clock.deadline())
    assert (str(error), error.status, error.body) == ("answered 503", 503, b"no")
    assert len(server.requests) == 3
    assert set_clock.waits == [0.2, 0.4]


# Where a response is not what it should be, by what the error says about it.
MALFORMED: dict[str, dict[str, bytes]] = {
    "the response was cut off": {
        "within the status line": b"HTTP/1.1 200",
        "within the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
        "within the body": head(200, {"Content-Length": "9"}) + b'{"a"',
        "between chunks": CHUNKED + b'4\r\n{"a"',
        "within a chunk": CHUNKED + b'9\r\n{"a"',
        "before the trailer": CHUNKED + b"2\r\n[]\r\n0\r\n",
        "after a mere hint": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    },
    "the response is not valid HTTP/1.1": {
        "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
        "another HTTP": b"HTTP/3.0 200 OK\r\n\r\n[]",
    },
    "the response has no clear length": {
        "two codings": head(200, {"Transfer-Encoding": "gzip, chunked"}) + b"[]",
    },
    "the response has too much outside its body": {
        "a header too long": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
        "a status line too long": b"H" * 70_000,
    },
    "the response changes the protocol": {"101": head(101)},
}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(write_and_close(), "connection failed (ConnectionResetError)", id="nothing"),
        *(
            pytest.param(write_and_close(data), f"connection failed: {problem}", id=name)
            for problem, responses in MALFORMED.items()
            for name, data in responses.items()
        ),
    ],
)
def test_lost_connections_are_retried(
    answer: Answer, problem: str, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A response that isn't whole is retried twice on a new connection; the error says why."""
    server = serve(answer)
    error = failure_of(client, server, set_clock.deadline())
    assert (str(error), error.status) == (problem, None)
    assert [request.connection for request in server.requests] == [1, 2, 3]
    recovered = serve(answer, answer, reply(b"[1]"))
    assert client.get_json(recovered.url, {}, set_clock.deadline()) == [1]


def test_nobody_listens(client: Client, set_clock: SetClock) -> None:
    """A refused connection is a failure after two retries."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(HttpError, match=r"^connection failed \(ConnectionRefusedError\)$"):
        client.get_json(f"http://127.0.0.1:{port}", {}, set_clock.deadline())
    assert set_clock.waits == [0.2, 0.4]


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        ("3", 3.0),
        ("3 ", 3.0),
        ("0", 0.2),
        (format_datetime(NOW + timedelta(seconds=5), usegmt=True), 5.0),
        ("Wednesday, 04-Mar-26 12:00:04 GMT", 4.0),
        ("Wed Mar  4 12:00:04 2026", 4.0),
        ("Wed, 04 Mar 2026 13:00:04 +0100", 4.0),
        (format_datetime(NOW - timedelta(seconds=5), usegmt=True), 0.2),
        ("soon", 0.2),
        ("", 0.2),
        ("-1", 0.2),
        ("1e0", 0.2),
        ("\xb2", 0.2),
        ("Mon, 99 Mar 2026 12:00:00 GMT", 0.2),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.2),
    ],
)
def test_retry_after_is_respected(
    retry_after: str, pause: float, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """The pause is in seconds or until a date; an unreadable value is ignored."""
    server = serve(reply(b"no", 429, {"Retry-After": retry_after}), reply(b"[1]"))
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    assert set_clock.waits == [pytest.approx(pause)]


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"ratelimit-reset": "3"}, 3.0),
        (429, {"RateLimit-Reset": " 3 "}, 3.0),
        (429, {"ratelimit-reset": "0"}, 0.2),
        (429, {"ratelimit-reset": "soon"}, 0.2),
        (429, {"ratelimit-reset": "3", "Retry-After": "1"}, 1.0),
        (500, {"ratelimit-reset": "3"}, 0.2),
        (503, {"ratelimit-reset": "3", "Retry-After": "1"}, 1.0),
        (429, {"X-RateLimit-Reset": "1772625600"}, 0.2),
    ],
)
def test_pagerdutys_name_of_the_pause(
    status: int,
    headers: dict[str, str],
    pause: float,
    client: Client,
    serve: Serve,
    set_clock: SetClock,
) -> None:
    """`ratelimit-reset` is in seconds, and in every response: it applies only to a 429."""
    server = serve(reply(b"no", status, headers), reply(b"[1]"))
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    assert set_clock.waits == [pytest.approx(pause)]


@pytest.mark.parametrize(
    "retry_after",
    ["6", "3600", "9" * 400, format_datetime(NOW + timedelta(seconds=6), usegmt=True)],
    ids=["the budget", "an hour", "for ever", "a date"],
)
def test_a_pause_beyond_the_budget_is_a_failure(
    retry_after: str, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """The request fails at once if the pause would exceed the deadline."""
    server = serve(reply(b"no", 429, {"Retry-After": retry_after}))
    assert str(failure_of(client, server, set_clock.deadline(6))) == "answered 429"
    assert (len(server.requests), set_clock.waits) == (1, [])


def test_retries_share_the_budget(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Pauses count, too: one that no longer fits is not started."""
    server = serve(reply(b"no", 429, {"Retry-After": "4"}))
    assert str(failure_of(client, server, set_clock.deadline(6))) == "answered 429"
    assert (len(server.requests), set_clock.waits) == (2, [4.0])
