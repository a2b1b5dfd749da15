"""The HTTPS client when an address is dead or an attempt hangs: it starts a second attempt."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import pytest

from cli.webhook_client import send
from handler import hedging
from handler.clock import Deadline
from handler.connection import Connection
from handler.hedging import HedgedRequest
from handler.http import Client, HttpError
from tests.handler.builders import LONG
from tests.handler.scripted import (
    Answer,
    Exchange,
    Scripted,
    head,
    reply,
    write_and_close,
    write_and_hang,
)
from tests.support.certificates import make_certificate, serve_tls

Serve = Callable[..., Scripted]
InSeconds = Callable[[float], Deadline]
Resolves = Callable[..., None]
HedgeSoon = Callable[..., None]
NONE = b"no"


@pytest.fixture
def hedge_soon(monkeypatch: pytest.MonkeyPatch) -> HedgeSoon:
    """Let another attempt start soon from now on, since a test can't wait as long as a decision.

    Requests before that get the product's delays, which even a slow machine does not reach.
    """

    def start(response_delay: float = 0.2) -> None:
        monkeypatch.setattr(hedging, "_CONNECTION_DELAY", 0.05)
        monkeypatch.setattr(hedging, "_RESPONSE_DELAY", response_delay)

    return start


@pytest.fixture
def _hedged_soon(hedge_soon: HedgeSoon) -> None:
    """Let another attempt start soon during the whole test."""
    hedge_soon()


hedged_soon = pytest.mark.usefixtures("_hedged_soon")


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Resolves:
    """Let any name resolve to these ports of this machine, in this order."""

    def resolve(*ports: int) -> None:
        result = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: result)

    return resolve


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that accepts connections, and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def refused_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def join_attempts() -> None:
    """Wait until all attempts have ended."""
    for thread in threading.enumerate():
        if "(_run)" in thread.name:
            thread.join(LONG)


def test_only_its_user_closes_a_connection(
    serve: Serve, client: Client, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was handed over stays open, however late its attempt's thread ends."""
    handed_over, read = threading.Event(), threading.Event()

    class LateQueue(SimpleQueue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002 - as it is declared
            super().put(item, block, timeout)
            if item[1] is True:
                read.wait(LONG)
                handed_over.set()

    monkeypatch.setattr(hedging, "SimpleQueue", LateQueue)
    server = serve(reply(), reply())
    client.get_json(server.url, {}, real_deadline(LONG))
    read.set()
    assert handed_over.wait(LONG)
    join_attempts()
    client.get_json(server.url, {}, real_deadline(LONG))
    assert server.connections == 1


@hedged_soon
@pytest.mark.parametrize("order", ["dead, good", "dead, refused, dead, good", "dead, dead, good"])
def test_a_dead_address(
    order: str,
    deaf_port: int,
    refused_port: int,
    client: Client,
    serve: Serve,
    real_deadline: InSeconds,
    resolves: Resolves,
) -> None:
    """While one address does not accept the connection, the host's next address is tried."""
    server = serve(reply(b"[1]"))
    ports = {"dead": deaf_port, "refused": refused_port, "good": server.port}
    resolves(*(ports[name] for name in order.split(", ")))
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]


@hedged_soon
def test_an_address_whose_tls_hangs(
    mute_port: int,
    client: Client,
    real_deadline: InSeconds,
    resolves: Resolves,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A connection is usable after the TLS handshake: until then the next address is tried."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, reply(b"[1]")) as server:
        resolves(mute_port, mute_port, server.port)
        for _ in range(2):
            assert client.get_json("https://127.0.0.1", {}, real_deadline(LONG)) == [1]


@hedged_soon
def test_one_address_is_tried_twice_at_once_at_most(
    deaf_port: int, client: Client, real_deadline: InSeconds, resolves: Resolves
) -> None:
    """If the only address never answers, the deadline ends it, and no connection stays open."""
    resolves(deaf_port)
    opened: list[socket.socket] = []

    class Counted(socket.socket):
        def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - whatever it takes
            super().__init__(*args, **more)
            opened.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "socket", Counted)
        with pytest.raises(HttpError, match=r"^no complete answer in time$"):
            client.get_json("http://localhost", {}, real_deadline(0.8))
    join_attempts()
    assert [connection.fileno() for connection in opened] == [-1, -1]


@hedged_soon
def test_a_resolver_that_hangs_once(
    client: Client, serve: Serve, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost DNS query is repeated."""
    server, lost, ended = serve(reply(b"[1]")), threading.Event(), threading.Event()
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    def resolve(*_args: object) -> Sequence[object]:
        if not lost.is_set():
            lost.set()
            ended.wait(LONG)
        return there

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]
    finally:
        ended.set()


@hedged_soon
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_hangs(
    method: str, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """It is sent again on another connection; the first one is closed."""
    gone = threading.Event()

    def hang(exchange: Exchange) -> None:
        exchange.connection.settimeout(LONG)
        with suppress(OSError):
            assert exchange.connection.recv(1) == b""
        gone.set()

    server = serve(hang, reply(b"[1]"))
    assert client.send(method, server.url, {}, None, real_deadline(LONG)) == b"[1]"
    assert gone.wait(LONG)
    assert [request.connection for request in server.requests] == [1, 2]
    assert server.requests[0]._replace(connection=2) == server.requests[1]


def test_a_kept_connection_that_hangs(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """If the network has dropped a kept connection, the request costs part of the time only."""
    server = serve(reply(b"[1]"), write_and_hang(), reply(b"[2]"))
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    hedge_soon()
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [2]
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_kept_connections_that_hang(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """The try beside one on a kept connection goes over a new one, whatever else is kept."""
    both = threading.Barrier(2)

    def meet(exchange: Exchange) -> None:
        both.wait(LONG)
        reply(b"[1]")(exchange)

    server = serve(meet, meet, write_and_hang(), reply(b"[2]"))
    url, deadline = server.url, real_deadline(LONG)
    other = threading.Thread(target=client.get_json, args=(url, {}, deadline))
    other.start()
    assert client.get_json(url, {}, deadline) == [1]
    other.join()
    hedge_soon()
    assert client.get_json(url, {}, deadline) == [2]
    assert server.requests[-1].connection == 3


@hedged_soon
def test_a_dead_address_and_a_try_that_hangs(
    deaf_port: int, client: Client, serve: Serve, real_deadline: InSeconds, resolves: Resolves
) -> None:
    """Both are overcome."""
    server = serve(write_and_hang(), reply(b"[1]"))
    resolves(deaf_port, server.port)
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]


def test_another_address_is_tried_first(
    client: Client,
    serve: Serve,
    real_deadline: InSeconds,
    resolves: Resolves,
    hedge_soon: HedgeSoon,
) -> None:
    """The second attempt starts with an address that the first one did not use."""
    hanging, good = serve(reply(b"[1]"), write_and_hang()), serve(reply(b"[2]"))
    resolves(hanging.port, good.port)
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]
    hedge_soon()
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [2]
    assert (len(hanging.requests), len(good.requests)) == (2, 1)


def slow(second: threading.Event, body: bytes = b"[1]") -> Answer:
    """An answer that begins after another request has got its own."""

    def answer(exchange: Exchange) -> None:
        second.wait(LONG)
        exchange.wait(0.3)  # for longer than it takes another try to start
        exchange.write(head(200, {"Content-Length": str(len(body))}) + body)

    return answer


@hedged_soon
@pytest.mark.parametrize(
    ("other", "times"),
    [
        pytest.param(reply(NONE, 503), 3, id="503"),
        pytest.param(reply(NONE, 429, {"Retry-After": "3600"}), 1, id="429 for an hour"),
        pytest.param(write_and_close(head(200, {"Content-Length": "9"})), 3, id="hangs up later"),
    ],
)
def test_a_slow_answer_is_still_used(
    other: Answer, times: int, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """A slow request is waited for, however often the second one is refused."""
    refusals, enough = iter(range(times - 1)), threading.Event()

    def refuse(exchange: Exchange) -> None:
        try:
            other(exchange)
        finally:
            if next(refusals, None) is None:
                enough.set()

    server = serve(slow(enough), refuse)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.requests) == 1 + times


@hedged_soon
def test_who_asks_for_a_pause_gets_it(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """Also where the request beside fails in another way, and later."""
    second = threading.Event()

    def refuse(exchange: Exchange) -> None:
        reply(NONE, 429, {"Retry-After": "3600"})(exchange)
        second.set()

    def fail(exchange: Exchange) -> None:
        second.wait(LONG)
        exchange.wait(0.1)
        reply(NONE, 503)(exchange)

    server = serve(fail, refuse, reply(b"[1]"))
    with pytest.raises(HttpError, match=r"^answered 503$"):
        client.get_json(server.url, {}, real_deadline(LONG))
    assert len(server.requests) == 2


def test_a_request_after_a_pause_is_hedged(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """After the pause that a provider asked for, a request that hangs is sent a second time."""

    def ask_for_a_pause(exchange: Exchange) -> None:
        hedge_soon()
        reply(NONE, 429, {"Retry-After": "1"})(exchange)

    server = serve(ask_for_a_pause, write_and_hang(), reply(b"[1]"))
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]


@hedged_soon
def test_a_slow_answer_beside_one_that_hangs(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """The first answer to begin is used; at most two requests run at once."""
    second = threading.Event()

    def hang(exchange: Exchange) -> None:
        second.set()
        exchange.wait()

    server = serve(slow(second), hang)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.requests) == 2


def test_superfluous_connections_are_closed(serve: Serve, real_deadline: InSeconds) -> None:
    """Of several connections that open at once, one is used."""
    server = serve(reply())
    deadline = real_deadline(LONG)
    opened: list[socket.socket] = []

    def connect(*_: object) -> socket.socket:
        if len(opened) == 2:
            raise HttpError("no way leads there")
        opened.append(socket.create_connection(("127.0.0.1", server.port)))
        return opened[-1]

    url = urlsplit(server.url)
    with HedgedRequest(lambda _: Connection(url, None, connect), None, deadline) as hedged:
        for _ in range(3):
            hedged.start()
            join_attempts()
        connection = hedged.wait()
    assert [sock.fileno() != -1 for sock in opened] == [True, False]
    connection.close()


@hedged_soon
def test_a_final_answer_ends_the_race(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """An answer that no retry improves is used, whatever else is running."""
    server = serve(write_and_hang(), reply(NONE, 404))
    with pytest.raises(HttpError, match=r"^answered 404$"):
        client.get_json(server.url, {}, real_deadline(LONG))
    assert len(server.requests) == 2


def test_what_has_begun_is_read_on(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """A response that has begun is not requested again, however slowly its pieces arrive."""
    hedge_soon(response_delay=0.6)

    def in_pieces(exchange: Exchange) -> None:
        exchange.write(head(200, {"Content-Length": "3"}))
        for piece in (b"[", b"1", b"]"):
            exchange.wait(0.25)
            exchange.write(piece)

    server = serve(in_pieces)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.requests) == 1


@hedged_soon
def test_a_race_that_nobody_wins(client: Client, serve: Serve, real_deadline: InSeconds) -> None:
    """Both requests run out of time; neither the error nor the log has the key."""
    server = serve(write_and_hang())
    with pytest.raises(HttpError, match=r"^no complete answer in time$"):
        client.get_json(server.url, {"Authorization": "k3y"}, real_deadline(1))
    assert len(server.requests) == 2


@hedged_soon
def test_a_signed_call_is_sent_once(deaf_port: int, serve: Serve, resolves: Resolves) -> None:
    """Connections to a webhook race, but the call is sent once: each one is a decision."""

    def slowly(exchange: Exchange) -> None:
        exchange.wait(0.3)
        exchange.write(head(200, {"Content-Length": "2"}) + b"{}")

    server = serve(slowly)
    resolves(deaf_port, server.port)
    assert send("http://localhost", "s3cret-of-the-webhook", {}).body == {}
    assert len(server.requests) == 1


def test_an_attempt_that_fails_to_close(real_deadline: InSeconds) -> None:
    """What it failed with first is its error."""

    class Broken(Connection):
        def open(self, *_: object) -> None:
            raise ConnectionRefusedError

        def close(self) -> None:
            raise ConnectionResetError

    connection = Broken(urlsplit("http://127.0.0.1:1"), None)
    hedged = HedgedRequest(lambda _: connection, b"", real_deadline(LONG))
    hedged.start()
    with pytest.raises(ConnectionRefusedError):
        hedged.wait()
