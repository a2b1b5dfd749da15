"""incident.io: who is on shift, who holds a role in a live incident, who posted an update to one.

Facts from the vendor's API reference ("Schedules V2", "Incidents V2", "Incident Updates V2",
"Pagination"). Optional fields may be absent, and new ones may come at any time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlencode

from handler import emails
from handler.clock import Clock, Deadline
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_TYPE,
    INCIDENT_UPDATE,
    KEY,
    ON_CALL,
    SEVERITY,
    Duty,
    Incident,
    ProviderSnapshot,
    ScheduleOrRole,
)
from handler.http import Client, HttpError, TooLargeError
from handler.json_fields import (
    JsonObject,
    ShapeError,
    as_object,
    deferred,
    get_list,
    get_object,
    get_str,
    read_entries,
    require_instant,
    require_str,
)
from handler.providers.base import (
    CutShort,
    DutyQuery,
    Page,
    Question,
    fetch_object,
    unread_problem,
)
from handler.providers.registry import BY_ID

_T = TypeVar("_T")
_Fetch: TypeAlias = Callable[[Deadline], Iterator[Page]]
PROVIDER = BY_ID["incidentio"].name
PAGE_SIZE, SMALLEST_PAGE_SIZE = 250, 10
MOST_PAGES = 20
MOST_INCIDENTS_ASKED_FOR_UPDATES = 20
MOST_SCHEDULES = 20
_FORBIDDEN, _NOT_FOUND = 403, 404
_SCOPES = {"incident_updates": "incidents.view"}
# Complete lists, each in one answer.
INVENTORY = {
    "/v1/identity": KEY,
    "/v2/incident_roles": INCIDENT_ROLE,
    "/v1/severities": SEVERITY,
    "/v1/incident_types": INCIDENT_TYPE,
}
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
# Roles that somebody takes; the third type is the reporter, who is whoever declared the incident.
_TAKEN_ON_PURPOSE = frozenset({"lead", "custom"})
# Creators behind which no person stands.
_NO_PERSON = ("api_key", "workflow", "alert")


class IncidentIOClient:
    """Questions to one incident.io organisation."""

    def __init__(self, client: Client, _clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._base_url = settings["INCIDENTIO_BASE_URL"]
        self._headers = {"Authorization": f"Bearer {settings['INCIDENTIO_API_KEY']}"}
        live = {"status_category[one_of]": "live", "mode[one_of]": "standard"}
        self._incidents = Question(
            PROVIDER, "incidents", INCIDENT_ROLE, self._list("incidents", live, read_incidents)
        )
        self._schedules = Question(
            PROVIDER, "schedules", ON_CALL, self._list("schedules", {}, read_schedules)
        )

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for live incidents with their roles, for shifts, then for updates to incidents."""
        if query.roles or query.updates:
            yield self._incidents
        if query.on_call:
            yield from self._on_call(query)
        if query.updates:
            # A call each, so of the newest only.
            for incident in itertools.islice(snapshot.incidents, MOST_INCIDENTS_ASKED_FOR_UPDATES):
                yield self._updates_of(incident)

    def _on_call(self, query: DutyQuery) -> Iterator[Question]:
        """Ask for the schedules that are named, a call each, or for all.

        The API has no call for what a person is on call for, nor for a schedule of a name.
        """
        entries, may_be_id = query.schedules, BY_ID["incidentio"].may_have_id
        by_id = query.holders is not None and not query.any_schedule
        if not by_id or len(entries) > MOST_SCHEDULES or not all(map(may_be_id, entries)):
            yield self._schedules
            return
        for id_ in entries:
            fetch = self._schedule(id_)
            yield Question(PROVIDER, f"schedule {id_}", ON_CALL, fetch, ())

    def _schedule(self, id_: str) -> _Fetch:
        def fetch(deadline: Deadline) -> Iterator[Page]:
            try:
                yield self._get(f"/v2/schedules/{id_}", "schedules", deadline, read_schedule)
            except HttpError as error:
                if error.status != _NOT_FOUND:
                    raise

        return fetch

    def inventory(self) -> Iterator[Question]:
        """Ask for what a policy may name beside schedules: for checks, never for a decision."""
        for path, kind in INVENTORY.items():
            yield Question(PROVIDER, path.rpartition("/")[2], kind, self._named(path, kind))

    def _named(self, path: str, kind: str) -> _Fetch:
        field = path.rpartition("/")[2]

        def fetch(deadline: Deadline) -> Iterator[Page]:
            yield self._get(path, field, deadline, lambda body: read_named(body, field, kind))

        return fetch

    def _updates_of(self, incident: Incident) -> Question:
        fetch = self._list(
            "incident_updates",
            {"incident_id": incident.id},
            lambda body: read_updates(body, incident),
        )
        return Question(PROVIDER, f"updates of {incident.reference}", "", fetch)

    def _list(
        self, name: str, query: Mapping[str, str], read: Callable[[JsonObject], Page]
    ) -> _Fetch:
        """Read a list to its end: `after`, the id of a page's last entry, asks for the next.

        A page that is too large is asked for again in smaller ones.
        """

        def read_page(body: JsonObject) -> tuple[Page, Callable[[], str]]:
            return read(body), deferred(
                lambda: get_str(get_object(body, "pagination_meta"), "after")
            )

        def fetch(deadline: Deadline) -> Iterator[Page]:
            size, last, count, left = PAGE_SIZE, "", 0, MOST_PAGES * PAGE_SIZE
            while left > 0:
                pages = {"page_size": size, **({"after": last} if last else {})}
                target = f"/v2/{name}?{urlencode({**query, **pages})}"
                try:
                    page, next_page = self._get(target, name, deadline, read_page)
                except TooLargeError:
                    if size == SMALLEST_PAGE_SIZE:
                        raise
                    size = max(size // 5, SMALLEST_PAGE_SIZE)
                    continue
                yield page
                after = next_page()
                if not after:
                    return
                if after == last:
                    raise CutShort("the same page came twice")
                last, count, left = after, count + 1, left - size
            raise CutShort(f"only the first {count} pages were read")

        return fetch

    def _get(
        self, target: str, name: str, deadline: Deadline, read: Callable[[JsonObject], _T]
    ) -> _T:
        def hint(error: HttpError) -> str:
            scope = _SCOPES.get(name, f"{name}.view")
            needed = f"; the key needs the scope {scope}" if error.status == _FORBIDDEN else ""
            return needed + _request_id(error.body)

        url = self._base_url + target
        return fetch_object(self._client, url, self._headers, deadline, read, hint)


CLIENT = IncidentIOClient


def _request_id(body: bytes) -> str:
    """Quote the id by which the vendor's support finds a failed request."""
    match = _REQUEST_ID.search(body)
    return f"; request_id {match[1].decode()}" if match else ""


def read_schedules(body: JsonObject) -> Page:
    """Read a page of schedules: who is on shift."""
    schedules, unread = read_entries(_entries(body, "schedules"), _schedule)
    names_missing = unread > 0
    duties: list[Duty] = []
    for schedule, link, entries in schedules:
        shifts, odd = read_entries(entries, _shift)
        unread += odd
        duties += (
            Duty(
                PROVIDER,
                ON_CALL,
                schedule.id,
                schedule.names[0],
                holder,
                start=start,
                end=end,
                link=link,
                user="" if holder else user_id,
            )
            for holder, user_id, start, end in shifts
            if holder or user_id
        )
    return Page(
        tuple(duties),
        tuple(schedule for schedule, *_ in schedules),
        problems=unread_problem(unread),
        names_missing=names_missing,
    )


def read_schedule(body: JsonObject) -> Page:
    """Read one schedule: who is on shift."""
    return read_schedules({"schedules": [get_object(body, "schedule")]})


def _schedule(schedule: JsonObject) -> tuple[ScheduleOrRole, str, list[Any]]:
    listed = ScheduleOrRole(
        PROVIDER, ON_CALL, require_str(schedule, "id"), (get_str(schedule, "name"),)
    )
    return listed, get_str(schedule, "permalink"), get_list(schedule, "current_shifts")


def _shift(shift: JsonObject) -> tuple[str, str, datetime, datetime]:
    start, end = require_instant(shift, "start_at"), require_instant(shift, "end_at")
    return *_person(get_object(shift, "user")), start, end


def read_incidents(body: JsonObject) -> Page:
    """Read a page of incidents: who holds a role in a live one."""
    entries, unread = read_entries(
        _entries(body, "incidents"),
        lambda entry: (entry, _assignments(entry)) if _is_live(entry) else None,
    )
    names_missing = unread > 0
    duties: list[Duty] = []
    roles: dict[ScheduleOrRole, None] = {}
    incidents = []
    for entry, assignments in filter(None, entries):
        roles.update(dict.fromkeys(assignment.role for assignment in assignments))
        try:
            incident = _incident(entry, assignments)
            severity, type_ = _id_and_name(entry, "severity"), _id_and_name(entry, "incident_type")
            link = get_str(entry, "permalink")
        except ShapeError:
            # Without all of it, nobody can tell who declared the incident: it proves nothing.
            unread += 1
            continue
        incidents.append(incident)
        duties += _role_duties(assignments, incident, link, severity, type_)
    return Page(
        tuple(duties), tuple(roles), tuple(incidents), unread_problem(unread), names_missing
    )


def _is_live(entry: JsonObject) -> bool:
    """Check again what was asked for: a test or a closed incident must not count."""
    mode = get_str(entry, "mode")
    category = get_str(get_object(entry, "incident_status"), "category")
    return mode in {"", "standard"} and category in {"", "live"}


class _Assignment(NamedTuple):
    """A role in an incident, and the e-mail and id of whoever holds it."""

    role: ScheduleOrRole
    is_reporter: bool
    person: tuple[str, str] | None


def _assignments(entry: JsonObject) -> list[_Assignment]:
    assignments = []
    for value in get_list(entry, "incident_role_assignments"):
        assignment = as_object(value, "assignment")
        role, assignee = get_object(assignment, "role"), get_object(assignment, "assignee")
        names = get_str(role, "name"), get_str(role, "shortform")
        assignments.append(
            _Assignment(
                ScheduleOrRole(PROVIDER, INCIDENT_ROLE, require_str(role, "id"), names),
                # A type that is new to us may stand for a reporter, too.
                bool(assignee) and get_str(role, "role_type") not in _TAKEN_ON_PURPOSE,
                _person(assignee) if assignee else None,
            )
        )
    return assignments


def _incident(entry: JsonObject, assignments: Iterable[_Assignment]) -> Incident:
    creator = get_object(entry, "creator")
    declarers = [
        assignment.person
        for assignment in assignments
        if assignment.person and assignment.is_reporter
    ]
    if creator.get("user") is not None:
        declarers.append(_person(get_object(creator, "user")))
    elif not any(creator.get(kind) for kind in _NO_PERSON):
        raise ShapeError("nothing says who declared it")
    if ("", "") in declarers:
        raise ShapeError("who declared it cannot be told from others")
    incident_id = require_str(entry, "id")
    reference = get_str(entry, "reference")
    if not reference or emails.may_be_in(reference):  # it goes into claims, which name nobody
        reference = incident_id
    return Incident(incident_id, reference, tuple(declarers))


def _id_and_name(entry: JsonObject, field: str) -> tuple[str, ...]:
    """Give id and name of what an incident is classified by, where it is."""
    value = get_object(entry, field)
    return tuple(filter(None, (get_str(value, "id"), get_str(value, "name"))))


def _role_duties(
    assignments: Iterable[_Assignment],
    incident: Incident,
    link: str,
    severity: tuple[str, ...],
    type_: tuple[str, ...],
) -> Iterator[Duty]:
    declarers = incident.declarer_emails
    for role, is_reporter, person in assignments:
        if not person or person == ("", ""):
            continue
        holder, user_id = person
        yield Duty(
            PROVIDER,
            INCIDENT_ROLE,
            role.id,
            role.names[0],
            holder,
            shortform=role.names[1],
            link=link,
            incident=incident.reference,
            reporter=is_reporter,
            severity=severity,
            type=type_,
            self_declared=incident.may_be_declared_by(holder, user_id),
            declarers=declarers,
            user="" if holder else user_id,
        )


def read_updates(body: JsonObject, incident: Incident) -> Page:
    """Read a page of updates: who posted to the incident."""

    def poster(update: JsonObject) -> tuple[str, str]:
        # Only the vendor's filter says that the incident of an update is live.
        if get_str(update, "incident_id") not in {"", incident.id}:
            raise ShapeError("an update is of another incident")
        # One made by an API key or a workflow has no person.
        return _person(get_object(get_object(update, "updater"), "user"))

    people, unread = read_entries(_entries(body, "incident_updates"), poster)
    duties = (
        Duty(
            PROVIDER,
            INCIDENT_UPDATE,
            incident.id,
            "",
            holder,
            incident=incident.reference,
            self_declared=incident.may_be_declared_by(holder, user_id),
            declarers=incident.declarer_emails,
            user="" if holder else user_id,
        )
        for holder, user_id in dict.fromkeys(people)
        if holder or user_id
    )
    return Page(tuple(duties), problems=unread_problem(unread))


def read_named(body: JsonObject, field: str, kind: str) -> Page:
    """Read a list of things with names, or one: the key, whose names are what it may do."""
    if kind == KEY:
        key = get_object(body, field)
        roles = tuple(get_list(key, "roles"))
        return Page(
            schedules_and_roles=(ScheduleOrRole(PROVIDER, kind, get_str(key, "name"), roles),)
        )
    entries = [as_object(entry, field) for entry in _entries(body, field)]
    return Page(
        schedules_and_roles=tuple(
            ScheduleOrRole(
                PROVIDER,
                kind,
                require_str(entry, "id"),
                (get_str(entry, "name"), get_str(entry, "shortform")),
            )
            for entry in entries
        )
    )


def _person(user: JsonObject) -> tuple[str, str]:
    """Give a user's e-mail, in normal form, and id; each is "" where it is missing."""
    return emails.normal(get_str(user, "email")), get_str(user, "id").strip()


def _entries(body: JsonObject, field: str) -> list[Any]:
    """Read a list that must be there; null is an empty one."""
    if field not in body:
        raise ShapeError(f"{field} is missing")
    return get_list(body, field)
