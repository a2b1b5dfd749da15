"""An account at a provider: its double with three people, and the handler's client."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import pytest

from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, ProviderClient
from handler.providers.collect import MOST_ROUNDS, collect_and_decide, load_clients
from handler.providers.registry import BY_ID
from handler.providers.runner import ask
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.evaluate import Decision
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from tests.handler.conftest import ANA, API_KEY, BO, CY, SetClock

PAGERDUTY_KEY, OPSGENIE_KEY = "pd-k3y-0123456789", "og-k3y-0123456789"
TOKEN, BOT = "jsm-t0ken-0123456789", "bot@acme.example"
SECRETS = (
    *(PAGERDUTY_KEY, OPSGENIE_KEY, TOKEN, BOT),
    b64encode(f"{BOT}:{TOKEN}".encode()).decode(),
)
PAYMENTS = "PPAY001"  # id of the schedule Payments
# PagerDuty's paths.
ON_CALLS, LAYERED, SHIFT_BASED, USERS = "/oncalls", "/schedules", "/v3/schedules", "/users"
# PagerDuty's two kinds of schedules, and where each is.
BOTH_KINDS = pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
SCHEDULE_PATHS = {False: LAYERED, True: SHIFT_BASED}
ANY_SCHEDULE = DutyQuery(any_schedule=True)
ANAS_END = DutyQuery(any_schedule=True, ends=True, holders=frozenset({ANA}))
DATABASE = Resource("postgres.v1.Role", "prod-db")

_Double = TypeVar("_Double")
_Account = TypeVar("_Account", bound="Account[Any]")


@dataclass(frozen=True)
class Account(Generic[_Double]):
    """A provider's double, and the handler's client for it."""

    provider: str
    double: _Double
    settings: dict[str, str]
    http: Client
    clock: SetClock

    @property
    def name(self) -> str:
        """The provider's display name."""
        return BY_ID[self.provider].name

    @property
    def client(self) -> ProviderClient:
        """The handler's client for the provider."""
        return self._clients[self.name]

    @cached_property
    def _clients(self) -> dict[str, ProviderClient]:
        return load_clients(self.http, self.clock.clock, {self.provider: self.settings})

    def reconnect(self, **settings: str) -> Self:
        """Give the account with other settings."""
        return replace(self, settings={**self.settings, **settings})

    def find(
        self, query: DutyQuery = ANY_SCHEDULE, deadline: Deadline | None = None
    ) -> ProviderSnapshot:
        """Ask round by round until there are no new questions, as for a decision."""
        client, snapshot = self.client, ProviderSnapshot()
        asked: set[tuple[str, str, str]] = set()
        for _ in range(MOST_ROUNDS + 1):
            new = [
                question
                for question in client.questions(query, snapshot)
                if question.key not in asked
            ]
            if not new:
                for failure in snapshot.failures:
                    assert failure.provider == self.name
                    assert "@" not in str(failure)
                    assert not any(secret in str(failure) for secret in SECRETS)
                return snapshot
            asked |= {question.key for question in new}
            snapshot = ask(new, deadline or self.clock.deadline(), before=snapshot)
        raise AssertionError("more is asked than a decision waits for")

    def decide(
        self, email: str = ANA, deadline: Deadline | None = None, **rule: object
    ) -> Decision:
        """Decide a request for the database by a policy of one rule.

        By default the rule approves any resource for six hours for people on call for Payments.
        """
        request = Request(Resource("slack/user", "U1", email), (DATABASE,))
        when = {"on_call": {"schedules": ["Payments"]}}
        whole = {"name": "Payments", "resources": "any", "when": when, "duration": "6h", **rule}
        policy = read_policy(json.dumps({"rules": [whole], "aliases": {}}))
        deadline = deadline or self.clock.deadline()
        outcome = collect_and_decide([request], policy, self._clients, self.clock.clock, deadline)
        return outcome.decisions[0]


class PagerDutyAccount(Account[PagerDuty]):
    """An account at PagerDuty."""

    def named(self, *schedules: str, deadline: Deadline | None = None) -> ProviderSnapshot:
        """Ask as for a policy that names these schedules."""
        return self.find(DutyQuery(schedules=schedules), deadline)

    def counts(self, entry: str, email: str = ANA) -> bool:
        """Check whether a rule that names this schedule approves a person."""
        return self.decide_by(email, schedules=[entry]).approved

    def decide_by(
        self, email: str = ANA, deadline: Deadline | None = None, **on_call: object
    ) -> Decision:
        """Decide with a rule on being on call."""
        return self.decide(email, deadline, when={"on_call": on_call})

    def on_shift(self, name: str, *people: str, v3: bool = False, policy: bool = True) -> str:
        """Add a schedule with these people on shift; give its id."""
        schedule = self.double.add_schedule(name, v3=v3)
        for person in people:
            self.double.put_on_shift(schedule, person)
        if policy:
            self.double.add_escalation_policy(f"Policy of {schedule.id}", schedule)
        return schedule.id

    def count_calls(self, path: str) -> int:
        """Count the calls to exactly this path."""
        return self.double.calls.paths().count(path)


class AtlassianAccount(Account[Opsgenie | JSM]):
    """An account at Opsgenie or JSM Operations."""

    @property
    def schedules(self) -> str:
        """The path of the schedules."""
        if isinstance(self.double, JSM):
            return f"/jsm/ops/api/{self.double.cloud_id}/v1/schedules"
        return "/v2/schedules"

    @property
    def timeline(self) -> str:
        """The path of the timeline of Payments."""
        return f"{self.schedules}/{PAYMENTS}/timeline"

    @property
    def person(self) -> str:
        """The field with the person in a timeline's period."""
        return "responder" if self.provider == "jsm" else "recipient"

    def count_calls(self, ending: str) -> int:
        """Count the calls to paths with this ending."""
        return sum(path.endswith(ending) for path in self.double.calls.paths())


def holders(snapshot: ProviderSnapshot) -> list[str]:
    """The holders of all duties."""
    return sorted(duty.holder for duty in snapshot.duties)


def id_of(account: Account[Any], email: str) -> str:
    """The provider's id of a person."""
    (user_id,) = (person.id for person in account.double.people if person.email == email)
    return str(user_id)


def problems(snapshot: ProviderSnapshot) -> list[str]:
    """The problems of all failures."""
    return [failure.problem for failure in snapshot.failures]


def make_double(provider: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Any:  # noqa: ANN401 - of any vendor
    """Make a provider's double, neither started nor filled."""
    if provider == "incidentio":
        return IncidentIO(API_KEY, now=now)
    if provider == "pagerduty":
        return PagerDuty(PAGERDUTY_KEY, now=now)
    return JSM(BOT, TOKEN, now=now) if provider == "jsm" else Opsgenie(OPSGENIE_KEY, now=now)


def settings_of(provider: str, url: str) -> dict[str, str]:
    """Give the settings for a double at this URL."""
    return {
        "incidentio": {"INCIDENTIO_API_KEY": API_KEY, "INCIDENTIO_BASE_URL": url},
        "pagerduty": {"PAGERDUTY_KEY": PAGERDUTY_KEY, "PAGERDUTY_BASE_URL": url},
        "opsgenie": {"OPSGENIE_KEY": OPSGENIE_KEY, "OPSGENIE_BASE_URL": url},
        "jsm": {
            "JSM_API_TOKEN": TOKEN,
            "JSM_EMAIL": BOT,
            "JSM_SITE": url,
            "JSM_BASE_URL": url,
        },
    }[provider]


@contextmanager
def open_account(
    kind: type[_Account], provider: str, client: Client, clock: SetClock
) -> Iterator[_Account]:
    """Start a provider's double, with the clock set by hand."""
    with make_double(provider, lambda: clock.now) as double:
        fill(double)
        yield kind(provider, double, settings_of(provider, double.url), client, clock)


def open_pagerduty(client: Client, clock: SetClock) -> AbstractContextManager[PagerDutyAccount]:
    """Start PagerDuty's double."""
    return open_account(PagerDutyAccount, "pagerduty", client, clock)


def open_atlassian(
    provider: str, client: Client, clock: SetClock
) -> AbstractContextManager[AtlassianAccount]:
    """Start the double of Opsgenie or JSM."""
    return open_account(AtlassianAccount, provider, client, clock)


def fill(double: IncidentIO | PagerDuty | Opsgenie | JSM) -> None:
    """Add three people, and the schedule Payments with nobody on it."""
    double.add_person("Ana Lima", ANA)
    double.add_person("Bo Berg", BO)
    double.add_person("Cy Noon", CY)
    double.add_schedule("Payments", id=PAYMENTS)
    if isinstance(double, PagerDuty):
        double.add_escalation_policy("Payments", "Payments")
