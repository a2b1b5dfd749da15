"""The decision: request, findings, policy and time in; approve or abstain, and why, out. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from handler import emails
from handler.durations import format_instant, in_words
from handler.duty import Duty, ProviderSnapshot, sort_duties
from handler.folding import fold
from handler.request import Request, Resource
from handler.rules.conditions import NOT_LISTED, Facts, Proof
from handler.rules.model import SHORTEST_LEFT, UNREAD_END, Policy, Rule

DENIED = "another rule denies the request"
OTHER_RESOURCES = "it is for other resources"
DENIES_OTHERS = "it denies other requests"
NO_DUTY = "no duty of the requester counts"
# What says only that a rule was not needed.
BESIDE_THE_POINT = frozenset({DENIED, OTHER_RESOURCES, DENIES_OTHERS})
_SECOND = timedelta(seconds=1)
_MOST_RULES_TOLD = 3


class RuleResult(NamedTuple):
    """What became of one rule.

    Attributes:
        rule: its name.
        verdict: `grants`, `denies`, `dry_run`, or `no`.
        why: what speaks against it, or "".
        until: when access would end by it alone; None where it gives none.
        duties: what it says of each duty that it looked at, "" where that counts.
    """

    rule: str
    verdict: str
    why: str = ""
    until: datetime | None = None
    duties: tuple[tuple[Duty, str], ...] = ()


class Decision(NamedTuple):
    """What was decided about one request.

    Attributes:
        request: the request.
        reason: one sentence, fit for the claim: it names the evidence by reference.
        evidence: the duties that an approval rests on; none means no claim, humans decide.
        rules: the names of the rules that approve.
        duration: how long an approval lasts, in whole seconds; 0 without one.
        wants_facts: more of them could change it: a duty, or when one ends.
        duties: the requester's duties, in order.
        rule_results: every rule that was looked at, in the policy's order.
        limits: what set the duration, in order; the last one is the one that did.
        now: the moment of the decision.
    """

    request: Request
    reason: str = ""
    evidence: tuple[Duty, ...] = ()
    rules: tuple[str, ...] = ()
    duration: timedelta = timedelta(0)
    could_change: bool = False
    duties: tuple[Duty, ...] = ()
    rule_results: tuple[RuleResult, ...] = ()
    limits: tuple[str, ...] = ()
    now: datetime = datetime.min.replace(tzinfo=UTC)

    @property
    def approved(self) -> bool:
        """Whether this is a yes."""
        return bool(self.evidence)


class _Grant(NamedTuple):
    """A rule that would open a resource."""

    rule: Rule
    proof: Proof
    until: datetime


def decide(request: Request, snapshot: ProviderSnapshot, policy: Policy, now: datetime) -> Decision:
    """Decide one request, taken by itself."""
    said = Decision(request, now=now)
    if objection := _objection(request, policy) or _unreadable(request):
        return said._replace(reason=objection)
    facts = facts_of(request, snapshot, policy, now)
    said = said._replace(duties=facts.duties)
    asked, limits = _asked(request, facts.asked, now)
    if asked is not None and asked < _SECOND:
        return said._replace(reason=limits[-1], limits=tuple(limits))
    spellings = policy.spellings(request.resources)
    denying = [rule for rule in policy.rules if any(rule.denies(each, facts) for each in spellings)]
    if denying:
        judged = tuple(
            RuleResult(each.name, "denies")
            if each in denying
            else RuleResult(each.name, "no", DENIED)
            for each in policy.rules
        )
        return said._replace(reason=f'rule "{denying[0].name}" denies it', rule_results=judged)
    judged, grants = _judge(request.resources, policy.rules, facts)
    needs_end = any(why == UNREAD_END for each in judged for _, why in each.duties)
    said = said._replace(rule_results=judged, could_change=needs_end)
    chosen = [_longest(grants, each) for each in request.resources]
    granted = [each for each in chosen if each]
    if len(granted) < len(chosen):
        live = [_longest(grants, each, dry_run=True) for each in request.resources]
        if all(live):
            return said._replace(reason="only rules in dry run approve it", could_change=True)
        return said._replace(reason=NO_DUTY, could_change=True)
    return _granted(said, granted, asked, limits)


def _granted(
    said: Decision, granted: Sequence[_Grant], asked: timedelta | None, limits: Sequence[str]
) -> Decision:
    """Approve until the earliest end, and no longer than was asked for."""
    first = min(granted, key=lambda each: each.until)
    left = first.until - said.now
    limits = [_limit(first, left), *limits]
    duration = left if asked is None else min(left, asked)
    if asked is None or left < asked:
        limits = [*limits[1:], limits[0]]
    if duration < _SECOND:
        return said._replace(reason=limits[-1], limits=tuple(limits))
    return said._replace(
        reason=_reason(granted, said.now),
        evidence=tuple(dict.fromkeys(duty for each in granted for duty in each.proof.duties)),
        rules=tuple(dict.fromkeys(each.rule.name for each in granted)),
        duration=duration // _SECOND * _SECOND,
        limits=tuple(limits),
    )


def facts_of(request: Request, snapshot: ProviderSnapshot, policy: Policy, now: datetime) -> Facts:
    """Gather what the rules are held against for one request."""
    email = emails.normal(request.requester.email)
    addresses = policy.addresses(email)
    asked, expiry = request.requested_duration, request.requested_expiry
    if expiry is not None:
        left = expiry - now
        asked = left if asked is None else min(left, asked)
    duties = sort_duties(each for each in snapshot.duties if each.holder in addresses)
    known_as = policy.known_as(email)
    return Facts(email, addresses, known_as, duties, asked, now, policy.self_declared)


def _judge(
    resources: Sequence[Resource], rules: Iterable[Rule], facts: Facts
) -> tuple[tuple[RuleResult, ...], list[_Grant]]:
    judged, grants = [], []
    for rule in rules:
        if rule.deny:
            judged.append(RuleResult(rule.name, "no", DENIES_OTHERS))
            continue
        if not any(map(rule.resources.covers, resources)):
            judged.append(RuleResult(rule.name, "no", OTHER_RESOURCES))
            continue
        notes: dict[Duty, str] = {}
        unmet: list[str] = []
        proof = rule.proof(facts, notes, unmet)
        for duty in facts.duties:
            notes.setdefault(duty, NOT_LISTED)
        told = tuple(notes.items())
        # A proof without a duty would approve somebody for asking.
        if proof is None or not proof.duties:
            why = "; ".join(dict.fromkeys(unmet)) or NO_DUTY
            judged.append(RuleResult(rule.name, "no", why, duties=told))
            continue
        until = min(proof.until or facts.now, facts.now + rule.duration)
        grants.append(_Grant(rule, proof, until))
        verdict = "dry_run" if rule.dry_run else "grants"
        judged.append(RuleResult(rule.name, verdict, until=until, duties=told))
    return tuple(judged), grants


def _longest(
    grants: Iterable[_Grant], resource: Resource, *, dry_run: bool = False
) -> _Grant | None:
    """Give the rule that opens a resource for longest, the first of those that are equal."""
    live = (each for each in grants if dry_run or not each.rule.dry_run)
    for_it = (each for each in live if each.rule.resources.covers(resource))
    return max(for_it, key=lambda each: each.until, default=None)


def _objection(request: Request, policy: Policy) -> str:
    """Say why no duty could open what is requested, or "" if one could."""
    addresses = request.requester.addresses
    if not emails.normal(request.requester.email):
        return "the requester has no e-mail"
    if len(addresses) > 1:
        return "the requester has two e-mails"
    if not request.resources:
        return "no resource is requested"
    for each in request.resources:
        if objection := policy.objection_to_resource(each, request.requester):
            return objection
    return ""


def _unreadable(request: Request) -> str:
    """Say which wish can't be read: taken as none, it would last as long as the policy allows."""
    if asked := request.unreadable_duration:
        return f'the requested duration "{asked}" can\'t be read; use for example 90m or 1h30m'
    if asked := request.unreadable_expiry:
        return f'the requested end "{asked}" can\'t be read; use for example 2026-03-02T13:00:00Z'
    return ""


def _asked(
    request: Request, asked: timedelta | None, now: datetime
) -> tuple[timedelta | None, list[str]]:
    """Say how long access is asked for, and in which words; None is for as long as may be."""
    limits: list[str] = []
    if asked is None:
        return asked, limits
    duration, expiry = request.requested_duration, request.requested_expiry
    if duration is not None:
        limits.append(f"the request asks for {in_words(duration)}")
    if expiry is not None:
        over = expiry - now < SHORTEST_LEFT
        if over or expiry - now == asked:
            limits.append(f"access was asked for until {format_instant(expiry)}")
        asked = timedelta(0) if over else asked
    return asked, limits


def _limit(grant: _Grant, left: timedelta) -> str:
    if left < grant.rule.duration:
        return f"the duty ends, with any grace, at {format_instant(grant.until)}"
    return f"the policy allows {in_words(grant.rule.duration)}"


def _reason(granted: Sequence[_Grant], now: datetime) -> str:
    """Name the rules and their evidence."""
    told = []
    for rule, proof, _ in dict.fromkeys(granted):
        words = " and ".join(each.told(now) for each in proof.duties)
        told.append(f'Rule "{rule.name}": {words}' if rule.name else f"Approved: {words}")
    more = len(told) - _MOST_RULES_TOLD
    return "; ".join(told[:_MOST_RULES_TOLD]) + (f"; and {more} more" if more > 0 else "")


def decide_all(
    requests: Sequence[Request], snapshot: ProviderSnapshot, policy: Policy, now: datetime
) -> tuple[Decision, ...]:
    """Decide the requests of one call. Those of one petition stand or fall together."""
    held: defaultdict[str, list[Duty]] = defaultdict(list)
    for duty in snapshot.duties:
        held[duty.holder].append(duty)
    decisions = []
    for request in requests:
        addresses = policy.addresses(emails.normal(request.requester.email))
        own = tuple(duty for each in sorted(addresses) for duty in held.get(each, ()))
        decisions.append(decide(request, snapshot._replace(duties=own), policy, now))
    for group in _petitions(requests):
        refusals = [decisions[i] for i in group if not decisions[i].approved]
        # One that no further fact can lift comes first: asking on for any would be in vain.
        refused = min(refusals, key=lambda each: each.could_change, default=None)
        shortest = min(decisions[i].duration for i in group)
        for i in group:
            one = decisions[i]
            if refused is None:
                cut = f"a request of the same petition gets {in_words(shortest)}"
                if shortest < one.duration:
                    decisions[i] = one._replace(duration=shortest, limits=(*one.limits, cut))
                continue
            if one.approved:
                reason = f"another request of the same petition is not approved: {refused.reason}"
                one = one._replace(reason=reason, evidence=(), rules=(), duration=timedelta(0))
            decisions[i] = one._replace(could_change=refused.could_change)
    return tuple(decisions)


def _petitions(requests: Sequence[Request]) -> Iterable[list[int]]:
    """Group requests, by number, that share a petition's name, directly or through others."""
    parent: dict[str, str] = {}

    def first_of(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = [list(map(fold, request.groups)) for request in requests]
    for each in names:
        for name in each:
            parent[first_of(name)] = first_of(each[0])
    groups: dict[str | int, list[int]] = {}
    for index, each in enumerate(names):
        groups.setdefault(first_of(each[0]) if each else index, []).append(index)
    return groups.values()
