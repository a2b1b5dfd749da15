"""What a rule asks for: duties, and who asks for how long. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from handler import emails
from handler.durations import in_words
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty
from handler.folding import fold_domain
from handler.rules.typed import typed

NOT_LISTED = "it is not among the schedules and roles that count"
# What is written out as `any`: told from a list that names nothing.
ANY = None


class Facts(NamedTuple):
    """What a rule is held against: one request, its maker's duties in order, and the time.

    Attributes:
        email: the requester's, in normal form.
        addresses: that one, and those that the policy says are the same person's.
        known_as: all that are known to be, those under which he is not asking, too; folded.
        asked: the time that was asked for; None where none was.
        self_declared: whether duties in an incident count that the requester declared himself.
    """

    email: str
    addresses: frozenset[str]
    known_as: frozenset[str]
    duties: tuple[Duty, ...]
    asked: timedelta | None
    now: datetime
    self_declared: bool = False


class Proof(NamedTuple):
    """That a condition holds, by which duties, and until when they carry; None is for good."""

    duties: tuple[Duty, ...] = ()
    until: datetime | None = None


Judge: TypeAlias = Callable[[Duty, str], datetime | None]


@typed
class OnCall(NamedTuple):
    """Being on call for a schedule that is named by name or id, or for any.

    `provider` is the name of the one that has to say so, or "" for whichever does.
    """

    schedules: tuple[str, ...] | None
    provider: str = ""
    max_level: int = 1

    def objection(self, duty: Duty) -> str | None:
        """Say why a duty does not do, "" if it does, None if it is of another kind."""
        if duty.kind != ON_CALL or self.provider not in {"", duty.provider}:
            return None
        if self.schedules is not ANY and (
            objection := _unnamed(duty, self.schedules, self.provider)
        ):
            return objection
        if duty.level > self.max_level:
            return f"its escalation level is {duty.level}, and only up to {self.max_level} counts"
        return ""


@typed
class IncidentRole(NamedTuple):
    """Holding a role in a live incident: by name, shortform or id, or any but the reporter's."""

    roles: tuple[str, ...] | None
    severities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def objection(self, duty: Duty) -> str | None:
        """Say why a duty does not do, "" if it does, None if it is of another kind."""
        if duty.kind != INCIDENT_ROLE:
            return None
        if self.roles is not ANY and (objection := _unnamed(duty, self.roles)):
            return objection
        if self.roles is ANY and duty.reporter:
            return "counts only where the policy names it"
        if self.severities and not set(self.severities) & set(duty.severity):
            return f"the incident's severity is not {_listed(self.severities)}"
        if self.types and not set(self.types) & set(duty.type):
            return f"the incident's type is not {_listed(self.types)}"
        return ""


@typed
class PostedUpdate(NamedTuple):
    """Having posted an update to a live incident."""

    def objection(self, duty: Duty) -> str | None:
        """Say "" of any such, None of every other duty."""
        return "" if duty.kind == INCIDENT_UPDATE else None


@typed
class Requester(NamedTuple):
    """Being one of these people, or of one of these domains."""

    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Whether the requester is, by the e-mail of the request. A subdomain is another domain."""
        return facts.email in self.emails or facts.email.rpartition("@")[2] in self.domains

    def may_hold(self, facts: Facts) -> bool:
        """Whether the requester is, by any address that is known to be his, however it is spelt."""
        if not facts.known_as.isdisjoint(map(emails.folded, self.emails)):
            return True
        domains = {each.rpartition("@")[2] for each in facts.known_as}
        return not domains.isdisjoint(map(fold_domain, self.domains))

    def __str__(self) -> str:
        """Say it without naming anybody: it goes into the log."""
        return "the requester is among those named"


@typed
class RequestedDuration(NamedTuple):
    """Asking for no longer than this."""

    up_to: timedelta

    def holds(self, facts: Facts) -> bool:
        """Whether that was asked; who asks for no time asks for all there is."""
        return facts.asked is not None and facts.asked <= self.up_to

    def __str__(self) -> str:
        """Say it as a policy's reader would."""
        return f"at most {in_words(self.up_to)} is asked for"


@typed
class AnyOf(NamedTuple):
    """One of these is enough."""

    members: tuple[Condition, ...]


@typed
class AllOf(NamedTuple):
    """All of these are needed."""

    members: tuple[Condition, ...]


Duties: TypeAlias = OnCall | IncidentRole | PostedUpdate
Condition: TypeAlias = Duties | Requester | RequestedDuration | AnyOf | AllOf


def needed(condition: Condition | None, facts: Facts) -> Iterable[Duties]:
    """Give the conditions on duties that could make a rule hold for this requester."""
    if isinstance(condition, AnyOf):
        for each in condition.members:
            yield from needed(each, facts)
    elif isinstance(condition, AllOf):
        if may_hold(condition, facts):
            for each in condition.members:
                yield from needed(each, facts)
    elif isinstance(condition, OnCall | IncidentRole | PostedUpdate):
        yield condition


def prove(condition: Condition, facts: Facts, judge: Judge, unmet: list[str]) -> Proof | None:
    """Prove a condition by the duties that carry longest; None where it does not hold.

    `judge` says until when a duty carries, or None; `unmet` takes what else does not hold.
    """
    if isinstance(condition, AnyOf):
        proofs = [prove(each, facts, judge, unmet) for each in condition.members]
        return max(filter(None, proofs), key=_carries, default=None)
    if isinstance(condition, AllOf):
        needed = [prove(each, facts, judge, unmet) for each in condition.members]
        held = [each for each in needed if each]
        if len(held) < len(needed):
            return None
        duties = dict.fromkeys(duty for each in held for duty in each.duties)
        ends = [each.until for each in held if each.until]
        return Proof(tuple(duties), min(ends, default=None))
    if isinstance(condition, Requester | RequestedDuration):
        if condition.holds(facts):
            return Proof()
        unmet.append(f"it does not hold that {condition}")
        return None
    best: Proof | None = None
    for duty in facts.duties:
        objection = condition.objection(duty)
        until = None if objection is None else judge(duty, objection)
        if until and (best is None or until > _carries(best)):
            best = Proof((duty,), until)
    return best


def _carries(proof: Proof) -> datetime:
    return proof.until or datetime.max.replace(tzinfo=UTC)


def may_hold(condition: Condition, facts: Facts) -> bool:
    """Say whether a condition could hold: of duties too, and where no time was asked for.

    A denying rule holds then: who leaves out how long, or asks by another account, lifts no denial.
    """
    if isinstance(condition, AnyOf):
        return any(may_hold(each, facts) for each in condition.members)
    if isinstance(condition, AllOf):
        return all(may_hold(each, facts) for each in condition.members)
    if isinstance(condition, RequestedDuration):
        return facts.asked is None or condition.holds(facts)
    return not isinstance(condition, Requester) or condition.may_hold(facts)


def _unnamed(duty: Duty, entries: tuple[str, ...], provider: str = "") -> str:
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


def _listed(entries: tuple[str, ...]) -> str:
    return " or ".join(entries)
