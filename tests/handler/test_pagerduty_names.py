"""PagerDuty: a schedule's name means that schedule only if no other bears it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handler.duty import ON_CALL, ScheduleOrRole
from handler.http import Client
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.handler.conftest import ANA, BO, CY, SetClock
from tests.handler.edited import put
from tests.handler.pagerduty_world import (
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SHIFT_BASED,
    World,
    holders,
    opened,
    problems,
)

BOTH_KINDS = pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
LISTS = pytest.mark.parametrize("path", [LAYERED, SHIFT_BASED])


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """Ana is on call for Payments."""
    with opened(client, set_clock) as one:
        one.double.put_on_shift("Payments", ANA)
        yield one


@pytest.mark.parametrize("entry", ["Payments", PAYMENTS])
def test_three_calls_for_a_decision_by_schedule(entry: str, world: World) -> None:
    """Whatever the policy names, the on-calls and both lists are asked for, at once."""
    assert world.counts(entry)
    assert sorted(world.double.calls.paths()) == [ON_CALLS, LAYERED, SHIFT_BASED]
    asked = {call.path: call.query for call in world.double.calls}
    assert asked[LAYERED] == {"limit": ["100"], "offset": ["0"]}
    assert asked[SHIFT_BASED] == {"limit": ["1000"], "offset": ["0"]}


def test_no_more_calls_for_somebody_else(world: World) -> None:
    """That somebody is on call for the schedule is answer enough for who is not."""
    assert not world.counts("Payments", BO)
    assert not world.counts("Search", BO)
    assert len(world.double.calls) == 6


def test_every_schedule_is_told(world: World) -> None:
    """Also those that nobody is on call for, with the place where each is shown."""
    search = world.on_shift("Search", v3=True)
    found = set(world.named("Payments").schedules_and_roles)
    assert found == {
        ScheduleOrRole("PagerDuty", ON_CALL, PAYMENTS, ("Payments",)),
        ScheduleOrRole("PagerDuty", ON_CALL, PAYMENTS, ("Payments",), path=LAYERED),
        ScheduleOrRole("PagerDuty", ON_CALL, search, ("Search",), path=SHIFT_BASED),
    }


@BOTH_KINDS
@pytest.mark.parametrize("people", [(), (BO,)], ids=["nobody is on it", "somebody is on it"])
@pytest.mark.parametrize("policy", [False, True], ids=["in no policy", "in a policy"])
def test_a_name_that_two_schedules_bear(
    people: tuple[str, ...], policy: bool, v3: bool, world: World  # noqa: FBT001 - columns of the table
) -> None:  # fmt: skip
    """It means neither, whether the other shows among the on-calls or not; ids are as before."""
    other = world.on_shift("Payments", *people, v3=v3, policy=policy)
    assert not world.counts("Payments", ANA)
    assert not world.counts("Payments", BO)
    assert world.counts(PAYMENTS, ANA)
    assert world.counts(other, BO) is bool(people)


@BOTH_KINDS
def test_a_schedule_called_like_another_ones_id(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Whoever makes one is not on call for the schedule that the policy names by its id."""
    world.on_shift(PAYMENTS, BO, v3=v3)
    world.double.take_off_shift("Payments", ANA)
    assert not world.counts(PAYMENTS, BO)
    world.double.put_on_shift("Payments", ANA)
    assert world.counts(PAYMENTS, ANA)
    assert not world.counts(PAYMENTS, BO)


@pytest.mark.parametrize("entry", ["payments", "Payment", "Payments ", "Pay*", "PPAY00", "ppay001"])
def test_a_name_is_compared_whole(entry: str, world: World) -> None:
    """The vendor's own search would find Payments by most of these."""
    assert not world.decide(ANA, schedules=[entry]).approved


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
def test_a_list_that_cannot_be_read(fault: Fault, path: str, world: World) -> None:
    """While any schedule could bear the name, ids alone count, and the log says which list it is.

    So it is too on an account that has no shift-based schedules yet.
    """
    world.double.fail(path, fault)
    assert not world.counts("Payments")
    assert world.counts(PAYMENTS)
    (failure,) = world.named("Payments", PAYMENTS).failures
    which = {LAYERED: "layer-based schedules", SHIFT_BASED: "shift-based schedules"}
    assert failure.question == which[path]


@LISTS
@pytest.mark.parametrize(("field", "value"), [("id", None), ("summary", 5), ("id", 7)])
def test_an_entry_that_cannot_be_read(field: str, value: object, path: str, world: World) -> None:
    """It could bear the name: ids alone count; it hides no other, and is said."""
    world.on_shift("Search", BO, v3=True)
    world.double.add_schedule("Other", v3=path == SHIFT_BASED)
    world.double.fail(path, put("schedules", 1, field, value=value))
    found = world.named("Payments", "Search")
    assert problems(found) == ["1 entries could not be read"]
    assert holders(found) == [ANA, "bo@acme.example"]
    assert not world.counts("Payments")
    assert world.counts(PAYMENTS)


@LISTS
def test_an_entry_without_a_name(path: str, world: World) -> None:
    """Nobody knows what it is called, so that it could be called anything; that is no failure."""
    world.double.add_schedule("Other", v3=path == SHIFT_BASED)
    world.double.fail(path, faults.WrongValue("schedules.*", {"id": "PX", "summary": None}))
    assert not world.counts("Payments")
    assert world.counts(PAYMENTS)
    assert world.named(PAYMENTS).failures == ()


@pytest.mark.parametrize("field", ["summary", "name"])
def test_one_of_both_is_name_enough(field: str, world: World) -> None:
    """A list has the name twice where it has the whole schedule."""
    world.double.fail(LAYERED, put("schedules", 0, field, value=None))
    assert world.counts("Payments")


@pytest.mark.parametrize("field", ["summary", "name"])
def test_a_summary_that_is_not_the_name(field: str, world: World) -> None:
    """Either could be what somebody calls it."""
    world.double.add_schedule("Other")
    world.double.fail(LAYERED, put("schedules", 1, field, value="Payments"))
    assert not world.counts("Payments")


def test_names_prove_nothing_where_no_list_was_asked_for(world: World) -> None:
    """A rule for any schedule needs one call, after which no name counts that was not checked."""
    found = world.find()
    (duty,) = found.duties
    assert not duty.is_named("Payments")
    assert duty.is_named(PAYMENTS)
    # One rule came to want names only after the other's answer was there.
    later = world.source.questions(DutyQuery(schedules=("Payments",)), found)
    assert {each.name for each in later} > {"layer-based schedules", "shift-based schedules"}


def test_any_beside_a_name(world: World) -> None:
    """Where one rule takes any schedule and another names some, names are checked, too."""
    world.on_shift("Search", CY)
    both = DutyQuery(schedules=("Payments",), any_schedule=True)
    found = {each.name: each.is_named(each.name) for each in world.find(both).duties}
    assert found == {"Payments": True, "Search": True}
    assert len(world.double.calls) == 3
