"""A petition's story: its events, what was noted around it and the decisions, in order. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from auditlog.explain import Line
from handler.callers.indent import APPROVE, EXPIRES, REQUEST
from handler.durations import in_words, parse_instant
from sandbox.page import words
from sandbox.space.petition import DENY, GRANT, REVOKE, Petition
from sandbox.space.resources import PERSON
from sandbox.space.rules import NO_REASON

Json = dict[str, Any]
Sign = Literal["asked", "note", "yes", "no", "open", "ended", "waits"]
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step.

    Attributes:
        at: when; None for what is still to come.
        sign: what kind of step.
        text: what happened.
        until: when what it gave ends.
        quote: the reason that somebody gave.
        facts: what is behind a decision.
    """

    at: datetime | None
    sign: Sign
    text: str
    until: datetime | None = None
    quote: str = ""
    facts: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Where a petition stands; `until` is when the access ends."""

    sign: Sign
    text: str
    until: datetime | None = None


def status(petition: Petition) -> Status:
    """Say where it stands; one that is over says how it ended."""
    if petition.phase == "open":
        if petition.reviewable:
            return Status("waits", "Open: waits for a human")
        return Status("asked", "Open: the webhook is asked")
    if petition.phase == "granted":
        return Status("yes", _granted("Granted", petition), petition.expires_at)
    last = petition.events[-1]
    if last["event"] == DENY:
        return Status("no", "Denied")
    return Status("ended", "Revoked" if last["actor"]["kind"] == PERSON else "Expired")


def entries(petition: Petition, verdicts: Iterable[words.Verdict]) -> list[Entry]:
    """All of it, oldest first; the last may say what is awaited."""
    requests = [_event(petition, each) for each in petition.requests]
    notes = [Entry(_cut(each.at), "note", each.text) for each in petition.notes]
    decided = [
        Entry(each.at, "yes" if each.approves else "open", each.headline, facts=each.facts)
        for each in verdicts
        if petition.name in each.petitions
    ]
    rest = [_event(petition, each) for each in _each_change_once(petition.events)]
    # A stable order: of what bears one time, requests come first, and what they led to last.
    told = sorted([*requests, *notes, *decided, *rest], key=lambda each: each.at or _NEVER)
    return [*told, *_awaited(petition)]


def who(people: Sequence[Json]) -> str:
    """Name people, as the catalogue calls them."""
    return ", ".join(str(each.get("displayName") or each["id"]) for each in people)


def things(resources: Sequence[Json]) -> str:
    """Name resources, with their ids where they are called otherwise."""
    named = ((str(each.get("displayName") or each["id"]), str(each["id"])) for each in resources)
    return ", ".join(name if name == id_ else f"{name} ({id_})" for name, id_ in named)


def _awaited(petition: Petition) -> Iterator[Entry]:
    if petition.phase == "open" and not petition.reviewable:
        yield Entry(None, "waits", "Waiting for the webhook's answer.")
    elif petition.phase == "open":
        yield Entry(None, "waits", "Waiting for a human to approve or deny.")


def _event(petition: Petition, event: Json) -> Entry:
    at, kind = parse_instant(event["timestamp"]), event["event"]
    reason = "" if event["reason"] == NO_REASON else event["reason"]
    actor, human = who([event["actor"]]), event["actor"]["kind"] == PERSON
    if kind == REQUEST:
        length = f" for {in_words(petition.duration)}" if petition.duration else ""
        text = f"{actor} asks for {things(petition.resources)}{length}."
        return Entry(at, "asked", text, quote=reason)
    if kind == APPROVE:
        text = f"{actor}, a human, approves" if human else f"{actor} approves"
        end = parse_instant(event["meta"]["labels"].get(EXPIRES, ""))
        return Entry(at, "yes", text, end, reason)
    if kind == GRANT:
        return Entry(at, "yes", _granted("Access is granted", petition), petition.expires_at)
    if kind == DENY:
        return Entry(at, "no", f"{actor} denies it.", quote=reason)
    text = f"{actor} revokes it: the access ends." if human else "The time is up: the access ends."
    return Entry(at, "ended", text, quote=reason if human else "")


def _granted(words_: str, petition: Petition) -> str:
    """Say so where it has no end: else the template adds it."""
    return words_ if petition.expires_at else f"{words_} until revoked"


def _each_change_once(events: Sequence[Json]) -> Iterator[Json]:
    """What followed the requests; a grant is one step, not one for each person and thing."""
    seen: set[tuple[str, str]] = set()
    for each in events:
        key = each["event"], each["timestamp"]
        if each["event"] == REQUEST or (each["event"] in {GRANT, REVOKE} and key in seen):
            continue
        seen.add(key)
        yield each


def _cut(moment: datetime) -> datetime:
    """To milliseconds, as events are told."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
