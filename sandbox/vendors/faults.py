"""Faults of a provider: each is a small value for `double.fail(path, fault)`.

First the faults that any provider may have; then, for each provider and list, normal answers with a
wrong value.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from sandbox.vendors.server import Response

if TYPE_CHECKING:
    from sandbox.vendors.server import Exchange

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Slow:
    """Answers normally after some seconds, or once released, whichever comes first."""

    seconds: float = inf
    released: threading.Event = field(default_factory=threading.Event)

    def __call__(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        exchange.wait(self.seconds, self.released)
        exchange.send(exchange.response)


@dataclass(frozen=True, slots=True)
class Hang:
    """Reads the request and never answers."""

    def __call__(self, exchange: Exchange) -> None:
        """Wait forever."""
        exchange.wait()


@dataclass(frozen=True, slots=True)
class HangUp:
    """Closes the connection: before a byte of the answer, or in the middle of its body."""

    when: Literal["before", "body"] = "before"

    def __call__(self, exchange: Exchange) -> None:
        """Write nothing, or half, and close."""
        if self.when == "body":
            head, body = exchange.response.head_and_body()
            exchange.write(head + body[: len(body) // 2])
        exchange.hang_up()


@dataclass(frozen=True, slots=True)
class Drip:
    """Answers normally, but drips the headers or the body: a byte each `interval` seconds."""

    interval: float
    since: Literal["headers", "body"] = "body"

    def __call__(self, exchange: Exchange) -> None:
        """Write at once what comes before, and drip the rest."""
        head, body = exchange.response.head_and_body()
        if self.since == "body":
            exchange.write(head)
        for byte in head + body if self.since == "headers" else body:
            exchange.write(bytes([byte]))
            exchange.wait(self.interval)


@dataclass(frozen=True, slots=True)
class EndlessBody:
    """A body in chunks, as fast as it is read, that never ends."""

    def __call__(self, exchange: Exchange) -> None:
        """Write until the connection breaks."""
        exchange.write(exchange.response.head("Transfer-Encoding: chunked"))
        exchange.write(_chunk(b'{"endless": ['))
        piece = _chunk(b"0," * (_PIECE // 2))
        while True:
            exchange.write(piece)


@dataclass(frozen=True, slots=True)
class Huge:
    """Adds a field of some megabytes to the normal body, which stays valid JSON."""

    megabytes: int

    def __call__(self, exchange: Exchange) -> None:
        """Write it in pieces, so that it is never in memory as a whole."""
        before, after = b'{"huge": "', b'", ' + exchange.response.body_bytes()[1:]
        size = self.megabytes * 1024 * 1024
        length = len(before) + size + len(after)
        exchange.write(exchange.response.head(f"Content-Length: {length}") + before)
        for _ in range(size // _PIECE):
            exchange.write(b"x" * _PIECE)
        exchange.write(after)


@dataclass(frozen=True, slots=True)
class EndlessPages:
    """The first page again and again, each with a link to one more.

    Attributes:
        repeat: whether every link is the same, and so leads to the page itself.
        empty: whether the pages have no entries.
        numbers: makes each link a new one.
    """

    repeat: bool = False
    empty: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self, exchange: Exchange) -> None:
        """Answer as if the first page were requested, and link to one more."""
        double, request = exchange.double, exchange.request
        query = {
            name: values
            for name, values in request.query.items()
            if name not in double.page_parameters
        }
        first = double.answer(replace(request, query=query))
        body = json.loads(first.body_bytes())
        if self.empty:
            body = {name: [] if isinstance(value, list) else value for name, value in body.items()}
        double.point_to_another_page(body, request, 0 if self.repeat else next(self.numbers))
        exchange.send(replace(first, body=body))


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP error, with the vendor's headers and body; or with this body and no more."""

    status: int
    body: bytes | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        if self.body is None:
            exchange.send(exchange.double.error(self.status))
        else:
            exchange.send(Response(self.status, self.body))


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """A 429 that says after how many seconds to retry, if it says so.

    It says so in the vendor's own way and, unless `retry_after` is None, in a Retry-After header
    in seconds or as an HTTP-date.
    """

    seconds: int | None = None
    retry_after: Literal["seconds", "date"] | None = "seconds"

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        retry_at = exchange.double.now() + timedelta(seconds=self.seconds or 0)
        response = exchange.double.error(429, retry_at=retry_at)
        if self.seconds is not None and self.retry_after:
            date = format_datetime(retry_at, usegmt=True)
            value = date if self.retry_after == "date" else str(self.seconds)
            response = replace(response, headers={**response.headers, "Retry-After": value})
        exchange.send(response)


@dataclass(frozen=True, slots=True)
class Redirect:
    """A 302 to another address."""

    to: str

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        exchange.send(Response(302, b"", {"Location": self.to}))


@dataclass(frozen=True, slots=True)
class Garbage:
    """A 200 whose body isn't JSON."""

    body: bytes = b"<html><body>We'll be back soon \xff</body></html>"

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        exchange.send(replace(exchange.response, body=self.body))


@dataclass(frozen=True, slots=True)
class Nested:
    """Adds a field of lists within lists to the normal body, too deep for any parser."""

    depth: int = 200_000

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        lists = b"[" * self.depth + b"]" * self.depth
        body = b'{"nested": ' + lists + b", " + exchange.response.body_bytes()[1:]
        exchange.send(replace(exchange.response, body=body))


@dataclass(frozen=True, slots=True)
class WrongValue:
    """Replaces the value of one field in the normal body.

    Attributes:
        field: "incidents.*.id", for example: `*` is each item of a list, "0" its first, and ""
            the whole body.
        value: what is there instead.
    """

    field: str
    value: object

    def __call__(self, exchange: Exchange) -> None:
        """Answer with it."""
        body = json.loads(exchange.response.body_bytes())
        steps = self.field.split(".") if self.field else []
        exchange.send(replace(exchange.response, body=_with_value(body, steps, self.value)))

    def in_first(self) -> WrongValue:
        """Give the same fault for the first item of the outermost list only."""
        return WrongValue(self.field.replace("*", "0", 1), self.value)


def _with_value(body: Any, steps: list[str], value: object) -> Any:  # noqa: ANN401 - any JSON
    if not steps:
        return value
    step, *rest = steps
    if step == "*":
        return [_with_value(item, rest, value) for item in body]
    if step == "0":
        return [_with_value(body[0], rest, value), *body[1:]]
    return {**body, step: _with_value(body.get(step, {}), rest, value)}


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def wrong_values(fields: Mapping[str, Iterable[object]]) -> dict[str, WrongValue]:
    """Make a fault of each field and value, by a name such as `incidents.*.id: 42`."""
    return {
        f"{field or 'body'}: {json.dumps(value)}": WrongValue(field, value)
        for field, values in fields.items()
        for value in values
    }


def _timeline(prefix: str, person: str, name: str) -> dict[str, WrongValue]:
    """Make the faults of the timeline, for both Atlassian products.

    Args:
        prefix: of each field.
        person: the field of a period that names the person.
        name: what is there instead.
    """
    timeline = f"{prefix}finalTimeline"
    period = f"{timeline}.rotations.*.periods.*"
    return wrong_values(
        {
            "": [[], None],
            timeline: [[]],
            f"{timeline}.rotations": [None],
            f"{timeline}.rotations.*": ["Weekly"],
            f"{timeline}.rotations.*.periods": [{}],
            period: [None],
            f"{period}.startDate": [1_700_000_000, PAST_WITHOUT_OFFSET],
            f"{period}.endDate": [FUTURE_WITHOUT_OFFSET, "whenever", None],
            f"{period}.{person}": [name, None],
            f"{period}.{person}.id": [7],
        }
    )


# RFC 3339 requires an offset. Read without one, a shift would seem current.
PAST_WITHOUT_OFFSET = "2020-01-01T00:00:00"
FUTURE_WITHOUT_OFFSET = "2099-01-01T00:00:00"

INCIDENTIO: Mapping[str, Mapping[str, WrongValue]] = {
    "incidents": wrong_values(
        {
            "": [[], None],
            "incidents": ["none", None],
            "incidents.*": [[]],
            "incidents.*.id": [42],
            "incidents.*.reference": [["INC-1"]],
            "incidents.*.mode": [{}],
            "incidents.*.incident_status": ["live"],
            "incidents.*.creator": ["someone"],
            "incidents.*.creator.user": [[]],
            "incidents.*.incident_role_assignments": [{}, None],
            "incidents.*.incident_role_assignments.*": ["lead"],
            "incidents.*.incident_role_assignments.*.role": ["lead"],
            "incidents.*.incident_role_assignments.*.role.role_type": [1],
            "incidents.*.incident_role_assignments.*.assignee": [[], None],
            "incidents.*.incident_role_assignments.*.assignee.email": [7, {}],
        }
    ),
    "schedules": wrong_values(
        {
            "": [[], 1],
            "schedules": ["none", None],
            "schedules.*": [[]],
            "schedules.*.id": [None],
            "schedules.*.name": [5],
            "schedules.*.current_shifts": [{}, None],
            "schedules.*.current_shifts.*": ["Ana"],
            "schedules.*.current_shifts.*.user": [[], None],
            "schedules.*.current_shifts.*.user.email": [7, None],
            "schedules.*.current_shifts.*.start_at": [1_700_000_000, PAST_WITHOUT_OFFSET],
            "schedules.*.current_shifts.*.end_at": [None, "whenever"],
        }
    ),
    "incident_updates": wrong_values(
        {
            "incident_updates": [{}],
            "incident_updates.*": ["Looking."],
            "incident_updates.*.updater": [None],
            "incident_updates.*.updater.user": ["someone"],
            "incident_updates.*.updater.user.email": [[]],
        }
    ),
    "pages": wrong_values({"pagination_meta": [[], "1"], "pagination_meta.after": [3, {}]}),
}

PAGERDUTY: Mapping[str, Mapping[str, WrongValue]] = {
    "oncalls": wrong_values(
        {
            "": [[], None],
            "oncalls": ["none", None],
            "oncalls.*": [[]],
            "oncalls.*.escalation_level": ["1", True, None],
            "oncalls.*.escalation_policy": [None],
            "oncalls.*.schedule": ["Payments", []],
            "oncalls.*.schedule.id": [42, None],
            "oncalls.*.schedule.summary": [None, []],
            "oncalls.*.user": [None, "Ana"],
            "oncalls.*.user.email": [7, ["ana@acme.example"]],
            "oncalls.*.start": [1_700_000_000, PAST_WITHOUT_OFFSET],
            "oncalls.*.end": ["whenever", False],
        }
    ),
    "schedules": wrong_values(
        {
            "schedules": [{}, None],
            "schedules.*": ["Payments"],
            "schedules.*.id": [None],
            "schedules.*.summary": [5],
        }
    ),
    "layer-based schedule": wrong_values(
        {
            "schedule": [[]],
            "schedule.final_schedule": [None],
            "schedule.final_schedule.rendered_schedule_entries": [{}],
            "schedule.final_schedule.rendered_schedule_entries.*": ["Ana"],
            "schedule.final_schedule.rendered_schedule_entries.*.user": [None],
            "schedule.final_schedule.rendered_schedule_entries.*.end": [None],
        }
    ),
    "shift-based schedule": wrong_values(
        {
            "schedule": ["Payments"],
            "schedule.final_schedule.computed_shift_assignments": [None],
            "schedule.final_schedule.computed_shift_assignments.*": [[]],
            "schedule.final_schedule.computed_shift_assignments.*.member": [None],
            "schedule.final_schedule.computed_shift_assignments.*.member.user_id": [7],
            "schedule.final_schedule.computed_shift_assignments.*.end_time": [None],
        }
    ),
    "user": wrong_values({"user": [[], None], "user.email": [7]}),
    "users": wrong_values(
        {
            "users": ["none", None],
            "users.*": ["Ana"],
            "users.*.id": [None, 7],
            "users.*.email": [None, 7],
        }
    ),
    "pages": wrong_values({"more": ["true", None, 1], "limit": [None], "offset": ["0"]}),
}

OPSGENIE: Mapping[str, Mapping[str, WrongValue]] = {
    "on-calls": wrong_values(
        {
            "": [[], None],
            "data": [{}, None],
            "data.*": [[]],
            "data.*._parent": ["Payments", None],
            "data.*._parent.id": [42],
            "data.*._parent.name": [None],
            "data.*._parent.enabled": ["false", None],
            "data.*.onCallParticipants": [{}, None],
            "data.*.onCallParticipants.*": ["ana@acme.example"],
            "data.*.onCallParticipants.*.type": [1, "robot"],
            "data.*.onCallParticipants.*.name": [None, []],
            "data.*.onCallParticipants.*.onCallParticipants": ["ana"],
            "data.*.onCallParticipants.*.escalationTime": ["0", None, -1],
        }
    ),
    "timeline": {
        **wrong_values({"data": [None]}),
        **_timeline("data.", "recipient", "ana@acme.example"),
    },
}

JSM: Mapping[str, Mapping[str, WrongValue]] = {
    "tenant": wrong_values({"": [[], None], "cloudId": [None, 7, "../v2", ""]}),
    "schedules": wrong_values(
        {
            "": [[], None],
            "values": [{}, None],
            "values.*": ["Payments"],
            "values.*.id": [42, "../x"],
            "values.*.name": [None],
            "values.*.enabled": ["false", None],
            "links": ["next"],
            "links.next": [3, "https://other.example/v1/schedules"],
        }
    ),
    "on-calls": wrong_values(
        {
            "": [[], None],
            "onCallParticipants": [{}, None],
            "onCallParticipants.*": ["712020:ana"],
            "onCallParticipants.*.id": [7, None],
            "onCallParticipants.*.type": [1, "robot"],
            "onCallParticipants.*.onCallParticipants": ["ana"],
        }
    ),
    "timeline": _timeline("", "responder", "712020:ana"),
    "users": wrong_values(
        {
            "": [[], None],
            "values": [{}, None],
            "values.*": ["Ana"],
            "values.*.accountId": [7, None],
            "values.*.emailAddress": [7, None, ""],
            "values.*.active": ["false", None],
            "values.*.accountType": [[]],
            "isLast": ["true"],
            "total": ["1"],
        }
    ),
}
