"""The conditions of a rule. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from handler import emails
from handler.durations import in_words
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty
from handler.folding import fold_domain
from handler.typing import Any, NamedTuple, TypeAlias, TypeVar

NOT_LISTED = "not a schedule or role that the rule accepts"
# How `any` is stored, so that an empty list never means it.
ANY = None
FOREVER = datetime.max.replace(tzinfo=UTC)
_T = TypeVar("_T", bound=tuple[Any, ...])


def typed(cls: type[_T]) -> type[_T]:
    """Make a named tuple equal only to others of its type, without importing `dataclasses`."""
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
        known_as: every known address of the requester, folded, for what speaks against them.
        duties: the requester's, sorted.
        requested: the requested duration; None means as long as possible.
        self_declared: whether roles in an incident that the requester declared count.
    """

    email: str
    addresses: frozenset[str]
    known_as: frozenset[str]
    duties: tuple[Duty, ...]
    requested: timedelta | None
    now: datetime
    self_declared: bool = False


class AccessEnd(NamedTuple):
    """When access based on a duty ends, or why the duty grants none."""

    until: datetime | None = None
    objection: str = ""


class Proof(NamedTuple):
    """Whether a condition holds, which duties prove it, until when, and the trace.

    Attributes:
        notes: each duty that was checked, with the objection to it or "".
        unmet: why the conditions on the request itself do not hold.
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
            accepted = (
                "level 1 counts" if self.max_level == 1 else f"levels 1 to {self.max_level} count"
            )
            return f"escalation level {duty.level}; only {accepted}"
        return ""


@typed
class IncidentRole(NamedTuple):
    """A role in a live incident, by name, shortform or id; `any` excludes the reporter's."""

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
            return "only counts if the policy names it"
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
        """Return "": every update counts."""
        return ""


@typed
class Requester(NamedTuple):
    """The requester has one of these e-mails or domains."""

    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Whether the request's e-mail matches exactly; a subdomain is another domain."""
        return facts.email in self.emails or facts.email.rpartition("@")[2] in self.domains

    def may_hold(self, facts: Facts) -> bool:
        """Whether any known address of the requester matches, in any spelling."""
        if not facts.known_as.isdisjoint(map(emails.folded, self.emails)):
            return True
        domains = {address.rpartition("@")[2] for address in facts.known_as}
        return not domains.isdisjoint(map(fold_domain, self.domains))

    def objection(self) -> str:
        """Say why it does not hold. It names nobody, since it is logged."""
        return "the requester is not one of the people or domains that it names"


@typed
class RequestedDuration(NamedTuple):
    """The requested duration is at most this long."""

    up_to: timedelta

    def holds(self, facts: Facts) -> bool:
        """Whether it holds; a request without a duration asks for the maximum."""
        return facts.requested is not None and facts.requested <= self.up_to

    def objection(self) -> str:
        """Say why it does not hold."""
        return f"it needs a request for {in_words(self.up_to)} or less"


@typed
class AnyOf(NamedTuple):
    """At least one member has to hold."""

    members: tuple[Condition, ...]


@typed
class AllOf(NamedTuple):
    """Every member has to hold."""

    members: tuple[Condition, ...]


DutyCondition: TypeAlias = OnCall | IncidentRole | PostedUpdate
Condition: TypeAlias = DutyCondition | Requester | RequestedDuration | AnyOf | AllOf


def walk(condition: Condition | None, facts: Facts | None = None) -> Iterator[Condition]:
    """Yield a condition and all nested ones; given facts, only those that may hold."""
    if condition is None or not (facts is None or may_hold(condition, facts)):
        return
    yield condition
    if isinstance(condition, AnyOf | AllOf):
        for member in condition.members:
            yield from walk(member, facts)


def duty_conditions(
    condition: Condition | None, facts: Facts | None = None
) -> Iterator[DutyCondition]:
    """Yield the conditions on duties within a condition, as `walk` does."""
    for member in walk(condition, facts):
        if isinstance(member, OnCall | IncidentRole | PostedUpdate):
            yield member


def accepts(condition: DutyCondition, duty: Duty) -> bool:
    """Whether a duty meets a condition."""
    return condition.concerns(duty) and not condition.objection(duty)


def may_hold(condition: Condition, facts: Facts) -> bool:
    """Whether a condition could hold, whatever the duties, and any duration if none is requested.

    Deny rules use this: nobody avoids one by omitting the duration or using another account.
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
    """Prove a condition with the duties that give the longest access, according to `access_end`."""
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
        return Proof(holds=False, unmet=(condition.objection(),))
    best, notes = Proof(holds=False), []
    for duty in filter(condition.concerns, facts.duties):
        objection = condition.objection(duty)
        if not duty.runs_at(facts.now):
            objection = "not active now"
        end = AccessEnd(objection=objection) if objection else access_end(duty, facts)
        notes.append((duty, end.objection))
        if end.until is not None and not (best.holds and end.until <= best.until):
            best = Proof(True, (duty,), end.until)  # noqa: FBT003 - the first field
    return best._replace(notes=tuple(notes))


def _name_objection(duty: Duty, entries: tuple[str, ...], provider: str = "") -> str:
    """Say why none of these entries identifies the duty's schedule or role, or ""."""
    named = [entry for entry in entries if duty.is_named(entry)]
    # Without a provider, an id means only the thing with that id, not others with that name.
    if any(provider or entry == duty.id or entry not in duty.ids_elsewhere for entry in named):
        return ""
    if named:
        return "its name may also be an id at another provider; the policy must name its provider"
    if not duty.shared_names.isdisjoint(entries):
        return "its name may not be unique; the policy must name it by id"
    return NOT_LISTED


def _alternatives(entries: tuple[str, ...]) -> str:
    return " or ".join(entries)
