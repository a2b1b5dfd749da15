"""One HTTP connection whose every step ends at a deadline: resolving, connecting, TLS, each read.

A socket's own time-out starts anew with each operation, so a peer that drips would never meet it.
"""

from __future__ import annotations

import http.client
import io
import math
import select
import socket
import ssl
from _thread import allocate_lock, start_new_thread
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from handler.clock import Deadline

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    _Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_BUFFER = 64 * 1024
_SLACK_SECONDS = 0.05


class Connection(http.client.HTTPConnection):
    """A connection whose every step ends at `deadline`, which is set anew for each request."""

    deadline: Deadline

    def __init__(self, url: SplitResult, tls: ssl.SSLContext | None) -> None:
        super().__init__(url.hostname or "", url.port or (443 if tls else 80))
        self._tls = tls
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Open it, with TLS where the URL says so. Called by `http.client` when it first sends."""
        raw = self._raw = _dial(self.host, self.port, self.deadline)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            raw.settimeout(_left(self.deadline))
            self._raw = self._tls.wrap_socket(raw, server_hostname=self.host)
        self.sock = _Bounded(self, self._raw)

    def is_quiet(self) -> bool:
        """Whether nothing came unasked: an end of stream, most likely."""
        return self._raw is not None and not select.select([self._raw], [], [], 0)[0]

    def shut(self) -> None:
        """Close for good. `close()` is http.client's, and comes before the body is read."""
        self.close()
        if self._raw is not None:
            self._raw.close()
            self._raw = None


class _Bounded:
    """What `http.client` uses of a socket, with the time left as its time-out."""

    def __init__(self, connection: Connection, raw: socket.socket) -> None:
        self._connection = connection
        self._raw = raw
        self._timeout = math.inf

    def sendall(self, data: ReadableBuffer) -> None:
        self.bound()
        self._raw.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self, self._raw), _BUFFER)

    def close(self) -> None:
        """Leave it open: the body may still be in it."""

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
    """The reading half: closing it leaves the socket open for the next request."""

    def __init__(self, bounded: _Bounded, raw: socket.socket) -> None:
        self._bounded = bounded
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
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
            answers.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
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
