"""Who is on duty at a provider's double, and switches that put people on duty and take them off."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from handler import emails
from handler.providers.registry import BY_ID, Provider
from sandbox.vendors import atlassian, incidentio, pagerduty
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double

Switch = Callable[[str, bool], None]
_NO_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """A person who can be put on duty; the webhook matches duties by the e-mail."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A person on duty; `until` is when the duty ends without anybody's doing."""

    person: Member
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One duty that people can be on: a schedule's shift, or a role in an incident.

    Attributes:
        id: its name in a form: letters, digits, `-` and `_`; unique among all providers.
        name: its name within its group (`On shift`, `Incident Lead`).
        holders: who is on it now.
        switch: puts the person with an e-mail on it, or takes them off.
    """

    id: str
    name: str
    holders: tuple[Holder, ...]
    switch: Switch = field(compare=False)

    def is_held_by(self, email: str) -> bool:
        """Whether this person is on it."""
        return any(emails.same(holder.person.email, email) for holder in self.holders)


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """The slots of one schedule or live incident."""

    title: str
    short_title: str
    description: str
    slots: tuple[Slot, ...]


class SwitchError(Exception):
    """A switch that has no effect; the sentence says why."""


class Shifts(Protocol):
    """How every provider's double changes a schedule, by its id and a person's e-mail."""

    def put_on_shift(self, schedule: str, who: str) -> object:
        """Add a shift of this person's from now on."""

    def take_off_shift(self, schedule: str, who: str) -> None:
        """Remove all their shifts."""


class DutyBoard(ABC):
    """The duties at one provider's double, read and changed as in the vendor's own pages.

    Attributes:
        id: the provider's name in a policy.
        provider: the provider's name, which forms also send.
        kinds: what people can be on duty for, in words.
    """

    kinds = "schedule"

    def __init__(self, provider: Provider, shifts: Shifts) -> None:
        self.id = provider.id
        self.provider = provider.name
        self._shifts = shifts

    @abstractmethod
    def people(self) -> Sequence[Member]:
        """Everybody who can be put on duty."""

    @abstractmethod
    def groups(self) -> Sequence[SlotGroup]:
        """Every duty, and who is on it now."""

    def switch(self, slot_id: str, email: str, *, on: bool) -> None:
        """Put a person on duty or take them off; does nothing if that is already so.

        Raises:
            SwitchError: the slot or the person does not exist, or it would have no effect.
        """
        slots = {slot.id: slot for group in self.groups() for slot in group.slots}
        if slot_id not in slots:
            raise SwitchError(
                "This duty does not exist any more. The page now shows the current duties."
            )
        if email not in {person.email for person in self.people()}:
            who = email or "A person without an e-mail"
            raise SwitchError(f"{who} is not a user at {self.provider}.")
        if slots[slot_id].is_held_by(email) != on:
            slots[slot_id].switch(email, on)

    def _slot_id(self, *parts: str) -> str:
        """Make an id that is unique among all providers."""
        return "-".join((self.id, *parts))

    def _shift_slot(
        self,
        schedule: str,
        shifts: Iterable[tuple[Member | None, datetime | None]],
        *,
        one_holder: bool = False,
    ) -> Slot:
        """Make the slot of a schedule.

        Args:
            schedule: its id.
            shifts: the current ones; of a person's, the last end applies.
            one_holder: whether a new holder replaces the current ones.
        """
        ends: dict[Member, datetime] = {}
        for person, end in shifts:
            if person:
                ends[person] = max(end or _NO_END, ends.get(person, end or _NO_END))
        holders = tuple(
            Holder(person, None if end == _NO_END else end) for person, end in ends.items()
        )

        def switch(email: str, on: bool) -> None:  # noqa: FBT001 - the type Switch
            # With one holder nobody stays on below the new one, to come up again later.
            leaving = [holder.person.email for holder in holders if one_holder] if on else [email]
            for address in leaving:
                self._shifts.take_off_shift(schedule, address)
            if on:
                self._shifts.put_on_shift(schedule, email)

        return Slot(self._slot_id(schedule), "On shift", holders, switch)


class IncidentIOBoard(DutyBoard):
    """incident.io's schedules, and the roles of its live incidents."""

    kinds = "schedule or live incident"

    def __init__(self, organisation: incidentio.Organisation) -> None:
        super().__init__(BY_ID["incidentio"], organisation)
        self._organisation = organisation

    def people(self) -> Sequence[Member]:
        """The users who have an e-mail."""
        return _members(map(_incidentio_member, self._organisation.people))

    def groups(self) -> Sequence[SlotGroup]:
        """The schedules, then the live incidents."""
        return [*self._schedules(), *self._live_incidents()]

    def _schedules(self) -> Iterator[SlotGroup]:
        now = self._organisation.now()
        for schedule in self._organisation.schedules:
            shifts = [
                (_incidentio_member(shift.person), shift.end) for shift in schedule.current(now)
            ]
            slot = self._shift_slot(schedule.id, shifts)
            yield SlotGroup(schedule.name, schedule.name, "on-call schedule", (slot,))

    def _live_incidents(self) -> Iterator[SlotGroup]:
        for incident in self._organisation.incidents:
            if incident.category == "live":
                by = incident.creator.name if incident.creator else "an API key"
                slots = tuple(self._role(incident, role) for role in self._organisation.roles)
                yield SlotGroup(
                    f"{incident.reference} {incident.name}",
                    incident.reference,
                    f"live incident, declared by {by}",
                    slots,
                )

    def _role(self, incident: incidentio.Incident, role: incidentio.Role) -> Slot:
        person = _incidentio_member(incident.assignees.get(role.id))
        holders = (Holder(person),) if person else ()
        assign = partial(self._assign, incident.id, role.id)
        return Slot(self._slot_id(incident.id, role.id), role.name, holders, assign)

    def _assign(self, incident: str, role: str, email: str, on: bool) -> None:  # noqa: FBT001 - the type Switch
        self._organisation.assign_role(incident, role, email if on else None)


class PagerDutyBoard(DutyBoard):
    """PagerDuty's schedules. A brief title has their levels, since a rule may want the first one.

    Somebody whom an escalation policy pages directly, without a schedule, holds no duty here.
    """

    def __init__(self, account: pagerduty.Account) -> None:
        super().__init__(BY_ID["pagerduty"], account)
        self._account = account

    def people(self) -> Sequence[Member]:
        """The users who have an e-mail and are not deleted."""
        return list(self._members_by_id().values())

    def groups(self) -> Sequence[SlotGroup]:
        """The schedules, with their levels in escalation policies."""
        members = self._members_by_id()
        return [self._schedule(schedule, members) for schedule in self._account.schedules]

    def _members_by_id(self) -> dict[str, Member]:
        return {
            person.id: Member(person.email, person.name)
            for person in self._account.people
            if person.email
        }

    def _schedule(self, schedule: pagerduty.Schedule, members: Mapping[str, Member]) -> SlotGroup:
        now = self._account.now()
        shifts = [(members.get(part.person_id or ""), part.end) for part in schedule.current(now)]
        levels = [
            (f"level {level}", policy.name)
            for policy in self._account.escalation_policies
            for level, target in policy.targets
            if target == schedule.id
        ]
        uses = ", ".join(f"{level} of {policy}" for level, policy in levels)
        return SlotGroup(
            schedule.name,
            ", ".join((schedule.name, *dict.fromkeys(level for level, _ in levels))),
            f"on-call schedule, {uses or 'in no escalation policy'}",
            # In one of layers only one person is on at a time.
            (self._shift_slot(schedule.id, shifts, one_holder=not schedule.v3),),
        )


class AtlassianBoard(DutyBoard):
    """Opsgenie's or JSM Operations' schedules.

    While a person's notifications are forwarded, whoever gets them is on shift in their place.
    """

    def __init__(self, provider: Provider, organisation: atlassian.Organisation) -> None:
        super().__init__(provider, organisation)
        self._organisation = organisation

    def people(self) -> Sequence[Member]:
        """The users with a visible e-mail and an account that is in use."""
        return _members(map(_atlassian_member, self._organisation.people))

    def groups(self) -> Sequence[SlotGroup]:
        """The schedules; the descriptions name teams and the like that are on shift."""
        return [self._schedule(schedule) for schedule in self._organisation.schedules]

    def _schedule(self, schedule: atlassian.Schedule) -> SlotGroup:
        periods = self._organisation.on_shift(schedule)
        shifts = [(_atlassian_member(period.who), period.end) for period in periods]
        slot = self._shift_slot(schedule.id, shifts)

        def switch(email: str, on: bool) -> None:  # noqa: FBT001 - the type Switch
            self._check_forwardings(periods, email, on=on)
            slot.switch(email, on)

        description = [
            "on-call schedule",
            *([] if schedule.enabled else ["switched off, so nobody is on call for it"]),
            *(
                f"the {atlassian.kind_of(period.who)} {period.who.name} is on shift"
                for period in periods
                if period.who and not isinstance(period.who, atlassian.Person)
            ),
        ]
        slots = (replace(slot, switch=switch),)
        return SlotGroup(schedule.name, schedule.name, ", ".join(description), slots)

    def _check_forwardings(
        self, periods: Sequence[atlassian.Period], email: str, *, on: bool
    ) -> None:
        """Refuse what would only seem to change who is on duty now."""
        if on and (other := self._organisation.forwards_to(email)):
            raise SwitchError(f"The notifications of {email} are forwarded to {other.name} now.")
        for period in periods:
            person, original = _atlassian_member(period.who), period.forwarded_from
            if not on and original and person and person.email == email:
                raise SwitchError(
                    f"{person.name} is on shift for {original.name}, who forwards notifications."
                )


def boards_of(doubles: Mapping[str, Double]) -> Iterator[DutyBoard]:
    """The board of each provider that there is a double of, by the provider's id."""
    for id_, double in doubles.items():
        match double:
            case IncidentIO():
                yield IncidentIOBoard(double)
            case PagerDuty():
                yield PagerDutyBoard(double)
            case Opsgenie() | JSM():
                yield AtlassianBoard(BY_ID[id_], double)


def _members(people: Iterable[Member | None]) -> list[Member]:
    return [person for person in people if person]


def _incidentio_member(person: incidentio.Person | None) -> Member | None:
    return Member(person.email, person.name) if person and person.email else None


def _atlassian_member(who: atlassian.Responder | None) -> Member | None:
    if not isinstance(who, atlassian.Person) or not who.email:
        return None
    return Member(who.email, who.name) if who.active and not who.hidden else None
