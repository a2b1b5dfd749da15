"""What JSM Operations alone does on a bad day; and the right body with one wrong type in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox.vendors.faults import Replaced

if TYPE_CHECKING:
    from sandbox.vendors.exchange import Exchange

_PAGING = ("offset", "startAt")


@dataclass(frozen=True, slots=True)
class EndlessPages:
    """The first page again and again, and each says that there is another: elsewhere, or here."""

    repeat: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def play(self, exchange: Exchange) -> None:
        """Answer as if no offset had been sent, and name one more."""
        request = exchange.request
        query = {name: values for name, values in request.query.items() if name not in _PAGING}
        first = exchange.double.answer(replace(request, query=query))
        body = json.loads(first.rendered())
        number = 0 if self.repeat else next(self.numbers)
        if "links" in body:
            body["links"]["next"] = f"/v1/schedules?offset={number}&size={len(body['values'])}"
        else:
            last = f"{body['self'].rpartition('=')[0]}={number}"
            body |= {"isLast": False, "total": 1_000_000, "nextPage": last}
        exchange.send(replace(first, body=body))


_SCHEDULE = ("values", "*")
_PARTICIPANT = ("onCallParticipants", "*")
_ROTATION = ("finalTimeline", "rotations", "*")
_PERIOD = (*_ROTATION, "periods", "*")
_BODY = {
    "the body is a list": Replaced((), []),
    "the body is null": Replaced((), None),
}

WRONG_TENANTS = {
    **_BODY,
    "cloudId is null": Replaced(("cloudId",), None),
    "cloudId is a number": Replaced(("cloudId",), 7),
    "cloudId has a slash": Replaced(("cloudId",), "../v2"),
    "cloudId is empty": Replaced(("cloudId",), ""),
}

WRONG_SCHEDULES = {
    **_BODY,
    "values is an object": Replaced(("values",), {}),
    "values is null": Replaced(("values",), None),
    "a schedule is a string": Replaced(_SCHEDULE, "Payments"),
    "a schedule's id is a number": Replaced((*_SCHEDULE, "id"), 42),
    "a schedule's id has a slash": Replaced((*_SCHEDULE, "id"), "../x"),
    "its name is null": Replaced((*_SCHEDULE, "name"), None),
    "enabled is a string": Replaced((*_SCHEDULE, "enabled"), "false"),
    "enabled is null": Replaced((*_SCHEDULE, "enabled"), None),
    "links is a string": Replaced(("links",), "next"),
    "next is a number": Replaced(("links", "next"), 3),
    "next is another host": Replaced(("links", "next"), "https://other.example/v1/schedules"),
}

WRONG_FLAT_ON_CALLS = {
    **_BODY,
    "onCallUsers is a string": Replaced(("onCallUsers",), "712020:ana"),
    "onCallUsers is null": Replaced(("onCallUsers",), None),
    "a user is a number": Replaced(("onCallUsers", "*"), 7),
    "a user is an object": Replaced(("onCallUsers", "*"), {}),
}

WRONG_TREES = {
    **_BODY,
    "onCallParticipants is an object": Replaced(("onCallParticipants",), {}),
    "onCallParticipants is null": Replaced(("onCallParticipants",), None),
    "a participant is a string": Replaced(_PARTICIPANT, "712020:ana"),
    "a participant's id is a number": Replaced((*_PARTICIPANT, "id"), 7),
    "a participant's id is null": Replaced((*_PARTICIPANT, "id"), None),
    "a participant's type is a number": Replaced((*_PARTICIPANT, "type"), 1),
    "a participant's type is new": Replaced((*_PARTICIPANT, "type"), "robot"),
    "those within are a string": Replaced((*_PARTICIPANT, "onCallParticipants"), "ana"),
}

WRONG_TIMELINES = {
    **_BODY,
    "finalTimeline is a list": Replaced(("finalTimeline",), []),
    "rotations is null": Replaced(("finalTimeline", "rotations"), None),
    "a rotation is a string": Replaced(_ROTATION, "Weekly"),
    "periods is an object": Replaced((*_ROTATION, "periods"), {}),
    "a period is null": Replaced(_PERIOD, None),
    "startDate is a number": Replaced((*_PERIOD, "startDate"), 1_700_000_000),
    "endDate has no offset": Replaced((*_PERIOD, "endDate"), "2099-01-01T00:00:00"),
    "endDate is no time": Replaced((*_PERIOD, "endDate"), "whenever"),
    "endDate is null": Replaced((*_PERIOD, "endDate"), None),
    "responder is a string": Replaced((*_PERIOD, "responder"), "712020:ana"),
    "responder is null": Replaced((*_PERIOD, "responder"), None),
    "the responder's id is a number": Replaced((*_PERIOD, "responder", "id"), 7),
}


def _users(where: tuple[str, ...]) -> dict[str, Replaced]:
    return {
        "a user is a string": Replaced(where, "Ana"),
        "accountId is a number": Replaced((*where, "accountId"), 7),
        "accountId is null": Replaced((*where, "accountId"), None),
        "emailAddress is a number": Replaced((*where, "emailAddress"), 7),
        "emailAddress is null": Replaced((*where, "emailAddress"), None),
        "emailAddress is empty": Replaced((*where, "emailAddress"), ""),
        "active is a string": Replaced((*where, "active"), "false"),
        "active is null": Replaced((*where, "active"), None),
        "accountType is a list": Replaced((*where, "accountType"), []),
    }


WRONG_USERS = {
    **_BODY,
    **_users(("values", "*")),
    "values is an object": Replaced(("values",), {}),
    "values is null": Replaced(("values",), None),
    "isLast is a string": Replaced(("isLast",), "true"),
    "total is a string": Replaced(("total",), "1"),
}

WRONG_SEARCHES = {
    **_users(("*",)),
    "the body is an object": Replaced((), {}),
    "the body is null": Replaced((), None),
}
