"""The right body with one thing of the wrong type, by what is wrong with it."""

from __future__ import annotations

from sandbox.vendors.faults import Replaced

_INCIDENT = ("incidents", "*")
_ASSIGNMENT = (*_INCIDENT, "incident_role_assignments", "*")
_SCHEDULE = ("schedules", "*")
_SHIFT = (*_SCHEDULE, "current_shifts", "*")
_UPDATE = ("incident_updates", "*")
_META = ("pagination_meta",)

WRONG_INCIDENTS = {
    "the body is a list": Replaced((), []),
    "the body is null": Replaced((), None),
    "incidents is a string": Replaced(("incidents",), "none"),
    "incidents is null": Replaced(("incidents",), None),
    "an incident is a list": Replaced(_INCIDENT, []),
    "an incident's id is a number": Replaced((*_INCIDENT, "id"), 42),
    "its reference is a list": Replaced((*_INCIDENT, "reference"), ["INC-1"]),
    "its mode is an object": Replaced((*_INCIDENT, "mode"), {}),
    "incident_status is a string": Replaced((*_INCIDENT, "incident_status"), "live"),
    "creator is a string": Replaced((*_INCIDENT, "creator"), "someone"),
    "the creator's user is a list": Replaced((*_INCIDENT, "creator", "user"), []),
    "incident_role_assignments is an object": Replaced(
        (*_INCIDENT, "incident_role_assignments"), {}
    ),
    "incident_role_assignments is null": Replaced((*_INCIDENT, "incident_role_assignments"), None),
    "an assignment is a string": Replaced(_ASSIGNMENT, "lead"),
    "role is a string": Replaced((*_ASSIGNMENT, "role"), "lead"),
    "role_type is a number": Replaced((*_ASSIGNMENT, "role", "role_type"), 1),
    "assignee is a list": Replaced((*_ASSIGNMENT, "assignee"), []),
    "assignee is null": Replaced((*_ASSIGNMENT, "assignee"), None),
    "the assignee's email is a number": Replaced((*_ASSIGNMENT, "assignee", "email"), 7),
    "the assignee's email is an object": Replaced((*_ASSIGNMENT, "assignee", "email"), {}),
}

WRONG_SCHEDULES = {
    "the body is a list": Replaced((), []),
    "the body is a number": Replaced((), 1),
    "schedules is a string": Replaced(("schedules",), "none"),
    "schedules is null": Replaced(("schedules",), None),
    "a schedule is a list": Replaced(_SCHEDULE, []),
    "a schedule's id is null": Replaced((*_SCHEDULE, "id"), None),
    "its name is a number": Replaced((*_SCHEDULE, "name"), 5),
    "current_shifts is an object": Replaced((*_SCHEDULE, "current_shifts"), {}),
    "current_shifts is null": Replaced((*_SCHEDULE, "current_shifts"), None),
    "a shift is a string": Replaced(_SHIFT, "Ana"),
    "user is a list": Replaced((*_SHIFT, "user"), []),
    "user is null": Replaced((*_SHIFT, "user"), None),
    "the user's email is a number": Replaced((*_SHIFT, "user", "email"), 7),
    "the user's email is null": Replaced((*_SHIFT, "user", "email"), None),
    "start_at is a number": Replaced((*_SHIFT, "start_at"), 1_700_000_000),
    "start_at has no time zone": Replaced((*_SHIFT, "start_at"), "2020-01-01T00:00:00"),
    "end_at is null": Replaced((*_SHIFT, "end_at"), None),
    "end_at is no time": Replaced((*_SHIFT, "end_at"), "whenever"),
}

WRONG_UPDATES = {
    "incident_updates is an object": Replaced(("incident_updates",), {}),
    "an update is a string": Replaced(_UPDATE, "Looking."),
    "updater is null": Replaced((*_UPDATE, "updater"), None),
    "the updater's user is a string": Replaced((*_UPDATE, "updater", "user"), "someone"),
    "the user's email is a list": Replaced((*_UPDATE, "updater", "user", "email"), []),
}

WRONG_PAGES = {
    "pagination_meta is a list": Replaced(_META, []),
    "pagination_meta is a string": Replaced(_META, "1"),
    "after is a number": Replaced((*_META, "after"), 3),
    "after is an object": Replaced((*_META, "after"), {}),
}
