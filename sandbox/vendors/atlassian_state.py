"""An on-call organisation, and what people do to it in the vendor's own pages. No HTTP."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from sandbox.vendors.atlassian_records import (
    Escalation,
    Forwarding,
    Person,
    Responder,
    Schedule,
    Shift,
    Step,
    Tables,
    Team,
)
from sandbox.vendors.atlassian_timeline import Period, Window, periods

Row = TypeVar("Row", bound=Responder)
_A_SHIFT, _A_YEAR = timedelta(hours=8), timedelta(days=365)


class Organisation:
    """People, teams, escalations, schedules and forwardings, as they are now.

    Whatever it returns is the thing as it was then. Things are named by themselves or by what
    people call them: a person's e-mail, the name of anything else, any id.
    """

    person_id = "{}"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._tables = Tables()
        self._only_team: str | None = None

    @property
    def people(self) -> tuple[Person, ...]:
        """Every user."""
        with self._lock:
            return tuple(self._tables.people.values())

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Every schedule, whatever the key sees."""
        with self._lock:
            return tuple(self._tables.schedules.values())

    def on_shift(self, schedule: Schedule | str) -> list[Period]:
        """Who and what is on shift now, once forwardings have their say; each until it changes."""
        with self._lock:
            now, kept = self.now(), _find(self._tables.schedules, schedule)
            shown = Window(now, now + _A_YEAR)
            found = periods(self._tables, kept.shifts, shown, now)
            return [each for each in found if each.start <= now]

    def forwards_to(self, who: Person | str) -> Person | None:
        """Who gets now what is this person's, if somebody else does."""
        with self._lock:
            now = self.now()
            for each in self._tables.forwarded(self._person(who)):
                if each.start <= now < each.end:
                    return self._tables.people[each.to]
        return None

    def add_person(self, name: str, email: str | None) -> Person:
        """A new user."""
        with self._lock:
            return _keep(
                self._tables.people, Person(self.person_id.format(self._id()), name, email)
            )

    def add_team(self, name: str, members: Iterable[Person | str] = ()) -> Team:
        """People who are on call together, if the team is on a shift."""
        with self._lock:
            ids = tuple(_find(self._tables.people, who).id for who in members)
            return _keep(self._tables.teams, Team(self._id(), name, ids))

    def add_escalation(
        self,
        name: str,
        steps: Iterable[tuple[Responder | str, int]],
        *,
        team: Team | str | None = None,
    ) -> Escalation:
        """Who is notified after how many minutes; a team's first one stands for the team."""
        with self._lock:
            everybody = self._tables.responders()
            ordered = tuple(Step(_find(everybody, who).id, after) for who, after in steps)
            new = Escalation(self._id(), name, ordered, self._team(team))
            return _keep(self._tables.escalations, new)

    def add_schedule(
        self,
        name: str,
        *,
        enabled: bool = True,
        team: Team | str | None = None,
        id: str | None = None,  # noqa: A002 - the vendor's word
    ) -> Schedule:
        """A schedule with nobody on it; names may be shared."""
        with self._lock:
            new = Schedule(id or self._id(), name, enabled, self._team(team))
            return _keep(self._tables.schedules, new)

    def put_on_shift(
        self,
        schedule: Schedule | str,
        who: Responder | str | None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        rotation: str = "Weekly",
    ) -> Shift:
        """Add a shift, by default from now for 8 hours; `who` None leaves it to nobody.

        A team, an escalation or another schedule is on shift as one, with all who are in it.
        """
        with self._lock:
            kept = _find(self._tables.schedules, schedule)
            begin = start or self.now()
            whose = None if who is None else _find(self._tables.responders(), who).id
            shift = Shift(whose, begin, end or begin + _A_SHIFT, rotation)
            _keep(self._tables.schedules, replace(kept, shifts=(*kept.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Responder | str | None) -> None:
        """Remove every shift this one has in the schedule."""
        with self._lock:
            kept = _find(self._tables.schedules, schedule)
            whose = None if who is None else _find(self._tables.responders(), who).id
            rest = tuple(shift for shift in kept.shifts if shift.who != whose)
            _keep(self._tables.schedules, replace(kept, shifts=rest))

    def forward(
        self,
        who: Person | str,
        to: Person | str,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Forwarding:
        """Give all that comes to one person to another, by default from now for 8 hours."""
        with self._lock:
            begin, people = start or self.now(), self._tables.people
            new = Forwarding(
                _find(people, who).id, _find(people, to).id, begin, end or begin + _A_SHIFT
            )
            self._tables.forwardings.append(new)
            return new

    def rename_schedule(self, schedule: Schedule | str, name: str) -> Schedule:
        """Call it something else; its id stays."""
        with self._lock:
            kept = _find(self._tables.schedules, schedule)
            return _keep(self._tables.schedules, replace(kept, name=name))

    def enable_schedule(self, schedule: Schedule | str, *, enabled: bool = True) -> Schedule:
        """Switch it on or off; its shifts stay."""
        with self._lock:
            kept = _find(self._tables.schedules, schedule)
            return _keep(self._tables.schedules, replace(kept, enabled=enabled))

    def restrict_key(self, team: Team | str | None) -> None:
        """Let the key see that team's schedules only; None lets it see all."""
        with self._lock:
            self._only_team = self._team(team)

    def _visible(self, schedule: Schedule) -> bool:
        return self._only_team in {None, schedule.team}

    def _visible_schedules(self) -> list[Schedule]:
        return [each for each in self._tables.schedules.values() if self._visible(each)]

    def _person(self, who: Person | str) -> Person:
        return _find(self._tables.people, who)

    def _team(self, team: Team | str | None) -> str | None:
        return None if team is None else _find(self._tables.teams, team).id

    def _id(self) -> str:
        """As long as the vendor's, and the same in every run."""
        number = next(self._ids)
        return f"{number:08x}-0000-4000-8000-{number:012x}"


def _keep(table: dict[str, Row], row: Row) -> Row:
    table[row.id] = row
    return row


def _find(table: Mapping[str, Row], wanted: Row | str) -> Row:
    if not isinstance(wanted, str):
        return table[wanted.id]
    if wanted in table:
        return table[wanted]
    rows = [row for row in table.values() if _called(row) == wanted]
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} are called {wanted!r}, not 1")
    return rows[0]


def _called(row: Responder) -> str | None:
    return row.email if isinstance(row, Person) else row.name
