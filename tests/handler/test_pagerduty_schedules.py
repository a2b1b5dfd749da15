"""PagerDuty: schedules that no escalation policy uses are read if a rule names them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from handler.duty import ON_CALL, Duty
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.pagerduty import MOST_LOOKED_UP, MOST_ON_SHIFT
from sandbox.vendors import faults
from tests.handler.accounts import (
    BOTH_KINDS,
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SCHEDULE_PATHS,
    SHIFT_BASED,
    USERS,
    holders,
    open_pagerduty,
    problems,
)
from tests.handler.accounts import (
    PagerDutyAccount as Account,
)
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited_answers import put

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account whose one schedule has nobody on it."""
    with open_pagerduty(client, set_clock) as one:
        yield one


def _calls(account: Account) -> list[str]:
    """The calls after those for the on-calls and the lists."""
    return account.double.calls.paths()[3:]


@BOTH_KINDS
@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
def test_who_is_on_shift(by_name: bool, v3: bool, account: Account) -> None:  # noqa: FBT001 - columns of the table
    """A schedule and its user take one call each; the duty's level is 1."""
    id_ = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift("Forgotten", BO, NOW - HOUR, NOW + 3 * HOUR)
    (duty,) = account.named("Forgotten" if by_name else id_).duties
    (bo,) = (person.id for person in account.double.people if person.email == BO)
    assert _calls(account) == [f"{SCHEDULE_PATHS[v3]}/{id_}", f"/users/{bo}"]
    assert duty == Duty(
        provider="PagerDuty",
        kind=ON_CALL,
        id=id_,
        name="Forgotten",
        holder="bo@acme.example",
        level=1,
        start=NOW - HOUR,
        end=NOW + 3 * HOUR,
        link=f"https://sandbox.pagerduty.com/schedules/{id_}",
        user=bo,
    )


@BOTH_KINDS
def test_what_is_asked_for(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """The final schedule is requested in UTC, with whole shifts, for one minute."""
    account.clock.advance(0.7)
    account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.named("Forgotten")
    call, _ = account.double.calls[3:]
    assert call.query == {
        "since": ["2026-03-04T12:00:00.000Z"],
        "until": ["2026-03-04T12:01:00.000Z"],
        "include[]": ["final_schedule"],
        "overflow": ["true"],
        "time_zone": ["UTC"],
    }


@BOTH_KINDS
@pytest.mark.parametrize("level", [1, 2])
def test_a_schedule_that_a_policy_uses(level: int, v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """The level of a schedule in use is only in the on-calls; without them, nobody counts."""
    used = account.on_shift("Used", ANA, v3=v3, policy=False)
    account.double.add_target("Payments", used, level=level)
    assert account.counts(used) is (level == 1)
    account.double.fail(ON_CALLS, faults.Status(500))
    assert not account.counts(used)
    assert account.count_calls(f"{SCHEDULE_PATHS[v3]}/{used}") == 1
    account.double.fail(ON_CALLS, faults.WrongValue("oncalls", []))
    assert not account.counts(used)


@BOTH_KINDS
def test_while_the_on_calls_fail(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """If the on-calls fail, a schedule without escalation policies still counts."""
    account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(ON_CALLS, faults.Status(500))
    assert account.counts("Forgotten")
    assert [failure.question for failure in account.named("Forgotten").failures] == ["on-calls"]


@BOTH_KINDS
def test_only_people_on_shift_now(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """Past and later shifts in the schedule don't count, nor does an empty one."""
    schedule = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW)
    account.double.put_on_shift(schedule, None, NOW, NOW + timedelta(seconds=10))
    account.double.put_on_shift(schedule, BO, NOW + timedelta(seconds=10), NOW + HOUR)
    account.double.put_on_shift(schedule, CY, NOW + HOUR, NOW + 2 * HOUR)
    snapshot = account.named("Forgotten")
    assert (snapshot.duties, snapshot.failures) == ((), ())
    assert len(_calls(account)) == 1
    account.clock.advance(10)
    assert holders(account.named("Forgotten")) == ["bo@acme.example"]


def test_a_shift_that_ends_at_this_moment(account: Account) -> None:
    """A shift that ends now is over, and its user isn't looked up."""
    schedule = account.on_shift("Forgotten", ANA, policy=False)
    entry = ("schedule", "final_schedule", "rendered_schedule_entries", 0)
    over = put(*entry, "end", value="2026-03-04T12:00:00Z")
    account.double.fail(f"{LAYERED}/{schedule}", over)
    assert account.named("Forgotten").duties == ()
    assert len(_calls(account)) == 1


def test_several_on_shift_at_once(account: Account) -> None:
    """Several people may be on shift; a person with two shifts is, until the later end."""
    schedule = account.on_shift("Forgotten", v3=True, policy=False)
    account.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW + 2 * HOUR)
    account.double.put_on_shift(schedule, ANA, NOW - TICK, NOW + HOUR)
    account.double.put_on_shift(schedule, BO, NOW - HOUR, NOW + HOUR)
    account.double.put_on_shift(schedule, BO, NOW - HOUR, NOW + 3 * HOUR)
    ends = {duty.holder: duty.end for duty in account.named("Forgotten").duties}
    assert ends == {ANA: NOW + 2 * HOUR, "bo@acme.example": NOW + 3 * HOUR}
    assert len(_calls(account)) == 3


@BOTH_KINDS
def test_access_ends_with_the_shift_not_with_the_window(account: Account, *, v3: bool) -> None:
    """Access ends with the shift, not with the minute that was requested."""
    schedule = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW + 2 * HOUR)
    when = {"on_call": {"schedules": ["Forgotten"]}}
    assert account.decide(ANA, when=when, end_with_shift={}).duration == 2 * HOUR


@BOTH_KINDS
def test_a_schedule_that_is_gone(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """Nobody is on call for a listed schedule that gives 404, and that isn't a failure."""
    schedule = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(f"{SCHEDULE_PATHS[v3]}/{schedule}", faults.Status(404))
    snapshot = account.named("Forgotten")
    assert (snapshot.duties, snapshot.failures) == ((), ())


def test_limit_of_people_on_shift(account: Account) -> None:
    """Beyond a limit, people on shift aren't looked up, and that is reported."""
    schedule = account.on_shift("All hands", v3=True, policy=False)
    for number in range(MOST_ON_SHIFT + 1):
        email = f"p{number}@acme.example"
        account.double.add_person(f"P{number}", email)
        account.double.put_on_shift(schedule, email)
        if number == MOST_ON_SHIFT - 1:
            snapshot = account.named("All hands")
            assert (len(snapshot.duties), snapshot.failures) == (MOST_ON_SHIFT, ())
    snapshot = account.named("All hands")
    assert len(snapshot.duties) == MOST_ON_SHIFT
    assert problems(snapshot) == [f"only the first {MOST_ON_SHIFT} people on shift were asked for"]


@BOTH_KINDS
def test_any_schedule_is_not_every_single_one(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """A schedule outside of escalation policies counts only if a rule names it."""
    account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    assert not account.decide_by(ANA, schedules="any").approved
    assert account.double.calls.paths() == [USERS, ON_CALLS]
    assert account.counts("Forgotten")


def test_both_apis_are_tried_without_the_lists(account: Account) -> None:
    """If a list fails, an id is looked up in the v3 API first, then in v2."""
    layered = account.on_shift("Forgotten", ANA, policy=False)
    shifts = account.on_shift("Lost", ANA, v3=True, policy=False)
    account.double.fail(LAYERED, faults.Status(500), times=3)
    assert holders(account.named(layered)) == [ANA]
    ana = f"/users/{account.double.people[0].id}"
    output = [f"{SHIFT_BASED}/{layered}", f"{LAYERED}/{layered}", ana]
    assert account.double.calls.paths()[-3:] == output
    account.double.fail(SHIFT_BASED, faults.Status(500), times=3)
    assert holders(account.named(shifts)) == [ANA]
    assert account.double.calls.paths()[-2:] == [f"{SHIFT_BASED}/{shifts}", ana]


@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_api_is_enough_if_the_list_has_the_id(status: int, account: Account) -> None:
    """If a list has the id, only that API is used; otherwise both are."""
    account.double.add_schedule("Lone", v3=True)
    layered = account.on_shift("Forgotten", ANA, policy=False)
    account.double.fail(f"{LAYERED}/{layered}", faults.Status(status))
    assert problems(account.named(layered))[0].startswith(f"answered {status}")
    assert account.count_calls(f"{SHIFT_BASED}/{layered}") == 0
    tries = 3 if status == 500 else 1
    assert account.count_calls(f"{LAYERED}/{layered}") == tries
    account.double.clear_faults()
    account.double.fail(LAYERED, faults.Garbage(), times=1)
    account.double.fail(f"{SHIFT_BASED}/", faults.Status(status))
    account.double.calls.clear()
    account.named(layered)
    assert account.count_calls(f"{LAYERED}/{layered}") == 1


@BOTH_KINDS
def test_an_id_means_that_schedule(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """An id matches its schedule, whatever others are named or fail."""
    forgotten = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.on_shift(forgotten, BO, v3=v3, policy=False)
    assert account.counts(forgotten)
    assert not account.counts(forgotten, BO)
    account.double.fail(SCHEDULE_PATHS[not v3], faults.Status(500), times=3)
    assert account.counts(forgotten)
    account.double.clear_faults()
    account.double.fail(SCHEDULE_PATHS[not v3], faults.Status(500), times=3)
    account.double.calls.clear()
    assert ANA in holders(account.named(forgotten))
    assert account.count_calls(f"{SCHEDULE_PATHS[v3]}/{forgotten}") == 1
    assert account.count_calls(f"{SCHEDULE_PATHS[not v3]}/{forgotten}") == 0


@pytest.mark.parametrize("entry", ["DBA", "Payments primary", "../users", "a/b", "é", "PNONE"])
def test_unknown_schedules(entry: str, account: Account) -> None:
    """An unknown entry isn't looked up; if a list failed, it is if it could be an id."""
    assert account.named(entry).duties == ()
    assert len(account.double.calls) == 3
    account.double.calls.clear()
    account.double.fail(SHIFT_BASED, faults.Status(400), times=1)
    snapshot = account.named(entry)
    assert [failure.question for failure in snapshot.failures] == ["shift-based schedules"]
    is_id = entry.isascii() and entry.isalnum()
    both = [f"{path}/{entry}" for path in (SHIFT_BASED, LAYERED)]
    assert _calls(account) == (both if is_id else [])


def test_a_key_that_is_refused_is_refused_once(account: Account) -> None:
    """If the key is refused, single schedules aren't tried."""
    account.double.fail("/", faults.Status(401))
    account.named("PNONE1", "PNONE2")
    assert len(account.double.calls) == 3


def test_an_ambiguous_name_is_not_looked_up(account: Account) -> None:
    """A name that may belong to two schedules isn't looked up."""
    account.on_shift("Forgotten", ANA, policy=False)
    account.double.fail(SHIFT_BASED, faults.Status(400))
    assert not account.counts("Forgotten")
    account.double.clear_faults()
    account.double.add_schedule("Forgotten", v3=True)
    assert not account.counts("Forgotten")
    assert not any(path.startswith(f"{LAYERED}/") for path in account.double.calls.paths())


def test_invalid_ids(account: Account) -> None:
    """An invalid id never becomes part of a path."""
    odd = faults.WrongValue("schedules.*.id", "ana@acme.example")
    account.double.fail(LAYERED, odd, times=1)
    assert account.named("Payments").failures == ()
    assert len(account.double.calls) == 3


def test_limit_of_schedules(account: Account) -> None:
    """Beyond a limit, schedules aren't looked up."""
    names = [f"S{number}" for number in range(MOST_LOOKED_UP + 5)]
    for name in names:
        account.double.add_schedule(name)
    account.named(*names)
    assert len(_calls(account)) == MOST_LOOKED_UP


def test_the_schedule_that_another_provider_has(account: Account) -> None:
    """A duty at another provider with the same schedule id doesn't replace the lookup."""
    forgotten = account.on_shift("Forgotten", ANA, policy=False)
    wants = DutyQuery(schedules=(forgotten,))
    snapshot = account.named("Payments")
    elsewhere = snapshot._replace(duties=(Duty("incident.io", ON_CALL, forgotten, "x", ANA),))
    asked = [question.name for question in account.client.questions(wants, elsewhere)]
    assert asked[3:] == [f"schedule {forgotten}"]
    here = snapshot._replace(duties=(Duty("PagerDuty", ON_CALL, forgotten, "x", ANA),))
    assert len(list(account.client.questions(wants, here))) == 3
    assert PAYMENTS not in " ".join(asked)
