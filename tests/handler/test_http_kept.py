"""The HTTPS client: which connections are kept and reused."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from handler.clock import Deadline
from handler.http import Client, HttpError
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    Answer,
    Exchange,
    Scripted,
    drip,
    failure_of,
    head,
    reply,
    write,
    write_and_close,
    write_and_reset,
)

Serve = Callable[..., Scripted]


def test_connections_are_kept(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """The next request uses the same connection, even after an error with a body."""
    server = serve(reply(), reply(b"no", 404), reply(b"[" + b"1," * 99_999 + b"1]"), reply())
    client.get_json(server.url, {}, set_clock.deadline())
    failure_of(client, server, set_clock.deadline())
    client.get_json(server.url, {}, set_clock.deadline())
    client.get_json(server.url, {}, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 1, 1, 1]


def test_connections_are_kept_by_address(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """A connection to one port is not used for another one."""
    one, other = serve(reply(b"1")), serve(reply(b"2"))
    for _ in range(2):
        assert client.get_json(one.url, {}, set_clock.deadline()) == 1
        assert client.get_json(other.url, {}, set_clock.deadline()) == 2
    assert (one.connections, other.connections) == (1, 1)


@pytest.mark.parametrize(("idle", "connections"), [(9.9, 1), (10.0, 2), (3600.0, 2)])
def test_old_connections_are_not_used(
    idle: float, connections: int, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """They are closed after 10 s: the network may have dropped them while Lambda was frozen."""
    server = serve(reply())
    client.get_json(server.url, {}, set_clock.deadline())
    set_clock.advance(idle)
    client.get_json(server.url, {}, set_clock.deadline())
    assert server.requests[-1].connection == connections


def test_a_connection_from_before_a_freeze(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A response that arrived before is read; the connection is not reused."""

    def freeze_and_reply(exchange: Exchange) -> None:
        set_clock.advance(60)
        reply()(exchange)

    server = serve(freeze_and_reply, reply())
    for _ in range(2):
        client.get_json(server.url, {}, set_clock.deadline(600))
    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize("interim", [head(100), head(103, {"Link": "</a>"}), head(102) + head(103)])
def test_interim_responses_are_skipped(
    interim: bytes, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """RFC 9110, 15.2: any number of them may precede the final one."""
    server = serve(write(interim + head(200, {"Content-Length": "1"}) + b"1"))
    for _ in range(2):
        assert client.get_json(server.url, {}, set_clock.deadline()) == 1
    assert server.connections == 1


def test_connection_close_is_respected(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """After `Connection: close` the next request opens another connection."""
    server = serve(reply(headers={"Connection": "close"}), reply())
    client.get_json(server.url, {}, set_clock.deadline())
    client.get_json(server.url, {}, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize("status", [204, 304])
def test_a_late_body_is_not_the_next_response(
    status: int, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """These have none. Some servers send one even so, which may come after the next request."""
    server = serve(write(head(status, {"Content-Length": "40"})), reply())
    with suppress(HttpError):
        client.send("GET", server.url, {}, None, set_clock.deadline())
    client.send("GET", server.url, {}, None, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize(
    "unasked", [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2", b"\r\n", b"2"]
)
def test_surplus_bytes_are_not_the_next_response(
    unasked: bytes, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Bytes that follow a response are discarded with their connection."""
    first = head(200, {"Content-Length": "1"}) + b"1"
    server = serve(write(first + unasked), reply(b"3"))
    assert client.get_json(server.url, {}, set_clock.deadline()) == 1
    assert client.get_json(server.url, {}, set_clock.deadline()) == 3
    assert [request.connection for request in server.requests] == [1, 2]


def wait_for_the_end(client: Client, server: Scripted) -> None:
    """Wait until the close of the one kept connection has arrived."""
    ((kept, _),) = client._idle["http", f"127.0.0.1:{server.port}"]
    with suppress(ConnectionResetError):
        kept.raw_socket.settimeout(10)
        assert kept.raw_socket.recv(1, socket.MSG_PEEK) == b""


ANSWER = head(200, {"Content-Length": "2"}) + b"{}"


@pytest.mark.parametrize("ends", [write_and_close, write_and_reset])
def test_a_kept_connection_that_ended_is_noticed(
    ends: Callable[[bytes], Answer], client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """One that the provider closed costs neither a failure nor a retry."""
    server = serve(ends(ANSWER), reply())
    client.get_json(server.url, {}, set_clock.deadline())
    wait_for_the_end(client, server)
    set_clock.advance(1)
    client.get_json(server.url, {}, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 2]
    assert set_clock.waits == []


@pytest.mark.parametrize("ends", [write_and_close(), write_and_reset()])
def test_a_kept_connection_that_ends_too_late_is_retried(
    ends: Answer, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """If it closes instead of answering, the request is sent again."""
    server = serve(reply(), ends, reply())
    client.get_json(server.url, {}, set_clock.deadline())
    client.get_json(server.url, {}, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 1, 2]
    assert set_clock.waits == [0.2]


def test_a_deadline_that_passes_while_a_kept_connection_is_used(
    serve: Serve, set_clock: SetClock
) -> None:
    """The request fails, and the connection is closed."""
    server = serve(reply(b"[1]"))

    class Slow(socket.socket):
        def send(self, *args: Any) -> int:  # noqa: ANN401 - whatever it takes
            set_clock.advance(5)
            return super().send(*args)

    opened = Slow(fileno=socket.create_connection(("127.0.0.1", server.port)).detach())
    client = Client(set_clock.clock, lambda *_: opened)
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    with pytest.raises(HttpError, match=r"^no complete answer in time$"):
        client.get_json(server.url, {}, set_clock.deadline(5))
    assert opened.fileno() == -1


def test_a_connection_taken_by_another_thread(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """If another thread takes the last kept connection, a new one is opened."""

    class Taken(deque[object]):
        def pop(self) -> object:  # type: ignore[override]  # a deque's takes no index either
            self.clear()
            raise IndexError

    server = serve(reply(b"[1]"))
    address = ("http", f"127.0.0.1:{server.port}")
    client._idle[address] = Taken([object()])  # type: ignore[assignment]  # it holds nothing usable
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    assert len(client._idle[address]) == 1
    client._idle[address] = deque(client._idle[address])


@pytest.mark.usefixtures("_no_hedging")
def test_a_failed_request_keeps_no_connection(
    client: Client, serve: Serve, set_clock: SetClock, real_deadline: Callable[[float], Deadline]
) -> None:
    """A connection on which half a response may still arrive is never reused."""
    server = serve(drip(head(200, {"Content-Length": "100"}), b"[]"), reply(json.dumps(1).encode()))
    failure_of(client, server, real_deadline(0.5))
    assert client.get_json(server.url, {}, set_clock.deadline()) == 1
    assert [request.connection for request in server.requests] == [1, 2]


def test_closing_a_client(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """It closes the kept connections; the client stays usable."""
    server = serve(reply())
    client.get_json(server.url, {}, set_clock.deadline())
    client.close()
    client.close()
    client.get_json(server.url, {}, set_clock.deadline())
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_client_that_is_closed_keeps_nothing(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A request that is still running closes its connection afterwards."""
    server = serve(reply())
    client.close()
    for _ in range(2):
        client.get_json(server.url, {}, set_clock.deadline())
    assert server.connections == 2
