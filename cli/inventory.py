"""What providers list besides duties, such as severities: for checks, not for decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from handler.clock import Deadline
from handler.duty import INCIDENT_ROLE, INCIDENT_TYPE, KEY, SEVERITY, ScheduleOrRole
from handler.json_fields import (
    JsonObject,
    ShapeError,
    as_object,
    get_list,
    get_object,
    get_str,
    require_list,
    require_str,
)
from handler.providers import incidentio, pagerduty
from handler.providers.base import Page, ProviderClient, Question
from handler.providers.incidentio import IncidentIOClient
from handler.providers.pagerduty import PagerDutyClient

# Complete lists of incident.io, each in one response.
INCIDENTIO_LISTS = {
    "/v1/identity": KEY,
    "/v2/incident_roles": INCIDENT_ROLE,
    "/v1/severities": SEVERITY,
    "/v1/incident_types": INCIDENT_TYPE,
}


def inventory_questions(name: str, client: ProviderClient) -> Iterator[Question]:
    """Ask a provider for what else a policy may name: most list all names with the duties.

    Args:
        name: the provider's display name.
        client: its client.
    """
    inventory = _INVENTORIES.get(name)
    return inventory(client) if inventory else iter(())


def _incidentio(client: IncidentIOClient) -> Iterator[Question]:
    for path, kind in INCIDENTIO_LISTS.items():
        fetch = partial(_fetch_list, client, path, kind)
        yield Question(incidentio.PROVIDER, path.rpartition("/")[2], kind, fetch)


def _pagerduty(client: PagerDutyClient) -> Iterator[Question]:
    """Ask only whether the key may see users, as decisions need."""
    yield Question(pagerduty.PROVIDER, "users", KEY, partial(_fetch_a_user, client))


# By display name; each takes the client of that provider.
_INVENTORIES: Mapping[str, Callable[[Any], Iterator[Question]]] = {
    incidentio.PROVIDER: _incidentio,
    pagerduty.PROVIDER: _pagerduty,
}


def _fetch_list(
    provider: IncidentIOClient, path: str, kind: str, deadline: Deadline
) -> Iterator[Page]:
    field = path.rpartition("/")[2]
    yield provider.get(path, field, deadline, lambda body: _read_list(body, field, kind))


def _read_list(body: JsonObject, field: str, kind: str) -> Page:
    """Read a list of named things, or the key, whose names are its scopes."""
    name = incidentio.PROVIDER
    if kind == KEY:
        key = get_object(body, field)
        roles = tuple(get_list(key, "roles"))
        return Page(schedules_and_roles=(ScheduleOrRole(name, kind, get_str(key, "name"), roles),))
    if field not in body:
        raise ShapeError(f"{field} is missing")
    entries = [as_object(entry, field) for entry in get_list(body, field)]
    return Page(
        schedules_and_roles=tuple(
            ScheduleOrRole(
                name,
                kind,
                require_str(entry, "id"),
                (get_str(entry, "name"), get_str(entry, "shortform")),
            )
            for entry in entries
        )
    )


def _fetch_a_user(provider: PagerDutyClient, deadline: Deadline) -> Iterator[Page]:
    yield provider.get("/users", {"limit": 1}, deadline, _read_nothing)


def _read_nothing(body: JsonObject) -> Page:
    require_list(body, "users")
    return Page()
