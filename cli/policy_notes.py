"""Rules that are open to anybody on duty, and providers that have no key. No I/O."""

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
    """Give the rules that can approve a resource of the request; None means any resource."""
    for rule in policy.rules:
        if not rule.deny if request is None else rule.may_approve(request):
            yield rule


def open_rule_notes(settings: Settings, request: Request | None = None) -> list[str]:
    """Say which rules approve anybody with any duty; a request limits them to its resources."""
    on = [BY_ID[id_].name for id_ in settings.providers]
    return [
        f"{rule_title(rule.rule)}: {rule.describe(dry_run=settings.dry_run)}; {rule.remedy}"
        for rule in open_rules(settings.policy, on, request)
    ]


def missing_key_notes(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Say which providers the rules name but have no key, so that they are not asked."""
    on = {BY_ID[id_].name for id_ in settings.providers}
    named = {
        condition.provider
        for rule in rules
        for condition in duty_conditions(rule.when)
        if isinstance(condition, OnCall) and condition.provider
    }
    return [
        f"the policy names {provider.name}, which is not asked because {provider.key} is not set"
        for provider in PROVIDERS
        if provider.name in named - on
    ]
