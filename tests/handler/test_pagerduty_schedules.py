"""PagerDuty: a schedule that no escalation policy uses is asked for where a rule names it."""

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
    LAYERED,
    ON_CALLS,
    PAYMENTS,
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
BOTH_KINDS = pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
PATHS = {False: LAYERED, True: SHIFT_BASED}


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account whose one schedule has nobody on it."""
    with open_pagerduty(client, set_clock) as one:
        yield one


def _calls(account: Account) -> list[str]:
    """What was asked after the on-calls and the lists."""
    return account.double.calls.paths()[3:]


@BOTH_KINDS
@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
def test_who_is_on_shift(by_name: bool, v3: bool, account: Account) -> None:  # noqa: FBT001 - columns of the table
    """The schedule is shown where its list says, then its user: a call each. Its level is 1."""
    id_ = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift("Forgotten", BO, NOW - HOUR, NOW + 3 * HOUR)
    (duty,) = account.named("Forgotten" if by_name else id_).duties
    (bo,) = (each.id for each in account.double.people if each.email == BO)
    assert _calls(account) == [f"{PATHS[v3]}/{id_}", f"/users/{bo}"]
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
    """The end result of the schedule, in UTC, with whole shifts, for a window of a minute."""
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
    """Only the on-calls tell its level: where they fail, it is not taken to be on the first."""
    used = account.on_shift("Used", ANA, v3=v3, policy=False)
    account.double.add_target("Payments", used, level=level)
    assert account.counts(used) is (level == 1)
    account.double.fail(ON_CALLS, faults.Status(500))
    assert not account.counts(used)
    assert account.count_calls(f"{PATHS[v3]}/{used}") == 1
    account.double.fail(ON_CALLS, faults.WrongValue("oncalls", []))
    assert not account.counts(used)


@BOTH_KINDS
def test_while_the_on_calls_fail(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """A schedule of its own proves what it proves: one failure hides no other answer."""
    account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(ON_CALLS, faults.Status(500))
    assert account.counts("Forgotten")
    assert [failure.question for failure in account.named("Forgotten").failures] == ["on-calls"]


@BOTH_KINDS
def test_only_whoever_is_on_shift_now(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """Not who was, nor who will be within the window, nor another member, nor an empty slot."""
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
    """It is over, whoever sends it: nobody asks for its user."""
    schedule = account.on_shift("Forgotten", ANA, policy=False)
    entry = ("schedule", "final_schedule", "rendered_schedule_entries", 0)
    over = put(*entry, "end", value="2026-03-04T12:00:00Z")
    account.double.fail(f"{LAYERED}/{schedule}", over)
    assert account.named("Forgotten").duties == ()
    assert len(_calls(account)) == 1


def test_several_on_shift_at_once(account: Account) -> None:
    """A shift-based schedule may have them; somebody with two shifts is on until the later end."""
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
    """The shift comes whole, not cut at the minute that was asked about."""
    schedule = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW + 2 * HOUR)
    when = {"on_call": {"schedules": ["Forgotten"]}}
    assert account.decide(ANA, when=when, end_with_shift={}).duration == 2 * HOUR


@BOTH_KINDS
def test_a_schedule_that_is_gone(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """It was listed and is no more: nobody is on call for it, and that is no failure."""
    schedule = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(f"{PATHS[v3]}/{schedule}", faults.Status(404))
    snapshot = account.named("Forgotten")
    assert (snapshot.duties, snapshot.failures) == ((), ())


def test_at_most_so_many_people(account: Account) -> None:
    """A call each; that some were left out is said."""
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


BOTH_KINDS = pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
PATHS = {False: LAYERED, True: SHIFT_BASED}


@BOTH_KINDS
def test_any_schedule_is_not_every_single_one(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """What no policy of PagerDuty's uses counts only where a rule names it."""
    account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    assert not account.decide_by(ANA, schedules="any").approved
    assert account.double.calls.paths() == [USERS, ON_CALLS]
    assert account.counts("Forgotten")


def test_the_other_kind_is_asked_for_when_the_lists_say_nothing(account: Account) -> None:
    """An id that could be on a page that was not read: v3 first, v2 if that refuses it."""
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
def test_the_other_kind_is_not_asked_for_in_vain(status: int, account: Account) -> None:
    """Where the list says which kind it is; where nothing does, both are, whatever fails."""
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
    """Though another is called by it, or though the other list cannot be read."""
    forgotten = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.on_shift(forgotten, BO, v3=v3, policy=False)
    assert account.counts(forgotten)
    assert not account.counts(forgotten, BO)
    account.double.fail(PATHS[not v3], faults.Status(500), times=3)
    assert account.counts(forgotten)
    account.double.clear_faults()
    account.double.fail(PATHS[not v3], faults.Status(500), times=3)
    account.double.calls.clear()
    assert ANA in holders(account.named(forgotten))
    assert account.count_calls(f"{PATHS[v3]}/{forgotten}") == 1
    assert account.count_calls(f"{PATHS[not v3]}/{forgotten}") == 0


@pytest.mark.parametrize("entry", ["DBA", "Payments primary", "../users", "a/b", "é", "PNONE"])
def test_what_is_no_schedule_of_the_account(entry: str, account: Account) -> None:
    """It is not asked for where the lists are whole; else only what can be an id, without noise."""
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
    """Where neither list says anything, no schedule is asked for by itself."""
    account.double.fail("/", faults.Status(401))
    account.named("PNONE1", "PNONE2")
    assert len(account.double.calls) == 3


def test_a_name_in_doubt_is_not_asked_for(account: Account) -> None:
    """It would not count: another schedule may bear it, or does."""
    account.on_shift("Forgotten", ANA, policy=False)
    account.double.fail(SHIFT_BASED, faults.Status(400))
    assert not account.counts("Forgotten")
    account.double.clear_faults()
    account.double.add_schedule("Forgotten", v3=True)
    assert not account.counts("Forgotten")
    assert not any(path.startswith(f"{LAYERED}/") for path in account.double.calls.paths())


def test_ids_that_nobody_could_ask_for(account: Account) -> None:
    """What stands for an id becomes part of no path unless it looks like one."""
    odd = faults.WrongValue("schedules.*.id", "ana@acme.example")
    account.double.fail(LAYERED, odd, times=1)
    assert account.named("Payments").failures == ()
    assert len(account.double.calls) == 3


def test_at_most_so_many_schedules(account: Account) -> None:
    """A call each, so that not all of a long list are asked for."""
    names = [f"S{number}" for number in range(MOST_LOOKED_UP + 5)]
    for each in names:
        account.double.add_schedule(each)
    account.named(*names)
    assert len(_calls(account)) == MOST_LOOKED_UP


def test_the_schedule_that_another_provider_has(account: Account) -> None:
    """A duty of another provider's schedule of the same id is none here."""
    forgotten = account.on_shift("Forgotten", ANA, policy=False)
    wants = DutyQuery(schedules=(forgotten,))
    snapshot = account.named("Payments")
    elsewhere = snapshot._replace(duties=(Duty("incident.io", ON_CALL, forgotten, "x", ANA),))
    asked = [each.name for each in account.client.questions(wants, elsewhere)]
    assert asked[3:] == [f"schedule {forgotten}"]
    here = snapshot._replace(duties=(Duty("PagerDuty", ON_CALL, forgotten, "x", ANA),))
    assert len(list(account.client.questions(wants, here))) == 3
    assert PAYMENTS not in " ".join(asked)
