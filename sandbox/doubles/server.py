"""What every provider's double is built on: HTTP/1.1 on loopback, calls recorded, faults played."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self
from urllib.parse import parse_qs, urlsplit

from sandbox.doubles.exchange import Answer, Exchange, Request, Waits
from sandbox.doubles.record import Calls, Switched, Switches

if TYPE_CHECKING:
    from types import TracebackType

Clock = Callable[[], datetime]
_PATIENCE = 10


def utc_now() -> datetime:
    """The clock of a double that was given none."""
    return datetime.now(UTC)


class Fault(Protocol):
    """A way to answer badly."""

    def play(self, exchange: Exchange) -> None:
        """Answer the request of this exchange, or fail to."""


class Double:
    """A provider on a loopback port from `with` to the end of it; subclasses say what it answers.

    `routes` maps a method and path ("GET /v2/incidents/{id}") to what answers it, called with the
    request and, by name, the parts in braces.
    """

    def __init__(self, routes: Mapping[str, Callable[..., Answer]], now: Clock = utc_now) -> None:
        self.now = now
        self.calls = Calls()
        self._routes = [(_pattern(template), route) for template, route in routes.items()]
        self._switches = Switches()
        self._waits = Waits()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.accept_until_closed, daemon=True)

    def answer(self, request: Request) -> Answer:
        """What is right to answer, before any fault."""
        for pattern, route in self._routes:
            if found := pattern.fullmatch(f"{request.method} {request.path}"):
                answer: Answer = route(request, **found.groupdict())
                return answer
        return self.error(404)

    def error(self, status: int, *, retry_at: datetime | None = None) -> Answer:
        """The vendor's body for an HTTP error; `retry_at` is told by those that tell it."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def fail(
        self, prefix: str, fault: Fault, *, times: int | None = None, page: int | None = None
    ) -> None:
        """Answer paths that begin so with this fault: the first `times` of them, or that page only.

        Pages count from 1. Of several that fit, the one switched on last is played.
        """
        self._switches.on(Switched(prefix, fault.play, times, page))

    def heal(self) -> None:
        """Switch every fault off; a call that hangs in one goes on hanging."""
        self._switches.off()

    def serve(
        self, request: Request, write: Callable[[bytes], None], is_gone: Callable[[], bool]
    ) -> None:
        """Answer one request on its connection."""
        self.calls.add(request)
        exchange = Exchange(request, self, write, self._waits, is_gone)
        play = self._switches.pick(request.path, lambda: exchange.right.page)
        if play is None:
            exchange.send(exchange.right)
        else:
            play(exchange)

    def close(self) -> None:
        """Stop answering: hanging calls are hung up, and every thread is joined."""
        if self._thread.is_alive():
            self._server.stop_accepting()
            self._thread.join()
        self._waits.end()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Played(NamedTuple):
    """A double for the sandbox, not yet opened, and the settings by which it is asked."""

    double: Double
    settings: Mapping[str, str]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


@dataclass(frozen=True, slots=True)
class _Connection:
    thread: threading.Thread
    socket: socket.socket


class _Server(ThreadingHTTPServer):
    """Knows its connections, so that closing can end those that a client keeps alive."""

    request_queue_size = 128

    def __init__(self, double: Double) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.double = double
        self._connections: set[_Connection] = set()
        self._closing = threading.Event()

    def accept_until_closed(self) -> None:
        """Serve, without the base class's polling: it makes each close wait for its next turn."""
        while True:
            connection, address = self.socket.accept()
            if self._closing.is_set():
                connection.close()
                return
            self.process_request(connection, address)

    def stop_accepting(self) -> None:
        """Let the accepting thread wake to see that it is over."""
        self._closing.set()
        socket.create_connection(self.socket.getsockname()).close()

    # The base class finds the machine's name by DNS here.
    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections = {one for one in self._connections if one.thread.is_alive()}
        self._connections.add(_Connection(thread, request))
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        error = sys.exception()
        if not isinstance(error, OSError):  # a client that hangs up is no news
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):  # its client, or its own thread, was faster
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.thread.join(_PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        request = Request(
            self.command,
            target.path,
            parse_qs(target.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )
        self.server.double.serve(request, self._write, self._is_gone)

    do_GET = _serve  # noqa: N815 - the base class's name
    do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the same

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)

    def _is_gone(self) -> bool:
        """Whether the client has hung up: what it still sends is its next request."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Say nothing: the calls are recorded."""
