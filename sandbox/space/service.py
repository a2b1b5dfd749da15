"""An Indent space on loopback, speaking Indent's REST API. What it knows is in memory only.

Facts from the descriptors of Indent's API (`indent-go`) and its JavaScript client (`indent-js`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

from handler.json_fields import ShapeError
from sandbox.space import api as call
from sandbox.space import errors, tokens
from sandbox.space.api import Route, ok
from sandbox.space.errors import ApiError
from sandbox.space.pagination import asked
from sandbox.space.petition import Petition
from sandbox.space.petition_routes import PetitionRoutes
from sandbox.space.petition_store import Desk
from sandbox.space.resource_routes import CatalogueRoutes
from sandbox.space.resources import PERSON, Catalogue
from sandbox.space.tokens import Owner
from sandbox.space.webhook_client import Asker, AskError
from sandbox.space.webhooks import DECISION, Webhooks
from sandbox.vendors.exchange import Answer, Request
from sandbox.vendors.server import Clock, Double, utc_now

Json = dict[str, Any]
_BEARER = "Bearer "


class Space(Double):
    """A space that runs from `with` to the end of it, and fails as it is told by `fail`.

    A fault that answers without doing (a status, a hang-up before a byte) leaves no petition
    behind; one that spoils the answer (in its body, garbage) does, as in life.

    Args:
        name: the space's name.
        now: its clock; time that passes is seen when a petition is next looked at.
        webhook_timeout: seconds that a webhook has for one answer, and for the connection to it.
        webhook_pauses: seconds before each further try.

    Attributes:
        catalogue, webhooks, desk: what it knows, for a page in the same process.
    """

    def __init__(
        self,
        name: str = "acmecorp",
        *,
        now: Clock = utc_now,
        webhook_timeout: float = 10,
        webhook_pauses: Sequence[float] = (0.25, 0.5),
    ) -> None:
        self.name = name
        self.catalogue = Catalogue()
        self.webhooks = Webhooks()
        self._asker = Asker(now, webhook_timeout, webhook_pauses)
        self.desk = Desk(name, now, self.catalogue, self.webhooks, self._asker)
        self._key = secrets.token_bytes(32)
        base = f"/v1/spaces/{name}"
        about = {"name": name, "parent": "", "displayName": name}
        routes: dict[str, Route] = {
            "GET /v1/spaces": lambda one: ok(
                {"spaces": [] if asked(one.query, "parent") else [about]}
            ),
            f"GET {base}": lambda _: ok(about),
            **PetitionRoutes(self.desk).under(base),
            **CatalogueRoutes(name, self.catalogue, self.webhooks, self._asker, self.desk).under(
                base
            ),
        }
        super().__init__(routes, now)

    @property
    def url(self) -> str:
        """The base of the API, which ends in `/v1`."""
        return f"{super().url}/v1"

    @property
    def petitions(self) -> list[Petition]:
        """The petitions as they are now, newest first."""
        return self.desk.all()[::-1]

    def add_person(self, email: str, display_name: str = "") -> Json:
        """The person of this address, who is added if need be."""
        body = {"kind": PERSON, "id": email, "email": email, "displayName": display_name}
        return self.catalogue.person(email) or self.catalogue.add(body)

    def add_resource(
        self, kind: str, id_: str, display_name: str = "", labels: Mapping[str, str] | None = None
    ) -> Json:
        """Add what can be requested."""
        body = {"kind": kind, "id": id_, "displayName": display_name, "labels": dict(labels or {})}
        return self.catalogue.add(body)

    def add_webhook(self, url: str, secret: str, display_name: str = "") -> str:
        """Add a decision webhook, pull its bot, and give its name; a policy has to name it.

        Where it does not answer, its bot is pulled when it is first asked.
        """
        body = {"url": url, "secret": secret, "displayName": display_name}
        webhook = self.webhooks.add({**body, "labels": {DECISION: "true"}})
        with suppress(AskError):
            self.webhooks.saw_bots(webhook.name, self._asker.bots(webhook))
        return webhook.name

    def add_policy(self, webhook: str, match_labels: Mapping[str, str] | None = None) -> str:
        """Have a webhook asked about resources that all carry these labels; give its name."""
        base = {"selector": {"matchLabels": dict(match_labels or {})}}
        return self.webhooks.add_policy({"base": base, "webhooks": [{"name": webhook}]}).name

    def token_for(self, email: str, *, admin: bool = False) -> str:
        """Make a token for a person, who is added if need be."""
        self.add_person(email)
        return tokens.issue(self._key, Owner(email, admin), self.now())

    def answer(self, request: Request) -> Answer:
        """What the API says."""
        try:
            owner = self._owner(request)
            found = self.route_of(request)
            if found is None:
                return self.error(404)
            route, parts = found
            return route(call.read(request, owner), **call.unquoted(parts))
        except ApiError as error:
            return Answer(error.http, errors.body(error.code, error.message))
        except ShapeError as error:
            return Answer(400, errors.body(errors.INVALID_ARGUMENT, f"{error}."))

    def error(self, status: int, *, retry_at: datetime | None = None) -> Answer:  # noqa: ARG002 - told in a header
        """The gateway's body for an HTTP error."""
        return Answer(status, errors.body(errors.code_of(status), f"{HTTPStatus(status).phrase}."))

    def close(self) -> None:
        """Hang up on webhooks and clients; every thread is joined."""
        self.desk.close()
        super().close()

    def _owner(self, request: Request) -> Owner:
        header = request.headers.get("authorization", "")
        token = header.removeprefix(_BEARER)
        owner = tokens.read(self._key, token, self.now()) if token != header else None
        if owner is None:
            raise ApiError(errors.UNAUTHENTICATED, "The token is missing, not valid or has ended.")
        return owner
