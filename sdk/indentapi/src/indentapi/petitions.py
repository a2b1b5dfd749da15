"""Petitions (Indent's word for access requests): create, wait for, review, and their claims."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Unpack, get_args
from urllib.parse import quote

from indentapi.api_types import Event, Meta, Petition, Phase, Resource
from indentapi.durations import Duration, format_go, format_protobuf, parse_duration
from indentapi.errors import PetitionTimeoutError
from indentapi.resources import CreateMixin, DeleteMixin, PageFilters, UpdateMixin
from indentapi.transport import Transport
from indentapi.validation import (
    check_bool,
    check_labels,
    check_optional_text,
    check_petition,
    check_petitioners,
    check_resources,
    check_text,
    check_timeout,
)

_PUBLIC_PAGE = "https://indent.com/access"
_INITIAL_INTERVAL, _INTERVAL_GROWTH, _MAX_INTERVAL = 0.005, 1.3, 2.0
# The last request before a timeout gets at least this long to be answered.
_MIN_REQUEST_SECONDS = 1.0
_REQUESTED_DURATION_LABEL = "indent.com/petition/duration"
_GRANTED_DURATION_LABEL = "indent.com/time/duration"
_CONFIG_LABEL = "indent.com/app/config/id"


class ClaimFilters(PageFilters, total=False):
    """The filters of a list of claims."""

    label_selector: str | None


class PetitionClaims(CreateMixin[Event]):
    """`indent.petition.claims(name)`: the claims about one petition."""

    _path_name = "claims"
    _items_key = "claims"
    _item_key = "claim"
    _filters = ClaimFilters

    def iter(self, **filters: Unpack[ClaimFilters]) -> Iterator[Event]:
        """Every claim, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[ClaimFilters]) -> builtins.list[Event]:
        """Every claim of every page."""
        return [*self._iter(filters)]


class Claims(PetitionClaims, DeleteMixin[Event]):
    """`indent.claim`: the claims of the whole space."""


class PetitionFilters(PageFilters, total=False):
    """The filters of a list of petitions; `among` takes names."""

    among: Sequence[str] | None
    full: bool | None
    label_selector: str | None
    ascending: bool | None


class Petitions(UpdateMixin[Petition], DeleteMixin[Petition]):
    """`indent.petition`.

    Arguments:
        transport: the connection to the API.
        parent_path: of the space.
        space_name: that petitions are made in.
        owner_email: of the token; petitions are for them by default.
        sandbox_page: where people see a sandbox's petitions, `""` for the public site.
    """

    _path_name = "petitions"
    _items_key = "petitions"
    _item_key = "petition"
    _filters = PetitionFilters

    def __init__(
        self,
        transport: Transport,
        parent_path: str,
        *,
        space_name: str,
        owner_email: str | None,
        sandbox_page: str,
    ) -> None:
        super().__init__(transport, parent_path)
        self._space_name: str = space_name
        self._owner_email: str | None = owner_email
        self._sandbox_page: str = sandbox_page

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
        petition: dict[str, Any] = {
            "spaceName": self._space_name,
            "reason": check_text(reason, "reason"),
            "resources": check_resources(resources),
        }
        if petitioners is not None:
            petition["petitioners"] = check_petitioners(petitioners)
        elif self._owner_email:
            petition["petitioners"] = [{"kind": "user", "email": self._owner_email}]
        default_labels = {_CONFIG_LABEL: f"space:{self._space_name}"}
        if default_duration is not None:
            seconds = parse_duration(default_duration)
            petition["defaultDuration"] = format_protobuf(seconds)
            default_labels[_REQUESTED_DURATION_LABEL] = format_go(seconds)
        petition["meta"] = Meta(labels={**default_labels, **check_labels(labels or {}, "labels")})
        check_bool(wait_for_reviewable, "wait_for_reviewable")
        options = {"waitForReviewable": True} if wait_for_reviewable else {}
        return self._send("POST", self._path, petition, **options)

    def url(self, petition: Petition) -> str:
        """Where people see and review it; for a sandbox, the page that SANDBOX_PAGE names."""
        check_petition(petition)
        return petition_url(petition["spaceName"], petition["name"], self._sandbox_page)

    def claims(self, name: str) -> PetitionClaims:
        """The claims about the petition of that name: the decisions of reviewers."""
        return PetitionClaims(self._transport, self._item_path(name))

    def wait_for(self, name: str, *, timeout: float | None = 10.0) -> Petition:
        """Return the petition once it is decided: its phase is no longer `draft` or `open`.

        Arguments:
            name: of the petition.
            timeout: the most seconds to wait, None for no limit.

        Raises:
            PetitionTimeoutError: it is still undecided, and stays open.
        """
        check_timeout(timeout)
        clock = self._transport.clock
        start = clock.monotonic()
        for interval in intervals():
            remaining = None if timeout is None else start + timeout - clock.monotonic()
            within = None if remaining is None else max(remaining, _MIN_REQUEST_SECONDS)
            petition = self.get(name, within=within)
            if phase(petition) not in {"draft", "open"}:
                return petition
            remaining = None if timeout is None else start + timeout - clock.monotonic()
            if remaining is not None and remaining <= 0:
                break
            clock.sleep(interval if remaining is None else min(interval, remaining))
        raise PetitionTimeoutError(
            f"petition {name} is undecided after {timeout:g} s. It stays open until somebody "
            f"decides at {self.url(petition)}. To wait longer, pass timeout=SECONDS, or "
            "timeout=None for no limit.",
            petition,
        )

    def approve(
        self, name: str, *, reason: str = "", duration: Duration | None = None
    ) -> builtins.list[Event]:
        """Grant it, by default for the requested duration; one claim per petitioner."""
        labels = {}
        if duration is not None:
            labels[_GRANTED_DURATION_LABEL] = format_go(parse_duration(duration))
        return self._review("access/approve", name, reason, labels)

    def deny(self, name: str, *, reason: str = "") -> builtins.list[Event]:
        """Refuse it, or withdraw your own; one claim per petitioner."""
        return self._review("access/deny", name, reason)

    def revoke(self, name: str, *, reason: str = "") -> builtins.list[Event]:
        """End the access that it gave; one claim per petitioner."""
        return self._review("access/revoke", name, reason)

    def _review(
        self,
        event: Literal["access/approve", "access/deny", "access/revoke"],
        name: str,
        reason: str,
        labels: dict[str, str] | None = None,
    ) -> builtins.list[Event]:
        check_optional_text(reason, "reason")
        petition, claims = self.get(name), self.claims(name)
        created = []
        for petitioner in [[p] for p in petition.get("petitioners", [])] or [[]]:
            claim: Event = {
                "event": event,
                "resources": [*petitioner, *petition.get("resources", [])],
            }
            if reason:
                claim["reason"] = reason
            if labels:
                claim["meta"] = {"labels": labels}
            created.append(claims.create(claim))
        return created


def phase(petition: Petition) -> Phase:
    """The phase of a petition; `open` if it has none, or one that isn't known here."""
    value = petition.get("state", {}).get("status", {}).get("phase", "open")
    return value if value in get_args(Phase) else "open"


def intervals() -> Iterator[float]:
    """The seconds between polls: 0.005 at first, so that an instant decision shows, up to 2."""
    interval = _INITIAL_INTERVAL
    while True:
        yield interval
        interval = min(interval * _INTERVAL_GROWTH, _MAX_INTERVAL)


def petition_url(space_name: str, name: str, sandbox_page: str = "") -> str:
    """Where people see a petition: on the sandbox's page, or on Indent's site."""
    if sandbox_page:
        return f"{sandbox_page}/#petition-{quote(name, safe='')}"
    return f"{_PUBLIC_PAGE}/{quote(space_name, safe='')}/{quote(name, safe='')}"
