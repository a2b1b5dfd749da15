"""incident.io: who is on shift, who holds a role in a live incident, who posted an update to one.

Facts from the vendor's API reference ("Schedules V2", "Incidents V2", "Incident Updates V2",
"Pagination").
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from handler.clock import Deadline
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_TYPE,
    KEY,
    ON_CALL,
    SEVERITY,
    Incident,
    ProviderSnapshot,
)
from handler.http import Client, HttpError
from handler.json_fields import as_object, deferred, get_object, get_str
from handler.providers.base import CutShort, DutyQuery, Page, Question
from handler.providers.incidentio_json import (
    PROVIDER,
    read_incidents,
    read_named,
    read_schedules,
    read_updates,
)

_T = TypeVar("_T")
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
