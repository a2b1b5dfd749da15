"""A PagerDuty account with three people and a schedule, as the handler sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, ask
from handler.providers.collect import MOST_ROUNDS, DutyCollector
from handler.providers.pagerduty import PagerDuty as Source
from handler.providers.pagerduty import source
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.evaluate import Decision
from sandbox.vendors.pagerduty import PagerDuty
from tests.handler.conftest import ANA, BO, CY, SetClock

KEY = "pd-k3y-0123456789"
PAYMENTS = "PPAY001"
ANYBODY = DutyQuery(any_schedule=True)
ON_CALLS, LAYERED, SHIFT_BASED = "/oncalls", "/schedules", "/v3/schedules"
DATABASE = Resource("postgres.v1.Role", "prod-db")


class World(NamedTuple):
    """PagerDuty's double, and who asks it."""

    double: PagerDuty
    client: Client
    clock: SetClock
    source: Source

    def find(
        self, wants: DutyQuery = ANYBODY, deadline: Deadline | None = None
    ) -> ProviderSnapshot:
        """Ask round by round until nothing new is asked, as for a decision."""
        snapshot = ProviderSnapshot()
        asked: set[str] = set()
        for _ in range(MOST_ROUNDS + 1):
            new = [
                each for each in self.source.questions(wants, snapshot) if each.name not in asked
            ]
            if not new:
                for failure in snapshot.failures:
                    assert failure.provider == "PagerDuty"
                    assert "@" not in str(failure)
                    assert KEY not in str(failure)
                return snapshot
            asked |= {each.name for each in new}
            snapshot = ask(new, deadline or self.clock.deadline(), before=snapshot)
        raise AssertionError("more is asked than a decision waits for")

    def named(self, *schedules: str, deadline: Deadline | None = None) -> ProviderSnapshot:
        """Ask as for a policy that names these."""
        return self.find(DutyQuery(schedules=schedules), deadline)

    def counts(self, entry: str, email: str = ANA) -> bool:
        """Whether a rule that names this schedule approves somebody."""
        return self.decide(email, schedules=[entry]).approved

    def decide(
        self, email: str = ANA, deadline: Deadline | None = None, **on_call: object
    ) -> Decision:
        """Decide a request for the database by a policy of one rule."""
        return decided(self, email, {"when": {"on_call": on_call}}, deadline)

    def on_shift(self, name: str, *people: str, v3: bool = False, policy: bool = True) -> str:
        """Add a schedule with these on shift, used by an escalation policy or not; its id."""
        schedule = self.double.add_schedule(name, v3=v3)
        for each in people:
            self.double.put_on_shift(schedule, each)
        if policy:
            self.double.add_escalation_policy(f"Policy of {schedule.id}", schedule)
        return schedule.id

    def asked(self, path: str) -> int:
        """How many calls there were to exactly this path."""
        return self.double.calls.paths().count(path)


def decided(
    world: World, email: str, rule: dict[str, Any], deadline: Deadline | None = None
) -> Decision:
    """Decide a request for the database by a policy of this one rule."""
    settings = {"PAGERDUTY_KEY": KEY, "PAGERDUTY_BASE_URL": world.double.url}
    inquiry = DutyCollector(world.client, world.clock.clock, {"pagerduty": settings})
    request = Request(Resource("slack/user", "U1", email), (DATABASE,))
    whole = {"name": "Payments", "resources": "any", "duration": "6h", **rule}
    policy = read_policy(json.dumps({"rules": [whole], "aliases": {}}))
    (decision,) = inquiry.decide([request], policy, deadline or world.clock.deadline()).decisions
    return decision


def holders(found: ProviderSnapshot) -> list[str]:
    """Who has a duty."""
    return sorted(each.holder for each in found.duties)


def problems(found: ProviderSnapshot) -> list[str]:
    """What went wrong."""
    return [each.problem for each in found.failures]


@contextmanager
def opened(client: Client, clock: SetClock) -> Iterator[World]:
    """Start the double, by the clock that is set by hand."""
    with PagerDuty(KEY, now=lambda: clock.now) as double:
        fill(double)
        settings = {"PAGERDUTY_KEY": KEY, "PAGERDUTY_BASE_URL": double.url}
        yield World(double, client, clock, source(client, settings))


def fill(double: PagerDuty) -> None:
    """Three people, and the schedule Payments with nobody on it, used by one policy."""
    double.add_person("Ana Lima", ANA)
    double.add_person("Bo Berg", BO)
    double.add_person("Cy Noon", CY)
    double.add_schedule("Payments", id=PAYMENTS)
    double.add_escalation_policy("Payments", "Payments")
