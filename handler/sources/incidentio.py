"""incident.io: who is on shift, who holds a role in a live incident, who posted an update to one.

Facts from the vendor's API reference ("Schedules V2", "Incidents V2", "Incident Updates V2",
"Pagination"). Optional fields may be absent, and new ones may come at any time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from handler import emails
from handler.clock import Deadline
from handler.durations import parse_instant
from handler.duties import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, Incident, Titled
from handler.http import Client, HttpError
from handler.shapes import ShapeError, array, as_record, record, required, text
from handler.sources import CutShort, Page, Question

PROVIDER = "incident.io"
BOT = {
    "kind": "indent.v1.Bot",
    "id": "incidentio-approval-bot",
    "displayName": "Incident.io Approval Bot",
    "email": "bot@indent.com",
}
PAGE_SIZE = 250
MOST_PAGES = 20
MOST_INCIDENTS_ASKED_FOR_UPDATES = 20
_FORBIDDEN = 403
_SCOPES = {
    "incidents": "incidents.view",
    "incident_updates": "incidents.view",
    "schedules": "schedules.view",
}
# Roles that somebody takes; the third type is the reporter, who is whoever declared the incident.
_TAKEN_ON_PURPOSE = frozenset({"lead", "custom"})
# Creators behind which no person stands.
_NO_PERSON = ("api_key", "workflow", "alert")
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')


class IncidentIO:
    """Questions to one incident.io organisation."""

    def __init__(self, client: Client, base_url: str, api_key: str) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {api_key}"}
        live = {"status_category[one_of]": "live", "mode[one_of]": "standard"}
        # What is asked for every decision: live incidents with their roles, and shifts.
        self.questions = (
            Question(
                PROVIDER, "incidents", INCIDENT_ROLE, self._list("incidents", live, _incidents)
            ),
            Question(PROVIDER, "schedules", ON_CALL, self._list("schedules", {}, _schedules)),
        )

    def update_questions(self, incidents: Iterable[Incident]) -> tuple[Question, ...]:
        """Ask who posted an update to a live incident: a call each, so of the newest only."""

        def reader(incident: Incident) -> _Read:
            return lambda body: _updates(body, incident)

        return tuple(
            Question(
                PROVIDER,
                f"updates of {each.reference}",
                INCIDENT_UPDATE,
                self._list("incident_updates", {"incident_id": each.id}, reader(each)),
            )
            for each in itertools.islice(incidents, MOST_INCIDENTS_ASKED_FOR_UPDATES)
        )

    def _list(
        self, name: str, query: Mapping[str, str], read: _Read
    ) -> Callable[[Deadline], Iterator[Page]]:
        """Read a list to its end: `after`, the id of a page's last entry, asks for the next."""
        first = f"/v2/{name}?{urlencode({**query, 'page_size': PAGE_SIZE})}"

        def pages(deadline: Deadline) -> Iterator[Page]:
            target, last = first, ""
            for _ in range(MOST_PAGES):
                body = as_record(self._get(target, name, deadline), "the answer")
                yield read(body)
                after = text(record(body, "pagination_meta"), "after")
                if not after:
                    return
                if after == last:
                    raise CutShort("the same page came twice")
                target, last = f"{first}&{urlencode({'after': after})}", after
            raise CutShort(f"only the first {MOST_PAGES} pages were read")

        return pages

    def _get(self, target: str, name: str, deadline: Deadline) -> object:
        try:
            return self._client.get_json(self._base_url + target, self._headers, deadline)
        except HttpError as error:
            hint = (
                f"; the key needs the scope {_SCOPES[name]}" if error.status == _FORBIDDEN else ""
            )
            request = _request_id(error.body)
            raise HttpError(f"{error}{hint}{request}", status=error.status) from error


_Read = Callable[[Mapping[str, Any]], Page]


def _schedules(body: Mapping[str, Any]) -> Page:
    duties, titled, unread, unnamed = [], [], 0, False
    for entry in _entries(body, "schedules"):
        try:
            schedule = as_record(entry, "schedule")
            schedule_id, name = required(schedule, "id"), text(schedule, "name")
            link = text(schedule, "permalink")
            shifts = array(schedule, "current_shifts")
        except ShapeError:
            unread += 1
            unnamed = True
            continue
        titled.append(Titled(PROVIDER, ON_CALL, schedule_id, (name,)))
        for shift in shifts:
            try:
                holder, start, end = _shift(as_record(shift, "shift"))
            except ShapeError:
                unread += 1
                continue
            if holder:
                duty = Duty(
                    PROVIDER, ON_CALL, schedule_id, name, holder, start=start, end=end, link=link
                )
                duties.append(duty)
    return Page(tuple(duties), tuple(titled), problems=_unread(unread), unnamed=unnamed)


def _shift(shift: Mapping[str, Any]) -> tuple[str, datetime, datetime]:
    start, end = (parse_instant(required(shift, field)) for field in ("start_at", "end_at"))
    if start is None or end is None:
        raise ShapeError("a shift's time is no RFC 3339 instant")
    return _person(record(shift, "user"))[0], start, end


def _incidents(body: Mapping[str, Any]) -> Page:
    duties: list[Duty] = []
    roles: dict[tuple[str, str, str], None] = {}
    incidents, unread, unnamed = [], 0, False
    for entry in _entries(body, "incidents"):
        try:
            live = as_record(entry, "incident")
            if not _is_live(live):
                continue
            assignments = _assignments(live)
        except ShapeError:
            unread += 1
            unnamed = True
            continue
        for role in assignments:
            roles[role.id, role.name, role.shortform] = None
        try:
            incident = _incident(live, assignments)
            link = text(live, "permalink")
        except ShapeError:
            # Without all of it, nobody can tell who declared the incident: it proves nothing.
            unread += 1
            continue
        incidents.append(incident)
        duties.extend(_role_duty(role, incident, link) for role in assignments if role.holder)
    titled = tuple(Titled(PROVIDER, INCIDENT_ROLE, role[0], role[1:]) for role in roles)
    return Page(tuple(duties), titled, tuple(incidents), _unread(unread), unnamed)


def _is_live(entry: Mapping[str, Any]) -> bool:
    """Check again what was asked for: a test or a closed incident must not count."""
    mode, category = text(entry, "mode"), text(record(entry, "incident_status"), "category")
    return mode in {"", "standard"} and category in {"", "live"}


class _Assignment(NamedTuple):
    """A role in an incident, and who holds it, if anybody."""

    id: str
    name: str
    shortform: str
    reporter: bool
    filled: bool
    holder: str
    user_id: str


def _assignments(entry: Mapping[str, Any]) -> list[_Assignment]:
    found = []
    for value in array(entry, "incident_role_assignments"):
        assignment = as_record(value, "assignment")
        role, assignee = record(assignment, "role"), record(assignment, "assignee")
        found.append(
            _Assignment(
                required(role, "id"),
                text(role, "name"),
                text(role, "shortform"),
                # A type that is new to us may stand for a reporter, too.
                text(role, "role_type") not in _TAKEN_ON_PURPOSE,
                bool(assignee),
                *(_person(assignee) if assignee else ("", "")),
            )
        )
    return found


def _incident(entry: Mapping[str, Any], assignments: Iterable[_Assignment]) -> Incident:
    creator = record(entry, "creator")
    declarers = [
        (role.holder, role.user_id) for role in assignments if role.reporter and role.filled
    ]
    if creator.get("user") is not None:
        declarers.append(_person(record(creator, "user")))
    elif not any(creator.get(kind) for kind in _NO_PERSON):
        raise ShapeError("nothing says who declared it")
    if ("", "") in declarers:
        raise ShapeError("who declared it cannot be told from others")
    incident_id = required(entry, "id")
    reference = text(entry, "reference")
    if not reference or "@" in reference:  # it goes into claims, which name nobody
        reference = incident_id
    return Incident(incident_id, reference, tuple(declarers))


def _role_duty(role: _Assignment, incident: Incident, link: str) -> Duty:
    return Duty(
        PROVIDER,
        INCIDENT_ROLE,
        role.id,
        role.name,
        role.holder,
        shortform=role.shortform,
        link=link,
        incident=incident.reference,
        reporter=role.reporter,
        self_declared=incident.declared_by(role.holder, role.user_id),
    )


def _updates(body: Mapping[str, Any], incident: Incident) -> Page:
    people: dict[tuple[str, str], None] = {}
    unread = 0
    for entry in _entries(body, "incident_updates"):
        try:
            # An update made by an API key or a workflow has no person.
            updater = record(as_record(entry, "update"), "updater")
            people[_person(record(updater, "user"))] = None
        except ShapeError:
            unread += 1
    duties = (
        Duty(
            PROVIDER,
            INCIDENT_UPDATE,
            incident.id,
            "",
            holder,
            incident=incident.reference,
            self_declared=incident.declared_by(holder, user_id),
        )
        for holder, user_id in people
        if holder
    )
    return Page(tuple(duties), problems=_unread(unread))


def _person(user: Mapping[str, Any]) -> tuple[str, str]:
    """Give a user's e-mail, in normal form, and id; each is "" where it is missing."""
    return emails.normal(text(user, "email")), text(user, "id").strip()


def _entries(body: Mapping[str, Any], field: str) -> list[Any]:
    if field not in body:
        raise ShapeError(f"{field} is missing")
    return array(body, field)


def _unread(count: int) -> tuple[str, ...]:
    return (f"{count} entries could not be read",) if count else ()


def _request_id(body: bytes) -> str:
    """Quote the id by which the vendor's support finds a failed request."""
    found = _REQUEST_ID.search(body)
    return f"; request_id {found[1].decode()}" if found else ""
