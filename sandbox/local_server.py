"""The server of everything in the sandbox: HTTP/1.1 on loopback, for this run's clients only.

Any web page that is open on this machine can send requests to loopback, and anybody's DNS name can
point there. So each server answers its own Host only, refuses what a browser sends from another
site, lets no other site read an answer (it sends no CORS header), and asks for a credential that is
made for this run.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NamedTuple, Self

from policy.terminal import safe_lines

HOST: Final = "127.0.0.1"
_CORS: Final = "access-control-"
_OWN_SITE: Final = ["same-origin"]
_NO_OTHER_SITE: Final[tuple[list[str], ...]] = ([], ["none"], _OWN_SITE)
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_WITHOUT_BODY: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_PATIENCE: Final = 10  # seconds for a thread to end, and for a refused client to hang up
_PAUSE: Final = 0.05  # seconds until a connection is accepted after one could not be
_PIECE, _MOST_PIECES = 64 * 1024, 1024


class Refusal(NamedTuple):
    """An answer to a call that does not reach the service; the client gets only the sentence."""

    status: HTTPStatus
    sentence: str


Authorize = Callable[[str, Message], Refusal | None]
"""Looks for a credential in a call's target and headers; refuses the call without it."""


def checked_by_service(_target: str, _headers: Message) -> None:
    """Refuse no call: the service asks for the credential of its own protocol.

    An API key, a token or a signature, which is answered in the protocol's own words.
    """


class SecretPath:
    """A credential in the first part of the path, for clients that can't send a header.

    Attributes:
        prefix: what each path begins with: a slash and the credential.
    """

    def __init__(self) -> None:
        self.prefix = f"/{secrets.token_urlsafe(24)}"

    def __call__(self, target: str, _headers: Message) -> Refusal | None:
        """Refuse a path that does not begin with it."""
        start, prefix = target[: len(self.prefix) + 1], f"{self.prefix}/"
        if hmac.compare_digest(start.encode("latin-1"), prefix.encode("latin-1")):
            return None
        sentence = "The address lacks the key of this run. Use the whole address that was printed."
        return Refusal(HTTPStatus.FORBIDDEN, sentence)


class LocalHandler(BaseHTTPRequestHandler):
    """Serves one connection; subclasses have a `do_GET` and so on, for calls that may be answered.

    It keeps its connection, answers in one piece and prints nothing.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = _PIECE
    server: LocalServer

    def parse_request(self) -> bool:
        """Read the head of a request; False ends the connection: the call is answered already."""
        return super().parse_request() and self._is_allowed()

    def handle_expect_100(self) -> bool:
        """Ask for the body of a call that may be answered."""
        if not (self._is_allowed() and super().handle_expect_100()):
            return False
        self.wfile.flush()
        return True

    def body_length(self) -> int | None:
        """Read Content-Length, or 0 without one; None if it isn't one whole number."""
        text, *others = set(self.headers.get_all("Content-Length", ["0"]))
        return None if others or not _LENGTH.fullmatch(text) else int(text)

    def reply(self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer; the body is left out if HTTP allows none."""
        self.send_response(status)
        has_length = status == HTTPStatus.NO_CONTENT
        for name, value in headers:
            self.send_header(name, value)
            has_length = has_length or name.lower() == "content-length"
        if not has_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in _WITHOUT_BODY:
            self.wfile.write(body)
        self.wfile.flush()

    def send_header(self, keyword: str, value: str) -> None:
        """Send a header, unless it would let another site read the answer."""
        if not keyword.lower().startswith(_CORS):
            super().send_header(keyword, value)

    def hang_up(self) -> None:
        """End the connection, but read on for a while: some clients send all before they read."""
        self.close_connection = True
        with suppress(OSError):  # the client closed first, or sends nothing more
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_PATIENCE)
            for _ in range(_MOST_PIECES):
                if not self.rfile.read1(_PIECE):
                    break

    def handle(self) -> None:
        """Serve the connection until either side closes it."""
        with suppress(ConnectionError):  # the client was killed, or has hung up
            super().handle()

    def version_string(self) -> str:
        """Name no software or version."""
        return "sandbox"

    def log_message(self, *_: object) -> None:
        """Print nothing for a call."""

    def _is_allowed(self) -> bool:
        refusal = self.server.refusal(self.path, self.headers)
        if refusal is None:
            return True
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        self.reply(refusal.status, f"{refusal.sentence}\n".encode(), headers.items())
        self.hang_up()
        return False


class LocalServer(socketserver.TCPServer):
    """Listens on a free port of loopback, and serves each connection in a thread of its own.

    It keeps track of its connections, so that closing also ends those that a client keeps open.

    Args:
        handler: what serves a connection.
        authorize: looks for the credential of a call before the handler sees the call.

    Attributes:
        port: where it listens.
        authority: the Host that it answers.
        url: where it answers, without a slash at the end.
    """

    request_queue_size = 128  # a load test connects all at once

    def __init__(self, handler: type[LocalHandler], authorize: Authorize) -> None:
        super().__init__((HOST, 0), handler)
        self.port = int(self.server_address[1])
        self.authority = f"{HOST}:{self.port}"
        self.url = f"http://{self.authority}"
        self._authorize = authorize
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._closing = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> None:
        """Start to serve."""
        self._accepting.start()

    def refusal(self, target: str, headers: Message) -> Refusal | None:
        """Say why a call is not answered; None if the handler may see it."""
        if headers.get_all("Host", []) != [self.authority] or not target.startswith("/"):
            where = f"This server answers at {self.url}/ only."
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, where)
        if not self._is_of_own_site(headers):
            where = f"Calls from another site are refused. Open {self.url}/... itself."
            return Refusal(HTTPStatus.FORBIDDEN, where)
        return self._authorize(target, headers)

    def stop_accepting(self) -> None:
        """Accept no more connections."""
        self._closing.set()
        with suppress(OSError):  # it was stopped before
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        if self._accepting.is_alive():
            self._accepting.join()

    def close(self) -> None:
        """Close every connection, and end every thread; a second call does nothing."""
        self.stop_accepting()
        for connection in self._connections.values():
            with suppress(OSError):  # its client, or its own thread, has closed it
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._connections:
            thread.join(_PATIENCE)
        self.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_error(self, *_: object) -> None:
        """Print a defect of the service, but not that a client hung up."""
        if not isinstance(sys.exception(), OSError):
            # A client's text may be part of it.
            print(safe_lines(traceback.format_exc()), file=sys.stderr)

    def _is_of_own_site(self, headers: Message) -> bool:
        """Whether the call comes from our own site, or not from a browser.

        No page can set these headers. The Origin of a form is `null` where its page sends no
        referrer, but also in other cases: it is allowed only together with a `Sec-Fetch-Site`.
        """
        site, origin = headers.get_all("Sec-Fetch-Site", []), headers.get_all("Origin", [])
        if origin == ["null"]:
            return site == _OWN_SITE
        return site in _NO_OTHER_SITE and origin in ([], [self.url])

    def _accept(self) -> None:
        """Accept until closed, without the base class's polling, which delays each close."""
        while not self._closing.is_set():
            try:
                connection, address = self.socket.accept()
            except OSError:  # closed, or no file descriptor is free until another connection ends
                self._closing.wait(_PAUSE)
                continue
            ended = [thread for thread in self._connections if not thread.is_alive()]
            for thread in ended:
                del self._connections[thread]
            thread = threading.Thread(target=self._serve, args=(connection, address), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread is free: this client has to try again
                connection.close()
                continue
            self._connections[thread] = connection

    def _serve(self, connection: socket.socket, address: Any) -> None:  # noqa: ANN401 - as in socketserver
        try:
            self.finish_request(connection, address)
        except Exception:  # noqa: BLE001 - as in socketserver: it is printed, and the server goes on
            self.handle_error(connection, address)
        finally:
            self.shutdown_request(connection)
