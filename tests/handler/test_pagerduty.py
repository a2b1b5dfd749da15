"""PagerDuty: who is on call, by which name of a schedule, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from handler.durations import format_instant
from handler.duty import ON_CALL, Duty, ScheduleOrRole
from handler.http import Client
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    BOTH_KINDS,
    LAYERED,
    ON_CALLS,
    PAGERDUTY_KEY,
    PAYMENTS,
    SHIFT_BASED,
    USERS,
    holders,
    id_of,
    open_pagerduty,
    problems,
)
from tests.handler.accounts import (
    PagerDutyAccount as Account,
)
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited_answers import Edited, drop, put

HOUR = timedelta(hours=1)
ROW = ("oncalls", 0)


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account with the schedule Payments."""
    with open_pagerduty(client, set_clock) as one:
        yield one


def test_one_list_for_everybody(account: Account) -> None:
    """If any schedule counts, only the on-calls with their users are read."""
    account.find()
    (call,) = account.double.calls
    assert (call.method, call.path) == ("GET", "/oncalls")
    assert call.query == {
        "include[]": ["users"],
        "time_zone": ["UTC"],
        "limit": ["100"],
        "offset": ["0"],
    }
    assert call.headers["authorization"] == f"Token token={PAGERDUTY_KEY}"
    assert call.headers["accept"] == "application/vnd.pagerduty+json;version=2"


@pytest.mark.parametrize("wants", [DutyQuery(), DutyQuery(roles=True, updates=True)])
def test_no_calls_without_an_on_call_rule(wants: DutyQuery, account: Account) -> None:
    """Without a rule on being on call, PagerDuty isn't queried."""
    account.find(wants)
    assert len(account.double.calls) == 0


def test_who_is_on_call(account: Account) -> None:
    """A duty has the schedule's id, name and link, the holder's e-mail, the level and the times."""
    account.double.put_on_shift("Payments", BO, NOW - HOUR, NOW + HOUR)
    snapshot = account.find()
    assert snapshot.duties == (
        Duty(
            provider="PagerDuty",
            kind=ON_CALL,
            id=PAYMENTS,
            name="Payments",
            holder="bo@acme.example",
            level=1,
            start=NOW - HOUR,
            end=NOW + HOUR,
            link=f"https://sandbox.pagerduty.com/schedules/{PAYMENTS}",
            shared_names=frozenset({"Payments"}),
            user=id_of(account, BO),
        ),
    )
    assert snapshot.failures == ()


def test_direct_targets_of_an_escalation_policy(account: Account) -> None:
    """A person whom an escalation policy pages directly, without a schedule, has no duty."""
    account.double.add_escalation_policy("Boss", ANA)
    account.double.put_on_shift("Payments", BO)
    snapshot = account.find()
    assert (holders(snapshot), snapshot.failures) == (["bo@acme.example"], ())
    assert not account.decide_by(ANA, schedules="any").approved
    assert account.decide_by(BO, schedules="any").approved


@pytest.mark.parametrize(("most", "approved"), [(None, False), (1, False), (2, True), (3, True)])
def test_levels(most: int | None, approved: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """Level 2 counts only if the rule's `max_level` allows it; the default is level 1."""
    backup = account.double.add_schedule("Back-up")
    account.double.put_on_shift(backup, ANA)
    account.double.add_target("Payments", backup, level=2)
    (duty,) = account.find().duties
    assert (duty.name, duty.level) == ("Back-up", 2)
    rule = {"schedules": ["Back-up"], **({"max_level": most} if most else {})}
    assert account.decide(ANA, when={"on_call": rule}).approved is approved


def test_one_shift_in_several_policies(account: Account) -> None:
    """A shift in several escalation policies is one duty, on the lowest level."""
    account.double.put_on_shift("Payments", ANA)
    account.double.add_escalation_policy("Second", BO)
    account.double.add_target("Second", "Payments", level=2)
    account.double.add_escalation_policy("Third", "Payments")
    account.double.add_target("Third", "Payments", level=2)
    for edit in (lambda _: None, lambda body: body["oncalls"].reverse()):
        account.double.fail(ON_CALLS, Edited(edit))
        (duty,) = (duty for duty in account.find().duties if duty.holder == ANA)
        assert duty.level == 1
    assert account.count_calls(ON_CALLS) == 2


def test_shift_based_schedules(account: Account) -> None:
    """Everybody on shift in a shift-based schedule has a duty."""
    wanted = account.on_shift("Search", ANA, BO, v3=True)
    assert len(wanted) > 7
    snapshot = account.find()
    assert {(duty.id, duty.name, duty.holder) for duty in snapshot.duties} == {
        (wanted, "Search", ANA),
        (wanted, "Search", "bo@acme.example"),
    }
    assert snapshot.failures == ()


def test_nobody_on_call(account: Account) -> None:
    """An empty, unassigned, past or future shift gives no duty and no failure."""
    for v3 in (False, True):
        account.on_shift("Empty", v3=v3)
        account.double.put_on_shift(account.on_shift(f"Unassigned {v3}", v3=v3), None)
    account.double.put_on_shift("Payments", ANA, NOW - 2 * HOUR, NOW - HOUR)
    account.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 2 * HOUR)
    snapshot = account.find()
    assert (snapshot.duties, snapshot.failures) == ((), ())
    account.clock.advance(3600)
    assert holders(account.find()) == ["bo@acme.example"]


@pytest.mark.parametrize(
    ("edit", "on_call"),
    [
        (drop(*ROW, "escalation_policy"), [ANA]),
        (put(*ROW, "escalation_policy", value=None), [ANA]),
        (drop(*ROW, "schedule", "html_url"), [ANA]),
        (put(*ROW, "schedule", "html_url", value=None), [ANA]),
        (drop(*ROW, "schedule", "summary"), [ANA]),
        (put(*ROW, "schedule", "summary", value=None), [ANA]),
        (put(*ROW, "schedule", "type", value="schedule_v4_reference"), [ANA]),
        (put(*ROW, "schedule", value=None), []),
        (drop(*ROW, "schedule"), []),
        (put(*ROW, "user", value=None), []),
        (drop(*ROW, "user"), []),
        (drop(*ROW, "user", "email"), []),
        (put(*ROW, "user", "email", value="  "), []),
        (drop(*ROW, "user", "id"), [ANA]),
        (drop("total"), [ANA]),
        (drop("limit"), [ANA]),
        (put("news", value={"of": "tomorrow"}), [ANA]),
    ],
)
def test_optional_fields(edit: Edited, on_call: list[str], account: Account) -> None:
    """Fields that the vendor's schema calls optional may be absent, and unknown ones present."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(ON_CALLS, edit)
    snapshot = account.find()
    assert (holders(snapshot), snapshot.failures) == (on_call, ())


def test_a_schedule_without_a_name(account: Account) -> None:
    """A schedule without a name is matched and described by its id."""
    account.double.put_on_shift("Payments", CY)
    account.double.fail(ON_CALLS, drop(*ROW, "schedule", "summary"))
    (duty,) = account.find().duties
    assert (duty.name, duty.title) == ("", PAYMENTS)
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("")


HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
ROW = ("oncalls", 0)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("ends", "end"),
    [
        (("2026-03-04T13:00:00Z", "2026-03-04T14:00:00Z"), NOW + 2 * HOUR),
        (("2026-03-04T13:00:00Z", None), None),
        ((None, None), None),
    ],
)
def test_one_shift_with_two_ends(
    ends: tuple[str | None, str | None], end: datetime | None, order: int, account: Account
) -> None:
    """If one shift is listed with two ends, the later counts, and no end is the latest."""
    account.double.put_on_shift("Payments", ANA)
    account.double.add_escalation_policy("Second", "Payments")

    def edit(body: dict[str, list[dict[str, object]]]) -> None:
        for row, instant in zip(body["oncalls"], ends[::order], strict=True):
            row["end"] = instant

    account.double.fail(ON_CALLS, Edited(edit))
    (duty,) = account.find().duties
    assert (duty.end, duty.endless) == (end, end is None)


def test_two_shifts_are_not_made_one(account: Account) -> None:
    """A past and a future shift aren't merged into one that runs now."""
    account.double.put_on_shift("Payments", ANA)
    account.double.add_escalation_policy("Second", "Payments")

    def edit(body: dict[str, list[dict[str, object]]]) -> None:
        over, to_come = body["oncalls"]
        over.update(start="2026-03-04T08:00:00Z", end="2026-03-04T11:00:00Z")
        to_come.update(start="2026-03-04T13:00:00Z", end="2026-03-04T15:00:00Z")

    account.double.fail(ON_CALLS, Edited(edit))
    assert len(account.find().duties) == 2
    assert not account.decide_by(ANA, schedules="any").approved


def test_a_shift_without_end(account: Account) -> None:
    """A shift without an end approves, but with `end_with_shift` only if `without_end` is set."""
    account.double.put_on_shift("Payments", ANA, for_good=True)
    (duty,) = account.find().duties
    assert (duty.end, duty.endless, duty.has_end) == (None, True, False)
    assert account.decide(ANA).approved
    assert not account.decide(ANA, end_with_shift={}).approved
    decision = account.decide(ANA, end_with_shift={"without_end": "2h"})
    assert decision.duration == 2 * HOUR


def test_access_ends_with_the_shift(account: Account) -> None:
    """The shift's end is in the on-calls, so no further call is needed."""
    account.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    when = {"on_call": {"schedules": "any"}}
    decision = account.decide(ANA, when=when, end_with_shift={"grace": "15m"})
    assert decision.duration == timedelta(minutes=75)
    assert account.double.calls.paths() == [USERS, ON_CALLS]


@pytest.mark.parametrize("turned", [False, True])
def test_the_end_of_a_later_level_is_another(account: Account, *, turned: bool) -> None:
    """Access ends with the shift on the lowest level, in whatever order they are listed."""
    account.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    later = format_instant(NOW + 10 * HOUR)

    def edit(body: dict[str, Any]) -> None:
        (row,) = body["oncalls"]
        rows = [row, {**row, "escalation_level": 2, "end": later}]
        body["oncalls"] = rows[::-1] if turned else rows

    account.double.fail(ON_CALLS, Edited(edit), times=2)
    when = {"on_call": {"schedules": "any", "max_level": 2}}
    assert account.decide(ANA, when=when, end_with_shift={}).duration == HOUR
    (duty,) = account.find().duties
    assert (duty.level, duty.end) == (1, NOW + HOUR)


@pytest.mark.parametrize(
    ("start", "end", "runs"),
    [
        ("2026-03-04T12:00:00Z", "2026-03-04T12:00:00.000001Z", True),
        ("2026-03-04T11:00:00Z", "2026-03-04T12:00:00Z", False),
        ("2026-03-04T12:00:00.000001Z", "2026-03-04T13:00:00Z", False),
        ("2026-03-04T13:00:00+01:00", "2026-03-04T14:00:00+01:00", True),
        ("2026-03-04T12:30:00Z", None, False),
        (None, "2026-03-04T12:30:00Z", True),
        (None, "2026-03-04T12:00:00Z", False),
    ],
)
def test_a_current_shift_by_the_providers_clock_only(
    start: str | None, end: str | None, runs: bool, account: Account  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    """A shift that isn't current by our clock doesn't count, whatever the provider lists."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(
        ON_CALLS, Edited(lambda body: body["oncalls"][0].update(start=start, end=end))
    )
    (duty,) = account.find().duties
    assert duty.runs_at(NOW) is runs
    assert account.decide_by(ANA, schedules="any").approved is runs


@pytest.fixture
def staffed(account: Account) -> Account:
    """The account with Ana on call for Payments."""
    account.double.put_on_shift("Payments", ANA)
    return account


LISTS = pytest.mark.parametrize("path", [LAYERED, SHIFT_BASED])


@pytest.mark.parametrize("entry", ["Payments", PAYMENTS])
def test_three_lists_for_everybody_by_schedule(entry: str, staffed: Account) -> None:
    """For a named schedule, the on-calls and both lists of schedules are read."""
    staffed.named(entry)
    assert sorted(staffed.double.calls.paths()) == [ON_CALLS, LAYERED, SHIFT_BASED]
    asked = {call.path: call.query for call in staffed.double.calls}
    assert asked[LAYERED] == {"limit": ["100"], "offset": ["0"]}
    assert asked[SHIFT_BASED] == {"limit": ["1000"], "offset": ["0"]}


def test_three_calls_whoever_is_on_call(staffed: Account) -> None:
    """A query takes three calls, whether or not anybody is on call for the schedule."""
    staffed.named("Payments")
    staffed.named("Search")
    assert len(staffed.double.calls) == 6


def test_all_schedules_are_listed(staffed: Account) -> None:
    """All schedules are listed, with their path and whether a policy uses them."""
    search = staffed.on_shift("Search", v3=True)
    snapshot = set(staffed.named("Payments").schedules_and_roles)
    assert snapshot == {
        ScheduleOrRole("PagerDuty", ON_CALL, PAYMENTS, ("Payments",)),
        ScheduleOrRole("PagerDuty", ON_CALL, PAYMENTS, ("Payments",), path=LAYERED, in_use=True),
        ScheduleOrRole("PagerDuty", ON_CALL, search, ("Search",), path=SHIFT_BASED),
    }


@BOTH_KINDS
@pytest.mark.parametrize("people", [(), (BO,)], ids=["nobody is on it", "somebody is on it"])
@pytest.mark.parametrize("policy", [False, True], ids=["in no policy", "in a policy"])
def test_a_name_that_two_schedules_have(
    people: tuple[str, ...], policy: bool, v3: bool, staffed: Account  # noqa: FBT001 - columns of the table
) -> None:  # fmt: skip
    """A name of two schedules matches neither, wherever the other is listed; ids still match."""
    other = staffed.on_shift("Payments", *people, v3=v3, policy=policy)
    assert not staffed.counts("Payments", ANA)
    assert not staffed.counts("Payments", BO)
    assert staffed.counts(PAYMENTS, ANA)
    assert staffed.counts(other, BO) is bool(people)


@BOTH_KINDS
def test_a_schedule_named_like_another_ones_id(v3: bool, staffed: Account) -> None:  # noqa: FBT001 - a column of the table
    """A schedule whose name equals another's id isn't the one that the policy names by id."""
    staffed.on_shift(PAYMENTS, BO, v3=v3)
    staffed.double.take_off_shift("Payments", ANA)
    assert not staffed.counts(PAYMENTS, BO)
    staffed.double.put_on_shift("Payments", ANA)
    assert staffed.counts(PAYMENTS, ANA)
    assert not staffed.counts(PAYMENTS, BO)


@pytest.mark.parametrize("entry", ["payments", "Payment", "Payments ", "Pay*", "PPAY00", "ppay001"])
def test_a_name_is_compared_whole(entry: str, staffed: Account) -> None:
    """Names and ids are compared whole, unlike in the vendor's search."""
    assert not staffed.decide_by(ANA, schedules=[entry]).approved


@LISTS
@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(400),
        faults.Status(403),
        faults.Status(404),
        faults.Status(500),
        faults.Garbage(),
        faults.WrongValue("schedules", None),
        faults.WrongValue("schedules", {}),
        faults.WrongValue("more", None),
    ],
    ids=repr,
)
def test_a_list_that_cannot_be_read(fault: Fault, path: str, staffed: Account) -> None:
    """If a list can't be read, names may not be unique, so only ids count; it's reported.

    The same applies to an account that has no shift-based schedules yet.
    """
    staffed.double.fail(path, fault)
    assert not staffed.counts("Payments")
    assert staffed.counts(PAYMENTS)
    (failure,) = staffed.named("Payments", PAYMENTS).failures
    which = {LAYERED: "layer-based schedules", SHIFT_BASED: "shift-based schedules"}
    assert failure.question == which[path]


@LISTS
@pytest.mark.parametrize(("field", "value"), [("id", None), ("summary", 5), ("id", 7)])
def test_an_entry_that_cannot_be_read(
    field: str, value: object, path: str, staffed: Account
) -> None:
    """An unreadable schedule could have the name: ids alone count, and it's reported."""
    staffed.on_shift("Search", BO, v3=True)
    staffed.double.add_schedule("Other", v3=path == SHIFT_BASED)
    staffed.double.fail(path, put("schedules", 1, field, value=value))
    snapshot = staffed.named("Payments", "Search")
    assert problems(snapshot) == ["1 entries could not be read"]
    assert holders(snapshot) == [ANA, "bo@acme.example"]
    assert not staffed.counts("Payments")
    assert staffed.counts(PAYMENTS)


@LISTS
def test_an_entry_without_a_name(path: str, staffed: Account) -> None:
    """A schedule without a name could have any name: ids alone count, without a failure."""
    staffed.double.add_schedule("Other Payments", v3=path == SHIFT_BASED)
    staffed.double.fail(path, faults.WrongValue("schedules.*", {"id": "PX", "summary": None}))
    assert not staffed.counts("Payments")
    assert staffed.counts(PAYMENTS)
    assert staffed.named(PAYMENTS).failures == ()


@pytest.mark.parametrize("field", ["summary", "name"])
def test_summary_or_name_is_enough(field: str, staffed: Account) -> None:
    """Either of `summary` and `name` is enough to know a schedule's name."""
    staffed.double.fail(LAYERED, put("schedules", 0, field, value=None))
    assert staffed.counts("Payments")


@pytest.mark.parametrize("field", ["summary", "name"])
def test_a_summary_that_is_not_the_name(field: str, staffed: Account) -> None:
    """If `summary` and `name` differ, both count as the schedule's names."""
    staffed.double.add_schedule("Other")
    staffed.double.fail(LAYERED, put("schedules", 1, field, value="Payments"))
    assert not staffed.counts("Payments")


def test_names_do_not_count_without_the_lists(staffed: Account) -> None:
    """If the lists of schedules weren't read, names don't count, as they may not be unique."""
    snapshot = staffed.find()
    (duty,) = snapshot.duties
    assert not duty.is_named("Payments")
    assert duty.is_named(PAYMENTS)
    # A later query needs names, so the lists are requested now.
    later = staffed.client.questions(DutyQuery(schedules=("Payments",)), snapshot)
    assert {question.name for question in later} > {
        "layer-based schedules",
        "shift-based schedules",
    }


def test_any_beside_a_name(staffed: Account) -> None:
    """If one rule accepts any schedule and another names one, names are checked as well."""
    staffed.on_shift("Search", CY)
    both = DutyQuery(schedules=("Payments",), any_schedule=True)
    named = {duty.name: duty.is_named(duty.name) for duty in staffed.find(both).duties}
    assert named == {"Payments": True, "Search": True}
    assert len(staffed.double.calls) == 3
