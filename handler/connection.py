"""An HTTP/1.1 connection whose every step ends at a deadline.

A socket's timeout restarts with each operation, so a peer that sends byte by byte never exceeds it.
Here each operation gets the time that is left until the deadline.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult

from handler import __version__
from handler.clock import Deadline
from handler.response import Response, read_response
from handler.typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Makes a socket from host, port and deadline; None means: connect to the host directly.
Connect: TypeAlias = Callable[[str, int, Deadline], socket.socket | None]
USER_AGENT = f"oncall-approvals/{__version__}"
_BUFFER_BYTES = 64 * 1024


def encode_request(
    method: str,
    url: SplitResult,
    headers: Mapping[str, str],
    body: bytes | None = None,
    target: str = "",
) -> bytes:
    """Write a request; the target is the URL's path and query if not given.

    Raises:
        ValueError: something isn't printable ASCII, so that it could begin another line.
    """
    target = target or (url.path or "/") + (f"?{url.query}" if url.query else "")
    fields = {
        "Host": url.netloc.rpartition("@")[2],  # never the user and password
        "User-Agent": USER_AGENT,  # some firewalls refuse clients that don't name themselves
        "Accept-Encoding": "identity",
        **headers,
    }
    if body is not None:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if " " in target or not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("the request has a character that can't be sent")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


class Connection:
    """A connection to a URL's host, for one request at a time.

    One thread uses it at a time; others may only `abandon` it. Whatever fails raises OSError, and
    TimeoutError if that is because of the deadline. `tls` is for https only.

    Attributes:
        address: the peer's, once the connection is open.
        is_sent: whether a request is sent whose response isn't read yet.
    """

    def __init__(
        self, url: SplitResult, tls: ssl.SSLContext | None, connect: Connect | None = None
    ) -> None:
        self._host, self._port = url.hostname or "", url.port or (443 if tls else 80)
        self._tls = tls
        self._connect = connect
        self._stream = _DeadlineStream()
        self._reader = io.BufferedReader(self._stream, _BUFFER_BYTES)
        self.address: Any = None  # its form depends on the family
        self.is_sent = False

    def open(self, deadline: Deadline, attempts: dict[Any, int]) -> None:
        """Resolve the host, connect, and start TLS.

        `attempts` counts attempts by address: the address with the fewest comes first.
        """
        stream = self._stream
        stream.deadline = deadline
        address = self._open_socket(deadline, attempts)
        stream.ready_socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            secure = self._tls.wrap_socket(  # if it raises, it closes the socket
                stream.ready_socket(),
                server_hostname=self._host.encode(),
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
            stream.socket = secure
            secure.settimeout(seconds_left(deadline))
            secure.do_handshake()
        self.address = address

    def _open_socket(self, deadline: Deadline, attempts: dict[Any, int]) -> Any:  # noqa: ANN401 - as `address`
        """Connect to the first address that accepts, and return that address."""
        stream = self._stream
        seconds_left(deadline)
        if self._connect:
            stream.socket = self._connect(self._host, self._port, deadline)
            if stream.socket:
                return stream.socket.getpeername()
        # Bytes, here and for TLS: a `str` would load the IDNA module, which takes long.
        addresses = socket.getaddrinfo(self._host.encode(), self._port, 0, socket.SOCK_STREAM)
        for *_, address in addresses:
            attempts.setdefault(address, 0)
        failure = OSError("the host name has no address")
        for family, kind, protocol, _, address in sorted(
            addresses, key=lambda info: attempts[info[4]]
        ):
            attempts[address] += 1
            stream.socket = socket.socket(family, kind, protocol)
            try:
                stream.ready_socket().connect(address)
            except OSError as error:
                self.close()
                failure = error
            else:
                return address
        raise failure

    def send(self, request: bytes, deadline: Deadline) -> None:
        """Send a whole request."""
        self._stream.deadline = deadline
        rest = memoryview(request)
        while rest:
            rest = rest[self._stream.ready_socket().send(rest) :]
        self.is_sent = True

    def wait_for_response(self, deadline: Deadline) -> None:
        """Wait for the first byte of the response, or the end of the connection."""
        self._stream.deadline = deadline
        self._reader.peek(1)

    def read_response(self, max_bytes: int, deadline: Deadline) -> Response:
        """Read the response to the request; see `handler.response.read_response`."""
        self.is_sent = False
        self._stream.deadline = deadline
        return read_response(self._reader, max_bytes)

    def is_idle(self) -> bool:
        """Whether the peer sent nothing after the last response and did not close.

        More bytes would be read as the response to the next request.
        """
        self._stream.deadline = None
        try:
            self._reader.peek(1)
        except OSError as error:
            return isinstance(error, BlockingIOError | ssl.SSLWantReadError)
        return False

    def abandon(self) -> None:
        """Make the thread that uses the connection fail, so that it closes it."""
        self._stream.abandon()

    def close(self) -> None:
        """Close it; it can't be opened again."""
        if self._stream.socket:
            self._stream.socket.close()

    @property
    def raw_socket(self) -> socket.socket:
        """The socket of an open connection; without TLS, the caller may use it on its own."""
        return self._stream.ready_socket()


class _DeadlineStream(io.RawIOBase):
    """The bytes that a socket receives, as a stream; it sets the timeout of each operation.

    Attributes:
        deadline: when to give up; None means not to wait at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.socket: socket.socket | None = None
        self.deadline: Deadline | None = None
        self._is_abandoned = False

    def ready_socket(self) -> socket.socket:
        """Return the socket, for one operation that ends at the deadline."""
        if self._is_abandoned or not self.socket:
            raise ConnectionAbortedError
        self.socket.settimeout(seconds_left(self.deadline) if self.deadline else 0)
        return self.socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return self.ready_socket().recv_into(buffer)
        except ssl.SSLEOFError:  # TLS hasn't ended: somebody in between may have cut it off
            raise ConnectionResetError from None

    def abandon(self) -> None:
        self._is_abandoned = True
        if self.socket:
            try:
                # SSLSocket's own method would drop TLS while the other thread uses it.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                return  # not connected yet, or no longer


def seconds_left(deadline: Deadline) -> float:
    """Return the time until a deadline; raise TimeoutError if it has passed."""
    seconds = deadline.left()
    if seconds <= 0:
        raise TimeoutError
    return seconds
