"""The double of incident.io answers as incident.io's documentation describes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.sandbox.manual_clock import HOUR, NOON, ManualClock
from tests.sandbox.vendor_accounts import ANA, BO, KEY, get, read, request

if TYPE_CHECKING:
    from collections.abc import Iterator

INCIDENTS, LIVE = "/v2/incidents", {"status_category[one_of]": "live", "mode[one_of]": "standard"}


@pytest.fixture
def double(clock: ManualClock) -> Iterator[IncidentIO]:
    """An organisation of two people and one without an e-mail."""
    with IncidentIO(KEY, now=clock) as double:
        double.add_person("Ana Lima", ANA)
        double.add_person("Bo Berg", BO)
        double.add_person("Cy Nomail", None)
        yield double


def names(double: IncidentIO, path: str, **query: object) -> list[str]:
    """Return the names in a list, in order."""
    (rows,) = (rows for rows in read(double, path, **query).values() if isinstance(rows, list))
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("email", "people"),
    [
        ("bo@acme.EXAMPLE", ["Bo Berg"]),
        ("bo@acme.exampl", []),
        ("", ["Ana Lima", "Bo Berg", "Cy Nomail"]),
    ],
)
def test_users_by_email(double: IncidentIO, email: str, people: list[str]) -> None:
    """A complete address finds its user in any case; without one, all users are listed."""
    assert names(double, "/v2/users", email=email) == people


def test_filters_of_incidents(double: IncidentIO) -> None:
    """By default standard and retrospective incidents of any status are listed, newest first."""
    double.declare_incident("live")
    double.declare_incident("triage", category="triage")
    double.declare_incident("backfilled", mode="retrospective")
    double.declare_incident("drill", mode="test")
    double.close_incident(double.declare_incident("closed"))
    assert names(double, INCIDENTS) == ["closed", "backfilled", "triage", "live"]
    assert names(double, INCIDENTS, **LIVE) == ["live"]
    assert names(double, INCIDENTS, **{"mode[one_of]": "test"}) == ["drill"]


def test_pages_hold_when_an_incident_closes_between_them(double: IncidentIO) -> None:
    """A cursor works even if its incident is no longer listed."""
    for name in ("c", "b", "a"):
        double.declare_incident(name)
    after = read(double, INCIDENTS, page_size=1, **LIVE)["pagination_meta"]["after"]
    double.close_incident(after)
    assert names(double, INCIDENTS, page_size=5, after=after, **LIVE) == ["b", "c"]


def test_roles_change_hands(double: IncidentIO) -> None:
    """Role changes show at once; an API key's incident has no roles."""
    double.add_role("Communications Lead", "comms")
    double.declare_incident("alert")

    def holders() -> list[str | None]:
        (row,) = read(double, INCIDENTS, **LIVE)["incidents"]
        assert list(row["creator"]) == ["api_key"]
        roles = row["incident_role_assignments"]
        return [role["assignee"].get("email") if "assignee" in role else None for role in roles]

    assert holders() == [None, None, None]
    for who in (ANA, BO, None):
        double.assign_role("INC-1", "Communications Lead", who)
        assert holders() == [None, None, who]


def test_private_incidents_need_global_access(double: IncidentIO) -> None:
    """Without global access, private incidents and their updates are hidden."""
    secret = double.declare_incident("hush", visibility="private")
    double.post_update(secret, by=ANA)
    assert names(double, INCIDENTS) == []
    updates = read(double, "/v2/incident_updates", incident_id=secret.id)["incident_updates"]
    assert updates == []
    double.key_roles = ("viewer", "global_access")
    assert names(double, INCIDENTS) == ["hush"]


@pytest.mark.parametrize(
    ("since_start", "on_shift"),
    [
        (timedelta(microseconds=-1), []),
        (timedelta(0), [ANA]),
        (HOUR - timedelta(microseconds=1), [ANA]),
        (HOUR, []),
    ],
)
def test_current_shifts_follow_the_clock(
    double: IncidentIO, clock: ManualClock, since_start: timedelta, on_shift: list[str]
) -> None:
    """A shift counts from its start until just before its end."""
    double.put_on_shift(double.add_schedule("Payments"), ANA, NOON + HOUR, NOON + 2 * HOUR)
    (row,) = read(double, "/v2/schedules")["schedules"]
    assert row["current_shifts"] == []
    clock.time = NOON + HOUR + since_start
    (row,) = read(double, "/v2/schedules")["schedules"]
    assert [shift["user"]["email"] for shift in row["current_shifts"]] == on_shift


def test_shifts_add_up_and_end(double: IncidentIO) -> None:
    """Several people, one without an e-mail, or nobody can be on shift; removed people are gone."""
    double.add_schedule("Payments")
    for who in (ANA, double.people[-1], None):
        double.put_on_shift("Payments", who)
    double.take_off_shift("Payments", ANA)
    (row,) = read(double, "/v2/schedules")["schedules"]
    nomail, nobody = row["current_shifts"]
    assert "email" not in nomail["user"]
    assert "user" not in nobody


@pytest.mark.parametrize("key", [None, "Bearer wrong", KEY, f"Token {KEY}", "Bearer "])
@pytest.mark.parametrize("path", ["/v1/identity", INCIDENTS, "/v2/unheard-of"])
def test_only_the_key_opens(double: IncidentIO, key: str | None, path: str) -> None:
    """Without the right key every path answers 401."""
    status, body, _ = request(double, path, key)
    assert (status, body["type"], body["status"]) == (401, "authentication_error", 401)


@pytest.mark.parametrize("key_role", ["viewer", "schedules_reader"])
def test_each_path_needs_its_key_role(double: IncidentIO, key_role: str) -> None:
    """Without its role a path answers 403; the identity needs no role."""
    double.key_roles = (key_role,)
    for path in ("incidents", "incident_roles", "incident_updates", "users", "schedules"):
        needed = "schedules_reader" if path == "schedules" else "viewer"
        assert get(double, f"/v2/{path}")[0] == (200 if needed == key_role else 403)
    assert read(double, "/v1/identity")["identity"]["roles"] == [key_role]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (INCIDENTS, "page_size", 501),
        ("/v2/incident_updates", "page_size", 251),
        ("/v2/schedules", "page_size", 0),
        ("/v2/schedules", "page_size", "many"),
        (INCIDENTS, "after", "nothing"),
        (INCIDENTS, "mode[one_of]", "real"),
        (INCIDENTS, "status_category[one_of]", "active"),
    ],
)
def test_invalid_values_are_422(double: IncidentIO, path: str, field: str, value: object) -> None:
    """The error names the parameter."""
    status, body, _ = get(double, path, **{field: value})
    assert (status, body["type"]) == (422, "validation_error")
    assert body["errors"][0]["source"]["field"] == field.partition("[")[0]


def test_a_broken_second_page(double: IncidentIO) -> None:
    """The fault applies to the second page of the list, whatever the cursor."""
    for number in range(5):
        double.declare_incident(str(number))
    double.fail(INCIDENTS, faults.Status(500), page=2)
    first = read(double, INCIDENTS, page_size=2)
    after = first["pagination_meta"]["after"]
    assert get(double, INCIDENTS, page_size=2, after=after)[0] == 500
    assert names(double, INCIDENTS, page_size=4) == ["4", "3", "2", "1"]


@pytest.mark.parametrize(("name", "count"), [("Database", 2), ("Nothing", 0)])
def test_ambiguous_names_are_refused(double: IncidentIO, name: str, count: int) -> None:
    """A name that is ambiguous or unknown is refused; the object itself is accepted."""
    double.add_schedule("Database")
    second = double.add_schedule("Database")
    with pytest.raises(LookupError, match=f"{count} are called '{name}', not 1"):
        double.put_on_shift(name, ANA)
    double.put_on_shift(second, ANA)
    rows = read(double, "/v2/schedules")["schedules"]
    assert [len(row["current_shifts"]) for row in rows] == [0, 1]
