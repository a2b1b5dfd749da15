"""The duties at the PagerDuty double: its schedules.

Whom an escalation policy pages directly, without a schedule, is not on shift: that is no duty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handler.providers.registry import BY_ID
from sandbox.page.duty_board import Group, Person, Roster
from sandbox.vendors.pagerduty_records import Policy, Schedule
from sandbox.vendors.pagerduty_state import Account


class PagerDutyRoster(Roster):
    """A schedule's title tells at which levels it is: a rule may look at the first one only."""

    def __init__(self, account: Account) -> None:
        super().__init__(BY_ID["pagerduty"], account)
        self._account = account

    def people(self) -> Sequence[Person]:
        """The users who have an e-mail and are not deleted."""
        return list(self._by_id().values())

    def groups(self) -> Sequence[Group]:
        """The schedules, each with its levels in escalation policies."""
        people, policies = self._by_id(), self._account.escalation_policies
        return [self._schedule(each, people, policies) for each in self._account.schedules]

    def _by_id(self) -> dict[str, Person]:
        return {
            each.id: Person(each.email, each.name) for each in self._account.people if each.email
        }

    def _schedule(
        self, schedule: Schedule, people: Mapping[str, Person], policies: Sequence[Policy]
    ) -> Group:
        now = self._account.now()
        on = [
            (people.get(part.person_id or ""), part.end)
            for part in schedule.stretches
            if part.start <= now < part.last
        ]
        places = [
            (f"level {level}", policy.name)
            for policy in policies
            for level, target in policy.targets
            if target == schedule.id
        ]
        used = ", ".join(f"{level} of {policy}" for level, policy in places)
        levels = dict.fromkeys(level for level, _ in places)
        return Group(
            schedule.name,
            ", ".join((schedule.name, *levels)),
            f"on-call schedule, {used or 'in no escalation policy'}",
            # In one of layers only one person is on at a time.
            (self._shift(schedule.id, on, one_holder=not schedule.v3),),
        )
