"""An API with scripted responses that records requests; a clock; sample data."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class ReceivedRequest(NamedTuple):
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any


class Response(NamedTuple):
    """A response. `status` 0 hangs up instead; `before` is called before it is sent."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = {}
    before: Callable[[], object] = int


HANG_UP = Response(status=0)


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def server_bind(self) -> None:
        """Bind without a reverse look-up of the host name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]


class ScriptedApi:
    """A local server for as long as the context lasts; each request gets the next response.

    The last response is repeated for all further requests.
    """

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.responses: list[Response] = [Response({})]
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def respond_with(self, *responses: Response | object) -> None:
        """Script the next responses; anything but a `Response` is a successful one's body."""
        self.responses = [r if isinstance(r, Response) else Response(r) for r in responses]

    def targets(self) -> list[str]:
        """The method and path of every request."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5
            wbufsize = -1  # head and body in one packet, so the client doesn't wait

            def setup(self) -> None:
                api.connections += 1
                super().setup()

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = ReceivedRequest(
                    self.command,
                    parts.path.removeprefix("/v1"),
                    parse_qs(parts.query),
                    headers,
                    json.loads(body) if body else None,
                )
                api.requests.append(request)
                response = api.responses[0] if len(api.responses) == 1 else api.responses.pop(0)
                response.before()
                if not response.status:
                    self.close_connection = True
                    return
                raw = response.body if isinstance(response.body, str) else json.dumps(response.body)
                data = raw.encode() if response.body is not None else b""
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
                """Print nothing."""

        return Handler


class ScriptedClock:
    """A clock that only sleeping moves, and that records each sleep."""

    def __init__(self, now: float = 1_705_314_600.0) -> None:
        self.now = now
        self.sleeps: list[float] = []

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def monotonic(self) -> float:
        """The same as `time`."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """Move the clock."""
        self.sleeps.append(seconds)
        self.now += seconds


def token_of(email: str) -> str:
    """A user's token: an unsigned JWT."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": email}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{claims}.sig"


def petition(phase: str, *events: str, name: str = "aec1b116") -> dict[str, Any]:
    """A petition in this phase, with these events."""
    return {
        "name": name,
        "spaceName": "acmecorp",
        "petitioners": [{"kind": "user", "email": "jane@example.com"}],
        "resources": [{"kind": "okta.v1.Group", "id": "00g1"}],
        "state": {"status": {"phase": phase}, "eventHistory": [{"event": e} for e in events]},
    }
