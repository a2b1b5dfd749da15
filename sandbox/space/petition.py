"""A petition (an access request) and its phases, as values: each step makes a new one. No I/O.

Phases: open (awaits review) -> granted -> revoked -> closed. A denial closes at once, so "closed"
alone does not say why: the events do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from handler.callers.indent import APPROVE, PETITION, REQUEST, REQUESTED_DURATION
from handler.durations import format_go, format_instant

Json = dict[str, Any]
Phase = Literal["open", "granted", "revoked", "closed"]
DENY, GRANT, REVOKE = "access/deny", "access/grant", "access/revoke"
_TIME = "indent.com/time/"
# A petition closes by itself after it has been revoked for so long, as in Indent.
_CLOSES_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """A valid claim.

    Attributes:
        event: the claim as the API returns it.
        petitioners: the ids of the people that an approval is for.
        until: when an approval ends; None for one until revoked.
    """

    event: Json
    petitioners: frozenset[str] = frozenset()
    until: datetime | None = None

    @property
    def name(self) -> str:
        """The claim's name."""
        return str(self.event["meta"]["name"])

    @property
    def kind(self) -> str:
        """`access/approve`, `access/deny` or `access/revoke`."""
        return str(self.event["event"])


@dataclass(frozen=True, slots=True)
class Note:
    """Something without an event in the API: a webhook was called, or a claim was refused."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Petition:
    """A petition.

    Attributes:
        petitioners, resources: as the space knows them; what else the client sent is ignored.
        events: all that happened, as the API returns it.
        claims: the valid ones.
        reviewable: whether every webhook has been asked.
    """

    name: str
    space: str
    reason: str
    petitioners: tuple[Json, ...]
    resources: tuple[Json, ...]
    labels: Mapping[str, str]
    created_at: datetime
    duration: timedelta | None = None
    phase: Phase = "open"
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    events: tuple[Json, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[Note, ...] = ()
    reviewable: bool = False

    @property
    def requests(self) -> list[Json]:
        """The request events, one for each petitioner."""
        return [event for event in self.events if event["event"] == REQUEST]

    def with_note(self, text: str, now: datetime) -> Petition:
        """This petition, with a note."""
        return replace(self, notes=(*self.notes, Note(now, text)))

    def event(
        self, name: str, now: datetime, actor: Json, resources: tuple[Json, ...], reason: str = ""
    ) -> Json:
        """Make an event; the petition's own labels about time are on its requests only."""
        labels = {
            label: value
            for label, value in self.labels.items()
            if name == REQUEST or not label.startswith(_TIME)
        }
        return {
            "event": name,
            "timestamp": format_instant(now),
            "reason": reason or self.reason,
            "actor": actor,
            "resources": list(resources),
            "meta": {"labels": labels},
        }

    def as_json(self) -> Json:
        """The body that the API answers with."""
        meta: Json = {
            "name": self.name,
            "space": self.space,
            "labels": dict(self.labels),
            "createTime": format_instant(self.created_at),
        }
        if self.expires_at:
            meta["expireTime"] = format_instant(self.expires_at)
        body: Json = {
            "name": self.name,
            "spaceName": self.space,
            "reason": self.reason,
            "petitioners": list(self.petitioners),
            "resources": list(self.resources),
            "meta": meta,
            "state": {"status": {"phase": self.phase}, "eventHistory": list(self.events)},
        }
        if self.duration:
            body["defaultDuration"] = f"{int(self.duration.total_seconds())}s"
        return body


def open_petition(petition: Petition) -> Petition:
    """Add one request event for each petitioner, and the labels that only the space sets."""
    labels = {**petition.labels, **dict.fromkeys(PETITION, petition.name)}
    if petition.duration:
        labels[REQUESTED_DURATION] = format_go(petition.duration)
    petition = replace(petition, labels=labels)
    events = tuple(
        petition.event(REQUEST, petition.created_at, person, petition.resources)
        for person in petition.petitioners
    )
    return replace(petition, events=events)


def add_claim(petition: Petition, claim: Claim, now: datetime) -> Petition:
    """Add a valid claim, and change the phase accordingly.

    Access is granted once each petitioner has an approval that has not ended. It ends for all
        with the earliest one.
    """
    events, claims = (*petition.events, claim.event), (*petition.claims, claim)
    petition = replace(petition, events=events, claims=claims)
    if claim.kind == DENY:
        return replace(petition, phase="closed")
    if claim.kind == REVOKE:
        return replace(petition, phase="revoked", revoked_at=now)
    approvals = [
        approval
        for approval in claims
        if approval.kind == APPROVE and (approval.until is None or approval.until > now)
    ]
    approved = {id_ for approval in approvals for id_ in approval.petitioners}
    if not approved.issuperset(person["id"] for person in petition.petitioners):
        return petition
    ends = [approval.until for approval in approvals if approval.until]
    grants = _changes(petition, GRANT, now)
    expires_at = min(ends, default=None)
    return replace(petition, phase="granted", expires_at=expires_at, events=(*events, *grants))


def advance(petition: Petition, now: datetime) -> Petition:
    """Change the phase if an end has passed."""
    end = petition.expires_at
    if petition.phase == "granted" and end and end <= now:
        revocations = _changes(petition, REVOKE, end, "The access has expired.")
        events = (*petition.events, *revocations)
        petition = replace(petition, phase="revoked", revoked_at=end, events=events)
    if petition.revoked_at and petition.revoked_at + _CLOSES_AFTER <= now:
        petition = replace(petition, phase="closed")
    return petition


def _changes(petition: Petition, name: str, now: datetime, reason: str = "") -> list[Json]:
    """One event for each person and resource, in that order, as a change webhook gets them."""
    actor = {"kind": "indent.v1.Space", "id": petition.space, "displayName": petition.space}
    return [
        petition.event(name, now, actor, (person, resource), reason)
        for person in petition.petitioners
        for resource in petition.resources
    ]
