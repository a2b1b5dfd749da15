"""A space, and a proxy to the deployed webhook that may change calls and answers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from indentapi import IndentAPI

from cli.webhook_client import DEFAULT_KIND
from sandbox.demo_data import RESOURCE
from sandbox.space import Space
from sandbox.stack import Sandbox
from sandbox.vendors.server import Clock, Double, Request, Response, utc_now
from tests.e2e.webhook_calls import PATIENCE

Json = dict[str, Any]
OTHER = "test-db"


class Proxy(Double):
    """Passes every call on to a webhook.

    Attributes:
        body: changes the body of a call, but not its signature.
        claims: changes the claims of an answer.
        answered: the webhook's claims, one list per answer.
    """

    def __init__(self, url: str) -> None:
        super().__init__({"POST /": self._pass_on})
        self.body: Callable[[bytes], bytes] = lambda body: body
        self.claims: Callable[[list[Json]], Any] = lambda claims: claims
        self.answered: list[list[Json]] = []
        self._address = urlsplit(url).netloc

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:  # noqa: ARG002 - it tells no time
        """Answer like a load balancer."""
        return Response(status, b"<html>Bad gateway</html>")

    def _pass_on(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        body = self.body(request.body)
        with closing(http.client.HTTPConnection(self._address, timeout=PATIENCE)) as connection:
            connection.request("POST", "/", body, {**headers, "content-length": str(len(body))})
            with connection.getresponse() as response:
                status, answer = response.status, json.loads(response.read())
        if "claims" in answer:
            self.answered.append(answer["claims"])
            answer = {**answer, "claims": self.claims(json.loads(json.dumps(answer["claims"])))}
        return Response(status, answer)


@contextmanager
def space_asking(
    url: str,
    secret: str,
    *,
    now: Clock = utc_now,
    timeout: float = PATIENCE,
    pauses: Sequence[float] = (),
) -> Iterator[Space]:
    """A space with two databases, and a webhook that decides."""
    with Space(now=now, webhook_timeout=timeout, webhook_pauses=pauses) as space:
        for id_ in (RESOURCE, OTHER):
            space.add_resource(DEFAULT_KIND, id_, id_)
        space.add_policy(space.add_webhook(url, secret, "On-call approvals"))
        yield space


@contextmanager
def tampered_space(sandbox: Sandbox) -> Iterator[tuple[Space, Proxy]]:
    """A space that calls the deployed webhook through a proxy."""
    with (
        Proxy(sandbox.url) as proxy,
        space_asking(f"{proxy.url}/", sandbox.webhook_secret) as space,
    ):
        yield space, proxy


def client_of(space: Space, email: str, *, admin: bool = False) -> IndentAPI:
    """Open the SDK's client with a person's token."""
    return IndentAPI(
        space_name=space.name,
        api_token=space.token_for(email, admin=admin),
        base_url=space.url,
    )
