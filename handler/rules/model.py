"""The policy: which duties open which resources, and for how long. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from handler import emails
from handler.duty import Duty
from handler.folding import fold
from handler.request import ACCESS, Request, Resource
from handler.rules.conditions import (
    ANY,
    AccessEnd,
    AnyOf,
    Condition,
    Facts,
    IncidentRole,
    OnCall,
    PostedUpdate,
    may_hold,
)
from handler.rules.matching import FoldedResource, fold_resource, matches

LONGEST_APPROVAL = timedelta(hours=168)
# Longer, and access would not end with the shift but with somebody else's.
LONGEST_GRACE = timedelta(hours=24)
# Below this, access counts as over.
SHORTEST_LEFT = timedelta(minutes=1)
UNREAD_END = "its end could not be read"
_ACCESS_ONLY = (ACCESS,)
_NO_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_NO_IDENTITIES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Selector(NamedTuple):
    """Which resources a rule is for: each field that is given has to fit.

    Without `actions`, an approving rule is for `access` only, and a denying one for all actions.
    """

    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    actions: tuple[str, ...] = ()

    def covers(self, resource: Resource, action: str) -> bool:
        """Whether an approving rule is for this action on this resource."""
        return (
            action in (self.actions or _ACCESS_ONLY)
            and (not self.kinds or resource.kind in self.kinds)
            and (not self.ids or any(matches(pattern, resource.id) for pattern in self.ids))
            and not self.missing_label(resource)
        )

    @property
    def is_by_action_alone(self) -> bool:
        """Whether it selects actions on whatever resource: that may be denied, not approved."""
        return bool(self.actions) and self == Selector(actions=self.actions)

    def matches_for_deny(self, folded: FoldedResource) -> bool:
        """Whether a denying rule is for a resource, in any spelling, or without the label.

        A label whose name is spelt in another way is lacking, but its value counts, too.
        """
        return (
            (not self.actions or folded.action in map(fold, self.actions))
            and (not self.kinds or folded.kind in map(fold, self.kinds))
            and (not self.ids or any(map(folded.has_id, self.ids)))
            and all(folded.may_carry(name, value) for name, value in self.labels)
        )

    def missing_label(self, resource: Resource) -> str:
        """Give the first label that the resource does not carry exactly, or ""."""
        for name, value in self.labels:
            if resource.labels.get(name) != value:
                return f"{name}={value}"
        return ""


class ShiftEnd(NamedTuple):
    """Access ends with its duty and a grace, or `without_end` later if the duty has no end."""

    grace: timedelta = timedelta(0)
    without_end: timedelta | None = None


class Rule(NamedTuple):
    """One rule. A denying one has no duration, and may have no condition."""

    name: str
    resources: Selector
    when: Condition | None = None
    duration: timedelta = timedelta(0)
    deny: bool = False
    shift_end: ShiftEnd | None = None
    dry_run: bool = False

    def may_approve(self, request: Request) -> bool:
        """Whether this rule approves, and is for any of the resources of a request."""
        return not self.deny and any(
            self.resources.covers(resource, request.action) for resource in request.resources
        )

    def denies(self, folded: FoldedResource, facts: Facts) -> bool:
        """Whether this rule denies the resource, whatever other rules say."""
        if not (self.deny and self.resources.matches_for_deny(folded)):
            return False
        return self.when is None or may_hold(self.when, facts)

    def access_end(self, duty: Duty, facts: Facts) -> AccessEnd:
        """Say when access by this rule ends that is based on a duty of the requester."""
        end = longest = facts.now + self.duration
        objection = ""
        if not facts.self_declared and duty.is_declared_by(facts.known_as):
            objection = "declared by the requester himself"
        elif self.shift_end is None:
            pass
        elif duty.end is not None:
            end = _later(duty.end, self.shift_end.grace)
            if end - facts.now < SHORTEST_LEFT:
                objection = "it is as good as over"
        elif duty.has_end:
            objection = UNREAD_END
        elif self.shift_end.without_end is None:
            objection = "it has no end with which access could end"
        else:
            end = facts.now + self.shift_end.without_end
        return AccessEnd(objection=objection) if objection else AccessEnd(min(longest, end))


class Policy(NamedTuple):
    """What is allowed. A policy from settings has one rule, without a name.

    Attributes:
        aliases: by the e-mail in a request, the same person's e-mails at the providers.
        digest: identifies a policy file; "" for a policy from settings.
        identities: by caller and by what it calls a person, that person's e-mail in normal form.
    """

    rules: tuple[Rule, ...]
    aliases: Mapping[str, tuple[str, ...]] = _NO_ALIASES
    self_declared: bool = False
    digest: str = ""
    identities: Mapping[str, Mapping[str, str]] = _NO_IDENTITIES

    @property
    def fingerprint(self) -> str:
        """Identify the policy in the log: equal ones have the same 16 hex digits anywhere."""
        fields: tuple[object, ...] = self.rules, _sorted(self.aliases), self.self_declared
        if self.identities:  # left out, so that policies of before stay the same
            names = ((caller, _sorted(names)) for caller, names in self.identities.items())
            fields = (*fields, tuple(sorted(names)))
        return self.digest or digest_of(_canonical(fields))

    def email_of(self, caller: str, name: str) -> str:
        """Give the e-mail of whom a caller calls so, letter by letter; "" where nobody is."""
        return self.identities.get(caller, {}).get(name, "")

    def relevant_to(self, requests: Sequence[Request]) -> Policy:
        """Leave out the rules that decide nothing about these requests.

        A policy's only rule stays: it says itself what it is not for.
        """
        if len(self.rules) == 1:
            return self
        folded = [one for request in requests for one in self.fold_resources(request)]
        relevant = (
            rule
            for rule in self.rules
            if (
                any(map(rule.resources.matches_for_deny, folded))
                if rule.deny
                else any(map(rule.may_approve, requests))
            )
        )
        return self._replace(rules=tuple(relevant))

    def fold_resources(self, request: Request) -> tuple[FoldedResource, ...]:
        """Fold what is requested for the rules that deny, if there are any."""
        if not any(rule.deny for rule in self.rules):
            return ()
        return tuple(fold_resource(resource, request.action) for resource in request.resources)

    def addresses(self, email: str) -> frozenset[str]:
        """Give the addresses whose duties count for a requester; `email` in normal form."""
        return frozenset((email, *self.aliases.get(email, ())))

    def known_as(self, email: str) -> frozenset[str]:
        """Give every address known to be this person's, folded, for what speaks against them.

        Here aliases count both ways, and so does what any caller calls them: another account or
        name must not be a way around.
        """
        own = emails.folded(email)
        names = [
            (emails.folded(name), emails.folded(address))
            for named in self.identities.values()
            for name, address in named.items()
        ]
        meant = {own, *(address for name, address in names if name == own)}
        known = set(meant)
        for key, values in self.aliases.items():
            person = {emails.folded(address) for address in (key, *values)}
            if not meant.isdisjoint(person):
                known |= person
        # A name without an @ is nobody's address.
        named = (name for name, address in names if address in known and "@" in name)
        return frozenset((*known, *named))

    def objection_to_resource(self, resource: Resource, request: Request) -> str:
        """Say why a resource cannot be opened at all, or "" if the rules decide."""
        if not (fold(resource.kind) and fold(resource.id)):
            return "a resource has no kind or no id"
        if resource.is_person and not resource.may_be(request.requester):
            return "a resource is another person"
        action = request.action
        approving = (rule.resources for rule in self.rules if not rule.deny)
        if any(selector.covers(resource, action) for selector in approving):
            return ""
        if action != ACCESS:
            return f"no rule is for the action {action} on {resource.kind}:{resource.id}"
        by_settings = next((rule for rule in self.rules if not rule.name), None)
        if by_settings and (label := by_settings.resources.missing_label(resource)):
            return f"a resource does not carry the label {label}"
        return f"no rule is for {resource.kind}:{resource.id}"


def policy_from_settings(
    duration: timedelta,
    schedules: tuple[str, ...] = (),
    incident_roles: tuple[str, ...] = (),
    resource_labels: tuple[tuple[str, str], ...] = (),
    *,
    participants: bool = False,
    self_declared: bool = False,
    shift_end: ShiftEnd | None = None,
) -> Policy:
    """Make the policy that the plain settings describe.

    With neither schedules nor roles, any duty counts but a reporter's; with either, only those
    named. Updates (`participants`) have no name, so they never count beside names.
    """
    ways: tuple[Condition, ...]
    if schedules or incident_roles:
        ways = (
            *((IncidentRole(incident_roles),) if incident_roles else ()),
            *((OnCall(schedules),) if schedules else ()),
        )
    else:
        ways = (IncidentRole(ANY), OnCall(ANY), *((PostedUpdate(),) if participants else ()))
    rule = Rule("", Selector(labels=resource_labels), AnyOf(ways), duration, shift_end=shift_end)
    return Policy((rule,), self_declared=self_declared)


def _sorted(mapping: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(mapping.items()))


def _later(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment


def _canonical(value: object) -> str:
    """Write a value without fields at their default, so that a new field changes nothing."""
    if not isinstance(value, tuple):
        return repr(value)
    if not isinstance(fields := getattr(value, "_fields", None), tuple):
        return f"({', '.join(map(_canonical, value))})"
    defaults = getattr(value, "_field_defaults", {})
    given = (
        f"{name}={_canonical(field)}"
        for name, field in zip(fields, value, strict=True)
        if name not in defaults or field != defaults[name]
    )
    return f"{type(value).__name__}({', '.join(given)})"


def digest_of(text: str) -> str:
    """Give the first 16 hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
