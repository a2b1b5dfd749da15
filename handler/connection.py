"""One HTTP connection whose every step ends at a deadline: resolving, connecting, TLS, each read.

A socket's own time-out starts anew with each operation, so a peer that drips would never meet it.
"""

from __future__ import annotations

import io
import math
import select
import socket
import ssl
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult

from handler.clock import Deadline
from handler.http1 import Answer, read_answer, rendered

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    _Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

# From host, port and deadline to a socket that leads there; None where it is connected directly.
Connect: TypeAlias = Callable[[str, int, Deadline], socket.socket | None]
_BUFFER = 64 * 1024
_SLACK_SECONDS = 0.05


class Connection:
    """A connection whose every step ends at `deadline`, which is set anew for each request."""

    deadline: Deadline

    def __init__(
        self, url: SplitResult, tls: ssl.SSLContext | None, connect: Connect | None = None
    ) -> None:
        self._tunnel = connect
        self._host, self._port = url.hostname or "", url.port or (443 if tls else 80)
        # Without user and password, which an address must not have.
        self._named = url.netloc.rpartition("@")[2]
        self._tls = tls
        self._raw: socket.socket | None = None
        self._bounded: _Bounded | None = None

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, most: int
    ) -> Answer:
        """Send a request, and read its answer; opens the connection first if need be.

        Raises:
            OSError, BrokenError: it broke; TimeoutError where that was the deadline.
            TooLarge: the answer's body has more than `most` bytes.
        """
        request = rendered(method, self._named, target, headers, body)
        if self._bounded is None:
            self._open()
        assert self._bounded  # noqa: S101 - for the type checker
        self._bounded.sendall(request)
        return read_answer(self._bounded.stream, most)

    def _open(self) -> None:
        """Open it, with TLS where the URL says so."""
        raw = self._tunnel(self._host, self._port, self.deadline) if self._tunnel else None
        raw = self._raw = raw or _dial(self._host, self._port, self.deadline)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            raw.settimeout(_left(self.deadline))
            self._raw = self._tls.wrap_socket(raw, server_hostname=self._host.encode())
        self._bounded = _Bounded(self, self._raw)

    def is_quiet(self) -> bool:
        """Whether nothing came unasked: an end of stream, most likely, or an answer to nothing.

        The next question would take that for its own.
        """
        if self._raw is None or self._bounded is None or self._bounded.holds_more():
            return False
        return not select.select([self._raw], [], [], 0)[0]

    def shut(self) -> None:
        """Close for good."""
        if self._raw is not None:
            self._raw.close()
            self._raw = self._bounded = None


class _Bounded:
    """A socket with the time left as its time-out, and the stream of what comes from it."""

    def __init__(self, connection: Connection, raw: socket.socket) -> None:
        self._connection = connection
        self._raw = raw
        self._timeout = math.inf
        self._reader = _Reader(self, raw)
        self.stream = io.BufferedReader(self._reader, _BUFFER)

    def sendall(self, data: bytes) -> None:
        self.bound()
        self._raw.sendall(data)

    def holds_more(self) -> bool:
        """Whether more was received than was read."""
        self._reader.paused = True
        try:
            received = bool(self.stream.peek(1))
        finally:
            self._reader.paused = False
        return received or (isinstance(self._raw, ssl.SSLSocket) and self._raw.pending() > 0)

    def bound(self) -> None:
        """Let the next operation end with the deadline, give or take a moment.

        Setting a time-out is a system call, and each of those hands the interpreter to the
        other question's thread.
        """
        left = _left(self._connection.deadline)
        if abs(left - self._timeout) > _SLACK_SECONDS:
            self._raw.settimeout(left)
            self._timeout = left


class _Reader(io.RawIOBase):
    """The reading half, each read of it within the deadline."""

    def __init__(self, bounded: _Bounded, raw: socket.socket) -> None:
        self._bounded = bounded
        self._raw = raw
        self.paused = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self.paused:
            return None  # nothing is there yet, as a stream says that does not wait
        self._bounded.bound()
        return self._raw.recv_into(buffer)


def _left(deadline: Deadline) -> float:
    left = deadline.left()
    if left <= 0:
        raise TimeoutError
    return left


def _resolve(host: str, port: int, deadline: Deadline) -> Sequence[_Address]:
    """Ask the resolver in a thread that can be given up: it has time-outs of its own."""
    answers: list[Sequence[_Address] | OSError] = []
    over = allocate_lock()
    over.acquire()

    def look_up() -> None:
        try:
            # Bytes, since a str is put through IDNA, whose module takes long to load.
            answers.append(socket.getaddrinfo(host.encode(), port, 0, socket.SOCK_STREAM))
        except OSError as error:
            answers.append(error)
        finally:
            over.release()

    start_new_thread(look_up, ())
    if not over.acquire(timeout=_left(deadline)):
        raise TimeoutError
    answer = answers[0]
    if isinstance(answer, OSError):
        raise answer
    return answer


def _dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address that answers, all of them within the deadline."""
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in _resolve(host, port, deadline):
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(_left(deadline))
            raw.connect(address)
        except OSError as error:
            raw.close()
            failure = error
        else:
            return raw
    raise failure
