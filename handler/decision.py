"""The decision: request, findings, policy and time in; approve or abstain, and why, out. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from handler import emails
from handler.durations import format_go, format_instant
from handler.duties import INCIDENT_ROLE, ON_CALL, Duty, Findings
from handler.events import Request
from handler.policy import Policy

SHORTEST_LEFT = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_BEST_EVIDENCE_FIRST = (INCIDENT_ROLE, ON_CALL)


class Decision(NamedTuple):
    """What was decided about one request.

    Attributes:
        request: the request.
        reason: one sentence, fit for the claim: it names the evidence by reference.
        duty: what an approval rests on; None means no claim, humans decide.
        duration: how long an approval lasts, in whole seconds; 0 without one.
        wants_duty: nothing but a duty is missing: it is worth asking for more of them.
        trace: every fact that led here, in order.
    """

    request: Request
    reason: str
    duty: Duty | None = None
    duration: timedelta = timedelta(0)
    wants_duty: bool = False
    trace: tuple[str, ...] = ()

    @property
    def approved(self) -> bool:
        """Whether this is a yes."""
        return self.duty is not None


def decide(request: Request, findings: Findings, policy: Policy, now: datetime) -> Decision:
    """Decide one request, taken by itself."""
    trace: list[str] = [f"no answer from {failure}" for failure in findings.failures]

    def abstain(reason: str, *, wants_duty: bool = False) -> Decision:
        return Decision(request, reason, wants_duty=wants_duty, trace=(*trace, reason))

    if objection := _objection(request, policy):
        return abstain(objection)
    duration, limits = _duration(request, policy, now)
    if duration < _SECOND:
        return abstain(limits[-1])
    duty = None
    holder = emails.normal(request.requester.email)
    for each in _in_order(each for each in findings.duties if each.holder == holder):
        objection = policy.objection_to_duty(each)
        if not each.runs_at(now):
            objection = "it does not run now"
        trace.append(f"{each}: {objection or 'counts'}")
        duty = duty or (None if objection else each)
    if duty is None:
        return abstain("no duty of the requester counts", wants_duty=True)
    return Decision(
        request, f"Approved: {duty}", duty=duty, duration=duration, trace=(*trace, *limits)
    )


def _objection(request: Request, policy: Policy) -> str:
    """Say why no duty could open what is requested, or "" if one could."""
    addresses = request.requester.addresses
    if not emails.normal(request.requester.email):
        return "the requester has no e-mail"
    if len(addresses) > 1:
        return "the requester has two e-mails"
    if not request.resources:
        return "no resource is requested"
    objections = (
        policy.objection_to_resource(each, request.requester) for each in request.resources
    )
    return next(filter(None, objections), "")


def decide_all(
    requests: Sequence[Request], findings: Findings, policy: Policy, now: datetime
) -> tuple[Decision, ...]:
    """Decide the requests of one call. Those of one petition stand or fall together."""
    held: defaultdict[str, list[Duty]] = defaultdict(list)
    for duty in findings.duties:
        held[duty.holder].append(duty)
    decisions = []
    for request in requests:
        own = tuple(held.get(emails.normal(request.requester.email), ()))
        decisions.append(decide(request, findings._replace(duties=own), policy, now))
    for group in _petitions(requests):
        refusals = [decisions[i] for i in group if not decisions[i].approved]
        # A refusal that no further duty can lift comes first: asking on would be in vain.
        refused = min(refusals, key=lambda each: each.wants_duty, default=None)
        shortest = min(decisions[i].duration for i in group)
        for i in group:
            one = decisions[i]
            if not one.approved:
                continue
            if refused is None:
                cut = f"a request of the same petition gets {format_go(shortest)}"
                if shortest < one.duration:
                    decisions[i] = one._replace(duration=shortest, trace=(*one.trace, cut))
                continue
            reason = f"another request of the same petition is not approved: {refused.reason}"
            decisions[i] = Decision(
                one.request,
                reason,
                wants_duty=refused.wants_duty,
                trace=(*one.trace, reason),
            )
    return tuple(decisions)


def _petitions(requests: Sequence[Request]) -> Iterable[list[int]]:
    """Group requests, by number, that share a petition's name, directly or through others."""
    parent: dict[str, str] = {}

    def first_of(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = [[name.casefold() for name in request.petitions] for request in requests]
    for each in names:
        for name in each:
            parent[first_of(name)] = first_of(each[0])
    groups: dict[str | int, list[int]] = {}
    for index, each in enumerate(names):
        groups.setdefault(first_of(each[0]) if each else index, []).append(index)
    return groups.values()


def _in_order(duties: Iterable[Duty]) -> list[Duty]:
    """Order a person's duties, each once, so that the same facts always give the same claim."""
    rank = {kind: place for place, kind in enumerate(_BEST_EVIDENCE_FIRST)}
    return sorted(
        dict.fromkeys(duties), key=lambda d: (rank.get(d.kind, len(rank)), d.incident, d.name, d.id)
    )


def _duration(request: Request, policy: Policy, now: datetime) -> tuple[timedelta, list[str]]:
    """Take the earliest of what the policy allows and what was asked, in whole seconds."""
    duration, limits = policy.duration, [f"the policy allows {format_go(policy.duration)}"]
    asked = request.asked_duration
    if asked is not None and asked < duration:
        duration = asked
        limits.append(f"{format_go(asked)} was asked for")
    expiry = request.asked_expiry
    if expiry is not None:
        left = expiry - now if expiry - now >= SHORTEST_LEFT else timedelta(0)
        if left < duration:
            duration = left
            limits.append(f"access was asked for until {format_instant(expiry)}")
    return duration // _SECOND * _SECOND, limits
