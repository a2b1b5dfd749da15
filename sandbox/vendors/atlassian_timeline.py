"""A stretch of a schedule's timeline: which periods it has, once forwardings have their say.

A timeline begins with the day, week or month (of UTC, the time zone of every schedule here) that
holds its date, and what reaches out of it is cut: the end of a period is the end of a shift only
inside. An answer about one day knows no end after midnight.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from sandbox.vendors.atlassian_records import Person, Responder, Shift, Tables
from sandbox.vendors.atlassian_tree import expanded, flattened

Unit = Literal["days", "weeks", "months"]
UNITS: tuple[Unit, ...] = get_args(Unit)
PeriodKind = Literal["base", "forwarding", "historical"]


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until just before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch in which one person or thing is on call; if it is past, with all its people."""

    start: datetime
    end: datetime
    kind: PeriodKind
    who: Responder | None
    forwarded_from: Person | None = None
    people: tuple[Person, ...] = ()


def window(date: datetime, interval: int, unit: Unit) -> Window:
    """That many units, the first of which holds the date."""
    day = date.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "days":
        return Window(day, day + timedelta(days=interval))
    if unit == "weeks":
        monday = day - timedelta(days=day.weekday())
        return Window(monday, monday + timedelta(weeks=interval))
    years, month = divmod(day.month - 1 + interval, 12)
    first = day.replace(day=1)
    return Window(first, first.replace(year=first.year + years, month=month + 1))


def periods(
    tables: Tables,
    shifts: Iterable[Shift],
    shown: Window,
    now: datetime,
    *,
    forwarded: bool = True,
) -> list[Period]:
    """What of the shifts is in the window, in their order."""
    return [
        _period(tables, shift.who, max(start, shown.start), min(end, shown.end), now, forwarded)
        for shift in shifts
        for start, end in _pieces(tables, shift, forwarded=forwarded)
        if start < shown.end and shown.start < end
    ]


def _pieces(
    tables: Tables, shift: Shift, *, forwarded: bool
) -> Iterable[tuple[datetime, datetime]]:
    """The shift, cut wherever a forwarding begins or ends."""
    person = tables.people.get(shift.who or "")
    cuts = {shift.start, shift.end}
    if person and forwarded:
        for each in tables.forwarded(person):
            cuts |= {cut for cut in (each.start, each.end) if shift.start < cut < shift.end}
    return itertools.pairwise(sorted(cuts))


def _period(
    tables: Tables,
    who: str | None,
    start: datetime,
    end: datetime,
    now: datetime,
    forwarded: bool,  # noqa: FBT001 - passed on by the one caller
) -> Period:
    participant = expanded(tables, who, start)
    if not forwarded:
        return Period(start, end, "base", tables.responders()[who] if who else None)
    if end <= now:
        people = tuple(flattened([participant]))
        return Period(start, end, "historical", participant.who, participant.forwarded_from, people)
    kind: PeriodKind = "forwarding" if participant.forwarded_from else "base"
    return Period(start, end, kind, participant.who, participant.forwarded_from)
