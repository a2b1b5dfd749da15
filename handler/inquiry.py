"""From requests to decisions: each provider that a rule needs is asked, while it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from handler.clock import Clock, Deadline
from handler.conditions import ANY, IncidentRole, OnCall, PostedUpdate, needed
from handler.decision import Decision, decide_all, facts_of
from handler.duties import Findings
from handler.events import Request
from handler.http import Client
from handler.policy import Policy
from handler.providers import BY_ID
from handler.sources import Question, Source, Wants, ask

# The duties, what they leave open, and what that leaves open.
MOST_ROUNDS = 3
FOLLOW_UPS_AT_ONCE = 4
# Whoever hangs leaves the others time for what their answers leave open.
SHARE_OF_A_ROUND = 0.6


class Outcome(NamedTuple):
    """What came of the requests of one call.

    Attributes:
        decisions: one for each request, in order.
        findings: all that was found out.
        asked: the names of the providers that were asked.
        wants: what the rules needed to know of each.
    """

    decisions: tuple[Decision, ...]
    findings: Findings
    asked: tuple[str, ...]
    wants: Mapping[str, Wants]


class Inquiry:
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
            BY_ID[each].name: import_module(f"handler.sources.{each}").source(client, settings)
            for each, settings in providers.items()
        }

    def decide(self, requests: Sequence[Request], policy: Policy, deadline: Deadline) -> Outcome:
        """Ask for as much as it takes, round by round: nothing, the duties, what they leave open.

        A decision holds for the moment in which it was made: counted from any later one, access
        would be longer.
        """
        findings = Findings()
        decisions = decide_all(requests, findings, policy, self._clock.now())
        asked: dict[tuple[str, str], None] = {}
        wants: dict[str, Wants] = {}
        for number in range(MOST_ROUNDS):
            undecided = [each.request for each in decisions if each.wants_facts]
            questions = [
                each
                for each in self._questions(undecided, findings, policy, wants)
                if (each.provider, each.name) not in asked
            ]
            if not questions:
                break
            asked.update(((each.provider, each.name), None) for each in questions)
            at_once = FOLLOW_UPS_AT_ONCE if number else len(questions)
            last = number + 1 == MOST_ROUNDS or len(self.sources) == 1
            until = deadline if last else deadline.part(SHARE_OF_A_ROUND)
            findings = ask(questions, until, at_once=at_once, before=findings)
            decisions = decide_all(requests, findings, policy, self._clock.now())
        return Outcome(decisions, findings, tuple(dict.fromkeys(name for name, _ in asked)), wants)

    def _questions(
        self,
        requests: Sequence[Request],
        findings: Findings,
        policy: Policy,
        wanted: dict[str, Wants],
    ) -> Iterable[Question]:
        if not requests:
            return
        now = self._clock.now()
        for name, source in self.sources.items():
            wants = wants_of(name, requests, policy, now)
            if wants.anything:
                wanted.setdefault(name, wants)  # nobody wants more than at first
                yield from source.questions(wants, findings)


def wants_of(provider: str, requests: Iterable[Request], policy: Policy, now: datetime) -> Wants:
    """Say what the rules for these requests need to know of one provider, and of whom."""
    schedules: dict[str, None] = {}
    wants = Wants()
    for request in requests:
        facts = facts_of(request, Findings(), policy, now)
        for rule in policy.rules:
            if rule.deny or not any(rule.resources.covers(each) for each in request.resources):
                continue
            for each in needed(rule.when, facts):
                if isinstance(each, OnCall):
                    if each.provider not in {"", provider}:
                        continue
                    schedules.update(dict.fromkeys(each.schedules or ()))
                    wants = wants._replace(any_schedule=wants.any_schedule or each.schedules is ANY)
                wants = wants._replace(
                    roles=wants.roles or isinstance(each, IncidentRole),
                    updates=wants.updates or isinstance(each, PostedUpdate),
                    ends=wants.ends or rule.shift_end is not None,
                    holders=wants.holders | facts.addresses,
                )
    return wants._replace(schedules=tuple(schedules))
