"""Hedged requests: if a response is slow, the same request is sent again in parallel."""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import start_new_thread
from collections.abc import Callable

from handler.clock import Deadline
from handler.connection import Connection, seconds_left
from handler.typing import Any, Self, TypeAlias

# After this many seconds without a connection, or without the first byte of a response, another
# attempt starts in parallel; if little time is left, after this part of it.
_CONNECTION_DELAY, _CONNECTION_PART = 1.0, 1 / 4
_RESPONSE_DELAY, _RESPONSE_PART = 2.0, 1 / 3
# Parallel requests: a provider that is merely slow gets two, not more.
_MAX_SENT = 2

_Event: TypeAlias = tuple[Connection, bool | Exception]


class HedgedRequest:
    """Attempts at one request, until one of them gets a usable response.

    A slow attempt continues until the deadline, since it may still succeed; another one starts in
    parallel. So neither a dead address nor a lost request uses up the time. Leaving the context
    gives up the attempts that are still running.

    Args:
        connect: returns a connection; True allows an open one, from an earlier request.
        request: sent once or more often; None only opens a connection.

    Attributes:
        may_start: whether another attempt may start if one is slow.
    """

    def __init__(
        self, connect: Callable[[bool], Connection], request: bytes | None, deadline: Deadline
    ) -> None:
        self._connect = connect
        self._request = request
        self._deadline = deadline
        self._addresses: dict[Any, int] = {}  # with the number of attempts at each
        self._attempts: set[Connection] = set()
        # False when the request of an attempt is sent, True when its response begins (or, without a
        # request, when it is open), or its error.
        self._events: SimpleQueue[_Event] = SimpleQueue()
        # The attempt on a kept connection: no thread waits for its response.
        self._unwatched: Connection | None = None
        self._is_over = False
        self.may_start = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give up the attempts that are still running; their threads close them."""
        self._is_over = True
        for attempt in self._attempts:
            attempt.abandon()
        if self._unwatched:
            self._unwatched.close()
        self._close_unclaimed()

    @property
    def is_running(self) -> bool:
        """Whether any attempt is running."""
        return bool(self._attempts)

    def start(self) -> None:
        """Start another attempt; if others are running, on a new connection.

        The network may have dropped the kept ones.
        """
        attempt = self._connect(not self._attempts)
        self._attempts.add(attempt)
        if attempt.address is None or self._request is None:
            start_new_thread(self._run, (attempt,))
            return
        self._addresses[attempt.address] = 1
        try:
            attempt.send(self._request, self._deadline)
        except OSError as error:
            self._fail(attempt, error)
        else:
            self._unwatched = attempt

    def wait(self) -> Connection:
        """Wait for the next connection on which a response begins; the caller then owns it.

        Raises:
            Exception: the error of an attempt; TimeoutError at the deadline.
        """
        while True:
            left = seconds_left(self._deadline)
            delay = self._delay(left)
            try:
                attempt, outcome = self._next_event(left if delay is None else delay, left)
            except Empty:
                if delay is not None:
                    self.start()
                continue
            if outcome is not False:
                self._attempts.remove(attempt)
                if outcome is True:
                    return attempt
                raise outcome

    def _next_event(self, seconds: float, left: float) -> _Event:
        """Wait for an event; raise `Empty` after these seconds without one."""
        if not (attempt := self._unwatched):
            return self._events.get(timeout=seconds)
        self._unwatched = None
        try:
            # On a kept connection most responses begin soon, so starting a thread is not worth it.
            attempt.wait_for_response(self._deadline.part(seconds / left))
        except TimeoutError:
            start_new_thread(self._run, (attempt,))
            raise Empty from None
        except OSError as error:
            attempt.close()
            return attempt, error
        return attempt, True

    def _delay(self, left: float) -> float | None:
        """Return after how many seconds another attempt starts, or None."""
        sent = sum(attempt.is_sent for attempt in self._attempts)
        # One at each address; once a request is sent, the next may first try a dead address.
        most = len(self._addresses) + 2 if sent else max(2, len(self._addresses))
        if not self.may_start or sent >= _MAX_SENT or len(self._attempts) >= most:
            return None
        if sent:
            return min(_RESPONSE_DELAY, left * _RESPONSE_PART)
        return min(_CONNECTION_DELAY, left * _CONNECTION_PART)

    def _run(self, attempt: Connection) -> None:
        try:
            if attempt.address is None:
                attempt.open(self._deadline, self._addresses)
            if self._request is not None:
                if not attempt.is_sent:
                    attempt.send(self._request, self._deadline)
                    self._events.put((attempt, False))
                attempt.wait_for_response(self._deadline)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            self._fail(attempt, error)
        else:
            self._events.put((attempt, True))
            if self._is_over:
                self._close_unclaimed()

    def _close_unclaimed(self) -> None:
        """Close the connections that nobody will use.

        Whoever gets a connection from the queue owns it, so no thread closes one in use: TLS would
        end during a request, which would then be sent unencrypted.
        """
        while True:
            try:
                attempt, outcome = self._events.get(block=False)
            except Empty:
                return
            if outcome is True:
                attempt.close()

    def _fail(self, attempt: Connection, error: Exception) -> None:
        try:  # noqa: SIM105 - importing contextlib takes nearly a hundredth of a cold start
            attempt.close()
        except OSError:
            pass
        self._events.put((attempt, error))
