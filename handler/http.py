"""JSON over HTTPS within a deadline, with retries, limits, and connections kept for the next page.

It follows no redirects and reads no proxy from the environment: only the code that makes a client
can give it another way to connect.
"""

from __future__ import annotations

import json
import socket
import ssl
from _thread import allocate_lock
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, urlsplit

from handler.clock import Clock, Deadline
from handler.connection import Connect, Connection, encode_request
from handler.hedging import HedgedRequest
from handler.hosts import is_loopback
from handler.response import Response, ResponseError, ResponseTooLargeError
from handler.typing import Any, TypeAlias, TypeVar

RETRIES = 2
# Several times a full page of incidents.
MAX_BODY_BYTES = 6 * 1024 * 1024
# The most memory for a parsed body. It may take up to 66 times its length, though ordinary JSON
# stays below this. Seven bodies may arrive at once; to fit the function's memory, one large body is
# parsed and read at a time. Small ones don't wait.
MAX_PARSED_BYTES = 96 * 1024 * 1024
_MAX_GROWTH = 66
SMALL_BODY_BYTES = 192 * 1024
# UTF-8: continuation bytes, and the first bytes of characters of four bytes.
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
_FOUR_BYTE_STARTS = tuple(bytes([start]) for start in range(0xF0, 0xF5))
_LEAST_BYTES = 4096
_FIRST_PAUSE = 0.2
_FORBIDDEN, _PROXY_AUTHENTICATION, _TOO_MANY_REQUESTS = 403, 407, 429
_RETRIED = frozenset({_TOO_MANY_REQUESTS, *range(500, 600)})
# With these a provider refuses the key, and a firewall or proxy the request.
_KEY_REFUSALS = frozenset({401, 402, _FORBIDDEN})
# A frozen Lambda keeps connections that its network has long dropped; using one would hang.
_MAX_IDLE = timedelta(seconds=10)

_Read = TypeVar("_Read")
_IdleConnection: TypeAlias = tuple[Connection, datetime]


class HttpError(Exception):
    """No usable response. The message contains neither headers nor bodies.

    Attributes:
        status: the HTTP status, or None if no response came.
        body: of the response, for a caller that can read it.
        is_from_host: whether the host answered, and not a firewall or proxy in front of it.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int | None = None,
        body: bytes = b"",
        is_from_host: bool = True,
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.body = body
        self.is_from_host = is_from_host

    def with_hint(self, hint: str) -> HttpError:
        """Add the meaning of the host's status, unless something else answered."""
        return HttpError(f"{self}{hint}" if self.is_from_host else str(self), status=self.status)


class TooLargeError(HttpError):
    """The response is larger than is read, or than fits in memory once it is parsed."""

    def with_hint(self, hint: str) -> HttpError:
        """Add what this may mean."""
        return TooLargeError(f"{self}{hint}")


class Client:
    """Sends requests, and keeps connections for the next ones. Safe to share between threads.

    `connect` returns a socket that leads to a host, or None to connect directly, as the function
    always does. If it raises HttpError, the request fails with it, without a retry.
    """

    def __init__(self, clock: Clock, connect: Connect | None = None) -> None:
        self._clock = clock
        self._connect = connect
        self._idle: defaultdict[tuple[str, str], deque[_IdleConnection]] = defaultdict(deque)
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = allocate_lock()
        self._parsing = allocate_lock()
        self._is_closed = False

    def close(self) -> None:
        """Close the kept connections; needed only if a process outlives its client."""
        self._is_closed = True  # a request that still runs keeps none
        for idle in self._idle.values():
            while idle:
                idle.pop()[0].close()

    def get_json(
        self,
        url: str,
        headers: Mapping[str, str],
        deadline: Deadline,
        read: Callable[[Any], _Read] = lambda value: value,
    ) -> _Read:
        """GET a JSON value, and return what `read` makes of it.

        `read` must not keep the value: other large responses wait only while it runs.

        Raises:
            HttpError: no response in time, a status other than 2xx, or a body that isn't JSON.
        """
        # In a list, so that nothing references the body any more while its value is read.
        bodies = [self.send("GET", url, {"Accept": "application/json", **headers}, None, deadline)]
        length = len(bodies[0])
        if length <= SMALL_BODY_BYTES:
            return read(_parse_json(bodies.pop()))
        # Estimating takes time as well, so only for bodies that might be too large.
        may_be_too_large = length * _MAX_GROWTH > MAX_PARSED_BYTES
        if may_be_too_large and _estimate_parsed_bytes(bodies[0]) > MAX_PARSED_BYTES:
            raise TooLargeError("the response is too large to parse")
        if not self._parsing.acquire(timeout=max(0.0, deadline.left())):
            raise HttpError("no complete answer in time")
        try:
            return read(_parse_json(bodies.pop()))
        finally:
            self._parsing.release()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        *,
        once: bool = False,
    ) -> bytes:
        """Send a request, and return the body of its 2xx response.

        Retries 429, 5xx and lost connections, twice at most, if the wait fits the deadline. A slow
        request is sent a second time: see `HedgedRequest`. With `once`, only opening a connection
        is retried: the request is sent on the first that opens, a new one, and never again.

        Raises:
            HttpError: see `get_json`.
        """
        parts = _parse_url(url)
        try:
            request = encode_request(method, parts, headers, body)
        except ValueError as error:
            raise HttpError(str(error)) from error
        try:
            with HedgedRequest(
                lambda may_be_kept: self._connection(parts, may_be_kept=may_be_kept and not once),
                None if once else request,
                deadline,
            ) as hedged:
                return self._exchange(hedged, parts, deadline, request if once else b"")
        except TimeoutError as error:
            raise HttpError("no complete answer in time") from error
        except ssl.SSLCertVerificationError as error:
            # A retry would not help.
            problem = f"the certificate of {parts.hostname} is not valid: {error.verify_message}"
            raise HttpError(problem) from error

    def _exchange(
        self, hedged: HedgedRequest, url: SplitResult, deadline: Deadline, unsent: bytes
    ) -> bytes:
        """Try until there is a usable response, or no retry is left.

        `unsent` is a request to be sent once, or empty if each attempt sends the request itself.
        """
        failures, retry_after, since = 0, 0.0, self._clock.now()
        may_have_arrived = False
        hedged.start()
        while True:
            try:
                connection = hedged.wait()
                may_have_arrived = bool(unsent)
                response = self._read(connection, url, deadline, since, unsent)
            except (TimeoutError, ssl.SSLCertVerificationError):
                raise
            except (OSError, ResponseError) as error:
                failure = _connection_error(error, url.hostname)
            else:
                if 200 <= response.status < 300:  # noqa: PLR2004 - the class of success
                    return response.body
                failure = _status_error(response, url.hostname)
                if response.status not in _RETRIED:
                    break
                # The host asked for this pause, even if another attempt fails later.
                retry_after = max(retry_after, self._retry_after(response))
            if may_have_arrived:
                break
            pause = retry_after or _FIRST_PAUSE * 2**failures
            failures += 1
            hedged.may_start = failures <= RETRIES and not retry_after
            if hedged.is_running:  # a slow one may still succeed
                continue
            if failures > RETRIES or pause >= deadline.left():
                break
            self._clock.sleep(pause)
            retry_after, hedged.may_start = 0.0, True
            hedged.start()
        raise failure

    def _read(
        self,
        connection: Connection,
        url: SplitResult,
        deadline: Deadline,
        since: datetime,
        unsent: bytes,
    ) -> Response:
        """Read the response that has begun, and keep its connection for the next request.

        If there is an unsent request, send it first, and don't keep the connection.

        It counts as idle since its request: if the function was frozen after that, the response may
        come out of this machine's own buffer.
        """
        try:
            if unsent:
                connection.send(unsent, deadline)
            response = connection.read_response(MAX_BODY_BYTES, deadline)
        except ResponseTooLargeError:
            connection.close()
            raise TooLargeError(
                f"the response is larger than {MAX_BODY_BYTES // 2**20} MiB"
            ) from None
        except BaseException:
            connection.close()
            raise
        if unsent or response.is_last or self._is_closed:
            connection.close()
        else:
            self._idle[url.scheme, url.netloc].append((connection, since))
        return response

    def _connection(self, url: SplitResult, *, may_be_kept: bool) -> Connection:
        """Take a connection that is idle and not old, or make a new one."""
        idle = self._idle[url.scheme, url.netloc]
        while idle and may_be_kept:
            try:
                connection, since = idle.pop()
            except IndexError:  # another thread was faster
                break
            if self._clock.now() - since < _MAX_IDLE and connection.is_idle():
                return connection
            connection.close()
        tls = None
        if url.scheme == "https":
            with self._tls_lock:  # loads the certificates, which takes long, once for all threads
                tls = self._tls = self._tls or ssl.create_default_context()
        return Connection(url, tls, self._connect)

    def _retry_after(self, response: Response) -> float:
        """Read `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3); 0 if unreadable.

        PagerDuty sends the seconds in `ratelimit-reset`, in every response; only a 429's matter.
        """
        retry_after = response.headers.get("retry-after", "")
        if not retry_after and response.status == _TOO_MANY_REQUESTS:
            retry_after = response.headers.get("ratelimit-reset", "")
        if retry_after.isascii() and retry_after.isdigit():
            return float(retry_after[:9])
        if not retry_after:
            return 0.0
        # Loaded only here: it takes a thirtieth of a cold start.
        from email.utils import parsedate_to_datetime  # noqa: PLC0415

        try:
            date = parsedate_to_datetime(retry_after)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return max(0.0, (date - self._clock.now()).total_seconds())
        except (ValueError, OverflowError):
            return 0.0


def _connection_error(error: Exception, host: str | None) -> HttpError:
    if isinstance(error, ResponseError):
        return HttpError(f"connection failed: {error}")
    is_unresolved = isinstance(error, socket.gaierror)
    problem = f": {host} cannot be resolved" if is_unresolved else f" ({type(error).__name__})"
    return HttpError(f"connection failed{problem}")


def _status_error(response: Response, host: str | None) -> HttpError:
    """Say what a status other than 2xx means. No API answers with an HTML page."""
    status, body = response.status, response.body
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    is_page = start == b"<" or (status == _FORBIDDEN and start not in {b"", b"{", b"["})
    if status == _PROXY_AUTHENTICATION or (status in _KEY_REFUSALS and is_page):
        problem = f"a firewall or proxy in front of {host} refused the request ({status})"
        return HttpError(problem, status=status, body=body, is_from_host=False)
    return HttpError(f"answered {status}", status=status, body=body)


def _parse_json(body: bytes) -> Any:  # noqa: ANN401 - it is whatever the JSON is
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HttpError("the response is not JSON") from error


def _estimate_parsed_bytes(body: bytes) -> int:
    """Estimate the most memory that a parsed body needs as CPython objects."""
    # Whole texts, and parts. One wide character makes a whole text wide.
    characters, width = len(body), 1
    if not body.isascii():
        characters = len(body.translate(None, _CONTINUATION_BYTES))
        width = 4 if any(map(body.__contains__, _FOUR_BYTE_STARTS)) else 2
    escaped_width = 1
    if b"\\" in body:  # most bodies have none
        escaped_width = 4 if b"\\ud" in body or b"\\uD" in body else 2 if b"\\u" in body else 1
    texts = characters * (width + max(width, escaped_width))
    # Each name in an object follows a brace or a comma.
    values = 240 * body.count(b"{") + 100 * body.count(b"[") + 130 * body.count(b",")
    return texts + values + _LEAST_BYTES


def _parse_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise HttpError("the URL is not valid") from None
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise HttpError("plain HTTP is only allowed to this machine; use https://")
    return parts
