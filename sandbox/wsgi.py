"""WSGI applications on the sandbox's kind of server (PEP 3333)."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import DechunkedInput
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import LimitedStream

from sandbox.local_server import HOST, Authorize, LocalHandler, LocalServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_OF_THE_CONNECTION: Final = {"connection", "keep-alive", "transfer-encoding"}


class WsgiServer(LocalServer):
    """Serves an application.

    Args:
        application: what is called for each call that is authorized.
        authorize: looks for the credential of a call.
        mounted_at: the beginning of each path that is not the application's own.
    """

    def __init__(
        self, application: WSGIApplication, authorize: Authorize, *, mounted_at: str = ""
    ) -> None:
        super().__init__(_Handler, authorize)
        self.application = application
        self.mounted_at = mounted_at


class _Handler(LocalHandler):
    server: WsgiServer
    timeout = 60  # seconds a client may stay silent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a method, as the base class looks for it
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = self.body_length()
        encodings = [each.lower() for each in self.headers.get_all("Transfer-Encoding", [])]
        is_chunked = encodings == ["chunked"]
        if length is None or (encodings and not is_chunked):
            self.send_error(HTTPStatus.BAD_REQUEST)
            self.hang_up()
            return
        stream = cast("IO[bytes]", self.rfile)
        body = LimitedStream(stream, length)
        given = {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
        if is_chunked:
            given = {"wsgi.input": DechunkedInput(stream), "wsgi.input_terminated": True}
        try:
            answer, status, headers = run_wsgi_app(
                self.server.application, self._environ() | given, buffered=True
            )
        except ClientDisconnected:
            self.close_connection = True
            return
        kept = [each for each in headers if each[0].lower() not in _OF_THE_CONNECTION]
        is_read = not is_chunked and body.is_exhausted
        close = [] if is_read else [("Connection", "close")]
        self.reply(int(status.partition(" ")[0]), b"".join(answer), [*kept, *close])
        if not is_read:
            self.hang_up()

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.removeprefix(self.server.mounted_at).partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": self.server.mounted_at,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "RAW_URI": self.path,  # as gunicorn has it
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            if "_" in name:  # WSGI cannot tell it from a dash
                continue
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        for name in ("TRANSFER_ENCODING", "CONTENT_LENGTH"):
            environ.pop(f"HTTP_{name}", None)
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
        return environ
