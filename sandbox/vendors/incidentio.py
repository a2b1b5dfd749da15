"""incident.io on loopback: an organisation, answered about as the vendor's API does.

Facts from the vendor's API reference ("Incidents V2", "Schedules V2", "Incident Updates V2",
"Incident Roles V2", "Severities V1", "Incident Types V1", "Utilities V1", "Users V2",
"Making requests", "Errors", "Rate limits", "Pagination").
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

from sandbox.vendors import incidentio_json as render
from sandbox.vendors.auth import refusal
from sandbox.vendors.exchange import OK, Answer, Request
from sandbox.vendors.incidentio_lists import InvalidError, one_of, page_of, size_of
from sandbox.vendors.incidentio_records import Category, Incident, Mode
from sandbox.vendors.incidentio_state import Organisation
from sandbox.vendors.server import Clock, Double, Played, utc_now

_LIMIT = 1200
_SHORT_PAGE = 25

# The role that a key needs for each path.
_NEEDED = {
    "/v1/incident_types": "viewer",
    "/v1/severities": "viewer",
    "/v2/incident": "viewer",
    "/v2/schedules": "schedules_reader",
    "/v2/users": "viewer",
}
# Type, code and message by status.
_ERRORS = {
    401: ("authentication_error", "invalid_api_key", "The API key is missing or not valid."),
    403: ("resource_forbidden", "missing_scope", "The API key lacks a scope that this needs."),
    404: ("not_found", "not_found", "There is no such thing here."),
    422: ("validation_error", "invalid_value", "A value is not valid."),
    429: ("too_many_requests", "rate_limit", "Too many requests: slow down."),
    500: ("api_error", "internal_error", "Something went wrong."),
    503: ("api_error", "unavailable", "Not available right now."),
}


class IncidentIO(Organisation, Double):
    """An organisation that one API key reads over HTTP.

    `key_roles` are what the key may do: without `global_access` it sees no private incidents.
    """

    def __init__(
        self,
        api_key: str,
        *,
        key_roles: Sequence[str] = ("viewer", "schedules_reader"),
        now: Clock = utc_now,
    ) -> None:
        Organisation.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /v1/identity": self._identity,
                "GET /v1/incident_types": self._list_types,
                "GET /v1/severities": self._list_severities,
                "GET /v2/incidents": self._list_incidents,
                "GET /v2/incidents/{wanted}": self._show_incident,
                "GET /v2/incident_roles": self._list_roles,
                "GET /v2/incident_updates": self._list_updates,
                "GET /v2/schedules": self._list_schedules,
                "GET /v2/schedules/{wanted}": self._show_schedule,
                "GET /v2/users": self._list_users,
            },
            now,
        )
        self.api_key = api_key
        self.key_roles = tuple(key_roles)
        self._request_ids = itertools.count(1)
        self._cached: dict[Any, Answer] = {}
        self._cached_after = self.changes

    def answer(self, request: Request) -> Answer:
        """What the vendor would say to this key."""
        if refused := refusal(request, f"Bearer {self.api_key}", _NEEDED, self.key_roles):
            return self.error(refused)
        try:
            with self._lock:
                return self._from_cache(request)
        except InvalidError as error:
            field, message = error.args
            return self.error(422, message=message, field=field)

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,
        message: str = "",
        field: str = "",
    ) -> Answer:
        """The body of an error, with the field that is at fault or the time to come back."""
        kind, code, sentence = _ERRORS.get(status, _ERRORS[500])
        first = {"code": code, "message": message or sentence}
        source = {"source": {"field": field, "pointer": f"/{field}"}} if field else {}
        body = {
            "type": kind,
            "status": status,
            "request_id": f"{next(self._request_ids):08x}",
            "errors": [{**first, **source}],
        }
        if retry_at:
            body["rate_limit"] = {
                "name": "api_key",
                "limit": _LIMIT,
                "remaining": 0,
                "retry_after": render.instant(retry_at),
            }
        return Answer(status, body, self._rate_limit())

    def _from_cache(self, request: Request) -> Answer:
        """Rendered once until something changes, be it by the clock alone: shifts begin and end."""
        now = self.now()
        if self._cached_after != self.changes:
            self._cached.clear()
            self._cached_after = self.changes
        key = (
            request.method,
            request.path,
            tuple((name, *values) for name, values in request.query.items()),
            tuple(each.current(now) for each in self._schedules.values()),
        )
        if key not in self._cached:
            answer = super().answer(request)
            if answer.status != OK:
                return answer
            self._cached[key] = replace(answer, body=answer.rendered())
        return replace(self._cached[key], headers=self._rate_limit())

    def _rate_limit(self) -> dict[str, str]:
        """A bucket of which this request alone has taken: the double limits nobody by itself."""
        full = self.now() + timedelta(seconds=1)
        return {
            "X-RateLimit-Limit": str(_LIMIT),
            "X-RateLimit-Remaining": str(_LIMIT - 1),
            "X-RateLimit-Used": "1",
            "X-RateLimit-Reset": str(int(full.timestamp())),
        }

    def _identity(self, _: Request) -> Answer:
        return Answer(OK, {"identity": render.identity(self.key_roles)})

    def _visible(self) -> list[Incident]:
        """What the key may see, newest first."""
        everything = "global_access" in self.key_roles
        return [
            each
            for each in reversed(self._incidents.values())
            if everything or each.visibility == "public"
        ]

    def _list_incidents(self, request: Request) -> Answer:
        categories = one_of(request, "status_category", get_args(Category), get_args(Category))
        modes = one_of(request, "mode", get_args(Mode), ("standard", "retrospective"))
        ordered = self._visible()
        if request.query.get("sort_by") == ["created_at_oldest_first"]:
            ordered.reverse()
        return page_of(
            request,
            "incidents",
            ordered,
            lambda one: one.category in categories and one.mode in modes,
            lambda one: render.incident(one, self._roles.values()),
            largest=500,
        )

    def _show_incident(self, _: Request, wanted: str) -> Answer:
        for each in self._visible():
            if wanted in {each.id, str(each.number)}:
                return Answer(OK, {"incident": render.incident(each, self._roles.values())})
        return self.error(404)

    def _list_roles(self, _: Request) -> Answer:
        return Answer(OK, {"incident_roles": [render.role(each) for each in self._roles.values()]})

    def _list_severities(self, _: Request) -> Answer:
        return Answer(OK, {"severities": render.severities()})

    def _list_types(self, _: Request) -> Answer:
        return Answer(OK, {"incident_types": render.incident_types()})

    def _list_updates(self, request: Request) -> Answer:
        visible = {each.id for each in self._visible()}
        asked = visible.intersection(request.query.get("incident_id", visible))
        return page_of(
            request,
            "incident_updates",
            list(reversed(self._updates.values())),
            lambda one: one.incident_id in asked,
            render.update,
            largest=250,
            counted=False,
        )

    def _list_schedules(self, request: Request) -> Answer:
        now, with_next = self.now(), size_of(request, 10_000) <= _SHORT_PAGE
        return page_of(
            request,
            "schedules",
            list(self._schedules.values()),
            lambda _: True,
            lambda one: render.schedule(one, now, with_next=with_next),
            largest=10_000,
        )

    def _show_schedule(self, _: Request, wanted: str) -> Answer:
        if found := self._schedules.get(wanted):
            body = render.schedule(found, self.now(), with_next=True)
            return Answer(OK, {"schedule": body})
        return self.error(404)

    def _list_users(self, request: Request) -> Answer:
        """Those of an e-mail, if one is asked for, in any case."""
        wanted = request.query.get("email", [""])[-1].lower()
        return page_of(
            request,
            "users",
            list(self._people.values()),
            lambda one: wanted in {"", (one.email or "").lower()},
            render.listed_user,
            largest=10_000,
            counted=False,
        )


def played() -> Played:
    """Make one for the sandbox, with a key of its own."""
    key = f"inc-{secrets.token_urlsafe(24)}"
    double = IncidentIO(key)
    return Played(double, {"INCIDENTIO_API_KEY": key, "INCIDENTIO_BASE_URL": double.url})
