"""Evaluates IAM policies as AWS documents it, for exactly what the program's policies use.

By "Policy evaluation logic", "IAM JSON policy elements: Condition operators" and "Multiple keys or
values" of the IAM user guide. Whatever else a policy holds is an error here, not a guess: another
element or operator, a policy variable, a principal.

The context of a call is what AWS would put into it. A key that an action does not have according to
the Service Authorization Reference cannot be given: a condition on it would be a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = str | Sequence[str]
Policy = Mapping[str, Any]

ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
# Global keys that a call on a resource has.
EVERYWHERE = frozenset({"aws:ResourceAccount"})
# Keys of single actions (Service Authorization Reference).
KEYS_OF: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("iam:createrole", "iam:putrolepolicy", "iam:deleterolepolicy"),
            *("iam:attachrolepolicy", "iam:detachrolepolicy"),
            *("iam:putrolepermissionsboundary", "iam:deleterolepermissionsboundary"),
        ),
        frozenset({"iam:PermissionsBoundary"}),
    ),
    "iam:passrole": frozenset({"iam:PassedToService", "iam:AssociatedResourceArn"}),
    "cloudwatch:putmetricalarm": frozenset({"cloudwatch:AlarmActions", "aws:RequestTag/stack"}),
    "cloudwatch:tagresource": frozenset({"aws:RequestTag/stack"}),
    "sts:assumerolewithwebidentity": frozenset(
        {
            "token.actions.githubusercontent.com:aud",
            "token.actions.githubusercontent.com:sub",
        }
    ),
}


class UnknownToEvaluatorError(Exception):
    """The policy, or the call, holds something that is not evaluated here."""


@dataclass(frozen=True)
class Call:
    """A call of AWS's API.

    Attributes:
        action: such as `s3:GetObject`.
        resource: the ARN that it is about, or `*` where it is about none.
        context: the condition keys that AWS fills in.
    """

    action: str
    resource: str
    context: Mapping[str, Values] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse keys that such a call does not have."""
        known = EVERYWHERE | KEYS_OF.get(self.action.lower(), frozenset())
        if unknown := set(self.context) - known:
            raise UnknownToEvaluatorError(f"{self.action} has no {', '.join(sorted(unknown))}")


def is_allowed(call: Call, policies: Iterable[Policy], boundary: Policy | None = None) -> bool:
    """Decide on a call of a role with these policies: identity, and the boundary if there is one.

    An explicit denial in any of them wins; else the policies and the boundary both have to allow.
    """
    policies = list(policies)
    all_of = [*policies, *([boundary] if boundary is not None else [])]
    if any(_says(policy, "Deny", call) for policy in all_of):
        return False
    by_identity = any(_says(policy, "Allow", call) for policy in policies)
    return by_identity and (boundary is None or _says(boundary, "Allow", call))


def may_assume(trust: Policy, provider: str, context: Mapping[str, Values]) -> bool:
    """Decide whether a token of an identity provider takes a role."""
    action = "sts:AssumeRoleWithWebIdentity"
    allowed = False
    for statement in trust["Statement"]:
        rest = {key: value for key, value in statement.items() if key != "Principal"}
        applies = (
            statement["Principal"] == {"Federated": provider}
            and rest["Action"] == action
            and _conditions_hold(rest.get("Condition", {}), Call(action, "*", context))
        )
        if applies and rest["Effect"] != "Allow":
            return False
        allowed = allowed or applies
    return allowed


def _says(policy: Policy, effect: str, call: Call) -> bool:
    if set(policy) != {"Version", "Statement"} or policy["Version"] != "2012-10-17":
        raise UnknownToEvaluatorError(f"a policy with {sorted(policy)}")
    # Each is looked at, so that what is not known is found wherever it stands.
    results = [_applies(each, call) for each in policy["Statement"] if _has_effect(each, effect)]
    return any(results)


def _has_effect(statement: Mapping[str, Any], effect: str) -> bool:
    if unknown := set(statement) - ELEMENTS:
        raise UnknownToEvaluatorError(f"a statement with {sorted(unknown)}")
    if statement["Effect"] not in {"Allow", "Deny"}:
        raise UnknownToEvaluatorError(f"effect {statement['Effect']!r}")
    return bool(statement["Effect"] == effect)


def _applies(statement: Mapping[str, Any], call: Call) -> bool:
    action = _matches_one(statement, "Action", call.action, ignore_case=True)
    resource = _matches_one(statement, "Resource", call.resource, ignore_case=False)
    return action and resource and _conditions_hold(statement.get("Condition", {}), call)


def _matches_one(
    statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool
) -> bool:
    """Compare with an element or its negation, of which a statement has one."""
    if (element in statement) == (f"Not{element}" in statement):
        raise UnknownToEvaluatorError(f"a statement with both or neither of {element}")
    negated = element not in statement
    patterns = _as_list(statement[f"Not{element}" if negated else element])
    hits = [_is_like(value, pattern, ignore_case=ignore_case) for pattern in patterns]
    return any(hits) is not negated


def _is_like(value: str, pattern: str, *, ignore_case: bool = False) -> bool:
    """Match a pattern, in which * is any characters, / and : too, and ? is one."""
    if "${" in pattern:
        raise UnknownToEvaluatorError(f"a policy variable: {pattern}")
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch("".join(parts), value, flags) is not None


def _equals(value: str, wanted: str) -> bool:
    if "${" in wanted:
        raise UnknownToEvaluatorError(f"a policy variable: {wanted}")
    return value == wanted


def _arn_like(value: str, pattern: str) -> bool:
    """Compare each of an ARN's six parts; a star does not reach beyond its part."""
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(
        _is_like(part, wanted) for part, wanted in zip(parts, patterns, strict=True)
    )


# What compares one value, and whether the operator is negated.
OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringLike": (_is_like, False),
    "StringNotLike": (_is_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
}


def _conditions_hold(condition: Mapping[str, Mapping[str, Values]], call: Call) -> bool:
    """Every operator and every key has to hold."""
    # Keys are compared without letter case, their values with it.
    context = {key.lower(): value for key, value in call.context.items()}
    results = [
        _holds(operator, context.get(key.lower()), _as_list(wanted))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    ]
    return all(results)


def _holds(operator: str, found: Values | None, wanted: Sequence[str]) -> bool:
    if operator == "Null":
        return (not found) is (wanted == ["true"])
    quantifier, _, rest = operator.rpartition(":")
    if_exists = rest.endswith("IfExists")
    name = rest.removesuffix("IfExists")
    if name not in OPERATORS or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise UnknownToEvaluatorError(f"operator {operator}")
    matches, negated = OPERATORS[name]
    values = _as_list(found) if found is not None else []
    hits = [[matches(value, each) for each in wanted] for value in values]
    results = [any(hit) is not negated for hit in hits]
    if quantifier == "ForAllValues":
        return all(results)  # a missing key, too
    if quantifier == "ForAnyValue":
        return any(results)
    if found is None:
        return if_exists or negated
    if not isinstance(found, str):
        raise UnknownToEvaluatorError(f"{operator} on a key with several values")
    return results[0]


def _as_list(values: Values) -> list[str]:
    return [values] if isinstance(values, str) else list(values)
