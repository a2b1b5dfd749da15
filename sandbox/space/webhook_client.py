"""Calling a webhook: signed, retried on connection errors and 5xx, ended when the space closes."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cli.webhook_client import signed
from handler.callers.indent import BOT_KIND
from handler.json_fields import ShapeError, array, as_record, record
from sandbox.space.api import read_json
from sandbox.space.webhooks import Webhook

Json = dict[str, Any]
_LONGEST_ANSWER = 1024 * 1024
_OK, _FAULTY = 200, 500


class AskError(Exception):
    """A webhook gave no answer that can be used; the message says what it did."""


class Asker:
    """Calls webhooks.

    Args:
        now: the clock that the signatures' timestamps are read from.
        timeout: seconds to connect, and then for the whole of one answer.
        pauses: seconds before each further try.
    """

    def __init__(
        self, now: Callable[[], datetime], timeout: float, pauses: Sequence[float]
    ) -> None:
        self._now = now
        self._timeout = timeout
        self._pauses = tuple(pauses)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def bots(self, webhook: Webhook) -> list[Json]:
        """Pull the reviewers that a webhook speaks for (PullUpdate); AskError without an answer."""
        pulled = self.pull(webhook, [BOT_KIND])
        return [each for each in pulled if each.get("kind") == BOT_KIND and each.get("id")]

    def pull(self, webhook: Webhook, kinds: Sequence[str]) -> list[Json]:
        """Pull a webhook's resources of these kinds; AskError without an answer."""
        answer = self._call(webhook, {"kinds": list(kinds), "flags": {}})
        try:
            return [dict(as_record(each, "resources[]")) for each in array(answer, "resources")]
        except ShapeError as error:
            raise AskError(f"answered in the wrong shape: {error}") from None

    def claims(self, webhook: Webhook, events: Sequence[Json]) -> list[Any]:
        """Ask for a decision (GetDecision): its claims, unread; AskError without an answer."""
        answer = self._call(webhook, {"events": list(events)})
        try:
            return array(answer, "claims")
        except ShapeError as error:
            raise AskError(f"answered in the wrong shape: {error}") from None

    def close(self) -> None:
        """Hang up on every webhook, and call none any more."""
        with self._lock:
            self._closing.set()
            for each in self._sockets:
                with suppress(OSError):  # its webhook was faster
                    each.shutdown(socket.SHUT_RDWR)

    def _call(self, webhook: Webhook, body: Mapping[str, Any]) -> Mapping[str, Any]:
        problem = ""
        for pause in (0.0, *self._pauses):
            if self._closing.wait(pause):
                break
            try:
                status, raw = self._post(webhook, body)
            # Of a host name that is none, UnicodeError.
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                problem = f"does not answer ({type(error).__name__})"
                continue
            if status < _FAULTY:
                return _read(status, raw)
            problem = f"answered HTTP {status}"
        raise AskError(problem or "was not asked: the space closes")

    def _post(self, webhook: Webhook, body: Mapping[str, Any]) -> tuple[int, bytes]:
        raw, headers = signed(webhook.secret, body, self._now())
        parts = urlsplit(webhook.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self._connected(webhook.url) as connection:
            connection.request("POST", target, raw, headers)
            with connection.getresponse() as response:
                return response.status, response.read(_LONGEST_ANSWER)

    @contextmanager
    def _connected(self, url: str) -> Iterator[http.client.HTTPConnection]:
        parts = urlsplit(url)
        https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
        try:
            connection.connect()
            with self._lock:
                if self._closing.is_set():
                    raise ConnectionAbortedError
                self._sockets.add(connection.sock)
            try:
                with _hung_up_after(self._timeout, connection.sock):
                    yield connection
            finally:
                with self._lock:
                    self._sockets.discard(connection.sock)
        finally:
            connection.close()


@contextmanager
def _hung_up_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End a connection that is still in use then, however many bytes trickle in; TimeoutError."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):  # the other end was faster
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if late.is_set():
            raise TimeoutError


def _read(http_status: int, raw: bytes) -> Mapping[str, Any]:
    if http_status != _OK:
        raise AskError(f"answered HTTP {http_status}")
    try:
        answer = as_record(read_json(raw), "the answer")
        code = record(answer, "status").get("code", 0)
    except (ValueError, RecursionError):  # what is no JSON, and the wrong shape
        raise AskError("answered what is no JSON object") from None
    if code != 0:
        raise AskError(f"answered with status code {code!r}")
    return answer
