"""Serves a WSGI application on loopback: `LocalServer`'s checks, and werkzeug's environ."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import ClientDisconnected, NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import LimitedStream

from sandbox.local_server import Authorize, LocalHandler, LocalServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding"}


class WsgiServer(LocalServer):
    """Serves an application.

    Args:
        application: what is called for each call that is authorized.
        authorize: looks for the credential of a call.
        mount_path: what each path begins with; the application gets it as SCRIPT_NAME.
    """

    # Attributes that werkzeug's handler reads from its server.
    ssl_context = None
    multithread = True
    multiprocess = False

    def __init__(
        self, application: WSGIApplication, authorize: Authorize, *, mount_path: str = ""
    ) -> None:
        super().__init__(_Handler, authorize)
        self.application = DispatcherMiddleware(NotFound(), {mount_path: application})


class _Handler(LocalHandler, WSGIRequestHandler):
    """Werkzeug's handler calls `run_wsgi` for every method; its own would close each connection."""

    server: WsgiServer  # type: ignore[assignment] # it has what werkzeug reads from it
    server_version = "sandbox"
    timeout = 60  # seconds a client may stay silent

    def run_wsgi(self) -> None:
        """Call the application, and keep the connection if it has read the whole body."""
        length = self.body_length()
        encodings = [encoding.lower() for encoding in self.headers.get_all("Transfer-Encoding", [])]
        if length is None or encodings not in ([], ["chunked"]):
            self.send_error(HTTPStatus.BAD_REQUEST)
            self.hang_up()
            return
        environ: dict[str, Any] = self.make_environ()  # dechunks
        body = None
        if encodings:
            environ.pop("CONTENT_LENGTH", None)
        else:
            body = LimitedStream(environ["wsgi.input"], length)
            environ |= {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
        try:
            answer, status, headers = run_wsgi_app(self.server.application, environ, buffered=True)
        except ClientDisconnected:
            self.close_connection = True
            return
        pairs = [pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP]
        is_read = body is not None and body.is_exhausted
        close = [] if is_read else [("Connection", "close")]
        self.reply(int(status.partition(" ")[0]), b"".join(answer), [*pairs, *close])
        if not is_read:
            self.hang_up()

    def log(self, *_: object) -> None:
        """Print nothing: werkzeug would print a line for each call."""
