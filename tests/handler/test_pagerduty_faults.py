"""Faults and pages of PagerDuty: readable data still counts, and the rest is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from handler.clock import Deadline
from handler.duty import Failure
from handler.http import Client
from handler.providers import pagerduty
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from sandbox.vendors.faults import PAGERDUTY, EndlessPages, TooManyRequests, WrongValue
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    BOTH_KINDS,
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SCHEDULE_PATHS,
    SHIFT_BASED,
    holders,
    open_pagerduty,
    problems,
)
from tests.handler.accounts import (
    PagerDutyAccount as Account,
)
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, SetClock
from tests.handler.edited_answers import Edited, drop, put


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account whose one schedule has nobody on it."""
    with open_pagerduty(client, set_clock) as one:
        yield one


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagerduty, "PAGE_SIZE", 2)
    monkeypatch.setattr(pagerduty, "SHIFT_BASED_PAGE_SIZE", 2)


def _schedules(account: Account, count: int, *, v3: bool = False) -> list[str]:
    """Add schedules S1, S2, … with Ana on call for each, and give their ids."""
    return [account.on_shift(f"S{number + 1}", ANA, v3=v3) for number in range(count)]


def _offsets(account: Account, path: str) -> list[str]:
    return [call.query["offset"][0] for call in account.double.calls if call.path == path]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (7, 4)])
def test_all_on_calls(count: int, calls: int, account: Account) -> None:
    """All pages of on-calls are read, each once."""
    ids = _schedules(account, count)
    snapshot = account.find()
    assert [duty.id for duty in snapshot.duties] == ids
    assert snapshot.failures == ()
    assert _offsets(account, ON_CALLS) == [str(2 * page) for page in range(calls)]


@pytest.mark.usefixtures("_pages_of_two")
def test_a_shift_on_two_pages(account: Account) -> None:
    """A shift on several pages is one duty, unless a later page has it on a lower level."""
    account.double.put_on_shift("Payments", ANA)
    for number in range(6):
        account.double.add_escalation_policy(f"More {number}", BO if number < 3 else "Payments")
        if number < 3:
            account.double.add_target(f"More {number}", "Payments", level=2)
    assert [duty.level for duty in account.find().duties] == [1]

    def first_is_on_level_2(body: dict[str, list[dict[str, object]]]) -> None:
        body["oncalls"][0]["escalation_level"] = 2

    account.double.fail(ON_CALLS, Edited(first_is_on_level_2), page=1)
    assert [duty.level for duty in account.find().duties] == [2, 1]
    assert account.decide_by(ANA, schedules="any").approved


@pytest.mark.usefixtures("_pages_of_two")
def test_a_page_that_is_shorter_than_asked(account: Account) -> None:
    """If a page is shorter than requested, the next one begins where it ended."""
    ids = _schedules(account, 5)

    def shorter(body: dict[str, list[object]]) -> None:
        del body["oncalls"][1:]

    account.double.fail(ON_CALLS, Edited(shorter), page=1)
    snapshot = account.find()
    assert {duty.id for duty in snapshot.duties} == set(ids)
    assert snapshot.failures == ()


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(500), "answered 500"),
        (faults.Status(429), "answered 429"),
        (faults.Status(400), "answered 400"),
        (faults.Garbage(), "the response is not JSON"),
        (faults.HangUp("body"), "connection failed: the response was cut off"),
        (faults.Hang(), "no complete answer in time"),
        (WrongValue("", []), "could not be read: the answer is not an object"),
        (drop("more"), "could not be read: more is neither true nor false"),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
def test_a_later_page_is_broken(
    path: str,
    fault: Fault,
    problem: str,
    account: Account,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If a later page fails, earlier on-calls count; names don't if a list is incomplete."""
    ids = _schedules(account, 5)
    _schedules(account, 3, v3=True)
    account.double.fail(path, fault, page=2)
    slow = isinstance(fault, faults.Hang)
    snapshot = account.named(PAYMENTS, *ids, deadline=real_deadline(0.4) if slow else None)
    failure = snapshot.failures[0]
    assert problem in failure.problem
    read = {duty.id for duty in snapshot.duties} & set(ids)
    pages = 1 if not isinstance(fault, Edited) else 2  # that page itself was readable
    assert read == set(ids[: 2 * pages] if path == ON_CALLS else ids)
    assert all(duty.is_named(duty.id) for duty in snapshot.duties)
    doubtful = path != ON_CALLS
    assert not doubtful or not any(duty.is_named(duty.name) for duty in snapshot.duties)


@pytest.mark.parametrize(
    ("path", "most"), [(ON_CALLS, 100), (LAYERED, 100), (SHIFT_BASED, 10)], ids=str
)
def test_a_list_without_end(path: str, most: int, account: Account) -> None:
    """Reading stops at the vendor's limit of 10,000 entries, and that is reported."""
    account.double.put_on_shift("Payments", ANA)
    account.double.add_schedule("Lone", v3=True)
    account.double.fail(path, EndlessPages())
    snapshot = account.named("Payments")
    assert account.count_calls(path) == most
    assert problems(snapshot) == [f"only the first {most} pages were read"]
    (duty,) = snapshot.duties
    assert duty.is_named(PAYMENTS)
    assert duty.is_named("Payments") is (path == ON_CALLS)


@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
def test_empty_pages_without_end(path: str, account: Account) -> None:
    """Reading stops at an empty page that claims to have a next page, and that is reported."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(path, EndlessPages(empty=True))
    snapshot = account.named("Payments")
    assert account.count_calls(path) == 1
    assert problems(snapshot) == ["an empty page was not the last one"]
    assert holders(snapshot) == ([] if path == ON_CALLS else [ANA])
    assert not any(duty.is_named("Payments") for duty in snapshot.duties)


# Wrong types that only mean that a value is missing; without a user, nobody is on call.
HARMLESS = {
    "oncalls.*.escalation_policy: null",
    "oncalls.*.schedule.summary: null",
    "oncalls.*.user: null",
}
UNREAD = "1 entries could not be read"


INSIDE = {what: fault for what, fault in PAGERDUTY["oncalls"].items() if "*" in fault.field}
OUTSIDE = {what: fault for what, fault in PAGERDUTY["oncalls"].items() if "*" not in fault.field}


@pytest.mark.parametrize("what", INSIDE)
def test_a_wrong_type_in_an_on_call(what: str, account: Account) -> None:
    """An on-call of a wrong type is dropped and reported; null means absent."""
    account.double.put_on_shift("Payments", ANA)
    account.on_shift("Search", BO)
    account.double.fail(ON_CALLS, INSIDE[what].in_first())
    snapshot = account.find()
    counts = what in HARMLESS and what != "oncalls.*.user: null"
    assert holders(snapshot) == ([ANA, "bo@acme.example"] if counts else ["bo@acme.example"])
    failure = Failure("PagerDuty", "on-calls", UNREAD)
    assert snapshot.failures == (() if what in HARMLESS else (failure,))


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, [1], {}], ids=repr)
def test_an_invalid_level(value: object, account: Account) -> None:
    """An on-call with an invalid level is dropped and reported."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(ON_CALLS, put("oncalls", 0, "escalation_level", value=value))
    snapshot = account.find()
    assert (holders(snapshot), problems(snapshot)) == ([], [UNREAD])


@pytest.mark.parametrize("field", ["start", "end"])
@pytest.mark.parametrize("value", ["", 0, "2026-03-04", None], ids=repr)
def test_a_time_that_is_missing(field: str, value: object, account: Account) -> None:
    """Only null means that a shift has no start or end; a missing time is unreadable."""
    account.double.put_on_shift("Payments", ANA)
    row = ("oncalls", 0, field)
    account.double.fail(ON_CALLS, drop(*row) if value is None else put(*row, value=value))
    snapshot = account.find()
    assert (holders(snapshot), problems(snapshot)) == ([], [UNREAD])


@pytest.mark.parametrize(
    "fault", [*OUTSIDE.values(), drop("oncalls")], ids=[*map(str, OUTSIDE), "missing"]
)
def test_an_answer_without_a_list(fault: Fault, account: Account) -> None:
    """An answer without a list is a failure, unlike an empty list."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(ON_CALLS, fault)
    snapshot = account.find()
    assert snapshot.duties == ()
    assert [problem.partition(":")[0] for problem in problems(snapshot)] == [
        "the answer could not be read"
    ]


@pytest.mark.parametrize("path", [LAYERED, SHIFT_BASED])
@pytest.mark.parametrize("fault", PAGERDUTY["schedules"].values(), ids=PAGERDUTY["schedules"])
def test_a_wrong_type_in_a_list_of_schedules(
    fault: WrongValue, path: str, account: Account
) -> None:
    """An unreadable list of schedules is reported, and duties count by id only."""
    account.double.put_on_shift("Payments", ANA)
    account.on_shift("Search", BO, v3=True)
    account.double.fail(path, fault)
    snapshot = account.named("Payments", PAYMENTS)
    assert holders(snapshot) == [ANA, "bo@acme.example"]
    (problem,) = problems(snapshot)
    assert problem.startswith(UNREAD if "*" in fault.field else "the answer could not be read: ")
    assert not any(duty.is_named(duty.name) for duty in snapshot.duties)
    assert all(duty.is_named(duty.id) for duty in snapshot.duties)


@pytest.mark.parametrize("path", [ON_CALLS, LAYERED, SHIFT_BASED])
@pytest.mark.parametrize("what", PAGERDUTY["pages"])
def test_wrong_types_in_pagination_fields(what: str, path: str, account: Account) -> None:
    """If `more` is unreadable, the page counts, but names don't; `limit` doesn't matter."""
    account.double.put_on_shift("Payments", ANA)
    account.double.fail(path, PAGERDUTY["pages"][what])
    snapshot = account.named("Payments")
    (duty,) = snapshot.duties
    wrong = what.startswith("more:")
    assert problems(snapshot) == (
        ["the answer could not be read: more is neither true nor false"] if wrong else []
    )
    assert duty.is_named("Payments") is (not wrong or path == ON_CALLS)


WRONG = [
    pytest.param(v3, fault, id=f"{SCHEDULE_PATHS[v3]}: {what}")
    for v3, name in ((False, "layer-based schedule"), (True, "shift-based schedule"))
    for what, fault in PAGERDUTY[name].items()
]


@pytest.mark.parametrize(("v3", "fault"), WRONG)
def test_a_wrong_type_in_a_schedule(v3: bool, fault: WrongValue, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """A schedule of a wrong type gives no duty and is reported; others still count."""
    odd = account.on_shift("Odd", ANA, v3=v3, policy=False)
    account.on_shift("Other", BO, policy=False)
    account.double.fail(f"{SCHEDULE_PATHS[v3]}/{odd}", fault)
    snapshot = account.named("Odd", "Other")
    assert holders(snapshot) == ["bo@acme.example"]
    (failure,) = snapshot.failures
    assert failure.question == f"schedule {odd}"
    inside = "1 entries could not be read"
    begins = inside if "*" in fault.field else "the answer could not be read: "
    assert failure.problem.startswith(begins)


def test_a_wrong_shift_hides_no_other(account: Account) -> None:
    """An unreadable shift is dropped; others of the same schedule count."""
    schedule = account.on_shift("Shared", ANA, BO, CY, v3=True, policy=False)
    shifts = ("schedule", "final_schedule", "computed_shift_assignments")
    odd = put(*shifts, 0, "member", "user_id", value="../users")
    account.double.fail(f"{SHIFT_BASED}/{schedule}", odd)
    snapshot = account.named("Shared")
    assert holders(snapshot) == ["bo@acme.example", CY]
    assert problems(snapshot) == ["1 entries could not be read"]


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
def test_a_user_that_cannot_be_read(fault: Fault, account: Account) -> None:
    """An unreadable user is reported without a name; others on shift still count."""
    account.on_shift("Shared", ANA, BO, v3=True, policy=False)
    account.double.fail("/users/", fault, times=1)
    snapshot = account.named("Shared")
    assert holders(snapshot) == ["bo@acme.example"]
    (problem,) = problems(snapshot)
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
def test_optional_fields(edit: Edited, name: str, v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """Fields that the vendor's schema calls optional may be absent or null."""
    schedule = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(f"{SCHEDULE_PATHS[v3]}/{schedule}", edit)
    (duty,) = account.named(schedule).duties
    assert (duty.holder, duty.name) == (ANA, name)


@BOTH_KINDS
@pytest.mark.parametrize(
    "edit",
    [drop("schedule", "escalation_policies"), put("schedule", "escalation_policies", value=None)],
)
def test_a_schedule_without_its_policies(edit: Edited, account: Account, *, v3: bool) -> None:
    """If a schedule's escalation policies are missing, its levels are unknown: nobody counts."""
    schedule = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(f"{SCHEDULE_PATHS[v3]}/{schedule}", edit)
    snapshot = account.named(schedule)
    assert snapshot.duties == ()
    assert problems(snapshot) == ["the answer could not be read: escalation_policies is missing"]


@BOTH_KINDS
def test_an_answer_without_the_shifts(v3: bool, account: Account) -> None:  # noqa: FBT001 - a column of the table
    """If a schedule's shifts are missing from the answer, that is reported."""
    schedule = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(f"{SCHEDULE_PATHS[v3]}/{schedule}", drop("schedule", "final_schedule"))
    (problem,) = problems(account.named(schedule))
    assert problem.startswith("the answer could not be read: ")


@pytest.fixture
def staffed(account: Account) -> Account:
    """The account with Ana on call for Payments."""
    account.double.put_on_shift("Payments", ANA)
    return account


EU = (
    "; the key is wrong, or the key belongs to the other region: run "
    "`pulumi config set PAGERDUTY_BASE_URL https://api.eu.pagerduty.com`"
)
QUESTIONS = {
    ON_CALLS: "on-calls",
    LAYERED: "layer-based schedules",
    SHIFT_BASED: "shift-based schedules",
}
FAULTS = [
    *BAD_ANSWERS,
    pytest.param(TooManyRequests(3600, retry_after=None), "answered 429", id="limits the rate"),
    pytest.param(faults.Status(429, b""), "answered 429", id="limits the rate without a body"),
    pytest.param(faults.Status(408), "answered 408", id="408"),
]


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(("fault", "problem"), FAULTS)
def test_one_answer_failing_hides_no_other(
    fault: Fault,
    problem: str,
    path: str,
    staffed: Account,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If one answer fails in any way, the others still count, in time, and it's reported.

    Without the on-calls nobody is approved; without a list of names, only ids count.
    """
    staffed.double.fail(path, fault)
    slow = takes_time(fault)
    snapshot = staffed.named(PAYMENTS, deadline=real_deadline(0.4) if slow else None)
    failure = next(failure for failure in snapshot.failures if failure.question == QUESTIONS[path])
    assert problem in failure.problem
    assert holders(snapshot) == ([] if path == ON_CALLS else [ANA])
    assert [duty.is_named(PAYMENTS) for duty in snapshot.duties] == [True] * len(snapshot.duties)
    assert not any(duty.is_named("Payments") for duty in snapshot.duties)
    assert bool(snapshot.schedules_and_roles)


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, EU),
        (402, "; the account's plan does not include it"),
        (403, "; the key may not see it: a read-only key of the whole account may"),
        (500, ""),
    ],
)
def test_what_an_error_says(status: int, hint: str, path: str, staffed: Account) -> None:
    """A failure has the status and a hint, but nothing of the body, and no key."""
    staffed.double.fail(path, faults.Status(status))
    (failure,) = staffed.named("Payments").failures
    assert failure.problem == f"answered {status}{hint}"
    assert failure.question == QUESTIONS[path]


@pytest.mark.parametrize("email", [ANA, BO])
def test_single_schedules_that_fail(email: str, staffed: Account) -> None:
    """If one schedule fails, others still count; the original failed as a whole."""
    odd = staffed.on_shift("Odd", ANA, policy=False)
    staffed.on_shift("Other", BO, v3=True, policy=False)
    staffed.double.fail(f"{LAYERED}/{odd}", faults.Status(500))
    snapshot = staffed.named("Odd", "Other")
    assert [failure.question for failure in snapshot.failures] == [f"schedule {odd}"]
    assert staffed.decide_by(email, schedules=["Odd", "Other"]).approved is (email == BO)


def test_other_schedules_are_left_alone(staffed: Account) -> None:
    """Schedules that the policy doesn't name aren't read; the original read all of them."""
    for number in range(10):
        staffed.on_shift(f"S{number}", BO, v3=number % 2 == 0, policy=number % 3 == 0)
    staffed.find(DutyQuery(schedules=("Payments",)))
    assert len(staffed.double.calls) == 3
