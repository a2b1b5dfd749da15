"""Opsgenie and its successor alike: who is on call, and for which schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from handler.duty import ON_CALL, Duty, ScheduleOrRole
from handler.http import Client
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from tests.handler.atlassian_worlds import (
    ANYBODY,
    BOTH,
    PAYMENTS,
    World,
    holders,
    opened,
    problems,
)
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited import Edited, drop

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest, client: Client, set_clock: SetClock) -> Iterator[World]:
    """Either provider."""
    with opened(request.param, client, set_clock) as one:
        yield one


def test_who_is_on_shift(world: World) -> None:
    """A duty has the schedule's id and name, the holder's e-mail, and an end yet unread."""
    world.double.put_on_shift("Payments", BO)
    found = world.find()
    assert found.duties == (
        Duty(
            provider=world.name,
            kind=ON_CALL,
            id=PAYMENTS,
            name="Payments",
            holder="bo@acme.example",
        ),
    )
    assert found.schedules_and_roles == (
        ScheduleOrRole(world.name, ON_CALL, PAYMENTS, ("Payments",)),
    )
    assert found.failures == ()
    (duty,) = found.duties
    assert duty.has_end
    assert duty.runs_at(NOW)


def test_nobody_on_shift(world: World) -> None:
    """Nobody's shift, one that is over, one to come: no duty, and no failure."""
    world.double.put_on_shift("Payments", None)
    world.double.put_on_shift("Payments", ANA, NOW - 2 * HOUR, NOW)
    world.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 2 * HOUR)
    found = world.find()
    assert (found.duties, found.failures) == ((), ())
    world.clock.advance(3600)
    assert holders(world.find()) == ["bo@acme.example"]


def test_several_people(world: World) -> None:
    """Everybody in every rotation of every schedule counts; somebody in two of one, once."""
    world.double.put_on_shift("Payments", ANA)
    world.double.put_on_shift("Payments", BO, rotation="Nights")
    world.double.put_on_shift("Payments", ANA, rotation="Nights")
    world.double.put_on_shift(world.double.add_schedule("Search"), CY)
    found = {(each.name, each.holder) for each in world.find().duties}
    assert found == {("Payments", ANA), ("Payments", "bo@acme.example"), ("Search", CY)}
    assert len(world.find().duties) == 3


def test_forwarded_for_a_while(world: World) -> None:
    """Whoever gets another's alerts is on call in his place."""
    world.double.put_on_shift("Payments", ANA)
    world.double.forward(ANA, CY, end=NOW + HOUR)
    assert holders(world.find()) == [CY]


def test_a_disabled_schedule(world: World) -> None:
    """Nobody is on call by it, though the provider tells people; its name is known all the same."""
    off = world.double.add_schedule("Old", enabled=False)
    world.double.put_on_shift(off, ANA)
    found = world.find(DutyQuery(any_schedule=True, schedules=("Old", off.id)))
    assert (found.duties, found.failures) == ((), ())
    assert [(each.id, each.enabled) for each in found.schedules_and_roles] == [
        (PAYMENTS, True),
        (off.id, False),
    ]
    world.double.enable_schedule(off)
    assert holders(world.find()) == [ANA]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_name_that_two_schedules_bear(enabled: bool, world: World) -> None:  # noqa: FBT001 - a parameter of the test
    """It names neither, be the other one switched off; ids still do."""
    world.double.add_schedule("Payments", enabled=enabled)
    world.double.put_on_shift(PAYMENTS, ANA)
    (duty,) = world.find().duties
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("Payments")
    assert not world.decide().approved
    assert "has to name it by id" in str(world.decide().rule_results)
    assert world.decide(when={"on_call": {"schedules": [PAYMENTS]}}).approved


def test_a_name_that_is_another_ones_id(world: World) -> None:
    """Whoever calls a schedule like another's id is not on call for that one."""
    world.double.put_on_shift(world.double.add_schedule(PAYMENTS), BO)
    (duty,) = world.find(DutyQuery(schedules=(PAYMENTS,))).duties
    assert not duty.is_named(PAYMENTS)
    assert not world.decide(BO, when={"on_call": {"schedules": [PAYMENTS]}}).approved


@pytest.mark.parametrize(
    ("asks", "approved"),
    [
        ("bo@acme.example", True),
        ("BO@ACME.EXAMPLE", True),
        (" Bo@Acme.example ", True),
        ("bo@acme.example.evil.test", False),
        ("xbo@acme.example", False),
        ("bo+x@acme.example", False),
        ("", False),
        (ANA, False),
    ],
)
def test_e_mails_are_compared_whole(asks: str, approved: bool, world: World) -> None:  # noqa: FBT001 - a parameter of the test
    """Case and white space around do not matter, everything else does."""
    world.double.put_on_shift("Payments", BO)
    assert world.decide(asks).approved is approved


def test_the_key_of_a_team(world: World) -> None:
    """What it does not see is not there: nobody is on call by it, and nothing failed."""
    team = world.double.add_team("Core")
    mine = world.double.add_schedule("Mine", team=team)
    world.double.put_on_shift(mine, BO)
    world.double.put_on_shift("Payments", ANA)
    world.double.restrict_key(team)
    found = world.find(DutyQuery(any_schedule=True, schedules=("Payments", PAYMENTS)))
    assert holders(found) == ["bo@acme.example"]
    assert found.failures == ()
    assert [each.id for each in found.schedules_and_roles] == [mine.id]


def test_a_name_is_unique_among_what_the_key_sees(world: World) -> None:
    """A namesake that a team's key does not see cannot be told from none."""
    team = world.double.add_team("Core")
    mine = world.double.add_schedule("Payments", team=team)
    world.double.put_on_shift(mine, BO)
    world.double.put_on_shift(PAYMENTS, ANA)
    world.double.restrict_key(team)
    assert world.decide(BO).approved
    assert not world.decide(ANA).approved
    world.double.restrict_key(None)
    assert not world.decide(BO).approved


def test_without_a_rule_on_being_on_call_nothing_is_asked(world: World) -> None:
    """Roles and updates are not known here."""
    assert list(world.source.questions(DutyQuery(roles=True, updates=True), world.find())) == []


def test_an_entry_that_is_odd_hides_no_other(world: World) -> None:
    """A schedule without an id is left out and said; the others count, by id only."""
    world.double.put_on_shift(world.double.add_schedule("Search"), ANA)
    first = ("values", 0, "id") if world.provider == "jsm" else ("data", 0, "_parent", "id")
    listed = world.schedules if world.provider == "jsm" else f"{world.schedules}/on-calls"
    world.double.fail(listed, drop(*first), times=1)
    found = world.find()
    (duty,) = found.duties
    assert duty.holder == ANA
    assert duty.is_named(duty.id)
    assert not duty.is_named("Search")
    assert problems(found) == ["1 entries could not be read"]


@pytest.mark.parametrize("bad", ["../x", "a/b", "a?b", "a b", "é", "%2e", "", "x" * 101])
def test_an_id_that_cannot_be_part_of_an_address(bad: str, world: World) -> None:
    """Such a schedule is left out, said, and never asked for."""
    world.double.put_on_shift("Payments", ANA)
    jsm = world.provider == "jsm"

    def edit(body: dict[str, list[dict[str, dict[str, str]]]]) -> None:
        entry = body["values"][0] if jsm else body["data"][0]["_parent"]
        entry["id"] = bad  # type: ignore[assignment]  # an entry of the one has what the other's parent has

    world.double.fail(world.schedules, Edited(edit))
    found = world.find(ANYBODY)
    assert (found.duties, found.schedules_and_roles) == ((), ())
    assert problems(found) == ["1 entries could not be read"]
    assert len(world.double.calls) == (2 if jsm else 1)


def test_a_moment_of_trouble(world: World) -> None:
    """One answer of 500 or 429 is asked for again."""
    world.double.put_on_shift("Payments", ANA)
    for fault in (faults.Status(500), faults.TooManyRequests(), faults.HangUp()):
        world.double.fail("/", fault, times=1)
        found = world.find()
        assert (holders(found), found.failures) == ([ANA], ())
