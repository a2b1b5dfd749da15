"""What Opsgenie and its successor keep: people, teams, escalations, schedules, forwardings.

Things refer to each other by id: who or what is renamed is so wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

AccountType = Literal["atlassian", "app", "customer"]


@dataclass(frozen=True, slots=True)
class Person:
    """A user. The last three only Jira has: is the e-mail hidden, the account in use, and whose."""

    id: str
    name: str
    email: str | None
    hidden: bool = False
    active: bool = True
    account_type: AccountType = "atlassian"


@dataclass(frozen=True, slots=True)
class Team:
    """People who share schedules and escalations."""

    id: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Who is notified that many minutes after an alert; 0 is at once."""

    who: str
    after: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom an alert goes to, one after the other, while nobody takes it."""

    id: str
    name: str
    steps: tuple[Step, ...]
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of a rotation, from `start` until just before `end`; nobody may be on it."""

    who: str | None
    start: datetime
    end: datetime
    rotation: str

    def holds(self, moment: datetime) -> bool:
        """Whether that moment is in it."""
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when, in rotations that run side by side."""

    id: str
    name: str
    enabled: bool = True
    team: str | None = None
    shifts: tuple[Shift, ...] = ()

    def current(self, moment: datetime) -> list[Shift]:
        """The shifts that hold at that moment."""
        return [shift for shift in self.shifts if shift.holds(moment)]

    def rotations(self) -> dict[str, list[Shift]]:
        """The shifts by the name of their rotation, the earliest first."""
        grouped: dict[str, list[Shift]] = {}
        for shift in sorted(self.shifts, key=lambda one: one.start):
            grouped.setdefault(shift.rotation, []).append(shift)
        return grouped


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Whatever goes to one person goes to the other instead, for that time."""

    person: str
    to: str
    start: datetime
    end: datetime


Responder: TypeAlias = Person | Team | Escalation | Schedule
Kind = Literal["user", "team", "escalation", "schedule"]
_KINDS: dict[type, Kind] = {
    Person: "user",
    Team: "team",
    Escalation: "escalation",
    Schedule: "schedule",
}


def kind_of(responder: Responder) -> Kind:
    """What both APIs call such a thing."""
    return _KINDS[type(responder)]


@dataclass(slots=True)
class Tables:
    """Everything of an organisation, by id."""

    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    escalations: dict[str, Escalation] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    forwardings: list[Forwarding] = field(default_factory=list)

    def responders(self) -> dict[str, Responder]:
        """Whoever and whatever can be on a shift."""
        return {**self.people, **self.teams, **self.escalations, **self.schedules}

    def forwarded(self, person: Person) -> Iterator[Forwarding]:
        """The times in which somebody else gets what is this person's."""
        return (each for each in self.forwardings if each.person == person.id)
