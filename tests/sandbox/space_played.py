"""What the tests of the space share: a clock to turn, a webhook to play, and plain HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from handler.callers.indent import EXPIRES, claim, read_events, read_signature, verify
from sandbox.space import Space
from sandbox.vendors.exchange import Answer, Request
from sandbox.vendors.server import Double
from tests.sandbox.asked import Watch

Json = dict[str, Any]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "wks0played"
JANE, OMAR, ADA = "jane@acme.example", "omar@acme.example", "ada@acme.example"
BOT = {"kind": "indent.v1.Bot", "id": "played-bot", "displayName": "Played Bot"}


class PlayedWebhook(Double):
    """A webhook that checks signatures, and answers with what a test says.

    `claims` makes its claims out of the events it is asked about; none by default.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__({"POST /hook": self._hook}, watch)
        self.claims: Callable[[list[Json]], list[Any]] = lambda _: []
        self.bots: list[Any] = [BOT]

    @property
    def asked(self) -> list[list[Json]]:
        """The events of each time it was asked for a decision."""
        bodies = [json.loads(call.body) for call in self.calls]
        return [body["events"] for body in bodies if "events" in body]

    def error(self, status: int, *, retry_at: datetime | None = None) -> Answer:  # noqa: ARG002 - it tells no time
        """Any error."""
        return Answer(status, {"status": {"code": 13, "message": "no"}})

    def _hook(self, request: Request) -> Answer:
        age = timedelta(minutes=5)
        signature = read_signature(request.headers, now=self.now(), max_age=age)
        verify(signature, request.body, [SECRET])
        body = json.loads(request.body)
        if "kinds" in body:
            return Answer(200, {"status": {"code": 0}, "resources": self.bots})
        return Answer(200, {"status": {"code": 0}, "claims": self.claims(body["events"])})


def approval(event: Json, hours: int = 6) -> Json:
    """The claim with which a bot approves a request, as the handler makes it."""
    _, (request,) = read_events([event])
    duration = timedelta(hours=hours)
    made = claim(request, actor=BOT, reason="On call.", now=NOON, duration=duration)
    # Over the expiry, which the handler gives too: a test that changes one of them means it.
    del made["meta"]["labels"][EXPIRES]
    copied: Json = json.loads(json.dumps(made))
    return copied


def approve_all(events: list[Json]) -> list[Json]:
    """Approve every request."""
    return [approval(event) for event in events]


class Client:
    """One person's plain HTTP to a space."""

    def __init__(self, space: Space, token: str) -> None:
        self._space = space
        self.token = token

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of one call below the space's own path."""
        return self.raw(method, f"/v1/spaces/{self._space.name}{path}", body)

    def raw(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of one call."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with closing(
            http.client.HTTPConnection(urlsplit(self._space.url).netloc, timeout=20)
        ) as connection:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def request(self, *resources: Json, **fields: Any) -> Json:  # noqa: ANN401 - any field of a petition
        """Make a petition, once the webhooks have been asked; it has to succeed."""
        petition = {"reason": "to debug", "resources": list(resources), **fields}
        status, body = self("POST", "/petitions", {"petition": petition, "waitForReviewable": True})
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    def review(self, name: str, event: str, **fields: Any) -> tuple[int, Any]:  # noqa: ANN401 - any field of a claim
        """Make a claim on a petition."""
        return self("POST", f"/petitions/{name}/claims", {"claim": {"event": event, **fields}})

    def phase(self, name: str) -> str:
        """The phase of a petition now."""
        return str(self("GET", f"/petitions/{name}")[1]["state"]["status"]["phase"])

    def events(self, name: str) -> list[str]:
        """The names of a petition's events."""
        history = self("GET", f"/petitions/{name}")[1]["state"]["eventHistory"]
        return [event["event"] for event in history]
