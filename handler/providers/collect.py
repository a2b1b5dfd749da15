"""From requests to decisions: each provider that a rule needs is asked, while it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from handler.clock import Clock, Deadline
from handler.duty import Duty, ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, ProviderClient
from handler.providers.registry import BY_ID
from handler.providers.runner import QuestionRunner
from handler.request import Request
from handler.rules.conditions import (
    ANY,
    DutyCondition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    accepts,
    duty_conditions,
)
from handler.rules.evaluate import Decision, decide_all, facts_of
from handler.rules.model import Policy

# The duties, what they leave open, and what that leaves open.
MOST_ROUNDS = 3
FOLLOW_UPS_AT_ONCE = 4
# In all: it is memory that so many large answers take.
MOST_AT_ONCE = 7
# What is waited for, in turn, and for which part of the time.
_ALL, _ONE_PROVIDER, _ANY_ANSWER, _NOTHING = range(4)
UNTIL_ALL, UNTIL_ONE_PROVIDER = 1 / 6, 0.6


def load_clients(
    client: Client, clock: Clock, providers: Mapping[str, Mapping[str, str]]
) -> dict[str, ProviderClient]:
    """Make the client of each provider that is on, by name.

    Args:
        client: how they are reached.
        clock: what time it is.
        providers: the settings of each, by its id. The files of others are not loaded.
    """
    return {
        BY_ID[id_].name: import_module(f"handler.providers.{id_}").connect(client, clock, settings)
        for id_, settings in providers.items()
    }


class DutyCollector:
    """Asks providers round by round: for duties, what these leave open, and what that leaves open.

    Each provider has rounds of its own, and all of the time, in three phases:

    1. Wait until all have answered; then ask each for what its answers leave open.
    2. After `UNTIL_ALL` of the time, ask each as soon as it has answered all that it was asked.
    3. After `UNTIL_ONE_PROVIDER`, ask on beside what hangs, and stop once nothing is undecided.

    Attributes:
        snapshot: what was found up to now.
        queries: the first query to each provider; no later one needs more.
    """

    def __init__(self, clients: Mapping[str, ProviderClient], deadline: Deadline) -> None:
        self.snapshot = ProviderSnapshot()
        self.queries: dict[str, DutyQuery] = {}
        self._clients = clients
        self._runner = QuestionRunner(deadline)
        self._phase_ends = deadline.part(UNTIL_ALL), deadline.part(UNTIL_ONE_PROVIDER), deadline
        self._awaited = _ALL
        self._rounds: Counter[str] = Counter()
        self._asked: set[tuple[str, str]] = set()

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers that were asked something."""
        return tuple(self._rounds)

    def advance(self, queries: Mapping[str, DutyQuery]) -> bool:
        """Ask what is new, and wait for the next answers; False once there are none to wait for.

        Args:
            queries: what is open, by the name of the provider that may know it.
        """
        if self._awaited != _NOTHING:
            self._start(queries)
        is_decided = self._awaited == _ANY_ANSWER and not queries
        if self._awaited == _NOTHING or is_decided or not self._runner.running():
            self._runner.stop()
            return False
        until = self._phase_ends[self._awaited]
        in_time = self._runner.wait(until)
        while in_time and self._awaited == _ALL and self._runner.running():
            in_time = self._runner.wait(until)
        if not in_time:
            self._awaited += 1
        self.snapshot = self._runner.snapshot()
        return True

    def _start(self, queries: Mapping[str, DutyQuery]) -> None:
        for name, query in queries.items():
            # What is on its way may answer what so far looks open.
            is_waited_for = self._runner.running(name) and self._awaited < _ANY_ANSWER
            if is_waited_for or self._rounds[name] == MOST_ROUNDS:
                continue
            self.queries.setdefault(name, query)
            questions = [
                question
                for question in self._clients[name].questions(query, self.snapshot)
                if (name, question.name) not in self._asked
            ]
            if questions:
                room = min(FOLLOW_UPS_AT_ONCE, MOST_AT_ONCE - self._runner.running())
                at_once = max(1, room) if self._rounds[name] else len(questions)
                self._runner.start(questions, at_once)
                self._asked.update((name, question.name) for question in questions)
                self._rounds[name] += 1


class Outcome(NamedTuple):
    """What came of the requests of one call.

    Attributes:
        decisions: one for each request, in order.
        snapshot: what the providers answered.
        providers: the names of those that were asked.
        queries: what the rules needed to know of each.
        without_email: by provider, how many people on duty have no e-mail there, and of how many.
    """

    decisions: tuple[Decision, ...]
    snapshot: ProviderSnapshot
    providers: tuple[str, ...]
    queries: Mapping[str, DutyQuery]
    without_email: Mapping[str, tuple[int, int]]


def collect_and_decide(
    requests: Sequence[Request],
    policy: Policy,
    clients: Mapping[str, ProviderClient],
    clock: Clock,
    deadline: Deadline,
) -> Outcome:
    """Decide requests, asking the providers for as much as it takes, which may be nothing.

    A decision holds for the moment in which it was made: counted from any later one, access would
    be longer.
    """
    policy = policy.relevant_to(requests)
    collector = DutyCollector(clients, deadline)
    while True:
        decisions = decide_all(requests, collector.snapshot, policy, clock.now())
        undecided = [decision.request for decision in decisions if decision.could_change]
        queries = duty_queries(clients, dependencies(undecided, policy, clock.now()))
        if not collector.advance(queries):
            break
    snapshot, now = collector.snapshot, clock.now()
    # Nearly always there is nobody to count.
    counted = requests if snapshot.without_email else ()
    conditions = [each.condition for each in dependencies(counted, policy, now)]
    return Outcome(
        decisions,
        snapshot,
        collector.providers,
        collector.queries,
        without_email(snapshot, conditions, now),
    )


class Dependency(NamedTuple):
    """A condition on a duty that could make a rule hold.

    Attributes:
        condition: the condition.
        ends: whether the rule's access ends with the duty.
        holders: whose duty it has to be, by e-mail.
    """

    condition: DutyCondition
    ends: bool
    holders: frozenset[str]


def dependencies(requests: Iterable[Request], policy: Policy, now: datetime) -> list[Dependency]:
    """Say on which duties it depends whether these requests are approved."""
    found: list[Dependency] = []
    for request in requests:
        facts = facts_of(request, ProviderSnapshot(), policy, now)
        for rule in policy.rules:
            if rule.may_approve(request):
                ends = rule.shift_end is not None
                found += (
                    Dependency(condition, ends, facts.addresses)
                    for condition in duty_conditions(rule.when, facts)
                )
    return found


def duty_queries(
    providers: Iterable[str], dependencies: Sequence[Dependency]
) -> dict[str, DutyQuery]:
    """Say what each of these providers may know of it, where it may know anything."""
    queries = {name: duty_query(name, dependencies) for name in providers}
    return {name: query for name, query in queries.items() if not query.is_empty}


def duty_query(provider: str, dependencies: Iterable[Dependency]) -> DutyQuery:
    """Say what of it one provider may know, and of whom."""
    schedules: dict[str, None] = {}
    query = DutyQuery()
    for condition, ends, holders in dependencies:
        if isinstance(condition, OnCall):
            if condition.provider not in {"", provider}:
                continue
            schedules.update(dict.fromkeys(condition.schedules or ()))
            query = query._replace(any_schedule=query.any_schedule or condition.schedules is ANY)
        query = query._replace(
            roles=query.roles or isinstance(condition, IncidentRole),
            updates=query.updates or isinstance(condition, PostedUpdate),
            ends=query.ends or ends,
            holders=query.holders | holders,
        )
    return query._replace(schedules=tuple(schedules))


def without_email(
    snapshot: ProviderSnapshot, conditions: Iterable[DutyCondition], now: datetime
) -> dict[str, tuple[int, int]]:
    """Count, by provider, the people on duty whose e-mail it does not show, and all of them.

    Only a duty now that one of the conditions means is counted, and a provider only if it hides
    somebody's.
    """
    distinct = tuple(dict.fromkeys(conditions))

    def people(duties: Iterable[Duty]) -> dict[str, set[str]]:
        by_provider: dict[str, set[str]] = {}
        for duty in duties:
            if duty.runs_at(now) and any(accepts(condition, duty) for condition in distinct):
                by_provider.setdefault(duty.provider, set()).add(duty.holder or duty.user)
        return by_provider

    hidden = people(snapshot.without_email)
    shown = people(snapshot.duties) if hidden else {}
    return {name: (len(ids), len(ids | shown.get(name, set()))) for name, ids in hidden.items()}
