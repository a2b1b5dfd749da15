"""Asking the live providers for everybody at once, whoever requests what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cli.context import Context
from cli.policy_notes import approving_rules
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.providers.collect import Dependency, DutyCollector, duty_queries, load_clients
from handler.request import Request
from handler.rules.conditions import duty_conditions
from handler.rules.model import Policy
from handler.settings import Settings

# Nobody waits for an approval here: a large organisation is read whole.
PATIENCE_SECONDS = 5 * BUDGET_SECONDS


class DutyReport(NamedTuple):
    """What the providers answered, and what each of them was asked for, by its name."""

    snapshot: ProviderSnapshot
    queries: Mapping[str, DutyQuery]


def query_all_duties(
    settings: Settings, context: Context, request: Request | None = None
) -> DutyReport:
    """Ask each provider for all that the rules could need, whoever requests what.

    Args:
        settings: the policy, and the keys.
        context: how they are reached.
        request: what the rules have to be for; None takes every rule.
    """
    client, clock = context.client(), context.clock
    try:
        clients = load_clients(client, clock, settings.providers)
        queries = duty_queries(clients, rule_dependencies(settings.policy, request))
        collector = DutyCollector(clients, Deadline(clock, PATIENCE_SECONDS))
        while collector.advance(queries):
            pass
        return DutyReport(collector.snapshot, queries)
    finally:
        client.close()


def rule_dependencies(policy: Policy, request: Request | None = None) -> list[Dependency]:
    """Say on which duties the rules depend, whoever requests."""
    return [
        Dependency(condition, rule.shift_end is not None, None)
        for rule in approving_rules(policy, request)
        for condition in duty_conditions(rule.when)
    ]
