"""PagerDuty, asked about one person: the number of calls doesn't grow with the account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.inventory import inventory_questions
from handler.clock import Deadline
from handler.duty import Duty, ProviderSnapshot, ProviderUser
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.collect import Outcome, collect_and_decide
from handler.providers.pagerduty import MOST_LOOKED_UP, MOST_USERS
from handler.providers.runner import ask
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from sandbox.vendors import faults
from sandbox.vendors.faults import PAGERDUTY, EndlessPages, TooManyRequests
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    BOTH_KINDS,
    LAYERED,
    ON_CALLS,
    PAYMENTS,
    SCHEDULE_PATHS,
    SHIFT_BASED,
    USERS,
    holders,
    open_pagerduty,
    problems,
)
from tests.handler.accounts import (
    PagerDutyAccount as Account,
)
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.edited_answers import Edited, drop, put

HOUR = timedelta(hours=1)
PEOPLE = 30


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """An account in which Ana is on call for Payments."""
    with open_pagerduty(client, set_clock) as one:
        one.double.put_on_shift("Payments", ANA)
        yield one


def query_of(*schedules: str, who: tuple[str, ...] = (ANA,), ends: bool = False) -> DutyQuery:
    """A query for a rule that names these schedules, or accepts any."""
    return DutyQuery(schedules, not schedules, ends=ends, holders=frozenset(who))


def id_of(account: Account, email: str) -> str:
    """The id of somebody's user."""
    return next(person.id for person in account.double.people if person.email == email)


# -- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [PAYMENTS, "any"])
def test_two_calls(entry: str, account: Account) -> None:
    """A decision takes two calls: the user by e-mail, and that user's on-calls."""
    assert account.decide_by(ANA, schedules=entry if entry == "any" else [entry]).approved
    users, on_calls = account.double.calls
    assert (users.path, users.query) == (
        USERS,
        {"query": [ANA], "limit": ["100"], "offset": ["0"]},
    )
    assert (on_calls.path, on_calls.query) == (
        ON_CALLS,
        {
            "user_ids[]": [id_of(account, ANA)],
            "include[]": ["users"],
            "time_zone": ["UTC"],
            "limit": ["100"],
            "offset": ["0"],
        },
    )


def test_two_calls_more_for_a_name(account: Account) -> None:
    """A name takes two more calls, to check that no other schedule has it."""
    assert account.decide_by(ANA, schedules=["Payments", PAYMENTS]).approved
    assert len(account.double.calls) == 2
    account.double.calls.clear()
    assert account.counts("Payments")
    assert account.double.calls.paths()[:2] == [USERS, ON_CALLS]
    assert sorted(account.double.calls.paths()[2:]) == [LAYERED, SHIFT_BASED]
    for call in account.double.calls[2:]:
        assert call.query == {"query": ["Payments"], "limit": ["100"], "offset": ["0"]}


@pytest.mark.parametrize("entry", ["Payments", PAYMENTS, "any"])
def test_the_same_calls_in_a_large_account(entry: str, account: Account) -> None:
    """The number of calls doesn't grow with people and schedules that don't matter."""

    def count(email: str) -> tuple[bool, int]:
        account.double.calls.clear()
        approved = account.decide_by(email, schedules=entry if entry == "any" else [entry]).approved
        return approved, len(account.double.calls)

    small = [count(email) for email in (ANA, BO)]
    for number in range(150):
        email = f"p{number}@acme.example"
        account.double.add_person(f"Person {number}", email)
        account.on_shift(f"Schedule {number}", email, v3=number % 2 == 0)
    assert [count(email) for email in (ANA, BO)] == small
    assert [approved for approved, _ in small] == [True, False]


def test_somebody_without_a_user(account: Account) -> None:
    """A person without a user isn't on call for anything."""
    assert not account.decide_by("nora@acme.example", schedules=["Payments", PAYMENTS]).approved
    assert account.double.calls.paths() == [USERS]


def test_schedules_that_somebody_else_is_on_call_for(account: Account) -> None:
    """A schedule that the search shows in use isn't read; one named by id is."""
    assert not account.counts("Payments", BO)
    assert sorted(account.double.calls.paths()[2:]) == [LAYERED, SHIFT_BASED]
    account.double.calls.clear()
    assert not account.counts(PAYMENTS, BO)
    paths = [f"{SHIFT_BASED}/{PAYMENTS}", f"{LAYERED}/{PAYMENTS}"]
    assert account.double.calls.paths()[2:] == paths


@BOTH_KINDS
@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
def test_a_schedule_that_no_policy_uses(account: Account, *, by_name: bool, v3: bool) -> None:
    """A schedule outside of escalation policies is read, and matched by the user's id."""
    id_ = account.on_shift("Forgotten", v3=v3, policy=False)
    account.double.put_on_shift("Forgotten", BO, NOW - HOUR, NOW + 3 * HOUR)
    entry = "Forgotten" if by_name else id_
    decision = account.decide(
        "bo@acme.example", when={"on_call": {"schedules": [entry]}}, end_with_shift={}
    )
    assert decision.duration == 3 * HOUR
    assert not any(path.startswith("/users/") for path in account.double.calls.paths())
    assert account.count_calls(f"{SCHEDULE_PATHS[v3]}/{id_}") == 1
    assert not account.counts(entry, ANA)


def test_limit_of_schedules(account: Account) -> None:
    """Of a long list of schedules, only a limited number is looked up."""
    names = [f"S{number}" for number in range(MOST_LOOKED_UP + 5)]
    assert not account.decide_by(ANA, schedules=names).approved
    assert len(account.double.calls) == 2 + 2 * MOST_LOOKED_UP


# -- people --------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["ana@acme", "na@acme.example", "a@a", "ana", "@", "@acme", ""])
def test_a_part_of_an_email(email: str, account: Account) -> None:
    """A part of Ana's e-mail doesn't identify Ana, though the vendor's search finds her.

    A text that isn't an e-mail isn't searched for.
    """
    snapshot = account.find(query_of(PAYMENTS, who=(email,)))
    assert (snapshot.duties, snapshot.users) == ((), ())
    assert len(account.double.calls) == (1 if email.strip("@").count("@") else 0)


def test_the_right_one_among_those_found(account: Account) -> None:
    """Of all users found, only the one with exactly that e-mail counts."""
    for number in range(PEOPLE):
        account.double.add_person("x", f"{number}{ANA}")
    twin = account.double.add_person(ANA, "ana@acme.example.org")
    account.double.put_on_shift("Payments", twin)
    assert not account.counts(PAYMENTS)
    account.double.put_on_shift("Payments", ANA)
    assert account.counts(PAYMENTS)
    assert not account.counts(PAYMENTS, "0ana@acme.example")


def test_an_email_in_another_case(account: Account) -> None:
    """The case of A to Z is ignored in e-mails; other letters must be equal."""
    account.double.put_on_shift("Payments", BO)
    assert account.counts(PAYMENTS, "BO@acme.example ")
    assert not account.counts(PAYMENTS, "bø@acme.example")


def test_two_users_with_one_email(account: Account) -> None:
    """If two users have the e-mail, neither counts, and that is reported."""
    account.double.put_on_shift("Payments", account.double.add_person("Ana II", ANA.upper()))
    decision = account.decide_by(ANA, schedules=[PAYMENTS])
    assert not decision.approved
    snapshot = account.find(query_of(PAYMENTS))
    assert problems(snapshot) == ["several users have the same e-mail"]
    assert snapshot.users == ()


def decide_with(
    account: Account, *who: str, aliases: dict[str, list[str]] | None = None, **on_call: object
) -> Outcome:
    """Decide for these people in one call, with these aliases."""
    rule = {"name": "r", "resources": "any", "when": {"on_call": on_call}, "duration": "1h"}
    policy = read_policy(json.dumps({"rules": [rule], "aliases": aliases or {}}))
    requests = [Request(Resource(email=email), (Resource("db", "1"),)) for email in who]
    clients = {account.name: account.client}
    return collect_and_decide(
        requests, policy, clients, account.clock.clock, account.clock.deadline()
    )


@pytest.mark.parametrize("entry", ["Payments", PAYMENTS])
def test_a_person_with_several_emails(entry: str, account: Account) -> None:
    """A duty under any of a person's e-mails approves."""
    aliases = {"al@corp.example": [ANA, CY]}
    outcome = decide_with(account, "al@corp.example", aliases=aliases, schedules=[entry])
    assert outcome.decisions[0].approved


def test_every_email_is_asked_about(account: Account) -> None:
    """All of a person's e-mails are searched for until one is approved; here none is."""
    aliases = {"al@corp.example": [ANA, CY]}
    outcome = decide_with(account, "al@corp.example", aliases=aliases, schedules=["Search"])
    assert not outcome.decisions[0].approved
    emails = [call.query["query"] for call in account.double.calls if call.path == USERS]
    assert sorted(emails) == [["al@corp.example"], [ANA], [CY]]


def test_several_people_at_once(account: Account) -> None:
    """Each requester in a call is looked up, and approved by their own duties only."""
    account.on_shift("Search", BO)
    people = [f"p{number}@acme.example" for number in range(PEOPLE)]
    outcome = decide_with(account, ANA, BO, *people, schedules="any")
    approved = [decision.approved for decision in outcome.decisions]
    assert approved == [True, True, *[False] * PEOPLE]
    assert account.count_calls(USERS) == PEOPLE + 2
    assert account.count_calls(ON_CALLS) == 2
    assert outcome.snapshot.failures == ()


# -- hidden e-mails -----------------------------------------------------------------------------


def hide_emails(body: dict[str, Any]) -> None:
    """Remove e-mails from the answer, as for a key that may not see them."""
    for user in body.get("users", [row.get("user") for row in body.get("oncalls", [])]):
        user.pop("email", None)


def test_an_email_that_the_key_may_not_see(account: Account) -> None:
    """A person with a hidden e-mail is counted as without e-mail, and isn't approved."""
    account.double.fail("/", Edited(hide_emails))
    outcome = decide_with(account, ANA, schedules=["Payments", PAYMENTS])
    assert not outcome.decisions[0].approved
    assert outcome.without_email == {"PagerDuty": (1, 1)}
    assert outcome.snapshot.users == (ProviderUser("PagerDuty", "", id_of(account, ANA)),)
    assert outcome.snapshot.failures == ()


def test_an_email_that_the_on_calls_hide(account: Account) -> None:
    """If the on-calls hide an e-mail that the search shows, nobody is approved."""
    account.double.fail(ON_CALLS, Edited(hide_emails))
    outcome = decide_with(account, ANA, schedules=[PAYMENTS])
    assert not outcome.decisions[0].approved
    assert outcome.without_email == {"PagerDuty": (1, 1)}


@BOTH_KINDS
def test_a_hidden_email_on_a_schedule_without_a_policy(account: Account, *, v3: bool) -> None:
    """The same holds for a schedule that no escalation policy uses."""
    id_ = account.on_shift("Forgotten", ANA, v3=v3, policy=False)
    account.double.fail(USERS, Edited(hide_emails))
    outcome = decide_with(account, ANA, schedules=[id_])
    assert not outcome.decisions[0].approved
    assert outcome.without_email == {"PagerDuty": (1, 1)}


def test_limit_of_users(account: Account) -> None:
    """Of many users with hidden e-mails, a limited number is looked up."""
    for number in range(MOST_USERS + 3):
        account.double.add_person(f"{ANA} {number}", None)
    account.find(query_of(PAYMENTS, who=(ANA,)))
    assert account.count_calls(ON_CALLS) == MOST_USERS


# -- names ---------------------------------------------------------------------------------------


@BOTH_KINDS
@pytest.mark.parametrize("people", [(), (BO,)], ids=["nobody is on it", "somebody is on it"])
@pytest.mark.parametrize("policy", [False, True], ids=["in no policy", "in a policy"])
def test_a_name_that_two_schedules_have(
    account: Account, people: tuple[str, ...], *, policy: bool, v3: bool
) -> None:
    """A name of two schedules matches neither; ids still match."""
    other = account.on_shift("Payments", *people, v3=v3, policy=policy)
    assert not account.counts("Payments", ANA)
    assert not account.counts("Payments", BO)
    assert account.counts(PAYMENTS, ANA)
    assert account.counts(other, BO) is bool(people)


@BOTH_KINDS
def test_a_name_that_begins_other_names(account: Account, *, v3: bool) -> None:
    """Names that begin alike don't matter, but a second schedule of the same name does."""
    for number in range(120):
        account.double.add_schedule(f"Payments {number}", v3=v3)
    assert account.counts("Payments")
    assert account.count_calls(SCHEDULE_PATHS[v3]) == 2
    account.double.add_schedule("Payments", v3=v3)
    assert not account.counts("Payments")


@BOTH_KINDS
def test_a_schedule_named_like_another_ones_id(account: Account, *, v3: bool) -> None:
    """A schedule whose name equals another's id isn't the one that the policy names by id."""
    account.on_shift(PAYMENTS, BO, v3=v3)
    account.double.take_off_shift("Payments", ANA)
    assert not account.counts(PAYMENTS, BO)
    account.double.put_on_shift("Payments", ANA)
    assert account.counts(PAYMENTS, ANA)
    assert not account.counts(PAYMENTS, BO)


@BOTH_KINDS
def test_a_name_that_looks_like_an_id(account: Account, *, v3: bool) -> None:
    """A name that looks like an id counts only once no schedule with that id is found."""
    account.on_shift("P1DBA", ANA, v3=v3)
    assert account.counts("P1DBA")
    account.double.fail(f"{SHIFT_BASED}/P1DBA", faults.Status(500))
    assert not account.counts("P1DBA")
    account.double.clear_faults()
    account.double.add_schedule("P1DBA", v3=not v3)
    assert not account.counts("P1DBA")


@BOTH_KINDS
def test_an_id_that_begins_with_a_word(account: Account, *, v3: bool) -> None:
    """An id that looks like a name isn't confused with a schedule of that name."""
    real = account.double.add_schedule("Production", id="PROD123", v3=v3)
    account.double.add_escalation_policy("Production", real)
    account.on_shift("PROD123", BO)
    assert not account.counts("PROD123", BO)
    account.double.put_on_shift(real, ANA)
    assert account.counts("PROD123", ANA)


def test_an_id_of_a_layer_based_schedule(account: Account) -> None:
    """If the newer API rejects an id, the schedule is looked up in the older one."""
    account.on_shift(PAYMENTS, BO)
    for status in (400, 404):
        account.double.fail(f"{SHIFT_BASED}/{PAYMENTS}", faults.Status(status))
        assert not account.counts(PAYMENTS, BO)
    account.double.put_on_shift(account.double.add_schedule("Unused", id="PUNUSED"), CY)
    account.double.fail(f"{SHIFT_BASED}/PUNUSED", faults.Status(404))
    assert account.counts("PUNUSED", CY)


@BOTH_KINDS
def test_a_search_that_finds_nothing(account: Account, *, v3: bool) -> None:
    """If the search misses a schedule known from the on-calls, the name doesn't count."""
    account.on_shift("Search", ANA, v3=v3)
    assert account.counts("Search")
    for path in SCHEDULE_PATHS.values():
        account.double.fail(path, put("schedules", value=[]))
    assert not account.counts("Search")


def test_more_names_than_are_looked_up(account: Account) -> None:
    """Names of the person's own schedules are looked up first."""
    names = [f"Schedule no {number}" for number in range(MOST_LOOKED_UP + 5)]
    assert account.decide_by(ANA, schedules=[*names, "Payments"]).approved


def test_many_users_without_an_email(account: Account) -> None:
    """Users with the e-mail are looked up before users without one."""
    hidden = [{"id": f"PHIDDEN{number}"} for number in range(MOST_USERS + 1)]

    def add(body: dict[str, Any]) -> None:
        body["users"] = [*hidden, *body["users"]]

    account.double.fail(USERS, Edited(add))
    assert account.counts(PAYMENTS)


def test_a_name_that_is_found_late(account: Account) -> None:
    """A name that matches no id is still checked for uniqueness once a duty has it."""
    query = query_of("P1DBA", who=(ANA, "bo@acme.example"))
    snapshot = account.find(query._replace(holders=frozenset({ANA})))
    assert ("PagerDuty", "on_call", "P1DBA") not in snapshot.complete_names
    asked = {question.key for question in account.client.questions(query, snapshot)}
    late = snapshot._replace(duties=(Duty("PagerDuty", "on_call", "P0", "P1DBA", ANA),))
    new = [one for one in account.client.questions(query, late) if one.key not in asked]
    assert [question.listed_names for question in new] == [("P1DBA",)] * 3


@BOTH_KINDS
@pytest.mark.parametrize("path", [LAYERED, SHIFT_BASED])
@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(403),
        faults.Status(404),
        faults.Status(500),
        faults.Garbage(),
        faults.WrongValue("schedules", None),
        faults.WrongValue("more", None),
        EndlessPages(),
        EndlessPages(empty=True),
    ],
    ids=repr,
)
def test_a_search_that_fails(account: Account, fault: Fault, path: str, *, v3: bool) -> None:
    """If a search fails, names may not be unique: ids alone count, and it's reported."""
    id_ = account.on_shift("Search", ANA, v3=v3)
    account.double.fail(path, fault)
    outcome = decide_with(account, ANA, schedules=["Search"])
    assert not outcome.decisions[0].approved
    kind = "layer-based" if path == LAYERED else "shift-based"
    failures = [failure.question for failure in outcome.snapshot.failures]
    assert failures == [f"{kind} schedules of a name"]
    account.double.clear_faults()
    account.double.fail(path, fault)
    assert account.counts(id_)


def test_an_email_in_the_name_of_a_schedule(account: Account) -> None:
    """If a schedule's name has an e-mail, failures about it don't repeat it."""
    account.on_shift("of zoe@acme.example", ANA)
    account.double.fail(LAYERED, faults.Status(500))
    (failure,) = account.find(query_of("of zoe@acme.example")).failures
    assert "zoe" not in str(failure)


# -- levels and ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "approved"), [(None, False), (1, False), (2, True)])
def test_levels(account: Account, most: int | None, *, approved: bool) -> None:
    """Level 2 counts only if the rule's `max_level` allows it."""
    backup = account.double.add_schedule("Back-up")
    account.double.put_on_shift(backup, BO)
    account.double.add_target("Payments", backup, level=2)
    rule = {"schedules": ["Back-up"], **({"max_level": most} if most else {})}
    assert account.decide("bo@acme.example", when={"on_call": rule}).approved is approved


def test_direct_targets_of_an_escalation_policy(account: Account) -> None:
    """A person whom an escalation policy pages directly, without a schedule, has no duty."""
    account.double.add_escalation_policy("Boss", BO)
    assert not account.decide_by(BO, schedules="any").approved


# Clocks go forward in New York on 2026-03-08, in Berlin on 2026-03-29, and back there on
# 2026-10-25, so that 02:30 comes twice.
CHANGES = [
    ("2026-03-04T13:00:00Z", HOUR),
    ("2026-03-04T14:30:00+01:00", 1.5 * HOUR),
    ("2026-03-04T08:00:00-05:00", HOUR),
    ("2026-03-04T18:15:00+05:45", 0.5 * HOUR),
    ("2026-03-08T03:30:00-04:00", 6 * HOUR),
]


@pytest.mark.parametrize(("end", "duration"), CHANGES)
def test_an_end_in_another_time_zone(end: str, duration: timedelta, account: Account) -> None:
    """Access ends at the shift's end in any time zone, or when the rule's duration is over."""
    account.double.fail(ON_CALLS, put("oncalls", 0, "end", value=end))
    decision = account.decide(ANA, when={"on_call": {"schedules": "any"}}, end_with_shift={})
    assert decision.duration == duration


@pytest.mark.parametrize(
    ("now", "end", "duration"),
    [
        ("2026-03-29T00:30:00Z", "2026-03-29T03:30:00+02:00", HOUR),
        ("2026-10-25T00:15:00Z", "2026-10-25T02:30:00+02:00", 0.25 * HOUR),
        ("2026-10-25T00:15:00Z", "2026-10-25T02:30:00+01:00", 1.25 * HOUR),
        ("2026-10-25T00:45:00Z", "2026-10-25T02:30:00+02:00", None),
    ],
)
def test_a_shift_over_a_change_of_clocks(
    now: str, end: str, duration: timedelta | None, account: Account
) -> None:
    """At a change of clocks, the offset decides which hour is meant."""
    account.clock.now = datetime.fromisoformat(now)
    account.double.put_on_shift("Payments", ANA, for_good=True)
    account.double.fail(ON_CALLS, put("oncalls", 0, "end", value=end))
    decision = account.decide(ANA, when={"on_call": {"schedules": "any"}}, end_with_shift={})
    assert (decision.duration if decision.approved else None) == duration


# -- faults --------------------------------------------------------------------------------------

FAULTS = [
    *BAD_ANSWERS,
    pytest.param(faults.Status(401), "answered 401; the key is wrong", id="401"),
    pytest.param(faults.Status(403), "answered 403; the key may not see it", id="403"),
    pytest.param(TooManyRequests(3600), "answered 429", id="limits the rate"),
    pytest.param(faults.Drip(0.02), "no complete answer in time", id="drips"),
    pytest.param(faults.WrongValue("", []), "the answer could not be read", id="is a list"),
]


@pytest.mark.parametrize("path", [USERS, ON_CALLS])
@pytest.mark.parametrize(("fault", "problem"), FAULTS)
def test_nobody_is_approved_if_a_call_fails(
    fault: Fault,
    problem: str,
    path: str,
    account: Account,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If users or on-calls fail, nobody is approved, and the failure is reported."""
    account.double.fail(path, fault)
    slow = takes_time(fault) or isinstance(fault, faults.Drip)
    snapshot = account.find(query_of(PAYMENTS), real_deadline(0.4) if slow else None)
    assert holders(snapshot) == []
    failure = snapshot.failures[0]
    assert (failure.question, problem in failure.problem) == ("on-calls", True)
    assert ("PagerDuty", "on_call") in snapshot.incomplete


def test_a_rate_limit_that_ends_in_time(account: Account) -> None:
    """If a rate limit ends before the deadline, the call is repeated after a wait."""
    account.double.fail(USERS, TooManyRequests(1), times=1)
    assert account.counts(PAYMENTS)
    assert account.clock.waits == [1.0]


@pytest.mark.parametrize("what", PAGERDUTY["users"])
def test_a_wrong_type_in_a_user(what: str, account: Account) -> None:
    """A user of a wrong type is dropped and reported."""
    fault = PAGERDUTY["users"][what]
    account.double.fail(USERS, fault)
    snapshot = account.find(query_of(PAYMENTS))
    hidden = what == "users.*.email: null"
    assert holders(snapshot) == ([ANA] if hidden else [])
    assert bool(problems(snapshot)) is not hidden


def test_a_user_with_an_invalid_id(account: Account) -> None:
    """A user with an invalid id is dropped, reported, and never used in a URL."""
    account.double.fail(USERS, put("users", 0, "id", value="../x"))
    snapshot = account.find(query_of(PAYMENTS))
    assert (snapshot.users, problems(snapshot)) == ((), ["1 entries could not be read"])


@pytest.mark.parametrize(
    "fault",
    [faults.Status(500), faults.Garbage(), faults.HangUp("body"), drop("more")],
    ids=["an error", "garbage", "cut off", "without more"],
)
def test_a_later_page_of_users_is_broken(fault: Fault, account: Account) -> None:
    """If a later page of users fails, another user could have the e-mail: nobody is approved."""
    for number in range(120):
        account.double.add_person("x", f"{number}{ANA}")
    account.double.fail(USERS, fault, page=2 if not isinstance(fault, Edited) else 1)
    assert not account.counts(PAYMENTS)


@pytest.mark.parametrize("fault", [faults.Status(500), faults.Garbage()], ids=repr)
def test_a_later_page_of_on_calls_is_broken(fault: Fault, account: Account) -> None:
    """If a later page of on-calls fails, those of earlier pages still count."""
    for number in range(120):
        account.on_shift(f"S{number}", ANA)
    last = account.double.schedules[-1].id
    account.double.fail(ON_CALLS, fault, page=2)
    assert account.counts(PAYMENTS)
    assert not account.counts(last)
    account.double.clear_faults()
    assert account.counts(last)


@pytest.mark.parametrize("fault", [EndlessPages(), EndlessPages(empty=True)], ids=repr)
def test_users_without_end(fault: Fault, account: Account) -> None:
    """If the search for users never ends, nobody is approved."""
    account.double.fail(USERS, fault)
    assert not account.counts(PAYMENTS)


def test_the_on_calls_fail_but_not_the_schedule(account: Account) -> None:
    """If the on-calls fail, a schedule without escalation policies still counts."""
    forgotten = account.on_shift("Forgotten", ANA, policy=False)
    account.double.fail(ON_CALLS, faults.Status(500))
    outcome = decide_with(account, ANA, schedules=[forgotten])
    assert outcome.decisions[0].approved
    assert [failure.question for failure in outcome.snapshot.failures] == ["on-calls"]


def test_every_question_is_asked_once(account: Account) -> None:
    """No question is asked twice."""
    query = query_of("Payments", "Search", PAYMENTS, "PNONE1")
    snapshot = account.find(query)
    questions = list(account.client.questions(query, snapshot))
    assert len({question.key for question in questions}) == len(questions)
    assert next(iter(account.client.questions(query, ProviderSnapshot()))).key in {
        question.key for question in questions
    }


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(403), "answered 403; the key may not see it"),
        (faults.WrongValue("users", None), "the answer could not be read: users is missing"),
    ],
)
def test_whether_the_key_may_see_users(fault: Fault, problem: str, account: Account) -> None:
    """The inventory checks that the key may read users."""
    questions = list(inventory_questions("PagerDuty", account.client))
    assert ask(questions, account.clock.deadline()).failures == ()
    assert account.double.calls[0].query == {"limit": ["1"]}
    account.double.fail(USERS, fault)
    (failure,) = ask(questions, account.clock.deadline()).failures
    assert failure.question == "users"
    assert failure.problem.startswith(problem)


def test_longer_access_by_a_name(account: Account) -> None:
    """A name that grants longer access is looked up even if an id approves already."""
    rules = [
        {"name": name, "resources": "any", "when": {"on_call": {"schedules": [name]}}, **lasts}
        for name, lasts in ((PAYMENTS, {"duration": "1h"}), ("Payments", {"duration": "4h"}))
    ]
    policy = read_policy(json.dumps({"rules": rules, "aliases": {}}))
    request = Request(Resource("slack/user", "U1", ANA), (Resource("db", "prod"),))
    clock = account.clock
    outcome = collect_and_decide(
        [request], policy, {"PagerDuty": account.client}, clock.clock, clock.deadline()
    )
    assert outcome.decisions[0].duration == 4 * HOUR
