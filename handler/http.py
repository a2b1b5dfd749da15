"""JSON over HTTPS within a deadline.

Written here because the zip holds no third-party package. One deadline for connecting, sending,
headers and body together, a limit on the body, two retries, another try where one brings nothing
for long, and connections kept for the next page.
It follows no redirect and takes no proxy from the environment: only who makes a client can give it
another way to connect.
"""

from __future__ import annotations

import json
import socket
import ssl
from _thread import allocate_lock
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from handler.clock import Clock, Deadline
from handler.connection import Connect, Connection, Race, request_to
from handler.hosts import is_loopback
from handler.http1 import Answer, BrokenError, TooLarge

RETRIES = 2
# Several times a full page of incidents.
MOST_BYTES = 6 * 1024 * 1024
# What a body may unpack to, up to 66 times its length: ordinary JSON of any length that is read,
# in any script, takes less. Seven answers may be on their way at once. Of the large ones, one is
# unpacked and read at a time, so that all of it fits the function's memory; the interpreter unpacks
# one at a time in any case. Small ones wait for nobody.
MOST_UNPACKED_BYTES = 96 * 1024 * 1024
_MOST_TIMES = 66
SMALL_BYTES = 192 * 1024
# UTF-8: the bytes that begin no character, and those that begin one of four bytes.
_CONTINUED = bytes(range(0x80, 0xC0))
_FIRST_OF_FOUR = tuple(bytes([each]) for each in range(0xF0, 0xF5))
_LEAST_BYTES = 4096
_FIRST_PAUSE = 0.2
_TOO_MANY = 429
_RETRIED = frozenset({_TOO_MANY, *range(500, 600)})
# What a provider tells of the key by these, something in front of it tells of the call.
_FORBIDDEN, _PROXY = 403, 407
_REFUSALS = frozenset({401, 402, _FORBIDDEN})
# A frozen Lambda keeps connections that its network has long forgotten; using one would hang.
_LONGEST_IDLE = timedelta(seconds=10)


_Read = TypeVar("_Read")


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - it is whatever the JSON is
    return value


class HttpError(Exception):
    """No usable answer. The message holds neither headers nor bodies.

    Attributes:
        status: the HTTP status, or None where no answer came.
        body: what came with that status, for a caller that knows how to read it.
        is_theirs: whether it is the asked one's answer, and not that of something in between.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int | None = None,
        body: bytes = b"",
        is_theirs: bool = True,
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.body = body
        self.is_theirs = is_theirs

    def with_hint(self, hint: str) -> HttpError:
        """Add what the provider means by its status, unless it is not the provider's."""
        return HttpError(f"{self}{hint}" if self.is_theirs else str(self), status=self.status)


class Client:
    """Sends requests over connections that it keeps. Safe to share between threads.

    Args:
        clock: what time it is.
        connect: gives a socket that leads to a host, or None to connect directly, as the function
            always does. An HttpError of it is what the request fails with, without another try.
    """

    def __init__(self, clock: Clock, connect: Connect | None = None) -> None:
        self._clock = clock
        self._connect = connect
        self._idle: defaultdict[tuple[str, str], deque[_Idle]] = defaultdict(deque)
        self._tls: ssl.SSLContext | None = None
        self._unpacking = allocate_lock()

    def close(self) -> None:
        """Close the kept connections; needed only where a process outlives its client."""
        for idle in self._idle.values():
            while idle:
                idle.pop().connection.close()

    def get_json(
        self,
        url: str,
        headers: Mapping[str, str],
        deadline: Deadline,
        read: Callable[[Any], _Read] = _as_it_is,
    ) -> _Read:
        """GET a JSON value, and give what is read out of it.

        `read` must not keep the value: only while it runs no other large answer is unpacked.

        Raises:
            HttpError: no answer in time, a status other than 2xx, or a body that is not JSON.
        """
        # In a list, so that it can be taken out: nothing holds the body while its value is read.
        came = [self.send("GET", url, {"Accept": "application/json", **headers}, None, deadline)]
        length = len(came[0])
        if length <= SMALL_BYTES:
            return read(_unpacked(came.pop()))
        # Counting takes a while, too: it is only for bodies that might be too large.
        might_be = length * _MOST_TIMES > MOST_UNPACKED_BYTES
        if might_be and _unpacked_bytes(came[0]) > MOST_UNPACKED_BYTES:
            raise HttpError("the answer is too large to be unpacked")
        if not self._unpacking.acquire(timeout=max(0.0, deadline.left())):
            raise HttpError("no whole answer in time")
        try:
            return read(_unpacked(came.pop()))
        finally:
            self._unpacking.release()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
    ) -> bytes:
        """Send a request that may be repeated, and return the body of its 2xx answer.

        Retries 429, 5xx and lost connections, twice at most, as long as the wait fits the deadline.
        Where nothing comes for a while, it is sent once more beside: see `Race`.

        Raises:
            HttpError: see `get_json`.
        """
        parts = _checked(url)
        try:
            request = request_to(parts, method, headers, body)
            # Beside one that waits, never a kept connection: that may be forgotten as well.
            with Race(
                lambda: self._connection(parts, is_new=race.is_running), request, deadline
            ) as race:
                return self._answer(race, parts, deadline)
        except TimeoutError as error:
            raise HttpError("no whole answer in time") from error
        except ssl.SSLCertVerificationError as error:
            # It stays wrong, however often it is looked at.
            problem = f"the certificate of {parts.hostname} is not valid: {error.verify_message}"
            raise HttpError(problem) from error
        except BrokenError as error:
            raise HttpError(f"connection failed ({type(error).__name__})") from error

    def _answer(self, race: Race, url: SplitResult, deadline: Deadline) -> bytes:
        """Try until an answer will do, or as many tries as may have failed."""
        failures, asked = 0, 0.0
        race.start()
        while True:
            pause = _FIRST_PAUSE * 2**failures
            try:
                status, answered, data, _ = self._read(race.next(), url)
            except (TimeoutError, ssl.SSLCertVerificationError):
                raise
            except socket.gaierror:
                failure = HttpError(f"connection failed: {url.hostname} cannot be resolved")
            except (OSError, BrokenError) as error:
                failure = HttpError(f"connection failed ({type(error).__name__})")
            else:
                if 200 <= status < 300:  # noqa: PLR2004 - the class of success
                    return data
                failure = _refusal(status, data, url.hostname)
                if status not in _RETRIED:
                    break
                # Also where a request beside fails later: they asked not to be asked.
                asked = max(asked, self._asked_pause(status, answered))
            failures += 1
            race.starts_more = failures <= RETRIES and not asked
            if race.is_running:  # who is slow may still be right
                continue
            if failures > RETRIES or (asked or pause) >= deadline.left():
                break
            self._clock.sleep(asked or pause)
            asked, race.starts_more = 0.0, True
            race.start()
        raise failure

    def _read(self, connection: Connection, url: SplitResult) -> Answer:
        """Read the answer that has begun, and keep its connection for the next request."""
        try:
            answer = connection.read(MOST_BYTES)
        except TooLarge:
            connection.close()
            raise HttpError(f"the answer is over {MOST_BYTES // 2**20} MiB") from None
        except BaseException:
            connection.close()
            raise
        if answer.is_last:
            connection.close()
        else:
            self._idle[url.scheme, url.netloc].append(_Idle(connection, self._clock.now()))
        return answer

    def _connection(self, url: SplitResult, *, is_new: bool) -> Connection:
        """Open one, or take one that was kept a short time and that the other side left open."""
        idle = self._idle[url.scheme, url.netloc]
        while idle and not is_new:
            try:
                kept = idle.pop()
            except IndexError:  # another thread was faster
                break
            if self._clock.now() - kept.since < _LONGEST_IDLE and kept.connection.is_quiet():
                return kept.connection
            kept.connection.close()
        if url.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        return Connection(url, self._tls if url.scheme == "https" else None, self._connect)

    def _asked_pause(self, status: int, headers: Mapping[str, str]) -> float:
        """Read `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3); 0 if unreadable.

        PagerDuty tells the seconds in `ratelimit-reset`, with every answer: it matters in a 429.
        """
        retry_after = headers.get("retry-after", "")
        if not retry_after and status == _TOO_MANY:
            retry_after = headers.get("ratelimit-reset", "")
        if retry_after.isascii() and retry_after.isdigit():
            return float(retry_after[:9])
        if not retry_after:
            return 0.0
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to load, and rare

        try:
            date = parsedate_to_datetime(retry_after)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return max(0.0, (date - self._clock.now()).total_seconds())
        except (ValueError, OverflowError):
            return 0.0


class _Idle:
    """A connection waiting for its next request."""

    def __init__(self, connection: Connection, since: datetime) -> None:
        self.connection = connection
        self.since = since


def _refusal(status: int, body: bytes, host: str | None) -> HttpError:
    """Say what a status other than 2xx is: a page instead of JSON comes from no API."""
    begins = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    is_page = begins == b"<" or (status == _FORBIDDEN and begins not in {b"", b"{", b"["})
    if status == _PROXY or (status in _REFUSALS and is_page):
        problem = f"something in front of {host} (a firewall or proxy) refused the call ({status})"
        return HttpError(problem, status=status, body=body, is_theirs=False)
    return HttpError(f"answered {status}", status=status, body=body)


def _unpacked(body: bytes) -> Any:  # noqa: ANN401 - it is whatever the JSON is
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HttpError("the answer is not JSON") from error


def _unpacked_bytes(body: bytes) -> int:
    """Say what a body unpacks to at most, by what CPython's objects take."""
    # As a whole and in its parts; one wide character makes all of a text as wide.
    characters, wide = len(body), 1
    if not body.isascii():
        characters = len(body.translate(None, _CONTINUED))
        wide = 4 if any(map(body.__contains__, _FIRST_OF_FOUR)) else 2
    escaped = 1
    if b"\\" in body:  # as most have none
        escaped = 4 if b"\\ud" in body or b"\\uD" in body else 2 if b"\\u" in body else 1
    texts = characters * (wide + max(wide, escaped))
    # Before each name in an object is its brace, or a comma.
    values = 240 * body.count(b"{") + 100 * body.count(b"[") + 130 * body.count(b",")
    return texts + values + _LEAST_BYTES


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise HttpError("the address is malformed") from None
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise HttpError("refused to speak plain HTTP beyond this machine")
    return parts
