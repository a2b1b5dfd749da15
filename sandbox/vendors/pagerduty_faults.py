"""What PagerDuty alone does on a bad day, and the right body with one thing of the wrong type."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.vendors.exchange import Answer
from sandbox.vendors.faults import Replaced

if TYPE_CHECKING:
    from sandbox.vendors.exchange import Exchange


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A 429 that says in how many seconds to come back; None is one without headers and body."""

    seconds: int | None = None

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        if self.seconds is None:
            exchange.send(Answer(429, b""))
            return
        retry_at = exchange.double.now() + timedelta(seconds=self.seconds)
        exchange.send(exchange.double.error(429, retry_at=retry_at))


@dataclass(frozen=True, slots=True)
class EndlessPages:
    """There is always more: the first page again, or pages without a row."""

    empty: bool = False

    def play(self, exchange: Exchange) -> None:
        """Answer as if no offset had been sent, but for the one that is echoed."""
        request = exchange.request
        query = {name: value for name, value in request.query.items() if name != "offset"}
        first = exchange.double.answer(replace(request, query=query))
        body = json.loads(first.rendered())
        body["offset"] = int(request.query.get("offset", ["0"])[-1])
        body["more"] = True
        if self.empty:
            body = {name: [] if isinstance(told, list) else told for name, told in body.items()}
        exchange.send(replace(first, body=body))


_ONCALL = ("oncalls", "*")
_SCHEDULE = ("schedules", "*")
_ENTRIES = ("schedule", "final_schedule", "rendered_schedule_entries")
_ASSIGNMENTS = ("schedule", "final_schedule", "computed_shift_assignments")

WRONG_ONCALLS = {
    "the body is a list": Replaced((), []),
    "the body is null": Replaced((), None),
    "oncalls is a string": Replaced(("oncalls",), "none"),
    "oncalls is null": Replaced(("oncalls",), None),
    "an on-call is a list": Replaced(_ONCALL, []),
    "escalation_level is a string": Replaced((*_ONCALL, "escalation_level"), "1"),
    "escalation_level is true": Replaced((*_ONCALL, "escalation_level"), value=True),
    "escalation_level is null": Replaced((*_ONCALL, "escalation_level"), None),
    "escalation_policy is null": Replaced((*_ONCALL, "escalation_policy"), None),
    "schedule is a string": Replaced((*_ONCALL, "schedule"), "Payments"),
    "schedule is a list": Replaced((*_ONCALL, "schedule"), []),
    "the schedule's id is a number": Replaced((*_ONCALL, "schedule", "id"), 42),
    "the schedule's id is null": Replaced((*_ONCALL, "schedule", "id"), None),
    "the schedule's summary is null": Replaced((*_ONCALL, "schedule", "summary"), None),
    "the schedule's summary is a list": Replaced((*_ONCALL, "schedule", "summary"), []),
    "user is null": Replaced((*_ONCALL, "user"), None),
    "user is a string": Replaced((*_ONCALL, "user"), "Ana"),
    "the user's email is a number": Replaced((*_ONCALL, "user", "email"), 7),
    "the user's email is a list": Replaced((*_ONCALL, "user", "email"), ["ana@acme.example"]),
    "start is a number": Replaced((*_ONCALL, "start"), 1_700_000_000),
    "start has no time zone": Replaced((*_ONCALL, "start"), "2020-01-01T00:00:00"),
    "end is no time": Replaced((*_ONCALL, "end"), "whenever"),
    "end is false": Replaced((*_ONCALL, "end"), value=False),
}

WRONG_SCHEDULES = {
    "schedules is an object": Replaced(("schedules",), {}),
    "schedules is null": Replaced(("schedules",), None),
    "a schedule is a string": Replaced(_SCHEDULE, "Payments"),
    "a schedule's id is null": Replaced((*_SCHEDULE, "id"), None),
    "its summary is a number": Replaced((*_SCHEDULE, "summary"), 5),
}

WRONG_LAYERED = {
    "schedule is a list": Replaced(("schedule",), []),
    "final_schedule is null": Replaced(("schedule", "final_schedule"), None),
    "the entries are an object": Replaced(_ENTRIES, {}),
    "an entry is a string": Replaced((*_ENTRIES, "*"), "Ana"),
    "an entry's user is null": Replaced((*_ENTRIES, "*", "user"), None),
    "an entry's end is null": Replaced((*_ENTRIES, "*", "end"), None),
}

WRONG_SHIFT_BASED = {
    "schedule is a string": Replaced(("schedule",), "Payments"),
    "the assignments are null": Replaced(_ASSIGNMENTS, None),
    "an assignment is a list": Replaced((*_ASSIGNMENTS, "*"), []),
    "a member is null": Replaced((*_ASSIGNMENTS, "*", "member"), None),
    "a user_id is a number": Replaced((*_ASSIGNMENTS, "*", "member", "user_id"), 7),
    "an end_time is null": Replaced((*_ASSIGNMENTS, "*", "end_time"), None),
}

WRONG_USERS = {
    "user is a list": Replaced(("user",), []),
    "user is null": Replaced(("user",), None),
    "the email is a number": Replaced(("user", "email"), 7),
}

WRONG_PAGES = {
    "more is a string": Replaced(("more",), "true"),
    "more is null": Replaced(("more",), None),
    "more is a number": Replaced(("more",), 1),
    "limit is null": Replaced(("limit",), None),
    "offset is a string": Replaced(("offset",), "0"),
}
