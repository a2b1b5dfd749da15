"""A petition and how it goes from phase to phase, as values: each step gives a new one. No I/O.

Phases: open (awaits review) -> granted -> revoked -> closed; a denial closes at once. "Closed" by
itself does not say why: the events do.
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
# How long a petition is seen as revoked before it closes by itself.
CLOSES_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that counts.

    Attributes:
        event: the claim as it is kept and shown.
        petitioners: the ids of whom an approval is for.
        until: when an approval ends; None is until revoked.
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
    """What happened around a petition that is no event of it: a webhook asked, a claim refused."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Petition:
    """A request as the API sees it; `petitioners` and `resources` are the catalogue's."""

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

    def noted(self, text: str, now: datetime) -> Petition:
        """With a note."""
        return replace(self, notes=(*self.notes, Note(now, text)))

    def event(
        self, name: str, now: datetime, actor: Json, resources: tuple[Json, ...], reason: str = ""
    ) -> Json:
        """Make an event of this petition; what its maker says of time is for the request alone."""
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


def opened(petition: Petition) -> Petition:
    """Begin: one request event for each petitioner, under labels that only the space sets."""
    labels = {**petition.labels, **dict.fromkeys(PETITION, petition.name)}
    if petition.duration:
        labels[REQUESTED_DURATION] = format_go(petition.duration)
    begun = replace(petition, labels=labels)
    events = tuple(
        begun.event(REQUEST, begun.created_at, person, begun.resources)
        for person in begun.petitioners
    )
    return replace(begun, events=events)


def claimed(petition: Petition, claim: Claim, now: datetime) -> Petition:
    """Add a claim that counts, and take the step that it leads to.

    An approval grants once every petitioner has one that still runs; the earliest end holds for
    all of them.
    """
    one = replace(
        petition, events=(*petition.events, claim.event), claims=(*petition.claims, claim)
    )
    if claim.kind == DENY:
        return replace(one, phase="closed")
    if claim.kind == REVOKE:
        return replace(one, phase="revoked", revoked_at=now)
    running = [each for each in one.claims if each.until is None or each.until > now]
    approvals = [each for each in running if each.kind == APPROVE]
    covered = frozenset[str]().union(*(each.petitioners for each in approvals))
    if not covered.issuperset(person["id"] for person in one.petitioners):
        return one
    ends = [each.until for each in approvals if each.until]
    granted = replace(one, phase="granted", expires_at=min(ends, default=None))
    return replace(granted, events=(*granted.events, *_changes(granted, GRANT, now)))


def at(petition: Petition, now: datetime) -> Petition:
    """What time alone has made of it."""
    if petition.phase == "granted" and petition.expires_at and petition.expires_at <= now:
        ended = petition.expires_at
        events = (*petition.events, *_changes(petition, REVOKE, ended, "The access has expired."))
        petition = replace(petition, phase="revoked", revoked_at=ended, events=events)
    if petition.revoked_at and petition.revoked_at + CLOSES_AFTER <= now:
        petition = replace(petition, phase="closed")
    return petition


def _changes(petition: Petition, name: str, now: datetime, reason: str = "") -> list[Json]:
    """One event for each person and thing, in that order, as a webhook for changes gets them."""
    actor = {"kind": "indent.v1.Space", "id": petition.space, "displayName": petition.space}
    return [
        petition.event(name, now, actor, (person, thing), reason)
        for person in petition.petitioners
        for thing in petition.resources
    ]
