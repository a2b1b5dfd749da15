"""Warnings: rules that any duty satisfies, and duties that the settings exclude."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.model import Policy
from handler.settings import load
from policy.lint import kinds_without_end, open_rules, unnamed_kinds

ALL = ("incident.io", "PagerDuty")
ROLE = "holds a role other than the reporter's in a live incident"
SHIFT = "is on call for any schedule"
UPDATE = "has posted an update to a live incident"
OWN = ", even one that they declared themselves,"
EITHER = f"anybody who {ROLE} or {SHIFT}"
ANY_SHIFT: dict[str, Any] = {"on_call": {"schedules": "any"}}
ANY_ROLE: dict[str, Any] = {"incident_role": {"roles": "any"}}
NAMED: dict[str, Any] = {"on_call": {"schedules": ["DBA"]}}
JANE: dict[str, Any] = {"requester": {"emails": ["jane@example.com"]}}
BRIEF: dict[str, Any] = {"requested_duration": {"up_to": "1h"}}


def settings(**values: str) -> Policy:
    """Read the plain settings as the function does."""
    keys = {"INDENT_WEBHOOK_SECRET": "signing-secret-1", "INCIDENTIO_API_KEY": "key"}
    prefixes = {"PARTICIPANTS": "INCIDENTIO_APPROVE", "SELF_DECLARED": "INCIDENTIO_APPROVE"}
    named = {f"{prefixes.get(key, 'AUTO_APPROVAL')}_{key}": value for key, value in values.items()}
    return load({**keys, **named}).policy


def file(when: dict[str, Any], **more: Any) -> Policy:  # noqa: ANN401 - what JSON holds
    """Read a policy of one rule."""
    rule = {"name": "R", "resources": "any", "when": when, "duration": "1h", **more}
    return read_policy(json.dumps({"rules": [rule], "aliases": {}}))


@pytest.mark.parametrize(
    ("values", "providers", "expected"),
    [
        ({}, ALL, f"{EITHER} opens any resource"),
        ({}, ("PagerDuty",), f"anybody who {SHIFT} opens any resource"),
        ({"END_WITH_SHIFT": "false"}, ALL, f"{EITHER} opens any resource"),
        ({"END_WITH_SHIFT": "15m"}, ALL, f"anybody who {SHIFT} opens any resource"),
        (
            {"RESOURCE_LABELS": "Env=Prod, Team=DB"},
            ALL,
            f"{EITHER} opens every resource labelled Env=Prod and Team=DB",
        ),
        (
            {"PARTICIPANTS": "true"},
            ALL,
            f"{EITHER} or {UPDATE} opens any resource",
        ),
        (
            {"SELF_DECLARED": "true"},
            ALL,
            f"anybody who {ROLE}{OWN} or {SHIFT} opens any resource",
        ),
        (
            {"SELF_DECLARED": "true", "PARTICIPANTS": "true"},
            ALL,
            f"anybody who {ROLE}{OWN} or {SHIFT} or {UPDATE}{OWN} opens any resource",
        ),
        ({"SELF_DECLARED": "true"}, ("PagerDuty",), f"anybody who {SHIFT} opens any resource"),
        ({"SCHEDULES": "DBA"}, ALL, ""),
        ({"PAGERDUTY_SCHEDULES": "DBA"}, ALL, ""),
        ({"INCIDENTIO_ROLES": "lead"}, ALL, ""),
        ({"INCIDENTIO_ROLES": "lead", "PARTICIPANTS": "true"}, ALL, ""),
    ],
)
def test_plain_settings(values: dict[str, str], providers: tuple[str, ...], expected: str) -> None:
    """With neither schedules nor roles they are open, as far as labels and providers go."""
    assert [each.describe() for each in open_rules(settings(**values), providers)] == [
        expected
    ] * bool(expected)


@pytest.mark.parametrize(
    ("when", "more", "who"),
    [
        (ANY_SHIFT, {}, SHIFT),
        (ANY_ROLE, {}, ROLE),
        ({"on_call": {"schedules": "any", "provider": "pagerduty"}}, {}, f"{SHIFT} at PagerDuty"),
        ({"any": [NAMED, ANY_SHIFT]}, {}, SHIFT),
        ({"all": [ANY_SHIFT, BRIEF]}, {}, SHIFT),
        ({"all": [ANY_SHIFT, {"any": [BRIEF, JANE]}]}, {}, SHIFT),
        ({"all": [ANY_SHIFT, {"all": [BRIEF]}]}, {}, SHIFT),
        ({"all": [ANY_SHIFT, ANY_ROLE]}, {}, f"{SHIFT} and {ROLE}"),
        (ANY_ROLE, {"end_with_shift": {"without_end": "1h"}}, ROLE),
        (ANY_SHIFT, {"resources": {"labels": {"Env": "Prod"}}}, SHIFT),
        (NAMED, {}, ""),
        ({"all": [ANY_SHIFT, NAMED]}, {}, ""),
        ({"all": [ANY_SHIFT, JANE]}, {}, ""),
        ({"all": [ANY_SHIFT, {"any": [JANE, NAMED]}]}, {}, ""),
        ({"on_call": {"schedules": "any", "provider": "jsm"}}, {}, ""),
        ({"incident_role": {"roles": "any", "severities": ["Major"]}}, {}, ""),
        ({"incident_role": {"roles": "any", "types": ["Outage"]}}, {}, ""),
        (ANY_ROLE, {"end_with_shift": {}}, ""),
        (ANY_SHIFT, {"resources": {"ids": ["db-*"]}}, ""),
        (ANY_SHIFT, {"resources": {"kinds": ["db"]}}, ""),
        (ANY_SHIFT, {"dry_run": True}, ""),
    ],
)
def test_policy_files(when: dict[str, Any], more: dict[str, Any], who: str) -> None:
    """A rule is open where one path takes any duty, and its resources are told by labels alone."""
    result = [(each.rule, each.who) for each in open_rules(file(when, **more), ALL)]
    assert result == [("R", who)] * bool(who)


def test_denials_and_dry_runs() -> None:
    """What deny rules cover is not open, and a rule in dry run opens nothing yet."""
    denial = {"name": "D", "resources": {"kinds": ["vault"]}, "deny": True}
    rule = {"name": "R", "resources": "any", "when": ANY_SHIFT, "duration": "1h"}
    policy = read_policy(json.dumps({"rules": [denial, rule], "aliases": {}}))
    (result,) = open_rules(policy, ALL)
    assert result.describe() == f"anybody who {SHIFT} opens any resource that no rule denies"
    assert "would open any" in result.describe(dry_run=True)


def test_what_is_open_to_other_actions() -> None:
    """They are named, and a rule that names them is not in question where access is requested."""
    more = {"resources": {"labels": {"Env": "Prod"}, "actions": ["deploy", "delete"]}}
    policy = file(ANY_SHIFT, **more)
    (result,) = open_rules(policy, ALL)
    opened = 'every resource labelled Env=Prod to "deploy" and "delete"'
    assert result.describe() == f"anybody who {SHIFT} opens {opened}"
    request = Request(Resource(), (Resource("db", "x", labels={"Env": "Prod"}),))
    assert not [*open_rules(policy, ALL, request)]
    assert [*open_rules(policy, ALL, request._replace(action="delete"))]


def test_an_incident_of_ones_own_among_several_duties() -> None:
    """It is told of the incident, and also where a rule asks for a shift besides."""
    policy = file({"all": [ANY_ROLE, ANY_SHIFT]})._replace(self_declared=True)
    assert [each.who for each in open_rules(policy, ALL)] == [f"{ROLE}{OWN} and {SHIFT}"]


def test_only_for_the_resources_in_question() -> None:
    """A rule for other resources is not reported."""
    policy = settings(RESOURCE_LABELS="Env=Prod")
    prod, dev = (Resource("db", "x", labels={"Env": each}) for each in ("Prod", "Dev"))
    both = Request(Resource(), (dev, prod))
    assert [*open_rules(policy, ALL, both)]
    assert not [*open_rules(policy, ALL, both._replace(resources=(dev,)))]
    assert not [*open_rules(policy, ALL, both._replace(action="deploy"))]


@pytest.mark.parametrize(
    ("values", "providers", "expected"),
    [
        ({}, ALL, []),
        ({"SCHEDULES": "DBA"}, ALL, ["incident roles open nothing"]),
        ({"SCHEDULES": "DBA"}, ("PagerDuty",), []),
        ({"INCIDENTIO_ROLES": "lead"}, ALL, ["being on call opens nothing"]),
        ({"INCIDENTIO_ROLES": "lead", "SCHEDULES": "DBA"}, ALL, []),
        ({"END_WITH_SHIFT": "true"}, ALL, ["incident roles open nothing, since they have no end;"]),
        ({"END_WITH_SHIFT": "true"}, ("PagerDuty",), []),
        ({"END_WITH_SHIFT": "true", "SCHEDULES": "DBA"}, ("PagerDuty",), []),
        (
            {"END_WITH_SHIFT": "15m", "PARTICIPANTS": "true"},
            ALL,
            ["incident roles and updates open nothing, since they have no end;"],
        ),
        (
            {"END_WITH_SHIFT": "15m", "INCIDENTIO_ROLES": "lead"},
            ALL,
            [
                "being on call opens nothing",
                "incident roles open nothing, since they have no end, so nobody is approved;",
            ],
        ),
    ],
)
def test_duties_that_the_settings_exclude(
    values: dict[str, str], providers: tuple[str, ...], expected: list[str]
) -> None:
    """A kind of duty without names, or without an end, is reported if a provider has it."""
    policy = settings(**values)
    result = [*unnamed_kinds(policy, providers), *kinds_without_end(policy, providers)]
    assert len(result) == len(expected)
    assert all(words in line for words, line in zip(expected, result, strict=True)), result


def test_a_policy_file_excludes_nothing_by_accident() -> None:
    """Its rules name what they mean."""
    policy = file({"any": [NAMED]}, end_with_shift={})
    assert not [*unnamed_kinds(policy, ALL), *kinds_without_end(policy, ALL)]
