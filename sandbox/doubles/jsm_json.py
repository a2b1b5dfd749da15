"""The vendor's JSON of schedules, who is on call, timelines, escalations and users.

Shapes: "List schedules", "List on-call responders", "Get schedule timeline" and "List escalations"
of the JSM Operations API; `User` of the Jira Cloud platform API. Everybody is an id here: of a
person an account id, and of nothing a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sandbox.doubles.atlassian_query import instant
from sandbox.doubles.atlassian_records import (
    Escalation,
    Person,
    Responder,
    Schedule,
    Tables,
    kind_of,
)
from sandbox.doubles.atlassian_timeline import Period, Window, periods
from sandbox.doubles.atlassian_tree import Participant, flattened

Json = dict[str, Any]

_NOBODY = {"type": "noone"}


def schedule(one: Schedule, tables: Tables, *, with_rotations: bool) -> Json:
    """A schedule as it is set up; its rotations only if asked for."""
    return {
        "id": one.id,
        "name": one.name,
        "description": f"Who answers for {one.name}.",
        "timezone": "UTC",
        "enabled": one.enabled,
        **({"teamId": one.team} if one.team else {}),
        **({"rotations": _rotations(one, tables)} if with_rotations else {}),
    }


def on_call(participants: Iterable[Participant], *, flat: bool) -> Json:
    """Who is on call: the tree, or the account ids of all who are in it anywhere."""
    if flat:
        return {"onCallUsers": [person.id for person in flattened(participants)]}
    return {"onCallParticipants": [_participant(each) for each in participants]}


def timeline(
    one: Schedule, tables: Tables, shown: Window, now: datetime, expand: Collection[str]
) -> Json:
    """Who was, is and will be on call; `base` is before forwardings, which is not who it is."""
    layers = {"final": _layer(one, tables, shown, now, forwarded=True)}
    if "base" in expand:
        layers["base"] = _layer(one, tables, shown, now, forwarded=False)
    if "override" in expand:
        layers["override"] = {"rotations": []}
    if "forwarding" in expand:
        layers["forwarding"] = _layer(
            one, tables, shown, now, forwarded=True, kinds=("forwarding",)
        )
    return {
        "startDate": instant(shown.start),
        "endDate": instant(shown.end),
        **{f"{name}Timeline": layer for name, layer in layers.items()},
    }


def escalation(one: Escalation, tables: Tables) -> Json:
    """An escalation as it is set up: the one place that tells when its steps come."""
    everybody = tables.responders()
    return {
        "id": one.id,
        "name": one.name,
        "description": "",
        "rules": [
            {
                "condition": "if-not-acked",
                "notifyType": "default",
                "delay": step.after,
                "recipient": _known(everybody[step.who]),
            }
            for step in one.steps
        ],
        "enabled": True,
    }


def user(one: Person, url: str) -> Json:
    """A Jira user; the e-mail is there only if the profile shows it."""
    shown = {"emailAddress": one.email} if one.email and not one.hidden else {}
    return {
        "self": f"{url}/rest/api/3/user?accountId={one.id}",
        "accountId": one.id,
        "accountType": one.account_type,
        **shown,
        "avatarUrls": {},
        "displayName": one.name,
        "active": one.active,
        "timeZone": "Europe/Berlin",
        "locale": "en_GB",
    }


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
                _known(everybody[who]) if who else _NOBODY
                for who in dict.fromkeys(shift.who for shift in shifts)
            ],
        }
        for order, (name, shifts) in enumerate(one.rotations().items(), 1)
    ]


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
                "order": order,
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
        "responder": _known(one.who) if one.who else _NOBODY,
    }
    if one.kind == "forwarding" and one.forwarded_from:
        body["from"] = _known(one.forwarded_from)
    if one.kind == "historical":
        body["flattenedResponders"] = [_known(person) for person in one.people]
    return body


def _rotation_id(one: Schedule, order: int) -> str:
    return f"{one.id[:-4]}{order:04}"


def _participant(one: Participant) -> Json:
    """No name, and no minutes of a step: a back-up looks like who is notified at once."""
    if one.who is None:
        return _NOBODY
    body = _known(one.who)
    if one.within:
        body["onCallParticipants"] = [_participant(each) for each in one.within]
    if one.forwarded_from:
        body["forwardedFrom"] = _known(one.forwarded_from)
    return body


def _known(who: Responder) -> Json:
    return {"id": who.id, "type": kind_of(who)}
