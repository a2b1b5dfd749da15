"""The double of Opsgenie answers as its documentation describes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from sandbox.vendors import faults
from sandbox.vendors.opsgenie import Opsgenie
from tests.sandbox.manual_clock import DAY, HOUR, NOON, ManualClock
from tests.sandbox.vendor_accounts import ANA, BO, CY, KEY, PEOPLE, get, read, request

if TYPE_CHECKING:
    from collections.abc import Iterator

ON_CALLS, TIMELINE = "/v2/schedules/on-calls", "/v2/schedules/pay-0001/timeline"


@pytest.fixture
def double(clock: ManualClock) -> Iterator[Opsgenie]:
    """An account of three people, and a schedule with nobody on it."""
    with Opsgenie(KEY, now=clock) as double:
        for name, email in PEOPLE.items():
            double.add_person(name, email)
        double.add_schedule("Payments", id="pay-0001")
        yield double


def tree(double: Opsgenie) -> list[dict[str, Any]]:
    """Return the participants of the first schedule."""
    participants: list[dict[str, Any]] = read(double, ON_CALLS)["data"][0]["onCallParticipants"]
    return participants


def names(participants: list[dict[str, Any]]) -> list[str]:
    """Return the participants' names."""
    return [participant["name"] for participant in participants]


def periods(double: Opsgenie, days: int = 1) -> list[dict[str, Any]]:
    """Return the periods of the schedule's one rotation, from today's midnight."""
    body = read(double, TIMELINE, intervalUnit="days", interval=days)["data"]
    (rotation,) = body["finalTimeline"]["rotations"]
    periods_of_rotation: list[dict[str, Any]] = rotation["periods"]
    return periods_of_rotation


def test_users_by_name_or_id(double: Opsgenie) -> None:
    """A user is found by id or username, which is the e-mail, in any case."""
    user = read(double, f"/v2/users/{quote(BO.upper())}")["data"]
    assert (user["username"], user["fullName"]) == (BO, "Bo Berg")
    assert read(double, f"/v2/users/{user['id']}")["data"] == user
    double.add_person("Nobody's", None)
    for name in ("bo", "None"):
        assert get(double, f"/v2/users/{name}")[0] == 404


def test_one_call_lists_all_schedules(double: Opsgenie) -> None:
    """All schedules are listed with their state, disabled ones with their people."""
    double.add_schedule("Old", id="old-0001", enabled=False)
    double.put_on_shift("Old", CY)
    for who in (ANA, None, BO):
        double.put_on_shift("Payments", who, rotation=str(who))
    double.take_off_shift("Payments", BO)
    payments, old = read(double, ON_CALLS)["data"]
    assert payments["_parent"] == {"id": "pay-0001", "name": "Payments", "enabled": True}
    assert names(payments["onCallParticipants"]) == [ANA]
    assert old["_parent"] == {"id": "old-0001", "name": "Old", "enabled": False}
    assert names(old["onCallParticipants"]) == [CY]


def test_person_in_the_tree(double: Opsgenie) -> None:
    """A person's name is their e-mail as written; there are no other fields."""
    bo = double.people[1]
    double.put_on_shift("Payments", bo)
    assert tree(double) == [{"id": bo.id, "name": BO, "type": "user"}]


def test_steps_have_their_times(double: Opsgenie) -> None:
    """Each escalation step has the minutes until it is notified."""
    double.put_on_shift("Payments", double.add_escalation("First, then", [(ANA, 0), (BO, 5)]))
    (escalation,) = tree(double)
    assert (escalation["type"], escalation["name"]) == ("escalation", "First, then")
    assert [
        (step["name"], step["escalationTime"], step["notifyType"])
        for step in escalation["onCallParticipants"]
    ] == [(ANA, 0, "default"), (BO, 5, "default")]


def test_team_is_its_members_or_its_escalation(double: Opsgenie) -> None:
    """A team's members are on call, or its escalation if it has one."""
    team = double.add_team("Core", [ANA, BO])
    double.put_on_shift("Payments", team)
    (participant,) = tree(double)
    assert (participant["type"], participant["name"]) == ("team", "Core")
    assert names(participant["onCallParticipants"]) == [ANA, BO]
    double.add_escalation("Core_escalation", [(CY, 0), (ANA, 10)], team=team)
    (participant,) = tree(double)
    (escalation,) = participant["onCallParticipants"]
    assert escalation["name"] == "Core_escalation"
    assert names(escalation["onCallParticipants"]) == [CY, ANA]


def test_schedules_within_schedules(double: Opsgenie) -> None:
    """A disabled inner schedule has nobody; a recursive one isn't expanded again."""
    inner = double.add_schedule("Inner")
    double.put_on_shift(inner, ANA)
    double.put_on_shift(inner, "Payments", rotation="Loop")
    double.put_on_shift("Payments", inner)
    (outer,) = tree(double)
    ana, loop = outer["onCallParticipants"]
    assert ana["name"] == ANA
    assert loop == {"id": "pay-0001", "name": "Payments", "type": "schedule"}
    double.enable_schedule(inner, enabled=False)
    (outer,) = tree(double)
    assert "onCallParticipants" not in outer


def test_forwarded_for_a_while(double: Opsgenie, clock: ManualClock) -> None:
    """A forwarded shift belongs to the other person for a while, and names the first."""
    double.put_on_shift("Payments", ANA, NOON, NOON + 4 * HOUR)
    double.forward(ANA, BO, NOON + HOUR, NOON + 2 * HOUR)
    clock.time = NOON + HOUR
    (row,) = tree(double)
    assert (row["name"], row["forwardedFrom"]["name"]) == (BO, ANA)
    assert [
        (period["type"], period["recipient"]["name"], period.get("fromUser"), period["endDate"])
        for period in periods(double)
    ] == [
        ("historical", ANA, None, "2026-03-02T13:00:00Z"),
        ("forwarding", BO, ANA, "2026-03-02T14:00:00Z"),
        ("base", ANA, None, "2026-03-02T16:00:00Z"),
    ]
    clock.time = NOON + 2 * HOUR
    assert names(tree(double)) == [ANA]


@pytest.mark.parametrize(
    ("since_start", "on_shift"),
    [
        (timedelta(microseconds=-1), []),
        (timedelta(0), [ANA]),
        (HOUR - timedelta(microseconds=1), [ANA]),
        (HOUR, []),
    ],
)
def test_on_call_follows_the_clock(
    double: Opsgenie, clock: ManualClock, since_start: timedelta, on_shift: list[str]
) -> None:
    """A shift counts from its start until just before its end."""
    double.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 2 * HOUR)
    clock.time = NOON + HOUR + since_start
    assert names(tree(double)) == on_shift


def test_timeline_is_cut_at_midnight(double: Opsgenie) -> None:
    """The timeline starts at midnight today and ends after the requested days."""
    double.put_on_shift("Payments", ANA, NOON - DAY, NOON + DAY)
    midnight = NOON.replace(hour=0)
    double.put_on_shift("Payments", BO, midnight - DAY, midnight)
    double.put_on_shift("Payments", BO, midnight + 2 * DAY, midnight + 3 * DAY)
    for days, end in ((1, "2026-03-03T00:00:00Z"), (2, "2026-03-03T12:00:00Z")):
        (period,) = periods(double, days)
        assert (period["startDate"], period["endDate"]) == ("2026-03-02T00:00:00Z", end)


def test_timeline_names_a_team_and_not_its_people(double: Opsgenie) -> None:
    """The timeline has the team, not its people; an empty shift is "none"."""
    double.put_on_shift("Payments", double.add_team("Core", [ANA, BO]))
    double.put_on_shift("Payments", None, NOON + 8 * HOUR)
    team, nobody = periods(double)
    assert (team["recipient"]["type"], team["recipient"]["name"]) == ("team", "Core")
    assert nobody["recipient"] == {"type": "none"}


@pytest.mark.parametrize("key", [None, KEY, f"Bearer {KEY}", "GenieKey wrong"])
@pytest.mark.parametrize("path", [ON_CALLS, "/v2/unheard-of"])
def test_only_the_key_opens(double: Opsgenie, key: str | None, path: str) -> None:
    """Without the right key every path answers 401."""
    assert request(double, path, key)[0] == 401


def test_key_of_a_team_sees_that_teams_schedules(double: Opsgenie) -> None:
    """Other teams' schedules are missing from the list, and 403 by id."""
    double.restrict_key(double.add_team("Core"))
    assert read(double, ON_CALLS)["data"] == []
    status, body, _ = get(double, TIMELINE, intervalUnit="days")
    assert (status, body["code"]) == (403, 40301)
    mine = double.add_schedule("Mine", team="Core")
    assert [row["_parent"]["id"] for row in read(double, ON_CALLS)["data"]] == [mine.id]
    assert get(double, "/v2/schedules/none/timeline", intervalUnit="days")[0] == 404


@pytest.mark.parametrize(
    "query", [{}, {"intervalUnit": "hours"}, {"intervalUnit": "days", "interval": 0}], ids=str
)
def test_invalid_values_are_422(double: Opsgenie, query: dict[str, object]) -> None:
    """The message names the parameter."""
    status, body, _ = get(double, TIMELINE, **query)
    assert status == 422
    assert body["message"].startswith("interval")


def test_limit_reached(double: Opsgenie) -> None:
    """There is no Retry-After, but a header with the limit's period."""
    double.fail(ON_CALLS, faults.TooManyRequests(17, retry_after=None))
    status, body, headers = get(double, ON_CALLS)
    assert (status, set(body)) == (429, {"message", "took", "requestId"})
    assert headers["X-RateLimit-State"] == "THROTTLED"
    assert headers["X-RateLimit-Period-In-Sec"] == "17"
    assert headers["Retry-After"] is None


def test_one_schedule(double: Opsgenie) -> None:
    """One schedule by its id has the same data as in the list."""
    double.put_on_shift("Payments", ANA)
    (row,) = read(double, "/v2/schedules/on-calls")["data"]
    id_ = row["_parent"]["id"]
    assert read(double, f"/v2/schedules/{id_}/on-calls", flat="false")["data"] == row
    schedule = read(double, f"/v2/schedules/{id_}")["data"]
    assert {name: schedule[name] for name in ("id", "name", "enabled")} == row["_parent"]
    for path in ("/v2/schedules/Payments", "/v2/schedules/Payments/on-calls"):
        assert get(double, path)[0] == 404
