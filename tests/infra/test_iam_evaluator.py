"""The tests' IAM evaluator agrees with AWS's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.iam_evaluator import Call, UnknownToEvaluatorError, Values, is_allowed

KEY = "iam:PermissionsBoundary"
ACTIONS_KEY = "cloudwatch:AlarmActions"
ROLE = "arn:aws:iam::111122223333:role/one"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Make a policy of statements, which allow all that they do not narrow."""
    common = {"Effect": "Allow"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                **common,
                **({} if "NotAction" in each else {"Action": "*"}),
                **({} if "NotResource" in each else {"Resource": "*"}),
                **each,
            }
            for each in statements
        ],
    }


# Operator, what the policy says, what the call has, and whether the condition holds.
CONDITIONS: list[tuple[str, Values, Values | None, bool]] = [
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a", None, False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringLike", "a*c", "abbc", True),
    ("ArnLike", "arn:*:policy/a", "arn:aws:iam::111122223333:policy/a", False),
    ("ArnNotLike", "arn:aws:iam::1:policy/a", None, True),
    ("Null", "true", None, True),
    ("Null", "false", None, False),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", "a", None, True),
    ("ForAnyValue:StringEquals", "a", ["a", "c"], True),
    ("ForAnyValue:StringEquals", "a", None, False),
]


@pytest.mark.parametrize(("operator", "wanted", "found", "holds"), CONDITIONS)
def test_condition(operator: str, wanted: Values, found: Values | None, *, holds: bool) -> None:
    """A missing key fails comparisons, and passes negations and IfExists."""
    of_alarms = operator.startswith("For")
    key, action = (
        (ACTIONS_KEY, "cloudwatch:PutMetricAlarm") if of_alarms else (KEY, "iam:CreateRole")
    )
    call = Call(action, ROLE, {} if found is None else {key: found})
    condition = {"Condition": {operator: {key: wanted}}}
    assert is_allowed(call, [policy(condition)]) is holds
    assert is_allowed(call, [policy({}, {"Effect": "Deny", **condition})]) is not holds


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": "iam:createrole"}, True),
        ({"Action": ["IAM:Create*"]}, True),
        ({"Action": "iam:Create"}, False),
        ({"NotAction": "iam:Create*"}, False),
        ({"NotAction": "s3:*"}, True),
        ({"Resource": "arn:aws:iam::111122223333:role/*"}, True),
        ({"Resource": "arn:aws:iam::111122223333:ROLE/one"}, False),
        ({"Resource": "arn:aws:iam::*one"}, True),
        ({"NotResource": ROLE}, False),
        ({"NotResource": "arn:aws:iam::111122223333:role/two"}, True),
    ],
)
def test_statement(statement: dict[str, Any], *, allowed: bool) -> None:
    """Actions ignore case, ARNs do not; a star in a resource also matches colons."""
    assert is_allowed(Call("iam:CreateRole", ROLE), [policy(statement)]) is allowed


def test_denial_wins_and_a_boundary_only_narrows() -> None:
    """Nothing is allowed by default, nor by a boundary alone."""
    call, nothing = Call("iam:CreateRole", ROLE), policy()
    everything, denial = policy({}), policy({"Effect": "Deny"})
    assert not is_allowed(call, [])
    assert is_allowed(call, [nothing, everything])
    assert not is_allowed(call, [everything, denial])
    assert is_allowed(call, [everything], everything)
    assert not is_allowed(call, [everything], nothing)
    assert not is_allowed(call, [nothing], everything)
    assert not is_allowed(call, [everything], policy({}, {"Effect": "Deny"}))


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": {"DateLessThan": {KEY: "2026-01-01"}}},
        {"Condition": {"StringEquals": {KEY: "${aws:PrincipalTag/x}"}}},
        {"Resource": "arn:aws:s3:::${aws:username}"},
        {"Principal": "*"},
        {"NotAction": "s3:*", "Action": "s3:*"},
        {"Effect": "Perhaps"},
    ],
)
def test_unknown_elements_are_errors(statement: dict[str, Any]) -> None:
    """They are never ignored, wherever they are."""
    call = Call("iam:CreateRole", ROLE, {KEY: "a"})
    with pytest.raises(UnknownToEvaluatorError):
        is_allowed(call, [policy({}, statement)])


def test_key_that_an_action_does_not_have_is_an_error() -> None:
    """A boundary is told for what changes a role, and not for what reads its policy."""
    with pytest.raises(UnknownToEvaluatorError, match="iam:GetRolePolicy has no"):
        Call("iam:GetRolePolicy", ROLE, {KEY: "a"})
