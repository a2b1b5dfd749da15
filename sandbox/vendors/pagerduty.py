"""PagerDuty on loopback: an account, answered about as the vendor's REST API v2 does.

Facts from the vendor's API reference ("On-Calls", "Schedules", "Schedules V3", "Users",
"Abilities") and its pages "Errors", "Rate Limits", "Pagination", "Schedules API: v2 to v3".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from math import ceil
from zoneinfo import ZoneInfo

from sandbox.vendors.auth import refusal
from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.pagerduty_final import layered, shift_based
from sandbox.vendors.pagerduty_json import Json, Rendering
from sandbox.vendors.pagerduty_lists import (
    INVALID_INPUT,
    RefusedError,
    Window,
    is_true,
    matches,
    page_of,
    time_of,
    zone_of,
)
from sandbox.vendors.pagerduty_oncalls import on_calls
from sandbox.vendors.pagerduty_records import Schedule
from sandbox.vendors.pagerduty_state import Account
from sandbox.vendors.server import Clock, Double, Played, utc_now

_LIMIT = 960
_MINUTE = 60
_TWO_WEEKS = timedelta(weeks=2)
_SCHEDULE_NOT_FOUND = 3004
# The scope that a key needs for each path.
_NEEDED = {
    "/abilities": "abilities.read",
    "/oncalls": "oncalls.read",
    "/schedules": "schedules.read",
    "/users": "users.read",
    "/v3/schedules": "schedules.read",
}
# Code and message by status.
_ERRORS = {
    400: (INVALID_INPUT, "Invalid Input Provided"),
    401: (2006, "Authentication failed"),
    402: (2014, "Missing Account Ability"),
    403: (2010, "Access Denied"),
    404: (2100, "Not Found"),
    408: (2016, "The request took too long to process"),
    429: (2020, "Rate Limit Exceeded"),
    500: (2000, "An internal error has occurred. PagerDuty team has been notified."),
}


class PagerDuty(Account, Double):
    """An account that one read-only API key reads over HTTP.

    `scopes` are what the key may read; `time_zone` is what times are told in unless asked else.
    """

    def __init__(
        self,
        api_key: str,
        *,
        scopes: Sequence[str] = tuple(dict.fromkeys(_NEEDED.values())),
        time_zone: str = "Europe/Berlin",
        now: Clock = utc_now,
    ) -> None:
        Account.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /abilities": self._list_abilities,
                "GET /oncalls": self._list_on_calls,
                "GET /schedules": self._list_layered,
                "GET /schedules/{wanted}": self._show_layered,
                "GET /schedules/{wanted}/users": self._list_schedule_users,
                "GET /users": self._list_users,
                "GET /users/me": self._show_myself,
                "GET /users/{wanted}": self._show_user,
                "GET /v3/schedules": self._list_shift_based,
                "GET /v3/schedules/{wanted}": self._show_shift_based,
            },
            now,
        )
        self.api_key = api_key
        self.scopes = tuple(scopes)
        self.time_zone = time_zone

    def answer(self, request: Request) -> Answer:
        """What the vendor would say to this key."""
        if refused := refusal(request, f"Token token={self.api_key}", _NEEDED, self.scopes):
            return self.error(refused)
        try:
            with self._lock:
                answer = super().answer(request)
        except RefusedError as error:
            code, detail = error.args
            return self.error(400, code=code, details=[detail])
        return Answer(answer.status, answer.body, self._rate_limit(), answer.page)

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,
        code: int | None = None,
        details: Sequence[str] = (),
    ) -> Answer:
        """The body of an error; when to come back is told in the headers, in seconds from now."""
        usual, message = _ERRORS.get(status, _ERRORS[500])
        error: Json = {"message": message, "code": code or usual}
        if details:
            error["errors"] = list(details)
        left = ceil((retry_at - self.now()).total_seconds()) if retry_at else _MINUTE
        headers = self._rate_limit(
            0 if status == HTTPStatus.TOO_MANY_REQUESTS else _LIMIT - 1, left
        )
        known = status != HTTPStatus.UNAUTHORIZED
        return Answer(status, {"error": error}, headers if known else {})

    def _rate_limit(self, remaining: int = _LIMIT - 1, left: int = _MINUTE) -> dict[str, str]:
        """A minute in which this request alone was made: the double limits nobody by itself."""
        return {
            "ratelimit-limit": str(_LIMIT),
            "ratelimit-remaining": str(remaining),
            "ratelimit-reset": str(left),
        }

    def _rendering(self, request: Request) -> Rendering:
        zone = zone_of(request, self.time_zone)
        return Rendering(self._people, self._schedules, self._policies, self.time_zone, zone)

    def _list_abilities(self, _: Request) -> Answer:
        return Answer(OK, {"abilities": ["teams", "read_only_users", "permissions_service"]})

    def _list_on_calls(self, request: Request) -> Answer:
        rendering, now = self._rendering(request), self.now()
        since = time_of(request, "since", rendering.zone) or now
        until = time_of(request, "until", rendering.zone) or now
        window = Window(since, until)
        rows = on_calls(request, self._policies.values(), self._schedules, window, now)
        included = request.query.get("include[]", [])
        return page_of(request, "oncalls", rows, lambda row: rendering.on_call(row, included))

    def _found_by_name(self, request: Request, *, v3: bool) -> list[Schedule]:
        kind = [each for each in self._schedules.values() if each.v3 == v3]
        return [each for each in kind if matches(request, each.name)]

    def _list_layered(self, request: Request) -> Answer:
        rendering, rows = self._rendering(request), self._found_by_name(request, v3=False)
        return page_of(request, "schedules", rows, lambda one: rendering.listed_schedule(one.id))

    def _list_shift_based(self, request: Request) -> Answer:
        rendering, rows = self._rendering(request), self._found_by_name(request, v3=True)
        reference = rendering.schedule_reference
        return page_of(request, "schedules", rows, lambda one: reference(one.id), v3=True)

    def _show_layered(self, request: Request, wanted: str) -> Answer:
        return self._show(request, wanted, v3=False)

    def _show_shift_based(self, request: Request, wanted: str) -> Answer:
        return self._show(request, wanted, v3=True)

    def _show(self, request: Request, wanted: str, *, v3: bool) -> Answer:
        rendering, found = self._rendering(request), self._found(wanted, v3=v3)
        if isinstance(found, Answer):
            return found
        window, overflow = _window(request, rendering.zone), is_true(request, "overflow")
        if not v3:
            return Answer(OK, {"schedule": layered(rendering, found, window, overflow=overflow)})
        # One of layers shows who is on without being asked to, one of shifts does not.
        told = window if "final_schedule" in request.query.get("include[]", []) else None
        return Answer(OK, {"schedule": shift_based(rendering, found, told, overflow=overflow)})

    def _found(self, wanted: str, *, v3: bool) -> Schedule | Answer:
        """The schedule, or the error that its absence is, or that it is of the other kind."""
        found = self._schedules.get(wanted)
        if found is None:
            return self.error(404, code=None if v3 else _SCHEDULE_NOT_FOUND)
        if found.v3 != v3:
            other = "v3/schedules" if found.v3 else "schedules"
            return self.error(400, details=[f"This schedule is to be had from /{other}"])
        return found

    def _list_schedule_users(self, request: Request, wanted: str) -> Answer:
        rendering, found = self._rendering(request), self._found(wanted, v3=False)
        if isinstance(found, Answer):
            return found
        members: Iterable[str] = found.members
        if window := _window(request, rendering.zone):
            on_call = {each.person_id for each in window.seen(found.final)}
            members = [each for each in members if each in on_call]
        return Answer(OK, {"users": [rendering.user(each) for each in members]})

    def _list_users(self, request: Request) -> Answer:
        rendering = self._rendering(request)
        rows = [each for each in self.people if matches(request, each.name, each.email)]
        return page_of(request, "users", rows, lambda one: rendering.user(one.id))

    def _show_myself(self, _: Request) -> Answer:
        """The key is nobody's: the one error whose body is a mere sentence."""
        sentence = "The current user is not known to an account-level access token."
        return Answer(400, {"error": sentence})

    def _show_user(self, request: Request, wanted: str) -> Answer:
        found = self._people.get(wanted)
        if found is None or found.deleted_at is not None:
            return self.error(404)
        return Answer(OK, {"user": self._rendering(request).user(wanted)})


def _window(request: Request, zone: ZoneInfo) -> Window | None:
    """Two weeks if only one end of it is told, none if neither is."""
    since, until = time_of(request, "since", zone), time_of(request, "until", zone)
    if since is None:
        return Window(until - _TWO_WEEKS, until) if until else None
    return Window(since, until or since + _TWO_WEEKS)


def played() -> Played:
    """Make one for the sandbox, with a key of its own."""
    key = secrets.token_urlsafe(15)
    double = PagerDuty(key)
    return Played(double, {"PAGERDUTY_KEY": key, "PAGERDUTY_BASE_URL": double.url})
