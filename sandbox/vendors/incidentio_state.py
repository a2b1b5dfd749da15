"""An incident.io organisation, and what people do to it in the vendor's own pages. No HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.vendors.incidentio_records import (
    Category,
    Incident,
    Mode,
    Person,
    Role,
    RoleType,
    Schedule,
    Shift,
    Update,
    Visibility,
)
from sandbox.vendors.store import Tables, find


class Organisation(Tables):
    """People, schedules, roles, incidents and updates, as they are now.

    Whatever it returns is the thing as it was then. Things are named by themselves or by what
    people call them: an e-mail, a schedule's or role's name, an incident's reference, any id.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._people: dict[str, Person] = {}
        self._schedules: dict[str, Schedule] = {}
        self._roles: dict[str, Role] = {}
        self._incidents: dict[str, Incident] = {}
        self._updates: dict[str, Update] = {}
        self.lead = self._new_role("Incident Lead", "lead", "lead")
        self.reporter = self._new_role("Reporter", "", "reporter")

    @property
    def people(self) -> tuple[Person, ...]:
        """Every user."""
        with self._lock:
            return tuple(self._people.values())

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Every schedule."""
        with self._lock:
            return tuple(self._schedules.values())

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every role that an incident has."""
        with self._lock:
            return tuple(self._roles.values())

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Every incident, closed ones too."""
        with self._lock:
            return tuple(self._incidents.values())

    def add_person(self, name: str, email: str | None) -> Person:
        """A new user."""
        with self._lock:
            return self._keep(self._people, Person(self._id(), name, email))

    def add_schedule(self, name: str, id: str | None = None) -> Schedule:  # noqa: A002 - the vendor's word
        """A schedule with nobody on it; names may be shared."""
        with self._lock:
            return self._keep(self._schedules, Schedule(id or self._id(), name, self.now()))

    def put_on_shift(
        self,
        schedule: Schedule | str,
        who: Person | str | None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Shift:
        """Add a shift, by default from now for 8 hours; `who` None leaves it to nobody."""
        with self._lock:
            kept = find(self._schedules, schedule, "name")
            begin = start or self.now()
            finish = end or begin + timedelta(hours=8)
            shift = Shift(self._id(), self._person(who), begin, finish)
            self._keep(self._schedules, replace(kept, shifts=(*kept.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Person | str) -> None:
        """Remove every shift this person has in the schedule."""
        with self._lock:
            kept = find(self._schedules, schedule, "name")
            person = self._person(who)
            rest = tuple(shift for shift in kept.shifts if shift.person != person)
            self._keep(self._schedules, replace(kept, shifts=rest))

    def add_role(self, name: str, shortform: str) -> Role:
        """A custom role, open in every incident; names may be shared."""
        return self._new_role(name, shortform, "custom")

    def declare_incident(
        self,
        name: str,
        by: Person | str | None = None,
        *,
        lead: Person | str | None = None,
        mode: Mode = "standard",
        visibility: Visibility = "public",
        category: Category = "live",
    ) -> Incident:
        """A new incident, reported by who declared it; `by` None is an API key."""
        with self._lock:
            now, creator, leader = self.now(), self._person(by), self._person(lead)
            incident = Incident(
                self._id(),
                len(self._incidents) + 1,
                name,
                creator,
                mode,
                visibility,
                category,
                created_at=now,
                updated_at=now,
                assignees={
                    role.id: person
                    for role, person in ((self.reporter, creator), (self.lead, leader))
                    if person
                },
            )
            return self._keep(self._incidents, incident)

    def assign_role(
        self, incident: Incident | str, role: Role | str, who: Person | str | None
    ) -> Incident:
        """Give a role of the incident to someone; `who` None leaves it unfilled."""
        with self._lock:
            kept = find(self._incidents, incident, "reference")
            assignees = dict(kept.assignees)
            role_id, person = find(self._roles, role, "name").id, self._person(who)
            if person:
                assignees[role_id] = person
            else:
                assignees.pop(role_id, None)
            return self._change(kept, assignees=assignees)

    def close_incident(self, incident: Incident | str) -> Incident:
        """Close it; its roles stay assigned."""
        with self._lock:
            return self._change(find(self._incidents, incident, "reference"), category="closed")

    def post_update(
        self, incident: Incident | str, by: Person | str | None = None, message: str = "Looking."
    ) -> Update:
        """Post to an incident; `by` None is an API key."""
        with self._lock:
            kept = find(self._incidents, incident, "reference")
            update = Update(
                self._id(), kept.id, self._person(by), message, kept.category, self.now()
            )
            return self._keep(self._updates, update)

    def _new_role(self, name: str, shortform: str, role_type: RoleType) -> Role:
        with self._lock:
            return self._keep(self._roles, Role(self._id(), name, shortform, role_type, self.now()))

    def _change(self, incident: Incident, **fields: object) -> Incident:
        changed = replace(incident, **fields, updated_at=self.now())  # type: ignore[arg-type]  # the two callers' fields are right
        return self._keep(self._incidents, changed)

    def _person(self, who: Person | str | None) -> Person | None:
        return None if who is None else find(self._people, who, "email")

    def _id(self) -> str:
        """As long and as sortable as the vendor's ULIDs, and the same in every run."""
        return f"01HZX{next(self._numbers):021d}"
