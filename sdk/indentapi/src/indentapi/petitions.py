"""Requests for access, and the claims about them: made, watched and reviewed."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Unpack, get_args

from indentapi import durations, validation
from indentapi.durations import Duration
from indentapi.errors import PetitionTimeoutError
from indentapi.resources import Creating, Deleting, PageFilters, Updating
from indentapi.settings import owner
from indentapi.transport import Transport
from indentapi.types import Event, Meta, Petition, Phase, Resource


class ClaimFilters(PageFilters, total=False):
    """What a list of claims can be narrowed by."""

    label_selector: str | None


class PetitionClaims(Creating[Event]):
    """`indent.petition.claims(name)`: those of one petition."""

    def __init__(self, transport: Transport, parent_path: str) -> None:
        super().__init__(
            transport,
            f"{parent_path}/claims",
            plural="claims",
            singular="claim",
            filters=ClaimFilters,
        )

    def iter(self, **filters: Unpack[ClaimFilters]) -> Iterator[Event]:
        """Every claim, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[ClaimFilters]) -> builtins.list[Event]:
        """Every claim of every page."""
        return [*self._iter(filters)]


class Claims(PetitionClaims, Deleting[Event]):
    """`indent.claim`: those of the whole space."""


_LAST_LOOK = 1.0
_ASKED = "indent.com/petition/duration"
_GRANTED_FOR = "indent.com/time/duration"
_CONFIG = "indent.com/app/config/id"


class PetitionFilters(PageFilters, total=False):
    """What a list of petitions can be narrowed by; `among` are names."""

    among: Sequence[str] | None
    full: bool | None
    label_selector: str | None
    ascending: bool | None


class Petitions(Updating[Petition], Deleting[Petition]):
    """`indent.petition`."""

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/petitions",
            plural="petitions",
            singular="petition",
            filters=PetitionFilters,
        )

    def iter(self, **filters: Unpack[PetitionFilters]) -> Iterator[Petition]:
        """Every petition, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[PetitionFilters]) -> builtins.list[Petition]:
        """Every petition of every page."""
        return [*self._iter(filters)]

    def create(
        self,
        *,
        reason: str,
        resources: Iterable[Resource],
        petitioners: Iterable[Resource] | None = None,
        default_duration: Duration | None = None,
        labels: Mapping[str, str] | None = None,
        wait_for_reviewable: bool = False,
    ) -> Petition:
        """Request access.

        Arguments:
            reason: why, for the reviewers; the API may want a few words.
            resources: what is requested; each needs its `kind` and `id`.
            petitioners: for whom; by default the owner of the token, where it names one.
            default_duration: for how long: a timedelta, a number of hours, or a text like `1h30m`.
            labels: of your own. They win over those that this method sets.
            wait_for_reviewable: have the API answer only when the petition can be approved.

        Raises:
            TypeError, ValueError: an argument is wrong; nothing has been sent.
            ConflictError: the API has this petition already.
        """
        settings = self._transport.settings
        petition: dict[str, Any] = {
            "spaceName": settings.space,
            "reason": validation.text(reason, "reason"),
            "resources": validation.resources(resources),
        }
        if petitioners is None:
            for_whom = _owner(settings.token)
        else:
            for_whom = validation.petitioners(petitioners)
        if for_whom:
            petition["petitioners"] = for_whom
        ours = {_CONFIG: f"space:{settings.space}"}
        if default_duration is not None:
            seconds = durations.whole_seconds(default_duration)
            petition["defaultDuration"] = durations.protobuf(seconds)
            ours[_ASKED] = durations.go(seconds)
        petition["meta"] = Meta(labels={**ours, **validation.labels(labels or {}, "labels")})
        wait = validation.boolean(wait_for_reviewable, "wait_for_reviewable")
        options = {"waitForReviewable": True} if wait else {}
        return self._send("POST", self._path, petition, **options)

    def url(self, petition: Petition) -> str:
        """Where people see and review it; for a sandbox, the page that SANDBOX_PAGE names."""
        validation.petition(petition)
        return self._transport.settings.page_of(petition["spaceName"], petition["name"])

    def claims(self, name: str) -> PetitionClaims:
        """What reviewers said about the petition of that name."""
        return PetitionClaims(self._transport, self._path_of(name))

    def wait_for(self, name: str, *, timeout: float | None = 10.0) -> Petition:
        """Return the petition once it is decided: its phase is no longer `draft` or `open`.

        Arguments:
            name: of the petition.
            timeout: the most seconds to wait, None for as many as it takes.

        Raises:
            PetitionTimeoutError: it is still undecided then. It stays open.
        """
        validation.timeout(timeout)
        clock = self._transport.clock
        start = clock.monotonic()
        for interval in intervals():
            left = None if timeout is None else start + timeout - clock.monotonic()
            petition = self.get(name, within=None if left is None else max(left, _LAST_LOOK))
            if phase(petition) not in {"draft", "open"}:
                return petition
            left = None if timeout is None else start + timeout - clock.monotonic()
            if left is not None and left <= 0:
                break
            clock.sleep(interval if left is None else min(interval, left))
        raise PetitionTimeoutError(
            f"petition {name} is undecided after {timeout:g} s. To wait longer, pass "
            "timeout=SECONDS, or None for as long as it takes. "
            f"It stays open: {self.url(petition)}",
            petition,
        )

    def approve(
        self, name: str, *, reason: str = "", duration: Duration | None = None
    ) -> builtins.list[Event]:
        """Grant it, for that long or else for the time that was asked; one claim a petitioner."""
        labels = {}
        if duration is not None:
            labels[_GRANTED_FOR] = durations.go(durations.whole_seconds(duration))
        return self._review("access/approve", name, reason, labels)

    def deny(self, name: str, *, reason: str = "") -> builtins.list[Event]:
        """Refuse it, or withdraw one's own; one claim a petitioner."""
        return self._review("access/deny", name, reason)

    def revoke(self, name: str, *, reason: str = "") -> builtins.list[Event]:
        """End the access that it gave; one claim a petitioner."""
        return self._review("access/revoke", name, reason)

    def _review(
        self,
        event: Literal["access/approve", "access/deny", "access/revoke"],
        name: str,
        reason: str,
        labels: dict[str, str] | None = None,
    ) -> builtins.list[Event]:
        validation.optional_text(reason, "reason")
        petition, claims = self.get(name), self.claims(name)
        made = []
        for petitioner in [[p] for p in petition.get("petitioners", [])] or [[]]:
            claim: Event = {
                "event": event,
                "resources": [*petitioner, *petition.get("resources", [])],
            }
            if reason:
                claim["reason"] = reason
            if labels:
                claim["meta"] = {"labels": labels}
            made.append(claims.create(claim))
        return made


def phase(petition: Petition) -> Phase:
    """Where it stands; one without a state is `open`, as one that the API does not know is."""
    named = petition.get("state", {}).get("status", {}).get("phase", "open")
    return named if named in get_args(Phase) else "open"


def _owner(token: str) -> list[Resource]:
    email = owner(token)
    return [{"kind": "user", "email": email}] if email else []


_FIRST, _GROWTH, _LONGEST = 0.005, 1.3, 2.0


def intervals() -> Iterator[float]:
    """The seconds between one look and the next: 0.005 at first, growing to 2."""
    interval = _FIRST
    while True:
        yield interval
        interval = min(interval * _GROWTH, _LONGEST)
