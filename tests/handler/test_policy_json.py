"""The policy as it is deployed: read whole, or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from handler.conditions import (
    ANY,
    AllOf,
    AnyOf,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.policy import Rule, Selector, ShiftEnd
from handler.policy_json import read_policy
from handler.shapes import ShapeError

HOUR = timedelta(hours=1)
ON_CALL: dict[str, Any] = {"on_call": {"schedules": ["DBA"]}}
LEAST: dict[str, Any] = {"name": "r", "resources": "any", "when": ON_CALL, "duration": "1h"}


def rule(**changes: Any) -> Rule:  # noqa: ANN401 - what JSON holds
    """Read the least rule with some of it changed; None leaves it out."""
    body = {key: value for key, value in {**LEAST, **changes}.items() if value is not None}
    (read,) = read_policy({"rules": [body], "aliases": {}}).rules
    return read


def test_least() -> None:
    """What is not said has its default."""
    assert rule() == Rule("r", Selector(), OnCall(("DBA",)), HOUR)


def test_all_there_is() -> None:
    """Each key is read as it is meant."""
    read = rule(
        resources={"kinds": ["k"], "ids": ["db-*"], "labels": {"Env": "Prod"}},
        when={
            "any": [
                {"on_call": {"provider": "pagerduty", "schedules": "any", "max_level": 2}},
                {
                    "all": [
                        {"incident_role": {"roles": "any", "severities": ["S"], "types": ["T"]}},
                        {"requester": {"emails": [" Jane@Example.com"], "domains": ["X.io"]}},
                        {"requested_duration": {"up_to": "30m"}},
                    ]
                },
            ]
        },
        end_with_shift={"grace": "15m", "without_end": "2h"},
        dry_run=True,
    )
    assert read == Rule(
        "r",
        Selector(("k",), ("db-*",), (("Env", "Prod"),)),
        AnyOf(
            (
                OnCall(ANY, "PagerDuty", 2),
                AllOf(
                    (
                        IncidentRole(ANY, ("S",), ("T",)),
                        Requester(("jane@example.com",), ("x.io",)),
                        RequestedDuration(HOUR / 2),
                    )
                ),
            )
        ),
        HOUR,
        shift_end=ShiftEnd(HOUR / 4, 2 * HOUR),
        dry_run=True,
    )
    assert rule(end_with_shift={}).shift_end == ShiftEnd()


def test_denial() -> None:
    """It needs neither condition nor duration."""
    read = rule(when=None, duration=None, deny=True)
    assert read == Rule("r", Selector(), deny=True)


def test_aliases() -> None:
    """Addresses are brought to their normal form."""
    policy = read_policy({"rules": [LEAST], "aliases": {"Jane@x.io ": [" J.Doe@y.io"]}})
    assert dict(policy.aliases) == {"jane@x.io": ("j.doe@y.io",)}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": ""},
        {"name": 7},
        {"name": "n" * 101},
        {"name": "for eve@x.io"},
        {"resources": None},
        {"resources": {}},
        {"resources": "all"},
        {"resources": {"kinds": []}},
        {"resources": {"kinds": "k"}},
        {"resources": {"kinds": [7]}},
        {"resources": {"labels": {}}},
        {"resources": {"labels": {"Env": ""}}},
        {"resources": {"labels": {"Env": 0}}},
        {"resources": {"kinds": ["k"], "colour": "red"}},
        {"when": None},
        {"when": {}},
        {"when": {**ON_CALL, "any": [ON_CALL]}},
        {"when": {"any": []}},
        {"when": {"all": []}},
        {"when": {"none": [ON_CALL]}},
        {"when": {"none": {}}},
        {"when": {"on_call": {}}},
        {"when": {"on_call": {"schedules": []}}},
        {"when": {"on_call": {"schedules": "DBA"}}},
        {"when": {"on_call": {"schedules": ["DBA"], "provider": "acme"}}},
        {"when": {"on_call": {"schedules": ["DBA"], "max_level": "2"}}},
        {"when": {"on_call": {"schedules": ["DBA"], "max_level": True}}},
        {"when": {"on_call": {"schedules": ["DBA"], "since": "now"}}},
        {"when": {"incident_role": {"severities": ["S"]}}},
        {"when": {"incident_role": {"roles": ["lead"], "severities": []}}},
        {"when": {"requester": {}}},
        {"when": {"requester": {"emails": [""]}}},
        {"when": {"requested_duration": {"up_to": "soon"}}},
        {"duration": None},
        {"duration": "0s"},
        {"duration": "-1h"},
        {"duration": "3"},
        {"duration": 3},
        {"deny": "true"},
        {"dry_run": 1},
        {"end_with_shift": {"grace": "-1m"}},
        {"end_with_shift": {"after": "1m"}},
        {"end_with_shift": True},
        {"colour": "red"},
    ],
)
def test_what_is_not_as_expected_is_no_policy(changes: dict[str, Any]) -> None:
    """Nothing of it is left out or guessed: nobody is approved by half a policy."""
    with pytest.raises(ShapeError):
        rule(**changes)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"rules": [LEAST]},
        {"aliases": {}},
        {"rules": None, "aliases": {}},
        {"rules": [None], "aliases": {}},
        {"rules": [LEAST], "aliases": []},
        {"rules": [LEAST], "aliases": {"jane@x.io": []}},
        {"rules": [LEAST], "aliases": {"": ["j@x.io"]}},
        {"rules": [LEAST], "aliases": {"jane@x.io": "j@x.io"}},
        {"rules": [LEAST], "aliases": {}, "more": 1},
    ],
)
def test_what_is_no_policy(body: Any) -> None:  # noqa: ANN401 - what JSON holds
    """Two fields, each of its type."""
    with pytest.raises(ShapeError):
        read_policy(body)
