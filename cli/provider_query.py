"""Asks the live providers for duties, without a request that has to be decided in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cli.context import Context
from cli.policy_notes import approving_rules
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery, ProviderClient
from handler.providers.collect import Dependency, DutyCollector, duty_queries, load_clients
from handler.request import Request
from handler.rules.conditions import duty_conditions
from handler.rules.model import Policy
from handler.settings import Settings

# Nobody waits for an approval here, so a large organisation can be read completely.
PATIENCE_SECONDS = 5 * BUDGET_SECONDS


class DutyReport(NamedTuple):
    """What the providers answered, and what each was asked, by its name."""

    snapshot: ProviderSnapshot
    queries: Mapping[str, DutyQuery]


def query_all_duties(
    settings: Settings, context: Context, request: Request | None = None
) -> DutyReport:
    """Ask each provider for everything that the rules could need, for any requester.

    Args:
        settings: the policy, and the keys.
        context: how providers are reached.
        request: limits the rules to those for its resources; None means every rule.
    """
    client, clock = context.client(), context.clock
    try:
        clients = load_clients(client, clock, settings.providers)
        needed = rule_dependencies(settings.policy, request)
        deadline = Deadline(clock, PATIENCE_SECONDS)
        return query_duties(clients, needed, settings.policy, deadline)
    finally:
        client.close()


def query_duties(
    clients: Mapping[str, ProviderClient],
    needed: Sequence[Dependency],
    policy: Policy,
    deadline: Deadline,
) -> DutyReport:
    """Ask each provider for all that it may know of what is needed, by the policy's identities."""
    queries = duty_queries(clients, needed, policy.identities)
    collector = DutyCollector(clients, deadline, policy.identities)
    while collector.advance(queries):
        pass
    return DutyReport(collector.snapshot, queries)


def rule_dependencies(policy: Policy, request: Request | None = None) -> list[Dependency]:
    """Give the duties on which the rules depend, for any requester."""
    return [
        Dependency(condition, rule.shift_end is not None, None)
        for rule in approving_rules(policy, request)
        for condition in duty_conditions(rule.when)
    ]


def unanswered_providers(snapshot: ProviderSnapshot, asked: Iterable[str]) -> list[str]:
    """Give those of the asked providers that answered nothing at all."""
    answered = {duty.provider for duty in (*snapshot.duties, *snapshot.without_email)}
    answered |= {listed.provider for listed in snapshot.schedules_and_roles}
    silent = {failure.provider for failure in snapshot.failures} - answered
    return [provider for provider in asked if provider in silent]
