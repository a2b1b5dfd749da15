"""The duties at the incident.io double: its schedules, and the roles of its live incidents."""

from __future__ import annotations

from collections.abc import Sequence

from handler.sources.incidentio_json import PROVIDER
from sandbox.doubles.incidentio_records import Incident, Role, Schedule
from sandbox.doubles.incidentio_records import Person as Record
from sandbox.doubles.incidentio_state import Organisation
from sandbox.page.rosters import Group, Holder, Person, Post, RosterError

_GONE = "is not there any more: what you see now is how things stand."


class IncidentIORoster:
    """Reads and changes the organisation, as people do in the vendor's own pages."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation

    @property
    def provider(self) -> str:
        """The provider's name."""
        return PROVIDER

    def people(self) -> Sequence[Person]:
        """The users who have an e-mail."""
        found = map(_person, self._organisation.people)
        return [each for each in found if each]

    def groups(self) -> Sequence[Group]:
        """The schedules, then the live incidents with each of their roles."""
        schedules = [
            Group(each.name, each.name, "on-call schedule", (self._shift(each),))
            for each in self._organisation.schedules
        ]
        roles = self._organisation.roles
        return [
            *schedules,
            *(
                Group(
                    f"{each.reference} {each.name}",
                    each.reference,
                    _declared(each),
                    _roles(each, roles),
                )
                for each in self._live()
            ),
        ]

    def turn(self, post: str, email: str, *, on: bool) -> None:
        """Add or end a shift, give or take a role."""
        posts = {one.id: one for group in self.groups() for one in group.posts}
        if post not in posts:
            raise RosterError(f"That duty {_GONE}")
        if email not in {each.email for each in self.people()}:
            raise RosterError(f"{email or 'A person without an e-mail'} is nobody at {PROVIDER}.")
        if posts[post].held_by(email) == on:
            return
        first, _, role = post.partition("-")
        if role:
            self._organisation.assign_role(first, role, email if on else None)
        elif on:
            self._organisation.put_on_shift(first, email)
        else:
            self._organisation.take_off_shift(first, email)

    def _shift(self, schedule: Schedule) -> Post:
        current = schedule.current(self._organisation.now())
        on = [(_person(shift.person), shift.end) for shift in current]
        holders = {person.email: Holder(person, end) for person, end in on if person}
        return Post(schedule.id, "On shift", tuple(holders.values()))

    def _live(self) -> list[Incident]:
        return [each for each in self._organisation.incidents if each.category == "live"]


def _roles(incident: Incident, roles: Sequence[Role]) -> tuple[Post, ...]:
    held = {role.id: _person(incident.assignees.get(role.id)) for role in roles}
    return tuple(
        Post(
            f"{incident.id}-{role.id}",
            role.name,
            tuple(Holder(person) for person in [held[role.id]] if person),
            one_holder=True,
        )
        for role in roles
    )


def _declared(incident: Incident) -> str:
    by = incident.creator.name if incident.creator else "an API key"
    return f"live incident, declared by {by}"


def _person(record: Record | None) -> Person | None:
    return Person(record.email, record.name) if record and record.email else None
