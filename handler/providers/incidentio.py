"""incident.io: who is on shift, holds a role in a live incident, or posted an update to one.

Based on the vendor's API reference ("Schedules V2", "Incidents V2", "Incident Updates V2",
"Pagination"). Optional fields may be absent, and new ones may appear at any time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from urllib.parse import urlencode

from handler import emails
from handler.clock import Clock, Deadline
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_UPDATE,
    ON_CALL,
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
from handler.typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")
_Fetch: TypeAlias = Callable[[Deadline], Iterator[Page]]
PROVIDER = BY_ID["incidentio"].name
PAGE_SIZE, SMALLEST_PAGE_SIZE = 250, 10
MOST_PAGES = 20
MOST_INCIDENTS_ASKED_FOR_UPDATES = 20
MOST_SCHEDULES = 20
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_SCOPES = {"incident_updates": "incidents.view"}
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
_LIVE = {"status_category[one_of]": "live", "mode[one_of]": "standard"}
# Roles that people take on; the third type is the reporter, who declared the incident.
_TAKEN_ON_PURPOSE = frozenset({"lead", "custom"})
# Creators that are not people.
_NO_PERSON = ("api_key", "workflow", "alert")


class IncidentIOClient:
    """Asks one incident.io organisation."""

    def __init__(self, client: Client, _clock: Clock, settings: Mapping[str, str]) -> None:
        self._client = client
        self._base_url = settings["INCIDENTIO_BASE_URL"]
        self._headers = {"Authorization": f"Bearer {settings['INCIDENTIO_API_KEY']}"}
        self._schedules = Question(
            PROVIDER, "schedules", ON_CALL, self._list("schedules", {}, read_schedules)
        )

    def questions(self, query: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for live incidents with their roles, for shifts, then for updates to incidents."""
        if query.roles or query.updates:
            yield self._incidents(query.holders, query.users)
        if query.on_call:
            yield from self._on_call(query)
        if query.updates:
            # One call each, so only for the newest.
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
                yield self.get(f"/v2/schedules/{id_}", "schedules", deadline, read_schedule)
            except HttpError as error:
                if error.status != _NOT_FOUND:
                    raise

        return fetch

    def _incidents(self, holders: frozenset[str] | None, users: Collection[str]) -> Question:
        fetch = self._list("incidents", _LIVE, lambda body: read_incidents(body, holders, users))
        return Question(PROVIDER, "incidents", INCIDENT_ROLE, fetch)

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
        """Read a whole list: `after`, the id of a page's last entry, requests the next page.

        A page that is too large is requested again in smaller ones.
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
                    page, next_page = self.get(target, name, deadline, read_page)
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
                    raise CutShort("the same page was returned twice")
                last, count, left = after, count + 1, left - size
            raise CutShort(f"only the first {count} pages were read")

        return fetch

    def get(
        self, target: str, name: str, deadline: Deadline, read: Callable[[JsonObject], _T]
    ) -> _T:
        """Get what is at a path and query, and read it; `name` is in the scope that it needs."""

        def hint(error: HttpError) -> str:
            scope = _SCOPES.get(name, f"{name}.view")
            hints: dict[int | None, str] = {
                _UNAUTHORIZED: "; the key is wrong or revoked",
                _FORBIDDEN: f"; the key needs the scope {scope}",
            }
            return hints.get(error.status, "") + _request_id(error.body)

        url = self._base_url + target
        return fetch_object(self._client, url, self._headers, deadline, read, hint)


CLIENT = IncidentIOClient


def _request_id(body: bytes) -> str:
    """Quote the request id, with which the vendor's support finds a failed request."""
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
                user=user_id,
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


def read_incidents(
    body: JsonObject, holders: frozenset[str] | None = None, users: Collection[str] = ()
) -> Page:
    """Read a page of incidents: who holds a role in a live one.

    Given `holders`, and `users` by id, of each other person's duties only those are read that
    differ in what a rule looks at: they are needed to count people, and there may be hundreds.
    """
    duties: list[Duty] = []
    incidents = []
    roles: dict[tuple[str, ...], ScheduleOrRole] = {}
    counted: set[tuple[object, ...]] = set()
    unread, names_missing = 0, False
    for value in _entries(body, "incidents"):
        try:
            entry = as_object(value, "an entry")
            if not _is_live(entry):
                continue
            assignments = _assignments(entry, roles)
        except ShapeError:
            unread, names_missing = unread + 1, True
            continue
        try:
            incident = _incident(entry, assignments)
            severity, type_ = _id_and_name(entry, "severity"), _id_and_name(entry, "incident_type")
            link = get_str(entry, "permalink")
        except ShapeError:
            # If part of it is missing, it may hide who declared the incident: it proves nothing.
            unread += 1
            continue
        incidents.append(incident)
        for role, is_reporter, person in assignments:
            holder, user_id = person
            if not (holder or user_id):
                continue
            if holders and holder not in holders and user_id not in users:
                looked_at = role.id, role.names, is_reporter, severity, type_, person
                if looked_at in counted:
                    continue
                counted.add(looked_at)
            duties.append(
                Duty(
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
                    declarers=incident.declarer_names,
                    user=user_id,
                )
            )
    return Page(
        tuple(duties),
        tuple(roles.values()),
        tuple(incidents),
        unread_problem(unread),
        names_missing,
    )


def _is_live(entry: JsonObject) -> bool:
    """Check the filter of the request again: a test or closed incident must not count."""
    mode = get_str(entry, "mode")
    category = get_str(get_object(entry, "incident_status"), "category")
    return mode in {"", "standard"} and category in {"", "live"}


def _assignments(
    entry: JsonObject, roles: dict[tuple[str, ...], ScheduleOrRole]
) -> list[tuple[ScheduleOrRole, bool, tuple[str, str]]]:
    """Read who holds a role in an incident, and whether it is the reporter's.

    `roles` gets those that nobody holds, too, by what identifies them.
    """
    assignments = []
    for value in get_list(entry, "incident_role_assignments"):
        assignment = as_object(value, "assignment")
        role, assignee = get_object(assignment, "role"), get_object(assignment, "assignee")
        key = require_str(role, "id"), get_str(role, "name"), get_str(role, "shortform")
        if not (listed := roles.get(key)):
            listed = roles[key] = ScheduleOrRole(PROVIDER, INCIDENT_ROLE, key[0], key[1:])
        if assignee:
            # An unknown type may mean a reporter as well.
            is_reporter = get_str(role, "role_type") not in _TAKEN_ON_PURPOSE
            assignments.append((listed, is_reporter, _person(assignee)))
    return assignments


def _incident(
    entry: JsonObject, assignments: Iterable[tuple[ScheduleOrRole, bool, tuple[str, str]]]
) -> Incident:
    creator = get_object(entry, "creator")
    declarers = [person for _, is_reporter, person in assignments if is_reporter]
    if creator.get("user") is not None:
        declarers.append(_person(get_object(creator, "user")))
    elif not any(creator.get(kind) for kind in _NO_PERSON):
        raise ShapeError("the incident does not say who declared it")
    if ("", "") in declarers:
        raise ShapeError("the incident does not identify who declared it")
    incident_id = require_str(entry, "id")
    reference = get_str(entry, "reference")
    if not reference or emails.may_be_in(reference):  # claims contain it, and must not name people
        reference = incident_id
    return Incident(incident_id, reference, tuple(declarers))


def _id_and_name(entry: JsonObject, field: str) -> tuple[str, ...]:
    """Return id and name of an incident's severity or type, if it has one."""
    value = get_object(entry, field)
    return tuple(filter(None, (get_str(value, "id"), get_str(value, "name"))))


def read_updates(body: JsonObject, incident: Incident) -> Page:
    """Read a page of updates: who posted to the incident."""

    def poster(update: JsonObject) -> tuple[str, str]:
        # Only the filter of the request ensures that the update's incident is live.
        if get_str(update, "incident_id") not in {"", incident.id}:
            raise ShapeError("an update belongs to another incident")
        # An update by an API key or a workflow has no person.
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
            declarers=incident.declarer_names,
            user=user_id,
        )
        for holder, user_id in dict.fromkeys(people)
        if holder or user_id
    )
    return Page(tuple(duties), problems=unread_problem(unread))


def _person(user: JsonObject) -> tuple[str, str]:
    """Return a user's e-mail, in normal form, and id; each is "" if it is missing."""
    return emails.normal(get_str(user, "email")), get_str(user, "id").strip()


def _entries(body: JsonObject, field: str) -> list[Any]:
    """Read a required list; null counts as empty."""
    if field not in body:
        raise ShapeError(f"{field} is missing")
    return get_list(body, field)
