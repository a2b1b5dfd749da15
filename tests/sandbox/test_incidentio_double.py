"""The double of incident.io behaves as its documentation says, and its faults are what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from sandbox.vendors import faults, incidentio_faults
from sandbox.vendors.incidentio import IncidentIO
from tests.sandbox import asked
from tests.sandbox.asked import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage


KEY = "the-double-s-own-key"
NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BO = "ana@acme.example", "Bo@Acme.example"
LIVE = "/v2/incidents?" + urlencode({"status_category[one_of]": "live", "mode[one_of]": "standard"})


@pytest.fixture
def watch() -> Watch:
    """The double's clock."""
    return Watch(NOON)


@pytest.fixture
def double(watch: Watch) -> Iterator[IncidentIO]:
    """An organisation of two people and one who has no e-mail."""
    with IncidentIO(KEY, now=watch) as one:
        one.add_person("Ana Lima", ANA)
        one.add_person("Bo Berg", BO)
        one.add_person("Cy Nomail", None)
        yield one


def get(
    double: IncidentIO, target: str, key: str | None = f"Bearer {KEY}"
) -> tuple[int, Any, HTTPMessage]:
    """Status, JSON and headers of one GET with the key."""
    return asked.get(double, target, key)


def names(double: IncidentIO, target: str) -> list[str]:
    """The names in a list, in its order."""
    _, body, _ = get(double, target)
    (rows,) = (rows for rows in body.values() if isinstance(rows, list))
    return [row["name"] for row in rows]


# -- users ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Ana Lima", "Bo Berg", "Cy Nomail"]),
        ("?email=bo@acme.EXAMPLE", ["Bo Berg"]),
        ("?email=bo@acme.exampl", []),
        ("?email=", ["Ana Lima", "Bo Berg", "Cy Nomail"]),
    ],
)
def test_users_by_email(double: IncidentIO, query: str, found: list[str]) -> None:
    """A whole address finds its user, in any case; without one, all are listed."""
    assert names(double, f"/v2/users{query}") == found


# -- incidents -----------------------------------------------------------------------------------


def test_filters_of_incidents(double: IncidentIO) -> None:
    """By default standard and retrospective ones of any status; a filter may have many values."""
    double.declare_incident("live")
    double.declare_incident("triage", category="triage")
    double.declare_incident("backfilled", mode="retrospective")
    double.declare_incident("drill", mode="test")
    double.close_incident(double.declare_incident("closed"))
    assert names(double, "/v2/incidents") == ["closed", "backfilled", "triage", "live"]
    assert names(double, LIVE) == ["live"]
    both = urlencode({"status_category[one_of]": ["triage", "closed"]}, doseq=True)
    assert names(double, f"/v2/incidents?{both}") == ["closed", "triage"]
    drills = urlencode({"mode[one_of]": "test"})
    assert names(double, f"/v2/incidents?{drills}") == ["drill"]


def test_oldest_first(double: IncidentIO) -> None:
    """The order can be turned round."""
    double.declare_incident("one")
    double.declare_incident("two")
    assert names(double, "/v2/incidents?sort_by=created_at_oldest_first") == ["one", "two"]


def test_incident_by_id_and_by_number(double: IncidentIO) -> None:
    """Not by its reference."""
    incident = double.declare_incident("sad")
    for wanted, status in ((incident.id, 200), ("1", 200), ("INC-1", 404), ("2", 404)):
        assert get(double, f"/v2/incidents/{wanted}")[0] == status
    assert get(double, "/v2/incidents/1")[1]["incident"]["id"] == incident.id


def test_pages_hold_when_an_incident_closes_between_them(double: IncidentIO) -> None:
    """A cursor to what is no longer in the list still says where to go on."""
    for name in ("c", "b", "a"):
        double.declare_incident(name)
    after = get(double, f"{LIVE}&page_size=1")[1]["pagination_meta"]["after"]
    double.close_incident(after)
    assert names(double, f"{LIVE}&page_size=5&after={after}") == ["b", "c"]


def test_roles_change_hands(double: IncidentIO) -> None:
    """What is assigned, taken over and given up shows at once, and in the time of the update."""
    comms = double.add_role("Communications Lead", "comms")
    incident = double.declare_incident("sad", by=ANA)

    def holder(role_id: str) -> str | None:
        (row,) = get(double, LIVE)[1]["incidents"]
        (found,) = (
            each for each in row["incident_role_assignments"] if each["role"]["id"] == role_id
        )
        email: str | None = found.get("assignee", {}).get("email")
        return email

    assert holder(double.reporter.id) == ANA
    assert holder(comms.id) is None
    double.assign_role(incident, comms, ANA)
    assert holder(comms.id) == ANA
    double.assign_role("INC-1", "Communications Lead", BO)
    assert holder(comms.id) == BO
    double.assign_role(incident.id, comms, None)
    assert holder(comms.id) is None


def test_incident_of_an_api_key_has_no_reporter(double: IncidentIO) -> None:
    """Its creator is the key, no user, and the reporter's role is unfilled."""
    double.declare_incident("alert")
    (incident,) = get(double, LIVE)[1]["incidents"]
    assert list(incident["creator"]) == ["api_key"]
    assert not any("assignee" in each for each in incident["incident_role_assignments"])


def test_private_incidents_need_global_access(double: IncidentIO) -> None:
    """Another key sees them nowhere: not in the list, not by id, not by their updates."""
    secret = double.declare_incident("hush", visibility="private")
    double.post_update(secret, by=ANA)
    updates = f"/v2/incident_updates?incident_id={secret.id}"
    assert names(double, LIVE) == []
    assert get(double, f"/v2/incidents/{secret.id}")[0] == 404
    assert get(double, updates)[1]["incident_updates"] == []
    with IncidentIO(KEY, key_roles=("viewer", "global_access")) as open_to_all:
        open_to_all.declare_incident("hush", visibility="private")
        assert names(open_to_all, LIVE) == ["hush"]


def test_person_without_email(double: IncidentIO) -> None:
    """The field is absent, not empty."""
    cy = double.add_person("Cy", None)
    double.declare_incident("sad", lead=cy)
    (incident,) = get(double, LIVE)[1]["incidents"]
    assert "email" not in incident["incident_role_assignments"][0]["assignee"]


# -- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since_start", "on_shift"),
    [
        pytest.param(timedelta(microseconds=-1), [], id="just before"),
        pytest.param(timedelta(0), [ANA], id="at the start"),
        pytest.param(HOUR - timedelta(microseconds=1), [ANA], id="just before the end"),
        pytest.param(HOUR, [], id="at the end"),
    ],
)
def test_current_shifts_follow_the_clock(
    double: IncidentIO, watch: Watch, since_start: timedelta, on_shift: list[str]
) -> None:
    """A shift holds from its start until just before its end, though nobody changes a thing."""
    schedule = double.add_schedule("Payments")
    double.put_on_shift(schedule, ANA, NOON + HOUR, NOON + 2 * HOUR)
    (row,) = get(double, "/v2/schedules")[1]["schedules"]
    assert row["current_shifts"] == []
    watch.time = NOON + HOUR + since_start
    (row,) = get(double, "/v2/schedules")[1]["schedules"]
    assert [shift["user"]["email"] for shift in row["current_shifts"]] == on_shift


def test_shift_by_default_is_now_and_eight_hours(double: IncidentIO) -> None:
    """Times are RFC 3339 in UTC, with a fraction where there is one."""
    double.add_schedule("Payments")
    double.put_on_shift("Payments", ANA)
    (row,) = get(double, "/v2/schedules")[1]["schedules"]
    (shift,) = row["current_shifts"]
    assert shift["start_at"] == "2026-03-02T12:00:00.250000Z"
    assert shift["end_at"] == "2026-03-02T20:00:00.250000Z"


def test_shifts_add_up_and_end(double: IncidentIO) -> None:
    """Several people may be on, or nobody; who is taken off is gone."""
    double.add_schedule("Payments")
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO)
    double.put_on_shift("Payments", None)
    double.take_off_shift("Payments", ANA)
    (row,) = get(double, "/v2/schedules")[1]["schedules"]
    assert [each.get("user", {}).get("email") for each in row["current_shifts"]] == [BO, None]


def test_next_shifts_are_told_on_short_pages_only(double: IncidentIO) -> None:
    """They are there at a page size of 25, and empty above."""
    double.put_on_shift(double.add_schedule("Payments"), ANA, NOON + HOUR)
    for size, count in ((25, 1), (26, 0)):
        (row,) = get(double, f"/v2/schedules?page_size={size}")[1]["schedules"]
        assert len(row["next_shifts"]) == count
        assert row["current_shifts"] == []


# -- the API's manners ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "Bearer wrong", KEY, f"Token {KEY}", "Bearer "])
@pytest.mark.parametrize("path", ["/v1/identity", "/v2/incidents", "/v2/unheard-of"])
def test_only_the_key_opens(double: IncidentIO, key: str | None, path: str) -> None:
    """Whatever else is sent is 401, on every path."""
    status, body, _ = get(double, path, key)
    assert (status, body["type"], body["status"]) == (401, "authentication_error", 401)


CLASSES = ["/v1/severities", "/v1/incident_types"]


@pytest.mark.parametrize(
    ("key_role", "opened"),
    [
        ("viewer", [*CLASSES, "/v2/incidents", "/v2/incident_roles", "/v2/incident_updates"]),
        ("schedules_reader", ["/v2/schedules"]),
    ],
)
def test_each_path_needs_its_key_role(key_role: str, opened: list[str]) -> None:
    """Without it the answer is 403; the identity needs none."""
    lists = ["/v2/incidents", "/v2/incident_roles", "/v2/incident_updates", "/v2/schedules"]
    lists += CLASSES
    with IncidentIO(KEY, key_roles=[key_role]) as double:
        statuses = {path: get(double, path)[0] for path in lists}
        assert statuses == {path: 200 if path in opened else 403 for path in lists}
        assert get(double, "/v1/identity")[1]["identity"]["roles"] == [key_role]


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/v2/incidents?page_size=501", "page_size"),
        ("/v2/incident_updates?page_size=251", "page_size"),
        ("/v2/schedules?page_size=10001", "page_size"),
        ("/v2/schedules?page_size=0", "page_size"),
        ("/v2/schedules?page_size=many", "page_size"),
        ("/v2/incidents?after=nothing", "after"),
        ("/v2/incidents?mode%5Bone_of%5D=real", "mode"),
        ("/v2/incidents?status_category%5Bone_of%5D=active", "status_category"),
    ],
)
def test_invalid_values_are_422(double: IncidentIO, target: str, field: str) -> None:
    """The error names the parameter."""
    status, body, _ = get(double, target)
    assert (status, body["type"]) == (422, "validation_error")
    assert body["errors"][0]["source"]["field"] == field


def test_largest_pages(double: IncidentIO) -> None:
    """500 incidents, 250 updates, 10,000 schedules are allowed."""
    for target in ("incidents?page_size=500", "incident_updates?page_size=250"):
        assert get(double, f"/v2/{target}")[0] == 200
    assert get(double, "/v2/schedules?page_size=10000")[0] == 200


def test_request_ids_are_unique(double: IncidentIO) -> None:
    """Each error has its own."""
    ids = [get(double, "/v2/nothing")[1]["request_id"] for _ in range(3)]
    assert len(set(ids)) == 3


def test_rate_limit_headers(double: IncidentIO) -> None:
    """Every answer tells the bucket, and when it is full again in Unix seconds."""
    for target in ("/v2/incidents", "/v2/nothing"):
        headers = get(double, target)[2]
        assert headers["X-RateLimit-Limit"] == "1200"
        assert headers["X-RateLimit-Remaining"] == "1199"
        assert int(headers["X-RateLimit-Reset"]) == int(NOON.timestamp()) + 1


def test_a_broken_second_page(double: IncidentIO) -> None:
    """The fault is on the page by its place in this list, whatever the cursor."""
    for number in range(5):
        double.declare_incident(str(number))
    double.fail("/v2/incidents", faults.Status(500), page=2)
    status, body, _ = get(double, f"{LIVE}&page_size=2")
    after = body["pagination_meta"]["after"]
    assert status == 200
    assert get(double, f"{LIVE}&page_size=2&after={after}")[0] == 500
    double.heal()
    after = get(double, f"{LIVE}&page_size=2&after={after}")[1]["pagination_meta"]["after"]
    double.fail("/v2/incidents", faults.Status(500), page=2)
    assert names(double, f"{LIVE}&page_size=2&after={after}") == ["0"]


def test_ids_are_the_same_in_every_run() -> None:
    """What is done in the same order gets the same ids, each unlike the others."""

    def ids() -> list[str]:
        with IncidentIO(KEY) as double:
            person = double.add_person("Ana", ANA)
            incident = double.declare_incident("sad", by=ANA)
            return [person.id, incident.id, double.post_update(incident).id, double.lead.id]

    assert ids() == ids()
    assert len(set(ids())) == 4
    assert {len(each) for each in ids()} == {26}


@pytest.mark.parametrize(
    ("called", "count"), [("Database", 2), ("Nothing", 0)], ids=["shared", "unknown"]
)
def test_a_name_must_be_of_one_thing(double: IncidentIO, called: str, count: int) -> None:
    """What two share, or none has, is refused; the thing itself always does."""
    double.add_schedule("Database")
    second = double.add_schedule("Database")
    with pytest.raises(LookupError, match=f"{count} have the name '{called}', not 1"):
        double.put_on_shift(called, ANA)
    double.put_on_shift(second, ANA)
    rows = get(double, "/v2/schedules")[1]["schedules"]
    assert [len(row["current_shifts"]) for row in rows] == [0, 1]


# -- wrong types ---------------------------------------------------------------------------------

_WRONG = [
    pytest.param(path, fault, id=f"{path}: {what}")
    for path, wrong in (
        ("/v2/incidents", incidentio_faults.WRONG_INCIDENTS | incidentio_faults.WRONG_PAGES),
        ("/v2/schedules", incidentio_faults.WRONG_SCHEDULES | incidentio_faults.WRONG_PAGES),
        ("/v2/incident_updates", incidentio_faults.WRONG_UPDATES),
    )
    for what, fault in wrong.items()
]


@pytest.mark.parametrize(("path", "fault"), _WRONG)
def test_wrong_types_are_in_the_body(double: IncidentIO, path: str, fault: faults.Replaced) -> None:
    """Each named fault changes a body that holds everything it could be about."""
    incident = double.declare_incident("sad", by=ANA, lead=BO)
    double.post_update(incident, by=ANA)
    double.put_on_shift(double.add_schedule("Payments"), ANA)
    right = get(double, path)[1]
    double.fail(path, fault)
    wrong: Any = get(double, path)[1]
    assert wrong != right
    for step in fault.path:
        wrong = wrong[0] if step == "*" else wrong[step]
    assert wrong == fault.value
