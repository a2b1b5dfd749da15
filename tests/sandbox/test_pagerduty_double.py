"""The double of PagerDuty answers as its documentation describes, pitfalls included."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.vendors import faults
from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.manual_clock import DAY, HOUR, NOON
from tests.sandbox.vendor_accounts import ANA, BO, KEY, get, iso, read, request

if TYPE_CHECKING:
    from tests.sandbox.manual_clock import ManualClock

WINDOW = {"since": iso(NOON), "until": iso(NOON + HOUR)}
Row = tuple[int, str | None, str]


@pytest.fixture
def payments(account: PagerDuty) -> str:
    """A schedule of layers with nobody on it, on the first level of a policy."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    return "Payments"


def on_calls(account: PagerDuty, **query: object) -> list[dict[str, Any]]:
    """Return the rows of the first page, with times in UTC."""
    rows: list[dict[str, Any]] = read(account, "/oncalls", time_zone="UTC", **query)["oncalls"]
    return rows


def rows(account: PagerDuty) -> list[Row]:
    """Return level, schedule name and person of each row."""
    return [
        (
            row["escalation_level"],
            row["schedule"] and row["schedule"]["summary"],
            row["user"]["summary"],
        )
        for row in on_calls(account)
    ]


def final_schedule(account: PagerDuty, path: str, **query: object) -> dict[str, Any]:
    """Return the final schedule of one schedule."""
    body = read(account, path, include=["final_schedule"], time_zone="UTC", **query)
    final: dict[str, Any] = body["schedule"]["final_schedule"]
    return final


# -- who is on call ------------------------------------------------------------------------------


def test_one_row_for_each_policy_level_schedule_and_person(account: PagerDuty) -> None:
    """A shift has a row for each policy and level that uses its schedule."""
    account.add_schedule("Payments")
    account.add_schedule("Search")
    account.add_schedule("In no policy")
    for schedule, who in (("Payments", ANA), ("Search", BO), ("In no policy", BO)):
        account.put_on_shift(schedule, who)
    account.add_escalation_policy("One", "Payments", "Search")
    account.add_target("One", "Payments", level=2)
    account.add_escalation_policy("Two", "Payments")
    with pytest.raises(ValueError, match="level 3: 'Two' has 1, add the next"):
        account.add_target("Two", BO, level=3)
    assert rows(account) == [
        (1, "Payments", "Ana Lima"),
        (1, "Search", "Bo Berg"),
        (2, "Payments", "Ana Lima"),
        (1, "Payments", "Ana Lima"),
    ]


def test_person_whom_a_policy_pages_directly_is_always_on_call(account: PagerDuty) -> None:
    """Their row has no schedule, start or end."""
    account.add_escalation_policy("Boss", BO)
    (row,) = on_calls(account)
    assert (row["schedule"], row["start"], row["end"]) == (None, None, None)
    assert row["user"]["summary"] == "Bo Berg"


@pytest.mark.parametrize(
    ("since_start", "count"),
    [
        (timedelta(microseconds=-1), 0),
        (timedelta(0), 1),
        (HOUR - timedelta(microseconds=1), 1),
        (HOUR, 0),
    ],
)
def test_now_follows_the_clock(
    account: PagerDuty, payments: str, clock: ManualClock, since_start: timedelta, count: int
) -> None:
    """A shift counts from its start until just before its end."""
    account.put_on_shift(payments, ANA, NOON + HOUR, NOON + 2 * HOUR)
    clock.time = NOON + HOUR + since_start
    assert len(rows(account)) == count


def test_unlimited_shift_has_a_start_but_no_end(account: PagerDuty, payments: str) -> None:
    """A row with a schedule may have `end` null."""
    account.put_on_shift(payments, ANA, for_good=True)
    (row,) = on_calls(account)
    assert (row["start"], row["end"]) == ("2026-03-02T12:00:00Z", None)
    assert row["schedule"]["summary"] == "Payments"


def test_shifts_one_after_the_other_are_one_row(account: PagerDuty, payments: str) -> None:
    """Consecutive shifts of a person are one row."""
    for start, end in ((-1, 1), (1, 3), (4, 5)):
        account.put_on_shift(payments, ANA, NOON + start * HOUR, NOON + end * HOUR)
    (row,) = on_calls(account)
    assert (row["start"], row["end"]) == ("2026-03-02T11:00:00Z", "2026-03-02T15:00:00Z")


def test_one_person_at_a_time_in_a_schedule_of_layers(account: PagerDuty, payments: str) -> None:
    """The person added last replaces the other, who returns afterwards."""
    account.put_on_shift(payments, ANA, NOON - HOUR, NOON + 3 * HOUR)
    account.put_on_shift(payments, BO, NOON, NOON + HOUR)
    (row,) = on_calls(account)
    assert (row["user"]["summary"], row["end"]) == ("Bo Berg", "2026-03-02T13:00:00Z")
    account.take_off_shift(payments, BO)
    assert rows(account) == [(1, "Payments", "Ana Lima")]


def test_several_people_at_once_in_a_schedule_of_shifts(account: PagerDuty) -> None:
    """The schedule's reference has another type and address, and a longer id."""
    schedule = account.add_schedule("Follow the sun", v3=True)
    account.add_escalation_policy("Sun", schedule)
    for who in (ANA, BO, None):
        account.put_on_shift(schedule, who)
    first, second = on_calls(account)
    assert (first["user"]["summary"], second["user"]["summary"]) == ("Ana Lima", "Bo Berg")
    reference = first["schedule"]
    assert (reference["type"], len(reference["id"])) == ("schedule_v3_reference", 14)
    assert reference["self"].endswith(f"/v3/schedules/{schedule.id}")


def test_upgraded_schedule_keeps_its_id_and_who_is_on(account: PagerDuty, payments: str) -> None:
    """A person replaced by an override doesn't return after the upgrade."""
    account.put_on_shift(payments, ANA)
    account.put_on_shift(payments, BO)
    account.upgrade_schedule(payments)
    (row,) = on_calls(account)
    assert row["schedule"]["type"] == "schedule_v3_reference"
    assert row["user"]["summary"] == "Bo Berg"


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ({}, "2026-03-02T13:00:00+01:00"),
        ({"time_zone": "UTC"}, "2026-03-02T12:00:00Z"),
        ({"time_zone": "America/New_York"}, "2026-03-02T07:00:00-05:00"),
    ],
)
def test_times_have_the_offset_of_the_time_zone(
    account: PagerDuty, payments: str, query: dict[str, str], start: str
) -> None:
    """Times are in the account's time zone, or in the query's."""
    account.put_on_shift(payments, ANA)
    (row,) = read(account, "/oncalls", **query)["oncalls"]
    assert row["start"] == start


# -- people --------------------------------------------------------------------------------------


def test_email_is_included_only_on_request(account: PagerDuty) -> None:
    """A reference to a user has no e-mail; an included user's may be null."""
    account.add_escalation_policy("Boss", ANA, account.people[-1])
    first, _ = on_calls(account)
    assert first["user"].keys() == {"id", "type", "summary", "self", "html_url"}
    first, second = on_calls(account, include=["users"])
    assert (first["user"]["type"], first["user"]["email"]) == ("user", ANA)
    assert (second["user"]["type"], second["user"]["email"]) == ("user", None)


def test_deleted_person_is_a_bare_reference(account: PagerDuty, payments: str) -> None:
    """Deleted people stay on call, without an e-mail even if users are included."""
    account.put_on_shift(payments, ANA)
    ana = account.delete_person(ANA)
    (row,) = on_calls(account, include=["users"])
    assert row["user"] == {
        "id": ana.id,
        "type": "user_reference",
        "summary": "Ana Lima",
        "self": None,
        "html_url": None,
        "deleted_at": "2026-03-02T13:00:00+01:00",
    }
    assert get(account, f"/users/{ana.id}")[0] == 404
    assert read(account, "/users", query="ana")["users"] == []
    another = account.add_person("Ana Lima", ANA)
    assert account.put_on_shift(payments, ANA).person_id == another.id


def test_users_are_found_by_a_part_of_name_or_email(account: PagerDuty) -> None:
    """Search matches parts in any case, so the first result may be wrong."""
    account.add_person("Joana Ana", f"jo{ANA}")
    users = read(account, "/users", query="ANA@acme.example")["users"]
    assert [user["email"] for user in users] == [ANA, f"jo{ANA}"]
    assert read(account, f"/users/{users[0]['id']}")["user"] == users[0]
    assert get(account, "/users/PNOBODY")[0] == 404


def test_on_calls_of_some_people_or_schedules(account: PagerDuty) -> None:
    """Each filter narrows the list; `null` means people paged directly."""
    ana, bo, _ = account.people
    for name, who in (("Payments", ana), ("Search", bo)):
        account.put_on_shift(account.add_schedule(name), who)
        account.add_escalation_policy(name, name)
    account.add_escalation_policy("Boss", bo)
    payments, search = (schedule.id for schedule in account.schedules)

    def found(**query: object) -> list[tuple[str | None, str]]:
        return [
            (row["schedule"] and row["schedule"]["summary"], row["user"]["summary"])
            for row in on_calls(account, **query)
        ]

    assert found(user_ids=[ana.id]) == [("Payments", "Ana Lima")]
    assert found(user_ids=[bo.id]) == [("Search", "Bo Berg"), (None, "Bo Berg")]
    assert found(user_ids=["PNOBODY"]) == found(schedule_ids=["PNONE"]) == []
    assert found(schedule_ids=[payments, "null"]) == [("Payments", "Ana Lima"), (None, "Bo Berg")]
    assert found(schedule_ids=[search], user_ids=[ana.id]) == []


@pytest.mark.parametrize("path", ["/schedules", "/v3/schedules"])
def test_schedules_are_found_by_a_part_of_their_name(account: PagerDuty, path: str) -> None:
    """Search ignores case; each list has one kind of schedule."""
    for name in ("Payments", "Payments EU", "Search"):
        account.add_schedule(name, v3=path != "/schedules")
    schedules = read(account, path, query="payment")["schedules"]
    assert [schedule["summary"] for schedule in schedules] == ["Payments", "Payments EU"]
    other = {"/schedules": "/v3/schedules", "/v3/schedules": "/schedules"}[path]
    assert read(account, other, query="payment")["schedules"] == []


# -- one schedule --------------------------------------------------------------------------------


def test_entries_are_cut_at_the_window_or_whole(account: PagerDuty) -> None:
    """Entries are cut at the window, unless `overflow` is set."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA, NOON - DAY, for_good=True)
    path = f"/schedules/{schedule.id}"
    for query, start, end in (
        ({}, "2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z"),
        ({"overflow": "true"}, "2026-03-01T12:00:00Z", "2026-03-09T13:00:00Z"),
    ):
        (entry,) = final_schedule(account, path, **WINDOW, **query)["rendered_schedule_entries"]
        assert (entry["start"], entry["end"]) == (start, end)
        assert entry["user"]["type"] == "user_reference"
    assert final_schedule(account, path)["rendered_schedule_entries"] == []


def test_schedule_of_shifts_has_ids_and_empty_slots(account: PagerDuty) -> None:
    """It lists the people on shift only if the final schedule is included."""
    schedule = account.add_schedule("Payments", v3=True)
    for who in (ANA, BO, None):
        account.put_on_shift(schedule, who)
    path = f"/v3/schedules/{schedule.id}"
    assignments = final_schedule(account, path, **WINDOW)["computed_shift_assignments"]
    ana, bo, _ = (person.id for person in account.people)
    assert [assignment["member"] for assignment in assignments] == [
        {"type": "user_member", "user_id": ana},
        {"type": "user_member", "user_id": bo},
        {"type": "empty_member"},
    ]
    assert "final_schedule" not in read(account, path, **WINDOW)["schedule"]


def test_rotation_names_everybody_in_it(account: PagerDuty) -> None:
    """A schedule's layers and rotations list people who aren't on call."""
    layers, shifts = account.add_schedule("Layers"), account.add_schedule("Shifts", v3=True)
    for schedule in (layers, shifts):
        account.put_on_shift(schedule, BO, NOON + 30 * HOUR)
    bo = account.people[1].id
    body = read(account, f"/schedules/{layers.id}", **WINDOW)["schedule"]
    assert [member["user"]["id"] for member in body["schedule_layers"][0]["users"]] == [bo]
    assert body["final_schedule"]["rendered_schedule_entries"] == []
    (rotation,) = read(account, f"/v3/schedules/{shifts.id}")["schedule"]["rotations"]
    members = rotation["events"][0]["assignment_strategy"]["members"]
    assert members == [{"type": "user_member", "user_id": bo}]


# -- keys, pages, errors -------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY, f"Bearer {KEY}", "Token token=wrong", f"token={KEY}"])
@pytest.mark.parametrize("path", ["/oncalls", "/schedules/PNOBODY", "/unheard-of"])
def test_only_the_key_opens(account: PagerDuty, key: str | None, path: str) -> None:
    """Without the right key every path answers 401, without rate limit headers."""
    status, body, headers = request(account, path, key)
    assert (status, body["error"]["code"]) == (401, 2006)
    assert headers["ratelimit-limit"] is None


@pytest.mark.parametrize("scope", ["oncalls.read", "schedules.read", "users.read"])
def test_each_path_needs_its_scope(account: PagerDuty, scope: str) -> None:
    """Without it the answer is 403."""
    account.scopes = (scope,)
    for path in ("/oncalls", "/schedules", "/users", "/v3/schedules"):
        is_open = path.endswith(scope.removesuffix(".read"))
        status, body, _ = get(account, path)
        assert (status, body.get("error", {}).get("code")) == (
            (200, None) if is_open else (403, 2010)
        )


def test_pages(account: PagerDuty) -> None:
    """A page has 25 rows by default and at most 100; only `more` shows that others follow."""
    for number in range(130):
        account.add_escalation_policy(f"Policy {number}", ANA)
    for query, length, limit, more in (
        ({}, 25, 25, True),
        ({"limit": 1000}, 100, 100, True),
        ({"limit": 30, "offset": 100}, 30, 30, False),
        ({"offset": 130}, 0, 25, False),
    ):
        body = read(account, "/oncalls", **query)
        assert (len(body["oncalls"]), body["limit"], body["more"]) == (length, limit, more)
        assert body["total"] is None


def test_pages_of_shift_based_schedules_are_larger(account: PagerDuty) -> None:
    """A page has 100 by default and at most 1000."""
    for number in range(1001):
        account.add_schedule(str(number), v3=True)
    for query, limit in (({}, 100), ({"limit": 1001}, 1000)):
        body = read(account, "/v3/schedules", **query)
        assert (body["limit"], len(body["schedules"]), body["more"]) == (limit, limit, True)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/oncalls", {"limit": "0"}),
        ("/oncalls", {"limit": "many"}),
        ("/oncalls", {"offset": "-1"}),
        ("/oncalls", {"offset": "9901", "limit": "100"}),
        ("/oncalls", {"time_zone": "Mars/Olympus"}),
        ("/oncalls", {"time_zone": ""}),
        # An offset whose plus sign was not encoded.
        ("/schedules/PLAYERS", {"since": iso(NOON), "until": "2026-03-02T12:00:00 01:00"}),
    ],
)
def test_invalid_values_are_400(account: PagerDuty, path: str, query: dict[str, str]) -> None:
    """The error names the parameter."""
    account.add_schedule("Layers", id="PLAYERS")
    status, body, _ = get(account, path, **query)
    assert (status, body["error"]["code"]) == (400, 2001)
    assert any(name in body["error"]["errors"][0] for name in query)


def test_limits_are_in_headers(account: PagerDuty) -> None:
    """Every answer has the rate limit and the seconds until it resets."""
    for path in ("/oncalls", "/nothing"):
        headers = get(account, path)[2]
        values = [headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        assert values == ["960", "959", "60"]


def test_limit_reached(account: PagerDuty) -> None:
    """There is no Retry-After; the seconds are in ratelimit-reset."""
    account.fail("/oncalls", faults.TooManyRequests(20, retry_after=None))
    status, body, headers = get(account, "/oncalls")
    assert (status, body) == (429, {"error": {"message": "Too Many Requests", "code": 2020}})
    assert (headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("0", "20")
    assert headers["Retry-After"] is None
