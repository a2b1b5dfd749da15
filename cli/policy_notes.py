"""What the rules that may approve leave open, and whom they need but nobody asks. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from auditlog.explain import rule_title
from handler.providers.registry import BY_ID, PROVIDERS
from handler.request import Request
from handler.rules.conditions import OnCall, duty_conditions
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.lint import open_rules


def approving_rules(policy: Policy, request: Request | None = None) -> Iterator[Rule]:
    """Give the rules that may approve, for any of the resources of a request."""
    for rule in policy.rules:
        if not rule.deny if request is None else rule.may_approve(request):
            yield rule


def open_rule_notes(settings: Settings, request: Request | None = None) -> list[str]:
    """Say which rules let in whoever has any duty, for what is requested (None: for all)."""
    on = [BY_ID[id_].name for id_ in settings.providers]
    return [
        f"by {rule_title(rule.rule)}, {rule.describe(dry_run=settings.dry_run)}; {rule.remedy}"
        for rule in open_rules(settings.policy, on, request)
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
