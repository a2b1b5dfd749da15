"""Asking the live providers, as the function would, or for everybody at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from auditlog.explain import rule_title
from cli.context import Context
from handler.callers.base import BUDGET_SECONDS
from handler.clock import Clock, Deadline
from handler.duty import ProviderSnapshot
from handler.providers.base import DutyQuery, QuestionRunner, Source
from handler.providers.collect import (
    FOLLOW_UPS_AT_ONCE,
    MOST_ROUNDS,
    Dependency,
    DutyCollector,
    duty_query,
)
from handler.providers.registry import BY_ID, PROVIDERS
from handler.request import Resource
from handler.rules.conditions import AllOf, AnyOf, Condition, IncidentRole, OnCall, PostedUpdate
from handler.rules.model import Policy, Rule
from handler.settings import Settings
from policy.open_rules import open_rules

# Nobody waits for an approval here: a large organisation is read whole.
PATIENCE_SECONDS = 5 * BUDGET_SECONDS


class Asked(NamedTuple):
    """What everybody who is asked says, whoever it is about."""

    snapshot: ProviderSnapshot
    wants: Mapping[str, DutyQuery]

    @property
    def names(self) -> list[str]:
        """The providers that had something to be asked for."""
        return [name for name, each in self.wants.items() if each.anything]


def ask_for_all(
    settings: Settings, world: Context, resources: Sequence[Resource] | None = None
) -> Asked:
    """Ask each provider for all that the rules could need, whoever requests what.

    Args:
        settings: the policy, and the keys.
        world: how they are reached.
        resources: what the rules have to be for; None takes every rule.
    """
    client, clock = world.client(), world.clock
    try:
        sources = DutyCollector(client, clock, settings.providers).sources
        needs = needs_of_rules(settings.policy, resources)
        wants = {name: duty_query(name, needs) for name in sources}
        return Asked(_ask(sources, wants, clock), wants)
    finally:
        client.close()


def _ask(
    sources: Mapping[str, Source], wants: Mapping[str, DutyQuery], clock: Clock
) -> ProviderSnapshot:
    """Ask each provider in rounds of its own: one that hangs holds up no other."""
    deadline = Deadline(clock, PATIENCE_SECONDS)
    collector = QuestionRunner(deadline)
    snapshot = ProviderSnapshot()
    asked: set[tuple[str, str]] = set()
    rounds: Counter[str] = Counter()
    while True:
        for name, source in sources.items():
            if not wants[name].anything or collector.running(name) or rounds[name] == MOST_ROUNDS:
                continue
            # When a duty ends is looked up for the people it is about: here, all of them.
            holders = frozenset(each.holder for each in snapshot.duties if each.provider == name)
            questions = [
                question
                for question in source.questions(wants[name]._replace(holders=holders), snapshot)
                if (name, question.name) not in asked
            ]
            if questions:
                collector.start(questions, FOLLOW_UPS_AT_ONCE if rounds[name] else len(questions))
                asked.update((name, each.name) for each in questions)
                rounds[name] += 1
        if not collector.wait(deadline):
            break
        snapshot = collector.snapshot()
    collector.stop()
    return collector.snapshot()


def needs_of_rules(policy: Policy, resources: Sequence[Resource] | None = None) -> list[Dependency]:
    """Say on which duties the rules depend, whoever requests."""
    return [
        Dependency(each, rule.shift_end is not None, frozenset())
        for rule in approving(policy, resources)
        for each in duties_named(rule.when)
    ]


def approving(policy: Policy, resources: Sequence[Resource] | None = None) -> Iterator[Rule]:
    """Give the rules that may approve, for any of these resources."""
    for rule in policy.rules:
        if not rule.deny and (
            resources is None or any(rule.resources.covers(each) for each in resources)
        ):
            yield rule


def duties_named(condition: Condition | None) -> Iterator[OnCall | IncidentRole | PostedUpdate]:
    """Give every condition on duties, wherever it stands."""
    if isinstance(condition, AnyOf | AllOf):
        for each in condition.members:
            yield from duties_named(each)
    elif isinstance(condition, OnCall | IncidentRole | PostedUpdate):
        yield condition


def open_to_any_duty(settings: Settings, resources: Sequence[Resource] | None = None) -> list[str]:
    """Say which rules let in whoever has any duty, for any of these resources (None: for all)."""
    on = [BY_ID[each].name for each in settings.providers]
    return [
        f"by {rule_title(each.rule)}, {each.told(dry_run=settings.dry_run)}; {each.remedy}"
        for each in open_rules(settings.policy, on, resources)
    ]


def switched_off(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Say which providers the rules name that nobody can ask, for want of a key."""
    on = {BY_ID[each].name for each in settings.providers}
    named = {
        each.provider
        for rule in rules
        for each in duties_named(rule.when)
        if isinstance(each, OnCall) and each.provider
    }
    return [
        f"{each.name} is not asked, though the policy names it: {each.key} is not set"
        for each in PROVIDERS
        if each.name in named - on
    ]
