"""The conditions of a rule. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, TypeVar

from handler import emails
from handler.durations import in_words
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty
from handler.folding import fold_domain

NOT_LISTED = "it is not among the schedules and roles that count"
# What `any` is read as, so that an empty list never means it.
ANY = None
FOREVER = datetime.max.replace(tzinfo=UTC)
_T = TypeVar("_T", bound=tuple[Any, ...])


def typed(cls: type[_T]) -> type[_T]:
    """Make a named tuple equal to others of its type only, without importing `dataclasses`."""
    cls.__eq__ = _equal  # type: ignore[method-assign]
    cls.__ne__ = _unequal  # type: ignore[assignment, method-assign]
    cls.__hash__ = _hash  # type: ignore[assignment, method-assign]
    return cls


def _equal(one: tuple[Any, ...], other: object) -> bool:
    return type(one) is type(other) and tuple.__eq__(one, other)


def _unequal(one: tuple[Any, ...], other: object) -> bool:
    return not _equal(one, other)


def _hash(one: tuple[Any, ...]) -> int:
    return hash((type(one), *one))


class Facts(NamedTuple):
    """What the rules are evaluated against.

    Attributes:
        email: the requester's, in normal form.
        addresses: those whose duties count for the requester.
        known_as: every address known to be theirs, folded, for what speaks against them.
        duties: the requester's, sorted.
        requested: for how long; None is as long as possible.
        self_declared: whether duties count in an incident that the requester declared.
    """

    email: str
    addresses: frozenset[str]
    known_as: frozenset[str]
    duties: tuple[Duty, ...]
    requested: timedelta | None
    now: datetime
    self_declared: bool = False


class AccessEnd(NamedTuple):
    """When access based on a duty ends, or the objection to granting any."""

    until: datetime | None = None
    objection: str = ""


class Proof(NamedTuple):
    """Whether a condition holds, by which duties, until when; and the trace of it.

    Attributes:
        notes: each duty that was checked, with the objection to it or "".
        unmet: the conditions on other things that do not hold.
    """

    holds: bool
    duties: tuple[Duty, ...] = ()
    until: datetime = FOREVER
    notes: tuple[tuple[Duty, str], ...] = ()
    unmet: tuple[str, ...] = ()


@typed
class OnCall(NamedTuple):
    """On call for one of these schedules, by name or id, at this provider or (if "") any."""

    schedules: tuple[str, ...] | None
    provider: str = ""
    max_level: int = 1

    def concerns(self, duty: Duty) -> bool:
        """Whether the condition is about this kind of duty."""
        return duty.kind == ON_CALL and self.provider in {"", duty.provider}

    def objection(self, duty: Duty) -> str:
        """Say why such a duty does not count, or ""."""
        if self.schedules is not ANY and (
            objection := _name_objection(duty, self.schedules, self.provider)
        ):
            return objection
        if duty.level > self.max_level:
            return f"its escalation level is {duty.level}, and only up to {self.max_level} counts"
        return ""


@typed
class IncidentRole(NamedTuple):
    """A role in a live incident, by name, shortform or id; `any` is any but the reporter's."""

    roles: tuple[str, ...] | None
    severities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def concerns(self, duty: Duty) -> bool:
        """Whether the condition is about this kind of duty."""
        return duty.kind == INCIDENT_ROLE

    def objection(self, duty: Duty) -> str:
        """Say why such a duty does not count, or ""."""
        if self.roles is not ANY and (objection := _name_objection(duty, self.roles)):
            return objection
        if self.roles is ANY and duty.reporter:
            return "counts only where the policy names it"
        if self.severities and not set(self.severities) & set(duty.severity):
            return f"the incident's severity is not {_alternatives(self.severities)}"
        if self.types and not set(self.types) & set(duty.type):
            return f"the incident's type is not {_alternatives(self.types)}"
        return ""


@typed
class PostedUpdate(NamedTuple):
    """An update posted to a live incident."""

    def concerns(self, duty: Duty) -> bool:
        """Whether the condition is about this kind of duty."""
        return duty.kind == INCIDENT_UPDATE

    def objection(self, _: Duty) -> str:
        """Say why such a duty does not count: every one does."""
        return ""


@typed
class Requester(NamedTuple):
    """The requester is one of these people, or of one of these domains."""

    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Whether the request's e-mail is one of these; a subdomain is another domain."""
        return facts.email in self.emails or facts.email.rpartition("@")[2] in self.domains

    def may_hold(self, facts: Facts) -> bool:
        """Whether any address known to be theirs is one of these, in any spelling."""
        if not facts.known_as.isdisjoint(map(emails.folded, self.emails)):
            return True
        domains = {address.rpartition("@")[2] for address in facts.known_as}
        return not domains.isdisjoint(map(fold_domain, self.domains))

    def __str__(self) -> str:
        """Name nobody: it goes into the log."""
        return "the requester is among those named"


@typed
class RequestedDuration(NamedTuple):
    """Access is requested for no longer than this."""

    up_to: timedelta

    def holds(self, facts: Facts) -> bool:
        """Whether it is; without a duration, it is as long as the policy allows."""
        return facts.requested is not None and facts.requested <= self.up_to

    def __str__(self) -> str:
        return f"at most {in_words(self.up_to)} is asked for"


@typed
class AnyOf(NamedTuple):
    """One of these is enough."""

    members: tuple[Condition, ...]


@typed
class AllOf(NamedTuple):
    """All of these are needed."""

    members: tuple[Condition, ...]


DutyCondition: TypeAlias = OnCall | IncidentRole | PostedUpdate
Condition: TypeAlias = DutyCondition | Requester | RequestedDuration | AnyOf | AllOf


def walk(condition: Condition | None, facts: Facts | None = None) -> Iterator[Condition]:
    """Give a condition and all those within it; given facts, only those that may hold."""
    if condition is None or not (facts is None or may_hold(condition, facts)):
        return
    yield condition
    if isinstance(condition, AnyOf | AllOf):
        for member in condition.members:
            yield from walk(member, facts)


def duty_conditions(
    condition: Condition | None, facts: Facts | None = None
) -> Iterator[DutyCondition]:
    """Give the conditions on duties within a condition, as `walk` does."""
    for member in walk(condition, facts):
        if isinstance(member, OnCall | IncidentRole | PostedUpdate):
            yield member


def accepts(condition: DutyCondition, duty: Duty) -> bool:
    """Whether a duty meets a condition."""
    return condition.concerns(duty) and not condition.objection(duty)


def may_hold(condition: Condition, facts: Facts) -> bool:
    """Whether a condition could hold, given any duties, and any duration if none is requested.

    By this a rule denies: leaving out the duration, or using another account, must not lift it.
    """
    if isinstance(condition, AnyOf):
        return any(may_hold(member, facts) for member in condition.members)
    if isinstance(condition, AllOf):
        return all(may_hold(member, facts) for member in condition.members)
    if isinstance(condition, RequestedDuration):
        return facts.requested is None or condition.holds(facts)
    return not isinstance(condition, Requester) or condition.may_hold(facts)


def prove(
    condition: Condition, facts: Facts, access_end: Callable[[Duty, Facts], AccessEnd]
) -> Proof:
    """Prove a condition by the duties that carry access longest, as `access_end` says."""
    if isinstance(condition, AnyOf | AllOf):
        proofs = [prove(member, facts, access_end) for member in condition.members]
        held = [proof for proof in proofs if proof.holds]
        if isinstance(condition, AnyOf):
            proof = max(held, key=lambda proof: proof.until, default=Proof(holds=False))
        else:
            duties = dict.fromkeys(duty for proof in held for duty in proof.duties)
            until = min((proof.until for proof in held), default=FOREVER)
            proof = Proof(len(held) == len(proofs), tuple(duties), until)
        return proof._replace(
            notes=tuple(note for part in proofs for note in part.notes),
            unmet=tuple(text for part in proofs for text in part.unmet),
        )
    if isinstance(condition, Requester | RequestedDuration):
        if condition.holds(facts):
            return Proof(holds=True)
        return Proof(holds=False, unmet=(f"it does not hold that {condition}",))
    best, notes = Proof(holds=False), []
    for duty in filter(condition.concerns, facts.duties):
        objection = condition.objection(duty)
        if not duty.runs_at(facts.now):
            objection = "it does not run now"
        end = AccessEnd(objection=objection) if objection else access_end(duty, facts)
        notes.append((duty, end.objection))
        if end.until is not None and not (best.holds and end.until <= best.until):
            best = Proof(True, (duty,), end.until)  # noqa: FBT003 - the first field
    return best._replace(notes=tuple(notes))


def _name_objection(duty: Duty, entries: tuple[str, ...], provider: str = "") -> str:
    """Say why none of these entries means the duty's schedule or role, or ""."""
    named = [entry for entry in entries if duty.is_named(entry)]
    # Where no provider is named, an id means the one thing that has it, whatever is called so.
    if any(provider or entry == duty.id or entry not in duty.ids_elsewhere for entry in named):
        return ""
    if named:
        return "its name is or may be another provider's id: the policy has to name its provider"
    if not duty.shared_names.isdisjoint(entries):
        return "its name may belong to another one too: the policy has to name it by id"
    return NOT_LISTED


def _alternatives(entries: tuple[str, ...]) -> str:
    return " or ".join(entries)
