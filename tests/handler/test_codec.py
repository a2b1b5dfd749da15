"""The deployed form of a policy file is read whole, or refused."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.json_fields import ShapeError
from handler.rules.codec import read_policy
from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd
from tests.handler.strategies import JSON, STEADY

ON_CALL = {"on_call": {"schedules": ["DBA"]}}
APPROVES: Mapping[str, Any] = {
    "name": "r",
    "resources": "any",
    "when": ON_CALL,
    "duration": "1h",
}
DENIES: Mapping[str, Any] = {"name": "d", "resources": {"kinds": ["k"]}, "deny": True}
NAME = "all of it, by a name as long as may be".ljust(100, ".")
WHOLE: Mapping[str, Any] = {
    "rules": [
        {
            "name": NAME,
            "resources": {
                "kinds": ["k"],
                "ids": ["a*", "b"],
                "labels": {"Env": "Prod"},
                "actions": ["deploy", "access"],
            },
            "when": {
                "any": [
                    {"on_call": {"provider": "pagerduty", "schedules": ["DBA"], "max_level": 2}},
                    {"incident_role": {"roles": "any", "severities": ["Major"], "types": ["T"]}},
                    {
                        "all": [
                            {"on_call": {"schedules": "any"}},
                            {"requester": {"emails": [" Jane@X.io"], "domains": ["Y.io"]}},
                            {"requested_duration": {"up_to": "1h30m"}},
                        ]
                    },
                ]
            },
            "duration": "3h",
            "end_with_shift": {"grace": "15m", "without_end": "1h"},
            "dry_run": True,
        },
        {
            "name": "bare",
            "resources": "any",
            "when": {"incident_role": {"roles": ["Lead", "R2"]}},
            "duration": "90m",
            "end_with_shift": {},
            "deny": False,
            "dry_run": False,
        },
        {"name": "no", "resources": {"labels": {"Tier": "0"}}, "deny": True},
        {
            "name": "not they",
            "resources": "any",
            "when": {"requester": {"domains": ["z.io"]}},
            "deny": True,
        },
    ],
    "aliases": {"Jane@X.io": ["JD@Y.io ", "jane@z.io"]},
    "identities": {
        "authzen": {"Jane ": "Jane@X.io", "omar": "omar@x.io"},
        "indent": {},
        "pagerduty": {"P1": "Jane@x.io"},
    },
}


def test_whole_policy() -> None:
    """Every key is read; omitted keys have the narrowest meaning."""
    third = AllOf(
        (
            OnCall(ANY),
            Requester(("jane@x.io",), ("y.io",)),
            RequestedDuration(timedelta(minutes=90)),
        )
    )
    assert read_policy(json.dumps(WHOLE))._replace(digest="") == Policy(
        (
            Rule(
                NAME,
                Selector(("k",), ("a*", "b"), (("Env", "Prod"),), ("deploy", "access")),
                AnyOf(
                    (
                        OnCall(("DBA",), "PagerDuty", 2),
                        IncidentRole(ANY, ("Major",), ("T",)),
                        third,
                    )
                ),
                timedelta(hours=3),
                shift_end=ShiftEnd(timedelta(minutes=15), timedelta(hours=1)),
                dry_run=True,
            ),
            Rule(
                "bare",
                Selector(),
                IncidentRole(("Lead", "R2"), (), ()),
                timedelta(minutes=90),
                shift_end=ShiftEnd(timedelta(0), None),
            ),
            Rule("no", Selector((), (), (("Tier", "0"),)), deny=True),
            Rule("not they", Selector(), Requester((), ("z.io",)), deny=True),
        ),
        {"jane@x.io": ("jd@y.io", "jane@z.io")},
        identities={
            "authzen": {"Jane ": "jane@x.io", "omar": "omar@x.io"},
            "indent": {},
            "PagerDuty": {"P1": "jane@x.io"},
        },
    )


def test_self_declared_is_a_setting() -> None:
    """Whether self-declared incidents count is a setting, not part of the file."""
    assert not read_policy(json.dumps(WHOLE)).self_declared
    assert read_policy(json.dumps(WHOLE), self_declared=True).self_declared


def rule(**changes: object) -> dict[str, Any]:
    """An approving rule with these changes."""
    return {**APPROVES, **changes}


def when(**condition: object) -> dict[str, Any]:
    """An approving rule with another condition."""
    return rule(when=condition)


def without(key: str) -> dict[str, Any]:
    """An approving rule without this key."""
    return {name: value for name, value in APPROVES.items() if name != key}


LEAD = {"roles": ["Lead"]}
DBA = {"schedules": ["DBA"]}
REFUSED = [
    ("no name", without("name"), "KeyError: 'name'"),
    ("an empty name", rule(name=""), "'' isn't a text"),
    ("a name that is a number", rule(name=5), "5 isn't a text"),
    ("a name as long as a page", rule(name="n" * 101), "a rule's name is too long, or has an @"),
    ("a name with an e-mail", rule(name="for eve@x.io"), "a rule's name is too long, or has an @"),
    ("a name with one in a URL", rule(name="for eve%40x.io"), "is too long, or has an @"),
    ("more than the longest approval", rule(duration="168h0m1s"), "duration is over 168 hours"),
    ("no resources", without("resources"), "KeyError: 'resources'"),
    ("resources that are a word", rule(resources="all"), ""),
    ("resources that are nothing", rule(resources=None), ""),
    ("no selector", rule(resources={}), "a selector selects nothing"),
    ("kinds that are a word", rule(resources={"kinds": "vault"}), "a list names nothing"),
    ("no kinds, beside ids", rule(resources={"kinds": [], "ids": ["x"]}), "a list names nothing"),
    ("no ids, beside kinds", rule(resources={"kinds": ["x"], "ids": []}), "a list names nothing"),
    ("ids that are nothing", rule(resources={"ids": None}), "a list names nothing"),
    ("an id that is a number", rule(resources={"ids": [5]}), "5 isn't a text"),
    ("no labels", rule(resources={"labels": {}}), "names no label"),
    ("no labels, beside kinds", rule(resources={"kinds": ["k"], "labels": {}}), "names no label"),
    ("labels that are nothing", rule(resources={"labels": None}), "names no label"),
    ("labels in a list", rule(resources={"labels": ["Env"]}), "AttributeError"),
    ("a label that is a number", rule(resources={"labels": {"Tier": 0}}), "0 isn't a text"),
    ("a label without value", rule(resources={"labels": {"Tier": ""}}), "'' isn't a text"),
    ("a label without name", rule(resources={"labels": {"": "0"}}), "'' isn't a text"),
    ("no actions, beside kinds", rule(resources={"kinds": ["k"], "actions": []}), "names nothing"),
    ("actions that are one", rule(resources={"kinds": ["k"], "actions": "x"}), "names nothing"),
    ("an empty action", rule(resources={"kinds": ["k"], "actions": [""]}), "'' isn't a text"),
    ("actions alone", rule(resources={"actions": ["x"]}), "opens everything to an action"),
    ("access alone", rule(resources={"actions": ["access"]}), "opens everything to an action"),
    ("another selector", rule(resources={"kind": ["k"]}), "nothing is called kind"),
    ("no condition", without("when"), "no condition or no duration"),
    ("a condition that is nothing", rule(when=None), "AttributeError"),
    ("an empty condition", rule(when={}), "ValueError"),
    ("two conditions in one", when(on_call=DBA, incident_role=LEAD), "ValueError"),
    ("another condition", when(on_leave=DBA), "on_leave isn't a condition"),
    ("an empty any", when(any=[]), "any is empty"),
    ("an empty all", when(all=[]), "all is empty"),
    ("an empty any within all", when(all=[ON_CALL, {"any": []}]), "any is empty"),
    ("an any that is a condition", when(any=ON_CALL), "AttributeError"),
    ("no schedules", when(on_call={}), "KeyError: 'schedules'"),
    ("an empty list of schedules", when(on_call={"schedules": []}), "a list names nothing"),
    ("schedules that are nothing", when(on_call={"schedules": None}), "a list names nothing"),
    ("a schedule that is no list", when(on_call={"schedules": "DBA"}), "a list names nothing"),
    ("an empty schedule", when(on_call={"schedules": [""]}), "'' isn't a text"),
    ("a schedule that is a number", when(on_call={"schedules": [5]}), "5 isn't a text"),
    ("no provider", when(on_call={**DBA, "provider": ""}), "KeyError: ''"),
    ("a provider that is nothing", when(on_call={**DBA, "provider": None}), "KeyError: None"),
    ("a provider by its title", when(on_call={**DBA, "provider": "PagerDuty"}), "KeyError"),
    ("a level that is a text", when(on_call={**DBA, "max_level": "2"}), "'2' isn't a whole"),
    ("a level that is a switch", when(on_call={**DBA, "max_level": True}), "True isn't a whole"),
    ("a level with a fraction", when(on_call={**DBA, "max_level": 1.5}), "1.5 isn't a whole"),
    ("a level that is nothing", when(on_call={**DBA, "max_level": None}), "None isn't a whole"),
    ("another key of on_call", when(on_call={**DBA, "level": 1}), "nothing is called level"),
    ("no roles", when(incident_role={}), "KeyError: 'roles'"),
    ("an empty list of roles", when(incident_role={"roles": []}), "a list names nothing"),
    ("no severities", when(incident_role={**LEAD, "severities": []}), "a list names nothing"),
    ("a severity", when(incident_role={**LEAD, "severities": "Major"}), "a list names nothing"),
    ("no types", when(incident_role={**LEAD, "types": []}), "a list names nothing"),
    ("a type", when(incident_role={**LEAD, "types": "Outage"}), "a list names nothing"),
    ("another key of a role", when(incident_role={**LEAD, "type": ["T"]}), "is called type"),
    ("a requester that is nobody", when(requester={}), "a requester is nobody"),
    ("no e-mails", when(requester={"emails": []}), "a list names nothing"),
    ("no domains", when(requester={"domains": []}), "a list names nothing"),
    ("e-mails that are one", when(requester={"emails": "a@b.io"}), "a list names nothing"),
    ("a blank e-mail", when(requester={"emails": [" "]}), "'' isn't a text"),
    ("an e-mail that is a number", when(requester={"emails": [5]}), "5 isn't a text"),
    ("a blank domain", when(requester={"domains": [" "]}), "'' isn't a text"),
    ("another key of a requester", when(requester={"email": ["a@b"]}), "is nobody"),
    ("one more key of a requester", when(requester={"emails": ["a"], "x": 1}), "is called x"),
    ("no time", when(requested_duration={}), "KeyError: 'up_to'"),
    ("a time that is a number", when(requested_duration={"up_to": 3600}), "TypeError"),
    ("a time below zero", when(requested_duration={"up_to": "-1h"}), "'-1h' isn't a duration"),
    ("no duration", without("duration"), "no condition or no duration"),
    ("a duration of nothing", rule(duration="0s"), "no condition or no duration"),
    ("a duration below zero", rule(duration="-1ns"), "'-1ns' isn't a duration"),
    ("a duration without unit", rule(duration="3"), "'3' isn't a duration"),
    ("a duration that is nothing", rule(duration=None), "TypeError"),
    ("an empty duration", rule(duration=""), "'' isn't a duration"),
    ("an end that is a switch", rule(end_with_shift=True), "TypeError"),
    ("an end that is nothing", rule(end_with_shift=None), "TypeError"),
    ("a grace that is nothing", rule(end_with_shift={"grace": None}), "TypeError"),
    ("a grace below zero", rule(end_with_shift={"grace": "-1s"}), "'-1s' isn't a duration"),
    ("an empty time without end", rule(end_with_shift={"without_end": ""}), "'' isn't a duration"),
    ("another key of an end", rule(end_with_shift={"after": "1h"}), "nothing is called after"),
    ("a dry run that is a text", rule(dry_run="true"), "dry_run is neither true nor false"),
    ("a dry run that is nothing", rule(dry_run=None), "dry_run is neither true nor false"),
    ("a deny that is a text", rule(deny="true"), "deny is neither true nor false"),
    ("a deny that is a number", rule(deny=1), "deny is neither true nor false"),
    ("another key of a rule", rule(denies=True), "nothing is called denies"),
    ("two other keys of a rule", rule(denies=True, until=1), "nothing is called denies, until"),
    ("a rule that is a text", "deny", "AttributeError"),
    ("a rule that is nothing", None, "AttributeError"),
    ("a denial by a kind that is a word", {**DENIES, "resources": {"kinds": "k"}}, "names nothing"),
    ("a denial of nobody", {**DENIES, "when": {"requester": {}}}, "a requester is nobody"),
    ("a denial with an empty any", {**DENIES, "when": {"any": []}}, "any is empty"),
]


@pytest.mark.parametrize(
    ("wrong", "problem"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_one_wrong_rule_refuses_all(wrong: object, problem: str) -> None:
    """One wrong rule refuses the whole policy, so no other rule approves anybody."""
    pattern = rf"^the policy cannot be read \(.*{re.escape(problem)}.*\)$"
    for rules in ([wrong, APPROVES], [APPROVES, wrong]):
        with pytest.raises(ShapeError, match=pattern):
            read_policy(json.dumps({"rules": rules, "aliases": {}}))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "KeyError: 'rules'"),
        ({"aliases": {}}, "KeyError: 'rules'"),
        ({"rules": None, "aliases": {}}, "TypeError"),
        ({"rules": []}, "KeyError: 'aliases'"),
        ({"rules": [], "aliases": None}, "AttributeError"),
        ({"rules": [], "aliases": []}, "AttributeError"),
        ({"rules": [], "aliases": {"a@b.io": "c@d.io"}}, "a list names nothing"),
        ({"rules": [], "aliases": {"a@b.io": []}}, "a list names nothing"),
        ({"rules": [], "aliases": {"a@b.io": [" "]}}, "'' isn't a text"),
        ({"rules": [], "aliases": {" ": ["c@d.io"]}}, "'' isn't a text"),
        ({"rules": [], "aliases": {}, "deny": []}, "nothing is called deny"),
        ({"rules": [], "aliases": {}, "identities": None}, "AttributeError"),
        ({"rules": [], "aliases": {}, "identities": ["authzen"]}, "AttributeError"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": None}}, "AttributeError"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": {"": "a@b.io"}}}, "isn't a text"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": {"a": ""}}}, "isn't a text"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": {"a@b.io": "c@d.io"}}}, "has an @"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": {"a%40b": "c@d.io"}}}, "has an @"),
        ({"rules": [], "aliases": {}, "identities": {"authzen": {"a": ["a@b.io"]}}}, "n't a text"),
        ({"rules": [], "aliases": {}, "identities": {"jsm": {"a": "b"}}}, "isn't an address"),
        ({"rules": [], "aliases": {}, "identities": {"jsm": {"a": "@b"}}}, "isn't an address"),
        ({"rules": [], "aliases": {}, "identities": {"jsm": {"a@b.io": "c@d.io"}}}, "has an @"),
        ([], "TypeError"),
        (None, "AttributeError"),
        ("policy", "AttributeError"),
    ],
)
def test_malformed_policies(body: Any, problem: str) -> None:  # noqa: ANN401 - any JSON
    """Any other JSON instead of a policy is refused with a clear error."""
    with pytest.raises(ShapeError, match=re.escape(problem)):
        read_policy(json.dumps(body))


def _spots(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Give the paths of all values within a JSON value."""
    if isinstance(value, list):
        inner: list[tuple[str | int, object]] = list(enumerate(value))
    else:
        inner = list(value.items()) if isinstance(value, dict) else []
    return [path, *(spot for key, member in inner for spot in _spots(member, (*path, key)))]


@STEADY
@given(spot=st.sampled_from(_spots(WHOLE)), value=JSON)
def test_any_json_in_any_place(spot: tuple[str | int, ...], value: object) -> None:
    """Any JSON in any place is read, or raises ShapeError and nothing else."""
    changed: Any = {"body": copy.deepcopy(WHOLE)}
    place, key = changed, "body"
    for step in spot:
        place, key = place[key], step  # type: ignore[assignment]  # lists have numbers
    place[key] = value
    try:
        policy = read_policy(json.dumps(changed["body"]))
    except ShapeError:
        return
    assert all(rule.name and (rule.deny or rule.when) for rule in policy.rules)


def test_fingerprint_is_of_what_was_read() -> None:
    """The fingerprint depends on the text and on the self-declared setting."""
    other = {**WHOLE, "rules": WHOLE["rules"][1:]}
    switched = read_policy(json.dumps(WHOLE), self_declared=True)
    result = [read_policy(json.dumps(WHOLE)), read_policy(json.dumps(other)), switched]
    assert len({policy.fingerprint for policy in result}) == 3
    assert read_policy(json.dumps(WHOLE)).fingerprint == result[0].fingerprint
    assert result[0].relevant_to([]).fingerprint == result[0].fingerprint
