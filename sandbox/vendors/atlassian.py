"""The common part of Opsgenie's and JSM Operations' doubles: an organisation, and who is on call.

Rows refer to each other by id, so a new name shows everywhere.
"""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from sandbox.vendors.server import (
    Clock,
    Double,
    InvalidParameterError,
    Json,
    Request,
    Response,
    Route,
)
from sandbox.vendors.store import SHIFT, Store, find

AccountType: TypeAlias = Literal["atlassian", "app", "customer"]
Kind: TypeAlias = Literal["user", "team", "escalation", "schedule"]
PeriodKind: TypeAlias = Literal["base", "forwarding", "historical"]

_YEAR, _DAY = timedelta(days=365), timedelta(days=1)
_MOST_DAYS = 100


class RefusedError(Exception):
    """The call is answered with an HTTP error.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


# -- what an organisation has --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """A user. The last three fields are Jira's only."""

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
    """Who is notified so many minutes after an alert; 0 is at once."""

    who: str
    after: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom an alert is sent to, one after the other, until somebody accepts it."""

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


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when, in parallel rotations."""

    id: str
    name: str
    enabled: bool = True
    team: str | None = None
    shifts: tuple[Shift, ...] = ()

    def current(self, moment: datetime) -> list[Shift]:
        """Give the shifts at that moment."""
        return [shift for shift in self.shifts if shift.start <= moment < shift.end]

    def rotations(self) -> dict[str, list[Shift]]:
        """Give the shifts by the name of their rotation, the earliest first."""
        rotations: dict[str, list[Shift]] = {}
        for shift in sorted(self.shifts, key=lambda shift: shift.start):
            rotations.setdefault(shift.rotation, []).append(shift)
        return rotations


@dataclass(frozen=True, slots=True)
class Forwarding:
    """During this time, alerts for one person go to another."""

    person: str
    to: str
    start: datetime
    end: datetime


Responder: TypeAlias = Person | Team | Escalation | Schedule
_KINDS: dict[type, Kind] = {
    Person: "user",
    Team: "team",
    Escalation: "escalation",
    Schedule: "schedule",
}


def kind_of(responder: Responder) -> Kind:
    """Give what both APIs call such a thing."""
    return _KINDS[type(responder)]


@dataclass(frozen=True, slots=True)
class Participant:
    """A person or thing on call, and who is on call through it.

    `who` None is a shift of nobody; `after` are the minutes of an escalation's step.
    """

    who: Responder | None
    after: int | None = None
    forwarded_from: Person | None = None
    within: tuple[Participant, ...] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a schedule's timeline in which one person or thing is on call."""

    start: datetime
    end: datetime
    kind: PeriodKind
    who: Responder | None
    forwarded_from: Person | None = None


class Organisation(Store):
    """People, teams, escalations, schedules and forwardings, without HTTP.

    Methods return rows as they are after the call. They accept a row, its id, or its name for
    people: a person's e-mail, the name of anything else.
    """

    person_id = "{}"

    def __init__(self, now: Clock) -> None:
        super().__init__(now)
        self._people: dict[str, Person] = {}
        self._teams: dict[str, Team] = {}
        self._escalations: dict[str, Escalation] = {}
        self._schedules: dict[str, Schedule] = {}
        self._forwardings: list[Forwarding] = []
        self._only_team: str | None = None

    @property
    def people(self) -> list[Person]:
        """Every user."""
        return list(self._people.values())

    @property
    def schedules(self) -> list[Schedule]:
        """Every schedule, even if the key can't see it."""
        return list(self._schedules.values())

    @property
    def visible_schedules(self) -> list[Schedule]:
        """The schedules that the key sees."""
        return [schedule for schedule in self.schedules if self._only_team in {None, schedule.team}]

    def add_person(self, name: str, email: str | None) -> Person:
        """Add a user."""
        with self._lock:
            return self._save(self._people, Person(self.person_id.format(self._id()), name, email))

    def add_team(self, name: str, members: Iterable[Person | str] = ()) -> Team:
        """Add people who are on call together when the team is on a shift."""
        with self._lock:
            ids = tuple(find(self._people, who).id for who in members)
            return self._save(self._teams, Team(self._id(), name, ids))

    def add_escalation(
        self,
        name: str,
        steps: Iterable[tuple[Responder | str, int]],
        *,
        team: Team | str | None = None,
    ) -> Escalation:
        """Add who is notified after how many minutes; a team's alerts use its first escalation."""
        with self._lock:
            ordered = tuple(Step(self._responder_id(who), after) for who, after in steps)
            row = Escalation(self._id(), name, ordered, self._team_id(team))
            return self._save(self._escalations, row)

    def add_schedule(
        self,
        name: str,
        *,
        enabled: bool = True,
        team: Team | str | None = None,
        id: str | None = None,  # noqa: A002 - the vendor's word
    ) -> Schedule:
        """Add a schedule with nobody on it; names may be shared."""
        with self._lock:
            row = Schedule(id or self._id(), name, enabled, self._team_id(team))
            return self._save(self._schedules, row)

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
            row, start = find(self._schedules, schedule), start or self.now()
            responder_id = None if who is None else self._responder_id(who)
            shift = Shift(responder_id, start, end or start + SHIFT, rotation)
            self._save(self._schedules, replace(row, shifts=(*row.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Responder | str) -> None:
        """Remove every shift of this person, team, escalation or schedule from the schedule."""
        with self._lock:
            row, responder_id = find(self._schedules, schedule), self._responder_id(who)
            others = tuple(shift for shift in row.shifts if shift.who != responder_id)
            self._save(self._schedules, replace(row, shifts=others))

    def forward(
        self,
        who: Person | str,
        to: Person | str,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Forwarding:
        """Forward one person's alerts to another, by default from now for 8 hours."""
        with self._lock:
            start, people = start or self.now(), self._people
            row = Forwarding(find(people, who).id, find(people, to).id, start, end or start + SHIFT)
            self._forwardings.append(row)
            return row

    def enable_schedule(self, schedule: Schedule | str, *, enabled: bool = True) -> Schedule:
        """Switch it on or off; its shifts stay."""
        with self._lock:
            row = find(self._schedules, schedule)
            return self._save(self._schedules, replace(row, enabled=enabled))

    def restrict_key(self, team: Team | str | None) -> None:
        """Let the key see that team's schedules only; None lets it see all."""
        self._only_team = self._team_id(team)

    def on_shift(self, schedule: Schedule | str) -> list[Period]:
        """Give who and what is on shift now, after forwardings; each until it changes."""
        with self._lock:
            now = self.now()
            shifts = find(self._schedules, schedule).current(now)
            periods = self._periods(shifts, now, now + _YEAR)
            return [period for period in periods if period.start <= now < period.end]

    def forwards_to(self, who: Person | str) -> Person | None:
        """Give the person who gets this person's alerts now, if there is one."""
        with self._lock:
            return self._forwarded_to(find(self._people, who), self.now())

    def _visible_schedule(self, schedule_id: str) -> Schedule:
        """Find the schedule with this id; a name is not enough.

        Raises:
            RefusedError: there is none (404), or the key may not see it (403).
        """
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            raise RefusedError(404)
        if self._only_team not in {None, schedule.team}:
            raise RefusedError(403)
        return schedule

    def _responders(self) -> Mapping[str, Responder]:
        tables: Any = (self._people, self._teams, self._escalations, self._schedules)
        return ChainMap[str, Responder](*tables)  # a copy of all would take long in a large account

    def _responder_id(self, who: Responder | str) -> str:
        return find(self._responders(), who).id

    def _team_id(self, team: Team | str | None) -> str | None:
        return None if team is None else find(self._teams, team).id

    def _id(self) -> str:
        """Make an id as long as the vendor's, the same in every run."""
        number = next(self._numbers)
        return f"{number:08x}-0000-4000-8000-{number:012x}"

    # -- who is on call --

    def _on_call(self, schedule: Schedule) -> list[Participant]:
        """Give those of every rotation now, even if the schedule is disabled."""
        now = self.now()
        return [self._participant(shift.who, now, schedule) for shift in schedule.current(now)]

    def _participant(
        self, who: str | None, moment: datetime, *above: Responder, after: int | None = None
    ) -> Participant:
        """Give a participant with everybody who is on call through it, without cycles.

        Args:
            who: its id.
            moment: when.
            above: what it is on call through, directly and indirectly.
            after: the minutes of an escalation's step.
        """
        if who is None:
            return Participant(None, after)
        responder = self._responders()[who]
        if isinstance(responder, Person) and (to := self._forwarded_to(responder, moment)):
            return Participant(to, after, forwarded_from=responder)
        within = () if responder in above else self._within(responder, moment)
        inner = tuple(
            self._participant(member, moment, responder, *above, after=minutes)
            for member, minutes in within
        )
        return Participant(responder, after, within=inner)

    def _within(
        self, responder: Responder, moment: datetime
    ) -> Iterable[tuple[str | None, int | None]]:
        """Give who is on call through it, and after how many minutes, if that is set."""
        match responder:
            case Team(id=id_, members=members):
                # An alert for a team uses the team's escalation, if it has one.
                escalations = [
                    escalation.id
                    for escalation in self._escalations.values()
                    if escalation.team == id_
                ]
                return [(member, None) for member in escalations[:1] or members]
            case Escalation(steps=steps):
                return [(step.who, step.after) for step in steps]
            case Schedule(enabled=True):
                return [(shift.who, None) for shift in responder.current(moment)]
            case _:
                return []

    def _forwarded_to(self, person: Person, moment: datetime) -> Person | None:
        for forwarding in self._forwardings:
            if forwarding.person == person.id and forwarding.start <= moment < forwarding.end:
                return self._people[forwarding.to]
        return None

    # -- until when --

    def _periods(self, shifts: Iterable[Shift], start: datetime, end: datetime) -> Iterator[Period]:
        """Give the parts of shifts between two times, split where a forwarding begins or ends."""
        now = self.now()
        for shift in shifts:
            moments = {shift.start, shift.end}
            for forwarding in self._forwardings:
                if forwarding.person == shift.who:
                    times = (forwarding.start, forwarding.end)
                    moments |= {time for time in times if shift.start < time < shift.end}
            for since, until in itertools.pairwise(sorted(moments)):
                if since < end and start < until:
                    participant = self._participant(shift.who, since)
                    kind: PeriodKind = "forwarding" if participant.forwarded_from else "base"
                    yield Period(
                        max(since, start),
                        min(until, end),
                        "historical" if until <= now else kind,
                        participant.who,
                        participant.forwarded_from,
                    )

    def _timeline(
        self, request: Request, schedule: Schedule, to_json: Callable[[Period], Json]
    ) -> Json:
        """Give who was, is and will be on call, from today on for `interval` days.

        The first day begins at midnight UTC, the time zone of every schedule here.
        Periods are cut at both ends of the timeline: a period that ends there may be part of a
        longer shift. A timeline of one day shows no end after midnight.
        """
        if request.parameter("intervalUnit") != "days":
            raise InvalidParameterError("intervalUnit", "must be days: no other is supported here")
        days = request.number("interval", 1, least=1, most=_MOST_DAYS)
        today = self.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end = today + days * _DAY
        rotations = [
            {
                "id": f"{schedule.id[:-4]}{order:04}",
                "name": name,
                "order": order,
                "periods": [to_json(period) for period in self._periods(shifts, today, end)],
            }
            for order, (name, shifts) in enumerate(schedule.rotations().items(), 1)
        ]
        return {
            "startDate": time_json(today),
            "endDate": time_json(end),
            "finalTimeline": {"rotations": rotations},
        }


class OrganisationDouble(Organisation, Double):
    """An organisation that one key reads over HTTP; subclasses write the vendor's answers.

    Args:
        routes: see `Double`.
        now: the clock.
    """

    def __init__(self, routes: Mapping[str, Route], now: Clock) -> None:
        Organisation.__init__(self, now)
        Double.__init__(self, routes, now)

    def check_key(self, request: Request) -> Response | None:
        """Make the answer to a call whose key is wrong or lacks a right; None for any other."""
        raise NotImplementedError

    def error(
        self, status: int, *, retry_at: datetime | None = None, message: str = ""
    ) -> Response:
        """Make the vendor's response of an HTTP error, by default with the status's phrase."""
        raise NotImplementedError

    def answer(self, request: Request) -> Response:
        """Answer as Atlassian does."""
        if refusal := self.check_key(request):
            return refusal
        try:
            with self._lock:
                return super().answer(request)
        except RefusedError as error:
            return self.error(error.status)
        except InvalidParameterError as error:
            return self.error(422, message=str(error))


def time_json(moment: datetime) -> str:
    """Write ISO 8601 in UTC; with milliseconds only if there are some."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def period_json(period: Period) -> Json:
    """Write the fields of a period that both vendors have."""
    start, end = time_json(period.start), time_json(period.end)
    return {"startDate": start, "endDate": end, "type": period.kind}
