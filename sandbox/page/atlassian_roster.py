"""The duties at the doubles of Opsgenie and JSM Operations, which keep them in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from handler.providers.registry import Provider
from sandbox.page.duty_board import Group, Person, Post, Roster, RosterError
from sandbox.vendors.atlassian_records import Person as Record
from sandbox.vendors.atlassian_records import Responder, Schedule, kind_of
from sandbox.vendors.atlassian_state import Organisation
from sandbox.vendors.atlassian_timeline import Period


class AtlassianRoster(Roster):
    """Who forwards what comes to him is not on shift then; whoever gets it is."""

    def __init__(self, provider: Provider, organisation: Organisation) -> None:
        super().__init__(provider, organisation)
        self._organisation = organisation

    def people(self) -> Sequence[Person]:
        """The users whose e-mail shows and whose account is in use."""
        found = map(_person, self._organisation.people)
        return [each for each in found if each]

    def groups(self) -> Sequence[Group]:
        """The schedules; teams and such that are on shift as one are told beside them."""
        return [self._schedule(each) for each in self._organisation.schedules]

    def _schedule(self, schedule: Schedule) -> Group:
        on = self._organisation.on_shift(schedule)
        things = [_thing(each.who) for each in on]
        about = [
            "on-call schedule",
            *([] if schedule.enabled else ["switched off, so that nobody is on call by it"]),
            *(f"{each} is on shift" for each in things if each),
        ]
        return Group(schedule.name, schedule.name, ", ".join(about), (self._post(schedule, on),))

    def _post(self, schedule: Schedule, on: Sequence[Period]) -> Post:
        post = self._shift(schedule.id, [(_person(each.who), each.end) for each in on])

        def switch(email: str, on_: bool) -> None:  # noqa: FBT001 - a switch is called so
            self._check_forwardings(on, email, on=on_)
            post.switch(email, on_)

        return Post(post.id, post.name, post.holders, switch)

    def _check_forwardings(self, now_on: Sequence[Period], email: str, *, on: bool) -> None:
        """Refuse what would change nobody's duty now, and only seem to."""
        if on and (other := self._organisation.forwards_to(email)):
            raise RosterError(f"What comes to {email} is forwarded to {other.name} now.")
        for each in now_on:
            person, first = _person(each.who), each.forwarded_from
            if not on and first and person and person.email == email:
                raise RosterError(f"{person.name} is on shift for {first.name}, who forwards it.")


def _person(record: Responder | None) -> Person | None:
    if not isinstance(record, Record) or not record.email or record.hidden or not record.active:
        return None
    return Person(record.email, record.name)


def _thing(responder: Responder | None) -> str:
    """Name what is on shift and no person."""
    if responder is None or isinstance(responder, Record):
        return ""
    return f"the {kind_of(responder)} {responder.name}"
