"""The vendor's JSON of an organisation's things, with every field its schema requires.

Shapes: `IncidentV2`, `ScheduleV2`, `IncidentRoleV2`, `IncidentUpdateV2` and `UserV2` of the API
reference; what is optional there may be left out here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.vendors.incidentio_records import (
        Category,
        Incident,
        Person,
        Role,
        Schedule,
        Shift,
        Update,
    )

Json = dict[str, Any]

APP = "https://app.incident.io/sandbox"
_SETTING_UP = "2024-01-08T09:00:00Z"
_ROTATION = f"01HZR{1:021d}"
# (rank, name) in the app; `live` and `learning` are what the API still calls Active, Post-incident.
_STATUSES: dict[Category, tuple[int, str]] = {
    "triage": (1, "Triage"),
    "live": (2, "Investigating"),
    "paused": (3, "Paused"),
    "learning": (4, "Documenting"),
    "closed": (5, "Closed"),
    "declined": (6, "Declined"),
    "canceled": (7, "Canceled"),
    "merged": (8, "Merged"),
}


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC; with a fraction only if there is one, as the vendor may."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def user(person: Person) -> Json:
    """A `UserV2`; its `role` is deprecated and says nothing."""
    known = {"email": person.email} if person.email is not None else {}
    slack = f"U{person.id[-8:]}"
    return {"id": person.id, "name": person.name, "role": "unset", "slack_user_id": slack, **known}


def listed_user(person: Person) -> Json:
    """A `UserWithRolesV2`: what one may do in the organisation says nothing of duties."""
    base = {"id": "01HZB000000000000000000001", "name": "Responder", "slug": "responder"}
    return {**user(person), "base_role": base, "custom_roles": []}


def actor(person: Person | None) -> Json:
    """Who did something: a user, or else an API key."""
    if person is None:
        return {"api_key": {"id": f"01HZK{1:021d}", "name": "Alerting"}}
    return {"user": user(person)}


_TIMESTAMPS = ("Reported at", "Accepted at", "Identified at", "Fixed at", "Closed at")
_AFFECTED_TEAM = {
    "custom_field": {
        "id": f"01HZC{1:021d}",
        "name": "Affected team",
        "description": "Whose customers notice.",
        "field_type": "single_select",
        "options": [
            {
                "id": f"01HZO{number:021d}",
                "custom_field_id": f"01HZC{1:021d}",
                "sort_key": number,
                "value": value,
            }
            for number, value in enumerate(("Payments", "Search", "Platform"), 1)
        ],
    },
    "values": [
        {
            "value_option": {
                "id": f"01HZO{1:021d}",
                "custom_field_id": f"01HZC{1:021d}",
                "sort_key": 1,
                "value": "Payments",
            }
        }
    ],
}


def role(one: Role) -> Json:
    """An `IncidentRoleV2`."""
    return {
        "id": one.id,
        "name": one.name,
        "shortform": one.shortform,
        "role_type": one.role_type,
        "description": f"What the {one.name} does.",
        "instructions": "" if one.role_type == "reporter" else "Say what you take on.",
        "created_at": instant(one.created_at),
        "updated_at": instant(one.created_at),
    }


def incident(one: Incident, roles: Collection[Role]) -> Json:
    """An `IncidentV2` with every role of the organisation, filled or not."""
    return {
        "id": one.id,
        "reference": one.reference,
        "name": one.name,
        "permalink": f"{APP}/incidents/{one.number}",
        "mode": one.mode,
        "visibility": one.visibility,
        "creator": actor(one.creator),
        "incident_status": _status(one.category),
        "severity": severities()[0],
        "incident_type": incident_types()[0],
        "incident_role_assignments": [_assignment(each, one.assignees) for each in roles],
        "custom_field_entries": [_AFFECTED_TEAM],
        "incident_timestamp_values": [
            _timestamp(rank, name, one.created_at) for rank, name in enumerate(_TIMESTAMPS, 1)
        ],
        "duration_metrics": [
            {
                "duration_metric": {"id": f"01HZD{1:021d}", "name": "Time to fix"},
                "status": "not_started",
            }
        ],
        "summary": "Customers see errors. We do not know yet why.",
        "has_debrief": False,
        "call_url": f"https://meet.example.com/inc-{one.number}",
        "workload_minutes_total": 12.5,
        "workload_minutes_working": 12.5,
        "workload_minutes_late": 0,
        "workload_minutes_sleeping": 0,
        "postmortem_document_ids": [],
        "team_ids": [],
        "slack_team_id": "T0SANDBOX",
        "slack_channel_id": f"C{one.number:08d}",
        "slack_channel_name": f"inc-{one.number}",
        "slack_channel_url": f"https://slack.example.com/archives/C{one.number:08d}",
        "created_at": instant(one.created_at),
        "updated_at": instant(one.updated_at),
        "last_activity_at": instant(one.updated_at),
    }


def severities() -> list[Json]:
    """Every `SeverityV1`, the one of all incidents here first."""
    return [
        {"id": f"01HZV{number:021d}", "name": name, "rank": rank, **_configured(f"It is {name}.")}
        for number, (name, rank) in enumerate((("Major", 2), ("Minor", 1), ("Critical", 3)), 1)
    ]


def incident_types() -> list[Json]:
    """Every `IncidentTypeV1`, the default first."""
    return [
        {
            "id": f"01HZT{number:021d}",
            "name": name,
            "is_default": number == 1,
            "private_incidents_only": False,
            "create_in_triage": "optional",
            **_configured(f"Whatever goes wrong with {name}."),
        }
        for number, name in enumerate(("Production", "Security"), 1)
    ]


def update(one: Update) -> Json:
    """An `IncidentUpdateV2`."""
    return {
        "id": one.id,
        "incident_id": one.incident_id,
        "message": one.message,
        "new_incident_status": _status(one.category),
        "updater": actor(one.by),
        "created_at": instant(one.created_at),
    }


def schedule(one: Schedule, now: datetime, *, with_next: bool) -> Json:
    """A `ScheduleV2` with who is on shift now; `next_shifts` only for short pages."""
    return {
        "id": one.id,
        "name": one.name,
        "timezone": "Europe/Berlin",
        "permalink": f"{APP}/on-call/schedules/{one.id}",
        "team_ids": [],
        "annotations": {},
        "config": {"rotations": [_rotation(one)]},
        "current_shifts": [_shift(each) for each in one.current(now)],
        "next_shifts": [_shift(each) for each in one.upcoming(now)] if with_next else [],
        "created_at": instant(one.created_at),
        "updated_at": instant(one.created_at),
    }


def identity(key_roles: Sequence[str]) -> Json:
    """What `GET /v1/identity` says of the key."""
    return {
        "name": "oncall-approvals",
        "dashboard_url": APP,
        "roles": list(key_roles),
        "team_roles": [],
        "teams": [],
    }


def _assignment(one: Role, assignees: Mapping[str, Person]) -> Json:
    person = assignees.get(one.id)
    return {"role": role(one), **({"assignee": user(person)} if person else {})}


def _shift(one: Shift) -> Json:
    return {
        "entry_id": one.id,
        "fingerprint": one.id[::-1],
        "rotation_id": _ROTATION,
        "start_at": instant(one.start),
        "end_at": instant(one.end),
        **({"user": user(one.person)} if one.person else {}),
    }


def _rotation(one: Schedule) -> Json:
    """Everybody in the rotation, on shift or not: a reader must not take them for on call."""
    people = {shift.person.id: shift.person for shift in one.shifts if shift.person}
    return {
        "id": _ROTATION,
        "name": "Weekly",
        "layers": [{"id": f"01HZL{1:021d}", "name": "Layer 1"}],
        "handovers": [{"interval": 1, "interval_type": "weekly"}],
        "handover_start_at": _SETTING_UP,
        "users": [user(person) for person in people.values()],
        "working_intervals": [],
    }


def _timestamp(rank: int, name: str, reported_at: datetime) -> Json:
    """A step of an incident's life; only the first has been reached."""
    kind = {"id": f"01HZI{rank:021d}", "name": name, "rank": rank}
    reached = {"value": {"value": instant(reported_at)}} if rank == 1 else {}
    return {"incident_timestamp": kind, **reached}


def _status(category: Category) -> Json:
    rank, name = _STATUSES[category]
    return {
        "id": f"01HZS{rank:021d}",
        "name": name,
        "category": category,
        "rank": rank,
        **_configured(f"It is {name}."),
    }


def _configured(description: str) -> Json:
    return {"description": description, "created_at": _SETTING_UP, "updated_at": _SETTING_UP}
