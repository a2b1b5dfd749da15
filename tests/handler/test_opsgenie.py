"""Opsgenie: who of a schedule's tree is notified at once, and what the original got wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler.clock import Deadline
from handler.http import Client
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    ANAS_END,
    OPSGENIE_KEY,
    PAYMENTS,
    holders,
    open_atlassian,
    problems,
)
from tests.handler.accounts import (
    AtlassianAccount as Account,
)
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, SetClock
from tests.handler.edited_answers import Edited, drop, put

ON_CALLS = "/v2/schedules/on-calls"
FIRST = ("data", 0, "onCallParticipants", 0)
STEP = (*FIRST, "onCallParticipants", 0)
NO_STEP = "data.*.onCallParticipants.*.escalationTime: null"
# Of the double's wrong types, those that only say that something is not there.
HARMLESS = {
    "data.*._parent.name: null",
    "data.*.onCallParticipants.*.name: null",
    "data.*.onCallParticipants: null",
    NO_STEP,
}


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """Opsgenie, by the clock that is set by hand."""
    with open_atlassian("opsgenie", client, set_clock) as one:
        yield one


@pytest.fixture
def double(account: Account) -> Opsgenie:
    """The double itself."""
    assert isinstance(account.double, Opsgenie)
    return account.double


# -- what is asked -------------------------------------------------------------------------------


def test_one_call_for_all_schedules(account: Account, double: Opsgenie) -> None:
    """However many there are: the original asked for each, and for the list before."""
    for number in range(30):
        double.put_on_shift(double.add_schedule(f"S{number}"), ANA)
    assert len(account.find(DutyQuery(schedules=("S7",))).duties) == 30
    (call,) = double.calls
    assert (call.method, call.path, call.query) == ("GET", ON_CALLS, {"flat": ["false"]})
    assert call.headers["authorization"] == f"GenieKey {OPSGENIE_KEY}"


# -- who is notified at once ---------------------------------------------------------------------


def test_only_users_are_people(account: Account, double: Opsgenie) -> None:
    """A team, a schedule or an escalation that is called like an address is nobody."""
    for thing in (
        double.add_team(ANA),
        double.add_schedule(ANA),
        double.add_escalation(ANA, [(BO, 0)]),
    ):
        double.put_on_shift("Payments", thing)
    assert holders(account.find()) == ["bo@acme.example"]


def test_steps_that_come_at_once(account: Account, double: Opsgenie) -> None:
    """Those notified with the first alert count, and nobody whom it reaches later."""
    steps = double.add_escalation("Steps", [(ANA, 0), (BO, 1), (CY, 30)])
    double.put_on_shift("Payments", steps)
    snapshot = account.find()
    assert (holders(snapshot), snapshot.failures) == ([ANA], ())


@pytest.mark.parametrize(("minutes", "people"), [(0, ["bo@acme.example", CY]), (5, [])])
def test_what_is_behind_a_step(
    minutes: int, people: list[str], account: Account, double: Opsgenie
) -> None:
    """A team or schedule in a step comes when the step comes, though its people say no time."""
    nights = double.add_schedule("Nights")
    double.put_on_shift(nights, BO)
    core = double.add_team("Core", [CY])
    steps = double.add_escalation("Steps", [(core, minutes), (nights, minutes)])
    double.put_on_shift("Payments", steps)
    snapshot = account.find(DutyQuery(schedules=("Payments",)))
    assert sorted(duty.holder for duty in snapshot.duties if duty.id == PAYMENTS) == people
    assert snapshot.failures == ()


def test_escalations_within_one_another(account: Account, double: Opsgenie) -> None:
    """Every step on the way down has to come at once."""
    inner = double.add_escalation("Inner", [(ANA, 0), (BO, 5)])
    late = double.add_escalation("Late", [(CY, 0)])
    double.put_on_shift("Payments", double.add_escalation("Outer", [(inner, 0), (late, 5)]))
    assert holders(account.find()) == [ANA]


def test_a_team_on_shift(account: Account, double: Opsgenie) -> None:
    """All of it, or whom its own escalation notifies at once."""
    double.put_on_shift("Payments", double.add_team("Core", [ANA, BO]))
    assert holders(account.find()) == [ANA, "bo@acme.example"]
    double.add_escalation("Core first", [(ANA, 0), (BO, 5)], team="Core")
    assert holders(account.find()) == [ANA]


def test_a_schedule_on_shift_of_another(account: Account, double: Opsgenie) -> None:
    """Its people count for both; switched off, or out of the key's sight, for neither."""
    team = double.add_team("Core")
    inner = double.add_schedule("Inner")
    outer = double.add_schedule("Outer", team=team)
    double.put_on_shift(inner, ANA)
    double.put_on_shift(outer, inner)
    assert {(duty.name, duty.holder) for duty in account.find().duties} == {
        ("Inner", ANA),
        ("Outer", ANA),
    }
    # The provider tells the people of a schedule that is switched off.
    double.fail(ON_CALLS, put("data", 1, "_parent", "enabled", value=False), times=1)
    assert account.find().duties == ()
    double.restrict_key(team)
    assert account.find().duties == ()


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ("default", True),
        ("next", False),
        ("previous", False),
        ("all", False),
        ("users", False),
        ("admins", False),
        ("random", False),
        ("Default", False),
        ("robot", False),
    ],
)
def test_how_a_step_notifies(how: str, account: Account, double: Opsgenie, *, counts: bool) -> None:
    """Who is on shift, not who is next, was before, or belongs to the team at all."""
    double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    double.fail(ON_CALLS, put(*STEP, "notifyType", value=how))
    assert holders(account.find()) == ([ANA] if counts else [])


def _step(body: Any) -> dict[str, object]:  # noqa: ANN401 - any JSON
    step: dict[str, object] = body["data"][0]["onCallParticipants"][0]["onCallParticipants"][0]
    return step


@pytest.mark.parametrize(
    "edit",
    [
        drop(*STEP, "escalationTime"),
        put(*STEP, "escalationTime", value=None),
        put(*STEP, "escalationTime", value=False),
        put(*STEP, "escalationTime", value=0.0),
        put(*STEP, "escalationTime", value="0"),
        put(*STEP, "escalationTime", value=-1),
        drop(*STEP, "notifyType"),
        put(*STEP, "notifyType", value=None),
        put(*STEP, "notifyType", value=["default"]),
        Edited(lambda body: _step(body).update(escalationTime=None, notifyType=None)),
        put(*STEP, "type", value="robot"),
        put(*STEP, "type", value=None),
        Edited(lambda body: _step(body).update(name=None, id=None)),
        Edited(lambda body: _step(body).update(name=None, id=7)),
        put(*STEP, "name", value=[ANA]),
        put(*STEP, value=None),
        put(*STEP, value=[]),
        put(*FIRST, "type", value="robot"),
        put(*FIRST, "onCallParticipants", value="ana"),
        put(*FIRST, "escalationTime", value=0),
        put(*FIRST, "notifyType", value="default"),
    ],
)
def test_what_is_not_understood_does_not_count(
    edit: Edited, account: Account, double: Opsgenie
) -> None:
    """It is left out and said, and hides neither its neighbour nor another schedule."""
    double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    double.put_on_shift("Payments", BO)
    double.put_on_shift(double.add_schedule("Search"), CY)
    double.fail(ON_CALLS, edit)
    snapshot = account.find()
    assert holders(snapshot) == ["bo@acme.example", CY]
    assert problems(snapshot) == ["1 entries could not be read"]
    assert all(duty.is_named(duty.name) for duty in snapshot.duties)


def test_nothing_where_a_tree_should_be(account: Account, double: Opsgenie) -> None:
    """Nulls in the tree are nobody: the original fell over them."""
    double.put_on_shift("Payments", BO)
    double.put_on_shift(double.add_schedule("Search"), CY)
    for edit in (put(*FIRST[:3], value=None), drop(*FIRST[:3])):
        double.fail(ON_CALLS, edit)
        snapshot = account.find()
        assert (holders(snapshot), snapshot.failures) == ([CY], ())
    double.fail(ON_CALLS, put(*FIRST, value={"type": "none"}))
    snapshot = account.find()
    assert (holders(snapshot), snapshot.failures) == ([CY], ())


def test_a_tree_that_is_deep(account: Account, double: Opsgenie) -> None:
    """Somebody three hundred teams down is found, and hides nobody."""
    double.put_on_shift("Payments", BO)
    double.put_on_shift(double.add_schedule("Search"), CY)

    def bury(body: Any) -> None:  # noqa: ANN401 - any JSON
        for _ in range(300):
            inner = body["data"][0]["onCallParticipants"]
            team = {"id": "t", "type": "team", "name": "T", "onCallParticipants": inner}
            body["data"][0]["onCallParticipants"] = [team]

    double.fail(ON_CALLS, Edited(bury))
    assert holders(account.find()) == ["bo@acme.example", CY]


def test_no_end_for_who_is_not_on_shift_himself(account: Account, double: Opsgenie) -> None:
    """A timeline names the team or escalation only: access that ends with the shift is refused."""
    for thing in (
        double.add_team("Core", [ANA]),
        double.add_escalation("Steps", [(ANA, 0)]),
    ):
        double.put_on_shift("Payments", thing)
        snapshot = account.find(ANAS_END)
        assert [(duty.holder, duty.end) for duty in snapshot.duties] == [(ANA, None)]
        assert snapshot.failures == ()
        decision = account.decide(end_with_shift={})
        assert not decision.approved
        assert "its end could not be read" in str(decision.rule_results)
        assert account.decide().approved
        double.take_off_shift("Payments", thing)


def test_a_team_that_is_called_like_an_address_has_no_period_of_his(
    account: Account, double: Opsgenie
) -> None:
    """The end of a team's period is nobody's."""
    double.put_on_shift("Payments", double.add_team(ANA, [ANA]))
    (duty,) = account.find(ANAS_END).duties
    assert duty.end is None


REGION = (
    ", or the key belongs to the other region: run "
    "`pulumi config set OPSGENIE_BASE_URL https://api.eu.opsgenie.com`"
)
WRONG_KEY = f"the key is wrong, or its integration is switched off{REGION}"
# -- a bad day -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        *BAD_ANSWERS,
        (faults.Status(401), f"answered 401; {WRONG_KEY}"),
        (faults.Status(402), "answered 402; the account's plan does not include this"),
        (
            faults.Status(403),
            (
                "answered 403; the key's integration needs the right to read, and to access "
                "configurations; or it is a team's, which may not see this"
            ),
        ),
        (faults.TooManyRequests(60, retry_after=None), "answered 429"),
    ],
)
def test_on_calls_that_cannot_be_had(
    fault: Fault,
    problem: str,
    account: Account,
    double: Opsgenie,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """Nobody is on call, within the budget, and the log says why: the original waited for good."""
    double.put_on_shift("Payments", ANA)
    double.fail(ON_CALLS, fault)
    slow = takes_time(fault)
    snapshot = account.find(deadline=real_deadline(0.5) if slow else None)
    assert snapshot.duties == ()
    (failure,) = snapshot.failures
    assert failure.question == "on-calls"
    assert failure.problem == problem or (slow and problem in failure.problem)
    assert snapshot.incomplete == {("Opsgenie", "on_call")}


def test_a_403_of_another_kind(account: Account, double: Opsgenie) -> None:
    """Only the code that says so is about the key's team."""
    double.fail(ON_CALLS, faults.Status(403, b'{"message": "40301", "code": 40302}'))
    (failure,) = account.find().failures
    assert failure.problem.endswith("and to access configurations")


def test_a_key_of_another_form(account: Account, double: Opsgenie) -> None:
    """A 422 is how the vendor refuses some keys of its other region."""
    body = b'{"message": "Key format is not valid!", "took": 0}'
    double.fail(ON_CALLS, faults.Status(422, body))
    assert problems(account.find()) == [f"answered 422; the key isn't one of Opsgenie's{REGION}"]


@pytest.mark.parametrize("what", faults.OPSGENIE["on-calls"])
def test_trees_of_wrong_types(what: str, account: Account, double: Opsgenie) -> None:
    """Nobody is on call by what is wrong, and that is said."""
    double.put_on_shift("Payments", ANA)
    double.fail(ON_CALLS, faults.OPSGENIE["on-calls"][what])
    snapshot = account.find()
    counts = what in {"data.*._parent.name: null", NO_STEP}
    assert holders(snapshot) == ([ANA] if counts else [])
    assert bool(snapshot.failures) is (what not in HARMLESS)
    assert ANA not in repr(snapshot.failures)
    assert account.decide().approved is (what == NO_STEP)


def test_the_flat_list_is_not_read(account: Account, double: Opsgenie) -> None:
    """It mixes in back-ups: an answer of that form is of nobody."""
    double.put_on_shift("Payments", ANA)
    flat = {"onCallRecipients": [ANA]}

    def flatten(body: Any) -> None:  # noqa: ANN401 - any JSON
        body["data"][0] = {"_parent": body["data"][0]["_parent"], **flat}

    double.fail(ON_CALLS, Edited(flatten))
    assert account.find().duties == ()


def test_an_empty_account(account: Account, double: Opsgenie) -> None:
    """No schedule at all is an answer, without data it is none."""
    double.fail(ON_CALLS, put("data", value=[]))
    assert account.find().failures == ()
    double.fail(ON_CALLS, drop("data"))
    assert problems(account.find()) == ["the answer could not be read: data is missing"]
