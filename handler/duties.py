"""Duties: what a provider states about a person now. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

ON_CALL = "on_call"
INCIDENT_ROLE = "incident_role"
INCIDENT_UPDATE = "incident_update"


class Duty(NamedTuple):
    """One person's duty.

    Attributes:
        provider: the provider's name for people (`incident.io`).
        kind: `ON_CALL`, `INCIDENT_ROLE` or `INCIDENT_UPDATE`.
        id, name, shortform: what the schedule or role is called at the provider.
        holder: the person's e-mail, in the normal form of `emails.normal`; never empty.
        start, end: when the shift begins and ends; None where a duty has no such time.
        link: where a person can look the duty up.
        incident: the incident's reference (`INC-42`), never its title.
        reporter: whether the role only says who declared the incident.
        self_declared: whether the holder himself declared the incident.
        shared_names: those of its names that another schedule or role bears too, or might.
    """

    provider: str
    kind: str
    id: str
    name: str
    holder: str
    shortform: str = ""
    start: datetime | None = None
    end: datetime | None = None
    link: str = ""
    incident: str = ""
    reporter: bool = False
    self_declared: bool = False
    shared_names: frozenset[str] = frozenset()

    def goes_by(self, entry: str) -> bool:
        """Whether an entry of the policy means this schedule or role, and only this one."""
        if not entry:
            return False
        named = entry in {self.name, self.shortform} and entry not in self.shared_names
        return entry == self.id or named

    def runs_at(self, now: datetime) -> bool:
        """Whether the duty holds at a moment: `start <= now < end`."""
        begun = self.start is None or self.start <= now
        return begun and (self.end is None or now < self.end)

    def __str__(self) -> str:
        """Say it by reference: `Incident Lead of INC-42 (incident.io)`."""
        # Some schedules are named after a person's address, which is nobody else's business.
        name = self.id if "@" in self.name else self.name or self.id
        if self.kind == ON_CALL:
            words = f"on call for {name}"
            if self.end:
                words += f" until {self.end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        elif self.kind == INCIDENT_ROLE:
            words = f"{name} of {self.incident}"
        else:
            words = f"posted an update to {self.incident}"
        return f"{words} ({self.provider})"


class Titled(NamedTuple):
    """A schedule or role that the provider's answer shows, whether anyone holds it or not."""

    provider: str
    kind: str
    id: str
    names: tuple[str, ...]


class Incident(NamedTuple):
    """A live incident.

    Attributes:
        id: where it is asked for.
        reference: what people call it (`INC-42`).
        declarers: e-mail and user id of each person who declared it; one of both may be empty.
    """

    id: str
    reference: str
    declarers: tuple[tuple[str, str], ...]

    def declared_by(self, holder: str, user_id: str) -> bool:
        """Whether a person declared it, or might have: an id cannot be told from a mere e-mail."""
        return any(
            holder == email or (user_id == id_ if user_id else not email)
            for email, id_ in self.declarers
        )


class Failure(NamedTuple):
    """Something that a provider could not be asked, in words that hold no secret and no e-mail."""

    provider: str
    question: str
    problem: str

    def __str__(self) -> str:
        """Put provider, question and problem in one line."""
        return f"{self.provider} {self.question}: {self.problem}"


class Findings(NamedTuple):
    """All that the providers said: duties, and what they could not say."""

    duties: tuple[Duty, ...] = ()
    failures: tuple[Failure, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def joined(self, more: Findings) -> Findings:
        """Put together what was found in turn."""
        return Findings(
            self.duties + more.duties,
            self.failures + more.failures,
            self.incidents + more.incidents,
        )
