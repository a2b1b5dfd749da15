"""What the page shows: the space, the duties and the function's log, as words and choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from auditlog.explain import Line, duration_in_words, tree, why
from auditlog.record import is_decision
from handler.callers.indent import APPROVE, EXPIRES, REQUEST
from handler.durations import in_words, parse_duration, parse_instant
from handler.providers.registry import BY_ID
from handler.settings import Settings
from sandbox.function_log import FunctionLog
from sandbox.page.duty_board import DutyBoard, Member, SlotGroup
from sandbox.page.forms import reviewer_of
from sandbox.space import Space
from sandbox.space.claims import NO_REASON
from sandbox.space.petition import DENY, GRANT, REVOKE, Petition
from sandbox.space.resources import PERSON, ResourceStore, key_of

Json = dict[str, Any]
Sign = Literal["asked", "note", "yes", "no", "open", "ended", "waits"]
MAX_PETITIONS = 50
_VERBS = {"open": ("approve", "deny"), "granted": ("revoke",)}
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form had no effect.

    Attributes:
        place: the id of the element that it is shown at.
        sentence: what is wrong, and what would be right.
        field: the name of the form's field that it is about, if it is about one.
        status: the HTTP status of the answer.
    """

    place: str
    sentence: str
    field: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class BoardView:
    """One provider's duties, as they are now; `kinds` is what it has duties for."""

    id: str
    provider: str
    kinds: str
    people: Sequence[Member]
    groups: Sequence[SlotGroup]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose in a form."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class CardStatus:
    """Where a petition stands; `until` is when the access ends."""

    sign: Sign
    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a petition.

    Attributes:
        at: when; None for what is still awaited.
        sign: what kind of thing.
        text: what happened.
        until: when the access ends that it gave.
        quote: the reason that somebody gave.
        facts: what led to a decision.
    """

    at: datetime | None
    sign: Sign
    text: str
    until: datetime | None = None
    quote: str = ""
    facts: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A decision of the function in words.

    Attributes:
        petitions: the names of the petitions it is about.
        at: when it was made; None where the record does not say.
        approves: whether it opens something.
        headline: what was decided and why, in a sentence.
        facts: all that led to it, each with its own facts.
    """

    petitions: frozenset[str]
    at: datetime | None
    approves: bool
    headline: str
    facts: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class PetitionCard:
    """A petition; `verbs` are what a reviewer can do, `duration` is what was requested."""

    id: str
    name: str
    who: str
    what: str
    status: CardStatus
    entries: Sequence[TimelineEntry]
    verbs: Sequence[str]
    duration: timedelta | None
    is_over: bool
    reviewer: str


@dataclass(frozen=True, slots=True)
class PageView:
    """All that the template needs.

    Attributes:
        boards: none where the real providers are asked.
        providers: the providers that are asked, in words.
        people: who can request; none where anybody can.
        max_duration: how long the webhook approves at most.
        older_count: how many older petitions are left out.
        is_busy: whether news is expected any moment.
        problem: what is wrong with the form that was sent; its place is on the page.
    """

    space: str
    boards: Sequence[BoardView]
    providers: str
    people: Sequence[Choice]
    resources: Sequence[Choice]
    cards: Sequence[PetitionCard]
    max_duration: str
    dry_run: bool
    older_count: int
    is_busy: bool
    problem: Problem | None


class Presenter:
    """Makes the view of a space anew for each request."""

    def __init__(
        self, space: Space, boards: Sequence[DutyBoard], log: FunctionLog, settings: Settings
    ) -> None:
        self._space = space
        self._boards = boards
        self._log = log
        self._settings = settings

    def view(self, problem: Problem | None = None) -> PageView:
        """Everything as it is now."""
        boards = [
            BoardView(board.id, board.provider, board.kinds, board.people(), board.groups())
            for board in self._boards
        ]
        petitions = self._space.petitions.all()[::-1]
        decisions = [summary for summary in map(summarize_decision, self._log.records) if summary]
        resources = self._space.resources
        cards = [_card(petition, decisions, resources) for petition in petitions[:MAX_PETITIONS]]
        durations = (rule.duration for rule in self._settings.policy.rules)
        return PageView(
            space=self._space.name,
            boards=boards,
            providers=_enumerate([BY_ID[id_].name for id_ in self._settings.providers]),
            people=[_person_choice(person, boards) for person in resources.in_view("people")]
            if boards
            else [],
            resources=[
                Choice(":".join(key_of(resource)), _resource_names([resource]))
                for resource in resources.in_view("requestable")
            ],
            cards=cards,
            max_duration=in_words(max(durations, default=timedelta(0))),
            dry_run=self._settings.dry_run,
            older_count=len(petitions) - len(cards),
            is_busy=any(card.status.sign == "asked" for card in cards),
            problem=_place(problem, boards, cards),
        )


def summarize_decision(record: Mapping[str, Any]) -> DecisionSummary | None:
    """Read a record of the function's log; None where it isn't a decision's."""
    if not is_decision(record):
        return None
    is_approval, dry_run = record["outcome"] == "approve", bool(record["dry_run"])
    reason = why(record)
    if is_approval:
        verb = "would approve, but this is a dry run" if dry_run else "approves"
        reason = reason.removeprefix("dry run: ")
        headline = f"The webhook {verb}: {reason}, {_granted_duration(record)}."
    else:
        headline = f"The webhook leaves it to humans: {reason}."
    return DecisionSummary(
        frozenset(record["petitions"]),
        parse_instant(str(record["decided_at"])),
        is_approval and not dry_run,
        headline,
        tree(record).under,
    )


def _granted_duration(record: Mapping[str, Any]) -> str:
    """How long access lasts, and why no longer if more was requested."""
    granted, requested = record["duration"], record["trace"]["request"]["asked_duration"]
    text, limits = f"for {duration_in_words(granted)}", record["trace"]["limits"]
    lengths = parse_duration(granted), parse_duration(requested or "")
    if not (lengths[0] and lengths[1] and lengths[0] < lengths[1] and limits):
        return text
    return f"{text} instead of {duration_in_words(requested)}: {limits[-1]}"


def _card(
    petition: Petition, decisions: Sequence[DecisionSummary], resources: ResourceStore
) -> PetitionCard:
    reviewer = reviewer_of(petition).email
    person = resources.find_person(reviewer)
    return PetitionCard(
        id=f"petition-{petition.name}",
        name=petition.name,
        who=_names(petition.petitioners),
        what=_resource_names(petition.resources),
        status=_status(petition),
        entries=_timeline(petition, decisions),
        verbs=_VERBS.get(petition.phase, ()),
        duration=petition.duration,
        is_over=petition.phase in {"revoked", "closed"},
        reviewer=_names([person]) if person else reviewer,
    )


def _status(petition: Petition) -> CardStatus:
    """Where a petition stands; one that is over says how it ended."""
    if petition.phase == "open":
        if petition.reviewable:
            return CardStatus("waits", "Open: waits for a human")
        return CardStatus("asked", "Open: the webhook is asked")
    if petition.phase == "granted":
        return CardStatus("yes", _until_revoked("Granted", petition), petition.expires_at)
    last = petition.events[-1]
    if last["event"] == DENY:
        return CardStatus("no", "Denied")
    return CardStatus("ended", "Revoked" if last["actor"]["kind"] == PERSON else "Expired")


def _timeline(petition: Petition, decisions: Iterable[DecisionSummary]) -> list[TimelineEntry]:
    """All that happened, oldest first, and what is awaited."""
    requests = [_event_entry(petition, event) for event in petition.requests]
    notes = [TimelineEntry(_milliseconds(note.at), "note", note.text) for note in petition.notes]
    decision_entries = [
        TimelineEntry(
            decision.at,
            "yes" if decision.approves else "open",
            decision.headline,
            facts=decision.facts,
        )
        for decision in decisions
        if petition.name in decision.petitions
    ]
    changes = [_event_entry(petition, event) for event in _distinct_changes(petition.events)]
    # The sort is stable: at the same time, requests come first, and what they led to last.
    entries = [*requests, *notes, *decision_entries, *changes]
    entries.sort(key=lambda entry: entry.at or _BEGINNING)
    if petition.phase != "open":
        return entries
    awaited = "a human to approve or deny" if petition.reviewable else "the webhook's answer"
    return [*entries, TimelineEntry(None, "waits", f"Waiting for {awaited}.")]


def _event_entry(petition: Petition, event: Json) -> TimelineEntry:
    at, kind = parse_instant(event["timestamp"]), event["event"]
    reason = "" if event["reason"] == NO_REASON else event["reason"]
    actor, is_human = _names([event["actor"]]), event["actor"]["kind"] == PERSON
    if kind == REQUEST:
        duration = f" for {in_words(petition.duration)}" if petition.duration else ""
        text = f"{actor} asks for {_resource_names(petition.resources)}{duration}."
        return TimelineEntry(at, "asked", text, quote=reason)
    if kind == APPROVE:
        text = f"{actor}, a human, approves" if is_human else f"{actor} approves"
        end = parse_instant(event["meta"]["labels"].get(EXPIRES, ""))
        return TimelineEntry(at, "yes", text, end, reason)
    if kind == GRANT:
        text = _until_revoked("Access is granted", petition)
        return TimelineEntry(at, "yes", text, petition.expires_at)
    if kind == DENY:
        return TimelineEntry(at, "no", f"{actor} denies it.", quote=reason)
    if is_human:
        return TimelineEntry(at, "ended", f"{actor} revokes it: the access ends.", quote=reason)
    return TimelineEntry(at, "ended", "The time is up: the access ends.")


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


def _names(people: Sequence[Json]) -> str:
    return ", ".join(str(person.get("displayName") or person["id"]) for person in people)


def _resource_names(resources: Sequence[Json]) -> str:
    """The names of resources, with their ids where those differ."""
    names = ((_names([resource]), str(resource["id"])) for resource in resources)
    return ", ".join(name if name == id_ else f"{name} ({id_})" for name, id_ in names)


def _person_choice(person: Json, boards: Sequence[BoardView]) -> Choice:
    email = str(person.get("email", ""))
    duties = [
        f"{slot.name}, {group.short_title}"
        for board in boards
        for group in board.groups
        for slot in group.slots
        if slot.is_held_by(email)
    ]
    return Choice(email, f"{_names([person])}: {'; '.join(duties) or 'off duty'}")


def _enumerate(names: Sequence[str]) -> str:
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _place(
    problem: Problem | None, boards: Sequence[BoardView], cards: Sequence[PetitionCard]
) -> Problem | None:
    """Move a problem to the section's top if its place is not on the page (any more)."""
    if problem is None:
        return None
    places = {"request", *(card.id for card in cards)}
    places |= {
        f"slot-{slot.id}" for board in boards for group in board.groups for slot in group.slots
    }
    if problem.place in places:
        return problem
    section = "duties" if problem.place.startswith("slot-") else "petitions"
    return Problem(section, problem.sentence, status=problem.status)
