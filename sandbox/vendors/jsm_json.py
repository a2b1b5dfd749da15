"""The vendor's JSON of schedules, who is on call, timelines, escalations and users.

Shapes: "List schedules", "List on-call responders", "Get schedule timeline" and "List escalations"
of the JSM Operations API; `User` of the Jira Cloud platform API. Everybody is an id here: of a
person an account id, and of nothing a name.
"""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.vendors.atlassian_json import Json, rotations
from sandbox.vendors.atlassian_query import instant
from sandbox.vendors.atlassian_records import (
    Escalation,
    Person,
    Responder,
    Schedule,
    Tables,
    kind_of,
)
from sandbox.vendors.atlassian_timeline import Period
from sandbox.vendors.atlassian_tree import Participant, flattened


def schedule(one: Schedule, tables: Tables, *, with_rotations: bool) -> Json:
    """A schedule as it is set up; its rotations only if asked for."""
    return {
        "id": one.id,
        "name": one.name,
        "description": f"Who answers for {one.name}.",
        "timezone": "UTC",
        "enabled": one.enabled,
        **({"teamId": one.team} if one.team else {}),
        **({"rotations": rotations(one, tables, _known)} if with_rotations else {}),
    }


def on_call(participants: Iterable[Participant], *, flat: bool) -> Json:
    """Who is on call: the tree, or the account ids of all who are in it anywhere."""
    if flat:
        return {"onCallUsers": [person.id for person in flattened(participants)]}
    return {"onCallParticipants": [_participant(each) for each in participants]}


def period(one: Period) -> Json:
    """A stretch of a timeline; only what is past tells the people behind a team or escalation."""
    body: Json = {
        "startDate": instant(one.start),
        "endDate": instant(one.end),
        "type": one.kind,
        "responder": _known(one.who),
    }
    if one.kind == "forwarding" and one.forwarded_from:
        body["from"] = _known(one.forwarded_from)
    if one.kind == "historical":
        body["flattenedResponders"] = [_known(person) for person in one.people]
    return body


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


def _participant(one: Participant) -> Json:
    """No name, and no minutes of a step: a back-up looks like who is notified at once."""
    body = _known(one.who)
    if one.within:
        body["onCallParticipants"] = [_participant(each) for each in one.within]
    if one.forwarded_from:
        body["forwardedFrom"] = _known(one.forwarded_from)
    return body


def _known(who: Responder | None) -> Json:
    return {"id": who.id, "type": kind_of(who)} if who else {"type": "noone"}
