"""The vendor's own client, `incident-io` on PyPI, reads the double as it would read the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from incident_io import AuthenticatedClient
from incident_io.api.incident_roles_v2 import incident_roles_v2_list
from incident_io.api.incident_types_v1 import incident_types_v1_list
from incident_io.api.incident_updates_v2 import incident_updates_v2_list
from incident_io.api.incidents_v2 import incidents_v2_list
from incident_io.api.schedules_v2 import schedules_v2_list
from incident_io.api.severities_v1 import severities_v1_list
from incident_io.api.utilities_v1 import utilities_v1_identity
from incident_io.models.error_response import ErrorResponse
from incident_io.models.incident_roles_list_result_v2 import IncidentRolesListResultV2
from incident_io.models.incident_types_list_result_v1 import IncidentTypesListResultV1
from incident_io.models.incident_updates_list_result_v2 import IncidentUpdatesListResultV2
from incident_io.models.incidents_list_result_v2 import IncidentsListResultV2
from incident_io.models.incidents_v2_list_mode import IncidentsV2ListMode
from incident_io.models.incidents_v2_list_status_category import IncidentsV2ListStatusCategory
from incident_io.models.schedules_list_result_v2 import SchedulesListResultV2
from incident_io.models.severities_list_result_v1 import SeveritiesListResultV1
from incident_io.models.utilities_identity_result_v1 import UtilitiesIdentityResultV1
from incident_io.types import UNSET, Unset

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.sandbox.manual_clock import HOUR, NOON
from tests.sandbox.vendor_accounts import ANA, BO, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_io.models.pagination_meta_result_v2 import PaginationMetaResultV2
    from incident_io.models.pagination_meta_result_with_total_v2 import (
        PaginationMetaResultWithTotalV2,
    )


@pytest.fixture
def double() -> Iterator[IncidentIO]:
    """An organisation of two people, at noon."""
    with IncidentIO(KEY, now=lambda: NOON) as vendor:
        vendor.add_person("Ana Lima", ANA)
        vendor.add_person("Bo Berg", BO)
        yield vendor


@pytest.fixture
def vendor(double: IncidentIO) -> Iterator[AuthenticatedClient]:
    """The vendor's client, as it would talk to the vendor."""
    with AuthenticatedClient(base_url=double.url, token=KEY) as client:
        yield client


def next_cursor(
    meta: PaginationMetaResultV2 | PaginationMetaResultWithTotalV2 | Unset,
) -> str | Unset:
    """The cursor of the page after this one."""
    return UNSET if isinstance(meta, Unset) else meta.after


def test_vendor_client_reads_incidents_with_roles(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """An incident's fields, roles, creator and times arrive as the client's types."""
    double.add_role("Communications Lead", "comms")
    double.declare_incident("Database is sad", by=BO, lead=ANA)
    result = incidents_v2_list.sync(client=vendor)
    assert isinstance(result, IncidentsListResultV2)
    (incident,) = result.incidents
    assert (incident.reference, incident.name) == ("INC-1", "Database is sad")
    assert (incident.mode.value, incident.visibility.value) == ("standard", "public")
    assert incident.incident_status.category.value == "live"
    assert incident.created_at == NOON
    assert not isinstance(incident.creator.user, Unset)
    assert incident.creator.user.email == BO
    roles = [
        (
            assignment.role.name,
            assignment.role.shortform,
            assignment.role.role_type.value,
            None if isinstance(assignment.assignee, Unset) else assignment.assignee.email,
        )
        for assignment in incident.incident_role_assignments
    ]
    assert roles == [
        ("Incident Lead", "lead", "lead", ANA),
        ("Reporter", "", "reporter", BO),
        ("Communications Lead", "comms", "custom", None),
    ]


def test_vendor_client_reads_all_pages_of_incidents(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """Seven incidents in pages of three come newest first, each once, with the total."""
    for number in range(7):
        double.declare_incident(f"incident {number}")
    seen: list[str] = []
    after: str | Unset = UNSET
    for length in (3, 3, 1):
        result = incidents_v2_list.sync(
            client=vendor,
            page_size=3,
            after=after,
            mode=IncidentsV2ListMode.from_dict({"one_of": ["standard"]}),
            status_category=IncidentsV2ListStatusCategory.from_dict({"one_of": ["live"]}),
        )
        assert isinstance(result, IncidentsListResultV2)
        assert len(result.incidents) == length
        assert not isinstance(result.pagination_meta, Unset)
        assert result.pagination_meta.total_record_count == 7
        seen += [incident.reference for incident in result.incidents]
        after = next_cursor(result.pagination_meta)
    assert after is UNSET
    assert seen == [f"INC-{number}" for number in range(7, 0, -1)]
    query = double.calls[1].query
    assert query["status_category[one_of]"] == ["live"]
    assert query["after"]


def test_vendor_client_reads_schedules_with_shifts(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """Who is on shift now, and until when; those who are next are not among them."""
    schedule = double.add_schedule("Payments primary", id="01SCHEDULE")
    double.put_on_shift(schedule, ANA, NOON - HOUR, NOON + HOUR)
    double.put_on_shift(schedule, BO, NOON + HOUR, NOON + 2 * HOUR)
    result = schedules_v2_list.sync(client=vendor)
    assert isinstance(result, SchedulesListResultV2)
    (listed,) = result.schedules
    assert (listed.id, listed.name) == ("01SCHEDULE", "Payments primary")
    assert not isinstance(listed.current_shifts, Unset)
    (shift,) = listed.current_shifts
    assert (shift.start_at, shift.end_at) == (NOON - HOUR, NOON + HOUR)
    assert not isinstance(shift.user, Unset)
    assert shift.user.email == ANA


def test_vendor_client_reads_all_pages_of_schedules(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """Thirty schedules are two pages of the default 25."""
    for number in range(30):
        double.add_schedule(f"schedule {number}")
    first = schedules_v2_list.sync(client=vendor)
    assert isinstance(first, SchedulesListResultV2)
    rest = schedules_v2_list.sync(client=vendor, after=next_cursor(first.pagination_meta))
    assert isinstance(rest, SchedulesListResultV2)
    assert next_cursor(rest.pagination_meta) is UNSET
    assert [len(first.schedules), len(rest.schedules)] == [25, 5]
    listed = [schedule.name for schedule in first.schedules + rest.schedules]
    assert listed == [f"schedule {number}" for number in range(30)]


def test_vendor_client_reads_all_pages_of_updates(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """Only this incident's, with their authors: an API key is no user."""
    incident = double.declare_incident("sad", by=ANA)
    double.post_update("INC-1", by=BO)
    double.post_update(double.declare_incident("other"), by=ANA)
    double.post_update(incident)
    authors: list[str | Unset | None] = []
    after: str | Unset = UNSET
    for _ in range(2):
        result = incident_updates_v2_list.sync(
            client=vendor, incident_id=incident.id, page_size=1, after=after
        )
        assert isinstance(result, IncidentUpdatesListResultV2)
        (update,) = result.incident_updates
        assert update.incident_id == incident.id
        assert isinstance(update.updater.user, Unset) != isinstance(update.updater.api_key, Unset)
        authors.append(
            None if isinstance(update.updater.user, Unset) else update.updater.user.email
        )
        after = next_cursor(result.pagination_meta)
    assert after is UNSET
    assert authors == [None, BO]


def test_vendor_client_reads_roles_and_identity(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """The lead and reporter are there from the start; the key says what it may do."""
    double.add_role("Communications Lead", "comms")
    roles = incident_roles_v2_list.sync(client=vendor)
    assert isinstance(roles, IncidentRolesListResultV2)
    kinds = [(role.shortform, role.role_type.value) for role in roles.incident_roles]
    assert kinds == [("lead", "lead"), ("", "reporter"), ("comms", "custom")]
    identity = utilities_v1_identity.sync(client=vendor)
    assert isinstance(identity, UtilitiesIdentityResultV1)
    assert [role.value for role in identity.identity.roles] == ["viewer", "schedules_reader"]


def test_vendor_client_reads_severities_and_types(
    double: IncidentIO, vendor: AuthenticatedClient
) -> None:
    """All that incidents are classified by is listed, and they carry some of it."""
    double.declare_incident("Database is sad", by=BO)
    severities = severities_v1_list.sync(client=vendor)
    assert isinstance(severities, SeveritiesListResultV1)
    ranks = {severity.name: int(severity.rank) for severity in severities.severities}
    assert ranks == {"Minor": 1, "Major": 2, "Critical": 3}
    types = incident_types_v1_list.sync(client=vendor)
    assert isinstance(types, IncidentTypesListResultV1)
    result = incidents_v2_list.sync(client=vendor)
    assert isinstance(result, IncidentsListResultV2)
    (incident,) = result.incidents
    assert not isinstance(incident.severity, Unset)
    assert not isinstance(incident.incident_type, Unset)
    assert incident.severity.id in {severity.id for severity in severities.severities}
    assert incident.incident_type.id in {incident_type.id for incident_type in types.incident_types}


def test_vendor_client_reads_a_refusal(vendor: AuthenticatedClient) -> None:
    """It has the type, the status and an id to quote."""
    error = incidents_v2_list.sync(client=vendor, page_size=501)
    assert isinstance(error, ErrorResponse)
    assert (error.status, error.type_.value) == (422, "validation_error")
    assert error.request_id


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (403, "resource_forbidden"),
        (404, "not_found"),
        (429, "too_many_requests"),
        (500, "api_error"),
    ],
)
def test_vendor_client_reads_faults(
    double: IncidentIO, vendor: AuthenticatedClient, status: int, kind: str
) -> None:
    """An error that is switched on has the vendor's body too."""
    fault = faults.TooManyRequests(3) if status == 429 else faults.Status(status)
    double.fail("/v2/schedules", fault)
    error = schedules_v2_list.sync(client=vendor)
    assert isinstance(error, ErrorResponse)
    assert (error.status, error.type_.value) == (status, kind)
    assert isinstance(error.rate_limit, Unset) == (status != 429)
