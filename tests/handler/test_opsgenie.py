"""Opsgenie: which people in a schedule's on-call tree count, and which faults are reported."""

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
# Wrong types that only mean that a value is missing.
HARMLESS = {
    "data.*._parent.name: null",
    "data.*.onCallParticipants.*.name: null",
    "data.*.onCallParticipants: null",
    NO_STEP,
}


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An Opsgenie account, with a clock set by hand."""
    with open_atlassian("opsgenie", client, set_clock) as one:
        yield one


@pytest.fixture
def double(account: Account) -> Opsgenie:
    """The account's double."""
    assert isinstance(account.double, Opsgenie)
    return account.double


# -- calls ---------------------------------------------------------------------------------------


def test_one_call_for_all_schedules(account: Account, double: Opsgenie) -> None:
    """All schedules take one call; the original made one for each, and one for the list."""
    for number in range(30):
        double.put_on_shift(double.add_schedule(f"S{number}"), ANA)
    assert len(account.find(DutyQuery(schedules=("S7",))).duties) == 30
    (call,) = double.calls
    assert (call.method, call.path, call.query) == ("GET", ON_CALLS, {"flat": ["false"]})
    assert call.headers["authorization"] == f"GenieKey {OPSGENIE_KEY}"


# -- on-call trees -------------------------------------------------------------------------------


def test_only_users_are_people(account: Account, double: Opsgenie) -> None:
    """A team, schedule or escalation with an e-mail as its name is not a person."""
    for thing in (
        double.add_team(ANA),
        double.add_schedule(ANA),
        double.add_escalation(ANA, [(BO, 0)]),
    ):
        double.put_on_shift("Payments", thing)
    assert holders(account.find()) == ["bo@acme.example"]


def test_immediate_escalation_steps(account: Account, double: Opsgenie) -> None:
    """People in the immediate escalation steps are on call; those in later steps are not."""
    steps = double.add_escalation("Steps", [(ANA, 0), (BO, 1), (CY, 30)])
    double.put_on_shift("Payments", steps)
    snapshot = account.find()
    assert (holders(snapshot), snapshot.failures) == ([ANA], ())


@pytest.mark.parametrize(("minutes", "people"), [(0, ["bo@acme.example", CY]), (5, [])])
def test_teams_and_schedules_in_a_step(
    minutes: int, people: list[str], account: Account, double: Opsgenie
) -> None:
    """People of a team or schedule in a step count only if the step is immediate."""
    nights = double.add_schedule("Nights")
    double.put_on_shift(nights, BO)
    core = double.add_team("Core", [CY])
    steps = double.add_escalation("Steps", [(core, minutes), (nights, minutes)])
    double.put_on_shift("Payments", steps)
    snapshot = account.find(DutyQuery(schedules=("Payments",)))
    assert sorted(duty.holder for duty in snapshot.duties if duty.id == PAYMENTS) == people
    assert snapshot.failures == ()


def test_nested_escalations(account: Account, double: Opsgenie) -> None:
    """In nested escalations, every step on the way must be immediate."""
    inner = double.add_escalation("Inner", [(ANA, 0), (BO, 5)])
    late = double.add_escalation("Late", [(CY, 0)])
    double.put_on_shift("Payments", double.add_escalation("Outer", [(inner, 0), (late, 5)]))
    assert holders(account.find()) == [ANA]


def test_a_team_on_shift(account: Account, double: Opsgenie) -> None:
    """All members of a team on shift count; with an escalation, only its immediate steps."""
    double.put_on_shift("Payments", double.add_team("Core", [ANA, BO]))
    assert holders(account.find()) == [ANA, "bo@acme.example"]
    double.add_escalation("Core first", [(ANA, 0), (BO, 5)], team="Core")
    assert holders(account.find()) == [ANA]


def test_a_schedule_on_shift_of_another(account: Account, double: Opsgenie) -> None:
    """A nested schedule's people count for both, unless it's disabled or hidden from the key."""
    team = double.add_team("Core")
    inner = double.add_schedule("Inner")
    outer = double.add_schedule("Outer", team=team)
    double.put_on_shift(inner, ANA)
    double.put_on_shift(outer, inner)
    assert {(duty.name, duty.holder) for duty in account.find().duties} == {
        ("Inner", ANA),
        ("Outer", ANA),
    }
    # The provider also lists the people of a disabled schedule.
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
    """Only a step that notifies the people now on shift counts."""
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
    """An unknown or malformed entry is skipped and reported; its neighbours still count."""
    double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    double.put_on_shift("Payments", BO)
    double.put_on_shift(double.add_schedule("Search"), CY)
    double.fail(ON_CALLS, edit)
    snapshot = account.find()
    assert holders(snapshot) == ["bo@acme.example", CY]
    assert problems(snapshot) == ["1 entries could not be read"]
    assert all(duty.is_named(duty.name) for duty in snapshot.duties)


def test_nothing_where_a_tree_should_be(account: Account, double: Opsgenie) -> None:
    """A null or missing tree means that nobody is on call; the original crashed."""
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
    """A tree of 300 nested teams is read to its end, and other schedules still count."""
    double.put_on_shift("Payments", BO)
    double.put_on_shift(double.add_schedule("Search"), CY)

    def bury(body: Any) -> None:  # noqa: ANN401 - any JSON
        for _ in range(300):
            inner = body["data"][0]["onCallParticipants"]
            team = {"id": "t", "type": "team", "name": "T", "onCallParticipants": inner}
            body["data"][0]["onCallParticipants"] = [team]

    double.fail(ON_CALLS, Edited(bury))
    assert holders(account.find()) == ["bo@acme.example", CY]


def test_no_end_for_members_of_a_team_on_shift(account: Account, double: Opsgenie) -> None:
    """Timelines name only the team or escalation, so its members' shifts have no known end."""
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


def test_a_team_with_an_email_as_its_name(account: Account, double: Opsgenie) -> None:
    """A team's period isn't the period of the person whose e-mail is the team's name."""
    double.put_on_shift("Payments", double.add_team(ANA, [ANA]))
    (duty,) = account.find(ANAS_END).duties
    assert duty.end is None


REGION = (
    ", or the key belongs to the other region: run "
    "`pulumi config set OPSGENIE_BASE_URL https://api.eu.opsgenie.com`"
)
WRONG_KEY = f"the key is wrong, or its integration is switched off{REGION}"
# -- faults --------------------------------------------------------------------------------------


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
def test_on_calls_fail(
    fault: Fault,
    problem: str,
    account: Account,
    double: Opsgenie,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If the on-calls can't be read in time, nobody is on call, and the failure is reported."""
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
    """Only the error code for a team's key adds the hint about team keys."""
    double.fail(ON_CALLS, faults.Status(403, b'{"message": "40301", "code": 40302}'))
    (failure,) = account.find().failures
    assert failure.problem.endswith("and to access configurations")


def test_a_key_of_another_form(account: Account, double: Opsgenie) -> None:
    """A 422 for the key's format gets a hint: the key may belong to the other region."""
    body = b'{"message": "Key format is not valid!", "took": 0}'
    double.fail(ON_CALLS, faults.Status(422, body))
    assert problems(account.find()) == [f"answered 422; the key isn't one of Opsgenie's{REGION}"]


@pytest.mark.parametrize("what", faults.OPSGENIE["on-calls"])
def test_trees_of_wrong_types(what: str, account: Account, double: Opsgenie) -> None:
    """An entry of a wrong type puts nobody on call, and is reported without names."""
    double.put_on_shift("Payments", ANA)
    double.fail(ON_CALLS, faults.OPSGENIE["on-calls"][what])
    snapshot = account.find()
    counts = what in {"data.*._parent.name: null", NO_STEP}
    assert holders(snapshot) == ([ANA] if counts else [])
    assert bool(snapshot.failures) is (what not in HARMLESS)
    assert ANA not in repr(snapshot.failures)
    assert account.decide().approved is (what == NO_STEP)


def test_the_flat_list_is_not_read(account: Account, double: Opsgenie) -> None:
    """The flat list includes backups, so nobody in such an answer is on call."""
    double.put_on_shift("Payments", ANA)
    flat = {"onCallRecipients": [ANA]}

    def flatten(body: Any) -> None:  # noqa: ANN401 - any JSON
        body["data"][0] = {"_parent": body["data"][0]["_parent"], **flat}

    double.fail(ON_CALLS, Edited(flatten))
    assert account.find().duties == ()


def test_an_empty_account(account: Account, double: Opsgenie) -> None:
    """An empty list of schedules is valid; a missing one is a failure."""
    double.fail(ON_CALLS, put("data", value=[]))
    assert account.find().failures == ()
    double.fail(ON_CALLS, drop("data"))
    assert problems(account.find()) == ["the answer could not be read: data is missing"]
