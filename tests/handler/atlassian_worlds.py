"""Opsgenie or its successor with three people and a schedule, as the handler sees them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, Source, ask
from handler.providers.collect import MOST_ROUNDS, DutyCollector
from handler.providers.registry import BY_ID
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.evaluate import Decision
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from tests.handler.conftest import ANA, BO, CY, SetClock

KEY, TOKEN, BOT = "og-k3y-0123456789", "jsm-t0ken-0123456789", "bot@acme.example"
SECRETS = (KEY, TOKEN, BOT, b64encode(f"{BOT}:{TOKEN}".encode()).decode())
PAYMENTS = "pay-0001"
ANYBODY = DutyQuery(any_schedule=True)
ANAS_END = DutyQuery(any_schedule=True, ends=True, holders=frozenset({ANA}))
DATABASE = Resource("postgres.v1.Role", "prod-db")
BOTH = ("opsgenie", "jsm")


class World(NamedTuple):
    """A provider's double, what the settings say of it, and who asks it."""

    provider: str
    double: Opsgenie | JSM
    settings: Mapping[str, str]
    client: Client
    clock: SetClock
    source: Source

    @property
    def name(self) -> str:
        """What people call the provider."""
        return BY_ID[self.provider].name

    @property
    def timeline(self) -> str:
        """The path of the timeline of Payments."""
        return f"{self.schedules}/{PAYMENTS}/timeline"

    @property
    def schedules(self) -> str:
        """The path of the schedules."""
        one = self.double
        return f"/jsm/ops/api/{one.cloud_id}/v1/schedules" if isinstance(one, JSM) else _OPSGENIE

    @property
    def person(self) -> str:
        """Where a period of a timeline says who it is."""
        return "responder" if self.provider == "jsm" else "recipient"

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
                    assert failure.provider == self.name
                    assert "@" not in str(failure)
                    assert not any(each in str(failure) for each in SECRETS)
                return snapshot
            asked |= {each.name for each in new}
            snapshot = ask(new, deadline or self.clock.deadline(), before=snapshot)
        raise AssertionError("more is asked than a decision waits for")

    def decide(
        self, email: str = ANA, deadline: Deadline | None = None, **rule: object
    ) -> Decision:
        """Decide a request for the database by a policy of one rule."""
        inquiry = DutyCollector(self.client, self.clock.clock, {self.provider: self.settings})
        request = Request(Resource("slack/user", "U1", email), (DATABASE,))
        policy = read_policy(json.dumps({"rules": [a_rule(**rule)], "aliases": {}}))
        outcome = inquiry.decide([request], policy, deadline or self.clock.deadline())
        return outcome.decisions[0]

    def asked(self, ending: str) -> int:
        """How many calls there were whose path ends so."""
        return sum(path.endswith(ending) for path in self.double.calls.paths())


_OPSGENIE = "/v2/schedules"


def a_rule(**changes: object) -> dict[str, Any]:
    """Whoever is on call for Payments has any resource for six hours, unless said otherwise."""
    when = {"on_call": {"schedules": ["Payments"]}}
    rule = {"name": "Payments", "resources": "any", "when": when, "duration": "6h"}
    return {**rule, **changes}


def holders(found: ProviderSnapshot) -> list[str]:
    """Who has a duty."""
    return sorted(each.holder for each in found.duties)


def problems(found: ProviderSnapshot) -> list[str]:
    """What went wrong."""
    return [each.problem for each in found.failures]


@contextmanager
def opened(provider: str, client: Client, clock: SetClock) -> Iterator[World]:
    """Start the double, by the clock that is set by hand."""
    settings: dict[str, str]
    double: Opsgenie | JSM
    if provider == "jsm":
        double = JSM(BOT, TOKEN, now=lambda: clock.now)
        settings = {"JSM_EMAIL": BOT, "JSM_API_TOKEN": TOKEN}
        settings |= {"JSM_SITE": double.url, "JSM_BASE_URL": double.url}
    else:
        double = Opsgenie(KEY, now=lambda: clock.now)
        settings = {"OPSGENIE_KEY": KEY, "OPSGENIE_BASE_URL": double.url}
    with double:
        fill(double)
        made = import_module(f"handler.providers.{provider}").source(client, settings)
        yield World(provider, double, settings, client, clock, made)


def fill(double: Opsgenie | JSM) -> None:
    """Three people, and the schedule Payments with nobody on it."""
    double.add_person("Ana Lima", ANA)
    double.add_person("Bo Berg", BO)
    double.add_person("Cy Noon", CY)
    double.add_schedule("Payments", id=PAYMENTS)
