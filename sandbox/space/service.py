"""An Indent space on loopback: its REST API, with everything in memory.

The routes and shapes come from the descriptors of Indent's API (`indent-go`) and its JavaScript
client (`indent-js`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from handler.json_fields import ShapeError, as_object, as_str, get_list, get_str
from sandbox.space import tokens
from sandbox.space.api import (
    ApiError,
    ApiRequest,
    Code,
    code_of_status,
    error_body,
    not_found,
    page_of,
    read_request,
    unimplemented,
)
from sandbox.space.permissions import check_may_administrate
from sandbox.space.petition import Petition
from sandbox.space.petition_store import PetitionStore, petition_name
from sandbox.space.resources import NAME, PERSON, ResourceStore, key_of
from sandbox.space.tokens import Owner
from sandbox.space.webhooks import DECISION, WebhookClient, WebhookError, WebhookStore
from sandbox.vendors.server import OK, Clock, Double, Request, Response, utc_now

Json = dict[str, Any]
Route = Callable[..., Response | Json]
_BEARER = "Bearer "
_BLOCK = "access-manager"


class Space(Double):
    """A space that runs within `with`; `fail` makes it answer with faults.

    A fault that replaces the answer (a status, a hang-up before it) creates no petition. One that
    spoils the answer (garbage, a hang-up in its body) comes after the petition is created.

    Args:
        name: the space's name.
        now: its clock; a petition notices that time has passed when it is next read.
        webhook_timeout: seconds that a webhook has for one answer, and for the connection to it.
        webhook_pauses: seconds before each further try.

    Attributes:
        resources, webhooks, petitions: its content, for a page in the same process.
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
        self.resources = ResourceStore()
        self.webhooks = WebhookStore()
        self._client = WebhookClient(now, webhook_timeout, webhook_pauses)
        self.petitions = PetitionStore(name, now, self.resources, self.webhooks, self._client)
        self._key = secrets.token_bytes(32)
        read_routes = {**self._petition_routes(), **self._read_routes()}
        administration_routes = {
            path: _for_administrators(route)
            for path, route in self._administration_routes().items()
        }
        space = {"name": name, "parent": "", "displayName": name}
        routes: dict[str, Route] = {
            "GET /v1/spaces": lambda request: {
                "spaces": [] if request.parameter("parent") else [space]
            },
            f"GET /v1/spaces/{name}": lambda _: space,
        }
        for path, route in (read_routes | administration_routes).items():
            routes[path.replace(" ", f" /v1/spaces/{name}")] = route
        super().__init__({path: _as_answer(route) for path, route in routes.items()}, now)

    @property
    def url(self) -> str:
        """The API's base URL, which ends in `/v1`."""
        return f"{super().url}/v1"

    def add_person(self, email: str, display_name: str = "") -> Json:
        """The person with this address, added if necessary."""
        body = {"kind": PERSON, "id": email, "email": email, "displayName": display_name}
        return self.resources.find_person(email) or self.resources.add(body)

    def add_resource(
        self, kind: str, id_: str, display_name: str = "", labels: Mapping[str, str] | None = None
    ) -> Json:
        """Add something that can be requested."""
        body = {"kind": kind, "id": id_, "displayName": display_name, "labels": dict(labels or {})}
        return self.resources.add(body)

    def add_webhook(self, url: str, secret: str, display_name: str = "") -> str:
        """Add a decision webhook, pull its bots, and return its name, for use in a policy.

        If it does not answer, its bots are pulled when it is first asked for a decision.
        """
        body = {"url": url, "secret": secret, "displayName": display_name}
        webhook = self.webhooks.add({**body, "labels": {DECISION: "true"}})
        with suppress(WebhookError):
            self.webhooks.set_bots(webhook.name, self._client.pull_bots(webhook))
        return webhook.name

    def add_policy(self, webhook: str, match_labels: Mapping[str, str] | None = None) -> str:
        """Ask a webhook about resources that all have these labels; return the policy's name."""
        base = {"selector": {"matchLabels": dict(match_labels or {})}}
        return self.webhooks.add_policy({"base": base, "webhooks": [{"name": webhook}]}).name

    def token_for(self, email: str, *, admin: bool = False) -> str:
        """Make a token for a person, added if necessary."""
        self.add_person(email)
        return tokens.issue(self._key, Owner(email, admin), self.now())

    def answer(self, request: Request) -> Response:
        """Answer a request; without a valid token, every path gives the same answer."""
        try:
            owner = self._owner(request)
            match = self.route_of(request)
            if match is None:
                return self.error(404)
            route, parts = match
            names = {key: unquote(part) for key, part in parts.items()}
            return route(read_request(request, owner), **names)
        except ApiError as error:
            return Response(error.http_status, error_body(error.code, error.message))
        except ShapeError as error:
            return Response(400, error_body(Code.INVALID_ARGUMENT, f"{error}."))

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:  # noqa: ARG002 - a header says it
        """The gateway's body for an HTTP error."""
        message = f"{HTTPStatus(status).phrase}."
        return Response(status, error_body(code_of_status(status), message))

    def close(self) -> None:
        """Close all connections, and join every thread."""
        self.petitions.close()
        super().close()

    def _owner(self, request: Request) -> Owner:
        header = request.headers.get("authorization", "")
        token = header.removeprefix(_BEARER)
        owner = tokens.verify(self._key, token, self.now()) if token != header else None
        if owner is None:
            message = "The token is missing, not valid or has ended."
            raise ApiError(Code.UNAUTHENTICATED, message)
        return owner

    def _petition_routes(self) -> dict[str, Route]:
        """Everybody in the space may read every petition; `claims` says who may do the rest."""
        petitions = self.petitions
        return {
            "GET /petitions": self._list_petitions,
            "POST /petitions": self._create_petition,
            "GET /petitions/{name}": lambda _, name: petitions.get(name).as_json(),
            "PUT /petitions/{name}": lambda request, name: petitions.update(
                request.owner, name, request.item("petition")
            ).as_json(),
            "DELETE /petitions/{name}": self._delete_petition,
            "GET /petitions/{name}/claims": lambda request, name: page_of(
                request.query, "claims", _claims_of(petitions.get(name))
            ),
            "POST /petitions/{name}/claims": lambda request, name: (
                petitions.review(request.owner, name, request.item("claim")).event
            ),
            "GET /petitions/{name}/claims/{claim}": lambda _, name, claim: _find_claim(
                _claims_of(petitions.get(name)), claim
            ),
            "GET /claims": lambda request: page_of(request.query, "claims", self._claims()),
            "POST /claims": self._review_by_label,
            "GET /claims/{claim}": lambda _, claim: _find_claim(self._claims(), claim),
            "DELETE /claims/{claim}": lambda request, claim: (
                petitions.withdraw(request.owner, claim).event
            ),
        }

    def _read_routes(self) -> dict[str, Route]:
        """The space's content; everybody in the space may read it."""
        return {
            "GET /resources": self._list_resources,
            "GET /resources/{name}": lambda _, name: self.resources.get(name),
            "GET /resources/{name}/members": lambda _, name: {
                "members": self.petitions.holders(*key_of(self.resources.get(name)))
            },
            "GET /blocks": lambda request: page_of(
                request.query, "blocks", [(_BLOCK, self._block(_BLOCK))]
            ),
            "GET /blocks/{name}": lambda _, name: self._block(name),
            "GET /webhooks": self._list_webhooks,
            "GET /webhooks/{name}": lambda _, name: self.webhooks.get(name).as_json(self.name),
            "GET /webhookPolicies": lambda request: page_of(
                request.query,
                "policies",
                [(policy.name, policy.body) for policy in self.webhooks.policies.all()],
            ),
            "GET /webhookPolicies/{name}": lambda _, name: self.webhooks.policies.get(name).body,
        }

    def _administration_routes(self) -> dict[str, Route]:
        """Changes to the content, which administrators may make."""
        resources, webhooks = self.resources, self.webhooks
        return {
            "POST /resources": lambda request: resources.add(request.item("resource")),
            "PUT /resources/{name}": lambda request, name: resources.update(
                name, request.item("resource")
            ),
            "DELETE /resources/{name}": lambda _, name: resources.remove(name),
            "PUT /resources:bulkUpdate": self._bulk_update,
            # As Indent's JavaScript client calls it.
            "POST /resources:bulkUpdate": self._bulk_update,
            "POST /resources:bulkDelete": self._bulk_delete,
            "PUT /resources:pullUpdate": self._pull_update,
            "POST /webhooks": lambda request: webhooks.add(request.item("webhook")).as_json(
                self.name
            ),
            "PATCH /webhooks/{name}": lambda request, name: webhooks.update(
                name, request.item("webhook")
            ).as_json(self.name),
            "DELETE /webhooks/{name}": lambda _, name: webhooks.remove(name).as_json(self.name),
            "POST /webhooks:testPolicy": self._test_policies,
            "POST /webhookPolicies": lambda request: (
                webhooks.add_policy(request.item("policy")).body
            ),
            "PUT /webhookPolicies/{name}": lambda request, name: (
                webhooks.update_policy(name, request.item("policy")).body
            ),
            "DELETE /webhookPolicies/{name}": lambda _, name: webhooks.policies.remove(name).body,
        }

    def _list_petitions(self, request: ApiRequest) -> Response:
        petitions = self.petitions.all()
        if request.parameter("ascending") != "true":
            petitions.reverse()
        items = [(petition.name, petition.as_json()) for petition in petitions]
        return page_of(request.query, "petitions", items)

    def _create_petition(self, request: ApiRequest) -> Json:
        wait = request.body.get("waitForReviewable") is True
        body = request.item("petition")
        return self.petitions.create(request.owner, body, wait=wait).as_json()

    def _delete_petition(self, request: ApiRequest, name: str) -> Json:
        body = self.petitions.remove(request.owner, name).as_json()
        body["state"]["status"]["phase"] = "deleted"
        return body

    def _claims(self) -> list[tuple[str, Json]]:
        return [item for petition in self.petitions.all() for item in _claims_of(petition)]

    def _review_by_label(self, request: ApiRequest) -> Json:
        claim = request.item("claim")
        return self.petitions.review(request.owner, petition_name(claim), claim).event

    def _list_resources(self, request: ApiRequest) -> Response:
        view, query = request.parameter("view"), request.query
        if view:  # it overrides the selector
            query = {name: values for name, values in query.items() if name != "labelSelector"}
        items = [(resource["labels"][NAME], resource) for resource in self.resources.in_view(view)]
        return page_of(query, "resources", items)

    def _bulk_update(self, request: ApiRequest) -> Json:
        bodies = [as_object(value, "resources[]") for value in get_list(request.body, "resources")]
        return {"resources": [self.resources.put(body) for body in bodies]}

    def _bulk_delete(self, request: ApiRequest) -> Json:
        values = get_list(request.body, "resourceNames")
        names = [as_str(value, "resourceNames[]") for value in values]
        for name in names:
            self.resources.get(name)
        for name in dict.fromkeys(names):
            self.resources.remove(name)
        return {}

    def _pull_update(self, request: ApiRequest) -> Json:
        kinds = [as_str(value, "kinds[]") for value in get_list(request.body, "kinds")]
        try:
            bodies = [
                body
                for webhook in self.webhooks.all()
                for body in self._client.pull(webhook, kinds)
                if get_str(body, "kind") in kinds
            ]
        except WebhookError as error:
            raise ApiError(Code.UNAVAILABLE, f"A webhook {error}.") from None
        return {"resources": [self.resources.put(body) for body in bodies], "status": {}}

    def _block(self, name: str) -> Json:
        """The only block; it tells clients which configuration petitions belong to."""
        if name != _BLOCK:
            raise not_found("block", name)
        labels = {
            "indent.com/app": "access-manager",
            "indent.com/kind": "indent.blocks.provider.v1.App",
            "indent.com/app/config/id": f"space:{self.name}",
        }
        return {"name": name, "spaceName": self.name, "labels": labels}

    def _list_webhooks(self, request: ApiRequest) -> Response:
        for name in ("kinds", "capabilities"):
            if name in request.query:
                raise unimplemented(f"What {name} select in Indent is not known here.")
        items = [(webhook.name, webhook.as_json(self.name)) for webhook in self.webhooks.all()]
        return page_of(request.query, "webhooks", items)

    def _test_policies(self, request: ApiRequest) -> Json:
        """The webhooks that policies select. In Indent a policy defines a view; here it doesn't."""
        if view := get_str(request.body, "view"):
            raise not_found("view", view)
        policies = [as_object(value, "policies[]") for value in get_list(request.body, "policies")]
        webhooks = self.webhooks.selected_by(policies)
        return {"webhooks": [webhook.as_json(self.name) for webhook in webhooks]}


def _for_administrators(route: Route) -> Route:
    def answer(request: ApiRequest, **names: str) -> Response | Json:
        check_may_administrate(request.owner)
        return route(request, **names)

    return answer


def _as_answer(route: Route) -> Callable[..., Response]:
    def answer(request: ApiRequest, **names: str) -> Response:
        result = route(request, **names)
        return result if isinstance(result, Response) else Response(OK, result)

    return answer


def _claims_of(petition: Petition) -> list[tuple[str, Json]]:
    return [(claim.name, claim.event) for claim in petition.claims]


def _find_claim(items: list[tuple[str, Json]], name: str) -> Json:
    for other, event in items:
        if other == name:
            return event
    raise not_found("claim", name)
