"""Who may do what to a petition, and what a claim must hold to count. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from handler import emails
from handler.callers.indent import APPROVE, DURATION, EXPIRES, PETITION
from handler.durations import format_go, format_instant, parse_duration, parse_instant
from handler.json_fields import ShapeError, as_object, as_str, get_list, get_object, get_str
from sandbox.space.errors import FAILED_PRECONDITION, INVALID_ARGUMENT, PERMISSION_DENIED, ApiError
from sandbox.space.petition import DENY, REVOKE, Claim, Petition
from sandbox.space.resources import key_of
from sandbox.space.tokens import Owner

Json = dict[str, Any]
INDEFINITE = "indent.com/time/indefinite"
NO_REASON = "No reason given."
# Which claims a phase takes.
_TAKES = {"open": {APPROVE, DENY}, "granted": {REVOKE}}


class NotCountedError(Exception):
    """A webhook's claim does not count; the message says why."""


def may_request_for(owner: Owner, petitioners: Sequence[Mapping[str, Any]]) -> None:
    """Let everybody request for himself, and administrators for others.

    Raises:
        ApiError: otherwise.
    """
    if not owner.admin and not all(emails.same(owner.email, each["email"]) for each in petitioners):
        raise ApiError(PERMISSION_DENIED, "Only an administrator may request for others.")


def may_change(owner: Owner, petition: Petition) -> None:
    """Let its petitioners and administrators change a petition, or do away with it.

    Raises:
        ApiError: otherwise.
    """
    if not owner.admin and not _petitions(owner, petition):
        raise ApiError(PERMISSION_DENIED, "This is somebody else's petition.")


def closes(petition: Petition, body: Mapping[str, Any]) -> bool:
    """Whether an update closes a petition: that is the one change of phase that an update makes.

    Raises:
        ApiError: it asks for another one, or the petition is granted, which only a claim ends.
    """
    phase = get_str(
        get_object(get_object(body, "state"), "status", "state."), "phase", "state.status."
    )
    if phase in {"", petition.phase}:
        return False
    if phase != "closed":
        raise ApiError(INVALID_ARGUMENT, f"An update cannot make a petition {phase}.")
    if petition.phase == "granted":
        raise ApiError(FAILED_PRECONDITION, "The petition is granted: revoke it first.")
    return True


def may_administrate(owner: Owner) -> None:
    """Let administrators change what the space is made of.

    Raises:
        ApiError: otherwise.
    """
    if not owner.admin:
        raise ApiError(PERMISSION_DENIED, "Only an administrator may change this.")


def made_claim(
    petition: Petition, body: Mapping[str, Any], owner: Owner, actor: Json, now: datetime
) -> Claim:
    """Take a claim made through the API: it is its maker's, whatever the body says of an actor.

    It may name the petitioners that it is for (all, where it names none), and has to name all of
    the resources or none.

    Raises:
        ApiError: who makes it may not, it is wrong, or the petition is past it.
    """
    kind = get_str(body, "event")
    if kind not in {APPROVE, DENY, REVOKE}:
        raise ApiError(
            INVALID_ARGUMENT, f"A claim's event is one of {APPROVE}, {DENY} and {REVOKE}."
        )
    own = _petitions(owner, petition)
    if kind == APPROVE and own:
        raise ApiError(PERMISSION_DENIED, "Nobody approves a petition of their own.")
    if not owner.admin and not (kind == DENY and own):
        raise ApiError(PERMISSION_DENIED, f"{owner.email} may not review this petition.")
    if kind not in _TAKES.get(petition.phase, ()):
        raise ApiError(FAILED_PRECONDITION, f"A petition that is {petition.phase} takes no {kind}.")
    named = [as_object(each, "resources[]") for each in get_list(body, "resources")]
    people = [person for person in petition.petitioners if any(_is(person, one) for one in named)]
    things = [one for one in named if not any(_is(person, one) for person in people)]
    if things and _keys(things) != _keys(petition.resources):
        raise ApiError(INVALID_ARGUMENT, "The claim is not for exactly the petition's resources.")
    until = _asked_end(petition, _labels(body), now) if kind == APPROVE else None
    people = people or list(petition.petitioners)
    return _claim(petition, kind, actor, people, get_str(body, "reason"), until, now)


def webhook_claim(petition: Petition, value: object, bots: Sequence[Json], now: datetime) -> Claim:
    """Take a webhook's claim; `bots` are the reviewers that this webhook speaks for.

    Raises:
        NotCountedError: it does not count.
    """
    try:
        event = as_object(value, "a claim")
        return _webhook_claim(petition, event, bots, now)
    except ShapeError as error:
        raise NotCountedError(f"it has the wrong shape: {error}") from None


def _webhook_claim(
    petition: Petition, event: Mapping[str, Any], bots: Sequence[Json], now: datetime
) -> Claim:
    kind = get_str(event, "event")
    if kind not in {APPROVE, DENY}:
        raise NotCountedError("it is neither an approval nor a denial")
    actor = key_of(get_object(event, "actor"))
    bot = next((each for each in bots if key_of(each) == actor), None)
    if bot is None:
        raise NotCountedError("its actor is no allowed reviewer")
    labels = _labels(event)
    if {labels[name] for name in PETITION if name in labels} != {petition.name}:
        raise NotCountedError("it does not carry this petition's label")
    first, *things = [as_object(each, "resources[]") for each in get_list(event, "resources")] or [
        {}
    ]
    people = [person for person in petition.petitioners if _is(person, first)]
    if not people:
        raise NotCountedError("its first resource is no petitioner")
    if _keys(things) != _keys(petition.resources):
        raise NotCountedError("it is not for exactly the petition's resources")
    until = _told_end(labels, now) if kind == APPROVE else None
    return _claim(petition, kind, bot, people, get_str(event, "reason"), until, now)


def _told_end(labels: Mapping[str, str], now: datetime) -> datetime:
    """When a webhook's approval ends: it has to say so, and what it says has to be ahead."""
    ends = []
    if DURATION in labels:
        ends.append(_after(now, parse_duration(labels[DURATION])))
    if EXPIRES in labels:
        ends.append(parse_instant(labels[EXPIRES]))
    end = min((each for each in ends if each), default=None)
    if end is None or None in ends:
        raise NotCountedError("it does not say for how long")
    if end <= now:
        raise NotCountedError("it has expired")
    return end


def _asked_end(petition: Petition, labels: Mapping[str, str], now: datetime) -> datetime | None:
    """When a human's approval ends: as the claim says, else as was asked for, else never.

    Clients write "no duration" as `0s` and "until revoked" as `-1ns` or the label for indefinite.
    """
    if labels.get(INDEFINITE) == "true":
        return None
    duration = parse_duration(labels.get(DURATION, "0s"))
    expires = parse_instant(labels[EXPIRES]) if EXPIRES in labels else None
    if duration is None or (EXPIRES in labels and (expires is None or expires <= now)):
        raise ApiError(
            INVALID_ARGUMENT, "The claim's duration or expiry can't be read, or has passed."
        )
    if duration > timedelta(0):
        ends = [_after(now, duration), expires]
        return min(each for each in ends if each)
    if expires or duration < timedelta(0):
        return expires
    return _after(now, petition.duration) if petition.duration else None


def _after(now: datetime, duration: timedelta | None) -> datetime | None:
    if duration is None:
        return None
    try:
        return now + duration
    except OverflowError:
        return datetime.max.replace(tzinfo=now.tzinfo)


def _petitions(owner: Owner, petition: Petition) -> bool:
    return any(emails.same(owner.email, person["email"]) for person in petition.petitioners)


def _is(person: Json, resource: Mapping[str, Any]) -> bool:
    """Whether a resource of a claim is this person, by kind and id, or by e-mail without an id."""
    if get_str(resource, "id"):
        return key_of(resource) == key_of(person)
    return emails.same(resource.get("email"), person["email"])


def _keys(resources: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return sorted(map(key_of, resources))


def _labels(event: Mapping[str, Any]) -> dict[str, str]:
    labels = get_object(get_object(event, "meta"), "labels", "meta.")
    return {name: as_str(value, "a value of meta.labels") for name, value in labels.items()}


def _claim(
    petition: Petition,
    kind: str,
    actor: Json,
    people: Sequence[Json],
    reason: str,
    until: datetime | None,
    now: datetime,
) -> Claim:
    """Make the claim anew from what was checked: nothing unread of the given one is kept."""
    resources = (*people, *petition.resources)
    event = petition.event(kind, now, actor, resources, reason or NO_REASON)
    event["meta"]["name"] = event["id"] = str(uuid.uuid4())
    if until:
        event["meta"]["labels"][EXPIRES] = format_instant(until)
        event["meta"]["labels"][DURATION] = format_go(until - now)
    return Claim(event, frozenset(person["id"] for person in people), until)
