"""The duties at the incident.io double: its schedules, and the roles of its live incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from handler.providers.registry import BY_ID
from sandbox.page.duty_board import Group, Holder, Person, Post, Roster
from sandbox.vendors.incidentio_records import Incident, Role, Schedule
from sandbox.vendors.incidentio_records import Person as Record
from sandbox.vendors.incidentio_state import Organisation


class IncidentIORoster(Roster):
    """Its people are the users who have an e-mail."""

    knows = "schedule and no live incident"

    def __init__(self, organisation: Organisation) -> None:
        super().__init__(BY_ID["incidentio"], organisation)
        self._organisation = organisation

    def people(self) -> Sequence[Person]:
        """The users who have an e-mail."""
        found = map(_person, self._organisation.people)
        return [each for each in found if each]

    def groups(self) -> Sequence[Group]:
        """The schedules, then the live incidents with each of their roles."""
        return [*self._schedules(), *self._live_incidents()]

    def _schedules(self) -> Iterator[Group]:
        for each in self._organisation.schedules:
            yield Group(each.name, each.name, "on-call schedule", (self._on_shift(each),))

    def _on_shift(self, schedule: Schedule) -> Post:
        current = schedule.current(self._organisation.now())
        return self._shift(schedule.id, [(_person(shift.person), shift.end) for shift in current])

    def _live_incidents(self) -> Iterator[Group]:
        roles = self._organisation.roles
        for each in self._organisation.incidents:
            if each.category == "live":
                by = each.creator.name if each.creator else "an API key"
                posts = tuple(self._role(each, role) for role in roles)
                title, about = f"{each.reference} {each.name}", f"live incident, declared by {by}"
                yield Group(title, each.reference, about, posts)

    def _role(self, incident: Incident, role: Role) -> Post:
        person = _person(incident.assignees.get(role.id))
        return Post(
            self._post_id(incident.id, role.id),
            role.name,
            (Holder(person),) if person else (),
            partial(self._assign, incident.id, role.id),
        )

    def _assign(self, incident: str, role: str, email: str, on: bool) -> None:  # noqa: FBT001 - a switch is called so
        self._organisation.assign_role(incident, role, email if on else None)


def _person(record: Record | None) -> Person | None:
    return Person(record.email, record.name) if record and record.email else None
