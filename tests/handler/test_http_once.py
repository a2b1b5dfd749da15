"""The HTTPS client with a request that may not arrive twice."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

import pytest

from handler import hedging
from handler.clock import Deadline
from handler.http import Client, HttpError
from tests.handler.builders import LONG
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    Answer,
    Scripted,
    drip,
    head,
    reply,
    write_and_close,
    write_and_hang,
    write_and_reset,
)

Serve = Callable[..., Scripted]
InSeconds = Callable[[float], Deadline]
HEADERS = {"Content-Type": "text/plain"}
IN_TIME = "^no complete answer in time$"

FAILURES: Mapping[str, tuple[Answer, str]] = {
    "500": (reply(status=500), "answered 500"),
    "503": (reply(status=503, headers={"Retry-After": "0"}), "answered 503"),
    "429": (reply(status=429), "answered 429"),
    "410": (reply(status=410), "answered 410"),
    "redirect": (reply(status=307, headers={"Location": "http://127.0.0.1/"}), "answered 307"),
    "hangs up": (write_and_close(), r"connection failed \(ConnectionResetError\)"),
    "resets": (write_and_reset(), r"connection failed \("),
    "breaks off": (write_and_close(head(200, {"Content-Length": "9"})), "the response was cut off"),
}


@pytest.fixture
def _hedged_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another attempt start soon, where one may."""
    monkeypatch.setattr(hedging, "_CONNECTION_DELAY", 0.05)
    monkeypatch.setattr(hedging, "_RESPONSE_DELAY", 0.05)


def send(client: Client, url: str, deadline: Deadline) -> bytes:
    """Send a request that may not arrive twice."""
    return client.send("POST", f"{url}/hook?key=1", HEADERS, b"hello", deadline, once=True)


def test_it_arrives(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Whole, each time on a new connection, which is closed afterwards."""
    server = serve(reply(b"ok"))
    for _ in range(3):
        assert send(client, server.url, set_clock.deadline()) == b"ok"
    assert [(request.method, request.target, request.body) for request in server.requests] == [
        ("POST", "/hook?key=1", b"hello")
    ] * 3
    assert server.connections == 3
    assert not any(client._idle.values())


@pytest.mark.parametrize("failure", FAILURES)
def test_it_is_not_sent_again(
    failure: str, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Whatever came back, it may have arrived."""
    answer, problem = FAILURES[failure]
    server = serve(answer, reply())
    with pytest.raises(HttpError, match=problem):
        send(client, server.url, set_clock.deadline())
    assert len(server.requests) == 1
    assert set_clock.waits == []


@pytest.mark.usefixtures("_hedged_soon")
@pytest.mark.parametrize("answer", [write_and_hang(), drip(head(), b"1")], ids=["slow", "drips"])
def test_a_slow_answer(
    answer: Answer, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """It ends at the deadline, without a second request beside the first."""
    server = serve(answer)
    with pytest.raises(HttpError, match=IN_TIME):
        send(client, server.url, real_deadline(1))
    assert len(server.requests) == 1


@pytest.mark.usefixtures("_hedged_soon")
def test_a_connection_that_does_not_open(
    deaf_port: int,
    client: Client,
    serve: Serve,
    real_deadline: InSeconds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others are tried, and the request is sent on one of them only."""
    server = serve(reply(b"ok"))
    ports = [deaf_port, server.port]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: found)
    assert send(client, "http://localhost", real_deadline(LONG)) == b"ok"
    assert len(server.requests) == 1


def test_nobody_listens(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Nothing was sent, so connecting is retried as for any request."""
    server = serve()
    server.close()
    with pytest.raises(HttpError, match=r"^connection failed \(ConnectionRefusedError\)$"):
        send(client, server.url, set_clock.deadline())
    assert set_clock.waits == [0.2, 0.4]
