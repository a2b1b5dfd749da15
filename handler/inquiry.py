"""From requests to decisions: each provider that a rule needs is asked, while it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from handler.clock import Clock, Deadline
from handler.conditions import ANY, Duties, IncidentRole, OnCall, PostedUpdate, needed
from handler.decision import Decision, decide_all, facts_of
from handler.duties import Duty, Findings
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
        without_email: by provider, how many people on duty have no e-mail there, and of how many.
    """

    decisions: tuple[Decision, ...]
    findings: Findings
    asked: tuple[str, ...]
    wants: Mapping[str, Wants]
    without_email: Mapping[str, tuple[int, int]]


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
        policy = policy.near(each.resources for each in requests)
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
        names = tuple(dict.fromkeys(name for name, _ in asked))
        now = self._clock.now()
        # Nearly always there is nobody to count.
        needs = needs_of(requests, policy, now) if findings.without_email else ()
        hidden = without_email(findings, (each.condition for each in needs), now)
        return Outcome(decisions, findings, names, wants, hidden)

    def _questions(
        self,
        requests: Sequence[Request],
        findings: Findings,
        policy: Policy,
        wanted: dict[str, Wants],
    ) -> Iterable[Question]:
        needs = needs_of(requests, policy, self._clock.now()) if requests else ()
        for name, source in self.sources.items():
            wants = wants_of(name, needs)
            if wants.anything:
                wanted.setdefault(name, wants)  # nobody wants more than at first
                yield from source.questions(wants, findings)


class Need(NamedTuple):
    """A condition on a duty that could make a rule hold.

    Attributes:
        condition: the condition.
        ends: whether the rule's access ends with the duty.
        holders: whose duty it has to be, by e-mail.
    """

    condition: Duties
    ends: bool
    holders: frozenset[str]


def needs_of(requests: Iterable[Request], policy: Policy, now: datetime) -> list[Need]:
    """Say on which duties it depends whether these requests are approved."""
    needs: list[Need] = []
    for request in requests:
        facts = facts_of(request, Findings(), policy, now)
        for rule in policy.rules:
            if not rule.deny and any(map(rule.resources.covers, request.resources)):
                ends = rule.shift_end is not None
                needs += (Need(each, ends, facts.addresses) for each in needed(rule.when, facts))
    return needs


def wants_of(provider: str, needs: Iterable[Need]) -> Wants:
    """Say what of it one provider may know, and of whom."""
    schedules: dict[str, None] = {}
    wants = Wants()
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
    findings: Findings, conditions: Iterable[Duties], now: datetime
) -> dict[str, tuple[int, int]]:
    """Count, by provider, the people on duty whose e-mail it does not show, and all of them.

    Only a duty now that one of the conditions means is counted, and a provider only if it hides
    somebody's.
    """
    meant = tuple(dict.fromkeys(conditions))

    def people(duties: Iterable[Duty]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for each in duties:
            if each.runs_at(now) and any(one.objection(each) == "" for one in meant):
                found.setdefault(each.provider, set()).add(each.holder or each.user)
        return found

    hidden = people(findings.without_email)
    shown = people(findings.duties) if hidden else {}
    return {name: (len(some), len(some | shown.get(name, set()))) for name, some in hidden.items()}
