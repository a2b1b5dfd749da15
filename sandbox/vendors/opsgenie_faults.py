"""What Opsgenie alone does on a bad day; and the right body with one thing of the wrong type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.vendors.faults import Replaced
from sandbox.vendors.opsgenie import throttled

if TYPE_CHECKING:
    from sandbox.vendors.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Throttled:
    """A 429 as the vendor says it: no Retry-After, but the length of the limit's period."""

    period: int = 60
    reason: str = "ACCOUNT"

    def play(self, exchange: Exchange) -> None:
        """Answer with it."""
        headers = throttled(self.period, self.reason)
        exchange.send(replace(exchange.double.error(429), headers=headers))


_ON_CALL = ("data", "*")
_PARENT = (*_ON_CALL, "_parent")
_PARTICIPANT = (*_ON_CALL, "onCallParticipants", "*")
_ROTATION = ("data", "finalTimeline", "rotations", "*")
_PERIOD = (*_ROTATION, "periods", "*")

WRONG_ON_CALLS = {
    "the body is a list": Replaced((), []),
    "the body is null": Replaced((), None),
    "data is an object": Replaced(("data",), {}),
    "data is null": Replaced(("data",), None),
    "a schedule is a list": Replaced(_ON_CALL, []),
    "_parent is a string": Replaced(_PARENT, "Payments"),
    "_parent is null": Replaced(_PARENT, None),
    "the schedule's id is a number": Replaced((*_PARENT, "id"), 42),
    "its name is null": Replaced((*_PARENT, "name"), None),
    "enabled is a string": Replaced((*_PARENT, "enabled"), "false"),
    "enabled is null": Replaced((*_PARENT, "enabled"), None),
}

WRONG_FLAT_ON_CALLS = {
    **WRONG_ON_CALLS,
    "onCallRecipients is a string": Replaced((*_ON_CALL, "onCallRecipients"), "ana@acme.example"),
    "onCallRecipients is null": Replaced((*_ON_CALL, "onCallRecipients"), None),
    "a recipient is a number": Replaced((*_ON_CALL, "onCallRecipients", "*"), 7),
    "a recipient is an object": Replaced((*_ON_CALL, "onCallRecipients", "*"), {}),
}

WRONG_TREES = {
    **WRONG_ON_CALLS,
    "onCallParticipants is an object": Replaced((*_ON_CALL, "onCallParticipants"), {}),
    "onCallParticipants is null": Replaced((*_ON_CALL, "onCallParticipants"), None),
    "a participant is a string": Replaced(_PARTICIPANT, "ana@acme.example"),
    "a participant's type is a number": Replaced((*_PARTICIPANT, "type"), 1),
    "a participant's type is new": Replaced((*_PARTICIPANT, "type"), "robot"),
    "a participant's name is null": Replaced((*_PARTICIPANT, "name"), None),
    "a participant's name is a list": Replaced((*_PARTICIPANT, "name"), []),
    "those within are a string": Replaced((*_PARTICIPANT, "onCallParticipants"), "ana"),
    "escalationTime is a string": Replaced((*_PARTICIPANT, "escalationTime"), "0"),
    "escalationTime is null": Replaced((*_PARTICIPANT, "escalationTime"), None),
    "escalationTime is below 0": Replaced((*_PARTICIPANT, "escalationTime"), -1),
}

WRONG_TIMELINES = {
    "the body is a list": Replaced((), []),
    "data is null": Replaced(("data",), None),
    "finalTimeline is a list": Replaced(("data", "finalTimeline"), []),
    "rotations is null": Replaced(("data", "finalTimeline", "rotations"), None),
    "a rotation is a string": Replaced(_ROTATION, "Weekly"),
    "periods is an object": Replaced((*_ROTATION, "periods"), {}),
    "a period is null": Replaced(_PERIOD, None),
    "startDate is a number": Replaced((*_PERIOD, "startDate"), 1_700_000_000),
    "endDate has no offset": Replaced((*_PERIOD, "endDate"), "2099-01-01T00:00:00"),
    "endDate is no time": Replaced((*_PERIOD, "endDate"), "whenever"),
    "endDate is null": Replaced((*_PERIOD, "endDate"), None),
    "recipient is a string": Replaced((*_PERIOD, "recipient"), "ana@acme.example"),
    "recipient is null": Replaced((*_PERIOD, "recipient"), None),
    "the recipient's id is a number": Replaced((*_PERIOD, "recipient", "id"), 7),
}
