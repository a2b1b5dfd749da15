"""JSM Operations, asked about one person and a few schedules, with each kind of token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from handler.clock import Deadline
from handler.duty import ProviderUser
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.jsm import MOST_ACCOUNTS, MOST_SCHEDULES, JSMClient
from sandbox.vendors import faults
from sandbox.vendors.jsm import CLOUD_ID, JSM
from sandbox.vendors.server import Fault, Response
from tests.handler.accounts import AtlassianAccount as Account
from tests.handler.accounts import holders, open_atlassian, problems
from tests.handler.bad_answers import BAD_ANSWERS, takes_time
from tests.handler.conftest import ANA, BO, NOW, SetClock
from tests.handler.edited_answers import Edited, drop, put

HOUR = timedelta(hours=1)
ID = "e71d500f-896a-4b28-8b08-3bfe56e1ed76"
SCHEDULES = f"/jsm/ops/api/{CLOUD_ID}/v1/schedules"
ONE, ON_CALLS, TIMELINE = (f"{SCHEDULES}/{ID}{end}" for end in ("", "/on-calls", "/timeline"))
TENANT, USERS = "/_edge/tenant_info", f"/ex/jira/{CLOUD_ID}/rest/api/3/user"
SEARCH, BULK = f"{USERS}/search", f"{USERS}/bulk"
AT_SITE = "/rest/api/3/user/search"


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """A site where Ana is on shift for Nights, and the cloud id is already known."""
    with open_atlassian("jsm", client, set_clock) as one:
        one.double.put_on_shift(one.double.add_schedule("Nights", id=ID), ANA)
        one.find(DutyQuery(schedules=("nothing",), holders=frozenset()))
        one.double.calls.clear()
        yield one


@pytest.fixture
def double(account: Account) -> JSM:
    """The account's double."""
    assert isinstance(account.double, JSM)
    return account.double


def counts(account: Account, entry: str, email: str = ANA) -> bool:
    """Whether a rule that names this schedule approves somebody."""
    return account.decide(email, when={"on_call": {"schedules": [entry]}}).approved


def id_of(double: JSM, email: str) -> str:
    """The account id of somebody."""
    return next(person.id for person in double.people if person.email == email)


# -- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("entry", "path"), [("Nights", SCHEDULES), (ID, ONE)])
def test_four_calls(entry: str, path: str, account: Account, double: JSM) -> None:
    """A decision takes four calls: account, schedule, on-calls and timeline."""
    assert counts(account, entry)
    paths = double.calls.paths()
    assert (sorted(paths[:2]), paths[2:]) == (sorted([SEARCH, path]), [ON_CALLS, TIMELINE])
    queries = {call.path: call.query for call in double.calls}
    assert queries[SEARCH] == {"query": [ANA], "maxResults": [str(MOST_ACCOUNTS)]}
    if path == SCHEDULES:
        assert queries[path] == {"query": ["Nights"], "size": ["100"], "offset": ["0"]}


def test_an_end_that_a_rule_needs(account: Account, double: JSM) -> None:
    """A rule that needs the shift's end costs no further call."""
    double.put_on_shift("Nights", BO, NOW, NOW + 3 * HOUR, rotation="r2")
    when = {"on_call": {"schedules": ["Nights"]}}
    decision = account.decide("bo@acme.example", when=when, end_with_shift={})
    assert decision.duration == 3 * HOUR
    assert double.calls.paths()[2:] == [ON_CALLS, TIMELINE]


@pytest.mark.parametrize("entry", ["Nights", ID])
def test_the_same_calls_on_a_large_site(entry: str, account: Account, double: JSM) -> None:
    """The number of calls doesn't grow with people and schedules that don't matter."""

    def count(email: str) -> tuple[bool, int]:
        double.calls.clear()
        return counts(account, entry, email), len(double.calls)

    small = [count(email) for email in (ANA, BO)]
    for number in range(150):
        email = f"p{number}@acme.example"
        double.add_person(f"Person {number}", email)
        double.put_on_shift(double.add_schedule(f"Schedule {number}"), email)
    assert [count(email) for email in (ANA, BO)] == small == [(True, 4), (False, 3)]


def test_many_schedules(account: Account, double: JSM) -> None:
    """If a rule names many schedules, the whole list is read once, and none is missed."""
    names = [f"Schedule no {number}" for number in range(MOST_SCHEDULES)]
    assert account.decide(when={"on_call": {"schedules": [*names, "Nights"]}}).approved
    assert double.calls.paths().count(SCHEDULES) == 1


# -- names and ids -------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_a_name_that_two_schedules_have(account: Account, double: JSM, *, enabled: bool) -> None:
    """A name of two schedules matches neither; an id does."""
    double.add_schedule("Nights", enabled=enabled)
    assert not counts(account, "Nights")
    assert counts(account, ID)


def test_a_schedule_named_like_another_ones_id(account: Account, double: JSM) -> None:
    """A schedule whose name equals another's id isn't the one that the policy names by id."""
    double.put_on_shift(double.add_schedule(ID), BO)
    assert not counts(account, ID, BO)
    assert counts(account, ID)


def test_a_name_that_looks_like_an_id(account: Account, double: JSM) -> None:
    """A name that looks like an id counts only once no schedule with that id is found."""
    double.put_on_shift(double.add_schedule("team-7"), ANA)
    assert counts(account, "team-7")
    double.fail(f"{SCHEDULES}/team-7", faults.Status(500))
    assert not counts(account, "team-7")


@pytest.mark.parametrize("status", [400, 422])
def test_a_name_that_is_refused_as_an_id(status: int, account: Account, double: JSM) -> None:
    """If the API rejects a name as an id, it's searched by name; a UUID isn't."""
    for name in ("team-7", ID):
        double.put_on_shift(double.add_schedule(name), BO)
        double.fail(f"{SCHEDULES}/{name}", faults.Status(status))
    assert counts(account, "team-7", BO)
    assert not counts(account, ID, BO)


def test_a_name_in_place_of_an_id(account: Account, double: JSM) -> None:
    """If the API finds a schedule by name where an id belongs, the name still isn't unique."""
    own, _ = double.add_schedule("team-7"), double.add_schedule("team-7")
    double.put_on_shift(own, ANA)
    answer = Response(200, {"id": own.id, "name": "team-7", "enabled": True})
    double.fail(f"{SCHEDULES}/team-7", lambda exchange: exchange.send(answer))
    assert not counts(account, "team-7")


def test_a_name_that_begins_other_names(account: Account, double: JSM) -> None:
    """Names that begin alike don't matter, but a second schedule of the same name does."""
    for number in range(120):
        double.add_schedule(f"Nights {number}")
    assert counts(account, "Nights")
    double.add_schedule("Nights")
    assert not counts(account, "Nights")


@pytest.mark.parametrize("entry", ["Nights", ID])
def test_a_disabled_schedule(entry: str, account: Account, double: JSM) -> None:
    """Nobody is on call for a disabled schedule."""
    double.enable_schedule("Nights", enabled=False)
    assert not counts(account, entry)
    assert double.calls.paths().count(ON_CALLS) == 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(401),
        faults.Status(403),
        faults.Status(500),
        faults.Garbage(),
        drop("values"),
        faults.EndlessPages(),
        faults.EndlessPages(repeat=True),
    ],
    ids=["401", "403", "500", "garbage", "no list", "no end", "repeats"],
)
def test_a_search_for_a_schedule_that_fails(fault: Fault, account: Account, double: JSM) -> None:
    """If the search fails, the name may not be unique, and approves nobody."""
    double.fail(SCHEDULES, fault)
    assert not counts(account, "Nights")


# -- accounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email", ["ana@acme.exampl", "ana", "na@acme.example", "ana@acme.example.org"]
)
def test_an_email_that_is_not_the_same(email: str, account: Account, double: JSM) -> None:
    """A part of Ana's e-mail, or a longer one, doesn't identify Ana."""
    double.add_person("Other", "ana@acme.example.org")
    assert not counts(account, "Nights", email)
    assert counts(account, "Nights")


def test_an_account_with_an_email_as_its_name(account: Account, double: JSM) -> None:
    """An account named like Ana's e-mail, without an e-mail, isn't Ana's."""
    double.put_on_shift("Nights", double.add_person(ANA, None), rotation="r2")
    double.take_off_shift("Nights", ANA)
    assert not counts(account, "Nights")


def test_several_accounts_with_one_email(account: Account, double: JSM) -> None:
    """If several accounts have the e-mail, the accounts on shift are looked up instead."""
    second = double.add_person("Ana again", "ANA@acme.example")
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    assert (snapshot.users, holders(snapshot)) == ((), [ANA])
    assert double.calls.paths().count(BULK) == 1
    double.change_person(second, active=False)
    assert counts(account, "Nights")
    assert double.calls.paths().count(BULK) == 1


@pytest.mark.parametrize(
    "change", [{"active": False}, {"account_type": "app"}, {"account_type": "customer"}]
)
def test_an_account_that_is_not_a_persons(
    change: dict[str, object], account: Account, double: JSM
) -> None:
    """A closed account, or one that isn't a person's, approves nobody."""
    double.change_person(ANA, **change)  # type: ignore[arg-type]
    assert not counts(account, "Nights")


def test_a_hidden_email(account: Account, double: JSM) -> None:
    """A person with a hidden e-mail isn't found, but is counted as on shift without e-mail."""
    double.change_person(ANA, hidden=True)
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    assert (snapshot.duties, snapshot.users) == ((), ())
    assert [duty.user for duty in snapshot.without_email] == [id_of(double, ANA)]
    assert not counts(account, "Nights")


def test_only_the_requesters_account_is_looked_up(account: Account, double: JSM) -> None:
    """If the requester's account is found, colleagues on shift aren't looked up."""
    double.put_on_shift("Nights", BO, rotation="r2")
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    assert snapshot.users == (ProviderUser("JSM Operations", ANA, id_of(double, ANA)),)
    assert (holders(snapshot), snapshot.without_email) == ([ANA], ())
    assert double.calls.paths().count(BULK) == 0


def test_more_accounts_than_are_read(account: Account, double: JSM) -> None:
    """If more accounts match than are read, that is reported."""
    for number in range(MOST_ACCOUNTS):
        double.add_person("Other", f"{ANA}.{number}")
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    assert problems(snapshot) == ["more accounts were found than are read"]


# -- tokens --------------------------------------------------------------------------------------


def test_a_token_with_scopes(account: Account, double: JSM) -> None:
    """A token with scopes works at the gateway, and the site isn't called."""
    assert counts(account, "Nights")
    assert not any(path.startswith("/rest/") for path in double.calls.paths())


def test_a_token_without_scopes(account: Account, double: JSM) -> None:
    """A token without scopes works at the site, which is remembered."""
    double.scopes = None
    assert counts(account, "Nights")
    assert double.calls.paths().count(SEARCH) == double.calls.paths().count(AT_SITE) == 1
    assert counts(account, "Nights")
    assert double.calls.paths().count(SEARCH) == 1
    assert double.calls.paths().count(AT_SITE) == 2


def test_a_token_that_the_gateway_refused_once(account: Account, double: JSM) -> None:
    """The gateway is tried again once the site refuses the token, without a restart."""
    double.fail(SEARCH, faults.Status(401), times=1)
    nobody = Response(200, [])  # the site's answer to an unknown caller
    double.fail(AT_SITE, lambda exchange: exchange.send(nobody), times=1)
    assert counts(account, "Nights")
    double.calls.clear()
    assert counts(account, "Nights")
    assert double.calls.paths().count(SEARCH) == 1


def test_a_token_that_is_refused_everywhere(account: Account, double: JSM) -> None:
    """If gateway and site refuse the token, the failure says what may be wrong."""
    double.scopes = ["read:ops-config:jira-service-management"]
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    reason = "the e-mail or the token is wrong, or the token lacks the scope read:jira-user"
    assert set(problems(snapshot)) == {f"answered 401; {reason}"}
    assert holders(snapshot) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_only_a_refusal_leads_to_the_site(status: int, account: Account, double: JSM) -> None:
    """Only a 401 from the gateway leads to the site; other errors don't."""
    double.fail(USERS, faults.Status(status))
    assert not counts(account, "Nights")
    assert AT_SITE not in double.calls.paths()


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        *BAD_ANSWERS,
        pytest.param(faults.TooManyRequests(3600), "answered 429", id="limits the rate"),
        pytest.param(faults.Drip(0.02), "no complete answer in time", id="drips"),
        pytest.param(faults.WrongValue("", {}), "the answer is not a list", id="an object"),
        pytest.param(faults.WrongValue("", None), "the answer is not a list", id="null"),
    ],
)
def test_a_search_for_accounts_that_fails(
    fault: Fault,
    problem: str,
    account: Account,
    double: JSM,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """If the account search fails, the accounts on shift are looked up in time."""
    double.fail(SEARCH, fault)
    slow = takes_time(fault) or isinstance(fault, faults.Drip)
    query = DutyQuery(schedules=("Nights",), holders=frozenset({ANA}))
    snapshot = account.find(query, real_deadline(0.4) if slow else None)
    assert problem in problems(snapshot)[0]
    assert {failure.question for failure in snapshot.failures} <= {
        "accounts",
        f"on-calls of {ID}",
        f"timeline of {ID}",
    }
    if not slow:
        assert holders(snapshot) == [ANA]
        assert double.calls.paths().count(BULK) == 1


@pytest.mark.parametrize(
    "edit",
    [
        put(0, "accountId", value=7),
        put(0, "accountId", value=None),
        put(0, "emailAddress", value=[ANA]),
        put(0, "active", value="true"),
        put(0, value="Ana"),
    ],
    ids=["a number as id", "no id", "a list of e-mails", "a text for active", "a text"],
)
def test_a_wrong_type_in_an_account(edit: Edited, account: Account, double: JSM) -> None:
    """An account of a wrong type is skipped and reported."""
    double.fail(SEARCH, edit)
    snapshot = account.find(DutyQuery(schedules=("Nights",), holders=frozenset({ANA})))
    assert (snapshot.users, problems(snapshot)) == ((), ["1 entries could not be read"])


def test_the_cloud_id_hangs(
    client: Client, set_clock: SetClock, real_deadline: Callable[[float], Deadline]
) -> None:
    """If the cloud id can't be read, other questions give up in time."""
    with open_atlassian("jsm", client, set_clock) as one:
        one.double.fail(TENANT, faults.Hang())
        query = DutyQuery(schedules=("Nights",), holders=frozenset({ANA}))
        snapshot = one.find(query, real_deadline(0.3))
        assert set(one.double.calls.paths()) == {TENANT}
    assert snapshot.duties == ()


def test_waiting_for_the_cloud_id(client: Client, set_clock: SetClock) -> None:
    """While another thread reads the cloud id, others wait no longer than their deadline."""
    with open_atlassian("jsm", client, set_clock) as one:
        waiting = one.client
        assert isinstance(waiting, JSMClient)
        with waiting._finding:
            query = DutyQuery(schedules=("Nights",), holders=frozenset({ANA}))
            snapshot = one.find(query, set_clock.deadline(0))
        assert one.double.calls.paths() == []
    gave_up = "no complete answer in time"
    assert {problem.removeprefix("given up: ") for problem in problems(snapshot)} == {gave_up}


def test_a_frozen_thread_does_not_block_the_cloud_id(
    client: Client, set_clock: SetClock, real_deadline: Callable[[float], Deadline]
) -> None:
    """A thread left over from an earlier call doesn't keep others from reading the cloud id."""
    with open_atlassian("jsm", client, set_clock) as one:
        one.double.put_on_shift(one.double.add_schedule("Nights", id=ID), ANA)
        waiting = one.client
        assert isinstance(waiting, JSMClient)
        with waiting._finding:
            assert one.decide(
                deadline=real_deadline(2), when={"on_call": {"schedules": ["Nights"]}}
            ).approved
