"""A request as a card: where it stands, what happened, and what a reviewer can do.

The space calls a request a petition, as Indent's protocol does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from auditlog.explain import Line
from handler.callers.indent import APPROVE, EXPIRES, REQUEST
from handler.durations import in_words, parse_instant
from sandbox.demo_data import REVIEWERS
from sandbox.page.decisions import DecisionSummary
from sandbox.page.forms import reviewer_of
from sandbox.space.claims import NO_REASON
from sandbox.space.petition import DENY, GRANT, REVOKE, Petition
from sandbox.space.resources import PERSON, ResourceStore

Json = dict[str, Any]
Sign = Literal["asked", "note", "yes", "no", "open", "ended", "waits"]
_ACTIONS = {"open": ("approve", "deny"), "granted": ("revoke",)}
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CardStatus:
    """Where a request stands.

    Attributes:
        sign: what kind of state it is.
        text: the state in words.
        until: when the access ends.
        quote: the reason that a person gave for ending it.
    """

    sign: Sign
    text: str
    until: datetime | None = None
    quote: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a request.

    Attributes:
        at: when; None for what is still awaited.
        sign: what kind of thing.
        text: what happened.
        until: when the access ends that it gave.
        quote: the reason that somebody gave.
        reasons: what led to a decision.
        is_technical: whether it only matters to people who look into the protocol.
    """

    at: datetime | None
    sign: Sign
    text: str
    until: datetime | None = None
    quote: str = ""
    reasons: tuple[Line, ...] = ()
    is_technical: bool = False


@dataclass(frozen=True, slots=True)
class RequestCard:
    """A request.

    Attributes:
        id: the id of its element; clients of the API link to it.
        name: the petition's name.
        who, what: who requests which resources.
        entries: what happened, oldest first.
        technical_entries, technical_lines: the same in the protocol's and the log's detail.
        actions: what a reviewer can do.
        reviewer: who that is.
        is_own: whether the usual reviewer made the request.
        duration: what was requested.
    """

    id: str
    name: str
    who: str
    what: str
    status: CardStatus
    entries: Sequence[TimelineEntry]
    technical_entries: Sequence[TimelineEntry]
    technical_lines: Sequence[Line]
    actions: Sequence[str]
    reviewer: str
    is_own: bool
    duration: timedelta | None


def make_card(
    petition: Petition, decisions: Sequence[DecisionSummary], resources: ResourceStore
) -> RequestCard:
    """Make the card of a petition.

    Args:
        petition: the petition.
        decisions: what the function decided about it.
        resources: where the reviewer's name is.
    """
    reviewer = reviewer_of(petition).email
    person = resources.find_person(reviewer)
    status, entries = _status(petition), _timeline(petition, decisions)
    return RequestCard(
        id=f"petition-{petition.name}",
        name=petition.name,
        who=display_names(petition.petitioners),
        what=display_names(petition.resources),
        status=status,
        entries=[entry for entry in entries if not entry.is_technical],
        technical_entries=[entry for entry in entries if entry.is_technical],
        technical_lines=[line for decision in decisions for line in decision.technical],
        actions=() if status.sign == "asked" else _ACTIONS.get(petition.phase, ()),
        reviewer=display_names([person]) if person else reviewer,
        is_own=reviewer != REVIEWERS[0],
        duration=petition.duration,
    )


def display_names(people: Sequence[Json]) -> str:
    """The names of people or resources."""
    return ", ".join(str(person.get("displayName") or person["id"]) for person in people)


def names_with_ids(resources: Sequence[Json]) -> str:
    """The names of resources, with their ids where those differ."""
    names = ((display_names([resource]), str(resource["id"])) for resource in resources)
    return ", ".join(name if name == id_ else f"{name} ({id_})" for name, id_ in names)


def _status(petition: Petition) -> CardStatus:
    """Where a petition stands."""
    if petition.phase == "open":
        if petition.reviewable:
            return CardStatus("waits", "Waiting for a human")
        return CardStatus("asked", "Asking the webhook")
    if petition.phase == "granted":
        return CardStatus("yes", _until_revoked("Granted", petition), petition.expires_at)
    return _final_status(petition)


def _final_status(petition: Petition) -> CardStatus:
    """How a petition ended, by whom, and why."""
    last = petition.events[-1]
    by, quote = f" by {display_names([last['actor']])}", _reason_of(last)
    if last["event"] == DENY:
        return CardStatus("no", f"Denied{by}", quote=quote)
    if last["event"] != REVOKE:
        return CardStatus("ended", "Closed")
    if last["actor"]["kind"] == PERSON:
        return CardStatus("ended", f"Revoked{by}", quote=quote)
    return CardStatus("ended", "Expired")


def _timeline(petition: Petition, decisions: Sequence[DecisionSummary]) -> list[TimelineEntry]:
    """All that happened, oldest first, and what is awaited."""
    is_explained = _is_explained(petition, decisions)
    requests = [_event_entry(petition, event) for event in petition.requests]
    notes = [
        TimelineEntry(_milliseconds(note.at), "note", note.text, is_technical=is_explained)
        for note in petition.notes
    ]
    decision_entries = [
        TimelineEntry(
            decision.at,
            "yes" if decision.approves else "open",
            decision.headline,
            reasons=decision.reasons,
        )
        for decision in decisions
    ]
    changes = [
        _event_entry(petition, event, is_explained=is_explained)
        for event in _distinct_changes(petition.events)
    ]
    # The sort is stable: at the same time, requests come first, and what they led to last.
    entries = [*requests, *notes, *decision_entries, *changes]
    entries.sort(key=lambda entry: entry.at or _BEGINNING)
    if petition.phase != "open":
        return entries
    awaited = "a human to approve or deny" if petition.reviewable else "the webhook's answer"
    return [*entries, TimelineEntry(None, "waits", f"Waiting for {awaited}.")]


def _is_explained(petition: Petition, decisions: Sequence[DecisionSummary]) -> bool:
    """Whether the decisions in the log say all that the webhook's answers led to.

    They don't if the function was not reached or if the space ignored its claims.
    """
    is_closed_otherwise = petition.phase == "closed" and petition.events[-1]["event"] == REQUEST
    by_webhook = any(claim.event["actor"]["kind"] != PERSON for claim in petition.claims)
    approves = any(decision.approves for decision in decisions)
    return bool(decisions) and by_webhook == approves and not is_closed_otherwise


def _event_entry(petition: Petition, event: Json, *, is_explained: bool = False) -> TimelineEntry:
    at, kind, reason = parse_instant(event["timestamp"]), event["event"], _reason_of(event)
    actor, is_human = display_names([event["actor"]]), event["actor"]["kind"] == PERSON
    if kind == REQUEST:
        duration = f" for {in_words(petition.duration)}" if petition.duration else ""
        text = f"{actor} requests {names_with_ids(petition.resources)}{duration}."
        return TimelineEntry(at, "asked", text, quote=reason)
    if kind == APPROVE:
        end = parse_instant(event["meta"]["labels"].get(EXPIRES, ""))
        text, is_technical = f"{actor} approves", is_explained and not is_human
        return TimelineEntry(at, "yes", text, end, reason, is_technical=is_technical)
    if kind == GRANT:
        text = _until_revoked("Access is granted", petition)
        return TimelineEntry(at, "yes", text, petition.expires_at, is_technical=True)
    if kind == DENY:
        return TimelineEntry(at, "no", f"{actor} denies the request.", quote=reason)
    if is_human:
        return TimelineEntry(at, "ended", f"{actor} revokes the access.", quote=reason)
    return TimelineEntry(at, "ended", "The time is up: the access has ended.")


def _reason_of(event: Json) -> str:
    return "" if event["reason"] == NO_REASON else str(event["reason"])


def _until_revoked(text: str, petition: Petition) -> str:
    """Say so where the access has no end; the template adds an end."""
    return text if petition.expires_at else f"{text} until revoked"


def _distinct_changes(events: Sequence[Json]) -> Iterator[Json]:
    """What followed the requests; a grant is one step, not one for each person and resource."""
    seen: set[tuple[str, str]] = set()
    for event in events:
        kind = event["event"]
        key = kind, event["timestamp"]
        if kind == REQUEST or (kind in {GRANT, REVOKE} and key in seen):
            continue
        seen.add(key)
        yield event


def _milliseconds(moment: datetime) -> datetime:
    """Cut to milliseconds, which is what the timestamps of events have."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
