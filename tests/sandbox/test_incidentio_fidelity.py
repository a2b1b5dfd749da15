"""The vendor's own client, `incident-io` on PyPI, can read the double's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.sandbox.manual_clock import HOUR, NOON
from tests.sandbox.vendor_accounts import ANA, BO, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.incidentio_client import VendorClient


@pytest.fixture
def double() -> Iterator[IncidentIO]:
    """An organisation of two people, at noon."""
    with IncidentIO(KEY, now=lambda: NOON) as vendor:
        vendor.add_person("Ana Lima", ANA)
        vendor.add_person("Bo Berg", BO)
        yield vendor


@pytest.fixture
def vendor(double: IncidentIO) -> Iterator[VendorClient]:
    """The vendor's client, which calls the double."""
    from tests.sandbox.incidentio_client import vendor_client  # noqa: PLC0415 - slow to import

    with vendor_client(double.url, KEY) as client:
        yield client


def test_vendor_client_reads_incidents_with_roles(double: IncidentIO, vendor: VendorClient) -> None:
    """Fields, roles, creator and times have the client's types."""
    double.add_role("Communications Lead", "comms")
    double.declare_incident("Database is sad", by=BO, lead=ANA)
    (incident,) = vendor.incidents().incidents
    assert (incident.reference, incident.name) == ("INC-1", "Database is sad")
    assert (incident.mode.value, incident.visibility.value) == ("standard", "public")
    assert incident.incident_status.category.value == "live"
    assert incident.created_at == NOON
    assert vendor.present(incident.creator.user).email == BO
    roles = [
        (
            assignment.role.name,
            assignment.role.shortform,
            assignment.role.role_type.value,
            assignment.assignee.email if assignment.assignee else None,
        )
        for assignment in incident.incident_role_assignments
    ]
    assert roles == [
        ("Incident Lead", "lead", "lead", ANA),
        ("Reporter", "", "reporter", BO),
        ("Communications Lead", "comms", "custom", None),
    ]


def test_vendor_client_reads_all_pages_of_incidents(
    double: IncidentIO, vendor: VendorClient
) -> None:
    """Seven incidents in pages of three are listed once each, newest first."""
    for number in range(7):
        double.declare_incident(f"incident {number}")
    references: list[str] = []
    after = None
    for length in (3, 3, 1):
        page = vendor.incidents(after, page_size=3, **vendor.LIVE_AND_STANDARD)
        assert len(page.incidents) == length
        assert vendor.present(page.pagination_meta).total_record_count == 7
        references += [incident.reference for incident in page.incidents]
        after = vendor.next_cursor(page.pagination_meta)
    assert after is None
    assert references == [f"INC-{number}" for number in range(7, 0, -1)]
    query = double.calls[1].query
    assert query["status_category[one_of]"] == ["live"]
    assert query["after"]


def test_vendor_client_reads_schedules_with_shifts(
    double: IncidentIO, vendor: VendorClient
) -> None:
    """People on shift now are listed with the end; later shifts aren't."""
    schedule = double.add_schedule("Payments primary", id="01SCHEDULE")
    double.put_on_shift(schedule, ANA, NOON - HOUR, NOON + HOUR)
    double.put_on_shift(schedule, BO, NOON + HOUR, NOON + 2 * HOUR)
    (listed,) = vendor.schedules().schedules
    assert (listed.id, listed.name) == ("01SCHEDULE", "Payments primary")
    (shift,) = vendor.present(listed.current_shifts)
    assert (shift.start_at, shift.end_at) == (NOON - HOUR, NOON + HOUR)
    assert vendor.present(shift.user).email == ANA


def test_vendor_client_reads_all_pages_of_schedules(
    double: IncidentIO, vendor: VendorClient
) -> None:
    """Thirty schedules are two pages of the default 25."""
    for number in range(30):
        double.add_schedule(f"schedule {number}")
    first = vendor.schedules()
    rest = vendor.schedules(vendor.next_cursor(first.pagination_meta))
    assert vendor.next_cursor(rest.pagination_meta) is None
    assert [len(first.schedules), len(rest.schedules)] == [25, 5]
    listed = [schedule.name for schedule in first.schedules + rest.schedules]
    assert listed == [f"schedule {number}" for number in range(30)]


def test_vendor_client_reads_all_pages_of_updates(double: IncidentIO, vendor: VendorClient) -> None:
    """Only this incident's updates are listed; an API key isn't a user."""
    incident = double.declare_incident("sad", by=ANA)
    double.post_update("INC-1", by=BO)
    double.post_update(double.declare_incident("other"), by=ANA)
    double.post_update(incident)
    authors: list[str | None] = []
    after = None
    for _ in range(2):
        page = vendor.updates(incident.id, after)
        (update,) = page.incident_updates
        assert update.incident_id == incident.id
        assert bool(update.updater.user) != bool(update.updater.api_key)
        author = update.updater.user and vendor.present(update.updater.user.email)
        authors.append(author or None)
        after = vendor.next_cursor(page.pagination_meta)
    assert after is None
    assert authors == [None, BO]


def test_vendor_client_reads_roles_and_identity(double: IncidentIO, vendor: VendorClient) -> None:
    """Lead and reporter exist by default; the identity lists the key's roles."""
    double.add_role("Communications Lead", "comms")
    kinds = [(role.shortform, role.role_type.value) for role in vendor.roles().incident_roles]
    assert kinds == [("lead", "lead"), ("", "reporter"), ("comms", "custom")]
    roles = [role.value for role in vendor.identity().identity.roles]
    assert roles == ["viewer", "schedules_reader"]


def test_vendor_client_reads_severities_and_types(double: IncidentIO, vendor: VendorClient) -> None:
    """Severities and types are listed, and an incident refers to them."""
    double.declare_incident("Database is sad", by=BO)
    severities = vendor.severities().severities
    ranks = {severity.name: int(severity.rank) for severity in severities}
    assert ranks == {"Minor": 1, "Major": 2, "Critical": 3}
    types = vendor.types().incident_types
    (incident,) = vendor.incidents().incidents
    assert vendor.present(incident.severity).id in {severity.id for severity in severities}
    assert vendor.present(incident.incident_type).id in {type_.id for type_ in types}


def test_vendor_client_reads_a_refusal(vendor: VendorClient) -> None:
    """A refusal has type, status and a request id."""
    error = vendor.incidents_error(page_size=501)
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
    double: IncidentIO, vendor: VendorClient, status: int, kind: str
) -> None:
    """A fault's error has the vendor's format."""
    fault = faults.TooManyRequests(3) if status == 429 else faults.Status(status)
    double.fail("/v2/schedules", fault)
    error = vendor.schedules_error()
    assert (error.status, error.type_.value) == (status, kind)
    assert bool(error.rate_limit) == (status == 429)
