"""Asking the live providers for everybody at once, whoever requests what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from auditlog.explain import rule_title
from cli.context import Context
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.collect import Dependency, DutyCollector, duty_queries, load_clients
from handler.providers.registry import BY_ID, PROVIDERS
from handler.request import Request
from handler.rules.conditions import OnCall, duty_conditions
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.lint import open_rules

# Nobody waits for an approval here: a large organisation is read whole.
PATIENCE_SECONDS = 5 * BUDGET_SECONDS


class DutyReport(NamedTuple):
    """What the providers answered, and what each of them was asked for, by its name."""

    snapshot: ProviderSnapshot
    queries: Mapping[str, DutyQuery]


def query_all_duties(
    settings: Settings, world: Context, request: Request | None = None
) -> DutyReport:
    """Ask each provider for all that the rules could need, whoever requests what.

    Args:
        settings: the policy, and the keys.
        world: how they are reached.
        request: what the rules have to be for; None takes every rule.
    """
    client, clock = world.client(), world.clock
    try:
        clients = load_clients(client, clock, settings.providers)
        queries = duty_queries(clients, rule_dependencies(settings.policy, request))
        collector = DutyCollector(clients, Deadline(clock, PATIENCE_SECONDS))
        while collector.advance(_for_all_holders(queries, collector.snapshot)):
            pass
        return DutyReport(collector.snapshot, queries)
    finally:
        client.close()


def _for_all_holders(
    queries: Mapping[str, DutyQuery], snapshot: ProviderSnapshot
) -> dict[str, DutyQuery]:
    """Ask when a duty ends for everybody who has one."""
    holders = frozenset(duty.holder for duty in snapshot.duties)
    return {name: query._replace(holders=holders) for name, query in queries.items()}


def rule_dependencies(policy: Policy, request: Request | None = None) -> list[Dependency]:
    """Say on which duties the rules depend, whoever requests."""
    return [
        Dependency(condition, rule.shift_end is not None, frozenset())
        for rule in approving_rules(policy, request)
        for condition in duty_conditions(rule.when)
    ]


def approving_rules(policy: Policy, request: Request | None = None) -> Iterator[Rule]:
    """Give the rules that may approve, for any of the resources of a request."""
    for rule in policy.rules:
        if not rule.deny if request is None else rule.may_approve(request):
            yield rule


def open_to_any_duty(settings: Settings, request: Request | None = None) -> list[str]:
    """Say which rules let in whoever has any duty, for what is requested (None: for all)."""
    on = [BY_ID[id_].name for id_ in settings.providers]
    return [
        f"by {rule_title(each.rule)}, {each.describe(dry_run=settings.dry_run)}; {each.remedy}"
        for each in open_rules(settings.policy, on, request)
    ]


def switched_off(settings: Settings, rules: Iterable[Rule]) -> list[str]:
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
