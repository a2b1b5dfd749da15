"""Duties: who is on call or holds a role now, according to a provider. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from handler import emails
from handler.typing import NamedTuple

ON_CALL = "on_call"
INCIDENT_ROLE = "incident_role"
INCIDENT_UPDATE = "incident_update"
# Other things with names: how an incident is classified, and a provider's key.
SEVERITY, INCIDENT_TYPE, KEY = "severity", "incident_type", "key"
# How long a duty lasts, in words.
WHILE_LIVE = "for as long as the incident is live"
UNTIL_END, WITHOUT_END = "until the shift ends", "with no end"
# What the timelines of Opsgenie and JSM Operations show in full: an end behind it may be only that
# of the timeline.
CERTAIN = timedelta(days=7)
_BEST_EVIDENCE_FIRST = {INCIDENT_ROLE: 0, ON_CALL: 1}


class Duty(NamedTuple):
    """One person's duty.

    Attributes:
        provider: its display name (`incident.io`).
        kind: `ON_CALL`, `INCIDENT_ROLE` or `INCIDENT_UPDATE`.
        id, name, shortform: of the schedule or role at the provider.
        holder: the person's e-mail, in the form of `emails.normal`; not an address if the provider
            shows none, in which case it matches nobody (`ProviderSnapshot`). The policy may map the
            user to another one (`handler/identities.py`).
        level: the escalation level; 1 if there are none.
        start, end: of the shift; None if there is no such time, or it was not read.
        endless: whether the provider says that the shift has no end.
        link: where to look up the duty.
        incident: the incident's reference (`INC-42`), never its title.
        reporter: whether the role only says who declared the incident.
        severity, type: the incident's, as id and as name; empty if it has none.
        self_declared: whether the holder declared the incident, or may have.
        declarers: the e-mails, in normal form, and user ids of those who declared it.
        shared_names: its names that another schedule or role also has, or may have.
        ids_elsewhere: its names that are ids at another provider, or may be.
        user: the provider's id of the holder, which the policy may map to an e-mail.
        inactive: whether the holder's account is closed or isn't a person's: such a duty is only
            counted, and the policy can't map it.
        shown: the e-mail that the provider shows for a user whom the policy maps to another one.
        denied: whether a rule denies the request to the person with that e-mail.
    """

    provider: str
    kind: str
    id: str
    name: str
    holder: str
    shortform: str = ""
    level: int = 1
    start: datetime | None = None
    end: datetime | None = None
    endless: bool = False
    link: str = ""
    incident: str = ""
    reporter: bool = False
    severity: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    self_declared: bool = False
    declarers: frozenset[str] = frozenset()
    shared_names: frozenset[str] = frozenset()
    ids_elsewhere: frozenset[str] = frozenset()
    user: str = ""
    inactive: bool = False
    shown: str = ""
    denied: bool = False

    def is_named(self, entry: str) -> bool:
        """Whether an entry of the policy identifies this schedule or role, and no other one."""
        if not entry:
            return False
        named = entry in {self.name, self.shortform} and entry not in self.shared_names
        return entry == self.id or named

    def is_declared_by(self, addresses: frozenset[str]) -> bool:
        """Whether the person with these folded addresses declared the duty's incident."""
        return self.self_declared or not addresses.isdisjoint(map(emails.folded, self.declarers))

    def runs_at(self, now: datetime) -> bool:
        """Whether the duty is active: `start <= now < end`."""
        begun = self.start is None or self.start <= now
        return begun and (self.end is None or now < self.end)

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """The fields that identify a duty, whatever e-mail its user has according to the policy."""
        return self.provider, self.kind, self.id, self.incident, self.user or self.holder

    @property
    def has_end(self) -> bool:
        """Whether it ends at a known time: shifts do, roles do not."""
        return self.kind == ON_CALL and not self.endless

    @property
    def lasts(self) -> str:
        """How long it lasts; `end` says when the shift ends, if that is known."""
        if self.kind != ON_CALL:
            return WHILE_LIVE
        return WITHOUT_END if self.endless else UNTIL_END

    def known_end(self, now: datetime) -> datetime | None:
        """When the shift ends; None if that isn't certain, as with what a timeline cuts off."""
        if self.kind != ON_CALL or self.end is None or self.end - now > CERTAIN:
            return None
        return self.end.astimezone(UTC)

    @property
    def title(self) -> str:
        """Its name, or its id if the name contains an e-mail, as some schedules' names do."""
        if not emails.may_be_in(self.name):
            return self.name or self.id
        return emails.HIDDEN if emails.may_be_in(self.id) else self.id

    def describe(self, now: datetime) -> str:
        """Describe it: `on call for DBA (PagerDuty) until 14:00 UTC`; another day has a date."""
        incident = emails.HIDDEN if emails.may_be_in(self.incident) else self.incident
        if self.kind == INCIDENT_ROLE:
            words = f"{self.title} of {incident}"
        elif self.kind == ON_CALL:
            words = f"on call for {self.title}"
        else:
            words = f"posted an update to {incident}"
        words += f" ({self.provider})"
        end = self.known_end(now)
        if end is None:
            return words
        form = "%H:%M" if end.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
        return f"{words} until {end:{form}} UTC"

    def describe_evidence(self, now: datetime) -> str:
        """Describe it, and say how long it lasts, as far as that is known."""
        words = self.describe(now)
        return words if self.has_end else f"{words} {self.lasts}"


def sort_duties(duties: Iterable[Duty]) -> tuple[Duty, ...]:
    """Sort duties without duplicates, best evidence first; equal sets give equal results."""

    def key(duty: Duty) -> tuple[object, ...]:
        rank = _BEST_EVIDENCE_FIRST.get(duty.kind, len(_BEST_EVIDENCE_FIRST))
        # Every field, so that the order is total; the holder's e-mail comes last.
        fields = map(_sortable, duty._replace(holder=""))
        return rank, duty.incident, duty.name, duty.id, *fields, duty.holder

    distinct = dict.fromkeys(duties)
    return tuple(sorted(distinct, key=key) if len(distinct) > 1 else distinct)


def _sortable(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    if value is None or isinstance(value, datetime):
        return value is not None, value or ""
    return value


class ScheduleOrRole(NamedTuple):
    """A schedule, role or the like that a provider lists, whether anybody holds it or not.

    Attributes:
        enabled: whether the schedule is enabled; if not, nobody is on duty.
        path: of its API, if the provider has several APIs for schedules.
        in_use: whether it says that an escalation policy uses it.
    """

    provider: str
    kind: str
    id: str
    names: tuple[str, ...]
    enabled: bool = True
    path: str = ""
    in_use: bool = False


class Incident(NamedTuple):
    """A live incident.

    Attributes:
        reference: what people call it (`INC-42`).
        declarers: e-mail and user id of each person who declared it; either may be empty.
    """

    id: str
    reference: str
    declarers: tuple[tuple[str, str], ...]

    @property
    def declarer_names(self) -> frozenset[str]:
        """The e-mails and user ids of those who declared it."""
        return frozenset(name for person in self.declarers for name in person if name)

    def may_be_declared_by(self, holder: str, user_id: str) -> bool:
        """Whether a person declared it, or may have: e-mail and id may belong to one person."""
        folded = emails.folded(holder)
        for email, id_ in self.declarers:
            if folded == emails.folded(email) != "" or (user_id == id_ if user_id else not email):
                return True
        return False


class Failure(NamedTuple):
    """A question without a complete answer; its texts contain no secret and no e-mail."""

    provider: str
    question: str
    problem: str

    def __str__(self) -> str:
        return f"{self.provider} {self.question}: {self.problem}"


class ProviderUser(NamedTuple):
    """A provider's user, found by an e-mail that was asked about.

    Attributes:
        email: in normal form; "" if the provider does not show it.
        id: the provider's.
    """

    provider: str
    email: str
    id: str


class ProviderSnapshot(NamedTuple):
    """The providers' answers so far.

    Attributes:
        duties: those with a holder.
        incidents: the live ones, newest first.
        schedules_and_roles: all that were listed, whether anybody holds them or not.
        incomplete: provider and kind of each list that was not read completely.
        without_email: duties of people whose e-mail the provider does not show. They are kept
            apart, so that they can't approve anybody unless the policy maps the user.
        users: the users of the people who were asked about.
        complete_names: provider, kind and name of what was searched for by name or id: everything
            that has this name or id is listed, even if the list as a whole is incomplete.
        incomplete_names: the same of each search that failed.
    """

    duties: tuple[Duty, ...] = ()
    failures: tuple[Failure, ...] = ()
    incidents: tuple[Incident, ...] = ()
    schedules_and_roles: tuple[ScheduleOrRole, ...] = ()
    incomplete: frozenset[tuple[str, str]] = frozenset()
    without_email: tuple[Duty, ...] = ()
    users: tuple[ProviderUser, ...] = ()
    complete_names: frozenset[tuple[str, str, str]] = frozenset()
    incomplete_names: frozenset[tuple[str, str, str]] = frozenset()

    def merge(self, later: ProviderSnapshot) -> ProviderSnapshot:
        """Add later answers: a duty with an end replaces the same duty without one."""
        duties, ended = self.duties, [duty for duty in later.duties if duty.end]
        # A provider may have hundreds of duties: keep them unless this provider answered again.
        again = {duty.provider for duty in ended}
        if again and any(duty.provider in again for duty in duties):
            known = {duty.identity for duty in ended}
            duties = tuple(duty for duty in duties if duty.end or duty.identity not in known)
        return ProviderSnapshot(
            (*duties, *later.duties),
            self.failures + later.failures,
            self.incidents + later.incidents,
            self.schedules_and_roles + later.schedules_and_roles,
            self.incomplete | later.incomplete,
            self.without_email + later.without_email,
            self.users + later.users,
            self.complete_names | later.complete_names,
            self.incomplete_names | later.incomplete_names,
        )
