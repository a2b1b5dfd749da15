"""From requests to decisions: each provider that a rule needs is asked, while it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from handler.clock import Clock, Deadline
from handler.duty import Duty, ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery, QuestionRunner, Source
from handler.providers.registry import BY_ID
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
# The parts of the time for which all answers are waited for, since the first ones may do; and after
# which nobody waits for a provider's first answer in order to ask it on.
TO_ANSWER, PATIENCE = 1 / 6, 0.6


class Outcome(NamedTuple):
    """What came of the requests of one call.

    Attributes:
        decisions: one for each request, in order.
        findings: all that was found out.
        asked: the names of the providers that were asked.
        wants: what the rules needed to know of each.
        without_email: by provider, how many people on duty have no e-mail there, and of how many.
    """

    decisions: tuple[Decision, ...]
    snapshot: ProviderSnapshot
    asked: tuple[str, ...]
    wants: Mapping[str, DutyQuery]
    without_email: Mapping[str, tuple[int, int]]


class DutyCollector:
    """Asks the providers that are switched on; one per environment.

    Args:
        client: how they are reached.
        clock: what time it is.
        providers: the settings of each that is on, by its id.
    """

    def __init__(
        self, client: Client, clock: Clock, providers: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._clock = clock
        # Only the file of a provider that is on is loaded.
        self.sources: dict[str, Source] = {
            BY_ID[each].name: import_module(f"handler.providers.{each}").source(client, settings)
            for each, settings in providers.items()
        }

    def decide(self, requests: Sequence[Request], policy: Policy, deadline: Deadline) -> Outcome:
        """Ask for as much as it takes, round by round: nothing, the duties, what they leave open.

        Each provider has rounds of its own, and all of the time. Once all have answered, or after a
        part of the time, each is asked for what its answers leave open. After a longer part, so is
        whoever has not answered, and who can be approved by what is known waits no longer.

        A decision holds for the moment in which it was made: counted from any later one, access
        would be longer.
        """
        snapshot = ProviderSnapshot()
        policy = policy.relevant_to(each.resources for each in requests)
        decisions = decide_all(requests, snapshot, policy, self._clock.now())
        asked: set[tuple[str, str]] = set()
        wants: dict[str, DutyQuery] = {}
        rounds: Counter[str] = Counter()
        collector = QuestionRunner(deadline)
        first, second = deadline.part(TO_ANSWER), deadline.part(PATIENCE)
        until = first
        while True:
            undecided = [each.request for each in decisions if each.could_change]
            for name, wanted in self._wants(undecided, policy).items():
                # What is on its way may answer what so far looks open.
                is_waited_for = collector.running(name) and until is not deadline
                if is_waited_for or rounds[name] == MOST_ROUNDS:
                    continue
                wants.setdefault(name, wanted)  # nobody wants more than at first
                questions = self.sources[name].questions(wanted, snapshot)
                new = [each for each in questions if (name, each.name) not in asked]
                if new:
                    room = min(FOLLOW_UPS_AT_ONCE, MOST_AT_ONCE - collector.running())
                    collector.start(new, max(1, room) if rounds[name] else len(new))
                    asked.update((name, each.name) for each in new)
                    rounds[name] += 1
            if not collector.running() or (until is deadline and not undecided):
                break
            # To decide takes longer than to see whether anything came that matters by now.
            is_in_time = collector.wait(until)
            while is_in_time and (
                (until is first and collector.running())
                or (until is second and not self._asks_on(collector, wants, asked))
            ):
                is_in_time = collector.wait(until)
            snapshot = collector.snapshot()
            decisions = decide_all(requests, snapshot, policy, self._clock.now())
            if not is_in_time:
                if until is deadline:
                    break
                until = second if until is first else deadline
        collector.stop()
        now = self._clock.now()
        # Nearly always there is nobody to count.
        needs = dependencies(requests, policy, now) if snapshot.without_email else ()
        hidden = without_email(snapshot, (each.condition for each in needs), now)
        return Outcome(decisions, snapshot, tuple(rounds), wants, hidden)

    def _asks_on(
        self,
        collector: QuestionRunner,
        wants: Mapping[str, DutyQuery],
        asked: Container[tuple[str, str]],
    ) -> bool:
        """Whether all have answered, or one has that can be asked for more."""
        found = collector.found()
        return not collector.running() or any(
            (name, each.name) not in asked
            for name, wanted in wants.items()
            if not collector.running(name)
            for each in self.sources[name].questions(wanted, found)
        )

    def _wants(self, requests: Sequence[Request], policy: Policy) -> dict[str, DutyQuery]:
        """Say what each provider may know that these requests depend on."""
        needs = dependencies(requests, policy, self._clock.now()) if requests else ()
        wants = {name: duty_query(name, needs) for name in self.sources}
        return {name: each for name, each in wants.items() if each.anything}


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
    needs: list[Dependency] = []
    for request in requests:
        facts = facts_of(request, ProviderSnapshot(), policy, now)
        for rule in policy.rules:
            if not rule.deny and any(map(rule.resources.covers, request.resources)):
                ends = rule.shift_end is not None
                needs += (
                    Dependency(each, ends, facts.addresses)
                    for each in duty_conditions(rule.when, facts)
                )
    return needs


def duty_query(provider: str, needs: Iterable[Dependency]) -> DutyQuery:
    """Say what of it one provider may know, and of whom."""
    schedules: dict[str, None] = {}
    wants = DutyQuery()
    for each, ends, holders in needs:
        if isinstance(each, OnCall):
            if each.provider not in {"", provider}:
                continue
            schedules.update(dict.fromkeys(each.schedules or ()))
            wants = wants._replace(any_schedule=wants.any_schedule or each.schedules is ANY)
        wants = wants._replace(
            roles=wants.roles or isinstance(each, IncidentRole),
            updates=wants.updates or isinstance(each, PostedUpdate),
            ends=wants.ends or ends,
            holders=wants.holders | holders,
        )
    return wants._replace(schedules=tuple(schedules))


def without_email(
    snapshot: ProviderSnapshot, conditions: Iterable[DutyCondition], now: datetime
) -> dict[str, tuple[int, int]]:
    """Count, by provider, the people on duty whose e-mail it does not show, and all of them.

    Only a duty now that one of the conditions means is counted, and a provider only if it hides
    somebody's.
    """
    meant = tuple(dict.fromkeys(conditions))

    def people(duties: Iterable[Duty]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for each in duties:
            if each.runs_at(now) and any(accepts(one, each) for one in meant):
                found.setdefault(each.provider, set()).add(each.holder or each.user)
        return found

    hidden = people(snapshot.without_email)
    shown = people(snapshot.duties) if hidden else {}
    return {name: (len(some), len(some | shown.get(name, set()))) for name, some in hidden.items()}
