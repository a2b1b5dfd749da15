"""A double of incident.io: an organisation, with the answers of the vendor's API.

Facts from the vendor's API reference ("Incidents V2", "Schedules V2", "Incident Updates V2",
"Incident Roles V2", "Severities V1", "Incident Types V1", "Utilities V1", "Users V2",
"Making requests", "Errors", "Rate limits", "Pagination"). Answers have every field that the
reference requires; what is optional there may be missing.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal, TypeAlias, TypeVar, get_args

from sandbox.vendors.server import (
    OK,
    Clock,
    Double,
    InvalidParameterError,
    Json,
    Request,
    Response,
    utc_now,
)
from sandbox.vendors.store import SHIFT, Store, find

Category: TypeAlias = Literal[
    "triage", "live", "learning", "paused", "closed", "declined", "canceled", "merged"
]
Mode: TypeAlias = Literal["standard", "retrospective", "test", "tutorial"]
Visibility: TypeAlias = Literal["public", "private"]
RoleType: TypeAlias = Literal["lead", "reporter", "custom"]


_LIMIT = 1200
_SET_UP = "2024-01-08T09:00:00Z"
_APP = "https://app.incident.io/sandbox"
# (rank, name) in the app; the API's `live` and `learning` are Active and Post-incident there.
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
# The role that a key needs, by path.
_RIGHTS = {
    "/v1/incident_types": "viewer",
    "/v1/severities": "viewer",
    "/v2/incident": "viewer",
    "/v2/schedules": "schedules_reader",
    "/v2/users": "viewer",
}
# The vendor's type of an error, by status; any other is `api_error`.
_ERROR_TYPES = {
    401: "authentication_error",
    403: "resource_forbidden",
    404: "not_found",
    422: "validation_error",
    429: "too_many_requests",
}


# -- what an organisation has --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """A user; some have no e-mail."""

    id: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of a schedule, from `start` until just before `end`; nobody may be on it."""

    id: str
    person: Person | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """Who is on call when."""

    id: str
    name: str
    created_at: datetime
    shifts: tuple[Shift, ...] = ()

    def current(self, now: datetime) -> tuple[Shift, ...]:
        """Give the shifts at this moment."""
        return tuple(shift for shift in self.shifts if shift.start <= now < shift.end)


@dataclass(frozen=True, slots=True)
class Role:
    """A role in incidents. The reporter's shortform is empty."""

    id: str
    name: str
    shortform: str
    role_type: RoleType
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it is now; `creator` is None if an API key declared it."""

    id: str
    number: int
    name: str
    creator: Person | None
    mode: Mode
    visibility: Visibility
    category: Category
    created_at: datetime
    updated_at: datetime
    assignees: Mapping[str, Person] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Its name for people: INC-42."""
        return f"INC-{self.number}"


@dataclass(frozen=True, slots=True)
class Update:
    """A message to an incident; `by` is None if an API key posted it."""

    id: str
    incident_id: str
    by: Person | None
    message: str
    category: Category
    created_at: datetime


class Organisation(Store):
    """People, schedules, roles, incidents and updates, without HTTP.

    Methods return rows as they are after the call. They accept a row, its id, or its name for
    people: a person's e-mail, a schedule's or role's name, an incident's reference.
    """

    def __init__(self, now: Clock) -> None:
        super().__init__(now)
        self._people: dict[str, Person] = {}
        self._schedules: dict[str, Schedule] = {}
        self._roles: dict[str, Role] = {}
        self._incidents: dict[str, Incident] = {}
        self._updates: dict[str, Update] = {}
        self.lead = self._new_role("Incident Lead", "lead", "lead")
        self.reporter = self._new_role("Reporter", "", "reporter")

    @property
    def people(self) -> tuple[Person, ...]:
        """Every user."""
        return tuple(self._people.values())

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Every schedule."""
        return tuple(self._schedules.values())

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every role that an incident has."""
        return tuple(self._roles.values())

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Every incident, including closed ones."""
        return tuple(self._incidents.values())

    def add_person(self, name: str, email: str | None) -> Person:
        """Add a user."""
        with self._lock:
            return self._save(self._people, Person(self._id(), name, email))

    def add_schedule(self, name: str, id: str | None = None) -> Schedule:  # noqa: A002 - the vendor's word
        """Add a schedule with nobody on it; names may be shared."""
        with self._lock:
            return self._save(self._schedules, Schedule(id or self._id(), name, self.now()))

    def put_on_shift(
        self,
        schedule: Schedule | str,
        who: Person | str | None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Shift:
        """Add a shift, by default from now for 8 hours; `who` None leaves it to nobody."""
        with self._lock:
            row, start = find(self._schedules, schedule), start or self.now()
            shift = Shift(self._id(), self._person(who), start, end or start + SHIFT)
            self._save(self._schedules, replace(row, shifts=(*row.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Person | str) -> None:
        """Remove every shift that this person has in the schedule."""
        with self._lock:
            row, person = find(self._schedules, schedule), self._person(who)
            others = tuple(shift for shift in row.shifts if shift.person != person)
            self._save(self._schedules, replace(row, shifts=others))

    def add_role(self, name: str, shortform: str) -> Role:
        """Add a custom role, open in every incident; names may be shared."""
        return self._new_role(name, shortform, "custom")

    def declare_incident(
        self,
        name: str,
        by: Person | str | None = None,
        *,
        lead: Person | str | None = None,
        mode: Mode = "standard",
        visibility: Visibility = "public",
        category: Category = "live",
    ) -> Incident:
        """Declare an incident, which makes a person its reporter; `by` None is an API key."""
        with self._lock:
            now, creator, leader = self.now(), self._person(by), self._person(lead)
            incident = Incident(
                self._id(),
                len(self._incidents) + 1,
                name,
                creator,
                mode,
                visibility,
                category,
                created_at=now,
                updated_at=now,
                assignees={
                    role.id: person
                    for role, person in ((self.reporter, creator), (self.lead, leader))
                    if person
                },
            )
            return self._save(self._incidents, incident)

    def assign_role(
        self, incident: Incident | str, role: Role | str, who: Person | str | None
    ) -> Incident:
        """Give a role of the incident to a person; `who` None takes it away."""
        with self._lock:
            row, role_id = find(self._incidents, incident), find(self._roles, role).id
            others = {id_: person for id_, person in row.assignees.items() if id_ != role_id}
            person = self._person(who)
            assignees = {**others, role_id: person} if person else others
            return self._save(
                self._incidents, replace(row, assignees=assignees, updated_at=self.now())
            )

    def close_incident(self, incident: Incident | str) -> Incident:
        """Close it; its roles stay assigned."""
        with self._lock:
            row = find(self._incidents, incident)
            return self._save(
                self._incidents, replace(row, category="closed", updated_at=self.now())
            )

    def post_update(
        self, incident: Incident | str, by: Person | str | None = None, message: str = "Looking."
    ) -> Update:
        """Post to an incident; `by` None is an API key."""
        with self._lock:
            row = find(self._incidents, incident)
            update = Update(self._id(), row.id, self._person(by), message, row.category, self.now())
            return self._save(self._updates, update)

    def _new_role(self, name: str, shortform: str, role_type: RoleType) -> Role:
        with self._lock:
            return self._save(self._roles, Role(self._id(), name, shortform, role_type, self.now()))

    def _person(self, who: Person | str | None) -> Person | None:
        return None if who is None else find(self._people, who)

    def _id(self) -> str:
        """Make an id as long and as sortable as the vendor's ULIDs, the same in every run."""
        return _ulid("X", next(self._numbers))


# -- the API -------------------------------------------------------------------------------------

_Row = TypeVar("_Row", Incident, Person, Schedule, Update)


class IncidentIO(Organisation, Double):
    """An organisation that one API key reads over HTTP.

    Attributes:
        key_roles: what the key may do; without `global_access` it sees no private incidents.
    """

    page_parameters = ("after",)

    def __init__(
        self,
        api_key: str,
        *,
        key_roles: Sequence[str] = ("viewer", "schedules_reader"),
        now: Clock = utc_now,
    ) -> None:
        Organisation.__init__(self, now)
        Double.__init__(
            self,
            {
                "GET /v1/identity": self._get_identity,
                "GET /v1/incident_types": self._list_incident_types,
                "GET /v1/severities": self._list_severities,
                "GET /v2/incidents": self._list_incidents,
                "GET /v2/incident_roles": self._list_roles,
                "GET /v2/incident_updates": self._list_updates,
                "GET /v2/schedules": self._list_schedules,
                "GET /v2/schedules/{schedule_id}": self._get_schedule,
                "GET /v2/users": self._list_users,
            },
            now,
        )
        self.api_key = api_key
        self.key_roles = tuple(key_roles)
        self._request_ids = itertools.count(1)
        self._cache: dict[object, Response] = {}
        self._cache_changes = self.changes

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which the function asks this provider."""
        return {"INCIDENTIO_API_KEY": self.api_key, "INCIDENTIO_BASE_URL": self.url}

    def answer(self, request: Request) -> Response:
        """Answer as the vendor does."""
        if not request.is_authorized(f"Bearer {self.api_key}"):
            return self.error(401)
        if request.lacks_right(_RIGHTS, self.key_roles):
            return self.error(403)
        try:
            with self._lock:
                return self._from_cache(request)
        except InvalidParameterError as error:
            return self.error(422, message=str(error), field=error.name)

    def error(
        self,
        status: int,
        *,
        retry_at: datetime | None = None,
        message: str = "",
        field: str = "",
    ) -> Response:
        """Make an error, with the wrong parameter or the time to retry."""
        error_type = _ERROR_TYPES.get(status, "api_error")
        error = {"code": error_type, "message": message or HTTPStatus(status).phrase}
        source = {"source": {"field": field, "pointer": f"/{field}"}} if field else {}
        body = {
            "type": error_type,
            "status": status,
            "request_id": f"{next(self._request_ids):08x}",
            "errors": [{**error, **source}],
        }
        if retry_at:
            limit = {"name": "api_key", "limit": _LIMIT, "remaining": 0}
            body["rate_limit"] = {**limit, "retry_after": _time(retry_at)}
        return Response(status, body)

    def point_to_another_page(self, body: Json, request: Request, number: int) -> None:  # noqa: ARG002 - the base class's
        """Give it a cursor."""
        body["pagination_meta"]["after"] = _ulid("Z", number)

    def _from_cache(self, request: Request) -> Response:
        """Encode each answer once until something changes; a shift changes with the clock.

        Otherwise, long lists would take longer here than in the code that is measured.
        """
        if self._cache_changes != self.changes:
            self._cache.clear()
            self._cache_changes = self.changes
        key = (
            request.path,
            tuple((name, *values) for name, values in request.query.items()),
            self.key_roles,
            tuple(schedule.current(self.now()) for schedule in self.schedules),
        )
        if key not in self._cache:
            response = super().answer(request)
            if response.status != OK:
                return response
            self._cache[key] = replace(response, body=response.body_bytes())
        return self._cache[key]

    def _get_identity(self, _: Request) -> Response:
        identity = {
            "name": "oncall-approvals",
            "dashboard_url": _APP,
            "roles": list(self.key_roles),
            "team_roles": [],
            "teams": [],
        }
        return Response(OK, {"identity": identity})

    def _list_roles(self, _: Request) -> Response:
        return Response(OK, {"incident_roles": [_role_json(role) for role in self.roles]})

    def _list_severities(self, _: Request) -> Response:
        return Response(OK, {"severities": _severities()})

    def _list_incident_types(self, _: Request) -> Response:
        return Response(OK, {"incident_types": _incident_types()})

    def _list_incidents(self, request: Request) -> Response:
        categories = _one_of(request, "status_category", get_args(Category), get_args(Category))
        modes = _one_of(request, "mode", get_args(Mode), ("standard", "retrospective"))
        return _page(
            request,
            "incidents",
            self._visible(),
            lambda incident: incident.category in categories and incident.mode in modes,
            lambda incident: _incident_json(incident, self.roles),
            largest=500,
        )

    def _list_updates(self, request: Request) -> Response:
        visible = {incident.id for incident in self._visible()}
        incidents = visible.intersection(request.query.get("incident_id", visible))
        return _page(
            request,
            "incident_updates",
            list(reversed(self._updates.values())),
            lambda update: update.incident_id in incidents,
            _update_json,
            largest=250,
            counted=False,
        )

    def _list_schedules(self, request: Request) -> Response:
        now = self.now()
        return _page(
            request,
            "schedules",
            self.schedules,
            lambda _: True,
            lambda schedule: _schedule_json(schedule, now),
            largest=10_000,
        )

    def _get_schedule(self, _: Request, schedule_id: str) -> Response:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            return self.error(404)
        return Response(OK, {"schedule": _schedule_json(schedule, self.now())})

    def _list_users(self, request: Request) -> Response:
        """List the users with an e-mail, in any letter case, or all."""
        email = request.parameter("email").lower()
        return _page(
            request,
            "users",
            self.people,
            lambda person: email in {"", (person.email or "").lower()},
            _listed_user_json,
            largest=10_000,
            counted=False,
        )

    def _visible(self) -> list[Incident]:
        """Give the incidents that the key may see, newest first."""
        sees_all = "global_access" in self.key_roles
        return [
            incident
            for incident in reversed(self.incidents)
            if sees_all or incident.visibility == "public"
        ]


def create_double() -> IncidentIO:
    """Create an organisation whose key is random."""
    return IncidentIO(f"inc-{secrets.token_urlsafe(24)}")


def _page(
    request: Request,
    name: str,
    rows: Sequence[_Row],
    matches: Callable[[_Row], bool],
    to_json: Callable[[_Row], Json],
    *,
    largest: int,
    counted: bool = True,
) -> Response:
    """Give the matching rows after the one that `after` names, even if that one doesn't match."""
    size, skipped = request.number("page_size", 25, least=1, most=largest), 0
    if after := request.parameter("after"):
        places = {row.id: place for place, row in enumerate(rows, 1)}
        if after not in places:
            raise InvalidParameterError("after", "is the id of nothing")
        skipped = places[after]
    before = sum(map(matches, rows[:skipped]))
    rest = [row for row in rows[skipped:] if matches(row)]
    meta: Json = {"page_size": size}
    if counted:
        meta["total_record_count"] = before + len(rest)
    if len(rest) > size:
        meta["after"] = rest[size - 1].id
    body = {name: [to_json(row) for row in rest[:size]], "pagination_meta": meta}
    return Response(OK, body, page=1 + -(-before // size))


def _one_of(
    request: Request, name: str, known: Collection[str], default: Collection[str]
) -> Collection[str]:
    """Give the values that a filter allows."""
    values = request.query.get(f"{name}[one_of]", default)
    if not set(values) <= set(known):
        raise InvalidParameterError(name, f"must be one of {', '.join(known)}")
    return values


# -- its JSON ------------------------------------------------------------------------------------


def _ulid(kind: str, number: int) -> str:
    return f"01HZ{kind}{number:021d}"


def _time(moment: datetime) -> str:
    """Write RFC 3339 in UTC; with a fraction only if there is one, as the vendor may."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _configured_json(description: str) -> Json:
    return {"description": description, "created_at": _SET_UP, "updated_at": _SET_UP}


def _user_json(person: Person) -> Json:
    """A `UserV2`; its `role` is deprecated and has no meaning."""
    email = {"email": person.email} if person.email is not None else {}
    slack = f"U{person.id[-8:]}"
    return {"id": person.id, "name": person.name, "role": "unset", "slack_user_id": slack, **email}


def _listed_user_json(person: Person) -> Json:
    """A `UserWithRolesV2`: its roles are those of the app, and not duties."""
    base_role = {"id": _ulid("B", 1), "name": "Responder", "slug": "responder"}
    return {**_user_json(person), "base_role": base_role, "custom_roles": []}


def _actor_json(person: Person | None) -> Json:
    if person is None:
        return {"api_key": {"id": _ulid("K", 1), "name": "Alerting"}}
    return {"user": _user_json(person)}


def _role_json(role: Role) -> Json:
    """An `IncidentRoleV2`."""
    return {
        "id": role.id,
        "name": role.name,
        "shortform": role.shortform,
        "role_type": role.role_type,
        "description": f"What the {role.name} does.",
        "instructions": "" if role.role_type == "reporter" else "Say what you take on.",
        "created_at": _time(role.created_at),
        "updated_at": _time(role.created_at),
    }


def _incident_json(incident: Incident, roles: Collection[Role]) -> Json:
    """An `IncidentV2` with every role of the organisation, filled or not."""
    return {
        "id": incident.id,
        "reference": incident.reference,
        "name": incident.name,
        "permalink": f"{_APP}/incidents/{incident.number}",
        "mode": incident.mode,
        "visibility": incident.visibility,
        "creator": _actor_json(incident.creator),
        "incident_status": _status_json(incident.category),
        "severity": _severities()[0],
        "incident_type": _incident_types()[0],
        "incident_role_assignments": [
            _assignment_json(role, incident.assignees.get(role.id)) for role in roles
        ],
        "custom_field_entries": [],
        "summary": "Customers see errors. We do not know yet why.",
        "slack_team_id": "T0SANDBOX",
        "slack_channel_id": f"C{incident.number:08d}",
        "slack_channel_name": f"inc-{incident.number}",
        "team_ids": [],
        "created_at": _time(incident.created_at),
        "updated_at": _time(incident.updated_at),
        "last_activity_at": _time(incident.updated_at),
    }


def _assignment_json(role: Role, person: Person | None) -> Json:
    return {"role": _role_json(role), **({"assignee": _user_json(person)} if person else {})}


def _severities() -> list[Json]:
    """Every `SeverityV1`; the first is that of all incidents here."""
    return [
        {"id": _ulid("V", number), "name": name, "rank": rank, **_configured_json(f"It is {name}.")}
        for number, (name, rank) in enumerate((("Major", 2), ("Minor", 1), ("Critical", 3)), 1)
    ]


def _incident_types() -> list[Json]:
    """Every `IncidentTypeV1`; the first is the default, and the type of all incidents here."""
    return [
        {
            "id": _ulid("T", number),
            "name": name,
            "is_default": number == 1,
            "private_incidents_only": False,
            "create_in_triage": "optional",
            **_configured_json(f"Whatever goes wrong with {name}."),
        }
        for number, name in enumerate(("Production", "Security"), 1)
    ]


def _status_json(category: Category) -> Json:
    rank, name = _STATUSES[category]
    status = {"id": _ulid("S", rank), "name": name, "category": category, "rank": rank}
    return {**status, **_configured_json(f"It is {name}.")}


def _update_json(update: Update) -> Json:
    """An `IncidentUpdateV2`."""
    return {
        "id": update.id,
        "incident_id": update.incident_id,
        "message": update.message,
        "new_incident_status": _status_json(update.category),
        "updater": _actor_json(update.by),
        "created_at": _time(update.created_at),
    }


def _schedule_json(schedule: Schedule, now: datetime) -> Json:
    """A `ScheduleV2`; those in its rotation are not those on shift."""
    members = {shift.person.id: shift.person for shift in schedule.shifts if shift.person}
    rotation = {
        "id": _ulid("R", 1),
        "name": "Weekly",
        "layers": [{"id": _ulid("L", 1), "name": "Layer 1"}],
        "handovers": [{"interval": 1, "interval_type": "weekly"}],
        "handover_start_at": _SET_UP,
        "users": [_user_json(person) for person in members.values()],
        "working_intervals": [],
    }
    return {
        "id": schedule.id,
        "name": schedule.name,
        "timezone": "Europe/Berlin",
        "permalink": f"{_APP}/on-call/schedules/{schedule.id}",
        "team_ids": [],
        "annotations": {},
        "config": {"rotations": [rotation]},
        "current_shifts": [_shift_json(shift) for shift in schedule.current(now)],
        "created_at": _time(schedule.created_at),
        "updated_at": _time(schedule.created_at),
    }


def _shift_json(shift: Shift) -> Json:
    return {
        "entry_id": shift.id,
        "fingerprint": shift.id[::-1],
        "rotation_id": _ulid("R", 1),
        "start_at": _time(shift.start),
        "end_at": _time(shift.end),
        **({"user": _user_json(shift.person)} if shift.person else {}),
    }
