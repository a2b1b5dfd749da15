"""One request and its answer, and how an answer is put on the wire: whole, in pieces, or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sandbox.vendors.server import Double

OK = 200
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it arrived; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body: bytes as they are, anything else as JSON.

    `page` says which page of a list this is, from 1, so that a fault can be had on one of them.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    page: int = 1

    def rendered(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def head(self, framing: str) -> bytes:
        """The status line and headers; `framing` is the header that tells where the body ends."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: application/json; charset=utf-8",
            framing,
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def whole(self) -> tuple[bytes, bytes]:
        """The head and the body."""
        body = self.rendered()
        return self.head(f"Content-Length: {len(body)}"), body


class Waits:
    """What calls wait for, so that closing the double ends every wait at once.

    So does a client that hangs up, within a second: or each would leave a thread for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: set[threading.Event] = set()
        self._ended = False

    def wait(
        self, event: threading.Event, seconds: float | None, is_gone: Callable[[], bool]
    ) -> None:
        """Until the event or that long.

        Raises ConnectionAbortedError if the double closes, or the client has gone.
        """
        with self._lock:
            self._refuse_if_ended()
            self._events.add(event)
        left = inf if seconds is None else seconds
        while left > 0 and not event.wait(min(left, _LOOK_SECONDS)):
            if is_gone():
                break
            left -= _LOOK_SECONDS
        with self._lock:
            self._events.discard(event)
            self._refuse_if_ended()
        if is_gone():
            raise ConnectionAbortedError

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise ConnectionAbortedError

    def end(self) -> None:
        """End every wait, and those to come."""
        with self._lock:
            self._ended = True
            for event in self._events:
                event.set()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that waits for its answer.

    `is_gone` tells whether its client has hung up.
    What is written when the client has gone raises OSError, which ends the connection quietly.
    """

    request: Request
    double: Double
    write: Callable[[bytes], None]
    waits: Waits
    is_gone: Callable[[], bool]
    _right: list[Answer] = field(default_factory=list, init=False)

    @property
    def right(self) -> Answer:
        """What is right to say. A fault that never looks at it refuses a call before it is done."""
        # Not a cached_property: in Python 3.11 all exchanges would wait for each other's.
        if not self._right:
            self._right.append(self.double.answer(self.request))
        return self._right[0]

    def send(self, answer: Answer) -> None:
        """Answer in one piece."""
        head, body = answer.whole()
        self.write(head + body)

    def wait(self, seconds: float | None = None, event: threading.Event | None = None) -> None:
        """Hold the call that long, or until the event, or for good: closing ends it in any case."""
        self.waits.wait(event or threading.Event(), seconds, self.is_gone)

    def hang_up(self) -> NoReturn:
        """Close the connection, whatever was promised."""
        raise ConnectionAbortedError
