"""PagerDuty answers with wrong types: one entry is dropped, what is left counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handler.duty import Failure
from handler.http import Client
from sandbox.vendors import faults
from sandbox.vendors.faults import PAGERDUTY, WrongValue
from sandbox.vendors.server import Fault
from tests.handler.conftest import ANA, BO, CY, SetClock
from tests.handler.edited import Edited, drop, put
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
PATHS = {False: LAYERED, True: SHIFT_BASED}
# Those that only say that something is not there; where it is the holder, nobody is on call.
HARMLESS = {
    "oncalls.*.escalation_policy: null",
    "oncalls.*.schedule.summary: null",
    "oncalls.*.user: null",
}
UNREAD = "1 entries could not be read"


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """An account whose one schedule has nobody on it."""
    with opened(client, set_clock) as one:
        yield one


INSIDE = {what: fault for what, fault in PAGERDUTY["oncalls"].items() if "*" in fault.field}
OUTSIDE = {what: fault for what, fault in PAGERDUTY["oncalls"].items() if "*" not in fault.field}


@pytest.mark.parametrize("what", INSIDE)
def test_a_wrong_type_in_an_on_call(what: str, world: World) -> None:
    """It drops that on-call only, and is said; null is the same as absent."""
    world.double.put_on_shift("Payments", ANA)
    world.on_shift("Search", BO)
    world.double.fail(ON_CALLS, INSIDE[what].in_first())
    found = world.find()
    counts = what in HARMLESS and what != "oncalls.*.user: null"
    assert holders(found) == ([ANA, "bo@acme.example"] if counts else ["bo@acme.example"])
    failure = Failure("PagerDuty", "on-calls", UNREAD)
    assert found.failures == (() if what in HARMLESS else (failure,))


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, [1], {}], ids=repr)
def test_what_is_no_level(value: object, world: World) -> None:
    """Somebody whose level nobody knows is on none that counts."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(ON_CALLS, put("oncalls", 0, "escalation_level", value=value))
    found = world.find()
    assert (holders(found), problems(found)) == ([], [UNREAD])


@pytest.mark.parametrize("field", ["start", "end"])
@pytest.mark.parametrize("value", ["", 0, "2026-03-04", None], ids=repr)
def test_a_time_that_is_missing(field: str, value: object, world: World) -> None:
    """Only null says that there is none: what is missing or empty is unreadable."""
    world.double.put_on_shift("Payments", ANA)
    row = ("oncalls", 0, field)
    world.double.fail(ON_CALLS, drop(*row) if value is None else put(*row, value=value))
    found = world.find()
    assert (holders(found), problems(found)) == ([], [UNREAD])


@pytest.mark.parametrize(
    "fault", [*OUTSIDE.values(), drop("oncalls")], ids=[*map(str, OUTSIDE), "missing"]
)
def test_an_answer_that_is_no_list(fault: Fault, world: World) -> None:
    """It is a failure, unlike a list that is empty."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(ON_CALLS, fault)
    found = world.find()
    assert found.duties == ()
    assert [each.partition(":")[0] for each in problems(found)] == ["the answer could not be read"]


@pytest.mark.parametrize("path", [LAYERED, SHIFT_BASED])
@pytest.mark.parametrize("fault", PAGERDUTY["schedules"].values(), ids=PAGERDUTY["schedules"])
def test_a_wrong_type_in_a_list_of_schedules(fault: WrongValue, path: str, world: World) -> None:
    """It is said, and leaves every name in doubt; nobody's duty is lost by it."""
    world.double.put_on_shift("Payments", ANA)
    world.on_shift("Search", BO, v3=True)
    world.double.fail(path, fault)
    found = world.named("Payments", PAYMENTS)
    assert holders(found) == [ANA, "bo@acme.example"]
    (problem,) = problems(found)
    assert problem.startswith(UNREAD if "*" in fault.field else "the answer could not be read: ")
    assert not any(each.is_named(each.name) for each in found.duties)
    assert all(each.is_named(each.id) for each in found.duties)


@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
@pytest.mark.parametrize("what", PAGERDUTY["pages"])
def test_a_wrong_word_of_pages(what: str, path: str, world: World) -> None:
    """Nobody knows whether more follow: the page counts, names do not. Limits are moot."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(path, PAGERDUTY["pages"][what])
    found = world.named("Payments")
    (duty,) = found.duties
    wrong = what.startswith("more:")
    assert problems(found) == (
        ["the answer could not be read: more is neither true nor false"] if wrong else []
    )
    assert duty.is_named("Payments") is (not wrong or path == ON_CALLS)


WRONG = [
    pytest.param(v3, fault, id=f"{PATHS[v3]}: {what}")
    for v3, name in ((False, "layer-based schedule"), (True, "shift-based schedule"))
    for what, fault in PAGERDUTY[name].items()
]


@pytest.mark.parametrize(("v3", "fault"), WRONG)
def test_a_wrong_type_in_a_schedule(v3: bool, fault: WrongValue, world: World) -> None:  # noqa: FBT001 - a column of the table
    """It proves nothing and is said; another schedule counts."""
    odd = world.on_shift("Odd", ANA, v3=v3, policy=False)
    world.on_shift("Other", BO, policy=False)
    world.double.fail(f"{PATHS[v3]}/{odd}", fault)
    found = world.named("Odd", "Other")
    assert holders(found) == ["bo@acme.example"]
    (failure,) = found.failures
    assert failure.question == f"schedule {odd}"
    inside = "1 entries could not be read"
    begins = inside if "*" in fault.field else "the answer could not be read: "
    assert failure.problem.startswith(begins)


def test_a_wrong_shift_hides_no_other(world: World) -> None:
    """Whoever shares a schedule with an unreadable shift is on call."""
    schedule = world.on_shift("Shared", ANA, BO, CY, v3=True, policy=False)
    shifts = ("schedule", "final_schedule", "computed_shift_assignments")
    odd = put(*shifts, 0, "member", "user_id", value="../users")
    world.double.fail(f"{SHIFT_BASED}/{schedule}", odd)
    found = world.named("Shared")
    assert holders(found) == ["bo@acme.example", CY]
    assert problems(found) == ["1 entries could not be read"]


@pytest.mark.parametrize(
    "fault",
    [
        put("user", "id", value="POTHER1"),
        *PAGERDUTY["user"].values(),
        WrongValue("", None),
        WrongValue("", []),
        faults.Status(403),
    ],
)
def test_a_user_that_cannot_be_read(fault: Fault, world: World) -> None:
    """He hides no other, and is said, without his name."""
    world.on_shift("Shared", ANA, BO, v3=True, policy=False)
    world.double.fail("/users/", fault, times=1)
    found = world.named("Shared")
    assert holders(found) == ["bo@acme.example"]
    (problem,) = problems(found)
    assert problem.startswith("somebody on shift: ")


@BOTH_KINDS
@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (drop("schedule", "html_url"), "Forgotten"),
        (put("schedule", "html_url", value=None), "Forgotten"),
        (drop("schedule", "summary"), "Forgotten"),
        (drop("schedule", "name"), "Forgotten"),
        (Edited(lambda body: body["schedule"].update(name=None, summary=None)), ""),
        (drop("schedule", "teams"), "Forgotten"),
    ],
)
def test_optional_fields(edit: Edited, name: str, v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """What the vendor's schema does not require may be absent or null."""
    schedule = world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.double.fail(f"{PATHS[v3]}/{schedule}", edit)
    (duty,) = world.named(schedule).duties
    assert (duty.holder, duty.name) == (ANA, name)


@BOTH_KINDS
@pytest.mark.parametrize(
    "edit",
    [drop("schedule", "escalation_policies"), put("schedule", "escalation_policies", value=None)],
)
def test_which_policies_use_it_is_not_said(edit: Edited, v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Somebody on a later level could be on shift there: nobody counts, and it is said."""
    schedule = world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.double.fail(f"{PATHS[v3]}/{schedule}", edit)
    found = world.named(schedule)
    assert found.duties == ()
    assert problems(found) == ["the answer could not be read: escalation_policies is missing"]


@BOTH_KINDS
def test_an_answer_without_the_shifts(v3: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """They were asked for: that they are missing is said."""
    schedule = world.on_shift("Forgotten", ANA, v3=v3, policy=False)
    world.double.fail(f"{PATHS[v3]}/{schedule}", drop("schedule", "final_schedule"))
    (problem,) = problems(world.named(schedule))
    assert problem.startswith("the answer could not be read: ")
