"""A policy: which duties open which resources, and for how long. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType

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
from handler.typing import Any, NamedTuple

LONGEST_APPROVAL = timedelta(hours=168)
# With a longer grace period, access would outlast the next person's shift.
LONGEST_GRACE = timedelta(hours=24)
# With less time left, access counts as over.
SHORTEST_LEFT = timedelta(minutes=1)
UNREAD_END = "its end could not be read"
DENIED_EMAIL = "another rule denies the e-mail that its provider shows for the requester"
_ACCESS_ONLY = (ACCESS,)
_NO_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_NO_IDENTITIES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Selector(NamedTuple):
    """Which resources a rule covers: each field that is given has to match.

    Without `actions`, an approving rule covers only `access`, and a denying rule every action.
    """

    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    actions: tuple[str, ...] = ()

    def covers(self, resource: Resource, action: str) -> bool:
        """Whether an approving rule covers this action on this resource."""
        return (
            action in (self.actions or _ACCESS_ONLY)
            and (not self.kinds or resource.kind in self.kinds)
            and (not self.ids or any(matches(pattern, resource.id) for pattern in self.ids))
            and not self.missing_label(resource)
        )

    @property
    def is_by_action_alone(self) -> bool:
        """Whether it only names actions, on any resource: such a rule may deny, not approve."""
        return bool(self.actions) and self == Selector(actions=self.actions)

    def matches_for_deny(self, folded: FoldedResource) -> bool:
        """Whether a denying rule covers a resource, in any spelling.

        A resource without the label is covered. A label whose name is spelt differently counts
        as missing, and its value is compared as well.
        """
        return (
            (not self.actions or folded.action in map(fold, self.actions))
            and (not self.kinds or folded.kind in map(fold, self.kinds))
            and (not self.ids or any(map(folded.has_id, self.ids)))
            and all(folded.may_carry(name, value) for name, value in self.labels)
        )

    def missing_label(self, resource: Resource) -> str:
        """Return the first label that the resource does not have exactly, or ""."""
        for name, value in self.labels:
            if resource.labels.get(name) != value:
                return f"{name}={value}"
        return ""


class ShiftEnd(NamedTuple):
    """Access ends `grace` after its duty, or after `without_end` if the duty has no end."""

    grace: timedelta = timedelta(0)
    without_end: timedelta | None = None


class Rule(NamedTuple):
    """One rule. A denying rule has no duration; its condition is optional."""

    name: str
    resources: Selector
    when: Condition | None = None
    duration: timedelta = timedelta(0)
    deny: bool = False
    shift_end: ShiftEnd | None = None
    dry_run: bool = False

    def may_approve(self, request: Request) -> bool:
        """Whether this is an approving rule that covers any resource of the request."""
        if self.deny:
            return False
        # A loop, since each request is held against all rules, of which there may be hundreds.
        for resource in request.resources:
            if self.resources.covers(resource, request.action):
                return True
        return False

    def denies(self, folded: FoldedResource, facts: Facts) -> bool:
        """Whether this rule denies the resource, regardless of other rules."""
        if not (self.deny and self.resources.matches_for_deny(folded)):
            return False
        return self.when is None or may_hold(self.when, facts)

    def access_end(self, duty: Duty, facts: Facts) -> AccessEnd:
        """Return when access based on a duty of the requester ends under this rule."""
        end = longest = facts.now + self.duration
        objection = ""
        if duty.denied:
            objection = DENIED_EMAIL
        elif not facts.self_declared and duty.is_declared_by(facts.known_as):
            objection = "self-declared by the requester"
        elif self.shift_end is None:
            pass
        elif duty.end is not None:
            end = _later(duty.end, self.shift_end.grace)
            if end - facts.now < SHORTEST_LEFT:
                objection = "it ends within a minute"
        elif duty.has_end:
            objection = UNREAD_END
        elif self.shift_end.without_end is None:
            objection = "it has no end, and the rule ends access with the shift"
        else:
            end = facts.now + self.shift_end.without_end
        return AccessEnd(objection=objection) if objection else AccessEnd(min(longest, end))


class _People(NamedTuple):
    """Who is whom according to a policy, by folded addresses and names.

    Attributes:
        named: the addresses for which a name stands.
        of: the people with an address, each with all their addresses.
        names: the names for an address that are addresses as well.
    """

    named: Mapping[str, Collection[str]]
    of: Mapping[str, Collection[frozenset[str]]]
    names: Mapping[str, Collection[str]]


class _PolicyFields(NamedTuple):
    rules: tuple[Rule, ...]
    aliases: Mapping[str, tuple[str, ...]] = _NO_ALIASES
    self_declared: bool = False
    digest: str = ""
    identities: Mapping[str, Mapping[str, str]] = _NO_IDENTITIES


class Policy(_PolicyFields):
    """What is allowed. The plain settings make one rule, the default rule, whose name is "".

    Attributes:
        aliases: maps the e-mail in a request to the same person's e-mails at the providers.
        digest: identifies a policy file; "" for a policy from settings.
        identities: maps a caller or provider, and its name or id for a person, to the person's
            e-mail in normal form; a provider by its display name.
    """

    @cached_property
    def fingerprint(self) -> str:
        """Identify the policy in the log: equal policies have the same 16 hex digits everywhere."""
        fields: tuple[object, ...] = self.rules, _sorted(self.aliases), self.self_declared
        if self.identities:  # only then, so that older policies keep their fingerprint
            names = ((caller, _sorted(names)) for caller, names in self.identities.items())
            fields = (*fields, tuple(sorted(names)))
        return self.digest or digest_of(_canonical(fields))

    @cached_property
    def identity_digests(self) -> Mapping[str, str]:
        """Identify the `identities` in the log, by caller and provider: they name other people."""
        return {
            system: digest_of(repr(_sorted(people)))
            for system, people in self.identities.items()
            if people
        }

    def email_of(self, system: str, name: str) -> str:
        """Return the e-mail of the person with exactly this name at a caller or provider, or ""."""
        return self.identities.get(system, {}).get(name, "")

    def relevant_to(self, requests: Sequence[Request]) -> Policy:
        """Leave out the rules that cannot affect these requests.

        A policy's only rule stays: the reason is based on it.
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
        policy = self._replace(rules=tuple(relevant))
        policy._people = self._people  # noqa: SLF001 - a Policy too, of the same people
        return policy

    def fold_resources(self, request: Request) -> tuple[FoldedResource, ...]:
        """Fold the requested resources for the denying rules, if there are any."""
        if not any(rule.deny for rule in self.rules):
            return ()
        return tuple(fold_resource(resource, request.action) for resource in request.resources)

    def addresses(self, email: str) -> frozenset[str]:
        """Return the addresses whose duties count for a requester; `email` is in normal form."""
        return frozenset((email, *self.aliases.get(email, ())))

    def known_as(self, email: str) -> frozenset[str]:
        """Return every address that the policy knows of this person, folded, to speak against them.

        Aliases count in both directions, and so do names in `identities`: another account or name
        must not be a way around a denial.
        """
        own, people = emails.folded(email), self._people
        meant = frozenset((own, *people.named.get(own, ())))
        known = meant.union(*(person for one in meant for person in people.of.get(one, ())))
        return known.union(name for one in known for name in people.names.get(one, ()))

    @cached_property
    def _people(self) -> _People:
        """Say who is whom, once: there may be thousands, and a call may have many requesters."""
        return _index_people(self.identities.values(), self.aliases)

    def objection_to_resource(self, resource: Resource, request: Request) -> str:
        """Say why no rule can open a resource, or "" if one might."""
        if not (fold(resource.kind) and fold(resource.id)):
            return "a requested resource has no kind or no id"
        if resource.is_person and not resource.may_be(request.requester):
            return "a requested resource is a person other than the requester"
        action = request.action
        approving = (rule.resources for rule in self.rules if not rule.deny)
        if any(selector.covers(resource, action) for selector in approving):
            return ""
        if action != ACCESS:
            return f"no rule covers the action {action} on {resource.kind}:{resource.id}"
        default = next((rule for rule in self.rules if not rule.name), None)
        if default and (label := default.resources.missing_label(resource)):
            return f"a requested resource does not have the label {label}"
        return f"no rule covers {resource.kind}:{resource.id}"


def _index_people(
    systems: Iterable[Mapping[str, str]], aliases: Mapping[str, tuple[str, ...]]
) -> _People:
    named: dict[str, set[str]] = {}
    people: dict[str, list[frozenset[str]]] = {}
    names: dict[str, set[str]] = {}
    for system in systems:
        for name, address in system.items():
            folded_name, folded = emails.folded(name), emails.folded(address)
            named.setdefault(folded_name, set()).add(folded)
            if "@" in folded_name:  # otherwise it is not an address
                names.setdefault(folded, set()).add(folded_name)
    for key, values in aliases.items():
        person = frozenset(map(emails.folded, (key, *values)))
        for folded in person:
            people.setdefault(folded, []).append(person)
    return _People(named, people, names)


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
    """Make a policy of the default rule, from the plain settings.

    Without schedules and roles, any duty but a reporter's counts; otherwise only the named ones.
    Updates (`participants`) have no name, so they never count once anything is named.
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
    """Write a value without default fields, so that a new field changes no fingerprint."""
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
    """Return the first 16 hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
