"""incident.io: who is on shift, who holds a role in a live incident, who posted an update to one.

Facts from the vendor's API reference ("Schedules V2", "Incidents V2", "Incident Updates V2",
"Pagination").
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from handler import emails
from handler.clock import Deadline
from handler.durations import parse_instant
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
from handler.http import Client, HttpError
from handler.json_fields import (
    ShapeError,
    as_object,
    deferred,
    get_list,
    get_object,
    get_str,
    require_str,
)
from handler.providers.base import CutShort, DutyQuery, Page, Question
from handler.providers.registry import BY_ID

_T = TypeVar("_T")
PROVIDER = BY_ID["incidentio"].name
# Roles that somebody takes; the third type is the reporter, who is whoever declared the incident.
_TAKEN_ON_PURPOSE = frozenset({"lead", "custom"})
# Creators behind which no person stands.
_NO_PERSON = ("api_key", "workflow", "alert")
PAGE_SIZE = 250
MOST_PAGES = 20
MOST_INCIDENTS_ASKED_FOR_UPDATES = 20
_FORBIDDEN = 403
_SCOPES = {"incident_updates": "incidents.view"}
# Whole lists, each in one answer.
INVENTORY = {
    "/v1/identity": KEY,
    "/v2/incident_roles": INCIDENT_ROLE,
    "/v1/severities": SEVERITY,
    "/v1/incident_types": INCIDENT_TYPE,
}
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')


class IncidentIO:
    """Questions to one incident.io organisation."""

    def __init__(self, client: Client, base_url: str, api_key: str) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {api_key}"}
        live = {"status_category[one_of]": "live", "mode[one_of]": "standard"}
        self._incidents = Question(
            PROVIDER, "incidents", INCIDENT_ROLE, self._list("incidents", live, read_incidents)
        )
        self._schedules = Question(
            PROVIDER, "schedules", ON_CALL, self._list("schedules", {}, read_schedules)
        )

    def questions(self, wants: DutyQuery, snapshot: ProviderSnapshot) -> Iterator[Question]:
        """Ask for live incidents with their roles, for shifts, then for updates to incidents."""
        if wants.roles or wants.updates:
            yield self._incidents
        if wants.on_call:
            yield self._schedules
        if wants.updates:
            # A call each, so of the newest only.
            for each in itertools.islice(snapshot.incidents, MOST_INCIDENTS_ASKED_FOR_UPDATES):
                yield self._updates_of(each)

    def inventory(self) -> Iterator[Question]:
        """Ask for what a policy may name beside schedules: for checks, never for a decision."""
        for path, kind in INVENTORY.items():
            yield Question(PROVIDER, path.rpartition("/")[2], kind, self._named(path, kind))

    def _named(self, path: str, kind: str) -> Callable[[Deadline], Iterator[Page]]:
        field = path.rpartition("/")[2]

        def pages(deadline: Deadline) -> Iterator[Page]:
            yield self._get(path, field, deadline, lambda body: read_named(body, field, kind))

        return pages

    def _updates_of(self, incident: Incident) -> Question:
        return Question(
            PROVIDER,
            f"updates of {incident.reference}",
            "",
            self._list(
                "incident_updates",
                {"incident_id": incident.id},
                lambda body: read_updates(body, incident),
            ),
        )

    def _list(
        self, name: str, query: Mapping[str, str], read: _Read
    ) -> Callable[[Deadline], Iterator[Page]]:
        """Read a list to its end: `after`, the id of a page's last entry, asks for the next."""
        first = f"/v2/{name}?{urlencode({**query, 'page_size': PAGE_SIZE})}"

        def read_one(body: Mapping[str, Any]) -> tuple[Page, Callable[[], str]]:
            return read(body), deferred(
                lambda: get_str(get_object(body, "pagination_meta"), "after")
            )

        def pages(deadline: Deadline) -> Iterator[Page]:
            target, last = first, ""
            for _ in range(MOST_PAGES):
                page, next_page = self._get(target, name, deadline, read_one)
                yield page
                after = next_page()
                if not after:
                    return
                if after == last:
                    raise CutShort("the same page came twice")
                target, last = f"{first}&{urlencode({'after': after})}", after
            raise CutShort(f"only the first {MOST_PAGES} pages were read")

        return pages

    def _get(
        self, target: str, name: str, deadline: Deadline, read: Callable[[Mapping[str, Any]], _T]
    ) -> _T:
        def read_body(answer: object) -> _T:
            return read(as_object(answer, "the answer"))

        try:
            return self._client.get_json(
                self._base_url + target, self._headers, deadline, read_body
            )
        except HttpError as error:
            scope = _SCOPES.get(name, f"{name}.view")
            hint = f"; the key needs the scope {scope}" if error.status == _FORBIDDEN else ""
            request = _request_id(error.body)
            raise error.with_hint(f"{hint}{request}") from error


_Read = Callable[[Mapping[str, Any]], Page]


def source(client: Client, settings: Mapping[str, str]) -> IncidentIO:
    """Make the source from its settings."""
    return IncidentIO(client, settings["INCIDENTIO_BASE_URL"], settings["INCIDENTIO_API_KEY"])


def _request_id(body: bytes) -> str:
    """Quote the id by which the vendor's support finds a failed request."""
    found = _REQUEST_ID.search(body)
    return f"; request_id {found[1].decode()}" if found else ""


def read_schedules(body: Mapping[str, Any]) -> Page:
    """Read a page of schedules: who is on shift."""
    duties, titled, unread, unnamed = [], [], 0, False
    for entry in _entries(body, "schedules"):
        try:
            schedule = as_object(entry, "schedule")
            schedule_id, name = require_str(schedule, "id"), get_str(schedule, "name")
            link = get_str(schedule, "permalink")
            shifts = get_list(schedule, "current_shifts")
        except ShapeError:
            unread += 1
            unnamed = True
            continue
        titled.append(ScheduleOrRole(PROVIDER, ON_CALL, schedule_id, (name,)))
        for shift in shifts:
            try:
                (holder, user), start, end = _shift(as_object(shift, "shift"))
            except ShapeError:
                unread += 1
                continue
            if holder or user:
                duty = Duty(
                    PROVIDER, ON_CALL, schedule_id, name, holder, start=start, end=end, link=link
                )
                duties.append(duty if holder else duty._replace(user=user))
    return Page(tuple(duties), tuple(titled), problems=_unread(unread), unnamed=unnamed)


def _shift(shift: Mapping[str, Any]) -> tuple[tuple[str, str], datetime, datetime]:
    start, end = (parse_instant(require_str(shift, field)) for field in ("start_at", "end_at"))
    if start is None or end is None:
        raise ShapeError("a shift's time is no RFC 3339 instant")
    return _person(get_object(shift, "user")), start, end


def read_incidents(body: Mapping[str, Any]) -> Page:
    """Read a page of incidents: who holds a role in a live one."""
    duties: list[Duty] = []
    roles: dict[tuple[str, str, str], None] = {}
    incidents, unread, unnamed = [], 0, False
    for entry in _entries(body, "incidents"):
        try:
            live = as_object(entry, "incident")
            if not _is_live(live):
                continue
            named, assignments = _assignments(live)
        except ShapeError:
            unread += 1
            unnamed = True
            continue
        roles.update(dict.fromkeys(named))
        try:
            incident = _incident(live, assignments)
            severity, type_ = _named(live, "severity"), _named(live, "incident_type")
            link = get_str(live, "permalink")
        except ShapeError:
            # Without all of it, nobody can tell who declared the incident: it proves nothing.
            unread += 1
            continue
        incidents.append(incident)
        duties += _role_duties(assignments, incident, link, severity, type_)
    titled = tuple(ScheduleOrRole(PROVIDER, INCIDENT_ROLE, role[0], role[1:]) for role in roles)
    return Page(tuple(duties), titled, tuple(incidents), _unread(unread), unnamed)


def _is_live(entry: Mapping[str, Any]) -> bool:
    """Check again what was asked for: a test or a closed incident must not count."""
    mode, category = (
        get_str(entry, "mode"),
        get_str(get_object(entry, "incident_status"), "category"),
    )
    return mode in {"", "standard"} and category in {"", "live"}


class _Assignment(NamedTuple):
    """A role in an incident, and who holds it."""

    id: str
    name: str
    shortform: str
    reporter: bool
    holder: str
    user_id: str


def _assignments(
    entry: Mapping[str, Any],
) -> tuple[list[tuple[str, str, str]], list[_Assignment]]:
    """Give id, name and shortform of every role, and those that somebody holds."""
    named, held = [], []
    for value in get_list(entry, "incident_role_assignments"):
        assignment = as_object(value, "assignment")
        role, assignee = get_object(assignment, "role"), get_object(assignment, "assignee")
        name = require_str(role, "id"), get_str(role, "name"), get_str(role, "shortform")
        named.append(name)
        if assignee:
            # A type that is new to us may stand for a reporter, too.
            reporter = get_str(role, "role_type") not in _TAKEN_ON_PURPOSE
            held.append(_Assignment(*name, reporter, *_person(assignee)))
    return named, held


def _incident(entry: Mapping[str, Any], assignments: Iterable[_Assignment]) -> Incident:
    creator = get_object(entry, "creator")
    declarers = [(role.holder, role.user_id) for role in assignments if role.reporter]
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


def _named(entry: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """Give id and name of what an incident is classified by, where it is."""
    found = get_object(entry, field)
    both: tuple[Any, Any] = found.get("id"), found.get("name")
    if type(both[0]) is type(both[1]) is str and all(both):
        return both  # as in hundreds of incidents, nearly always
    return tuple(filter(None, (get_str(found, "id"), get_str(found, "name"))))


def _role_duties(
    assignments: Iterable[_Assignment],
    incident: Incident,
    link: str,
    severity: tuple[str, ...],
    type_: tuple[str, ...],
) -> list[Duty]:
    declarers = incident.addresses
    return [
        Duty(
            PROVIDER,
            INCIDENT_ROLE,
            role.id,
            role.name,
            role.holder,
            shortform=role.shortform,
            link=link,
            incident=incident.reference,
            reporter=role.reporter,
            severity=severity,
            type=type_,
            self_declared=incident.declared_by(role.holder, role.user_id),
            declarers=declarers,
            user="" if role.holder else role.user_id,
        )
        for role in assignments
        if role.holder or role.user_id
    ]


def _poster(update: Mapping[str, Any], incident: Incident) -> tuple[str, str]:
    # Only the vendor's filter says that the incident of an update is live.
    if get_str(update, "incident_id") not in {"", incident.id}:
        raise ShapeError("an update is of another incident")
    # One made by an API key or a workflow has no person.
    return _person(get_object(get_object(update, "updater"), "user"))


def read_updates(body: Mapping[str, Any], incident: Incident) -> Page:
    """Read a page of updates: who posted to the incident."""
    people: dict[tuple[str, str], None] = {}
    unread = 0
    for entry in _entries(body, "incident_updates"):
        try:
            people[_poster(as_object(entry, "update"), incident)] = None
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
            declarers=incident.addresses,
            user="" if holder else user_id,
        )
        for holder, user_id in people
        if holder or user_id
    )
    return Page(tuple(duties), problems=_unread(unread))


def read_named(body: Mapping[str, Any], field: str, kind: str) -> Page:
    """Read a list of things with names, or one: the key, whose names are what it may do."""
    if kind == KEY:
        key = get_object(body, field)
        return Page(
            schedules_and_roles=(
                ScheduleOrRole(PROVIDER, kind, get_str(key, "name"), tuple(get_list(key, "roles"))),
            )
        )
    return Page(
        schedules_and_roles=tuple(
            ScheduleOrRole(
                PROVIDER,
                kind,
                require_str(each, "id"),
                (get_str(each, "name"), get_str(each, "shortform")),
            )
            for each in map(partial(as_object, path=field), _entries(body, field))
        )
    )


def _person(user: Mapping[str, Any]) -> tuple[str, str]:
    """Give a user's e-mail, in normal form, and id; each is "" where it is missing."""
    return emails.normal(get_str(user, "email")), get_str(user, "id").strip()


def _entries(body: Mapping[str, Any], field: str) -> list[Any]:
    if field not in body:
        raise ShapeError(f"{field} is missing")
    return get_list(body, field)


def _unread(count: int) -> tuple[str, ...]:
    return (f"{count} entries could not be read",) if count else ()
