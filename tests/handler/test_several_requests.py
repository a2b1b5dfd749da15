"""Several requests in one call, and several providers: they don't affect each other's duties."""

from __future__ import annotations

import json

import pytest

from handler.http import Client
from handler.providers.collect import collect_and_decide, load_clients
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from sandbox.vendors.pagerduty import PagerDuty
from tests.handler.accounts import fill, make_double, settings_of
from tests.handler.conftest import ANA, BO, SetClock

UUID = "e71d500f-896a-4b28-8b08-3bfe56e1ed76"
IDS = {
    "incidentio": "01HSCHED1XXXXXXXXXXXXXXXXX",
    "pagerduty": "P1ABCDE",
    "opsgenie": UUID,
    "jsm": UUID,
}


@pytest.mark.parametrize("entry", ["DBA", "any"])
@pytest.mark.parametrize("provider", IDS)
def test_by_name_and_by_id(provider: str, entry: str, client: Client, set_clock: SetClock) -> None:
    """A request by schedule id doesn't change how another's schedule name is read."""
    rules = [
        {
            "name": name,
            "resources": {"ids": [name]},
            "when": {"on_call": {"schedules": schedules}},
            "duration": "1h",
        }
        for name, schedules in (
            ("by-name", entry if entry == "any" else [entry]),
            ("by-id", [IDS[provider]]),
        )
    ]
    policy = read_policy(json.dumps({"rules": rules, "aliases": {}}))
    requests = [
        Request(Resource("slack/user", "U", email), (Resource("db", name),))
        for email, name in ((ANA, "by-name"), (BO, "by-id"))
    ]
    with make_double(provider, lambda: set_clock.now) as double:
        fill(double)
        for schedule in (double.add_schedule("DBA"), double.add_schedule("X", id=IDS[provider])):
            if isinstance(double, PagerDuty):
                double.add_escalation_policy(f"Policy of {schedule.id}", schedule)
        double.put_on_shift("DBA", ANA)
        clients = load_clients(
            client, set_clock.clock, {provider: settings_of(provider, double.url)}
        )
        outcome = collect_and_decide(
            requests, policy, clients, set_clock.clock, set_clock.deadline()
        )
    assert [decision.approved for decision in outcome.decisions] == [True, False]
    assert outcome.snapshot.failures == ()


def test_a_name_that_is_an_id_elsewhere(client: Client, set_clock: SetClock) -> None:
    """A schedule name that is an id at PagerDuty doesn't count, even without a user there."""
    when = {"on_call": {"schedules": ["PROD123"]}}
    rule = {"name": "r", "resources": "any", "when": when, "duration": "1h"}
    policy = read_policy(json.dumps({"rules": [rule], "aliases": {}}))
    request = Request(Resource("slack/user", "U", ANA), (Resource("db", "prod"),))
    with (
        make_double("incidentio", lambda: set_clock.now) as own,
        make_double("pagerduty", lambda: set_clock.now) as other,
    ):
        own.add_person("Ana", ANA)
        own.add_schedule("PROD123")
        own.put_on_shift("PROD123", ANA)
        other.add_schedule("Production", id="PROD123")
        doubles = {"incidentio": own, "pagerduty": other}
        settings = {name: settings_of(name, double.url) for name, double in doubles.items()}
        clients = load_clients(client, set_clock.clock, settings)
        outcome = collect_and_decide(
            [request], policy, clients, set_clock.clock, set_clock.deadline()
        )
    (decision,) = outcome.decisions
    assert not decision.approved
    assert decision.duties[0].ids_elsewhere == {"PROD123"}
