"""The demo's organisation: its people, their duties at the providers, and what they can request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from cli.webhook_client import request_event
from handler.callers.indent import read_events
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ProviderSnapshot
from handler.rules.evaluate import Decision, decide
from handler.rules.model import Policy
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double
from sandbox.vendors.store import SHIFT

_PROVIDER = "incident.io"
SCHEDULE = "Production"
RESOURCE = "prod-db"
POLICY_FILE = "sandbox/policy.yaml"
"""A policy for these people and resources."""


class DemoResource(NamedTuple):
    """A resource of the demo's space; its kind is `DEFAULT_KIND`."""

    id: str
    name: str
    labels: Mapping[str, str]


RESOURCES = (
    DemoResource(RESOURCE, "Production", {"Env": "Prod", "Tier": "1"}),
    DemoResource("customer-data", "Customer data", {"Env": "Prod", "Tier": "0"}),
    DemoResource("staging-db", "Staging", {"Env": "Staging", "Tier": "2"}),
)


@dataclass(frozen=True)
class DemoRequest:
    """One request of the demo.

    Attributes:
        email: who asks.
        role: what they are, in words.
        duties: what the provider says of them, in the decision's words.
        duration: what they ask for, as a Go duration, or "".
        signed_ago: how old the signature is.
        forged: whether it is made with another secret.
        provider: at whose double the duty is.
    """

    email: str
    role: str
    duties: tuple[Duty, ...] = ()
    duration: str = ""
    signed_ago: timedelta = timedelta(0)
    forged: bool = False
    provider: str = "incidentio"

    @property
    def http(self) -> int:
        """The HTTP status that has to come."""
        refused = self.forged or self.signed_ago
        return HTTPStatus.UNAUTHORIZED if refused else HTTPStatus.OK

    def event(self, policy: Policy) -> dict[str, Any]:
        """The request, for a resource that the policy's rules are for."""
        labels = labels_for(policy)
        return request_event(self.email, [RESOURCE], resource_labels=labels, duration=self.duration)

    def decision(self, policy: Policy, now: datetime) -> Decision:
        """Decide on what the provider states, as the webhook has to; shifts have just begun."""
        _, (event,) = read_events([self.event(policy)])
        ends = {ON_CALL: now + SHIFT}
        duties = tuple(duty._replace(end=ends.get(duty.kind)) for duty in self.duties)
        return decide(event.request, ProviderSnapshot(duties), policy, now)


def _role(name: str, holder: str, *, reporter: bool = False, self_declared: bool = False) -> Duty:
    return Duty(
        _PROVIDER,
        INCIDENT_ROLE,
        "",
        name,
        holder,
        shortform="lead" if name == "Incident Lead" else "",
        reporter=reporter,
        self_declared=self_declared,
    )


JANE, OMAR, RITA = "jane@example.com", "omar@example.com", "rita@example.com"
DAN, NORA = "dan@example.com", "nora@example.com"
PETRA, PAUL = "petra@example.com", "paul@example.com"
OLGA, JUAN = "olga@example.com", "juan@example.com"
DATABASES, PAYMENTS, SEARCH = "Databases", "Payments", "Search"
REVIEWERS = (NORA, RITA)
"""The administrators: nobody approves their own, so it takes two."""
PEOPLE: Mapping[str, str] = MappingProxyType(
    {
        JANE: "Jane Lind",
        OMAR: "Omar Haddad",
        RITA: "Rita Mora",
        DAN: "Dan Weiss",
        NORA: "Nora Falk",
        PETRA: "Petra Wolf",
        PAUL: "Paul Okoro",
        OLGA: "Olga Brandt",
        JUAN: "Juan Vidal",
    }
)
_JANE_LEADS = (_role("Incident Lead", JANE),)
_OMAR_IS_ON = (Duty(_PROVIDER, ON_CALL, "", SCHEDULE, OMAR),)
_RITA_REPORTED = (_role("Reporter", RITA, reporter=True, self_declared=True),)
# Whoever declares an incident is its reporter, too.
_DAN_LEADS_HIS_OWN = (
    _role("Incident Lead", DAN, self_declared=True),
    _role("Reporter", DAN, reporter=True, self_declared=True),
)

_PETRA_IS_ON = (Duty("PagerDuty", ON_CALL, "", DATABASES, PETRA),)
_PAUL_IS_BACK_UP = (Duty("PagerDuty", ON_CALL, "", f"{DATABASES} back-up", PAUL, level=2),)
_OLGA_IS_ON = (Duty("Opsgenie", ON_CALL, "", PAYMENTS, OLGA),)
_JUAN_IS_ON = (Duty("JSM Operations", ON_CALL, "", SEARCH, JUAN),)

DEMO_REQUESTS: Sequence[DemoRequest] = (
    DemoRequest(JANE, "leads a live incident", _JANE_LEADS),
    DemoRequest(JANE, "the same, for half an hour", _JANE_LEADS, duration="30m"),
    DemoRequest(JANE, "the same, for a year", _JANE_LEADS, duration="8760h"),
    DemoRequest(OMAR, f"on shift for {SCHEDULE}", _OMAR_IS_ON),
    DemoRequest(RITA, "reported the incident", _RITA_REPORTED),
    DemoRequest(DAN, "leads what he declared", _DAN_LEADS_HIS_OWN),
    DemoRequest(PETRA, f"on call for {DATABASES}", _PETRA_IS_ON, provider="pagerduty"),
    DemoRequest(PAUL, "her back-up, on level 2", _PAUL_IS_BACK_UP, provider="pagerduty"),
    DemoRequest(OLGA, f"on call for {PAYMENTS}", _OLGA_IS_ON, provider="opsgenie"),
    DemoRequest(JUAN, f"on call for {SEARCH}", _JUAN_IS_ON, provider="jsm"),
    DemoRequest(NORA, "off duty"),
    DemoRequest(JANE, "a call signed an hour ago", _JANE_LEADS, signed_ago=timedelta(hours=1)),
    DemoRequest(JANE, "a forged signature", _JANE_LEADS, forged=True),
)


def labels_for(policy: Policy) -> dict[str, str]:
    """Give the labels that a resource has to carry so that rules are for it."""
    rules = [rule for rule in policy.rules if not rule.deny]
    return {name: value for rule in reversed(rules) for name, value in rule.resources.labels}


def seed_incidentio(double: IncidentIO) -> None:
    """Give incident.io's double the people, the schedule and the incidents that the demo needs."""
    for email, name in PEOPLE.items():
        double.add_person(name, email)
    double.add_schedule(SCHEDULE)
    double.put_on_shift(SCHEDULE, OMAR)
    double.declare_incident("Checkout answers 500", by=RITA, lead=JANE)
    double.declare_incident("Trust me", by=DAN, lead=DAN)


def seed_all(doubles: Mapping[str, Double]) -> None:
    """Give each provider's double its people, schedules and incidents."""
    for double in doubles.values():
        match double:
            case IncidentIO():
                seed_incidentio(double)
            case PagerDuty():
                _seed_pagerduty(double)
            case Opsgenie() | JSM():
                _seed_atlassian(double)


def _seed_pagerduty(double: PagerDuty) -> None:
    for email in (PETRA, PAUL):
        double.add_person(PEOPLE[email], email)
    for schedule, who in ((DATABASES, PETRA), (f"{DATABASES} back-up", PAUL)):
        double.add_schedule(schedule)
        double.put_on_shift(schedule, who)
    double.add_escalation_policy(DATABASES, DATABASES)
    double.add_target(DATABASES, f"{DATABASES} back-up", level=2)


def _seed_atlassian(double: Opsgenie | JSM) -> None:
    schedule, who = (PAYMENTS, OLGA) if isinstance(double, Opsgenie) else (SEARCH, JUAN)
    double.add_person(PEOPLE[who], who)
    double.add_schedule(schedule)
    double.put_on_shift(schedule, who)
