"""The vendor's JSON of schedules, who is on call, and timelines.

Shapes: `Schedule`, `OnCall`, `Participant` and `ScheduleTimeline` of opsgenie/opsgenie-oas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sandbox.doubles.atlassian_query import instant
from sandbox.doubles.atlassian_records import Person, Responder, Schedule, Tables, kind_of
from sandbox.doubles.atlassian_timeline import Period, Window, periods
from sandbox.doubles.atlassian_tree import Participant, flattened

Json = dict[str, Any]


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
        "rotations": _rotations(one, tables) if with_rotations else [],
    }


def on_call(one: Schedule, participants: Iterable[Participant], *, flat: bool) -> Json:
    """Who is on call: the tree, or the e-mails of all who are in it anywhere."""
    if flat:
        emails = [person.email for person in flattened(participants)]
        return {"_parent": meta(one), "onCallRecipients": emails}
    return {"_parent": meta(one), "onCallParticipants": _participants(participants)}


def timeline(
    one: Schedule, tables: Tables, shown: Window, now: datetime, expand: Collection[str]
) -> Json:
    """Who was, is and will be on call; `base` is before forwardings, which is not who it is."""
    body = {
        "_parent": meta(one),
        "startDate": instant(shown.start),
        "endDate": instant(shown.end),
        "finalTimeline": _layer(one, tables, shown, now, forwarded=True),
    }
    if "base" in expand:
        body["baseTimeline"] = _layer(one, tables, shown, now, forwarded=False)
    if "override" in expand:
        body["overrideTimeline"] = {"rotations": []}
    if "forwarding" in expand:
        body["forwardingTimeline"] = _layer(
            one, tables, shown, now, forwarded=True, kinds=("forwarding",)
        )
    return body


def _layer(
    one: Schedule,
    tables: Tables,
    shown: Window,
    now: datetime,
    *,
    forwarded: bool,
    kinds: Collection[str] = ("base", "forwarding", "historical"),
) -> Json:
    return {
        "rotations": [
            {
                "id": _rotation_id(one, order),
                "name": name,
                "order": float(order),
                "periods": [
                    _period(each)
                    for each in periods(tables, shifts, shown, now, forwarded=forwarded)
                    if each.kind in kinds
                ],
            }
            for order, (name, shifts) in enumerate(one.rotations().items(), 1)
        ]
    }


def _period(one: Period) -> Json:
    body: Json = {
        "startDate": instant(one.start),
        "endDate": instant(one.end),
        "type": one.kind,
        "recipient": _named(one.who) if one.who else {"type": "none"},
    }
    if one.kind == "forwarding" and one.forwarded_from:
        body["fromUser"] = one.forwarded_from.email
    if one.kind == "historical":
        body["flattenedRecipients"] = [_named(person) for person in one.people]
    return body


def _rotations(one: Schedule, tables: Tables) -> list[Json]:
    """Everybody in each rotation, on shift or not: a reader must not take them for on call."""
    everybody = tables.responders()
    return [
        {
            "id": _rotation_id(one, order),
            "name": name,
            "startDate": instant(shifts[0].start),
            "type": "weekly",
            "length": 1,
            "participants": [
                _named(everybody[who])
                for who in dict.fromkeys(shift.who for shift in shifts)
                if who
            ],
        }
        for order, (name, shifts) in enumerate(one.rotations().items(), 1)
    ]


def _rotation_id(one: Schedule, order: int) -> str:
    return f"{one.id[:-4]}{order:04}"


def _participants(participants: Iterable[Participant]) -> list[Json]:
    return [_participant(one, one.who) for one in participants if one.who]


def _participant(one: Participant, who: Responder) -> Json:
    body = _named(who)
    if one.within:
        body["onCallParticipants"] = _participants(one.within)
    if one.after is not None:
        body |= {"escalationTime": one.after, "notifyType": "default"}
    if one.forwarded_from:
        body["forwardedFrom"] = _named(one.forwarded_from)
    return body


def _named(who: Responder) -> Json:
    """A user's name is the e-mail address, as it was written when the user was invited."""
    name = who.email if isinstance(who, Person) else who.name
    return {"id": who.id, "name": name, "type": kind_of(who)}
