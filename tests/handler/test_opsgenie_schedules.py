"""Opsgenie, asked only for the schedules that a rule names by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from handler.clock import Deadline
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.opsgenie import MOST_SCHEDULES
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.handler.accounts import AtlassianAccount as Account
from tests.handler.accounts import holders, open_atlassian
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, SetClock
from tests.handler.edited_answers import put

IDS = [f"e71d500f-896a-4b28-8b08-3bfe56e1ed7{number}" for number in range(3)]
NIGHTS = IDS[0]
ON_CALLS, TIMELINE = (f"/v2/schedules/{NIGHTS}/{end}" for end in ("on-calls", "timeline"))


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account in which Ana is on call for Nights."""
    with open_atlassian("opsgenie", client, set_clock) as one:
        one.double.put_on_shift(one.double.add_schedule("Nights", id=NIGHTS), ANA)
        yield one


def find(account: Account, *schedules: str, deadline: Deadline | None = None) -> ProviderSnapshot:
    """Ask about Ana, as for a rule that names these schedules."""
    query = DutyQuery(schedules, holders=frozenset({ANA}))
    return account.find(query, deadline)


def counts(account: Account, entry: str, email: str = ANA) -> bool:
    """Whether a rule that names this schedule approves somebody."""
    return account.decide(email, when={"on_call": {"schedules": [entry]}}).approved


def test_one_call_for_a_schedule(account: Account) -> None:
    """A schedule takes one call, however many exist; an approval takes one more for the end."""
    for number in range(50):
        account.double.add_schedule(f"S{number}")
    assert counts(account, NIGHTS)
    assert not counts(account, NIGHTS, BO)
    assert account.double.calls.paths() == [ON_CALLS, TIMELINE, ON_CALLS]
    assert account.double.calls[0].query == {"flat": ["false"]}


def test_an_end_that_a_rule_needs(account: Account) -> None:
    """A rule that needs the shift's end costs no further call."""
    when = {"on_call": {"schedules": [NIGHTS]}}
    assert account.decide(when=when, end_with_shift={}).approved
    assert account.double.calls.paths() == [ON_CALLS, TIMELINE]


MANY = tuple(f"e71d500f-896a-4b28-8b08-3bfe56e1ee{number:02}" for number in range(MOST_SCHEDULES))


@pytest.mark.parametrize(
    "entries", [("Nights",), (NIGHTS, "Nights"), (NIGHTS, *MANY)], ids=["name", "both", "many"]
)
def test_all_are_read_where_that_is_needed(entries: tuple[str, ...], account: Account) -> None:
    """For a name, or for many ids, all schedules are read with one call."""
    assert holders(find(account, *entries)) == [ANA]
    assert account.double.calls.paths() == ["/v2/schedules/on-calls"]


def test_a_schedule_named_like_another_ones_id(account: Account) -> None:
    """A schedule whose name equals another's id isn't the one that the policy names by id."""
    account.double.put_on_shift(account.double.add_schedule(NIGHTS), BO)
    assert not counts(account, NIGHTS, BO)
    assert counts(account, NIGHTS)
    account.double.put_on_shift(account.double.add_schedule(IDS[1]), BO)
    assert not counts(account, IDS[1], BO)


def test_a_disabled_schedule(account: Account) -> None:
    """Nobody is on call for a disabled schedule."""
    account.double.enable_schedule("Nights", enabled=False)
    assert not counts(account, NIGHTS)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_schedule_on_shift_in_another(account: Account, *, enabled: bool) -> None:
    """The people of a nested schedule count if it is enabled; nesting may go deeper."""
    inner = account.double.add_schedule("Inner", id=IDS[1])
    innermost = account.double.add_schedule("Innermost", id=IDS[2])
    account.double.put_on_shift(innermost, CY)
    account.double.put_on_shift(inner, BO)
    account.double.put_on_shift(inner, innermost, rotation="r2")
    account.double.put_on_shift("Nights", inner, rotation="r2")
    account.double.enable_schedule("Inner", enabled=enabled)
    snapshot = find(account, NIGHTS)
    everybody = {ANA, "bo@acme.example", CY} if enabled else {ANA}
    assert ({duty.holder for duty in snapshot.duties}, snapshot.failures) == (everybody, ())
    assert {duty.id for duty in snapshot.duties} == {NIGHTS}
    paths = account.double.calls.paths()
    assert paths[:3] == [ON_CALLS, f"/v2/schedules/{IDS[1]}", ON_CALLS]
    assert len(paths) == (5 if enabled else 3)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(404), "answered 404"),
        (faults.Status(403), "answered 403; the key's integration needs the right to read"),
        (faults.Status(500), "answered 500"),
        (put("data", value=[]), "data is not an object"),
    ],
)
def test_an_unreadable_nested_schedule(fault: Fault, problem: str, account: Account) -> None:
    """If a nested schedule can't be read, its people don't count, and all others do."""
    for id_, person in ((IDS[1], BO), (IDS[2], CY)):
        account.double.put_on_shift(account.double.add_schedule(id_[-3:], id=id_), person)
        account.double.put_on_shift("Nights", id_[-3:], rotation=id_)
    account.double.fail(f"/v2/schedules/{IDS[1]}", fault)
    snapshot = find(account, NIGHTS)
    assert set(holders(snapshot)) == {ANA, CY}
    (failure,) = snapshot.failures
    assert failure.question == f"on-calls of {NIGHTS}"
    assert failure.problem.startswith(f"schedule {IDS[1]}: {problem}")
    assert not counts(account, NIGHTS, BO)
    assert counts(account, NIGHTS, CY)


def test_a_nested_schedule_with_a_strange_id(account: Account) -> None:
    """It isn't asked for, so its people don't count, and the others do."""
    inner = account.double.add_schedule("Inner", id=IDS[1])
    account.double.put_on_shift(inner, BO)
    account.double.put_on_shift("Nights", inner, rotation="r2")
    account.double.fail(ON_CALLS, put("data", "onCallParticipants", 1, "id", value="../x"))
    assert holders(find(account, NIGHTS)) == [ANA]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        *(row for row in BAD_ANSWERS if row.id != "is not there"),
        pytest.param(faults.Status(401), "answered 401; the key is wrong", id="401"),
        pytest.param(faults.Status(403), "answered 403", id="403"),
        pytest.param(faults.TooManyRequests(3600), "answered 429", id="limits the rate"),
        pytest.param(faults.WrongValue("data", None), "1 entries could not be read", id="null"),
        pytest.param(faults.WrongValue("data", []), "the answer could not be read", id="a list"),
    ],
)
def test_a_schedule_that_fails(
    fault: Fault, problem: str, account: Account, real_deadline: Callable[[float], Deadline]
) -> None:
    """A schedule that can't be read approves nobody and is reported; others still count."""
    account.double.put_on_shift(account.double.add_schedule("Days", id=IDS[1]), CY)
    account.double.fail(ON_CALLS, fault)
    deadline = real_deadline(0.5) if takes_time(fault) else None
    snapshot = find(account, NIGHTS, IDS[1], deadline=deadline)
    assert holders(snapshot) == [CY]
    (failure,) = snapshot.failures
    assert failure.question == f"on-calls of {NIGHTS}"
    assert problem in failure.problem


def test_a_schedule_that_is_gone(account: Account) -> None:
    """Nobody is on call for a schedule that doesn't exist, and that isn't a failure."""
    snapshot = find(account, IDS[2])
    assert (snapshot.duties, snapshot.failures) == ((), ())
