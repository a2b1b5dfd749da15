"""PagerDuty's lists are read page by page, to their end or to a limit that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler.clock import Deadline
from handler.http import Client
from handler.providers import pagerduty
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.handler.conftest import ANA, BO, SetClock
from tests.handler.edited import Edited, drop
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


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """An account whose one schedule has nobody on it."""
    with opened(client, set_clock) as one:
        yield one


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagerduty, "PAGE_SIZE", 2)
    monkeypatch.setattr(pagerduty, "SHIFT_BASED_PAGE_SIZE", 2)


def _schedules(world: World, count: int, *, v3: bool = False) -> list[str]:
    """Schedules S1, S2, …, with Ana on call for each; their ids."""
    return [world.on_shift(f"S{number + 1}", ANA, v3=v3) for number in range(count)]


def _offsets(world: World, path: str) -> list[str]:
    return [call.query["offset"][0] for call in world.double.calls if call.path == path]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (7, 4)])
def test_all_on_calls(count: int, calls: int, world: World) -> None:
    """Each page asks for the next until there is none; none is asked for twice."""
    ids = _schedules(world, count)
    found = world.find()
    assert [each.id for each in found.duties] == ids
    assert found.failures == ()
    assert _offsets(world, ON_CALLS) == [str(2 * page) for page in range(calls)]


def test_more_than_a_real_page(world: World) -> None:
    """Of 101 schedules all are read, whether on call or listed: the original read the first 25."""
    ids = _schedules(world, 101)
    found = world.named(ids[-1], "S101")
    assert [each.id for each in found.duties] == ids
    assert found.duties[-1].is_named("S101")
    assert _offsets(world, ON_CALLS) == _offsets(world, LAYERED) == ["0", "100"]
    assert _offsets(world, SHIFT_BASED) == ["0"]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize("v3", [False, True], ids=["layer-based", "shift-based"])
def test_a_name_shared_across_pages(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Two schedules of one name are told apart by id only, though pages lie between them."""
    ids = _schedules(world, 3, v3=v3)
    world.double.add_schedule("S1", v3=v3)
    assert not world.counts("S1")
    assert world.counts(ids[0])
    assert world.counts("S2")


@pytest.mark.usefixtures("_pages_of_two")
def test_a_shift_told_on_two_pages(world: World) -> None:
    """It is told again only where a later page has it on a lower level; that one counts."""
    world.double.put_on_shift("Payments", ANA)
    for number in range(6):
        world.double.add_escalation_policy(f"More {number}", BO if number < 3 else "Payments")
        if number < 3:
            world.double.add_target(f"More {number}", "Payments", level=2)
    assert [each.level for each in world.find().duties] == [1]

    def first_is_on_level_2(body: dict[str, list[dict[str, object]]]) -> None:
        body["oncalls"][0]["escalation_level"] = 2

    world.double.fail(ON_CALLS, Edited(first_is_on_level_2), page=1)
    assert [each.level for each in world.find().duties] == [2, 1]
    assert world.decide(ANA, schedules="any").approved


@pytest.mark.usefixtures("_pages_of_two")
def test_a_page_that_is_shorter_than_asked(world: World) -> None:
    """The vendor may lower the limit: nothing is skipped by it."""
    ids = _schedules(world, 5)

    def shorter(body: dict[str, list[object]]) -> None:
        del body["oncalls"][1:]

    world.double.fail(ON_CALLS, Edited(shorter), page=1)
    found = world.find()
    assert {each.id for each in found.duties} == set(ids)
    assert found.failures == ()


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(500), "answered 500"),
        (faults.Status(429), "answered 429"),
        (faults.Status(400), "answered 400"),
        (faults.Garbage(), "the answer is not JSON"),
        (faults.HangUp("body"), "connection failed (IncompleteRead)"),
        (faults.Hang(), "no whole answer in time"),
        (faults.WrongValue("", []), "could not be read: the answer is not an object"),
        (drop("more"), "could not be read: more is neither true nor false"),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
def test_a_later_page_is_broken(
    path: str,
    fault: Fault,
    problem: str,
    world: World,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """The pages before count: who is on call by them, and by ids alone if names are missing."""
    ids = _schedules(world, 5)
    _schedules(world, 3, v3=True)
    world.double.fail(path, fault, page=2)
    slow = isinstance(fault, faults.Hang)
    found = world.named(PAYMENTS, *ids, deadline=real_deadline(0.4) if slow else None)
    failure = found.failures[0]
    assert problem in failure.problem
    read = {each.id for each in found.duties} & set(ids)
    pages = 1 if not isinstance(fault, Edited) else 2  # that one could be read itself
    assert read == set(ids[: 2 * pages] if path == ON_CALLS else ids)
    assert all(each.is_named(each.id) for each in found.duties)
    doubtful = path != ON_CALLS
    assert not doubtful or not any(each.is_named(each.name) for each in found.duties)


@pytest.mark.parametrize(
    ("path", "most"), [(ON_CALLS, 100), (LAYERED, 100), (SHIFT_BASED, 10)], ids=str
)
def test_a_list_without_end(path: str, most: int, world: World) -> None:
    """The vendor refuses to count beyond 10,000, so that there we stop and say so."""
    world.double.put_on_shift("Payments", ANA)
    world.double.add_schedule("Lone", v3=True)
    world.double.fail(path, faults.EndlessPages())
    found = world.named("Payments")
    assert world.asked(path) == most
    assert problems(found) == [f"only the first {most} pages were read"]
    (duty,) = found.duties
    assert duty.is_named(PAYMENTS)
    assert duty.is_named("Payments") is (path == ON_CALLS)


def test_the_vendor_is_never_asked_beyond_its_limit(world: World) -> None:
    """Offset and limit are 10,000 in sum at the most, else it answers 400."""
    world.double.put_on_shift("Payments", ANA)
    full: list[Any] = []

    def full_page(body: dict[str, Any]) -> None:
        full[:] = full or body["oncalls"] * 100
        body.update(oncalls=full, more=True)

    world.double.fail(ON_CALLS, Edited(full_page))
    world.find()
    asked = [call.query for call in world.double.calls]
    assert max(int(each["offset"][0]) + int(each["limit"][0]) for each in asked) == 10_000


@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
def test_empty_pages_without_end(path: str, world: World) -> None:
    """An empty page that is not the last is the last that is asked for, and that is said."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(path, faults.EndlessPages(empty=True))
    found = world.named("Payments")
    assert world.asked(path) == 1
    assert problems(found) == ["an empty page was not the last one"]
    assert holders(found) == ([] if path == ON_CALLS else [ANA])
    assert not any(each.is_named("Payments") for each in found.duties)
