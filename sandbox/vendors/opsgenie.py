"""A double of Opsgenie: an account, with the answers of the vendor's API, which ends on 2027-04-05.

Facts from opsgenie/opsgenie-oas (`whoIsOnCall`, `schedule`, `common`) and from docs.opsgenie.com
("Who is On Call API", "Schedule API", "User API", "Response", "API Rate Limiting"). A timeline
begins with a whole day and is cut at its ends in its successor, so it is here too.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from math import ceil
from urllib.parse import unquote

from sandbox.vendors.atlassian import (
    OrganisationDouble,
    Participant,
    Period,
    Person,
    RefusedError,
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

_FORBIDDEN, _TOO_MANY = 403, 429
_NO_RIGHT = 40301
_MINUTE = 60


class Opsgenie(OrganisationDouble):
    """An account that one API key reads over HTTP.

    After `restrict_key`, the key belongs to a team's integration: lists leave out what isn't that
    team's, and its id gives 403 with the code 40301. A person's username is the e-mail.
    """

    def __init__(self, api_key: str, *, now: Clock = utc_now) -> None:
        super().__init__(
            {
                "GET /v2/schedules/on-calls": self._list_on_calls,
                "GET /v2/schedules/{schedule_id}": self._get_schedule,
                "GET /v2/schedules/{schedule_id}/on-calls": self._get_on_calls,
                "GET /v2/schedules/{schedule_id}/timeline": self._get_timeline,
                "GET /v2/users/{name}": self._get_user,
            },
            now,
        )
        self.api_key = api_key
        self._request_ids = itertools.count(1)

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function asks this provider."""
        return {"OPSGENIE_KEY": self.api_key, "OPSGENIE_BASE_URL": self.url}

    def check_key(self, request: Request) -> Response | None:
        """Refuse a call with another key."""
        return None if request.is_authorized(f"GenieKey {self.api_key}") else self.error(401)

    def error(
        self, status: int, *, retry_at: datetime | None = None, message: str = ""
    ) -> Response:
        """Make an error; only the headers say when to retry, as a limit's period."""
        body = {"message": message or HTTPStatus(status).phrase}
        code = {"code": _NO_RIGHT} if status == _FORBIDDEN else {}
        headers = {}
        if status == _TOO_MANY:
            period = ceil((retry_at - self.now()).total_seconds()) if retry_at else _MINUTE
            headers = {
                "X-RateLimit-State": "THROTTLED",
                "X-RateLimit-Reason": "ACCOUNT",
                "X-RateLimit-Period-In-Sec": str(period),
            }
        return Response(status, {**body, **code, **self._about_request()}, headers)

    def _about_request(self) -> Json:
        number = next(self._request_ids)
        return {"took": 0.012, "requestId": f"{number:08x}-0000-4000-9000-{number:012x}"}

    def _data(self, data: object) -> Response:
        return Response(OK, {"data": data, **self._about_request()})

    def _list_on_calls(self, _: Request) -> Response:
        """List who is on call in every schedule, as a tree."""
        return self._data([self._on_call_json(schedule) for schedule in self.visible_schedules])

    def _get_on_calls(self, _: Request, schedule_id: str) -> Response:
        """List who is on call in one schedule, as a tree."""
        return self._data(self._on_call_json(self._visible_schedule(schedule_id)))

    def _on_call_json(self, schedule: Schedule) -> Json:
        return {
            "_parent": {"id": schedule.id, "name": schedule.name, "enabled": schedule.enabled},
            "onCallParticipants": _participants_json(self._on_call(schedule)),
        }

    def _get_schedule(self, _: Request, schedule_id: str) -> Response:
        schedule = self._visible_schedule(schedule_id)
        return self._data(
            {
                "id": schedule.id,
                "name": schedule.name,
                "description": f"Who answers for {schedule.name}.",
                "timezone": "UTC",
                "enabled": schedule.enabled,
                "rotations": [],
            }
        )

    def _get_timeline(self, request: Request, schedule_id: str) -> Response:
        schedule = self._visible_schedule(schedule_id)
        return self._data(self._timeline(request, schedule, _period_json))

    def _get_user(self, _: Request, name: str) -> Response:
        """Find a user by id, or by username in any letter case."""
        key = unquote(name)
        for person in self.people:
            if key == person.id or key.lower() == (person.email or "").lower():
                return self._data(
                    {
                        "id": person.id,
                        "username": person.email,
                        "fullName": person.name,
                        "role": {"id": "User", "name": "User"},
                        "blocked": False,
                        "verified": True,
                    }
                )
        raise RefusedError(404)


def create_double() -> Opsgenie:
    """Create an account whose key is random."""
    return Opsgenie(secrets.token_urlsafe(24))


# -- its JSON: `OnCall`, `Participant` and `ScheduleTimeline` of opsgenie/opsgenie-oas ------------


def _participants_json(participants: Iterable[Participant]) -> list[Json]:
    """Leave out shifts of nobody."""
    return [_participant_json(participant) for participant in participants if participant.who]


def _participant_json(participant: Participant) -> Json:
    body = _responder_json(participant.who)
    if participant.within:
        body["onCallParticipants"] = _participants_json(participant.within)
    if participant.after is not None:
        body |= {"escalationTime": participant.after, "notifyType": "default"}
    if participant.forwarded_from:
        body["forwardedFrom"] = _responder_json(participant.forwarded_from)
    return body


def _period_json(period: Period) -> Json:
    body = {**period_json(period), "recipient": _responder_json(period.who)}
    if period.kind == "forwarding" and period.forwarded_from:
        body["fromUser"] = period.forwarded_from.email
    return body


def _responder_json(who: Responder | None) -> Json:
    """A user's name is the e-mail address, as it was written when the user was invited."""
    if who is None:
        return {"type": "none"}
    name = who.email if isinstance(who, Person) else who.name
    return {"id": who.id, "name": name, "type": kind_of(who)}
