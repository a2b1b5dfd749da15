"""The HTTP server of every double: it answers by routes, records the calls, and fails on demand.

It is HTTP/1.1 on loopback. A fault can write an answer byte by byte: it may
drip, break off or never end, which web frameworks don't allow.
"""

from __future__ import annotations

import hmac
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from sandbox.local_server import LocalHandler, LocalServer, checked_by_service

if TYPE_CHECKING:
    from types import TracebackType

OK: Final = 200
MOST_CALLS: Final = 2000
_MOST_BYTES: Final = 1024 * 1024  # of a body
_MOST: Final = 1_000_000
_POLL_SECONDS: Final = 0.05

Json: TypeAlias = dict[str, Any]
Clock: TypeAlias = Callable[[], datetime]
Route: TypeAlias = "Callable[..., Response]"
Fault: TypeAlias = "Callable[[Exchange], None]"
"""A way to answer badly: it writes anything to the exchange, or nothing."""


def utc_now() -> datetime:
    """Read the real time: the default clock of a double."""
    return datetime.now(UTC)


class InvalidParameterError(Exception):
    """A query parameter has a value that the vendor refuses.

    Attributes:
        name: of the parameter.
        message: what is wrong; it follows the name.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name} {message}.")
        self.name = name


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it arrived; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    def parameter(self, name: str, default: str = "") -> str:
        """Give a query parameter; the last of several values."""
        return self.query.get(name, [default])[-1]

    def number(self, name: str, default: int, least: int = 0, most: int = _MOST) -> int:
        """Give a query parameter as a whole number.

        Raises:
            InvalidParameterError: it isn't one, or it is out of bounds.
        """
        text = self.parameter(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise InvalidParameterError(name, f"must be a number from {least} to {most}")
        return int(text)

    def is_authorized(self, authorization: str) -> bool:
        """Whether the call has this Authorization header, compared in constant time."""
        header = self.headers.get("authorization", "")
        return hmac.compare_digest(header.encode(), authorization.encode())

    def lacks_right(self, rights: Mapping[str, str], granted: Collection[str]) -> bool:
        """Whether a key lacks the right that the path needs.

        Args:
            rights: the right that is needed, by the beginning of a path.
            granted: those that the key has.
        """
        return any(
            self.path.startswith(prefix) and right not in granted
            for prefix, right in rights.items()
        )


@dataclass(frozen=True, slots=True)
class Response:
    """A status and a body: bytes as they are, anything else as JSON.

    `page` says which page of a list this is, from 1, so that a fault can be for one of them.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    page: int = 1

    def body_bytes(self) -> bytes:
        """Encode the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def head(self, framing: str) -> bytes:
        """Encode the status line and headers; `framing` is the header that delimits the body."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: application/json; charset=utf-8",
            framing,
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def head_and_body(self) -> tuple[bytes, bytes]:
        """Encode both, with a Content-Length."""
        body = self.body_bytes()
        return self.head(f"Content-Length: {len(body)}"), body


@dataclass(slots=True)
class Exchange:
    """A request and the means to answer it.

    Attributes:
        request, double: the call, and what answers it.
        write: sends bytes; raises OSError once the client has gone, which ends the connection.
        is_gone: says whether the client has hung up.
    """

    request: Request
    double: Double
    write: Callable[[bytes], None]
    is_gone: Callable[[], bool]
    _response: Response | None = field(default=None, init=False)

    @property
    def response(self) -> Response:
        """The answer without a fault.

        Made on first access: a fault that never reads it refuses a call before it takes effect.
        """
        # Not a cached_property: in Python 3.11 all exchanges would wait for each other's.
        if self._response is None:
            self._response = self.double.answer(self.request)
        return self._response

    def send(self, response: Response) -> None:
        """Answer in one piece."""
        head, body = response.head_and_body()
        self.write(head + body)

    def wait(self, seconds: float = inf, event: threading.Event | None = None) -> None:
        """Hold the call for this time, or until the event.

        Raises:
            ConnectionAbortedError: the double closes, or the client has hung up.
        """
        end = time.monotonic() + seconds
        while not (event and event.is_set()) and (left := end - time.monotonic()) > 0:
            if self.double.closing.wait(min(left, _POLL_SECONDS)) or self.is_gone():
                self.hang_up()

    def hang_up(self) -> NoReturn:
        """Close the connection, even in the middle of an answer."""
        raise ConnectionAbortedError


class Calls(list[Request]):
    """The calls so far, in the order of their arrival; the last `MOST_CALLS` of them."""

    def record(self, request: Request) -> None:
        """Add one."""
        self.append(request)
        del self[:-MOST_CALLS]

    def wait_for(self, count: int, seconds: float = 10) -> None:
        """Wait until there are `count`; raise TimeoutError if they don't come."""
        end = time.monotonic() + seconds
        while len(self) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self)} calls in {seconds} s instead of {count}")
            time.sleep(0.001)

    def paths(self) -> list[str]:
        """Give their paths."""
        return [call.path for call in self[:]]


@dataclass(eq=False, slots=True)
class _ActiveFault:
    """A fault and the calls that it is for; `left` is None if their number has no limit."""

    prefix: str
    fault: Fault
    left: int | None
    page: int | None


class Double:
    """A service on a loopback port, open within `with`; subclasses say what it answers.

    Args:
        routes: what answers a method and path ("GET /v2/incidents/{id}"). It is called with the
            request and, by name, with the parts in braces, as they are in the address.
        now: the clock.

    Attributes:
        calls: the calls so far.
        closing: set once the double closes.
        page_parameters: the query parameters that choose a page of a list.
    """

    page_parameters: tuple[str, ...] = ()

    def __init__(self, routes: Mapping[str, Route], now: Clock = utc_now) -> None:
        self.now = now
        self.calls = Calls()
        self.closing = threading.Event()
        self._routes = [(_pattern(template), route) for template, route in routes.items()]
        self._faults: list[_ActiveFault] = []
        self._faults_lock = threading.Lock()
        self._server = _Server(self)

    def answer(self, request: Request) -> Response:
        """Answer as the service does, without any fault."""
        match = self.route_of(request)
        if match is None:
            return self.error(404)
        route, parts = match
        return route(request, **parts)

    def route_of(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        """Find the route of a method and path, with the parts in braces."""
        for pattern, route in self._routes:
            if match := pattern.fullmatch(f"{request.method} {request.path}"):
                return route, match.groupdict()
        return None

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:
        """Make the vendor's response of an HTTP error; some say when to retry."""
        raise NotImplementedError

    def point_to_another_page(self, body: Json, request: Request, number: int) -> None:
        """Change a page of a list so that one more page follows; `number` makes it a new one."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function asks this provider."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return self._server.url

    def fail(
        self, prefix: str, fault: Fault, *, times: int | None = None, page: int | None = None
    ) -> None:
        """Let a fault answer the calls whose path has this prefix.

        If several match a call, the one added last answers.

        Args:
            prefix: of the path.
            fault: what answers.
            times: how many calls, if not all.
            page: the page of a list, from 1, if not all.
        """
        with self._faults_lock:
            self._faults.insert(0, _ActiveFault(prefix, fault, times, page))

    def clear_faults(self) -> None:
        """Answer as the service does again; a call that hangs stays so."""
        with self._faults_lock:
            self._faults.clear()

    def serve(
        self, request: Request, write: Callable[[bytes], None], is_gone: Callable[[], bool]
    ) -> None:
        """Answer one request on its connection."""
        self.calls.record(request)
        exchange = Exchange(request, self, write, is_gone)
        if fault := self._fault_for(exchange):
            fault(exchange)
        else:
            exchange.send(exchange.response)

    def close(self) -> None:
        """Stop answering: close the connections of hanging calls, and join every thread."""
        self._server.stop_accepting()
        self.closing.set()
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

    def _fault_for(self, exchange: Exchange) -> Fault | None:
        with self._faults_lock:
            faults = list(self._faults)
        # Without the lock: the page is known only after the whole answer is made.
        for active in faults:
            if (
                exchange.request.path.startswith(active.prefix)
                and (active.page is None or active.page == exchange.response.page)
                and self._count_off(active)
            ):
                return active.fault
        return None

    def _count_off(self, active: _ActiveFault) -> bool:
        """Use a fault once; False if other calls have used it up."""
        with self._faults_lock:
            if active not in self._faults:
                return False
            if active.left is not None:
                active.left -= 1
                if active.left == 0:
                    self._faults.remove(active)
            return True


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


class _Server(LocalServer):
    def __init__(self, double: Double) -> None:
        super().__init__(_Handler, checked_by_service)
        self.double = double


class _Handler(LocalHandler):
    wbufsize = 0  # what a fault writes is sent at once
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
        """Whether the client has hung up; more bytes are its next request."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
