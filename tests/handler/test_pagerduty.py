"""PagerDuty: who is on call, as its list of on-calls says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from handler.duty import ON_CALL, Duty
from handler.http import Client
from handler.providers.base import DutyQuery
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited import Edited, drop, put
from tests.handler.pagerduty_world import (
    KEY,
    ON_CALLS,
    PAYMENTS,
    World,
    decided,
    holders,
    opened,
)

HOUR = timedelta(hours=1)
ROW = ("oncalls", 0)


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """An account with the schedule Payments."""
    with opened(client, set_clock) as one:
        yield one


def test_one_call_for_a_decision(world: World) -> None:
    """Where any schedule counts, the on-calls with their users are asked for, and nothing else."""
    world.find()
    (call,) = world.double.calls
    assert (call.method, call.path) == ("GET", "/oncalls")
    assert call.query == {
        "include[]": ["users"],
        "time_zone": ["UTC"],
        "limit": ["100"],
        "offset": ["0"],
    }
    assert call.headers["authorization"] == f"Token token={KEY}"
    assert call.headers["accept"] == "application/vnd.pagerduty+json;version=2"


@pytest.mark.parametrize("wants", [DutyQuery(), DutyQuery(roles=True, updates=True)])
def test_nothing_is_asked_in_vain(wants: DutyQuery, world: World) -> None:
    """Where no rule is about being on call, PagerDuty is not asked."""
    world.find(wants)
    assert len(world.double.calls) == 0


def test_who_is_on_call(world: World) -> None:
    """A duty has the schedule's id, name and link, the holder's e-mail, the level and the times."""
    world.double.put_on_shift("Payments", BO, NOW - HOUR, NOW + HOUR)
    found = world.find()
    assert found.duties == (
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
        ),
    )
    assert found.failures == ()


def test_whom_a_policy_pages_directly(world: World) -> None:
    """Such a person is on call for good and never for a schedule: that proves nothing."""
    world.double.add_escalation_policy("Boss", ANA)
    world.double.put_on_shift("Payments", BO)
    found = world.find()
    assert (holders(found), found.failures) == (["bo@acme.example"], ())
    assert not world.decide(ANA, schedules="any").approved
    assert world.decide(BO, schedules="any").approved


@pytest.mark.parametrize(("most", "approved"), [(None, False), (1, False), (2, True), (3, True)])
def test_levels(most: int | None, approved: bool, world: World) -> None:  # noqa: FBT001 - a column of the table
    """Somebody reached on level 2 counts where the rule says so; without a word, level 1 alone."""
    backup = world.double.add_schedule("Back-up")
    world.double.put_on_shift(backup, ANA)
    world.double.add_target("Payments", backup, level=2)
    (duty,) = world.find().duties
    assert (duty.name, duty.level) == ("Back-up", 2)
    rule = {"schedules": ["Back-up"], **({"max_level": most} if most else {})}
    assert decided(world, ANA, {"when": {"on_call": rule}}).approved is approved


def test_one_shift_in_several_policies(world: World) -> None:
    """It is one duty, on the lowest level of all."""
    world.double.put_on_shift("Payments", ANA)
    world.double.add_escalation_policy("Second", BO)
    world.double.add_target("Second", "Payments", level=2)
    world.double.add_escalation_policy("Third", "Payments")
    world.double.add_target("Third", "Payments", level=2)
    for edit in (lambda _: None, lambda body: body["oncalls"].reverse()):
        world.double.fail(ON_CALLS, Edited(edit))
        (duty,) = (each for each in world.find().duties if each.holder == ANA)
        assert duty.level == 1
    assert world.asked(ON_CALLS) == 2


def test_shift_based_schedules(world: World) -> None:
    """Everybody on shift in one counts, by a longer id and another type of reference."""
    wanted = world.on_shift("Search", ANA, BO, v3=True)
    assert len(wanted) > 7
    found = world.find()
    assert {(each.id, each.name, each.holder) for each in found.duties} == {
        (wanted, "Search", ANA),
        (wanted, "Search", "bo@acme.example"),
    }
    assert found.failures == ()


def test_an_upgraded_schedule_keeps_its_id(world: World) -> None:
    """A policy that names it goes on."""
    world.double.put_on_shift("Payments", ANA)
    for _ in range(2):
        assert world.counts(PAYMENTS)
        assert world.counts("Payments")
        world.double.upgrade_schedule("Payments")


def test_an_override_takes_the_place(world: World) -> None:
    """In a schedule of layers the person who is replaced is off call."""
    world.double.put_on_shift("Payments", ANA, NOW - HOUR, NOW + 4 * HOUR)
    world.double.put_on_shift("Payments", BO, NOW, NOW + HOUR)
    assert holders(world.find()) == ["bo@acme.example"]
    world.clock.advance(3600)
    assert holders(world.find()) == [ANA]


def test_nobody_on_call(world: World) -> None:
    """No shift, an unassigned one, one that is over or to come: no duty and no failure."""
    for each in (False, True):
        world.on_shift("Empty", v3=each)
        world.double.put_on_shift(world.on_shift(f"Unassigned {each}", v3=each), None)
    world.double.put_on_shift("Payments", ANA, NOW - 2 * HOUR, NOW - HOUR)
    world.double.put_on_shift("Payments", BO, NOW + HOUR, NOW + 2 * HOUR)
    found = world.find()
    assert (found.duties, found.failures) == ((), ())
    world.clock.advance(3600)
    assert holders(world.find()) == ["bo@acme.example"]


def test_deleted_users_and_such_without_an_address(world: World) -> None:
    """They match nobody, least of all each other, and are no failure."""
    world.double.add_person("Ghost", None)
    for each in (ANA, BO):
        world.on_shift(f"Of {each}", each)
    world.on_shift("Of a ghost", *(p.id for p in world.double.people if p.email is None))
    world.double.delete_person(ANA)
    found = world.find()
    assert (holders(found), found.failures) == (["bo@acme.example"], ())
    assert not world.decide("", schedules="any").approved


@pytest.mark.parametrize("email", ["bo@acme.example", "BO@ACME.EXAMPLE", " Bo@Acme.example "])
def test_an_address_in_another_case(email: str, world: World) -> None:
    """It is the same person's: the original compared every letter."""
    world.double.put_on_shift("Payments", BO)
    assert world.counts("Payments", email)
    assert not world.counts("Payments", "b" + email.strip())


@pytest.mark.parametrize(
    ("edit", "found"),
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
def test_optional_fields(edit: Edited, found: list[str], world: World) -> None:
    """What the vendor's schema does not require may be absent or null, and new things may come."""
    world.double.put_on_shift("Payments", ANA)
    world.double.fail(ON_CALLS, edit)
    told = world.find()
    assert (holders(told), told.failures) == (found, ())


def test_a_schedule_without_a_name(world: World) -> None:
    """It goes by its id, also in what is told of it."""
    world.double.put_on_shift("Payments", CY)
    world.double.fail(ON_CALLS, drop(*ROW, "schedule", "summary"))
    (duty,) = world.find().duties
    assert (duty.name, duty.title) == ("", PAYMENTS)
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("")
