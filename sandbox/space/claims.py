"""Which claims about a petition count: those of people, and those of webhooks. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from handler import emails
from handler.callers.indent import APPROVE, DURATION, EXPIRES, PETITION
from handler.durations import format_go, format_instant, parse_duration, parse_instant
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from sandbox.space.api import (
    failed_precondition,
    invalid_argument,
    permission_denied,
    read_meta_labels,
)
from sandbox.space.permissions import is_petitioner
from sandbox.space.petition import DENY, REVOKE, Claim, Petition
from sandbox.space.resources import key_of
from sandbox.space.tokens import Owner

Json = dict[str, Any]
INDEFINITE = "indent.com/time/indefinite"
NO_REASON = "No reason given."
_CLAIMS_OF_PHASE = {"open": {APPROVE, DENY}, "granted": {REVOKE}}


class InvalidClaimError(Exception):
    """A webhook's claim does not count; the message says why."""


def claim_from_api(
    petition: Petition, body: Mapping[str, Any], owner: Owner, actor: Json, now: datetime
) -> Claim:
    """Read a claim that a person makes through the API.

    Its actor is that person, whatever the body says. It may name the petitioners that it is for
    (none means all), and names all of the resources or none.

    Raises:
        ApiError: its maker may not make it, it is wrong, or it does not fit the petition's phase.
        ShapeError: a field has the wrong type.
    """
    kind = get_str(body, "event")
    if kind not in {APPROVE, DENY, REVOKE}:
        raise invalid_argument(f"A claim's event must be one of {APPROVE}, {DENY} and {REVOKE}.")
    is_own = is_petitioner(owner, petition)
    if kind == APPROVE and is_own:
        raise permission_denied("You cannot approve your own petition.")
    if not owner.admin and not (kind == DENY and is_own):
        raise permission_denied(f"{owner.email} may not review this petition.")
    if kind not in _CLAIMS_OF_PHASE.get(petition.phase, ()):
        raise failed_precondition(f"A petition that is {petition.phase} takes no {kind}.")
    bodies = [as_object(value, "resources[]") for value in get_list(body, "resources")]
    people = [
        person for person in petition.petitioners if any(_is_for(item, person) for item in bodies)
    ]
    resources = [item for item in bodies if not any(_is_for(item, person) for person in people)]
    if resources and _sorted_keys(resources) != _sorted_keys(petition.resources):
        raise invalid_argument("The claim is not for exactly the petition's resources.")
    until = None
    if kind == APPROVE:
        until = _end_of_human_approval(petition, read_meta_labels(body), now)
    people = people or list(petition.petitioners)
    return _make_claim(petition, kind, actor, people, get_str(body, "reason"), until, now)


def claim_from_webhook(
    petition: Petition, value: object, bots: Sequence[Json], now: datetime
) -> Claim:
    """Read a webhook's claim; `bots` are the reviewers that this webhook speaks for.

    Raises:
        InvalidClaimError: it does not count.
    """
    try:
        return _read_webhook_claim(petition, as_object(value, "a claim"), bots, now)
    except ShapeError as error:
        raise InvalidClaimError(f"it has the wrong shape: {error}") from None


def _read_webhook_claim(
    petition: Petition, event: Mapping[str, Any], bots: Sequence[Json], now: datetime
) -> Claim:
    kind = get_str(event, "event")
    if kind not in {APPROVE, DENY}:
        raise InvalidClaimError("it is neither an approval nor a denial")
    actor = key_of(get_object(event, "actor"))
    bot = next((bot for bot in bots if key_of(bot) == actor), None)
    if bot is None:
        raise InvalidClaimError("its actor isn't an allowed reviewer")
    labels = read_meta_labels(event)
    if {labels[name] for name in PETITION if name in labels} != {petition.name}:
        raise InvalidClaimError("it does not carry this petition's label")
    first, *rest = [as_object(item, "resources[]") for item in get_list(event, "resources")] or [{}]
    people = [person for person in petition.petitioners if _is_for(first, person)]
    if not people:
        raise InvalidClaimError("its first resource isn't a petitioner")
    if _sorted_keys(rest) != _sorted_keys(petition.resources):
        raise InvalidClaimError("it is not for exactly the petition's resources")
    until = _end_of_bot_approval(labels, now) if kind == APPROVE else None
    return _make_claim(petition, kind, bot, people, get_str(event, "reason"), until, now)


def _end_of_bot_approval(labels: Mapping[str, str], now: datetime) -> datetime:
    """When a webhook's approval ends: it has to say so, and the end has to be ahead."""
    ends = []
    if DURATION in labels:
        ends.append(_after(now, parse_duration(labels[DURATION])))
    if EXPIRES in labels:
        ends.append(parse_instant(labels[EXPIRES]))
    end = min((end for end in ends if end), default=None)
    if end is None or None in ends:
        raise InvalidClaimError("it does not say for how long")
    if end <= now:
        raise InvalidClaimError("it has expired")
    return end


def _end_of_human_approval(
    petition: Petition, labels: Mapping[str, str], now: datetime
) -> datetime | None:
    """When a human's approval ends: as the claim says, else as requested, else never (None).

    Clients write "no duration" as `0s`, and "until revoked" as `-1ns` or the label for indefinite.
    """
    if labels.get(INDEFINITE) == "true":
        return None
    duration = parse_duration(labels.get(DURATION, "0s"))
    expires = parse_instant(labels[EXPIRES]) if EXPIRES in labels else None
    if duration is None or (EXPIRES in labels and (expires is None or expires <= now)):
        raise invalid_argument("The claim's duration or expiry can't be read, or has passed.")
    if duration > timedelta(0):
        ends = [_after(now, duration), expires]
        return min(end for end in ends if end)
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


def _is_for(resource: Mapping[str, Any], person: Json) -> bool:
    """Whether a claim's resource is this person: by kind and id, or by e-mail without an id."""
    if get_str(resource, "id"):
        return key_of(resource) == key_of(person)
    return emails.same(resource.get("email"), person["email"])


def _sorted_keys(resources: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return sorted(map(key_of, resources))


def _make_claim(
    petition: Petition,
    kind: str,
    actor: Json,
    people: Sequence[Json],
    reason: str,
    until: datetime | None,
    now: datetime,
) -> Claim:
    """Make the claim from checked values only: nothing else of the body gets into it."""
    resources = (*people, *petition.resources)
    event = petition.event(kind, now, actor, resources, reason or NO_REASON)
    event["meta"]["name"] = event["id"] = str(uuid.uuid4())
    if until:
        event["meta"]["labels"][EXPIRES] = format_instant(until)
        event["meta"]["labels"][DURATION] = format_go(until - now)
    return Claim(event, frozenset(person["id"] for person in people), until)
