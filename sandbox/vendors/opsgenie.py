"""Opsgenie on loopback: an account, answered about as the vendor's API does until 2027-04-05.

Facts from opsgenie/opsgenie-oas (`whoIsOnCall`, `schedule`, `common`) and from docs.opsgenie.com
("Who is On Call API", "Schedule API", "User API", "Response", "API Rate Limiting"). That a timeline
begins with a whole day or week, and cuts what reaches out of it, is seen in its successor.
"""

from __future__ import annotations

import itertools
import secrets
from datetime import datetime
from urllib.parse import unquote

from sandbox.vendors import opsgenie_json as render
from sandbox.vendors.atlassian_json import LAYERS, timeline
from sandbox.vendors.atlassian_query import (
    InvalidError,
    RefusedError,
    asked_window,
    expansions,
    flag,
    last,
    moment,
)
from sandbox.vendors.atlassian_records import Schedule
from sandbox.vendors.atlassian_state import Organisation
from sandbox.vendors.atlassian_tree import on_call
from sandbox.vendors.auth import is_authorized
from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.server import Clock, Double, Played, utc_now

_FORBIDDEN, _TOO_MANY = 403, 429
_NO_RIGHT = 40301
_MESSAGES = {
    401: "The API key is not valid, or its integration is off.",
    403: "The API key has no right to this.",
    404: "There is no such schedule.",
    422: "A value is not valid.",
    429: "Too many requests: slow down.",
    500: "Something went wrong.",
    503: "Not available right now.",
}


class Opsgenie(Organisation, Double):
    """An account that one API key reads over HTTP.

    After `restrict_key` the key is one of a team's integration: lists leave out what is not that
    team's, and asking for it is 403 with the code 40301. A person's username is the e-mail.
    """

    def __init__(self, api_key: str, *, now: Clock = utc_now) -> None:
        Organisation.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /v2/schedules": self._list_schedules,
                "GET /v2/schedules/on-calls": self._list_on_calls,
                "GET /v2/schedules/{wanted}": self._show_schedule,
                "GET /v2/schedules/{wanted}/on-calls": self._show_on_calls,
                "GET /v2/schedules/{wanted}/timeline": self._show_timeline,
                "GET /v2/users/{wanted}": self._show_user,
            },
            now,
        )
        self.api_key = api_key
        self._request_ids = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        """What the vendor would say to this key."""
        if not is_authorized(request, f"GenieKey {self.api_key}"):
            return self.error(401)
        try:
            with self._lock:
                return super().answer(request)
        except RefusedError as error:
            return self.error(error.status, message=str(error))

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,  # noqa: ARG002 - the vendor does not tell it
        message: str = "",
    ) -> Answer:
        """The body of an error; when to come back is told by the headers' period alone."""
        body = {"message": message or _MESSAGES.get(status, _MESSAGES[500])}
        code = {"code": _NO_RIGHT} if status == _FORBIDDEN else {}
        headers = throttled() if status == _TOO_MANY else _unthrottled()
        return Answer(status, {**body, **code, **self._envelope()}, headers)

    def _envelope(self) -> dict[str, object]:
        number = next(self._request_ids)
        return {"took": 0.012, "requestId": f"{number:08x}-0000-4000-9000-{number:012x}"}

    def _told(self, data: object, **more: object) -> Answer:
        return Answer(OK, {"data": data, **more, **self._envelope()}, _unthrottled())

    def _list_schedules(self, request: Request) -> Answer:
        with_rotations = "rotation" in expansions(request, ("rotation",))
        rows = [
            render.schedule(each, self._tables, with_rotations=with_rotations)
            for each in self._visible_schedules()
        ]
        return self._told(rows, expandable=["rotation"])

    def _list_on_calls(self, request: Request) -> Answer:
        at, flat = moment(request, self.now()), flag(request, "flat")
        return self._told(
            [
                render.on_call(each, on_call(self._tables, each, at), flat=flat)
                for each in self._visible_schedules()
            ]
        )

    def _show_schedule(self, request: Request, wanted: str) -> Answer:
        found = self._found(request, wanted, "identifierType")
        return self._told(render.schedule(found, self._tables, with_rotations=True))

    def _show_on_calls(self, request: Request, wanted: str) -> Answer:
        found = self._found(request, wanted, "scheduleIdentifierType")
        participants = on_call(self._tables, found, moment(request, self.now()))
        return self._told(render.on_call(found, participants, flat=flag(request, "flat")))

    def _show_timeline(self, request: Request, wanted: str) -> Answer:
        found = self._found(request, wanted, "identifierType")
        now, expand = self.now(), expansions(request, LAYERS)
        shown = asked_window(request, now)
        body = timeline(found, self._tables, shown, now, expand, render.period)
        return self._told({"_parent": render.meta(found), **body}, expandable=list(LAYERS))

    def _show_user(self, _: Request, wanted: str) -> Answer:
        """By id or by username, in any case."""
        named = unquote(wanted).lower()
        for each in self.people:
            if named in {each.id.lower(), (each.email or "").lower()}:
                return self._told(render.user(each))
        raise RefusedError(404, "There is no such user.")

    def _found(self, request: Request, wanted: str, parameter: str) -> Schedule:
        """The schedule of this id, or of this name if the parameter says that it is a name."""
        kind, named = last(request, parameter, "id"), unquote(wanted)
        if kind not in {"id", "name"}:
            raise InvalidError(f"{parameter} must be id or name.")
        for each in self._tables.schedules.values():
            if named == (each.name if kind == "name" else each.id):
                if not self._visible(each):
                    raise RefusedError(_FORBIDDEN)
                return each
        raise RefusedError(404)


def throttled(period: int = 60, reason: str = "ACCOUNT") -> dict[str, str]:
    """The headers of a refusal for too many calls: whose bucket is empty, and for how long."""
    return {
        "X-RateLimit-State": "THROTTLED",
        "X-RateLimit-Reason": reason,
        "X-RateLimit-Period-In-Sec": str(period),
    }


def _unthrottled() -> dict[str, str]:
    return {"X-RateLimit-State": "OK"}


def played() -> Played:
    """Make one for the sandbox, with a key of its own."""
    key = secrets.token_urlsafe(24)
    double = Opsgenie(key)
    return Played(double, {"OPSGENIE_KEY": key, "OPSGENIE_BASE_URL": double.url})
