"""HTTP connections whose every step ends at a deadline, and several of them racing to an answer.

A socket's own time-out starts anew with each operation, so a peer that drips would never meet it.
No socket here waits by itself: who uses it waits, for as long as the deadline lets it.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
from _thread import start_new_thread
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from errno import EISCONN
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar
from urllib.parse import SplitResult

from handler.clock import Deadline
from handler.http1 import Answer, encode_request, read_answer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    _Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

# From host, port and deadline to a socket that leads there; None where it is connected directly.
Connect: TypeAlias = Callable[[str, int, Deadline], socket.socket | None]
_T = TypeVar("_T")
_BUFFER = 64 * 1024
# After so many seconds without a connection, or without an answer's first byte, another try starts
# beside the one that waits; where less time is left, after that part of it.
_TO_CONNECT, _PART_TO_CONNECT = 1.0, 1 / 4
_TO_ANSWER, _PART_TO_ANSWER = 2.0, 1 / 3
# Requests on their way at once: a provider that is merely slow is asked twice, not more often.
_MOST_SENT = 2


def request_to(
    url: SplitResult, method: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Write a request, which never names the user and password that an address must not have.

    Raises:
        BrokenError: something in it would begin another line.
    """
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    return encode_request(method, url.netloc.rpartition("@")[2], target, headers, body)


class Connection:
    """A connection whose every step ends at `deadline`, which is set anew for each request.

    Attributes:
        deadline: when to give up.
        is_sent: whether the request is sent whole.
        writes: whether the step it waits for is writing; else it is reading.
    """

    deadline: Deadline

    def __init__(
        self, url: SplitResult, tls: ssl.SSLContext | None, connect: Connect | None = None
    ) -> None:
        self._tunnel = connect
        self._host, self._port = url.hostname or "", url.port or (443 if tls else 80)
        self._tls = tls
        self._raw: socket.socket | None = None
        self._stream = io.BufferedReader(_Reader(self), _BUFFER)
        self._blocks = False
        self._address: _Address | None = None  # which an open connection has
        self.is_sent = self.writes = False

    def fileno(self) -> int:
        """Give what `poll` waits for."""
        return self.opened.fileno()

    @property
    def opened(self) -> socket.socket:
        """The socket, once it is open; without TLS, the caller may go on with it alone."""
        assert self._raw  # noqa: S101 - for the type checker
        return self._raw

    def steps(
        self, request: bytes | None, uses: dict[_Address, int]
    ) -> Generator[None, None, None]:
        """Open it if need be, send a request if there is one, and end where its answer begins.

        Yields wherever it has to wait. `uses` counts who tried which address: those that others
        try come last.

        Raises:
            OSError: it broke.
        """
        self.is_sent = False
        if self._address:
            uses[self._address] = uses.get(self._address, 0) + 1
        else:
            address = self._tunnelled() or (
                yield from self._connect((yield from self._resolve()), uses)
            )
            if self._tls:
                # Raising, it has closed what it was given.
                self._raw = self._tls.wrap_socket(
                    self.opened,
                    server_hostname=self._host.encode(),
                    do_handshake_on_connect=False,
                )
                yield from self._patiently(self._raw.do_handshake)
            self._address = address
        if request is None:
            return
        rest = memoryview(request)
        while rest:
            sent = yield from self._patiently(partial(self.opened.send, rest), writes=True)
            rest = rest[sent:]
        self.is_sent = True
        self._blocks = self.writes = False
        yield  # nobody answers at once
        yield from self._patiently(partial(self._stream.peek, 1))

    def _tunnelled(self) -> _Address | None:
        """Take the socket of who made the client, if it gives one."""
        raw = self._tunnel(self._host, self._port, self.deadline) if self._tunnel else None
        if raw is None:
            return None
        self._raw = raw  # before anything can fail: it is closed with the connection
        raw.settimeout(0)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw.family, raw.type, raw.proto, "", raw.getpeername()

    def _patiently(
        self, operation: Callable[[], _T], *, writes: bool = False
    ) -> Generator[None, None, _T]:
        """Try again whenever it would have to wait."""
        while True:
            try:
                return operation()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                self._wants(error, writes=writes)
            yield

    def _wants(self, error: OSError, *, writes: bool) -> None:
        """Note what has to happen before an operation can go on."""
        self.writes = writes
        if isinstance(error, ssl.SSLError):  # TLS may have to read in order to write
            self.writes = isinstance(error, ssl.SSLWantWriteError)

    def _resolve(self) -> Generator[None, None, Sequence[_Address]]:
        """Ask the resolver in a thread that can be given up: it has time-outs of its own."""
        self._raw, there = socket.socketpair()
        found: list[Sequence[_Address] | Exception] = []

        def look_up() -> None:
            try:
                # Bytes, since a str is put through IDNA, whose module takes long to load.
                host = self._host.encode()
                found.append(socket.getaddrinfo(host, self._port, 0, socket.SOCK_STREAM))
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
                found.append(error)
            finally:
                there.close()  # which can be read at the other end

        self.writes = False
        start_new_thread(look_up, ())
        while not found:
            yield
        self._raw.close()
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    def _connect(
        self, addresses: Iterable[_Address], uses: dict[_Address, int]
    ) -> Generator[None, None, _Address]:
        """Connect to the first address that does not refuse, and give it."""
        for each in addresses:
            uses.setdefault(each, 0)
        failure = OSError("the name has no address")
        for each in sorted(addresses, key=uses.__getitem__):
            uses[each] += 1
            family, kind, protocol, _, address = each
            self._raw = socket.socket(family, kind, protocol)
            self._raw.settimeout(0)
            try:
                yield from self._patiently(partial(_dial, self._raw, address), writes=True)
            except OSError as error:
                self._raw.close()
                failure = error
            else:
                self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return each
        raise failure

    def exchange(self, request: bytes, most: int) -> Answer:
        """Send a request, and read its answer.

        Raises:
            OSError, BrokenError: it broke; TimeoutError where that was the deadline.
            TooLarge: the answer's body has more than `most` bytes.
        """
        for _ in self.steps(request, {}):
            _wait(self, _left(self.deadline))
        return self.read(most)

    def read(self, most: int) -> Answer:
        """Read the answer. For what is raised see `exchange`."""
        self._blocks = True
        return read_answer(self._stream, most)

    def receive(self, buffer: WriteableBuffer) -> int:
        """Receive what there is; if that is nothing yet, wait for it where an answer is read."""
        while self._blocks:
            left = _left(self.deadline)
            try:
                return self.opened.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                self._wants(error, writes=False)
            _wait(self, left)
        return self.opened.recv_into(buffer)

    def is_quiet(self) -> bool:
        """Whether nothing came unasked: an end of stream, most likely, or an answer to nothing.

        The next question would take that for its own.
        """
        self._blocks = False
        try:
            self._stream.peek(1)
        except OSError as error:
            return isinstance(error, BlockingIOError | ssl.SSLWantReadError)
        return False

    def close(self) -> None:
        """Close for good."""
        if self._raw is not None:
            self._raw.close()


class _Reader(io.RawIOBase):
    """The reading half, as a stream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._connection.receive(buffer)


class Race:
    """Tries at one and the same request, until one of them brings an answer that will do.

    Time ends none of them before the deadline, since who is slow may still be right: it only lets
    another one start beside it. So neither an address where nobody answers nor a request that got
    lost uses up the time.

    Args:
        connect: gives a connection, open or not.
        request: what is sent; may arrive twice. None only opens a connection.
        deadline: when to give up.

    Attributes:
        starts_more: whether another try starts where one waits for long.
    """

    def __init__(
        self, connect: Callable[[], Connection], request: bytes | None, deadline: Deadline
    ) -> None:
        self._connect = connect
        self._request = request
        self._deadline = deadline
        self._uses: dict[_Address, int] = {}
        self._tries: dict[Connection, Generator[None, None, None]] = {}
        self.starts_more = True

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give up all that are still on their way."""
        for each, steps in self._tries.items():
            steps.close()
            each.close()

    @property
    def is_running(self) -> bool:
        """Whether any try is on its way."""
        return bool(self._tries)

    def start(self) -> Connection:
        """Begin another try."""
        _left(self._deadline)
        one = self._connect()
        one.deadline = self._deadline
        self._tries[one] = one.steps(self._request, self._uses)
        return one

    def next(self) -> Connection:
        """Wait for the next connection on which an answer begins; it is the caller's.

        Raises:
            OSError: a try failed, and is over; TimeoutError where that was the deadline.
        """
        ready = [*self._tries]  # to try costs less than to ask which of them can go on
        while True:
            for one in ready:
                try:
                    next(self._tries[one])
                except StopIteration:
                    del self._tries[one]
                    return one
                except BaseException:
                    del self._tries[one]
                    one.close()
                    raise
            left = _left(self._deadline)
            patience = self._patience(left)
            ready = _ready(self._tries, left if patience is None else patience)
            if not ready:
                if patience is None:
                    raise TimeoutError
                ready = [self.start()]

    def _patience(self, left: float) -> float | None:
        """Say after how many seconds another try starts, if one may."""
        sent = sum(each.is_sent for each in self._tries)
        # One at each address; if a request is out, the next may come to a dead address first.
        most = len(self._uses) + 2 if sent else max(2, len(self._uses))
        if not self.starts_more or sent >= _MOST_SENT or len(self._tries) >= most:
            return None
        if sent:
            return min(_TO_ANSWER, left * _PART_TO_ANSWER)
        return min(_TO_CONNECT, left * _PART_TO_CONNECT)


def _dial(raw: socket.socket, address: Any) -> None:  # noqa: ANN401 - its form depends on the family
    """Begin to connect, or see how far that is: macOS says by an error that it is done."""
    try:
        raw.connect(address)
    except OSError as error:
        if error.errno != EISCONN:
            raise


def _ready(connections: Iterable[Connection], seconds: float) -> list[Connection]:
    """Wait until some can go on, or so many seconds."""
    by_number = {each.fileno(): each for each in connections}
    poll = select.poll()  # `select.select` takes no file number of 1024 and above
    for number, each in by_number.items():
        poll.register(number, select.POLLOUT if each.writes else select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(seconds * 1000)]


def _wait(connection: Connection, seconds: float) -> None:
    if not _ready([connection], seconds):
        raise TimeoutError


def _left(deadline: Deadline) -> float:
    left = deadline.left()
    if left <= 0:
        raise TimeoutError
    return left
