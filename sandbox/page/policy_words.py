"""The policy in force, in words: for each rule who gets what, and for how long. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handler.durations import in_words
from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector

DEFAULT_RULE = "Default rule"


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule in words: `who` gets `what`, and `how_long`, or why not."""

    name: str
    denies: bool
    who: str
    what: str
    how_long: str


def rules_in_words(policy: Policy) -> list[RuleWords]:
    """Describe each rule of a policy, in its order."""
    return [_describe(rule) for rule in policy.rules]


def _describe(rule: Rule) -> RuleWords:
    how_long = "a human decides" if rule.deny else _how_long(rule)
    if rule.dry_run:
        how_long = f"a human decides, because this rule is in dry run; otherwise {how_long}"
    return RuleWords(
        name=rule.name or DEFAULT_RULE,
        denies=rule.deny,
        who="everybody" if rule.when is None else _condition(rule.when),
        what=_resources(rule.resources),
        how_long=how_long,
    )


def _how_long(rule: Rule) -> str:
    words = f"up to {in_words(rule.duration)}"
    if rule.shift_end is None:
        return words
    grace, without_end = rule.shift_end
    words += f", until {in_words(grace)} after the shift" if grace else ", until the shift ends"
    return f"{words}; {in_words(without_end)} if the duty has no end" if without_end else words


def _resources(selector: Selector) -> str:
    properties = [f"id {_any_of(selector.ids)}"] if selector.ids else []
    properties += [f"{name}={value}" for name, value in selector.labels]
    words = _any_of(selector.kinds) or ("resources" if properties else "any resource")
    if properties:
        words = f"{words} with {' and '.join(properties)}"
    return f"{words} (action {_any_of(selector.actions)})" if selector.actions else words


def _condition(condition: Condition) -> str:
    if isinstance(condition, AnyOf):
        return ", or ".join(map(_condition, condition.members))
    if isinstance(condition, AllOf):
        return " and ".join(map(_condition, condition.members))
    return _single_condition(condition)


def _single_condition(
    condition: OnCall | IncidentRole | PostedUpdate | Requester | RequestedDuration,
) -> str:
    match condition:
        case OnCall():
            return _on_call(condition)
        case IncidentRole():
            return _incident_role(condition)
        case PostedUpdate():
            return "anybody who posted an update to a live incident"
        case Requester(emails, domains):
            return _any_of((*emails, *(f"anybody at {domain}" for domain in domains)))
        case RequestedDuration(up_to):
            return f"a request for at most {in_words(up_to)}"


def _on_call(condition: OnCall) -> str:
    schedules, provider, max_level = condition
    words = ["anybody on call" if schedules is ANY else f"on call for {_any_of(schedules)}"]
    if provider:
        words.append(f"at {provider}")
    if max_level > 1:
        words.append(f"up to escalation level {max_level}")
    return " ".join(words)


def _incident_role(condition: IncidentRole) -> str:
    roles, severities, types = condition
    words = "anybody with a role" if roles is ANY else _any_of(roles)
    words = f"{words} in a live incident"
    if severities:
        words = f"{words} of severity {_any_of(severities)}"
    return f"{words} of type {_any_of(types)}" if types else words


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(names)
