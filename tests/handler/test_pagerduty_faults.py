"""PagerDuty on a bad day: what can be read still counts, what cannot is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from handler.clock import Deadline
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.pagerduty import connect
from sandbox.vendors import faults
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.pagerduty_faults import RateLimited
from sandbox.vendors.server import Fault
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, SetClock
from tests.handler.pagerduty_world import (
    KEY,
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SHIFT_BASED,
    World,
    fill,
    holders,
    opened,
    problems,
)

EU = (
    "; the key is wrong, or the key is of the other region: "
    "`pulumi config set PAGERDUTY_BASE_URL https://api.eu.pagerduty.com`"
)
QUESTIONS = {
    ON_CALLS: "on-calls",
    LAYERED: "layer-based schedules",
    SHIFT_BASED: "shift-based schedules",
}
FAULTS = [
    *BAD_ANSWERS,
    pytest.param(RateLimited(3600), "answered 429", id="limits the rate"),
    pytest.param(RateLimited(), "answered 429", id="limits the rate without a word"),
    pytest.param(faults.Status(408), "answered 408", id="408"),
]


@pytest.fixture
def world(client: Client, set_clock: SetClock) -> Iterator[World]:
    """Ana is on call for Payments."""
    with opened(client, set_clock) as one:
        one.double.put_on_shift("Payments", ANA)
        yield one


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(("fault", "problem"), FAULTS)
def test_one_answer_failing_hides_no_other(
    fault: Fault,
    problem: str,
    path: str,
    world: World,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """However the one fails, within the budget the others are read, and the log says which it is.

    Without the on-calls nobody is approved; without a list of names, by id alone.
    """
    world.double.fail(path, fault)
    slow = takes_time(fault)
    found = world.named(PAYMENTS, deadline=real_deadline(0.4) if slow else None)
    failure = next(each for each in found.failures if each.question == QUESTIONS[path])
    assert problem in failure.problem
    assert holders(found) == ([] if path == ON_CALLS else [ANA])
    assert [each.is_named(PAYMENTS) for each in found.duties] == [True] * len(found.duties)
    assert not any(each.is_named("Payments") for each in found.duties)
    assert bool(found.schedules_and_roles)


@pytest.mark.parametrize(("fault", "problem"), FAULTS)
def test_everything_failing(
    fault: Fault, problem: str, world: World, real_deadline: Callable[[float], Deadline]
) -> None:
    """Nobody is approved, and each question says why."""
    world.double.fail("/", fault)
    slow = takes_time(fault)
    found = world.named(PAYMENTS, deadline=real_deadline(0.4) if slow else None)
    assert (found.duties, found.schedules_and_roles) == ((), ())
    assert {each.question for each in found.failures} == set(QUESTIONS.values())
    assert all(problem in each for each in problems(found))
    decision = world.decide(deadline=real_deadline(0.4) if slow else None, schedules="any")
    assert not decision.approved


def test_a_slow_answer_is_an_answer(world: World) -> None:
    """Whoever answers within the budget counts."""
    world.double.fail("/", faults.Slow(0.01))
    assert world.counts("Payments")


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, ""),
        (401, EU),
        (402, "; the account's plan does not include it"),
        (403, "; the key may not see it: a read-only key of the whole account may"),
        (404, ""),
        (408, ""),
        (429, ""),
        (500, ""),
        (503, ""),
    ],
)
def test_what_an_error_says(status: int, hint: str, path: str, world: World) -> None:
    """The status and what mends it, where we know: nothing of the body, and no key."""
    world.double.fail(path, faults.Status(status))
    (failure,) = world.named("Payments").failures
    assert failure.problem == f"answered {status}{hint}"
    assert failure.question == QUESTIONS[path]


def test_a_key_of_another_account(client: Client, world: World) -> None:
    """Everything is refused, nothing is found, the key is not repeated."""
    settings = {"PAGERDUTY_KEY": "another-k3y", "PAGERDUTY_BASE_URL": world.double.url}
    other = world._replace(source=connect(client, world.clock.clock, settings))
    found = other.named("Payments")
    assert (found.duties, problems(found)) == ((), [f"answered 401{EU}"] * 3)
    assert "k3y" not in repr(found)


def test_a_key_that_may_see_less(client: Client, set_clock: SetClock) -> None:
    """What it may see counts, what it may not is named."""
    scopes = ["oncalls.read", "users.read"]
    with PagerDuty(KEY, scopes=scopes, now=lambda: set_clock.now) as double:
        fill(double)
        double.put_on_shift("Payments", ANA)
        settings = {"PAGERDUTY_KEY": KEY, "PAGERDUTY_BASE_URL": double.url}
        world = World(double, client, set_clock, connect(client, set_clock.clock, settings))
        assert holders(world.find()) == [ANA]
        assert world.counts(PAYMENTS)
        assert not world.counts("Payments")
        failures = world.named("Payments").failures
    assert [each.question for each in failures] == list(QUESTIONS.values())[1:]
    assert all("answered 403; the key may not see it" in each.problem for each in failures)


@pytest.mark.parametrize(("seconds", "waits"), [(3, [3.0]), (None, [0.2])])
def test_the_rate_limit_is_waited_out(
    seconds: int | None, waits: list[float], world: World
) -> None:
    """As long as `ratelimit-reset` says, if that fits the budget: the original gave up at once."""
    world.double.fail(ON_CALLS, RateLimited(seconds), times=1)
    assert holders(world.find()) == [ANA]
    assert world.clock.waits == waits
    assert world.asked(ON_CALLS) == 2


def test_a_rate_limit_beyond_the_budget(world: World) -> None:
    """What cannot be waited for is given up at once."""
    world.double.fail(ON_CALLS, RateLimited(6))
    found = world.find()
    assert (found.duties, problems(found)) == ((), ["answered 429"])
    assert (world.clock.waits, world.asked(ON_CALLS)) == ([], 1)


def test_an_error_is_not_waited_out_as_if_it_were_a_limit(world: World) -> None:
    """`ratelimit-reset` is in every answer: after a 500 the next try comes soon."""
    world.double.fail(ON_CALLS, faults.Status(500), times=1)
    assert holders(world.find()) == [ANA]
    assert world.clock.waits == [0.2]


@pytest.mark.parametrize("email", [ANA, BO])
def test_single_schedules_that_fail(email: str, world: World) -> None:
    """One that cannot be shown hides no other: the original failed as a whole."""
    odd = world.on_shift("Odd", ANA, policy=False)
    world.on_shift("Other", BO, v3=True, policy=False)
    world.double.fail(f"{LAYERED}/{odd}", faults.Status(500))
    found = world.named("Odd", "Other")
    assert [each.question for each in found.failures] == [f"schedule {odd}"]
    assert world.decide(email, schedules=["Odd", "Other"]).approved is (email == BO)


def test_other_schedules_are_left_alone(world: World) -> None:
    """Those that the policy does not name cost no call each: the original asked for every one."""
    for number in range(10):
        world.on_shift(f"S{number}", BO, v3=number % 2 == 0, policy=number % 3 == 0)
    world.find(DutyQuery(schedules=("Payments",)))
    assert len(world.double.calls) == 3
