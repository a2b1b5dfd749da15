"""The parts of a decision's log record as the typed values that they were made of. No I/O.

The record was read by `log_lines.py`, which has checked every field, or has just been made.

The record names nobody but the requester: whom it hides has a stand-in here, which is told from the
requester just as he was.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from auditlog.log_lines import Record
from handler.durations import parse_instant
from handler.duty import Duty
from handler.request import ASKED_DURATION, DURATION, EXPIRES, PETITION, Request, Resource

ANOTHER = "another@stand-in.invalid"
PERSON_LABEL = "indent.com/resource/email"


def duties_of(record: Record, alias: str = ANOTHER) -> tuple[Duty, ...]:
    """Make all of the requester's duties; `alias` holds those under another address of his."""
    email = record["trace"]["request"]["requester"]["email"]
    return tuple(
        _duty(each, alias if each.get("alias") else email) for each in record["trace"]["duties"]
    )


def _duty(told: Record, holder: str) -> Duty:
    texts = ("id", "name", "shortform", "incident", "link")
    return Duty(
        provider=told["provider"],
        kind=told["kind"],
        holder=holder,
        level=told.get("level", 1),
        start=moment_of(told.get("start")),
        end=moment_of(told.get("end")),
        endless=told.get("endless", False),
        reporter=told.get("reporter", False),
        self_declared=told.get("self_declared", False),
        severity=tuple(told.get("severity", ())),
        type=tuple(told.get("type", ())),
        shared_names=frozenset(told.get("shared_names", ())),
        ids_elsewhere=frozenset(told.get("ids_elsewhere", ())),
        **{field: told.get(field, "") for field in texts},
    )


def moment_of(text: str | None) -> datetime | None:
    """Read an instant of the record."""
    return parse_instant(text) if text else None


def request_of(record: Record) -> Request:
    """Make the request: what it asks for as it was, persons as far as they matter."""
    asked = record["trace"]["request"]
    email, addresses = asked["requester"]["email"], asked["requester"]["emails"]
    # Only more of them say anything that the e-mail does not.
    labels = {PERSON_LABEL: ANOTHER} if addresses > bool(email) else {}
    return Request(
        Resource(email=email, labels=labels),
        tuple(_resource(each, email) for each in asked["resources"]),
        _labels(asked, record["petitions"]),
    )


def _resource(told: Record, requester: str) -> Resource:
    stand_ins = {"requester": requester, "another": ANOTHER}
    email = stand_ins.get(told["person"], "")
    return Resource(told["kind"], told["id"], email, dict(told["labels"]))


def _labels(asked: Record, petitions: Sequence[str]) -> dict[str, str]:
    labels = {
        DURATION: asked["asked_duration"] or "",
        EXPIRES: asked["asked_until"] or "",
        # The one that can be read and the one that can't may stand in two labels of one name.
        ASKED_DURATION: asked.get("unreadable_duration", ""),
        EXPIRES + " ": asked.get("unreadable_until", ""),
        # A name may be given more than once, under labels that differ in blanks alone.
        **{PETITION[0] + " " * place: name for place, name in enumerate(petitions)},
    }
    return {name: value for name, value in labels.items() if value}
