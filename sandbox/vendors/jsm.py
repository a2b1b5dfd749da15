"""JSM Operations on loopback: a site, answered about as Atlassian's two hosts do.

In life the site (https://acme.atlassian.net: `/_edge`, `/rest`) and the API
(https://api.atlassian.com: `/jsm`) are two hosts; here one double is both under one address.

Facts from Atlassian's references ("Jira Service Management ops REST API": schedules, schedule
on-calls, schedule timelines, escalations; "Jira Cloud platform REST API": users). Not documented,
and set here: what an unknown cloud id and a schedule that the token may not see are answered with.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from sandbox.vendors import jsm_json as render
from sandbox.vendors.atlassian_json import LAYERS, timeline
from sandbox.vendors.atlassian_query import (
    RefusedError,
    asked_window,
    expansions,
    flag,
    last,
    moment,
    number,
)
from sandbox.vendors.atlassian_records import AccountType, Person, Schedule
from sandbox.vendors.atlassian_state import Organisation
from sandbox.vendors.atlassian_tree import on_call
from sandbox.vendors.auth import is_authorized
from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.jsm_users import many_users, matching_users, one_user
from sandbox.vendors.server import Clock, Double, Played, utc_now

CLOUD_ID = "11223344-5566-4788-99aa-bbccddeeff00"
OPS_SCOPE = "read:ops-config:jira-service-management"
USER_SCOPE = "read:jira-user"

_LARGEST = 100
_MOST = 1_000_000
_NEEDED = {"/jsm/": OPS_SCOPE, "/rest/": USER_SCOPE}
_TITLES = {
    400: "The request is not valid",
    401: "Unauthorized",
    403: "The account may not see this",
    404: "There is no such thing here",
    422: "A value is not valid",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not available right now",
}


class JSM(Organisation, Double):
    """A site that one account's API token reads over HTTP.

    A token that lacks the scope of a path is as good as none. Without `browses_users` the account
    may look up no single user (403) and finds none; in bulk it still does. After `restrict_key`
    it sees that team's schedules only: lists leave the others out, by id they are 403.
    """

    person_id = "712020:{}"

    def __init__(
        self,
        email: str,
        api_token: str,
        *,
        scopes: Collection[str] = (OPS_SCOPE, USER_SCOPE),
        browses_users: bool = True,
        cloud_id: str = CLOUD_ID,
        now: Clock = utc_now,
    ) -> None:
        api = f"GET /jsm/ops/api/{cloud_id}/v1"
        Organisation.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /_edge/tenant_info": self._tenant,
                f"{api}/schedules": self._list_schedules,
                f"{api}/schedules/{{wanted}}": self._show_schedule,
                f"{api}/schedules/{{wanted}}/on-calls": self._show_on_calls,
                f"{api}/schedules/{{wanted}}/timeline": self._show_timeline,
                f"{api}/teams/{{team}}/escalations": self._list_escalations,
                "GET /rest/api/3/user": self._show_user,
                "GET /rest/api/3/user/bulk": self._list_users,
                "GET /rest/api/3/user/search": self._search_users,
            },
            now,
        )
        self.email = email
        self.api_token = api_token
        self.cloud_id = cloud_id
        self.scopes = frozenset(scopes)
        self.browses_users = browses_users

    def add_person(
        self,
        name: str,
        email: str | None,
        *,
        hidden: bool = False,
        active: bool = True,
        account_type: AccountType = "atlassian",
    ) -> Person:
        """A new user, whose profile may hide the e-mail and whose account may be closed."""
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
            kept = self._person(who)
            changed = replace(
                kept,
                hidden=kept.hidden if hidden is None else hidden,
                active=kept.active if active is None else active,
                account_type=account_type or kept.account_type,
            )
            self._tables.people[kept.id] = changed
            return changed

    def answer(self, request: Request) -> Answer:
        """What Atlassian would say to this account."""
        if request.path != "/_edge/tenant_info":
            told = b64encode(f"{self.email}:{self.api_token}".encode()).decode()
            if not is_authorized(request, f"Basic {told}"):
                return self._unauthorized("")
            for prefix, scope in _NEEDED.items():
                if request.path.startswith(prefix) and scope not in self.scopes:
                    return self._unauthorized("; scope does not match")
        try:
            with self._lock:
                return super().answer(request)
        except RefusedError as error:
            if request.path.startswith("/rest/"):
                return Answer(error.status, {"errorMessages": [str(error)], "errors": {}})
            return self.error(error.status, message=str(error))

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,  # noqa: ARG002 - the header tells it, if anything does
        message: str = "",
    ) -> Answer:
        """The body of an error of the operations API; Jira's own are told apart above."""
        title = message or _TITLES.get(status, _TITLES[500])
        return Answer(status, {"errors": [{"title": title, "code": str(status)}]})

    def _unauthorized(self, why: str) -> Answer:
        """The gateway before both hosts says this, and has a body of its own."""
        return Answer(401, {"code": 401, "message": f"Unauthorized{why}"})

    def _tenant(self, _: Request) -> Answer:
        """Anybody may ask this."""
        return Answer(OK, {"cloudId": self.cloud_id})

    def _list_schedules(self, request: Request) -> Answer:
        query, expand = last(request, "query", "").lower(), expansions(request, ("rotation",))
        offset = number(request, "offset", 0, 0, _MOST)
        size = number(request, "size", 25, 1, _LARGEST)
        found = [each for each in self._visible_schedules() if query in each.name.lower()]
        seen = offset + size
        following = urlencode({**request.query, "offset": seen, "size": size}, doseq=True)
        body = {
            "values": [
                render.schedule(each, self._tables, with_rotations="rotation" in expand)
                for each in found[offset:seen]
            ],
            "links": {"next": f"/v1/schedules?{following}"} if seen < len(found) else {},
            "_expands": ["rotation"],
        }
        return Answer(OK, body, page=1 + offset // size)

    def _show_schedule(self, _: Request, wanted: str) -> Answer:
        return Answer(OK, render.schedule(self._found(wanted), self._tables, with_rotations=True))

    def _show_on_calls(self, request: Request, wanted: str) -> Answer:
        found = self._found(wanted)
        participants = on_call(self._tables, found, moment(request, self.now()))
        return Answer(OK, render.on_call(participants, flat=flag(request, "flat")))

    def _show_timeline(self, request: Request, wanted: str) -> Answer:
        found, now = self._found(wanted), self.now()
        shown, expand = asked_window(request, now), expansions(request, LAYERS)
        return Answer(OK, timeline(found, self._tables, shown, now, expand, render.period))

    def _list_escalations(self, _: Request, team: str) -> Answer:
        rows = [
            render.escalation(each, self._tables)
            for each in self._tables.escalations.values()
            if each.team == team
        ]
        return Answer(OK, {"values": rows, "links": {}})

    def _found(self, wanted: str) -> Schedule:
        """The schedule of this id: no name will do."""
        found = self._tables.schedules.get(wanted)
        if found is None:
            raise RefusedError(404)
        if not self._visible(found):
            raise RefusedError(403)
        return found

    def _show_user(self, request: Request) -> Answer:
        if not self.browses_users:
            raise RefusedError(403, "The account may not browse users.")
        return one_user(request, self._tables.people, self.url)

    def _list_users(self, request: Request) -> Answer:
        return many_users(request, self._tables.people, self.url)

    def _search_users(self, request: Request) -> Answer:
        people = self._tables.people if self.browses_users else {}
        return matching_users(request, people, self.url)


def played() -> Played:
    """Make one for the sandbox, with a token of its own."""
    email, token = "approvals@example.com", secrets.token_urlsafe(24)
    double = JSM(email, token)
    return Played(
        double,
        {
            "JSM_API_TOKEN": token,
            "JSM_EMAIL": email,
            "JSM_SITE": double.url,
            "JSM_BASE_URL": double.url,
        },
    )
