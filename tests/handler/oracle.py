"""A second, independent reading of policies: slower than the handler's, and without reasons.

The handler looks for the duties that last longest. This checks for each span of time whether all
that a rule needs lasts so long.
"""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty
from handler.request import Resource
from handler.rules.conditions import (
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.rules.matching import matches
from handler.rules.model import Rule
from tests.handler.strategies import NOW
from tests.handler.worlds import World

NOTHING, SECOND, MINUTE = timedelta(0), timedelta(seconds=1), timedelta(minutes=1)
FOREVER = timedelta(days=10**6)
_UNITS = {
    "w(?:eeks?)?": 7 * 86_400 * 10**9,
    "d(?:ays?)?": 86_400 * 10**9,
    "h(?:rs?|ours?)?": 3600 * 10**9,
    "m(?:ins?|inutes?)?": 60 * 10**9,
    "s(?:ecs?|econds?)?": 10**9,
    "ms": 10**6,
    "[u\u00b5\u03bc]s": 10**3,
    "ns": 1,
}
_NUMBER = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
_DURATION = re.compile(
    r"[-+]?(?:0|" + "".join(rf"(?:{_NUMBER}\s?{unit}(?![a-z])\s?)?" for unit in _UNITS) + ")",
    re.IGNORECASE,
)


def allowed(world: World) -> timedelta:
    """Give how long access is granted; zero means that it isn't."""
    until = world.request.requested_expiry
    if world.request.unreadable_duration or world.request.unreadable_expiry:
        return NOTHING
    if until and until - NOW < MINUTE:
        return NOTHING
    rules, resources, action = world.policy.rules, world.request.resources, world.request.action
    if any(_denies(world, rule, resource) for rule in rules if rule.deny for resource in resources):
        return NOTHING
    live = [rule for rule in rules if not (rule.deny or rule.dry_run)]
    spans = [
        max(
            (_span(world, rule) for rule in live if _is_for(rule, resource, action)),
            default=NOTHING,
        )
        for resource in resources
    ]
    return min(*spans, _asked(world) or FOREVER) // SECOND * SECOND


def _denies(world: World, rule: Rule, resource: Resource) -> bool:
    unlabelled = {name for name, _ in rule.resources.labels if not resource.labels.get(name)}
    labels = {**resource.labels, **{k: v for k, v in rule.resources.labels if k in unlabelled}}
    hit = _is_for(rule, resource._replace(labels=labels), world.request.action)
    return hit and (rule.when is None or _denial_holds(rule.when, world))


def _denial_holds(when: Condition, world: World) -> bool:
    if isinstance(when, AnyOf | AllOf):
        results = [_denial_holds(member, world) for member in when.members]
        return True in results if isinstance(when, AnyOf) else False not in results
    if isinstance(when, Requester):
        return any(_is_one_of(when, email) for email in _all_addresses(world))
    assert isinstance(when, RequestedDuration)
    return (_asked(world) or NOTHING) <= when.up_to


def _is_for(rule: Rule, resource: Resource, action: str) -> bool:
    kinds, ids, labels, actions = rule.resources
    right = action in (actions or ("access",))
    if rule.deny:
        right = not actions or action.lower() in actions
    return (
        right
        and resource.kind in (kinds or (resource.kind,))
        and any(matches(id_, resource.id) for id_ in ids or ("*",))
        and set(labels) <= set(resource.labels.items())
    )


def _span(world: World, rule: Rule) -> timedelta:
    """Give the longest span for which a rule holds."""
    spans = {_carries(world, rule, duty) for duty in world.snapshot.duties}
    lasting = [span for span in spans if span > NOTHING and _holds(world, rule, rule.when, span)]
    return max(lasting, default=NOTHING)


def _holds(world: World, rule: Rule, when: Condition | None, span: timedelta) -> bool:
    if isinstance(when, AnyOf):
        return any(_holds(world, rule, member, span) for member in when.members)
    if isinstance(when, AllOf):
        return all(_holds(world, rule, member, span) for member in when.members)
    if isinstance(when, Requester):
        return _is_one_of(when, world.request.requester.email)
    if isinstance(when, RequestedDuration):
        asked = _asked(world)
        return asked is not None and asked <= when.up_to
    return any(
        _fits(when, duty) and _carries(world, rule, duty) >= span for duty in world.snapshot.duties
    )


def _fits(when: Condition | None, duty: Duty) -> bool:
    if isinstance(when, OnCall):
        right = duty.kind == ON_CALL and when.provider in ("", duty.provider)
        return (
            right and duty.level <= when.max_level and _named(when.schedules, duty, when.provider)
        )
    if isinstance(when, IncidentRole):
        bad = not when.severities or set(when.severities) & set(duty.severity)
        such = not when.types or set(when.types) & set(duty.type)
        named = _named(when.roles, duty) and not (when.roles is None and duty.reporter)
        return duty.kind == INCIDENT_ROLE and named and bool(bad and such)
    return duty.kind == INCIDENT_UPDATE


def _named(names: tuple[str, ...] | None, duty: Duty, provider: str = "") -> bool:
    doubted = duty.shared_names | (frozenset() if provider else duty.ids_elsewhere)
    own = {duty.name, duty.shortform} - doubted | {duty.id}
    return names is None or not own.isdisjoint(names)


def _carries(world: World, rule: Rule, duty: Duty) -> timedelta:
    """Give how long a duty would grant access by a rule; zero if it doesn't count."""
    begun = duty.start is None or duty.start <= NOW
    if not begun or (duty.end and duty.end <= NOW) or not _is_their_own(world, duty):
        return NOTHING
    if rule.shift_end is None:
        return rule.duration
    left = rule.shift_end.without_end or NOTHING
    if duty.end:
        left = duty.end - NOW + rule.shift_end.grace
        left = left if left >= MINUTE else NOTHING
    elif duty.kind == ON_CALL and not duty.endless:
        left = NOTHING
    return min(left, rule.duration)


def _is_their_own(world: World, duty: Duty) -> bool:
    """Check that a duty is the requester's, and isn't self-declared."""
    email, policy = world.request.requester.email, world.policy
    given = duty.self_declared or duty.declarers & _all_addresses(world)
    counts = policy.self_declared or not given
    return counts and duty.holder in {email, *policy.aliases.get(email, ())}


def wish(text: str) -> timedelta | None:
    """Read a requested duration; zero means as long as possible, None that humans decide."""
    text = text.strip()
    if text.lower() in {"", "indefinite"}:
        return NOTHING
    match = _DURATION.fullmatch(text)
    if not match or len(text) > 64 or not re.search("[0-9]", text):
        return None
    parts = [
        (number, max(Fraction(number) * unit // 1, Fraction(number) > 0))
        for number, unit in zip(match.groups(), _UNITS.values(), strict=True)
        if number
    ]
    cut = next((at for at, (number, _) in enumerate(parts) if number.rstrip(".").count(".")), None)
    if cut is not None and any(length for _, length in parts[cut + 1 :]):
        return None
    total = sum(length for _, length in parts)
    if text.startswith("-"):
        return NOTHING if total <= 2**63 else None
    return timedelta(microseconds=total // 1000 or bool(total)) if total < 2**63 else None


def _asked(world: World) -> timedelta | None:
    asked, until = world.request.requested_duration, world.request.requested_expiry
    spans = [asked] if asked else []
    spans += [until - NOW] if until else []
    return min(spans, default=None)


def _is_one_of(when: Requester, email: str) -> bool:
    return email in when.emails or any(email.endswith(f"@{domain}") for domain in when.domains)


def _all_addresses(world: World) -> set[str]:
    email = world.request.requester.email
    circles = [{key, *values} for key, values in world.policy.aliases.items()]
    circles += [set(pair) for names in world.policy.identities.values() for pair in names.items()]
    people = {email}
    for _ in circles:
        people = people.union(*(circle for circle in circles if people & circle))
    return people
