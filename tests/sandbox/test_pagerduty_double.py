"""The double of PagerDuty tells who is on call as its documentation says, traps included."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.pagerduty_asked import ANA, BO, HOUR, KEY, NOON, get, iso, on_calls, who

if TYPE_CHECKING:
    from tests.sandbox.asked import Watch

DAY = timedelta(days=1)


# -- rows ----------------------------------------------------------------------------------------


def test_one_row_for_each_policy_level_schedule_and_person(account: PagerDuty) -> None:
    """The same shift stands as often as policies and levels use its schedule."""
    account.add_schedule("Payments")
    account.add_schedule("Search")
    account.put_on_shift("Payments", ANA)
    account.put_on_shift("Search", BO)
    account.add_escalation_policy("One", "Payments", "Search")
    account.add_target("One", "Payments", level=2)
    account.add_escalation_policy("Two", "Payments")
    assert who(account) == [
        (1, "Payments", "Ana Lima"),
        (1, "Search", "Bo Berg"),
        (2, "Payments", "Ana Lima"),
        (1, "Payments", "Ana Lima"),
    ]
    policies = [row["escalation_policy"]["summary"] for row in on_calls(account)]
    assert policies == ["One", "One", "One", "Two"]


def test_schedule_in_no_policy_never_shows_up(account: PagerDuty) -> None:
    """Though somebody is on shift in it."""
    schedule = account.add_schedule("Forgotten")
    account.put_on_shift(schedule, ANA)
    assert on_calls(account) == []
    assert on_calls(account, schedule_ids=[schedule.id]) == []
    account.add_escalation_policy("Found", schedule)
    assert who(account) == [(1, "Forgotten", "Ana Lima")]


def test_person_whom_a_policy_pages_directly_is_always_on_call(account: PagerDuty) -> None:
    """His row has no schedule, start or end, whatever the window."""
    account.add_escalation_policy("Boss", BO)
    for query in ({}, {"since": iso(NOON + DAY), "until": iso(NOON + 2 * DAY)}):
        (row,) = on_calls(account, **query)
        assert (row["schedule"], row["start"], row["end"]) == (None, None, None)
        assert row["user"]["summary"] == "Bo Berg"


def test_levels_are_made_in_order(account: PagerDuty) -> None:
    """Level 3 of a policy of one level cannot be."""
    account.add_escalation_policy("Boss", ANA)
    with pytest.raises(ValueError, match="level 3: 'Boss' has 1, add the next"):
        account.add_target("Boss", BO, level=3)
    account.add_target("Boss", BO, level=2)
    assert who(account) == [(1, None, "Ana Lima"), (2, None, "Bo Berg")]


@pytest.mark.parametrize(
    ("since_start", "on_shift"),
    [
        pytest.param(timedelta(microseconds=-1), [], id="just before"),
        pytest.param(timedelta(0), ["Ana Lima"], id="at the start"),
        pytest.param(HOUR - timedelta(microseconds=1), ["Ana Lima"], id="just before the end"),
        pytest.param(HOUR, [], id="at the end"),
    ],
)
def test_now_follows_the_clock(
    account: PagerDuty, watch: Watch, since_start: timedelta, on_shift: list[str]
) -> None:
    """A shift holds from its start until just before its end, though nobody changes a thing."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 2 * HOUR)
    watch.time = NOON + HOUR + since_start
    assert [name for _, _, name in who(account)] == on_shift


def test_shift_for_good_has_a_start_but_no_end(account: PagerDuty) -> None:
    """So `end` null does not mean that there is no schedule."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, for_good=True)
    (row,) = on_calls(account, time_zone="UTC")
    assert (row["start"], row["end"]) == ("2026-03-02T12:00:00Z", None)
    assert row["schedule"]["summary"] == "Payments"


def test_shifts_one_after_the_other_are_one_row(account: PagerDuty) -> None:
    """A row is how long a person is on without a break, not what one window or shift is long."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON - HOUR, NOON + HOUR)
    account.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 3 * HOUR)
    account.put_on_shift("Payments", ANA, NOON + 4 * HOUR, NOON + 5 * HOUR)
    (row,) = on_calls(account, time_zone="UTC")
    assert (row["start"], row["end"]) == ("2026-03-02T11:00:00Z", "2026-03-02T15:00:00Z")


def test_one_person_at_a_time_in_a_schedule_of_layers(account: PagerDuty) -> None:
    """Who is put in last takes the place of the other, who comes back after it."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON - HOUR, NOON + 3 * HOUR)
    account.put_on_shift("Payments", BO, NOON, NOON + HOUR)
    assert who(account) == [(1, "Payments", "Bo Berg")]
    day = {"since": iso(NOON - HOUR), "until": iso(NOON + DAY), "time_zone": "UTC"}
    assert [(row["user"]["summary"], row["start"][11:13]) for row in on_calls(account, **day)] == [
        ("Ana Lima", "11"),
        ("Bo Berg", "12"),
        ("Ana Lima", "13"),
    ]
    account.take_off_shift("Payments", BO)
    assert who(account) == [(1, "Payments", "Ana Lima")]


def test_several_people_at_once_in_a_schedule_of_shifts(account: PagerDuty) -> None:
    """The reference has another type and another address, and may have a longer id."""
    schedule = account.add_schedule("Follow the sun", v3=True)
    account.add_escalation_policy("Sun", schedule)
    account.put_on_shift(schedule, ANA)
    account.put_on_shift(schedule, BO)
    account.put_on_shift(schedule, None)
    rows = on_calls(account)
    assert [row["user"]["summary"] for row in rows] == ["Ana Lima", "Bo Berg"]
    reference = rows[0]["schedule"]
    assert (reference["type"], len(reference["id"])) == ("schedule_v3_reference", 14)
    assert reference["self"].endswith(f"/v3/schedules/{schedule.id}")


def test_upgraded_schedule_keeps_its_id_and_who_is_on(account: PagerDuty) -> None:
    """Whom an override had replaced does not come back by it."""
    schedule = account.add_schedule("Payments")
    account.add_escalation_policy("Payments", schedule)
    account.put_on_shift(schedule, ANA)
    account.put_on_shift(schedule, BO)
    account.upgrade_schedule("Payments")
    (row,) = on_calls(account, schedule_ids=[schedule.id])
    assert row["schedule"]["type"] == "schedule_v3_reference"
    assert row["user"]["summary"] == "Bo Berg"


# -- people --------------------------------------------------------------------------------------


def test_email_is_included_only_if_asked_for(account: PagerDuty) -> None:
    """A reference has five fields, and the e-mail is none of them."""
    account.add_escalation_policy("Boss", ANA)
    (row,) = on_calls(account)
    assert row["user"].keys() == {"id", "type", "summary", "self", "html_url"}
    assert row["user"]["type"] == "user_reference"
    (row,) = on_calls(account, include=["users"])
    assert (row["user"]["type"], row["user"]["email"]) == ("user", ANA)
    assert row["escalation_policy"]["type"] == "escalation_policy_reference"


@pytest.mark.parametrize("v3", [False, True])
def test_schedules_and_policies_are_included_too(account: PagerDuty, *, v3: bool) -> None:
    """Each by its own word, all in one query."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments", v3=v3), BO)
    account.put_on_shift("Payments", ANA)
    row, _ = on_calls(account, include=["schedules", "escalation_policies"])
    assert row["schedule"]["type"] == ("schedule_v3" if v3 else "schedule")
    assert row["schedule"]["escalation_policies"][0]["summary"] == "Payments"
    (rule,) = row["escalation_policy"]["escalation_rules"]
    kinds = [target["type"] for target in rule["targets"]]
    assert kinds == ["schedule_v3_reference" if v3 else "schedule_reference", "user_reference"]
    assert row["user"]["type"] == "user_reference"


def test_person_without_email(account: PagerDuty) -> None:
    """The field is null."""
    (cy,) = (each for each in account.people if each.email is None)
    account.add_escalation_policy("Boss", cy)
    (row,) = on_calls(account, include=["users"])
    assert (row["user"]["type"], row["user"]["email"]) == ("user", None)


def test_deleted_person_is_a_bare_reference(account: PagerDuty) -> None:
    """He stays on call; there is neither e-mail nor name, though users are included."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"), ANA)
    account.put_on_shift("Payments", ANA)
    ana = account.delete_person(ANA)
    for row in on_calls(account, include=["users"], time_zone="UTC"):
        assert row["user"] == {
            "id": ana.id,
            "type": "user_reference",
            "summary": "Ana Lima",
            "self": None,
            "html_url": None,
            "deleted_at": "2026-03-02T12:00:00Z",
        }
    assert len(on_calls(account)) == 2
    assert get(account, f"/users/{ana.id}")[0] == 404
    assert get(account, "/users", query="ana")[1]["users"] == []
    assert ana.id not in {each.id for each in account.people}
    another = account.add_person("Ana Lima", ANA)
    assert account.put_on_shift("Payments", ANA).person_id == another.id


def test_users_are_found_by_a_part_of_name_or_email(account: PagerDuty) -> None:
    """Whatever the case: so what comes first need not be who was meant."""
    account.add_person("Joana Ana", f"jo{ANA}")
    found = get(account, "/users", query="ANA@acme.example")[1]["users"]
    assert [each["email"] for each in found] == [ANA, f"jo{ANA}"]
    assert len(get(account, "/users", query="nomail")[1]["users"]) == 1
    shown = get(account, f"/users/{found[0]['id']}")[1]["user"]
    assert shown == found[0]
    assert get(account, "/users/PNOBODY")[0] == 404


# -- filters and windows -------------------------------------------------------------------------


def test_filters(account: PagerDuty) -> None:
    """Several values are or, several filters are and; `null` among schedules is who has none."""
    payments, search = account.add_schedule("Payments"), account.add_schedule("Search")
    account.put_on_shift(payments, ANA)
    account.put_on_shift(search, BO)
    one = account.add_escalation_policy("One", payments, search)
    two = account.add_escalation_policy("Two", payments, BO)
    ana, bo, _ = account.people
    paid, sought, direct = (
        (1, "Payments", "Ana Lima"),
        (1, "Search", "Bo Berg"),
        (1, None, "Bo Berg"),
    )
    assert who(account) == [paid, sought, paid, direct]
    assert who(account, schedule_ids=[payments.id]) == [paid, paid]
    assert who(account, schedule_ids=[payments.id, search.id]) == [paid, sought, paid]
    assert who(account, schedule_ids=["null"]) == [direct]
    assert who(account, schedule_ids=[search.id, "null"]) == [sought, direct]
    assert who(account, user_ids=[bo.id]) == [sought, direct]
    assert who(account, escalation_policy_ids=[two.id]) == [paid, direct]
    assert who(account, escalation_policy_ids=[one.id], user_ids=[ana.id]) == [paid]
    assert who(account, schedule_ids=["PUNKNWN"]) == []


def test_earliest_hides_the_other_schedules_of_a_person(account: PagerDuty) -> None:
    """Only the first on-call at each level of each policy is left."""
    account.add_escalation_policy("One", account.add_schedule("A"), account.add_schedule("B"))
    account.put_on_shift("A", ANA, NOON - HOUR)
    account.put_on_shift("B", ANA, NOON - 2 * HOUR)
    assert len(on_calls(account)) == 2
    assert who(account, earliest="true") == [(1, "B", "Ana Lima")]
    assert len(on_calls(account, earliest="True")) == 2


def test_window(account: PagerDuty) -> None:
    """Whatever overlaps it is in, told with its own start and end; what only touches it is not."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 2 * HOUR)
    account.put_on_shift("Payments", BO, NOON + 2 * HOUR, NOON + 3 * HOUR)

    def names(since: timedelta, until: timedelta) -> list[str]:
        window = {"since": iso(NOON + since), "until": iso(NOON + until)}
        return [name for _, _, name in who(account, **window)]

    second = timedelta(seconds=1)
    assert names(timedelta(), HOUR) == []
    assert names(timedelta(), HOUR + second) == ["Ana Lima"]
    assert names(2 * HOUR - second, 2 * HOUR + second) == ["Ana Lima", "Bo Berg"]
    assert names(2 * HOUR, 2 * HOUR) == ["Bo Berg"]
    assert names(3 * HOUR, 4 * HOUR) == []
    half = timedelta(minutes=90)
    window = {"since": iso(NOON + half), "until": iso(NOON + half), "time_zone": "UTC"}
    (row,) = on_calls(account, **window)
    assert (row["start"], row["end"]) == ("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z")


def test_window_of_microseconds_is_empty(account: PagerDuty) -> None:
    """Two readings of the clock find nobody; one of them, sent twice, or a second do."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA)
    for later, count in (
        (timedelta(microseconds=3), 0),
        (timedelta(), 1),
        (timedelta(seconds=1), 1),
    ):
        assert len(on_calls(account, since=iso(NOON), until=iso(NOON + later))) == count


def test_ninety_days_ahead_and_no_more(account: PagerDuty) -> None:
    """What begins later is not told."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON + 90 * DAY)
    account.put_on_shift("Payments", BO, NOON + 91 * DAY)
    assert who(account, until=iso(NOON + 100 * DAY)) == [(1, "Payments", "Ana Lima")]


@pytest.mark.parametrize(
    ("time_zone", "told"),
    [
        pytest.param(None, "2026-03-02T13:00:00+01:00", id="the account's"),
        pytest.param("UTC", "2026-03-02T12:00:00Z", id="UTC"),
        pytest.param("America/New_York", "2026-03-02T07:00:00-05:00", id="another"),
    ],
)
def test_times_have_the_offset_of_the_time_zone(
    account: PagerDuty, time_zone: str | None, told: str
) -> None:
    """In whole seconds."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON + timedelta(microseconds=999_999))
    query = {"time_zone": time_zone} if time_zone else {}
    window = {"since": iso(NOON + HOUR), "until": iso(NOON + HOUR)}
    (row,) = on_calls(account, **window, **query)
    assert row["start"] == told


def test_time_without_offset_is_in_the_zone_asked_for(account: PagerDuty) -> None:
    """Noon is noon there."""
    account.add_escalation_policy("Payments", account.add_schedule("Payments"))
    account.put_on_shift("Payments", ANA, NOON, NOON + HOUR)
    naive = {"since": "2026-03-02T12:30:00", "until": "2026-03-02T12:30:00"}
    assert len(on_calls(account, **naive, time_zone="UTC")) == 1
    assert len(on_calls(account, **naive)) == 0


def test_changes_are_counted(account: PagerDuty) -> None:
    """Each thing that people do raises the counter; asking does not."""
    schedule = account.add_schedule("Payments")
    counts = [account.changes]
    for act in (
        lambda: account.put_on_shift(schedule, ANA),
        lambda: account.take_off_shift(schedule, ANA),
        lambda: account.upgrade_schedule(schedule),
        lambda: account.add_escalation_policy("Payments"),
        lambda: account.add_target("Payments", schedule),
        lambda: account.delete_person(BO),
    ):
        act()
        counts.append(account.changes)
    assert counts == sorted(set(counts))
    on_calls(account)
    assert account.changes == counts[-1]


def test_ids_are_the_same_in_every_run() -> None:
    """What is done in the same order gets the same ids, each unlike the others."""

    def ids() -> list[str]:
        with PagerDuty(KEY) as account:
            person = account.add_person("Ana", ANA)
            schedules = [account.add_schedule("A"), account.add_schedule("B", v3=True)]
            policy = account.add_escalation_policy("C")
            return [person.id, *(each.id for each in schedules), policy.id]

    assert ids() == ids()
    assert len(set(ids())) == 4


@pytest.mark.parametrize(
    ("called", "count"), [("Database", 2), ("Nothing", 0)], ids=["shared", "unknown"]
)
def test_a_name_must_be_of_one_thing(account: PagerDuty, called: str, count: int) -> None:
    """What two share, or none has, is refused; the thing itself always does."""
    account.add_schedule("Database")
    second = account.add_schedule("Database", id="PSECOND")
    with pytest.raises(LookupError, match=f"{count} have the name '{called}', not 1"):
        account.add_escalation_policy("Database", called)
    account.put_on_shift("PSECOND", account.people[0].id)
    account.add_escalation_policy("Second", second, account.people[1].id)
    assert who(account) == [(1, "Database", "Ana Lima"), (1, None, "Bo Berg")]
