"""PagerDuty: which schedules are asked for by themselves, where, and which are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handler.duty import ON_CALL, Duty
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.pagerduty import MOST_LOOKED_UP
from sandbox.vendors import faults
from tests.handler.conftest import ANA, BO, SetClock
from tests.handler.pagerduty_world import (
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SHIFT_BASED,
    World,
    opened,
    problems,
)

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
def test_any_schedule_is_not_every_single_one(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """What no policy of PagerDuty's uses counts only where a rule names it."""
    world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    assert not world.decide(ANA, schedules="any").approved
    assert world.double.calls.paths() == [ON_CALLS]
    assert world.counts("Forgotten")


def test_the_other_kind_is_asked_for_when_the_lists_say_nothing(world: World) -> None:
    """An id that could be on a page that was not read: v3 first, v2 if that refuses it."""
    layered = world.on_shift("Forgotten", ANA, policy=False)
    shifts = world.on_shift("Lost", ANA, v3=True, policy=False)
    world.double.fail(LAYERED, faults.Status(500), times=3)
    assert world.counts(layered)
    ana = f"/users/{world.double.people[0].id}"
    shown = [f"{SHIFT_BASED}/{layered}", f"{LAYERED}/{layered}", ana]
    assert world.double.calls.paths()[-3:] == shown
    world.double.fail(SHIFT_BASED, faults.Status(500), times=3)
    assert world.counts(shifts)
    assert world.double.calls.paths()[-2:] == [f"{SHIFT_BASED}/{shifts}", ana]


@pytest.mark.parametrize("status", [400, 403, 500])
def test_the_other_kind_is_not_asked_for_in_vain(status: int, world: World) -> None:
    """Where the list says which kind it is, or where it is no 400 that speaks against v3."""
    world.double.add_schedule("Lone", v3=True)
    layered = world.on_shift("Forgotten", ANA, policy=False)
    world.double.fail(f"{LAYERED}/{layered}", faults.Status(status))
    assert problems(world.named(layered))[0].startswith(f"answered {status}")
    assert world.asked(f"{SHIFT_BASED}/{layered}") == 0
    tries = 3 if status == 500 else 1
    assert world.asked(f"{LAYERED}/{layered}") == tries
    world.double.clear_faults()
    world.double.fail(LAYERED, faults.Garbage(), times=1)
    world.double.fail(f"{SHIFT_BASED}/", faults.Status(status))
    world.double.calls.clear()
    world.named(layered)
    assert world.asked(f"{LAYERED}/{layered}") == (status == 400)


@BOTH_KINDS
def test_an_id_means_that_schedule(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Though another is called by it, or though the other list cannot be read."""
    forgotten = world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.on_shift(forgotten, BO, v3=v3, policy=False)
    assert world.counts(forgotten)
    assert not world.counts(forgotten, BO)
    world.double.fail(PATHS[not v3], faults.Status(500), times=3)
    world.double.calls.clear()
    assert world.counts(forgotten)
    assert world.asked(f"{PATHS[v3]}/{forgotten}") == 1
    assert world.asked(f"{PATHS[not v3]}/{forgotten}") == 0


@pytest.mark.parametrize("entry", ["DBA", "Payments primary", "../users", "a/b", "é", "PNONE"])
def test_what_is_no_schedule_of_the_account(entry: str, world: World) -> None:
    """It is not asked for where the lists are whole; else only what can be an id, without noise."""
    assert not world.counts(entry)
    assert len(world.double.calls) == 3
    world.double.calls.clear()
    world.double.fail(SHIFT_BASED, faults.Status(400), times=1)
    found = world.named(entry)
    assert [each.question for each in found.failures] == ["shift-based schedules"]
    is_id = entry.isascii() and entry.isalnum()
    assert _calls(world) == ([f"{SHIFT_BASED}/{entry}"] if is_id else [])


def test_a_key_that_is_refused_is_refused_once(world: World) -> None:
    """Where neither list says anything, no schedule is asked for by itself."""
    world.double.fail("/", faults.Status(401))
    world.named("PNONE1", "PNONE2")
    assert len(world.double.calls) == 3


def test_a_name_in_doubt_is_not_asked_for(world: World) -> None:
    """It would not count: another schedule may bear it, or does."""
    world.on_shift("Forgotten", ANA, policy=False)
    world.double.fail(SHIFT_BASED, faults.Status(400))
    assert not world.counts("Forgotten")
    world.double.clear_faults()
    world.double.add_schedule("Forgotten", v3=True)
    assert not world.counts("Forgotten")
    assert len(world.double.calls) == 6


def test_ids_that_nobody_could_ask_for(world: World) -> None:
    """What stands for an id becomes part of no path unless it looks like one."""
    odd = faults.WrongValue("schedules.*.id", "ana@acme.example")
    world.double.fail(LAYERED, odd, times=1)
    assert world.named("Payments").failures == ()
    assert len(world.double.calls) == 3


def test_at_most_so_many_schedules(world: World) -> None:
    """A call each, so that not all of a long list are asked for."""
    names = [f"S{number}" for number in range(MOST_LOOKED_UP + 5)]
    for each in names:
        world.double.add_schedule(each)
    world.named(*names)
    assert len(_calls(world)) == MOST_LOOKED_UP


def test_the_schedule_that_another_provider_has(world: World) -> None:
    """A duty of another provider's schedule of the same id is none here."""
    forgotten = world.on_shift("Forgotten", ANA, policy=False)
    wants = DutyQuery(schedules=(forgotten,))
    found = world.named("Payments")
    elsewhere = found._replace(duties=(Duty("incident.io", ON_CALL, forgotten, "x", ANA),))
    asked = [each.name for each in world.source.questions(wants, elsewhere)]
    assert asked[3:] == [f"schedule {forgotten}"]
    here = found._replace(duties=(Duty("PagerDuty", ON_CALL, forgotten, "x", ANA),))
    assert len(list(world.source.questions(wants, here))) == 3
    assert PAYMENTS not in " ".join(asked)
