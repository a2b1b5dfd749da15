"""What a provider does on a bad day, each a small value for `double.fail(path, fault)`."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sandbox.vendors.exchange import Exchange

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Slow:
    """Right, but after that many seconds, or once released, whichever comes first."""

    seconds: float | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def play(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        exchange.wait(self.seconds, self.released)
        exchange.send(exchange.right)


@dataclass(frozen=True, slots=True)
class Hang:
    """Takes the request and never says a word."""

    def play(self, exchange: Exchange) -> None:
        """Wait for good."""
        exchange.wait()


@dataclass(frozen=True, slots=True)
class HangUp:
    """Closes the connection: before a byte of the answer, or in the middle of its body."""

    when: Literal["before", "body"] = "before"

    def play(self, exchange: Exchange) -> None:
        """Say nothing, or half of it, and close."""
        if self.when == "body":
            head, body = exchange.right.whole()
            exchange.write(head + body[: len(body) // 2])
        exchange.hang_up()


@dataclass(frozen=True, slots=True)
class Drip:
    """Right, but from the headers or the body on a byte at a time, `interval` seconds apart."""

    interval: float
    since: Literal["headers", "body"] = "body"

    def play(self, exchange: Exchange) -> None:
        """Write at once what comes before, and drip the rest."""
        head, body = exchange.right.whole()
        dripped = head + body if self.since == "headers" else body
        if self.since == "body":
            exchange.write(head)
        for byte in dripped:
            exchange.write(bytes([byte]))
            exchange.wait(self.interval)


@dataclass(frozen=True, slots=True)
class EndlessBody:
    """A body in chunks, as fast as it is read, that never ends."""

    def play(self, exchange: Exchange) -> None:
        """Write until the connection breaks."""
        exchange.write(exchange.right.head("Transfer-Encoding: chunked"))
        exchange.write(_chunk(b'{"endless": ['))
        piece = _chunk(b"0," * (_PIECE // 2))
        while True:
            exchange.write(piece)


@dataclass(frozen=True, slots=True)
class Huge:
    """The right body behind a field of that many megabytes: good JSON, for who reads it all."""

    megabytes: int

    def play(self, exchange: Exchange) -> None:
        """Write it in pieces: it is never in memory as a whole."""
        before, after = b'{"huge": "', b'", ' + exchange.right.rendered()[1:]
        size = self.megabytes * 1024 * 1024
        length = len(before) + size + len(after)
        exchange.write(exchange.right.head(f"Content-Length: {length}") + before)
        for _ in range(size // _PIECE):
            exchange.write(b"x" * _PIECE)
        exchange.write(after)


@dataclass(frozen=True, slots=True)
class EndlessPages:
    """The first page again and again, each with a cursor to another: always new, or the same."""

    repeat: bool = False
    cursors: Iterator[int] = field(default_factory=itertools.count)

    def play(self, exchange: Exchange) -> None:
        """Answer as if no cursor had been sent, and hand out one more."""
        query = {name: value for name, value in exchange.request.query.items() if name != "after"}
        first = exchange.double.answer(replace(exchange.request, query=query))
        body = json.loads(first.rendered())
        number = 0 if self.repeat else next(self.cursors)
        body["pagination_meta"]["after"] = f"01HZZ{number:021d}"
        exchange.send(replace(first, body=body))


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP error with the vendor's own body."""

    status: int

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        exchange.send(exchange.double.error(self.status))


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """A 429 that says when to come back: in seconds, by an HTTP-date, or (None) not at all."""

    seconds: int | None = None
    dated: bool = False

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        retry_at = exchange.double.now() + timedelta(seconds=self.seconds or 0)
        answer = exchange.double.error(429, retry_at=retry_at)
        if self.seconds is not None:
            told = format_datetime(retry_at, usegmt=True) if self.dated else str(self.seconds)
            answer = replace(answer, headers={**answer.headers, "Retry-After": told})
        exchange.send(answer)


@dataclass(frozen=True, slots=True)
class Redirect:
    """A 302 to another address."""

    to: str

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        right = exchange.right
        exchange.send(replace(right, status=302, body=b"", headers={"Location": self.to}))


@dataclass(frozen=True, slots=True)
class Garbage:
    """A 200 whose body is not JSON."""

    body: bytes = b"<html><body>We'll be back soon \xff</body></html>"

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        exchange.send(replace(exchange.right, body=self.body))


@dataclass(frozen=True, slots=True)
class Nested:
    """The right body behind a field that is lists within lists, deeper than any parser likes."""

    depth: int = 200_000

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        lists = b"[" * self.depth + b"]" * self.depth
        body = b'{"nested": ' + lists + b", " + exchange.right.rendered()[1:]
        exchange.send(replace(exchange.right, body=body))


@dataclass(frozen=True, slots=True)
class Replaced:
    """The right body with another value in one place; "*" in the path is every item of a list."""

    path: tuple[str, ...]
    value: Any

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        body = _replaced(json.loads(exchange.right.rendered()), self.path, self.value)
        exchange.send(replace(exchange.right, body=body))


def _replaced(body: Any, path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - any JSON
    if not path:
        return value
    step, *rest = path
    if step == "*":
        return [_replaced(item, tuple(rest), value) for item in body]
    return {**body, step: _replaced(body.get(step, {}), tuple(rest), value)}


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
