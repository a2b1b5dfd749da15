"""The policy: which duties open which resources, and for how long. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from handler import emails
from handler.duty import Duty
from handler.folding import fold
from handler.request import Resource
from handler.rules.conditions import (
    ANY,
    NOT_LISTED,
    AnyOf,
    Condition,
    Facts,
    IncidentRole,
    OnCall,
    PostedUpdate,
    Proof,
    may_hold,
    prove,
)
from handler.rules.globs import matches
from handler.rules.spelling import Spelling, spelling_of

# Below this, access counts as over.
SHORTEST_LEFT = timedelta(minutes=1)
# Longer, and access would not end with the shift but with somebody else's.
LONGEST_GRACE = timedelta(hours=24)
UNREAD_END = "its end could not be read"
_NO_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Selector(NamedTuple):
    """Which resources a rule is for: each of the fields that are given has to fit."""

    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def covers(self, resource: Resource) -> bool:
        """Whether an approving rule is for this resource."""
        return (
            (not self.kinds or resource.kind in self.kinds)
            and (not self.ids or any(matches(each, resource.id) for each in self.ids))
            and not self.missing_label(resource)
        )

    def matches_for_deny(self, spelling: Spelling) -> bool:
        """Whether a denying rule is for a resource, however that is spelt.

        Also where it lacks the label: a label of which only the name is spelt otherwise is none,
        but its value counts, too.
        """
        return (
            (not self.kinds or spelling.kind in map(fold, self.kinds))
            and (not self.ids or any(map(spelling.has_id, self.ids)))
            and all(spelling.may_carry(name, wanted) for name, wanted in self.labels)
        )

    def missing_label(self, resource: Resource) -> str:
        """Give the first label that the resource does not carry as asked, or ""."""
        for name, wanted in self.labels:
            if resource.labels.get(name) != wanted:
                return f"{name}={wanted}"
        return ""


class ShiftEnd(NamedTuple):
    """That access ends with the duty it rests on.

    Attributes:
        grace: how much longer it lasts.
        without_end: how long it lasts where the duty has no end; None is not at all.
    """

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

    def denies(self, spelling: Spelling, facts: Facts) -> bool:
        """Whether this rule forbids that the resource be opened by any other."""
        if not (self.deny and self.resources.matches_for_deny(spelling)):
            return False
        return self.when is None or may_hold(self.when, facts)

    def proof(self, facts: Facts, notes: dict[Duty, str], unmet: list[str]) -> Proof | None:
        """Prove the rule's condition by what carries longest; None where it does not hold.

        `notes` takes what is said of each duty that was looked at ("" where it counts), `unmet`
        what else does not hold.
        """

        def judge(duty: Duty, objection: str) -> datetime | None:
            if not objection and duty.is_declared_by(facts.known_as):
                objection = "" if facts.self_declared else "declared by the requester himself"
            if not duty.runs_at(facts.now):
                objection = "it does not run now"
            until = objection or self.until(duty, facts.now)
            if isinstance(until, str):
                # That another condition means other duties tells less than what this one says.
                if notes.get(duty, NOT_LISTED) == NOT_LISTED:
                    notes[duty] = until
                return None
            notes[duty] = ""
            return until

        return prove(self.when, facts, judge, unmet) if self.when is not None else None

    def until(self, duty: Duty, now: datetime) -> datetime | str:
        """When access ends that rests on a duty, or why there can be none."""
        longest = now + self.duration
        if self.shift_end is None:
            return longest
        if duty.end is None:
            if duty.has_end:
                return UNREAD_END
            if self.shift_end.without_end is None:
                return "it has no end with which access could end"
            return min(longest, now + self.shift_end.without_end)
        end = _later(duty.end, self.shift_end.grace)
        if end - now < SHORTEST_LEFT:
            return "it is as good as over"
        return min(longest, end)


class Policy(NamedTuple):
    """What is allowed. A policy from settings has one rule, without a name.

    Attributes:
        aliases: by the e-mail of a request, those that this person has at the providers.
        self_declared: whether duties in an incident count that the requester declared himself.
        digest: what tells it apart, where that is known without looking at each rule.
    """

    rules: tuple[Rule, ...]
    aliases: Mapping[str, tuple[str, ...]] = _NO_ALIASES
    self_declared: bool = False
    digest: str = ""

    @property
    def fingerprint(self) -> str:
        """Tell policies apart in the log: the same one gives the same 16 hex digits anywhere."""
        parts = self.rules, tuple(sorted(self.aliases.items())), self.self_declared
        return self.digest or digest_of(_described(parts))

    def relevant_to(self, resources: Iterable[Sequence[Resource]]) -> Policy:
        """Leave out the rules that are for none of these resources: nearly all of a long policy.

        What is decided by the rest is the same. A policy's only rule says itself what it is not
        for.
        """
        if len(self.rules) == 1:
            return self
        asked = [each for some in resources for each in some]
        spellings = self.spellings(asked)
        near = [
            each
            for each in self.rules
            if (
                any(map(each.resources.matches_for_deny, spellings))
                if each.deny
                else any(map(each.resources.covers, asked))
            )
        ]
        return self._replace(rules=tuple(near))

    def spellings(self, resources: Iterable[Resource]) -> tuple[Spelling, ...]:
        """Fold the resources for the rules that deny; none where no rule does."""
        if not any(each.deny for each in self.rules):
            return ()
        return tuple(map(spelling_of, resources))

    def addresses(self, email: str) -> frozenset[str]:
        """Whose duties count for the requester of this e-mail, in normal form."""
        return frozenset((email, *self.aliases.get(email, ())))

    def known_as(self, email: str) -> frozenset[str]:
        """Every address that is known to be this person's, folded: what speaks against one, counts.

        Unlike the duties, which count one way only: another account would be a way around.
        """
        asking = emails.folded(email)
        found = {asking}
        for key, values in self.aliases.items():
            circle = {emails.folded(each) for each in (key, *values)}
            if asking in circle:
                found |= circle
        return frozenset(found)

    def objection_to_resource(self, resource: Resource, requester: Resource) -> str:
        """Say why a resource cannot be opened at all, or "" if rules decide."""
        if not (fold(resource.kind) and fold(resource.id)):
            return "a resource has no kind or no id"
        if resource.is_person and not resource.may_be(requester):
            return "a resource is another person"
        if any(not rule.deny and rule.resources.covers(resource) for rule in self.rules):
            return ""
        by_settings = next((rule for rule in self.rules if not rule.name), None)
        if by_settings and (label := by_settings.resources.missing_label(resource)):
            return f"a resource does not carry the label {label}"
        return f"no rule is for {resource.kind}:{resource.id}"


def simple(
    duration: timedelta,
    schedules: tuple[str, ...] = (),
    incident_roles: tuple[str, ...] = (),
    resource_labels: tuple[tuple[str, str], ...] = (),
    *,
    participants: bool = False,
    self_declared: bool = False,
    shift_end: ShiftEnd | None = None,
) -> Policy:
    """Make the policy that the settings describe.

    With neither schedules nor roles, any duty counts but a reporter's; with either, only duties
    named there do. Updates to an incident, and duties in one that their holder declared himself,
    count by a switch each; updates have no name, so they never count beside names. Where access
    ends with the shift, only duties with an end count: no role and no update has one.
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


def _later(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment


def _described(value: object) -> str:
    """Write a value out without what is left at its default: a field more changes nothing."""
    if not isinstance(value, tuple):
        return repr(value)
    if not isinstance(fields := getattr(value, "_fields", None), tuple):
        return f"({', '.join(map(_described, value))})"
    defaults = getattr(value, "_field_defaults", {})
    told = (
        f"{name}={_described(each)}"
        for name, each in zip(fields, value, strict=True)
        if name not in defaults or each != defaults[name]
    )
    return f"{type(value).__name__}({', '.join(told)})"


def digest_of(text: str) -> str:
    """Tell texts apart by 16 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
