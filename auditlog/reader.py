"""The parts of a decision's log record as the typed values that they were made of. No I/O.

The record was read by `log_lines.py`, which has checked every field, or has just been made.

The record names nobody but the requester: whom it hides has a stand-in here, which is told from the
requester just as he was.
"""

from __future__ import annotations

from datetime import datetime

from auditlog.log_lines import Record
from handler.durations import parse_duration, parse_instant
from handler.duty import Duty
from handler.request import Request, Resource

ANOTHER = "another@stand-in.invalid"


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
    request = record["trace"]["request"]
    email, addresses = request["requester"]["email"], request["requester"]["emails"]
    return Request(
        # Only more of them say anything that the e-mail does not.
        Resource(email=email, other_emails=(ANOTHER,) if addresses > bool(email) else ()),
        tuple(_resource(resource, email) for resource in request["resources"]),
        requested_duration=parse_duration(request["asked_duration"] or ""),
        requested_expiry=moment_of(request["asked_until"]),
        unreadable_duration=request.get("unreadable_duration", ""),
        unreadable_expiry=request.get("unreadable_until", ""),
        groups=tuple(record["petitions"]),
    )


def _resource(resource: Record, requester: str) -> Resource:
    stand_ins = {"requester": requester, "another": ANOTHER}
    email = stand_ins.get(resource["person"], "")
    return Resource(resource["kind"], resource["id"], email, dict(resource["labels"]))
