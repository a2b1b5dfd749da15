"""The demo's organisation: its people, their duties at the providers, and what they can request."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from handler.rules.model import Policy
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double

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

JANE, OMAR, RITA = "jane@example.com", "omar@example.com", "rita@example.com"
DAN, NORA = "dan@example.com", "nora@example.com"
PETRA, PAUL = "petra@example.com", "paul@example.com"
OLGA, JUAN = "olga@example.com", "juan@example.com"
DATABASES, PAYMENTS, SEARCH = "Databases", "Payments", "Search"
REVIEWERS = (NORA, RITA)
"""The administrators: two, since nobody may approve their own petition."""
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


def labels_for(policy: Policy) -> dict[str, str]:
    """Give the labels that a resource needs to be covered by the rules."""
    rules = [rule for rule in policy.rules if not rule.deny]
    return {name: value for rule in reversed(rules) for name, value in rule.resources.labels}


def seed_incidentio(double: IncidentIO) -> None:
    """Give incident.io's double the demo's people, schedule and incidents."""
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
