"""Decides: from request, duties, policy and time to approve or abstain, and why. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from handler import emails
from handler.durations import format_instant, in_words
from handler.duty import Duty, ProviderSnapshot, sort_duties
from handler.request import Request, Resource
from handler.rules.conditions import NOT_LISTED, Facts, Proof, prove
from handler.rules.matching import FoldedResource
from handler.rules.model import SHORTEST_LEFT, UNREAD_END, Policy, Rule
from handler.typing import NamedTuple

DENIED = "another rule denies the request"
OTHER_RESOURCES = "it covers other resources or actions"
DENIES_OTHERS = "it denies other requests"
NO_DUTY = "the requester has no shift or incident role that the policy accepts"
NEEDS_ANOTHER_DUTY = "it needs another shift or incident role as well"
# These only say that a rule does not affect the request.
IRRELEVANT = frozenset({DENIED, OTHER_RESOURCES, DENIES_OTHERS})
_NOTHING, _SECOND = timedelta(0), timedelta(seconds=1)
_MOST_RULES_IN_REASON = 3


class RuleResult(NamedTuple):
    """The result of one rule.

    Attributes:
        verdict: `grants`, `denies`, `dry_run`, or `no`.
        why: why it does not grant access; "" if it does, or only for want of a duty.
        until: when access would end under this rule alone.
        duties: each duty that it checked, with the objection to it or "".
    """

    rule: str
    verdict: str
    why: str = ""
    until: datetime | None = None
    duties: tuple[tuple[Duty, str], ...] = ()


class Decision(NamedTuple):
    """The decision about one request.

    Attributes:
        reason: one sentence, which refers to the evidence.
        evidence: the duties that an approval is based on; without any, humans decide.
        rules: the names of the approving rules.
        duration: of the approval, in whole seconds.
        could_change: whether more facts, such as a duty or its end, could change it.
        duties: the requester's, sorted.
        rule_results: in the policy's order.
        deciding_limit: what set the duration, or made it too short; "" without limits.
    """

    request: Request
    reason: str = ""
    evidence: tuple[Duty, ...] = ()
    rules: tuple[str, ...] = ()
    duration: timedelta = _NOTHING
    could_change: bool = False
    duties: tuple[Duty, ...] = ()
    rule_results: tuple[RuleResult, ...] = ()
    other_limits: tuple[str, ...] = ()
    deciding_limit: str = ""
    now: datetime = datetime.min.replace(tzinfo=UTC)

    @property
    def approved(self) -> bool:
        """Whether the request is approved."""
        return bool(self.evidence)

    @property
    def limits(self) -> tuple[str, ...]:
        """All limits, the deciding one last."""
        return (*self.other_limits, self.deciding_limit) if self.deciding_limit else ()


class _Grant(NamedTuple):
    """A rule that would grant access."""

    rule: Rule
    proof: Proof
    until: datetime


def decide(request: Request, snapshot: ProviderSnapshot, policy: Policy, now: datetime) -> Decision:
    """Decide one request on its own."""
    decision = Decision(request, now=now)
    if objection := _objection(request, policy) or _unreadable(request):
        return decision._replace(reason=objection)
    folded = policy.fold_resources(request)
    facts = facts_of(request, snapshot, policy, now)
    denying = _denying_rules(policy, folded, facts)
    # What denies the request to the requester anyway isn't held against a duty as well.
    facts = _judge_shown_emails(facts, () if denying else folded, policy)
    decision = decision._replace(duties=facts.duties)
    requested, limits = _requested(request, facts.requested, now)
    if requested is not None and requested < _SECOND:
        return _too_short(decision, limits[:-1], limits[-1])
    if denying:
        results = tuple(
            RuleResult(rule.name, "denies")
            if rule in denying
            else RuleResult(rule.name, "no", DENIED)
            for rule in policy.rules
        )
        return decision._replace(reason=f'denied by rule "{denying[0].name}"', rule_results=results)
    results, grants = _evaluate_rules(request, policy.rules, facts)
    needs_end = any(why == UNREAD_END for result in results for _, why in result.duties)
    decision = decision._replace(rule_results=results, could_change=needs_end)
    action = request.action
    chosen = [_longest(grants, resource, action) for resource in request.resources]
    granted = [grant for grant in chosen if grant]
    if len(granted) < len(chosen):
        trial = [_longest(grants, resource, action, dry_run=True) for resource in request.resources]
        if all(trial):
            return decision._replace(
                reason="only rules in dry run would approve it", could_change=True
            )
        return decision._replace(reason=NO_DUTY, could_change=True)
    return _approve(decision, granted, requested, limits)


def _approve(
    decision: Decision,
    granted: Sequence[_Grant],
    requested: timedelta | None,
    limits: tuple[str, ...],
) -> Decision:
    """Approve until the earliest end, for at most the requested duration."""
    first = min(granted, key=lambda grant: grant.until)
    left = first.until - decision.now
    by_policy = _policy_limit(first, left)
    if decision.request.all_or_nothing and (requested is None or left < requested):
        wish = "without an end" if requested is None else f"for {in_words(requested)}"
        reason = f"access {wish} is requested, but {by_policy}"
        return decision._replace(reason=reason, could_change=requested is not None)
    if requested is None or left < requested:
        duration, others, deciding = left, limits, by_policy
    else:
        duration, others, deciding = requested, (by_policy, *limits[:-1]), limits[-1]
    if duration < _SECOND:
        return _too_short(decision, others, deciding)
    return decision._replace(
        reason=_reason(granted, decision.now),
        evidence=tuple(dict.fromkeys(duty for grant in granted for duty in grant.proof.duties)),
        rules=tuple(dict.fromkeys(grant.rule.name for grant in granted)),
        duration=duration // _SECOND * _SECOND,
        other_limits=others,
        deciding_limit=deciding,
    )


def _too_short(decision: Decision, others: tuple[str, ...], deciding: str) -> Decision:
    return decision._replace(reason=deciding, other_limits=others, deciding_limit=deciding)


def facts_of(request: Request, snapshot: ProviderSnapshot, policy: Policy, now: datetime) -> Facts:
    """Gather the facts for one request."""
    email = emails.normal(request.requester.email)
    addresses = policy.addresses(email)
    duties = sort_duties(
        duty if policy.email_of(duty.provider, duty.user) == duty.holder else duty._replace(user="")
        for duty in snapshot.duties
        if duty.holder in addresses
    )
    known_as = policy.known_as(email)
    requested = requested_duration(request, now)
    return Facts(email, addresses, known_as, duties, requested, now, policy.self_declared)


def requested_duration(request: Request, now: datetime) -> timedelta | None:
    """Give the duration that is requested, which may have passed; None without any."""
    requested, expiry = request.requested_duration, request.requested_expiry
    if expiry is None:
        return requested
    left = expiry - now
    return left if requested is None else min(left, requested)


def _denying_rules(policy: Policy, folded: Iterable[FoldedResource], facts: Facts) -> list[Rule]:
    return [
        rule for rule in policy.rules if any(rule.denies(resource, facts) for resource in folded)
    ]


def _judge_shown_emails(facts: Facts, folded: Sequence[FoldedResource], policy: Policy) -> Facts:
    """Hold against a duty what speaks against the e-mail that its provider shows.

    Against this duty only: so a decision doesn't depend on which answers came first. The e-mail
    itself gets no further.
    """

    def judge(duty: Duty) -> Duty:
        if not duty.shown:
            return duty
        known_as = facts.known_as | policy.known_as(duty.shown)
        return duty._replace(
            shown="",
            self_declared=duty.is_declared_by(known_as),
            denied=bool(_denying_rules(policy, folded, facts._replace(known_as=known_as))),
        )

    if not any(duty.shown for duty in facts.duties):  # nearly no policy maps users
        return facts
    return facts._replace(duties=sort_duties(map(judge, facts.duties)))


def _evaluate_rules(
    request: Request, rules: Iterable[Rule], facts: Facts
) -> tuple[tuple[RuleResult, ...], list[_Grant]]:
    results, grants = [], []
    for rule in rules:
        if rule.deny:
            results.append(RuleResult(rule.name, "no", DENIES_OTHERS))
            continue
        if not rule.may_approve(request):
            results.append(RuleResult(rule.name, "no", OTHER_RESOURCES))
            continue
        # Compared with None, as a condition without fields is an empty tuple, which is false.
        proof = Proof(holds=False)
        if rule.when is not None:
            proof = prove(rule.when, facts, rule.access_end)
        notes = _notes(proof, facts)
        # A proof without a duty would approve anybody who asks.
        if not (proof.holds and proof.duties):
            why = "; ".join(dict.fromkeys(proof.unmet))
            if not why and any(not note for _, note in notes):
                why = NEEDS_ANOTHER_DUTY
            results.append(RuleResult(rule.name, "no", why, duties=notes))
            continue
        until = min(proof.until, facts.now + rule.duration)
        grants.append(_Grant(rule, proof, until))
        verdict = "dry_run" if rule.dry_run else "grants"
        results.append(RuleResult(rule.name, verdict, until=until, duties=notes))
    return tuple(results), grants


def _notes(proof: Proof, facts: Facts) -> tuple[tuple[Duty, str], ...]:
    """Note for each duty that it counts, or the first real objection."""
    notes: dict[Duty, str] = {}
    for duty, note in proof.notes:
        if not note or notes.get(duty, NOT_LISTED) == NOT_LISTED:
            notes[duty] = note
    for duty in facts.duties:
        notes.setdefault(duty, NOT_LISTED)
    return tuple(notes.items())


def _longest(
    grants: Iterable[_Grant], resource: Resource, action: str, *, dry_run: bool = False
) -> _Grant | None:
    """Return the first of the rules that open a resource for the longest time."""
    live = (grant for grant in grants if dry_run or not grant.rule.dry_run)
    covering = (grant for grant in live if grant.rule.resources.covers(resource, action))
    return max(covering, key=lambda grant: grant.until, default=None)


def _objection(request: Request, policy: Policy) -> str:
    """Say why no duty could open the requested resources, or "" if one might."""
    if request.objection:
        return request.objection
    addresses = request.requester.addresses
    if not emails.normal(request.requester.email):
        return "the requester's e-mail is missing"
    if len(addresses) > 1:
        return "the requester has more than one e-mail"
    if not request.resources:
        return "the request names no resource"
    for resource in request.resources:
        if objection := policy.objection_to_resource(resource, request):
            return objection
    return ""


def _unreadable(request: Request) -> str:
    """Say which time isn't valid: ignoring it would make access longer."""
    if text := request.unreadable_duration:
        return f'the requested duration "{text}" isn\'t valid; use, for example, 90m or 1h30m'
    if text := request.unreadable_expiry:
        return f'the requested end "{text}" isn\'t valid; use, for example, 2026-03-02T13:00:00Z'
    return ""


def _requested(
    request: Request, requested: timedelta | None, now: datetime
) -> tuple[timedelta | None, tuple[str, ...]]:
    """Return the requested duration, and the limits that it sets, in words."""
    if requested is None:
        return None, ()
    limits = []
    duration, expiry = request.requested_duration, request.requested_expiry
    if duration is not None:
        limits.append(f"the request asks for {in_words(duration)}")
    if expiry is not None:
        over = expiry - now < SHORTEST_LEFT
        if over or expiry - now == requested:
            limits.append(f"the request asks for access until {format_instant(expiry)}")
        requested = _NOTHING if over else requested
    return requested, tuple(limits)


def _policy_limit(grant: _Grant, left: timedelta) -> str:
    if left < grant.rule.duration:
        return f"the duty ends at {format_instant(grant.until)}, including any grace period"
    return f"the policy allows {in_words(grant.rule.duration)}"


def _reason(granted: Sequence[_Grant], now: datetime) -> str:
    reasons = []
    for rule, proof, _ in dict.fromkeys(granted):
        evidence = ", and ".join(duty.describe_evidence(now) for duty in proof.duties)
        reasons.append(f'Rule "{rule.name}": {evidence}' if rule.name else f"Approved: {evidence}")
    more = len(reasons) - _MOST_RULES_IN_REASON
    listed = "; ".join(reasons[:_MOST_RULES_IN_REASON])
    return f"{listed}; and {more} more" if more > 0 else listed


def decide_all(
    requests: Sequence[Request], snapshot: ProviderSnapshot, policy: Policy, now: datetime
) -> tuple[Decision, ...]:
    """Decide the requests of one call; those of one petition together, or not at all."""
    by_holder: defaultdict[str, list[Duty]] = defaultdict(list)
    for duty in snapshot.duties:
        by_holder[duty.holder].append(duty)
    decisions = []
    for request in requests:
        addresses = policy.addresses(emails.normal(request.requester.email))
        own = tuple(duty for address in sorted(addresses) for duty in by_holder.get(address, ()))
        decisions.append(decide(request, snapshot._replace(duties=own), policy, now))
    if len(decisions) < 2:  # noqa: PLR2004 - one stands by itself, as nearly all do
        return tuple(decisions)
    from handler.rules.petitions import decide_together  # noqa: PLC0415 - nearly all calls have one

    return decide_together(decisions)
