"""What PagerDuty keeps, as it is at one moment: people, schedules, escalation policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_FOR_GOOD = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """A user; some have no e-mail, and one that is deleted has nothing left but a summary."""

    id: str
    name: str
    email: str | None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of a schedule from `start` until just before `end`, or for good (None).

    Nobody may be on it: that is an unassigned slot.
    """

    id: str
    person_id: str | None
    start: datetime
    end: datetime | None

    @property
    def last(self) -> datetime:
        """The end as a time, also of what has none."""
        return self.end or _FOR_GOOD

    def part(self, start: datetime, last: datetime) -> Shift:
        """The part of it between these times."""
        end = min(self.last, last)
        return replace(self, start=max(self.start, start), end=None if end == _FOR_GOOD else end)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when; `v3` tells a shift-based one from one of layers."""

    id: str
    name: str
    v3: bool
    shifts: tuple[Shift, ...] = ()

    @property
    def final(self) -> tuple[Shift, ...]:
        """What comes of the shifts, in order of time.

        All of them in a shift-based schedule. In one of layers only one person is on at a time: of
        shifts that overlap, the one put in last.
        """
        parts = self.shifts if self.v3 else tuple(_topmost(self.shifts))
        return tuple(sorted(parts, key=lambda part: part.start))

    @property
    def stretches(self) -> tuple[Shift, ...]:
        """How long each is on without a break, however many shifts that takes."""
        made: list[Shift] = []
        latest: dict[str | None, int] = {}
        for part in self.final:
            place = latest.get(part.person_id)
            if place is None or part.start > made[place].last:
                latest[part.person_id] = len(made)
                made.append(part)
            elif part.last > made[place].last:
                made[place] = replace(made[place], end=part.end)
        return tuple(made)

    @property
    def members(self) -> tuple[str, ...]:
        """The ids of everybody in it, on call or not."""
        ids = (shift.person_id for shift in self.shifts)
        return tuple(dict.fromkeys(each for each in ids if each is not None))

    def current(self, now: datetime) -> tuple[Shift, ...]:
        """What holds at this moment."""
        return tuple(part for part in self.final if part.start <= now < part.last)


@dataclass(frozen=True, slots=True)
class Policy:
    """An escalation policy: the ids of the schedules and people at each level, the first first."""

    id: str
    name: str
    levels: tuple[tuple[str, ...], ...] = ()

    @property
    def all_targets(self) -> frozenset[str]:
        """The ids at any level."""
        return frozenset(target for _, target in self.targets)

    @property
    def targets(self) -> Iterator[tuple[int, str]]:
        """Each level, counted from 1, with each id at it."""
        for number, level in enumerate(self.levels, 1):
            for target in level:
                yield number, target


def _topmost(shifts: Iterable[Shift]) -> list[Shift]:
    """What is seen of shifts that lie one upon the other, the last put in on top."""
    seen: list[Shift] = []
    for top in shifts:
        under = [
            left.part(start, last)
            for left in seen
            for start, last in ((left.start, top.start), (top.last, left.last))
            if max(left.start, start) < min(left.last, last)
        ]
        seen = [*under, top]
    return seen
