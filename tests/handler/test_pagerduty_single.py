"""PagerDuty: a schedule that no escalation policy uses is asked for by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from handler.duty import ON_CALL, Duty
from handler.http import Client
from handler.providers.pagerduty import MOST_ON_SHIFT
from sandbox.vendors import faults
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited import put
from tests.handler.pagerduty_world import (
    LAYERED,
    ON_CALLS,
    SHIFT_BASED,
    World,
    decided,
    holders,
    opened,
    problems,
)

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
BOTH_KINDS = pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
PATHS = {False: LAYERED, True: SHIFT_BASED}


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """An account whose one schedule has nobody on it."""
    with opened(client, set_clock) as one:
        yield one


def _calls(world: World) -> list[str]:
    """What was asked after the on-calls and the lists."""
    return world.double.calls.paths()[3:]


@BOTH_KINDS
@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
def test_who_is_on_shift(by_name: bool, v3: bool, world: World) -> None:  # noqa: FBT001 - columns of the table
    """The schedule is shown where its list says, then its user: a call each. Its level is 1."""
    id_ = world.on_shift("Forgotten", v3=v3, policy=False)
    world.double.put_on_shift("Forgotten", BO, NOW - HOUR, NOW + 3 * HOUR)
    (duty,) = world.named("Forgotten" if by_name else id_).duties
    (bo,) = (each.id for each in world.double.people if each.email == BO)
    assert _calls(world) == [f"{PATHS[v3]}/{id_}", f"/users/{bo}"]
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
    )


@BOTH_KINDS
def test_what_is_asked_for(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """The end result of the schedule, in UTC, with whole shifts, for a window of a minute."""
    world.clock.advance(0.7)
    world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.named("Forgotten")
    call, _ = world.double.calls[3:]
    assert call.query == {
        "since": ["2026-03-04T12:00:00.000Z"],
        "until": ["2026-03-04T12:01:00.000Z"],
        "include[]": ["final_schedule"],
        "overflow": ["true"],
        "time_zone": ["UTC"],
    }


@BOTH_KINDS
def test_the_window_is_never_too_short(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Less than a second gives an empty list, whoever is on shift: it is made of one moment."""
    world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    assert world.counts("Forgotten")
    (call,) = (each for each in world.double.calls if "since" in each.query)
    since, until = (datetime.fromisoformat(call.query[each][0]) for each in ("since", "until"))
    assert until - since == timedelta(minutes=1)
    assert since.tzinfo == UTC


@BOTH_KINDS
@pytest.mark.parametrize("level", [1, 2])
def test_a_schedule_that_a_policy_uses(level: int, v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Only the on-calls tell its level: where they fail, it is not taken to be on the first."""
    used = world.on_shift("Used", ANA, v3=v3, policy=False)
    world.double.add_target("Payments", used, level=level)
    assert world.counts(used) is (level == 1)
    world.double.fail(ON_CALLS, faults.Status(500))
    assert not world.counts(used)
    assert world.asked(f"{PATHS[v3]}/{used}") == 1
    world.double.fail(ON_CALLS, faults.WrongValue("oncalls", []))
    assert not world.counts(used)


@BOTH_KINDS
def test_while_the_on_calls_fail(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """A schedule of its own proves what it proves: one failure hides no other answer."""
    world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.double.fail(ON_CALLS, faults.Status(500))
    assert world.counts("Forgotten")
    assert [each.question for each in world.named("Forgotten").failures] == ["on-calls"]


@BOTH_KINDS
def test_only_whoever_is_on_shift_now(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Not who was, nor who will be within the window, nor another member, nor an empty slot."""
    schedule = world.on_shift("Forgotten", v3=v3, policy=False)
    world.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW)
    world.double.put_on_shift(schedule, None, NOW, NOW + timedelta(seconds=10))
    world.double.put_on_shift(schedule, BO, NOW + timedelta(seconds=10), NOW + HOUR)
    world.double.put_on_shift(schedule, CY, NOW + HOUR, NOW + 2 * HOUR)
    found = world.named("Forgotten")
    assert (found.duties, found.failures) == ((), ())
    assert len(_calls(world)) == 1
    world.clock.advance(10)
    assert holders(world.named("Forgotten")) == ["bo@acme.example"]


def test_a_shift_that_ends_at_this_moment(world: World) -> None:
    """It is over, whoever sends it: nobody asks for its user."""
    schedule = world.on_shift("Forgotten", ANA, policy=False)
    entry = ("schedule", "final_schedule", "rendered_schedule_entries", 0)
    over = put(*entry, "end", value="2026-03-04T12:00:00Z")
    world.double.fail(f"{LAYERED}/{schedule}", over)
    assert world.named("Forgotten").duties == ()
    assert len(_calls(world)) == 1


def test_several_on_shift_at_once(world: World) -> None:
    """A shift-based schedule may have them; somebody with two shifts is on until the later end."""
    schedule = world.on_shift("Forgotten", v3=True, policy=False)
    world.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW + 2 * HOUR)
    world.double.put_on_shift(schedule, ANA, NOW - TICK, NOW + HOUR)
    world.double.put_on_shift(schedule, BO, NOW - HOUR, NOW + HOUR)
    world.double.put_on_shift(schedule, BO, NOW - HOUR, NOW + 3 * HOUR)
    found = {each.holder: each.end for each in world.named("Forgotten").duties}
    assert found == {ANA: NOW + 2 * HOUR, "bo@acme.example": NOW + 3 * HOUR}
    assert len(_calls(world)) == 3


@BOTH_KINDS
def test_access_ends_with_the_shift_not_with_the_window(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """The shift comes whole, not cut at the minute that was asked about."""
    schedule = world.on_shift("Forgotten", v3=v3, policy=False)
    world.double.put_on_shift(schedule, ANA, NOW - HOUR, NOW + 2 * HOUR)
    rule = {"when": {"on_call": {"schedules": ["Forgotten"]}}, "end_with_shift": {}}
    assert decided(world, ANA, rule).duration == 2 * HOUR


@BOTH_KINDS
def test_deleted_users_and_such_without_an_address(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """They match nobody and are no failure."""
    ghost = world.double.add_person("Ghost", None)
    schedule = world.on_shift("Forgotten", ghost.id, v3=v3, policy=False)
    found = world.named("Forgotten")
    assert (found.duties, found.failures) == ((), ())
    world.double.take_off_shift(schedule, ghost)
    world.double.put_on_shift(schedule, ANA)
    world.double.delete_person(ANA)
    found = world.named("Forgotten")
    assert (found.duties, found.failures) == ((), ())


@BOTH_KINDS
def test_a_schedule_that_is_gone(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """It was listed and is no more: nobody is on call for it, and that is no failure."""
    schedule = world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.double.fail(f"{PATHS[v3]}/{schedule}", faults.Status(404))
    found = world.named("Forgotten")
    assert (found.duties, found.failures) == ((), ())


def test_at_most_so_many_people(world: World) -> None:
    """A call each; that some were left out is said."""
    schedule = world.on_shift("All hands", v3=True, policy=False)
    for number in range(MOST_ON_SHIFT + 1):
        email = f"p{number}@acme.example"
        world.double.add_person(f"P{number}", email)
        world.double.put_on_shift(schedule, email)
        if number == MOST_ON_SHIFT - 1:
            found = world.named("All hands")
            assert (len(found.duties), found.failures) == (MOST_ON_SHIFT, ())
    found = world.named("All hands")
    assert len(found.duties) == MOST_ON_SHIFT
    assert problems(found) == [f"only the first {MOST_ON_SHIFT} people on shift were asked for"]
