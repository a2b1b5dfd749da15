"""What the rules that may approve leave open, and whom they need but nobody asks. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from auditlog.explain import rule_title
from handler.providers.registry import BY_ID, PROVIDERS
from handler.request import Resource
from handler.rules.conditions import OnCall, duty_conditions
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.lint import open_rules


def approving_rules(policy: Policy, resources: Sequence[Resource] | None = None) -> Iterator[Rule]:
    """Give the rules that may approve, for any of these resources."""
    for rule in policy.rules:
        if not rule.deny and (
            resources is None or any(rule.resources.covers(resource) for resource in resources)
        ):
            yield rule


def open_rule_notes(settings: Settings, resources: Sequence[Resource] | None = None) -> list[str]:
    """Say which rules let in whoever has any duty, for any of these resources (None: for all)."""
    on = [BY_ID[id_].name for id_ in settings.providers]
    return [
        f"by {rule_title(rule.rule)}, {rule.describe(dry_run=settings.dry_run)}; {rule.remedy}"
        for rule in open_rules(settings.policy, on, resources)
    ]


def missing_key_notes(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Say which providers the rules name that nobody can ask, for want of a key."""
    on = {BY_ID[id_].name for id_ in settings.providers}
    named = {
        condition.provider
        for rule in rules
        for condition in duty_conditions(rule.when)
        if isinstance(condition, OnCall) and condition.provider
    }
    return [
        f"{provider.name} is not asked, though the policy names it: {provider.key} is not set"
        for provider in PROVIDERS
        if provider.name in named - on
    ]
