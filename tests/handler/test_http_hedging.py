"""The HTTPS client where an address is dead or an attempt hangs: another one starts beside it."""

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
    Scripted,
    Talk,
    head,
    reply,
    say_and_hang,
    say_and_hang_up,
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
    """Let any name have these ports of this machine as its addresses, in this order."""

    def resolve(*ports: int) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: found)

    return resolve


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def refused_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def join_attempts() -> None:
    """Wait until nothing of any attempt goes on."""
    for thread in threading.enumerate():
        if "(_run)" in thread.name:
            thread.join(LONG)


def test_a_connection_is_closed_by_who_has_it(
    serve: Serve, client: Client, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late its thread goes on, a connection that was handed over stays open."""
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
    """A host's next address is tried while one does not take the connection."""
    server = serve(reply(b"[1]"))
    ports = {"dead": deaf_port, "refused": refused_port, "good": server.port}
    resolves(*(ports[each] for each in order.split(", ")))
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
    """A connection counts once TLS is agreed on: until then the next address is tried, too."""
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
    """Where nobody answers at the only address, the deadline ends it, and nothing stays open."""
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
    assert [each.fileno() for each in opened] == [-1, -1]


@hedged_soon
def test_a_resolver_that_hangs_once(
    client: Client, serve: Serve, real_deadline: InSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost question to DNS is asked once more beside."""
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
def test_a_try_that_hangs(
    method: str, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """A request that nobody answers is sent once more, on another connection; the first is shut."""
    gone = threading.Event()

    def hang(talk: Talk) -> None:
        talk.connection.settimeout(LONG)
        with suppress(OSError):
            assert talk.connection.recv(1) == b""
        gone.set()

    server = serve(hang, reply(b"[1]"))
    assert client.send(method, server.url, {}, None, real_deadline(LONG)) == b"[1]"
    assert gone.wait(LONG)
    assert [request.connection for request in server.asked] == [1, 2]
    assert server.asked[0]._replace(connection=2) == server.asked[1]


def test_a_kept_connection_that_hangs(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """A network that has forgotten a kept connection costs a part of the time, not all of it."""
    server = serve(reply(b"[1]"), say_and_hang(), reply(b"[2]"))
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    hedge_soon()
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [2]
    assert [request.connection for request in server.asked] == [1, 1, 2]


def test_kept_connections_that_hang(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """The try beside one on a kept connection goes over a new one, whatever else is kept."""
    both = threading.Barrier(2)

    def meet(talk: Talk) -> None:
        both.wait(LONG)
        reply(b"[1]")(talk)

    server = serve(meet, meet, say_and_hang(), reply(b"[2]"))
    url, deadline = server.url, real_deadline(LONG)
    other = threading.Thread(target=client.get_json, args=(url, {}, deadline))
    other.start()
    assert client.get_json(url, {}, deadline) == [1]
    other.join()
    hedge_soon()
    assert client.get_json(url, {}, deadline) == [2]
    assert server.asked[-1].connection == 3


@hedged_soon
def test_a_dead_address_and_a_try_that_hangs(
    deaf_port: int, client: Client, serve: Serve, real_deadline: InSeconds, resolves: Resolves
) -> None:
    """One trouble does not hide that there is another."""
    server = serve(say_and_hang(), reply(b"[1]"))
    resolves(deaf_port, server.port)
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]


def test_another_address_is_tried_first(
    client: Client,
    serve: Serve,
    real_deadline: InSeconds,
    resolves: Resolves,
    hedge_soon: HedgeSoon,
) -> None:
    """The second request goes where the first one did not, a kept connection's address included."""
    hanging, good = serve(reply(b"[1]"), say_and_hang()), serve(reply(b"[2]"))
    resolves(hanging.port, good.port)
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [1]
    hedge_soon()
    assert client.get_json("http://localhost", {}, real_deadline(LONG)) == [2]
    assert (len(hanging.asked), len(good.asked)) == (2, 1)


def slow(second: threading.Event, body: bytes = b"[1]") -> Answer:
    """An answer that begins only once another request has been answered in its own way."""

    def answer(talk: Talk) -> None:
        second.wait(LONG)
        talk.wait(0.3)  # for longer than it takes another try to start
        talk.write(head(200, {"Content-Length": str(len(body))}) + body)

    return answer


@hedged_soon
@pytest.mark.parametrize(
    ("other", "times"),
    [
        pytest.param(reply(NONE, 503), 3, id="503"),
        pytest.param(reply(NONE, 429, {"Retry-After": "3600"}), 1, id="429 for an hour"),
        pytest.param(say_and_hang_up(head(200, {"Content-Length": "9"})), 3, id="hangs up later"),
    ],
)
def test_a_slow_answer_is_still_used(
    other: Answer, times: int, client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """However often it is refused beside, the request that takes long is waited for."""
    refusals, enough = iter(range(times - 1)), threading.Event()

    def refuse(talk: Talk) -> None:
        try:
            other(talk)
        finally:
            if next(refusals, None) is None:
                enough.set()

    server = serve(slow(enough), refuse)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.asked) == 1 + times


@hedged_soon
def test_who_asks_for_a_pause_gets_it(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """Also where the request beside fails in another way, and later."""
    second = threading.Event()

    def refuse(talk: Talk) -> None:
        reply(NONE, 429, {"Retry-After": "3600"})(talk)
        second.set()

    def fail(talk: Talk) -> None:
        second.wait(LONG)
        talk.wait(0.1)
        reply(NONE, 503)(talk)

    server = serve(fail, refuse, reply(b"[1]"))
    with pytest.raises(HttpError, match=r"^answered 503$"):
        client.get_json(server.url, {}, real_deadline(LONG))
    assert len(server.asked) == 2


def test_a_request_after_a_pause_is_hedged(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """After the pause that a provider asked for, a request that hangs is sent a second time."""

    def ask_for_a_pause(talk: Talk) -> None:
        hedge_soon()
        reply(NONE, 429, {"Retry-After": "1"})(talk)

    server = serve(ask_for_a_pause, say_and_hang(), reply(b"[1]"))
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]


@hedged_soon
def test_a_slow_answer_beside_one_that_hangs(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """Whichever begins first is taken; no more than two requests are on their way at once."""
    second = threading.Event()

    def hang(talk: Talk) -> None:
        second.set()
        talk.wait()

    server = serve(slow(second), hang)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.asked) == 2


def test_what_nobody_takes_any_more_is_closed(serve: Serve, real_deadline: InSeconds) -> None:
    """Of several connections that open at once one is used, and the others come to nothing."""
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
    assert [each.fileno() != -1 for each in opened] == [True, False]
    connection.close()


@hedged_soon
def test_a_final_answer_ends_the_race(
    client: Client, serve: Serve, real_deadline: InSeconds
) -> None:
    """What no retry makes better is the answer, whoever else may be on the way."""
    server = serve(say_and_hang(), reply(NONE, 404))
    with pytest.raises(HttpError, match=r"^answered 404$"):
        client.get_json(server.url, {}, real_deadline(LONG))
    assert len(server.asked) == 2


def test_what_has_begun_is_read_on(
    client: Client, serve: Serve, real_deadline: InSeconds, hedge_soon: HedgeSoon
) -> None:
    """A response that has begun is not requested again, however slowly its pieces arrive."""
    hedge_soon(response_delay=0.6)

    def in_pieces(talk: Talk) -> None:
        talk.write(head(200, {"Content-Length": "3"}))
        for piece in (b"[", b"1", b"]"):
            talk.wait(0.25)
            talk.write(piece)

    server = serve(in_pieces)
    assert client.get_json(server.url, {}, real_deadline(LONG)) == [1]
    assert len(server.asked) == 1


@hedged_soon
def test_a_race_that_nobody_wins(client: Client, serve: Serve, real_deadline: InSeconds) -> None:
    """Two requests, and the end of the time; the key is in neither error nor log."""
    server = serve(say_and_hang())
    with pytest.raises(HttpError, match=r"^no complete answer in time$"):
        client.get_json(server.url, {"Authorization": "k3y"}, real_deadline(1))
    assert len(server.asked) == 2


@hedged_soon
def test_a_signed_call_is_sent_once(deaf_port: int, serve: Serve, resolves: Resolves) -> None:
    """To the webhook connections race, and the call itself does not: each is a decision."""

    def slowly(talk: Talk) -> None:
        talk.wait(0.3)
        talk.write(head(200, {"Content-Length": "2"}) + b"{}")

    server = serve(slowly)
    resolves(deaf_port, server.port)
    assert send("http://localhost", "s3cret-of-the-webhook", {}).body == {}
    assert len(server.asked) == 1
