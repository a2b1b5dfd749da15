"""The double of Opsgenie behaves as its documentation says, and its faults are what they say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from sandbox.vendors import faults, opsgenie_faults
from sandbox.vendors.opsgenie import Opsgenie
from tests.sandbox.atlassian_played import (
    ANA,
    BO,
    CY,
    DAY,
    HOUR,
    NOON,
    Watch,
    fetch,
    found_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "the-double-s-own-key"
ON_CALLS = "/v2/schedules/on-calls"


@pytest.fixture
def watch() -> Watch:
    """The double's clock."""
    return Watch()


@pytest.fixture
def double(watch: Watch) -> Iterator[Opsgenie]:
    """An account of three people and a schedule with nobody on it."""
    with Opsgenie(KEY, now=watch) as one:
        one.add_person("Ana Lima", ANA)
        one.add_person("Bo Berg", BO)
        one.add_person("Cy Cole", CY)
        one.add_schedule("Payments", id="pay-0001")
        yield one


def get(
    double: Opsgenie, target: str, key: str | None = f"GenieKey {KEY}"
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers of one GET."""
    return fetch(double, target, key)


def data(double: Opsgenie, target: str) -> Any:  # noqa: ANN401 - any JSON
    """The data of an answer that is right."""
    status, body, _ = get(double, target)
    assert status == 200, body
    assert {"took", "requestId"} < set(body)
    return body["data"]


def recipients(double: Opsgenie, more: str = "") -> list[str]:
    """The flat list of the one schedule."""
    (row,) = data(double, f"{ON_CALLS}?flat=true{more}")
    found: list[str] = row["onCallRecipients"]
    return found


def tree(double: Opsgenie) -> list[dict[str, Any]]:
    """The participants of the first schedule."""
    found: list[dict[str, Any]] = data(double, ON_CALLS)[0]["onCallParticipants"]
    return found


def periods(double: Opsgenie, query: str, layer: str = "finalTimeline") -> list[dict[str, Any]]:
    """The periods of the schedule's one rotation."""
    (rotation,) = data(double, f"/v2/schedules/pay-0001/timeline?{query}")[layer]["rotations"]
    found: list[dict[str, Any]] = rotation["periods"]
    return found


# -- who is on call ------------------------------------------------------------------------------


def test_users_by_name_or_id(double: Opsgenie) -> None:
    """A username is the e-mail address, and finds its user in any case."""
    found = data(double, f"/v2/users/{quote(BO.upper())}")
    assert (found["username"], found["fullName"]) == (BO, "Bo Berg")
    assert data(double, f"/v2/users/{found['id']}") == found
    assert get(double, "/v2/users/bo")[0] == 404
    double.add_person("Nobody's", None)
    assert get(double, "/v2/users/None")[0] == 404


def test_one_call_tells_of_all_schedules(double: Opsgenie) -> None:
    """Each has its id, name and state beside it, and may have nobody or several people."""
    double.add_schedule("Search", id="search-1")
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO, rotation="Nights")
    assert data(double, f"{ON_CALLS}?flat=true") == [
        {
            "_parent": {"id": "pay-0001", "name": "Payments", "enabled": True},
            "onCallRecipients": [ANA, BO],
        },
        {
            "_parent": {"id": "search-1", "name": "Search", "enabled": True},
            "onCallRecipients": [],
        },
    ]


def test_flat_list_mixes_back_ups_in(double: Opsgenie) -> None:
    """Only the tree tells who is notified at once and who minutes later; each is in it once."""
    steps = double.add_escalation("First, then", [(ANA, 0), (BO, 5)])
    double.put_on_shift("Payments", steps)
    double.put_on_shift("Payments", BO, rotation="Nights")
    assert recipients(double) == [ANA, BO]
    escalation, _ = tree(double)
    assert (escalation["type"], escalation["name"]) == ("escalation", "First, then")
    assert [
        (each["name"], each["type"], each["escalationTime"], each["notifyType"])
        for each in escalation["onCallParticipants"]
    ] == [(ANA, "user", 0, "default"), (BO, "user", 5, "default")]


def test_person_in_the_tree(double: Opsgenie) -> None:
    """The name is the e-mail as it was written; there is nothing within, and no step's time."""
    bo = double.add_person("Bo Again", "BO@other.example")
    double.put_on_shift("Payments", bo)
    assert tree(double) == [{"id": bo.id, "name": "BO@other.example", "type": "user"}]


def test_team_is_its_members_or_its_escalation(double: Opsgenie) -> None:
    """Everybody in the team is on call, unless it has an escalation, which then stands for it."""
    team = double.add_team("Core", [ANA, BO])
    double.put_on_shift("Payments", team)
    (row,) = tree(double)
    assert (row["type"], row["name"]) == ("team", "Core")
    assert [each["name"] for each in row["onCallParticipants"]] == [ANA, BO]
    double.add_escalation("Core_escalation", [(CY, 0), (ANA, 10)], team=team)
    (row,) = tree(double)
    (escalation,) = row["onCallParticipants"]
    assert escalation["name"] == "Core_escalation"
    assert recipients(double) == [CY, ANA]


def test_schedules_within_schedules(double: Opsgenie) -> None:
    """Who is on call for the inner one is so for the outer; a disabled inner one has nobody."""
    inner = double.add_schedule("Inner")
    double.put_on_shift(inner, ANA)
    double.put_on_shift("Payments", double.add_escalation("Later", [(inner, 15)]))
    (escalation,) = tree(double)
    (nested,) = escalation["onCallParticipants"]
    assert (nested["type"], nested["name"], nested["escalationTime"]) == ("schedule", "Inner", 15)
    assert [each["name"] for each in nested["onCallParticipants"]] == [ANA]
    double.enable_schedule(inner, enabled=False)
    (escalation,) = tree(double)
    assert "onCallParticipants" not in escalation["onCallParticipants"][0]


def test_schedules_within_each_other_end(double: Opsgenie) -> None:
    """What comes again below itself is named and not opened."""
    other = double.add_schedule("Other")
    double.put_on_shift(other, "Payments")
    double.put_on_shift("Payments", other)
    (row,) = tree(double)
    assert row["onCallParticipants"] == [{"id": "pay-0001", "name": "Payments", "type": "schedule"}]


def test_forwarded_for_a_while(double: Opsgenie, watch: Watch) -> None:
    """Whoever the shift is forwarded to has it, says from whom, and loses it at the end."""
    ana = double.add_person("Ana", "ana@two.example")
    double.put_on_shift("Payments", ana)
    double.forward(ana, BO, NOON, NOON + HOUR)
    (row,) = tree(double)
    assert row["name"] == BO
    assert row["forwardedFrom"] == {"id": ana.id, "name": "ana@two.example", "type": "user"}
    assert recipients(double) == [BO]
    watch.time = NOON + HOUR
    assert recipients(double) == ["ana@two.example"]


def test_disabled_schedule_is_listed_with_its_people(double: Opsgenie) -> None:
    """A reader must look at `enabled`: the people are there all the same."""
    off = double.add_schedule("Old", enabled=False)
    double.put_on_shift(off, CY)
    *_, row = data(double, f"{ON_CALLS}?flat=true")
    assert row["_parent"] == {"id": off.id, "name": "Old", "enabled": False}
    assert row["onCallRecipients"] == [CY]


@pytest.mark.parametrize(
    ("since_start", "on_shift"),
    [
        pytest.param(timedelta(microseconds=-1), [], id="just before"),
        pytest.param(timedelta(0), [ANA], id="at the start"),
        pytest.param(HOUR - timedelta(microseconds=1), [ANA], id="just before the end"),
        pytest.param(HOUR, [], id="at the end"),
    ],
)
def test_on_call_follows_the_clock(
    double: Opsgenie, watch: Watch, since_start: timedelta, on_shift: list[str]
) -> None:
    """A shift holds from its start until just before its end; a date asks about another time."""
    double.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 2 * HOUR)
    at = NOON + HOUR + since_start
    assert recipients(double, "&" + urlencode({"date": at.isoformat()})) == on_shift
    watch.time = at
    assert recipients(double) == on_shift


def test_shifts_end_and_schedules_are_renamed(double: Opsgenie) -> None:
    """Who is taken off is gone; a schedule has its new name at once, and its old id."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", None)
    double.put_on_shift("Payments", BO)
    double.take_off_shift("Payments", ANA)
    double.rename_schedule("pay-0001", "Money")
    (row,) = data(double, ON_CALLS)
    assert row["_parent"] == {"id": "pay-0001", "name": "Money", "enabled": True}
    assert [each["name"] for each in row["onCallParticipants"]] == [BO]


def test_one_schedule_by_id_or_name(double: Opsgenie) -> None:
    """A name needs the parameter that says so, of which the timeline has another."""
    spaced = double.add_schedule("Core / nights")
    double.put_on_shift(spaced, ANA)
    name = quote("Core / nights", safe="")
    by_name = f"/v2/schedules/{name}/on-calls?flat=true&scheduleIdentifierType=name"
    assert data(double, by_name)["onCallRecipients"] == [ANA]
    assert data(double, f"/v2/schedules/{spaced.id}/on-calls")["_parent"]["id"] == spaced.id
    assert data(double, f"/v2/schedules/{name}?identifierType=name")["id"] == spaced.id
    assert data(double, f"/v2/schedules/{name}/timeline?identifierType=name")
    for missing in (f"{name}/on-calls", "none/on-calls", f"{name}/timeline", "none"):
        assert get(double, f"/v2/schedules/{missing}")[0] == 404


# -- schedules -----------------------------------------------------------------------------------


def test_schedules_with_their_team_and_rotations(double: Opsgenie) -> None:
    """Rotations come when asked for, with everybody in them, on shift or not."""
    team = double.add_team("Core")
    double.add_schedule("Search", team=team, enabled=False)
    double.put_on_shift("Payments", ANA, NOON - DAY, NOON - HOUR)
    double.put_on_shift("Payments", BO)
    payments, search = data(double, "/v2/schedules")
    assert payments["rotations"] == []
    assert "ownerTeam" not in payments
    assert (search["enabled"], search["ownerTeam"]) == (False, {"id": team.id, "name": "Core"})
    payments, _ = data(double, "/v2/schedules?expand=rotation")
    (rotation,) = payments["rotations"]
    assert [each["name"] for each in rotation["participants"]] == [ANA, BO]


# -- the timeline --------------------------------------------------------------------------------


def test_timeline_tells_until_when(double: Opsgenie) -> None:
    """Periods are in their rotation's order; past ones are historical, with their people."""
    double.put_on_shift("Payments", BO, NOON, NOON + 8 * HOUR)
    double.put_on_shift("Payments", ANA, NOON - 8 * HOUR, NOON)
    past, present = periods(double, "interval=1&intervalUnit=days")
    assert (past["type"], past["recipient"]["name"]) == ("historical", ANA)
    assert [each["name"] for each in past["flattenedRecipients"]] == [ANA]
    assert (present["type"], present["recipient"]["name"]) == ("base", BO)
    assert present["startDate"] == "2026-03-04T12:00:00.250Z"
    assert present["endDate"] == "2026-03-04T20:00:00.250Z"
    assert "flattenedRecipients" not in present


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("interval=1&intervalUnit=days", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"),
        ("interval=2&intervalUnit=days", "2026-03-04T00:00:00Z", "2026-03-06T00:00:00Z"),
        ("", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"),
        ("interval=11&intervalUnit=months", "2026-03-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        (
            "interval=1&intervalUnit=days&date=2026-03-02T01:00:00%2B02:00",
            "2026-03-01T00:00:00Z",
            "2026-03-02T00:00:00Z",
        ),
    ],
)
def test_timeline_is_cut_at_whole_units(double: Opsgenie, query: str, start: str, end: str) -> None:
    """It begins with the day, week or month of the date: a long shift ends with the answer."""
    double.put_on_shift("Payments", ANA, NOON - 400 * DAY, NOON + 400 * DAY)
    body = data(double, f"/v2/schedules/pay-0001/timeline?{query}")
    assert (body["startDate"], body["endDate"]) == (start, end)
    (period,) = periods(double, query)
    assert (period["startDate"], period["endDate"]) == (start, end)


def test_timeline_leaves_out_what_is_elsewhere(double: Opsgenie) -> None:
    """Shifts that end as it begins, or begin as it ends; nobody's shift is of the type none."""
    midnight = NOON.replace(hour=0, microsecond=0)
    double.put_on_shift("Payments", ANA, midnight - DAY, midnight)
    double.put_on_shift("Payments", ANA, midnight + DAY, midnight + 2 * DAY)
    double.put_on_shift("Payments", None)
    (period,) = periods(double, "intervalUnit=days")
    assert period["recipient"] == {"type": "none"}


def test_timeline_cuts_where_a_shift_is_forwarded(double: Opsgenie) -> None:
    """The final timeline has the other in between; the base one, on request, has not."""
    double.put_on_shift("Payments", ANA, NOON, NOON + 4 * HOUR)
    double.forward(ANA, BO, NOON + HOUR, NOON + 2 * HOUR)
    final = periods(double, "intervalUnit=days")
    assert [(each["type"], each["recipient"]["name"]) for each in final] == [
        ("base", ANA),
        ("forwarding", BO),
        ("base", ANA),
    ]
    assert final[1]["fromUser"] == ANA
    assert final[1]["endDate"] == "2026-03-04T14:00:00.250Z"
    expanded = "intervalUnit=days&expand=base,forwarding,override"
    (base,) = periods(double, expanded, "baseTimeline")
    assert (base["type"], base["recipient"]["name"]) == ("base", ANA)
    (forwarding,) = periods(double, expanded, "forwardingTimeline")
    assert forwarding == final[1]
    body = data(double, f"/v2/schedules/pay-0001/timeline?{expanded}")
    assert body["overrideTimeline"] == {"rotations": []}
    assert "baseTimeline" not in data(double, "/v2/schedules/pay-0001/timeline")


def test_timeline_of_a_shift_that_is_forwarded_as_a_whole(double: Opsgenie) -> None:
    """The forwarding is longer; the period ends with the shift."""
    double.put_on_shift("Payments", ANA, NOON, NOON + HOUR)
    double.forward(ANA, BO, NOON - HOUR, NOON + 2 * HOUR)
    (period,) = periods(double, "intervalUnit=days")
    assert (period["type"], period["recipient"]["name"]) == ("forwarding", BO)
    assert period["startDate"] == "2026-03-04T12:00:00.250Z"
    assert period["endDate"] == "2026-03-04T13:00:00.250Z"


def test_timeline_names_a_team_and_not_its_people(double: Opsgenie) -> None:
    """As long as it lasts, only the tree tells who is behind a team."""
    double.put_on_shift("Payments", double.add_team("Core", [ANA, BO]))
    (period,) = periods(double, "intervalUnit=days")
    assert period["recipient"]["type"] == "team"
    assert "flattenedRecipients" not in period


# -- the API's manners ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "GenieKey wrong", KEY, f"Bearer {KEY}", "GenieKey "])
@pytest.mark.parametrize("path", [ON_CALLS, "/v2/schedules", "/v2/unheard-of"])
def test_only_the_key_opens(double: Opsgenie, key: str | None, path: str) -> None:
    """Whatever else is sent is 401, on every path."""
    status, body, _ = get(double, path, key)
    assert status == 401
    assert set(body) == {"message", "took", "requestId"}


def test_key_of_a_team_sees_that_teams_schedules(double: Opsgenie) -> None:
    """The rest is not listed, and 403 with the code 40301 if asked for; no team opens all again."""
    team = double.add_team("Core")
    mine = double.add_schedule("Mine", team=team)
    double.restrict_key("Core")
    assert [each["id"] for each in data(double, "/v2/schedules")] == [mine.id]
    assert [each["_parent"]["id"] for each in data(double, ON_CALLS)] == [mine.id]
    assert get(double, f"/v2/schedules/{mine.id}/on-calls")[0] == 200
    for path in ("pay-0001", "pay-0001/on-calls", "pay-0001/timeline"):
        status, body, _ = get(double, f"/v2/schedules/{path}")
        assert (status, body["code"]) == (403, 40301)
    assert get(double, "/v2/schedules/none/on-calls")[0] == 404
    double.restrict_key(None)
    assert get(double, "/v2/schedules/pay-0001")[0] == 200


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (f"{ON_CALLS}?flat=yes", "flat"),
        (f"{ON_CALLS}?date=now", "date"),
        (f"{ON_CALLS}?date=2026-03-02T08:00:00", "date"),
        (f"{ON_CALLS}?date=2026-03-02T08:00:00+02:00", "date"),
        ("/v2/schedules?expand=everything", "expand"),
        ("/v2/schedules/pay-0001/on-calls?scheduleIdentifierType=label", "scheduleIdentifierType"),
        ("/v2/schedules/pay-0001/timeline?interval=0", "interval"),
        ("/v2/schedules/pay-0001/timeline?interval=many", "interval"),
        ("/v2/schedules/pay-0001/timeline?intervalUnit=hours", "intervalUnit"),
        ("/v2/schedules/pay-0001/timeline?expand=final", "expand"),
    ],
)
def test_invalid_values_are_422(double: Opsgenie, target: str, named: str) -> None:
    """The message names the parameter; a plus sign that is not encoded is a space."""
    status, body, _ = get(double, target)
    assert status == 422
    assert body["message"].startswith(f"{named} ")


def test_throttled_tells_a_period_and_no_time(double: Opsgenie) -> None:
    """There is no Retry-After; a right answer has the state alone."""
    assert get(double, ON_CALLS)[2]["X-RateLimit-State"] == "OK"
    double.fail(ON_CALLS, opsgenie_faults.Throttled(30, "DOMAIN"))
    status, body, headers = get(double, ON_CALLS)
    assert (status, set(body)) == (429, {"message", "took", "requestId"})
    assert headers["X-RateLimit-State"] == "THROTTLED"
    assert headers["X-RateLimit-Reason"] == "DOMAIN"
    assert headers["X-RateLimit-Period-In-Sec"] == "30"
    assert "Retry-After" not in headers


def test_the_general_faults_are_in_its_words(double: Opsgenie) -> None:
    """An error that is switched on has the vendor's body."""
    for fault, status, state in (
        (faults.Status(503), 503, "OK"),
        (faults.TooManyRequests(), 429, "THROTTLED"),
    ):
        double.fail(ON_CALLS, fault)
        answered, body, headers = get(double, ON_CALLS)
        assert (answered, set(body)) == (status, {"message", "took", "requestId"})
        assert headers["X-RateLimit-State"] == state
        assert "Retry-After" not in headers


def test_request_ids_are_unique(double: Opsgenie) -> None:
    """Each answer, right or wrong, has its own."""
    ids = [
        get(double, path)[1]["requestId"]
        for path in (ON_CALLS, ON_CALLS, "/v2/none", "/v2/schedules/none")
    ]
    assert len(set(ids)) == 4


def test_ids_are_the_same_in_every_run() -> None:
    """What is done in the same order gets the same ids, each unlike the others."""

    def ids() -> list[str]:
        one = Opsgenie(KEY)
        person = one.add_person("Ana", ANA)
        found = [person.id, one.add_team("Core").id, one.add_escalation("Steps", []).id]
        one.close()
        return [*found, one.add_schedule("Payments").id]

    assert ids() == ids()
    assert len(set(ids())) == 4


@pytest.mark.parametrize(
    ("called", "count"), [("Payments", 2), ("Nothing", 0)], ids=["shared", "unknown"]
)
def test_a_name_must_be_of_one_thing(double: Opsgenie, called: str, count: int) -> None:
    """What two share, or none has, is refused; the thing itself always does."""
    second = double.add_schedule("Payments")
    with pytest.raises(LookupError, match=f"{count} are called '{called}', not 1"):
        double.put_on_shift(called, ANA)
    double.put_on_shift(second, ANA)
    rows = data(double, f"{ON_CALLS}?flat=true")
    assert [row["onCallRecipients"] for row in rows] == [[], [ANA]]


# -- wrong types ---------------------------------------------------------------------------------

_WRONG = [
    pytest.param(path, fault, id=f"{path}: {what}")
    for path, wrong in (
        (f"{ON_CALLS}?flat=true", opsgenie_faults.WRONG_FLAT_ON_CALLS),
        (ON_CALLS, opsgenie_faults.WRONG_TREES),
        ("/v2/schedules/pay-0001/timeline", opsgenie_faults.WRONG_TIMELINES),
    )
    for what, fault in wrong.items()
]


@pytest.mark.parametrize(("target", "fault"), _WRONG)
def test_wrong_types_are_in_the_body(double: Opsgenie, target: str, fault: faults.Replaced) -> None:
    """Each named fault changes a body that holds everything it could be about."""
    double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    right = get(double, target)[1]
    double.fail("/v2/schedules", fault)
    wrong = get(double, target)[1]
    assert wrong != right
    assert found_at(fault, wrong) == fault.value
