"""What incident.io keeps, as it is at one moment: people, shifts, roles, incidents, updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Category = Literal[
    "triage", "live", "learning", "paused", "closed", "declined", "canceled", "merged"
]
Mode = Literal["standard", "retrospective", "test", "tutorial"]
Visibility = Literal["public", "private"]
RoleType = Literal["lead", "reporter", "custom"]


@dataclass(frozen=True, slots=True)
class Person:
    """A user; some have no e-mail."""

    id: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of a schedule, from `start` until just before `end`; nobody may be on it."""

    id: str
    person: Person | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when."""

    id: str
    name: str
    created_at: datetime
    shifts: tuple[Shift, ...] = ()

    def current(self, now: datetime) -> tuple[Shift, ...]:
        """The shifts that hold at this moment."""
        return tuple(shift for shift in self.shifts if shift.start <= now < shift.end)

    def upcoming(self, now: datetime) -> tuple[Shift, ...]:
        """The shifts after the next change-over."""
        later = [shift for shift in self.shifts if shift.start > now]
        first = min((shift.start for shift in later), default=now)
        return tuple(shift for shift in later if shift.start == first)


@dataclass(frozen=True, slots=True)
class Role:
    """What a person can be in an incident. The reporter's shortform is empty."""

    id: str
    name: str
    shortform: str
    role_type: RoleType
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it is now; `creator` is None if an API key declared it."""

    id: str
    number: int
    name: str
    creator: Person | None
    mode: Mode
    visibility: Visibility
    category: Category
    created_at: datetime
    updated_at: datetime
    assignees: Mapping[str, Person] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """What people call it: INC-42."""
        return f"INC-{self.number}"


@dataclass(frozen=True, slots=True)
class Update:
    """A message to an incident; `by` is None if an API key posted it."""

    id: str
    incident_id: str
    by: Person | None
    message: str
    category: Category
    created_at: datetime
