"""PagerDuty: from when until when somebody is on call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from handler.durations import format_instant
from handler.http import Client
from tests.handler.conftest import ANA, BO, NOW, SetClock
from tests.handler.edited import Edited, put
from tests.handler.pagerduty_world import ON_CALLS, World, decided, opened

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
ROW = ("oncalls", 0)


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """An account with the schedule Payments."""
    with opened(client, set_clock) as one:
        yield one


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("ends", "end"),
    [
        (("2026-03-04T13:00:00Z", "2026-03-04T14:00:00Z"), NOW + 2 * HOUR),
        (("2026-03-04T13:00:00Z", None), None),
        ((None, None), None),
    ],
)
def test_one_shift_told_with_two_ends(
    ends: tuple[str | None, str | None], end: datetime | None, order: int, world: World
) -> None:
    """The later one is its end, and none is the latest."""
    world.double.put_on_shift("Payments", ANA)
    world.double.add_escalation_policy("Second", "Payments")

    def edit(body: dict[str, list[dict[str, object]]]) -> None:
        for row, each in zip(body["oncalls"], ends[::order], strict=True):
            row["end"] = each

    world.double.fail(ON_CALLS, Edited(edit))
    (duty,) = world.find().duties
    assert (duty.end, duty.endless) == (end, end is None)


def test_two_shifts_are_not_made_one(world: World) -> None:
    """A shift that is over and one to come do not make one that runs between them."""
    world.double.put_on_shift("Payments", ANA)
    world.double.add_escalation_policy("Second", "Payments")

    def edit(body: dict[str, list[dict[str, object]]]) -> None:
        over, to_come = body["oncalls"]
        over.update(start="2026-03-04T08:00:00Z", end="2026-03-04T11:00:00Z")
        to_come.update(start="2026-03-04T13:00:00Z", end="2026-03-04T15:00:00Z")

    world.double.fail(ON_CALLS, Edited(edit))
    assert len(world.find().duties) == 2
    assert not world.decide(ANA, schedules="any").approved


def test_a_shift_without_end(world: World) -> None:
    """It counts, but access cannot end with it, unless the rule says how long it lasts then."""
    world.double.put_on_shift("Payments", ANA, for_good=True)
    (duty,) = world.find().duties
    assert (duty.end, duty.endless, duty.has_end) == (None, True, False)
    when = {"when": {"on_call": {"schedules": ["Payments"]}}}
    assert decided(world, ANA, when).approved
    assert not decided(world, ANA, {**when, "end_with_shift": {}}).approved
    decision = decided(world, ANA, {**when, "end_with_shift": {"without_end": "2h"}})
    assert decision.duration == 2 * HOUR


def test_access_ends_with_the_shift(world: World) -> None:
    """Its end comes with the first answer: no further call is made for it."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    rule = {"when": {"on_call": {"schedules": "any"}}, "end_with_shift": {"grace": "15m"}}
    assert decided(world, ANA, rule).duration == timedelta(minutes=75)
    assert len(world.double.calls) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_the_end_of_a_later_level_is_another(world: World, *, turned: bool) -> None:
    """Access ends with the shift on the level that counts, wherever it stands in the answer."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + HOUR)
    later = format_instant(NOW + 10 * HOUR)

    def edit(body: dict[str, Any]) -> None:
        (row,) = body["oncalls"]
        rows = [row, {**row, "escalation_level": 2, "end": later}]
        body["oncalls"] = rows[::-1] if turned else rows

    world.double.fail(ON_CALLS, Edited(edit), times=2)
    rule = {"when": {"on_call": {"schedules": "any", "max_level": 2}}, "end_with_shift": {}}
    assert decided(world, ANA, rule).duration == HOUR
    (duty,) = world.find().duties
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
def test_a_provider_whose_clock_is_wrong(
    start: str | None, end: str | None, runs: bool, world: World  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    """Whom it calls on call now is so only if our clock agrees."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(
        ON_CALLS, Edited(lambda body: body["oncalls"][0].update(start=start, end=end))
    )
    (duty,) = world.find().duties
    assert duty.runs_at(NOW) is runs
    assert world.decide(ANA, schedules="any").approved is runs


def test_minutes_before_and_after_a_shift(world: World) -> None:
    """Nobody counts before his shift or after it: the original added a minute and five."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW - TICK)
    world.double.put_on_shift("Payments", BO, NOW + timedelta(seconds=1), NOW + HOUR)
    assert not world.counts("Payments", ANA)
    assert not world.counts("Payments", BO)


def test_times_come_in_utc(world: World) -> None:
    """The account's own time zone is never asked for, and an offset is read all the same."""
    world.double.put_on_shift("Payments", ANA, NOW, NOW + HOUR)
    (duty,) = world.find().duties
    told = world.find().duties[0].describe(NOW)
    assert (duty.end, told) == (NOW + HOUR, "on call for Payments (PagerDuty) until 13:00 UTC")
    world.double.fail(ON_CALLS, put(*ROW, "end", value="2026-03-04T14:00:00+01:00"))
    assert world.find().duties == (duty,)
