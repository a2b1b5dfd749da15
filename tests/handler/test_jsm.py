"""JSM Operations: a site's schedules, the accounts on shift, and the people behind them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from handler.clock import Deadline
from handler.http import Client
from handler.providers import jsm
from handler.providers.base import DutyQuery
from sandbox.vendors import faults
from sandbox.vendors.jsm import CLOUD_ID, JSM, OPS_SCOPE, USER_SCOPE
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    ANAS_END,
    BOT,
    PAYMENTS,
    TOKEN,
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
from tests.handler.scripted import Scripted, reply

SCHEDULES = f"/jsm/ops/api/{CLOUD_ID}/v1/schedules"
ON_CALLS = f"{SCHEDULES}/{PAYMENTS}/on-calls"
USERS_AT = f"/ex/jira/{CLOUD_ID}/rest/api/3/user"
TENANT, USERS, SEARCH = "/_edge/tenant_info", f"{USERS_AT}/bulk", f"{USERS_AT}/search"
PAYMENTS_ONLY = DutyQuery(schedules=("Payments",))


@pytest.fixture
def account(client: Client, set_clock: SetClock) -> Iterator[Account]:
    """A JSM Operations account, with a clock set by hand."""
    with open_atlassian("jsm", client, set_clock) as one:
        yield one


@pytest.fixture
def double(account: Account) -> JSM:
    """The account's double."""
    assert isinstance(account.double, JSM)
    return account.double


def _account(double: JSM, email: str) -> str:
    return next(person.id for person in double.people if person.email == email)


# -- calls ---------------------------------------------------------------------------------------


def test_the_calls_of_a_decision(account: Account, double: JSM) -> None:
    """A decision reads the cloud id once, then schedules, on-calls and users."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO, rotation="Nights")
    assert holders(account.find()) == [ANA, "bo@acme.example"]
    calls = list(double.calls)
    assert double.calls.paths() == [TENANT, SCHEDULES, ON_CALLS, USERS]
    assert "authorization" not in calls[0].headers
    output = b64encode(f"{BOT}:{TOKEN}".encode()).decode()
    assert {call.headers["authorization"] for call in calls[1:]} == {f"Basic {output}"}
    assert [call.query for call in calls[1:3]] == [
        {"size": ["100"], "offset": ["0"]},
        {"flat": ["false"]},
    ]
    assert calls[3].query == {
        "accountId": [_account(double, ANA), _account(double, BO)],
        "maxResults": ["2"],
        "startAt": ["0"],
    }
    account.find()
    assert double.calls.paths()[4:] == [SCHEDULES, ON_CALLS, USERS]


def test_no_account_is_looked_up_if_nobody_is_on_shift(account: Account, double: JSM) -> None:
    """If nobody is on shift, no account is looked up."""
    double.put_on_shift("Payments", None)
    assert account.find().failures == ()
    assert double.calls.paths() == [TENANT, SCHEDULES, ON_CALLS]


def test_only_schedules_that_a_rule_names(account: Account, double: JSM) -> None:
    """Only enabled schedules that match a rule's exact name or id are queried."""
    search = double.add_schedule("Search (Payments too)")
    double.add_schedule("payments")
    old = double.add_schedule("Old", enabled=False)
    for wants, ids in (
        (PAYMENTS_ONLY, [PAYMENTS]),
        (DutyQuery(schedules=(search.id,)), [search.id]),
        (DutyQuery(schedules=("Old", "None", old.id)), []),
    ):
        before = len(double.calls)
        account.find(wants)
        asked = [path for path in double.calls.paths()[before:] if path.endswith("/on-calls")]
        assert asked == [f"{SCHEDULES}/{id_}/on-calls" for id_ in ids]
    before = len(double.calls)
    account.find(DutyQuery(any_schedule=True))
    assert account.count_calls("/on-calls") == 2 + 3
    assert not any("query" in call.query for call in double.calls)
    assert not any("Payments" in path for path in double.calls.paths())


def test_the_first_schedules_only(
    account: Account, double: JSM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a limit, schedules are skipped and that is reported; named ones come first."""
    monkeypatch.setattr(jsm, "MOST_SCHEDULES", 2)
    for name in ("S1", "S2", "S3"):
        double.put_on_shift(double.add_schedule(name), ANA)
    snapshot = account.find(DutyQuery(schedules=("S3",), any_schedule=True))
    assert {duty.name for duty in snapshot.duties} == {"S3"}
    assert account.count_calls("/on-calls") == 2
    assert problems(snapshot) == ["only the first 2 of the schedules were asked about"]
    assert snapshot.duties[0].is_named("S3")
    monkeypatch.setattr(jsm, "MOST_SCHEDULES", 4)
    assert account.find(DutyQuery(schedules=("S3",), any_schedule=True)).failures == ()


def test_one_schedule_failing_hides_no_other(account: Account, double: JSM) -> None:
    """If one schedule fails, the others still count, by name or id."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift(double.add_schedule("Search"), BO)
    double.fail(ON_CALLS, faults.Status(404))
    snapshot = account.find()
    assert [(duty.holder, duty.is_named("Search")) for duty in snapshot.duties] == [
        ("bo@acme.example", True)
    ]
    assert [str(failure) for failure in snapshot.failures] == [
        f"JSM Operations on-calls of {PAYMENTS}: answered 404"
    ]


# -- pages of schedules --------------------------------------------------------------------------


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsm, "PAGE_SIZE", 2)


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(("more", "calls"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)])
def test_all_schedules(more: int, calls: int, account: Account, double: JSM) -> None:
    """All pages of schedules are read, each once."""
    ids = [PAYMENTS, *(double.add_schedule(f"S{number}").id for number in range(more))]
    snapshot = account.find(DutyQuery(schedules=("Nothing",)))
    assert ([listed.id for listed in snapshot.schedules_and_roles], snapshot.failures) == (ids, ())
    offsets = [call.query["offset"] for call in double.calls if call.path == SCHEDULES]
    assert offsets == [[str(2 * number)] for number in range(calls)]


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.Status(500), "answered 500"),
        (faults.Garbage(), "the response is not JSON"),
        (faults.HangUp("body"), "connection failed: the response was cut off"),
        (faults.WrongValue("", []), "the answer could not be read: the answer is not an object"),
        (drop("values"), "the answer could not be read: values is missing"),
    ],
)
def test_a_later_page_is_broken(fault: Fault, problem: str, account: Account, double: JSM) -> None:
    """If a later page fails, earlier schedules count by id only: names may not be unique."""
    for name in ("Payments 1", "Payments 2"):
        double.add_schedule(name)
    double.put_on_shift("Payments", ANA)
    double.fail(SCHEDULES, fault, page=2)
    snapshot = account.find(PAYMENTS_ONLY)
    assert problems(snapshot) == [problem]
    (duty,) = snapshot.duties
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("Payments")
    assert not account.decide().approved
    assert account.decide(when={"on_call": {"schedules": [PAYMENTS]}}).approved


@pytest.mark.parametrize("repeat", [False, True])
def test_a_list_without_end(repeat: bool, account: Account, double: JSM) -> None:  # noqa: FBT001 - a parameter of the test
    """Reading stops at a page that adds nothing; the schedules read count by id only."""
    double.put_on_shift("Payments", ANA)
    double.fail(SCHEDULES, faults.EndlessPages(repeat=repeat), times=2)
    snapshot = account.find(PAYMENTS_ONLY)
    assert double.calls.paths() == [TENANT, SCHEDULES, SCHEDULES, ON_CALLS, USERS]
    assert problems(snapshot) == ["a page says that there is another, and there is none"]
    (duty,) = snapshot.duties
    assert duty.is_named(PAYMENTS)
    assert not duty.is_named("Payments")


@pytest.mark.usefixtures("_pages_of_two")
def test_page_limit(account: Account, double: JSM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of exactly the page limit is read whole; one more schedule exceeds the limit."""
    monkeypatch.setattr(jsm, "MOST_PAGES", 2)
    for name in ("S1", "S2", "S3"):
        double.add_schedule(name)
    assert account.find(DutyQuery(schedules=("x",))).failures == ()
    double.add_schedule("S4")
    snapshot = account.find(DutyQuery(schedules=("x",)))
    assert problems(snapshot) == ["only the first 2 pages were read"]
    assert len(snapshot.schedules_and_roles) == 4
    assert snapshot.incomplete == {("JSM Operations", "on_call")}


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize(
    "link",
    [
        "{evil}/v1/schedules?offset=2&size=2",
        "//{host}/v1/schedules",
        "http://127.0.0.1@{host}/",
        "../../../evil",
        "/v1/schedules?offset=0",
    ],
)
def test_a_link_is_never_followed(
    link: str, account: Account, double: JSM, serve: Callable[..., Scripted]
) -> None:
    """The next-page link is never followed, so the token goes to one host only."""
    evil = serve(reply())
    host = urlsplit(evil.url).netloc
    for name in ("S1", "S2"):
        double.add_schedule(name)
    output = link.format(evil=evil.url, host=host)
    double.fail(SCHEDULES, put("links", "next", value=output), page=1)
    snapshot = account.find(DutyQuery(schedules=("x",)))
    assert (len(snapshot.schedules_and_roles), snapshot.failures) == (3, ())
    assert evil.requests == []


def test_a_link_that_is_null(account: Account, double: JSM) -> None:
    """A null or missing link means that there is no next page."""
    for edit in (put("links", "next", value=None), drop("links")):
        double.fail(SCHEDULES, edit)
        assert account.find(DutyQuery(schedules=("x",))).failures == ()


# -- who is on shift -----------------------------------------------------------------------------


def test_only_accounts_on_shift_count(account: Account, double: JSM) -> None:
    """People behind an escalation, team or nested schedule don't count, only direct accounts."""
    inner = double.add_schedule("Inner")
    double.put_on_shift(inner, CY)
    for thing in (
        double.add_escalation("Steps", [(ANA, 0), (BO, 5)]),
        double.add_team("Core", [ANA]),
        inner,
    ):
        double.put_on_shift("Payments", thing)
    snapshot = account.find(PAYMENTS_ONLY)
    assert (snapshot.duties, snapshot.failures) == ((), ())
    assert account.count_calls("/bulk") == 0
    double.put_on_shift("Payments", BO)
    assert holders(account.find(PAYMENTS_ONLY)) == ["bo@acme.example"]


def test_the_flat_list_is_not_read(account: Account, double: JSM) -> None:
    """The flat list includes backups: such an answer puts nobody on call, and is reported."""
    double.put_on_shift("Payments", ANA)
    ana = _account(double, ANA)
    for flat in ({"onCallUsers": [ana]}, {"onCallRecipients": [ANA]}):
        double.fail(ON_CALLS, faults.WrongValue("", flat))
        snapshot = account.find()
        assert snapshot.duties == ()
        assert problems(snapshot) == ["the answer could not be read: onCallParticipants is missing"]


@pytest.mark.parametrize("what", faults.JSM["on-calls"])
def test_trees_of_wrong_types(what: str, account: Account, double: JSM) -> None:
    """An entry of a wrong type puts nobody on call, and is reported."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift(double.add_schedule("Search"), BO)
    double.fail(ON_CALLS, faults.JSM["on-calls"][what])
    snapshot = account.find()
    counts = what.startswith("onCallParticipants.*.onCallParticipants:")  # not read
    assert holders(snapshot) == [*([ANA] if counts else []), "bo@acme.example"]
    assert bool(snapshot.failures) is not counts
    assert account.decide().approved is counts


def test_an_unreadable_participant_hides_no_other(account: Account, double: JSM) -> None:
    """An unreadable participant is skipped and reported; others still count."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO)
    double.fail(ON_CALLS, put("onCallParticipants", 0, "id", value=7))
    snapshot = account.find()
    assert holders(snapshot) == ["bo@acme.example"]
    assert problems(snapshot) == ["1 entries could not be read"]


# -- accounts ------------------------------------------------------------------------------------


def test_accounts_of_one_e_mail_are_one_person(account: Account, double: JSM) -> None:
    """By either they are on call, for as long as the longer shift of both lasts."""
    second = double.add_person("Ana again", "ANA@acme.example")
    now, hour = account.clock.now, timedelta(hours=1)
    double.put_on_shift("Payments", _account(double, ANA), end=now + hour)
    double.put_on_shift("Payments", second, end=now + 2 * hour)
    assert holders(account.find()) == [ANA, ANA]
    decision = account.decide()
    assert (decision.approved, len(decision.evidence)) == (True, 1)
    assert {duty.end for duty in decision.duties} == {now + hour, now + 2 * hour}
    assert account.decide(end_with_shift={}).duration == 2 * hour


def test_accounts_that_were_not_requested(account: Account, double: JSM) -> None:
    """An account in the answer that isn't on shift doesn't count."""
    double.put_on_shift("Payments", ANA)
    bo = _account(double, BO)
    double.fail(USERS, Edited(lambda body: body["values"][0].update(accountId=bo)))
    assert account.find().duties == ()


def test_an_account_id_is_escaped_in_the_query(account: Account, double: JSM) -> None:
    """An account id with special characters stays one value of the query."""
    double.put_on_shift("Payments", ANA)
    odd = "712020:x&accountId=712020:y#z /é"
    double.fail(ON_CALLS, put("onCallParticipants", 0, "id", value=odd))
    account.find()
    assert list(double.calls)[-1].query["accountId"] == [odd]


def test_many_on_shift(account: Account, double: JSM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts are looked up in batches of our size, not the vendor's default of ten."""
    people = [double.add_person(f"P{n}", f"p{n:02}@acme.example") for n in range(30)]
    for number, person in enumerate(people):
        double.put_on_shift("Payments", person, rotation=f"R{number}")
    assert len(holders(account.find())) == 30
    assert account.count_calls("/bulk") == 1
    monkeypatch.setattr(jsm, "ACCOUNTS_A_CALL", 15)
    assert len(holders(account.find())) == 30
    assert account.count_calls("/bulk") == 3


def test_pages_of_users(account: Account, double: JSM) -> None:
    """If the site returns fewer users than requested, the next page is read."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO, rotation="Nights")

    def cut(body: dict[str, list[object]]) -> None:
        start = int(str(body["startAt"]))
        body["values"] = body["values"][:1]
        body["isLast"] = start > 0  # type: ignore[assignment]  # any JSON

    double.fail(USERS, Edited(cut))
    assert holders(account.find()) == [ANA, "bo@acme.example"]
    assert [call.query["startAt"] for call in double.calls if call.path == USERS] == [["0"], ["1"]]


@pytest.mark.parametrize("what", faults.JSM["users"])
def test_users_of_wrong_types(what: str, account: Account, double: JSM) -> None:
    """A user of a wrong type isn't on call; all but a missing e-mail is reported."""
    double.put_on_shift("Payments", ANA)
    double.fail(USERS, faults.JSM["users"][what])
    snapshot = account.find()
    counts = what in {'isLast: "true"', 'total: "1"'}
    assert holders(snapshot) == ([ANA] if counts else [])
    harmless = {"values.*.emailAddress: null", 'values.*.emailAddress: ""', 'total: "1"'}
    assert bool(snapshot.failures) is (what not in harmless)
    assert ANA not in repr(snapshot.failures)


def test_an_unreadable_user_hides_no_other(account: Account, double: JSM) -> None:
    """An unreadable user is skipped and reported; others still count."""
    double.put_on_shift("Payments", ANA)
    double.put_on_shift("Payments", BO)
    double.fail(USERS, put("values", 0, "emailAddress", value=7))
    snapshot = account.find()
    assert holders(snapshot) == ["bo@acme.example"]
    assert problems(snapshot) == ["1 entries could not be read"]


def test_timeline_needs_no_further_accounts(account: Account, double: JSM) -> None:
    """The timeline uses the accounts already looked up, without further calls."""
    double.put_on_shift("Payments", double.add_team("Core", [ANA]), rotation="Nights")
    double.put_on_shift("Payments", ANA)
    snapshot = account.find(ANAS_END._replace(holders=None))
    assert [bool(duty.end) for duty in snapshot.duties] == [True]
    assert double.calls.paths() == [
        TENANT,
        SCHEDULES,
        ON_CALLS,
        USERS,
        f"{SCHEDULES}/{PAYMENTS}/timeline",
    ]


# -- faults --------------------------------------------------------------------------------------

_STAGES = {
    TENANT: "schedules",
    SCHEDULES: "schedules",
    ON_CALLS: f"on-calls of {PAYMENTS}",
    USERS: f"on-calls of {PAYMENTS}",
}


@pytest.mark.parametrize("path", _STAGES)
@pytest.mark.parametrize(
    ("fault", "problem"),
    BAD_ANSWERS,
)
def test_each_call_fails(
    path: str,
    fault: Fault,
    problem: str,
    account: Account,
    double: JSM,
    real_deadline: Callable[[float], Deadline],
) -> None:
    """Whichever call fails, nobody is on call, in time, and the failure names the call."""
    double.put_on_shift("Payments", ANA)
    double.fail(path, fault)
    slow = takes_time(fault)
    snapshot = account.find(deadline=real_deadline(0.5) if slow else None)
    assert snapshot.duties == ()
    (failure,) = snapshot.failures
    assert failure.question == _STAGES[path]
    assert problem in failure.problem
    # Only a 404 suggests that JSM_SITE is wrong.
    is_missing = path == TENANT and "answered 404" in failure.problem
    assert ("JSM_SITE" in failure.problem) is is_missing


def test_a_site_that_is_not_there(account: Account, double: JSM) -> None:
    """A 404 for the site says that JSM_SITE may be wrong."""
    double.fail(TENANT, faults.Status(404))
    assert problems(account.find()) == ["answered 404: no such site, so JSM_SITE may be wrong"]


@pytest.mark.parametrize("path", [SCHEDULES, USERS])
def test_what_a_refusal_says(path: str, account: Account, double: JSM) -> None:
    """A 401 names the scope that the token may lack."""
    double.put_on_shift("Payments", ANA)
    scope = OPS_SCOPE if path == SCHEDULES else USER_SCOPE
    double.fail(path, faults.Status(401))
    assert problems(account.find()) == [
        f"answered 401; the e-mail or the token is wrong, or the token lacks the scope {scope}"
    ]
    double.fail(path, faults.Status(403))
    assert problems(account.find()) == ["answered 403; the account may not see this"]


@pytest.mark.parametrize("what", faults.JSM["tenant"])
def test_invalid_cloud_ids(what: str, account: Account, double: JSM) -> None:
    """An invalid cloud id isn't put into a URL, and the token isn't sent."""
    double.put_on_shift("Payments", ANA)
    double.fail(TENANT, faults.JSM["tenant"][what])
    snapshot = account.find()
    assert snapshot.duties == ()
    assert len(snapshot.failures) == 1
    assert double.calls.paths() == [TENANT]
    double.clear_faults()
    assert holders(account.find()) == [ANA]


@pytest.mark.parametrize("what", faults.JSM["schedules"])
def test_schedules_of_wrong_types(what: str, account: Account, double: JSM) -> None:
    """A schedule of a wrong type approves nobody by name, and is reported."""
    double.put_on_shift("Payments", ANA)
    double.fail(SCHEDULES, faults.JSM["schedules"][what])
    decision = account.decide()
    snapshot = account.find(PAYMENTS_ONLY)
    assert not decision.approved
    assert bool(snapshot.failures) is (what != "values.*.name: null")


def test_token_and_email_are_never_repeated(
    account: Account, serve: Callable[..., Scripted]
) -> None:
    """If an error's body repeats the token and e-mail, the failure doesn't."""
    body = json.dumps({"message": f"{BOT} {TOKEN}", "cloudId": "c1"}).encode()
    server = serve(reply(body), reply(body, 401))
    snapshot = account.reconnect(JSM_SITE=server.url, JSM_BASE_URL=server.url).find()
    assert len(snapshot.failures) == 1
    assert [urlsplit(request.target).path for request in server.requests] == [
        TENANT,
        "/jsm/ops/api/c1/v1/schedules",
    ]
    assert parse_qs(urlsplit(server.requests[1].target).query)["size"] == ["100"]
