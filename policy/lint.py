"""Warns of rules that are valid but probably unintended: too open, or without effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from handler.callers import CALLERS
from handler.folding import fold
from handler.providers.registry import BY_ID, BY_NAME, PROVIDERS
from handler.request import ACCESS, Request
from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    RequestedDuration,
    Requester,
    duty_conditions,
    walk,
)
from handler.rules.model import Policy, Rule
from handler.settings import END_WITH_SHIFT, POLICY, ROLES, SCHEDULES
from policy.diagnostics import Problems, quoted
from policy.grammar import HAS_ROLES

_WITH_ROLES = BY_ID[HAS_ROLES].name
_ANY_ROLE = "holds a role other than the reporter's in a live incident"
_UPDATE = "has posted an update to a live incident"
_OWN = ", even one that they declared themselves,"


def warn(policy: Policy, lines: Mapping[str, int], problems: Problems) -> None:
    """Warn of doubtful rules; `lines` has the line of each rule."""
    others = {address for addresses in policy.aliases.values() for address in addresses}
    for rule in policy.rules:
        at, name, selector = lines[rule.name], quoted(rule.name), rule.resources
        if not rule.deny and selector.labels and not (selector.kinds or selector.ids):
            doubt = f"{name} opens resources of any kind and id with these labels"
            problems.warn(at, f"{doubt}: whoever can set the labels decides what it opens")
        ends = rule.shift_end is not None and rule.shift_end.without_end is None
        if ends and any(isinstance(part, IncidentRole) for part in walk(rule.when)):
            doubt = f"{name} ends access with the shift, but roles have no end, so they don't count"
            problems.warn(at, f"{doubt}: set end_with_shift: {{without_end: 1h}}, for example")
        if not rule.deny and (odd := _access_misspelt(rule)):
            doubt = f"{name} names the action {quoted(odd)}, which no caller requests"
            problems.warn(at, f"{doubt}; did you mean {ACCESS}?")
        if denial := next((other for other in policy.rules if _denies_all_of(other, rule)), None):
            doubt = f"{name} never approves: {quoted(denial.name)} denies all that it covers"
            problems.warn(at, doubt)
        people = (part.emails for part in walk(rule.when) if isinstance(part, Requester))
        if any(not others.isdisjoint(emails) for emails in people):
            doubt = f"{name} names a requester by a value of an alias, which requests don't have"
            problems.warn(at, f"{doubt}: use the key of the alias")
    for open_rule in open_rules(policy, [provider.name for provider in PROVIDERS]):
        if not open_rule.labels:  # labels alone have their own warning
            doubt = f"with {quoted(open_rule.rule)}, {open_rule.describe()}: {open_rule.remedy}"
            problems.warn(lines[open_rule.rule], doubt)


def names_without_effect(caller: str) -> str:
    """Say why a caller's names in `identities` let nobody in; "" where they do."""
    if caller in BY_ID or any(entry.maps_names for entry in CALLERS if entry.name == caller):
        return ""
    return (
        f"names of {caller} let nobody in, since {caller} identifies people by e-mail: a name only "
        "counts against somebody whose request has it in place of an e-mail"
    )


def _denies_all_of(denial: Rule, rule: Rule) -> bool:
    """Whether a rule unconditionally denies everything that another rule covers."""
    if not denial.deny or denial.when is not None or rule.deny:
        return False
    wide, narrow = denial.resources, rule.resources
    if wide.actions and not set(narrow.actions or (ACCESS,)) <= set(wide.actions):
        return False
    return set(wide.labels) <= set(narrow.labels) and all(
        not many or (few and set(few) <= set(many))
        for many, few in ((wide.kinds, narrow.kinds), (wide.ids, narrow.ids))
    )


def _access_misspelt(rule: Rule) -> str:
    """Return an action that differs from access only in spelling, or ""."""
    actions = rule.resources.actions
    return next((one for one in actions if fold(one) == ACCESS != one), "")


def providers_of(policy: Policy) -> tuple[str, ...]:
    """Return the ids of the providers that a policy file needs."""
    ids: dict[str, None] = {}
    for condition in (part for rule in policy.rules for part in walk(rule.when)):
        if isinstance(condition, IncidentRole):
            ids[HAS_ROLES] = None
        elif isinstance(condition, OnCall) and condition.provider:
            ids[BY_NAME[condition.provider].id] = None
    return tuple(ids)


def rules_without_provider(policy: Policy) -> tuple[str, ...]:
    """Return the rules that name a schedule without its provider."""
    return tuple(
        rule.name
        for rule in policy.rules
        if any(
            isinstance(condition, OnCall)
            and condition.schedules is not ANY
            and not condition.provider
            for condition in duty_conditions(rule.when)
        )
    )


class OpenRule(NamedTuple):
    """A rule that accepts any duty of a kind, and restricts resources by labels at most.

    Attributes:
        rule: its name; "" for the default rule.
        labels: that a resource must have.
        actions: that the rule names.
        who: whom it approves, in words that follow "anybody who".
        denials: whether the policy has denying rules.
    """

    rule: str
    labels: tuple[tuple[str, str], ...]
    who: str
    denials: bool
    actions: tuple[str, ...] = ()

    def describe(self, *, dry_run: bool = False) -> str:
        """Describe it in a clause at the beginning of a sentence."""
        opens = "would open" if dry_run else "opens"
        carried = " and ".join(f"{name}={value}" for name, value in self.labels)
        what = f"every resource labelled {carried}" if carried else "any resource"
        if self.actions:
            what += f" to {' and '.join(map(quoted, self.actions))}"
        but = " that no rule denies" if self.denials else ""
        return f"anybody who {self.who} {opens} {what}{but}"

    @property
    def remedy(self) -> str:
        """Return how to narrow it."""
        if self.rule:
            return "name schedules, roles or resources in it to narrow it"
        return f"set {SCHEDULES}, {ROLES} or {POLICY} to narrow it"


def open_rules(
    policy: Policy, providers: Collection[str], request: Request | None = None
) -> Iterator[OpenRule]:
    """Yield the rules that accept any duty of a kind.

    Args:
        policy: the policy.
        providers: the names of the configured providers.
        request: only consider rules that cover it; None considers every rule.
    """
    denials = any(rule.deny for rule in policy.rules)
    for rule in policy.rules:
        selector = rule.resources
        if rule.deny or rule.dry_run or rule.when is None or selector.kinds or selector.ids:
            continue
        if request is not None and not rule.may_approve(request):
            continue
        own = _OWN if policy.self_declared else ""
        if ways := _ways(rule.when, rule, providers, own):
            yield OpenRule(rule.name, selector.labels, " or ".join(ways), denials, selector.actions)


def _ways(
    condition: Condition, rule: Rule, providers: Collection[str], own: str
) -> list[str] | None:
    """Describe unnamed duties that satisfy a condition; None if it needs no duty.

    `own` is added about incidents that the requester declared themselves.
    """
    if isinstance(condition, AnyOf | AllOf):
        parts = [_ways(member, rule, providers, own) for member in condition.members]
        needed = [ways for ways in parts if ways is not None]
        if isinstance(condition, AnyOf):
            return None if len(needed) < len(parts) else [way for ways in needed for way in ways]
        if not needed:
            return None
        return [" and ".join(" or ".join(ways) for ways in needed)] if all(needed) else []
    if isinstance(condition, RequestedDuration):
        return None
    if isinstance(condition, Requester):
        return []
    way = _way(condition, rule, providers)
    return [way if isinstance(condition, OnCall) else way + own] if way else []


def _way(condition: OnCall | IncidentRole | PostedUpdate, rule: Rule, on: Collection[str]) -> str:
    """Describe which duty satisfies a condition without names; "" if it has names or no effect."""
    if isinstance(condition, OnCall):
        provider = condition.provider
        open_ = condition.schedules is ANY and (not provider or provider in on)
        at = f" at {provider}" if provider else ""
        return f"is on call for any schedule{at}" if open_ else ""
    # Neither a role nor an update has an end.
    endless = rule.shift_end is None or rule.shift_end.without_end is not None
    if _WITH_ROLES not in on or not endless:
        return ""
    if isinstance(condition, PostedUpdate):
        return _UPDATE
    narrow = condition.roles is not ANY or condition.severities or condition.types
    return "" if narrow else _ANY_ROLE


def unnamed_kinds(policy: Policy, providers: Collection[str]) -> Iterator[str]:
    """Say which kind of duty opens nothing, since the settings only name the other kind."""
    kinds = _kinds(policy)
    if kinds == {OnCall} and _WITH_ROLES in providers:
        yield f"{SCHEDULES} is set and {ROLES} is not: incident roles open nothing"
    if kinds == {IncidentRole}:
        yield f"{ROLES} is set and {SCHEDULES} is not: being on call opens nothing"


def kinds_without_end(policy: Policy, providers: Collection[str]) -> Iterator[str]:
    """Say that roles open nothing, since the settings end access with the shift."""
    kinds = _kinds(policy)
    ends = any(rule.shift_end for rule in policy.rules)
    if ends and IncidentRole in kinds and _WITH_ROLES in providers:
        what = "incident roles and updates" if PostedUpdate in kinds else "incident roles"
        nobody = "" if OnCall in kinds else ", so nobody is approved"
        yield (
            f"{END_WITH_SHIFT} is set: {what} open nothing, since they have no end{nobody}; in a "
            "policy file, end_with_shift can give them a duration, for example `without_end: 1h`"
        )


def _kinds(policy: Policy) -> set[type[Condition]]:
    """Return the kinds of duty that the default rule accepts; none for a policy file."""
    parts = (part for rule in policy.rules if not rule.name for part in walk(rule.when))
    return {type(part) for part in parts if not isinstance(part, AnyOf)}
