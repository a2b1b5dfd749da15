"""A double of JSM Operations: a site, with the answers of Atlassian's two hosts.

In reality, the site (https://acme.atlassian.net: `/_edge`, `/rest`) and the API
(https://api.atlassian.com: `/jsm`, `/ex`) are two hosts; here one double is both under one address.

Facts from Atlassian's references ("Jira Service Management ops REST API": schedules, schedule
on-calls, schedule timelines; "Jira Cloud platform REST API": users), and what users report of
tokens with scopes: the site refuses them, the gateway takes no others for Jira. Not documented, and
decided here: how an unknown cloud id and a schedule that the token may not see are answered.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from sandbox.vendors.atlassian import (
    AccountType,
    OrganisationDouble,
    Participant,
    Period,
    Person,
    Responder,
    Schedule,
    kind_of,
    period_json,
)
from sandbox.vendors.server import (
    OK,
    Clock,
    Json,
    Request,
    Response,
    utc_now,
)
from sandbox.vendors.store import find

CLOUD_ID = "11223344-5566-4788-99aa-bbccddeeff00"
OPS_SCOPE = "read:ops-config:jira-service-management"
USER_SCOPE = "read:jira-user"
EMAIL = "approvals@example.com"

_RIGHTS = {"/jsm/": OPS_SCOPE, "/ex/jira/": USER_SCOPE}
_MOST_SCHEDULES, _MOST_USERS, _MOST_FOUND = 100, 200, 1000
_MANY = 1_000_000


class JSM(OrganisationDouble):
    """A site that one account's API token reads over HTTP.

    A token without the scope of a path is refused. After `restrict_key`, the account
    sees that team's schedules only: the list leaves the others out, and their ids give 403.

    Attributes:
        scopes: what the token may read; None for a token without scopes.
    """

    cloud_id = CLOUD_ID
    person_id = "712020:{}"
    page_parameters = ("offset", "startAt")

    def __init__(self, email: str, api_token: str, *, now: Clock = utc_now) -> None:
        api = f"GET /jsm/ops/api/{self.cloud_id}/v1/schedules"
        gateway = f"/ex/jira/{self.cloud_id}"
        super().__init__(
            {
                "GET /_edge/tenant_info": self._get_tenant,
                api: self._list_schedules,
                f"{api}/{{schedule_id}}": self._get_schedule,
                f"{api}/{{schedule_id}}/on-calls": self._get_on_calls,
                f"{api}/{{schedule_id}}/timeline": self._get_timeline,
                **{
                    f"GET {host}/rest/api/3/user/{name}": route
                    for host in ("", gateway)
                    for name, route in (
                        ("bulk", self._list_users),
                        ("search", self._search_users),
                    )
                },
            },
            now,
        )
        self.email = email
        self.api_token = api_token
        self.scopes: Collection[str] | None = (OPS_SCOPE, USER_SCOPE)

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function asks this provider."""
        return {
            "JSM_API_TOKEN": self.api_token,
            "JSM_EMAIL": self.email,
            "JSM_SITE": self.url,
            "JSM_BASE_URL": self.url,
        }

    def add_person(
        self,
        name: str,
        email: str | None,
        *,
        hidden: bool = False,
        active: bool = True,
        account_type: AccountType = "atlassian",
    ) -> Person:
        """Add a user, whose profile may hide the e-mail and whose account may be closed."""
        person = super().add_person(name, email)
        return self.change_person(person, hidden=hidden, active=active, account_type=account_type)

    def change_person(
        self,
        who: Person | str,
        *,
        hidden: bool | None = None,
        active: bool | None = None,
        account_type: AccountType | None = None,
    ) -> Person:
        """Hide or show the e-mail, close or open the account; shifts stay as they are."""
        with self._lock:
            row = find(self._people, who)
            changed = replace(
                row,
                hidden=row.hidden if hidden is None else hidden,
                active=row.active if active is None else active,
                account_type=account_type or row.account_type,
            )
            return self._save(self._people, changed)

    def check_key(self, request: Request) -> Response | None:
        """Refuse a call with another key or without the scope; `/_edge` needs neither."""
        if request.path != "/_edge/tenant_info":
            account = b64encode(f"{self.email}:{self.api_token}".encode()).decode()
            if not request.is_authorized(f"Basic {account}"):
                return _unauthorized("Unauthorized")
            if self._refuses_token(request):
                return _unauthorized("Unauthorized; scope does not match")
        return None

    def _refuses_token(self, request: Request) -> bool:
        """Tell whether the token is for another host, or lacks the scope of the path."""
        if self.scopes is None:
            return request.path.startswith("/ex/")
        return request.path.startswith("/rest/") or request.lacks_right(_RIGHTS, self.scopes)

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,  # noqa: ARG002 - its errors don't give it
        message: str = "",
    ) -> Response:
        """Make an error of the operations API."""
        title = message or HTTPStatus(status).phrase
        return Response(status, {"errors": [{"title": title, "code": str(status)}]})

    def point_to_another_page(self, body: Json, request: Request, number: int) -> None:  # noqa: ARG002 - the base class's
        """Link to it in the way of the list of schedules, or of users."""
        if "links" in body:
            body["links"]["next"] = f"/v1/schedules?offset={number}"
        else:
            body |= {"isLast": False, "total": _MANY, "nextPage": f"{self.url}?startAt={number}"}

    def _get_tenant(self, _: Request) -> Response:
        """Give the cloud id, to anybody."""
        return Response(OK, {"cloudId": self.cloud_id})

    def _list_schedules(self, request: Request) -> Response:
        """List those whose name has the query anywhere in it, in any case."""
        offset = request.number("offset", 0)
        size = request.number("size", 25, least=1, most=_MOST_SCHEDULES)
        query = request.parameter("query").casefold()
        rows = [row for row in self.visible_schedules if query in row.name.casefold()]
        end = offset + size
        more = {"next": f"/v1/schedules?offset={end}&size={size}"} if end < len(rows) else {}
        body = {"values": list(map(_schedule_json, rows[offset:end])), "links": more}
        return Response(OK, body, page=1 + offset // size)

    def _get_schedule(self, _: Request, schedule_id: str) -> Response:
        return Response(OK, _schedule_json(self._visible_schedule(schedule_id)))

    def _get_on_calls(self, _: Request, schedule_id: str) -> Response:
        participants = self._on_call(self._visible_schedule(schedule_id))
        return Response(OK, {"onCallParticipants": list(map(_participant_json, participants))})

    def _get_timeline(self, request: Request, schedule_id: str) -> Response:
        return Response(
            OK, self._timeline(request, self._visible_schedule(schedule_id), _period_json)
        )

    def _list_users(self, request: Request) -> Response:
        """Give a page of the users with these account ids; unknown ids are left out."""
        ids = dict.fromkeys(request.query.get("accountId", []))
        people = [self._people[id_] for id_ in ids if id_ in self._people]
        start = request.number("startAt", 0)
        size = min(request.number("maxResults", 10, least=1), _MOST_USERS)
        end = start + size
        page = f"{self.url}/rest/api/3/user/bulk?maxResults={size}&startAt="
        more = {"nextPage": f"{page}{end}"} if end < len(people) else {}
        body = {
            "self": f"{page}{start}",
            **more,
            "maxResults": size,
            "startAt": start,
            "total": len(people),
            "isLast": not more,
            "values": [self._user_json(person) for person in people[start:end]],
        }
        return Response(OK, body, page=1 + start // size)

    def _search_users(self, request: Request) -> Response:
        """Find active users by how a name or visible e-mail begins; hidden ones are not found."""
        query = request.parameter("query").lower()
        most = min(request.number("maxResults", 50, least=1), _MOST_FOUND)
        people = [person for person in self.people if person.active and _matches(person, query)]
        return Response(OK, [self._user_json(person) for person in people[:most]])

    def _user_json(self, person: Person) -> Json:
        """A Jira user; the e-mail is there only if the profile shows it."""
        email = {"emailAddress": person.email} if person.email and not person.hidden else {}
        return {
            "self": f"{self.url}/rest/api/3/user?accountId={person.id}",
            "accountId": person.id,
            "accountType": person.account_type,
            **email,
            "avatarUrls": {},
            "displayName": person.name,
            "active": person.active,
            "timeZone": "Europe/Berlin",
            "locale": "en_GB",
        }


def create_double() -> JSM:
    """Create a site whose token is random."""
    return JSM(EMAIL, secrets.token_urlsafe(24))


def _unauthorized(message: str) -> Response:
    """Make the error of the gateway in front of both hosts, whose body differs."""
    return Response(401, {"code": 401, "message": message})


def _matches(person: Person, query: str) -> bool:
    email, name = "" if person.hidden else (person.email or "").lower(), person.name.lower()
    return any(text.startswith(query) for text in (*name.split(), name, email))


# -- the operations API's JSON: everybody has an id (a person's is the account id), and no name ----


def _schedule_json(schedule: Schedule) -> Json:
    return {
        "id": schedule.id,
        "name": schedule.name,
        "description": f"Who answers for {schedule.name}.",
        "timezone": "UTC",
        "enabled": schedule.enabled,
        **({"teamId": schedule.team} if schedule.team else {}),
    }


def _participant_json(participant: Participant) -> Json:
    """Without the minutes of a step: a back-up looks like a person who is notified at once."""
    body = _responder_json(participant.who)
    if participant.within:
        body["onCallParticipants"] = list(map(_participant_json, participant.within))
    if participant.forwarded_from:
        body["forwardedFrom"] = _responder_json(participant.forwarded_from)
    return body


def _period_json(period: Period) -> Json:
    body = {**period_json(period), "responder": _responder_json(period.who)}
    if period.kind == "forwarding" and period.forwarded_from:
        body["from"] = _responder_json(period.forwarded_from)
    return body


def _responder_json(who: Responder | None) -> Json:
    return {"id": who.id, "type": kind_of(who)} if who else {"type": "noone"}
