"""What every provider's double is built on: HTTP/1.1 on loopback, calls recorded, faults played."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self
from urllib.parse import parse_qs, urlsplit

from sandbox.local_server import LocalHandler, LocalServer, checked_by_service
from sandbox.vendors.call_log import Calls, Switched, Switches
from sandbox.vendors.exchange import Answer, Exchange, Request, Waits

if TYPE_CHECKING:
    from types import TracebackType

_MOST_BYTES: Final = 1024 * 1024  # of a body
Clock = Callable[[], datetime]
Route = Callable[..., Answer]


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

    def __init__(self, routes: Mapping[str, Route], now: Clock = utc_now) -> None:
        self.now = now
        self.calls = Calls()
        self._routes = [(_pattern(template), route) for template, route in routes.items()]
        self._switches = Switches()
        self._waits = Waits()
        self._server = _Server(self)

    def answer(self, request: Request) -> Answer:
        """What is right to answer, before any fault."""
        found = self.route_of(request)
        if found is None:
            return self.error(404)
        route, parts = found
        return route(request, **parts)

    def route_of(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        """What answers this method and path, and the parts in braces; None for no such path."""
        for pattern, route in self._routes:
            if found := pattern.fullmatch(f"{request.method} {request.path}"):
                return route, found.groupdict()
        return None

    def error(self, status: int, *, retry_at: datetime | None = None) -> Answer:
        """The vendor's body for an HTTP error; `retry_at` is told by those that tell it."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return self._server.url

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
        self._server.stop_accepting()
        self._waits.end()
        self._server.close()

    def __enter__(self) -> Self:
        self._server.start()
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


class _Server(LocalServer):
    def __init__(self, double: Double) -> None:
        super().__init__(_Handler, checked_by_service)
        self.double = double


class _Handler(LocalHandler):
    wbufsize = 0  # what a fault writes goes out at once
    server: _Server

    def _serve(self) -> None:
        length = self.body_length()
        if length is None or length > _MOST_BYTES or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.BAD_REQUEST)
            self.hang_up()
            return
        body = self.rfile.read(length)
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
