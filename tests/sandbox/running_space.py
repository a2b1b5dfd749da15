"""A space under test: a webhook whose claims a test chooses, and an HTTP client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from handler.callers.indent import EXPIRES, claim, read_events, read_signature, verify
from sandbox.space import Space
from sandbox.vendors.server import Double, Request, Response
from tests.sandbox.manual_clock import NOON, ManualClock

Json = dict[str, Any]
SECRET = "wks0test"
JANE, OMAR, ADA = "jane@acme.example", "omar@acme.example", "ada@acme.example"
BOT = {"kind": "indent.v1.Bot", "id": "test-bot", "displayName": "Test Bot"}
PROD = {"kind": "okta.v1.Group", "id": "prod"}
TEST = {"kind": "okta.v1.Group", "id": "test"}


class FakeWebhook(Double):
    """A webhook that verifies signatures.

    Attributes:
        claims: makes its claims from the events of a call; by default none.
        bots: the resources that it returns for PullUpdate.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__({"POST /hook": self._answer}, clock)
        self.claims: Callable[[list[Json]], list[Any]] = lambda _: []
        self.bots: list[Any] = [BOT]

    @property
    def decision_requests(self) -> list[list[Json]]:
        """The events of each GetDecision call."""
        bodies = [json.loads(call.body) for call in self.calls]
        return [body["events"] for body in bodies if "events" in body]

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:  # noqa: ARG002 - it tells no time
        """Return any error."""
        return Response(status, {"status": {"code": 13, "message": "no"}})

    def _answer(self, request: Request) -> Response:
        age = timedelta(minutes=5)
        signature = read_signature(request.headers, now=self.now(), max_age=age)
        verify(signature, request.body, [SECRET])
        body = json.loads(request.body)
        if "kinds" in body:
            return Response(200, {"status": {"code": 0}, "resources": self.bots})
        return Response(200, {"status": {"code": 0}, "claims": self.claims(body["events"])})


def approval(event: Json, hours: int = 6) -> Json:
    """The claim that approves a request, as the handler makes it."""
    _, (request,) = read_events([event])
    duration = timedelta(hours=hours)
    body = claim(request, actor=BOT, reason="On call.", now=NOON, duration=duration)
    # Unlike the handler's, it has no expiry, so a test can change the duration alone.
    del body["meta"]["labels"][EXPIRES]
    copied: Json = json.loads(json.dumps(body))
    return copied


def approve_all(events: list[Json]) -> list[Json]:
    """Approve every request."""
    return [approval(event) for event in events]


class Client:
    """One person's HTTP client of a space."""

    def __init__(self, space: Space, token: str) -> None:
        self._space = space
        self.token = token

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and JSON of a call to a path of the space."""
        return self.raw(method, f"/v1/spaces/{self._space.name}{path}", body)

    def raw(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        """Return status and JSON of a call to any path."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with closing(
            http.client.HTTPConnection(urlsplit(self._space.url).netloc, timeout=20)
        ) as connection:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def request(self, *resources: Json, **fields: Any) -> Json:  # noqa: ANN401 - any field of a petition
        """Create a petition, which must succeed, and wait for the webhooks."""
        petition = {"reason": "to debug", "resources": list(resources), **fields}
        status, body = self("POST", "/petitions", {"petition": petition, "waitForReviewable": True})
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    def review(self, name: str, event: str, **fields: Any) -> tuple[int, Any]:  # noqa: ANN401 - any field of a claim
        """Create a claim on a petition."""
        return self("POST", f"/petitions/{name}/claims", {"claim": {"event": event, **fields}})

    def phase(self, name: str) -> str:
        """Return the current phase of a petition."""
        return phase_of(self("GET", f"/petitions/{name}")[1])

    def events(self, name: str) -> list[str]:
        """Return the names of a petition's events."""
        history = self("GET", f"/petitions/{name}")[1]["state"]["eventHistory"]
        return [event["event"] for event in history]


def phase_of(petition: Json) -> str:
    """Return the phase in a petition's JSON."""
    return str(petition["state"]["status"]["phase"])
