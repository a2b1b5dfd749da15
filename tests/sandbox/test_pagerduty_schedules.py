"""The double of PagerDuty shows both kinds of schedules as its documentation says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.pagerduty_asked import ANA, BO, HOUR, NOON, final, get, iso

if TYPE_CHECKING:
    from sandbox.vendors.pagerduty import PagerDuty

WINDOW = {"since": iso(NOON), "until": iso(NOON + HOUR)}


def names(account: PagerDuty, path: str, **query: str) -> list[str]:
    """What the schedules of a list are called."""
    return [each["summary"] for each in get(account, path, **query)[1]["schedules"]]


def test_each_list_has_its_kind_of_schedules(account: PagerDuty) -> None:
    """There is no list of both; what is upgraded changes over, and keeps its id."""
    first = account.add_schedule("First")
    account.add_schedule("Second")
    account.add_schedule("Third", v3=True)
    assert names(account, "/schedules") == ["First", "Second"]
    assert names(account, "/v3/schedules") == ["Third"]
    account.upgrade_schedule(first)
    assert names(account, "/schedules") == ["Second"]
    (upgraded, _) = get(account, "/v3/schedules")[1]["schedules"]
    assert (upgraded["id"], upgraded["type"]) == (first.id, "schedule_v3_reference")


def test_lists_differ_in_what_they_tell(account: PagerDuty) -> None:
    """Schedules of layers in full, those of shifts as references, without a total."""
    account.add_schedule("Layers")
    account.add_schedule("Shifts", v3=True)
    body = get(account, "/schedules", total="true")[1]
    assert body["schedules"][0]["type"] == "schedule"
    assert body["schedules"][0]["name"] == "Layers"
    assert (body["limit"], body["total"]) == (25, 1)
    body = get(account, "/v3/schedules", total="true")[1]
    assert body["schedules"][0].keys() == {"id", "type", "summary", "self", "html_url"}
    assert body.keys() == {"schedules", "limit", "offset", "more"}
    assert body["limit"] == 100


@pytest.mark.parametrize("v3", [False, True])
def test_schedules_are_found_by_a_part_of_their_name(account: PagerDuty, *, v3: bool) -> None:
    """Whatever the case: so what comes first need not be what was meant."""
    path = "/v3/schedules" if v3 else "/schedules"
    for name in ("Not Production", "Production", "Search"):
        account.add_schedule(name, v3=v3)
    assert names(account, path, query="production") == ["Not Production", "Production"]


def test_schedule_of_the_other_kind_is_refused(account: PagerDuty) -> None:
    """It is 400 where it is not, and 404 if it is nowhere, each with its code."""
    account.add_schedule("Layers", id="PLAYERS")
    account.add_schedule("Shifts", id="PSHIFTS", v3=True)
    for path, status, code in (
        ("/schedules/PLAYERS", 200, None),
        ("/schedules/PSHIFTS", 400, 2001),
        ("/schedules/PSHIFTS/users", 400, 2001),
        ("/schedules/PNOBODY", 404, 3004),
        ("/v3/schedules/PSHIFTS", 200, None),
        ("/v3/schedules/PLAYERS", 400, 2001),
        ("/v3/schedules/PNOBODY", 404, 2100),
    ):
        answered, body, _ = get(account, path)
        assert (answered, body.get("error", {}).get("code")) == (status, code)
    account.upgrade_schedule("PLAYERS")
    assert get(account, "/v3/schedules/PLAYERS")[0] == 200
    assert get(account, "/schedules/PLAYERS")[0] == 400


def test_entries_are_cut_at_the_window(account: PagerDuty) -> None:
    """They look as if the shift ended then; with overflow they tell its real end."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA, NOON - HOUR, NOON + 2 * HOUR)
    for overflow, start, end in (("", "12", "13"), ("true", "11", "14")):
        told = final(account, f"/schedules/{schedule.id}", **WINDOW, overflow=overflow)
        (entry,) = told["rendered_schedule_entries"]
        assert entry["start"] == f"2026-03-02T{start}:00:00Z"
        assert entry["end"] == f"2026-03-02T{end}:00:00Z"
        assert (entry["user"]["type"], entry["user"]["summary"]) == ("user_reference", "Ana Lima")


def test_assignments_are_cut_at_the_window(account: PagerDuty) -> None:
    """The same for a schedule of shifts, where a person is no more than an id."""
    schedule = account.add_schedule("Payments", v3=True)
    account.put_on_shift(schedule, ANA, NOON - HOUR, NOON + 2 * HOUR)
    for overflow, start, end in (("", "12", "13"), ("true", "11", "14")):
        told = final(account, f"/v3/schedules/{schedule.id}", **WINDOW, overflow=overflow)
        (assignment,) = told["computed_shift_assignments"]
        assert assignment["start_time"] == f"2026-03-02T{start}:00:00Z"
        assert assignment["end_time"] == f"2026-03-02T{end}:00:00Z"
        ana = account.people[0].id
        assert assignment["member"] == {"type": "user_member", "user_id": ana}


def test_shift_for_good_ends_with_its_turn(account: PagerDuty) -> None:
    """An entry always has an end, though the person never goes off call."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA, NOON, for_good=True)
    told = final(account, f"/schedules/{schedule.id}", **WINDOW, overflow="true")
    (entry,) = told["rendered_schedule_entries"]
    assert entry["end"] == "2026-03-09T13:00:00Z"


def test_people_at_once_and_unassigned_slots(account: PagerDuty) -> None:
    """A schedule of shifts tells all of them and the empty one; one of layers leaves a gap."""
    schedule = account.add_schedule("Payments", v3=True)
    for who in (ANA, BO, None):
        account.put_on_shift(schedule, who)
    told = final(account, f"/v3/schedules/{schedule.id}", **WINDOW)
    members = [each["member"] for each in told["computed_shift_assignments"]]
    ana, bo, _ = (each.id for each in account.people)
    assert members == [
        {"type": "user_member", "user_id": ana},
        {"type": "user_member", "user_id": bo},
        {"type": "empty_member"},
    ]
    assert told["rendered_coverage_percentage"] == 100
    layers = account.add_schedule("Search")
    account.put_on_shift(layers, ANA)
    account.put_on_shift(layers, None, NOON, NOON + HOUR / 2)
    told = final(account, f"/schedules/{layers.id}", **WINDOW)
    (entry,) = told["rendered_schedule_entries"]
    assert entry["start"] == "2026-03-02T12:30:00Z"
    assert told["rendered_coverage_percentage"] == 50


def test_who_is_on_is_told_only_for_a_window(account: PagerDuty) -> None:
    """And in a schedule of shifts only if it is asked for."""
    layers, shifts = account.add_schedule("Layers"), account.add_schedule("Shifts", v3=True)
    for schedule in (layers, shifts):
        account.put_on_shift(schedule, ANA)
    told = get(account, f"/schedules/{layers.id}")[1]["schedule"]["final_schedule"]
    assert told["rendered_schedule_entries"] == []
    assert told["rendered_coverage_percentage"] is None
    told = get(account, f"/schedules/{layers.id}", **WINDOW)[1]["schedule"]["final_schedule"]
    assert len(told["rendered_schedule_entries"]) == 1
    path = f"/v3/schedules/{shifts.id}"
    assert "final_schedule" not in get(account, path, include=["final_schedule"])[1]["schedule"]
    assert "final_schedule" not in get(account, path, **WINDOW)[1]["schedule"]


def test_one_end_of_a_window_is_two_weeks(account: PagerDuty) -> None:
    """After `since`, or before `until`."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA, NOON - timedelta(days=60), NOON + timedelta(days=60))
    for query, start, end in (
        ({"since": iso(NOON)}, "2026-03-02", "2026-03-16"),
        ({"until": iso(NOON)}, "2026-02-16", "2026-03-02"),
    ):
        (entry,) = final(account, f"/schedules/{schedule.id}", **query)["rendered_schedule_entries"]
        assert (entry["start"][:10], entry["end"][:10]) == (start, end)


@pytest.mark.parametrize("v3", [False, True])
def test_window_of_microseconds_shows_nobody(account: PagerDuty, *, v3: bool) -> None:
    """The same moment twice shows who is on, and so does a second."""
    schedule = account.add_schedule("Payments", v3=v3)
    account.put_on_shift(schedule, ANA)
    path = f"/v3/schedules/{schedule.id}" if v3 else f"/schedules/{schedule.id}"
    rows = "computed_shift_assignments" if v3 else "rendered_schedule_entries"
    for microseconds, count in ((1, 0), (999_999, 0), (0, 1), (1_000_000, 1)):
        later = NOON + timedelta(microseconds=microseconds)
        assert len(final(account, path, since=iso(NOON), until=iso(later))[rows]) == count


def test_users_of_a_schedule_are_everybody_in_it(account: PagerDuty) -> None:
    """On call or not; only with a window are they those who are on."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA)
    account.put_on_shift(schedule, BO, NOON + 30 * HOUR)
    path = f"/schedules/{schedule.id}/users"
    assert [each["email"] for each in get(account, path)[1]["users"]] == [ANA, BO]
    assert [each["email"] for each in get(account, path, **WINDOW)[1]["users"]] == [ANA]
    account.delete_person(ANA)
    gone, _ = get(account, path)[1]["users"]
    assert (gone["summary"], gone["type"]) == ("Ana Lima", "user_reference")
    assert not {"name", "email"} & gone.keys()


def test_rotation_names_everybody_in_it(account: PagerDuty) -> None:
    """Who is in a schedule's own layers and rotations need not be on call."""
    layers, shifts = account.add_schedule("Layers"), account.add_schedule("Shifts", v3=True)
    for schedule in (layers, shifts):
        account.put_on_shift(schedule, BO, NOON + 30 * HOUR)
    bo = account.people[1].id
    shown = get(account, f"/schedules/{layers.id}", **WINDOW)[1]["schedule"]
    assert [each["user"]["id"] for each in shown["schedule_layers"][0]["users"]] == [bo]
    assert shown["final_schedule"]["rendered_coverage_percentage"] == 0
    shown = get(account, f"/v3/schedules/{shifts.id}")[1]["schedule"]
    (event,) = shown["rotations"][0]["events"]
    assert event["assignment_strategy"]["members"] == [{"type": "user_member", "user_id": bo}]
