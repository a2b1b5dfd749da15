"""Calls of a webhook as the access system makes them, at its URL or in process."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from cli.webhook_client import WebhookAnswer, request_event
from handler.app import App
from handler.callers.indent import sign
from handler.durations import format_instant
from sandbox.lambda_url.event import Request, Response, to_event, to_response
from sandbox.lambda_url.server import Endpoint, _Server

PATIENCE = 60.0  # seconds until an unanswered call fails its test
JSON = {"Content-Type": "application/json"}
BINARY = {"Content-Type": "application/octet-stream"}  # a function URL encodes it as base64
NOTHING: dict[str, Any] = {"status": {"code": 0}, "claims": []}


class Webhook:
    """A webhook, called with signatures of its secret by default."""

    def __init__(
        self,
        secret: str,
        transport: Callable[[Request], Response],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.secret = secret
        self._transport = transport
        self._now = now

    def post(self, body: bytes, headers: Mapping[str, str], method: str = "POST") -> WebhookAnswer:
        """Send bytes with these headers."""
        request = Request(method, "/", "HTTP/1.1", tuple(headers.items()), body, "127.0.0.1")
        response = self._transport(request)
        return WebhookAnswer(response.status, json.loads(response.body))

    def call(
        self,
        body: object,
        *,
        secret: str | None = None,
        age: timedelta = timedelta(0),
        headers: Mapping[str, str] = JSON,
    ) -> WebhookAnswer:
        """Sign and send a body: bytes and text unchanged, anything else as JSON."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        raw = text.encode() if isinstance(text, str) else text
        timestamp = format_instant(self._now() - age)
        signature = sign(self.secret if secret is None else secret, timestamp, raw)
        signed = {"X-Indent-Timestamp": timestamp, "X-Indent-Signature": signature}
        return self.post(raw, {**headers, **signed})

    def ask(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Send events, and return the claims of the answer, which must be a 200."""
        answer = self.call({"events": list(events)})
        assert answer.http == 200, answer
        assert answer.body["status"] == {"code": 0}
        return answer.claims


def request_of(email: str, **changes: object) -> dict[str, Any]:
    """A request for one resource, with some fields changed."""
    return {**request_event(email, ["prod-db"]), **changes}


def over_http(url: str) -> Callable[[Request], Response]:
    """Send by HTTP, each call on its own connection."""

    def send(request: Request) -> Response:
        with closing(
            http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
        ) as connection:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            with connection.getresponse() as answer:
                return Response(answer.status, tuple(answer.getheaders()), answer.read())

    return send


def in_process(app: App) -> Callable[[Request], Response]:
    """Send through the function URL's event and response."""

    def send(request: Request) -> Response:
        event = to_event(request, request_id="1", now=datetime.now(UTC), region="us-west-2")
        return to_response(json.dumps(app.handle(json.loads(json.dumps(event)))).encode())

    return send


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve an app in process, and give its URL."""
    limits = {"most_bytes": Endpoint.most_bytes, "too_large": Endpoint.too_large}
    with _Server(SimpleNamespace(answer=in_process(app), **limits)) as server:  # type: ignore[arg-type] # it uses nothing else
        yield server.url


def duration_of(claim: Mapping[str, Any]) -> str:
    """The duration in a claim."""
    duration: str = claim["meta"]["labels"]["indent.com/time/duration"]
    return duration
