"""Escalation levels: PagerDuty's, and the last that counts is said by the policy."""

from __future__ import annotations

import pytest

from handler.rules.codec import read_policy
from handler.rules.conditions import OnCall
from policy.loader import load
from tests.policy.texts import ON_CALL, changed

LEVELLED = "{{on_call: {{provider: pagerduty, schedules: [DBA], max_level: {}}}}}"


def test_last_level_reaches_the_function() -> None:
    """With PagerDuty named, max_level is deployed."""
    loaded = load(changed(ON_CALL, LEVELLED.format(2)))
    assert loaded.errors == ()
    policy = read_policy(loaded.json)
    assert policy.rules[0].when == OnCall(("DBA",), "PagerDuty", 2)


@pytest.mark.parametrize("level", ["0", "-1", "1.5", '"2"', "1000", "true", "01", "[1]"])
def test_level_is_a_whole_number_from_1(level: str) -> None:
    """Level 0 would let nobody count, and a text is no number."""
    (error,) = load(changed(ON_CALL, LEVELLED.format(level))).errors
    said = level if level != "[1]" else "a list"
    assert error == (
        4,
        f'"max_level" is {said}: whole numbers from 1 to 999 are allowed, without quotes',
    )
