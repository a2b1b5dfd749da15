"""The vendor's JSON of schedules, who is on call, and timelines.

Shapes: `Schedule`, `OnCall`, `Participant` and `ScheduleTimeline` of opsgenie/opsgenie-oas.
"""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.vendors.atlassian_json import Json, rotations
from sandbox.vendors.atlassian_query import instant
from sandbox.vendors.atlassian_records import Person, Responder, Schedule, Tables, kind_of
from sandbox.vendors.atlassian_timeline import Period
from sandbox.vendors.atlassian_tree import Participant, flattened


def meta(one: Schedule) -> Json:
    """What stands beside every answer about one schedule."""
    return {"id": one.id, "name": one.name, "enabled": one.enabled}


def schedule(one: Schedule, tables: Tables, *, with_rotations: bool) -> Json:
    """A schedule as it is set up; its rotations only if asked for."""
    team = tables.teams.get(one.team or "")
    return {
        **meta(one),
        "description": f"Who answers for {one.name}.",
        "timezone": "UTC",
        **({"ownerTeam": {"id": team.id, "name": team.name}} if team else {}),
        "rotations": rotations(one, tables, _named) if with_rotations else [],
    }


def on_call(one: Schedule, participants: Iterable[Participant], *, flat: bool) -> Json:
    """Who is on call: the tree, or the e-mails of all who are in it anywhere."""
    if flat:
        emails = [person.email for person in flattened(participants)]
        return {"_parent": meta(one), "onCallRecipients": emails}
    return {"_parent": meta(one), "onCallParticipants": _participants(participants)}


def period(one: Period) -> Json:
    """A stretch of a timeline; only what is past tells the people behind a team or escalation."""
    body: Json = {
        "startDate": instant(one.start),
        "endDate": instant(one.end),
        "type": one.kind,
        "recipient": _named(one.who),
    }
    if one.kind == "forwarding" and one.forwarded_from:
        body["fromUser"] = one.forwarded_from.email
    if one.kind == "historical":
        body["flattenedRecipients"] = [_named(person) for person in one.people]
    return body


def _participants(participants: Iterable[Participant]) -> list[Json]:
    return [_participant(one) for one in participants if one.who]


def _participant(one: Participant) -> Json:
    body = _named(one.who)
    if one.within:
        body["onCallParticipants"] = _participants(one.within)
    if one.after is not None:
        body |= {"escalationTime": one.after, "notifyType": "default"}
    if one.forwarded_from:
        body["forwardedFrom"] = _named(one.forwarded_from)
    return body


def user(one: Person) -> Json:
    """A user, whose username is the e-mail address."""
    return {
        "id": one.id,
        "username": one.email,
        "fullName": one.name,
        "role": {"id": "User", "name": "User"},
        "blocked": False,
        "verified": True,
    }


def _named(who: Responder | None) -> Json:
    """A user's name is the e-mail address, as it was written when the user was invited."""
    if who is None:
        return {"type": "none"}
    name = who.email if isinstance(who, Person) else who.name
    return {"id": who.id, "name": name, "type": kind_of(who)}
