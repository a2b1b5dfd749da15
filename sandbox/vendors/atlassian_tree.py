"""Who is on call, as the tree of both APIs and as their flat list of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sandbox.vendors.atlassian_records import (
    Escalation,
    Person,
    Responder,
    Schedule,
    Tables,
    Team,
)


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody or something on call, and who is on call by it.

    `who` None is a shift of nobody; `after` are the minutes of an escalation's step.
    """

    who: Responder | None
    after: int | None = None
    forwarded_from: Person | None = None
    within: tuple[Participant, ...] = ()


def on_call(tables: Tables, schedule: Schedule, moment: datetime) -> list[Participant]:
    """Those of every rotation; a disabled schedule has them too."""
    return [expanded(tables, shift.who, moment, schedule) for shift in schedule.current(moment)]


def expanded(
    tables: Tables,
    who: str | None,
    moment: datetime,
    *above: Responder,
    after: int | None = None,
) -> Participant:
    """That participant with all who are on call by it; what comes again below itself is not."""
    if who is None:
        return Participant(None, after)
    found = tables.responders()[who]
    if isinstance(found, Person):
        for each in tables.forwarded(found):
            if each.start <= moment < each.end:
                return Participant(tables.people[each.to], after, forwarded_from=found)
    inner = [] if found in above else _inner(tables, found, moment)
    within = (expanded(tables, one, moment, found, *above, after=minutes) for one, minutes in inner)
    return Participant(found, after, within=tuple(within))


def flattened(participants: Iterable[Participant]) -> list[Person]:
    """Every person in the tree once: those who are on call and those who back them up alike."""
    return list(dict.fromkeys(_people(participants)))


def _people(participants: Iterable[Participant]) -> Iterator[Person]:
    for each in participants:
        if isinstance(each.who, Person):
            yield each.who
        yield from _people(each.within)


def _inner(
    tables: Tables, found: Responder, moment: datetime
) -> list[tuple[str | None, int | None]]:
    """Who is on call by it, and after how many minutes if it says so."""
    match found:
        case Team():
            routed = [each for each in tables.escalations.values() if each.team == found.id]
            # An alert for a team goes by the team's escalation, if it has one.
            return [(one, None) for one in ([routed[0].id] if routed else found.members)]
        case Escalation():
            return [(step.who, step.after) for step in found.steps]
        case Schedule():
            shifts = found.current(moment) if found.enabled else []
            return [(shift.who, None) for shift in shifts]
        case _:
            return []
