"""The double of JSM Operations behaves as its documentation says, and so do its faults."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from sandbox.vendors import faults, jsm_faults
from sandbox.vendors.jsm import CLOUD_ID, JSM, OPS_SCOPE, USER_SCOPE
from tests.sandbox.atlassian_played import (
    ANA,
    BO,
    CY,
    DAY,
    HOUR,
    NOON,
    Watch,
    fetch,
    found_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOT, TOKEN = "bot@acme.example", "the-double-s-own-token"
API = f"/jsm/ops/api/{CLOUD_ID}"
SCHEDULES = f"{API}/v1/schedules"
PAYMENTS = f"{SCHEDULES}/pay-0001"
USER = "/rest/api/3/user"


def basic(email: str, token: str) -> str:
    """The header of an e-mail and an API token."""
    return "Basic " + b64encode(f"{email}:{token}".encode()).decode()


@pytest.fixture
def watch() -> Watch:
    """The double's clock."""
    return Watch()


@pytest.fixture
def double(watch: Watch) -> Iterator[JSM]:
    """A site of three people and a schedule with nobody on it."""
    with JSM(BOT, TOKEN, now=watch) as one:
        one.add_person("Ana Lima", ANA)
        one.add_person("Bo Berg", BO)
        one.add_person("Cy Cole", CY)
        one.add_schedule("Payments", id="pay-0001")
        yield one


def get(
    double: JSM, target: str, authorization: str | None = basic(BOT, TOKEN)
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers of one GET."""
    return fetch(double, target, authorization)


def right(double: JSM, target: str) -> Any:  # noqa: ANN401 - any JSON
    """The body of an answer that is right."""
    status, body, _ = get(double, target)
    assert status == 200, body
    return body


def account(double: JSM, email: str) -> str:
    """Whose e-mail it is."""
    (row,) = right(double, f"{USER}/search?query={email}")
    found: str = row["accountId"]
    return found


def names(double: JSM, target: str) -> list[str]:
    """The names in a list of schedules."""
    return [row["name"] for row in right(double, target)["values"]]


def tree(double: JSM) -> list[dict[str, Any]]:
    """The participants of the schedule."""
    found: list[dict[str, Any]] = right(double, f"{PAYMENTS}/on-calls")["onCallParticipants"]
    return found


def on_call(double: JSM) -> list[str]:
    """The flat list of the schedule."""
    found: list[str] = right(double, f"{PAYMENTS}/on-calls?flat=true")["onCallUsers"]
    return found


def periods(double: JSM, query: str, layer: str = "finalTimeline") -> list[dict[str, Any]]:
    """The periods of the schedule's one rotation."""
    (rotation,) = right(double, f"{PAYMENTS}/timeline?{query}")[layer]["rotations"]
    found: list[dict[str, Any]] = rotation["periods"]
    return found


# -- the site and its schedules ------------------------------------------------------------------


def test_anybody_may_ask_for_the_cloud_id(double: JSM) -> None:
    """The site tells it without a token."""
    assert get(double, "/_edge/tenant_info", None)[:2] == (200, {"cloudId": CLOUD_ID})
    with JSM(BOT, TOKEN, cloud_id="another") as other:
        assert right(other, "/_edge/tenant_info") == {"cloudId": "another"}
        assert right(other, "/jsm/ops/api/another/v1/schedules")["values"] == []
        assert get(other, SCHEDULES)[0] == 404


def test_schedules_by_what_is_in_their_name(double: JSM) -> None:
    """A query finds any part of a name in any case: what is found is not yet the one asked for."""
    team = double.add_team("Core")
    search = double.add_schedule("Search (PAYMENTS too)", team=team, enabled=False)
    double.add_schedule("Search")
    assert names(double, f"{SCHEDULES}?query=payments") == ["Payments", "Search (PAYMENTS too)"]
    body = right(double, f"{SCHEDULES}?query=too")
    assert body["values"] == [
        {
            "id": search.id,
            "name": "Search (PAYMENTS too)",
            "description": "Who answers for Search (PAYMENTS too).",
            "timezone": "UTC",
            "enabled": False,
            "teamId": team.id,
        }
    ]
    assert body["links"] == {}
    assert names(double, f"{SCHEDULES}?query=nothing") == []


def test_pages_of_schedules(double: JSM) -> None:
    """25 unless told; the link to the next leaves out the API's own path, and keeps the query."""
    for number in range(30):
        double.add_schedule(f"Schedule {number}")
    first = right(double, f"{SCHEDULES}?query=sched")
    assert len(first["values"]) == 25
    assert first["links"]["next"] == "/v1/schedules?query=sched&offset=25&size=25"
    second = right(double, API + first["links"]["next"])
    assert [row["name"] for row in second["values"]] == [f"Schedule {n}" for n in range(25, 30)]
    assert second["links"] == {}
    assert names(double, f"{SCHEDULES}?size=2&offset=30") == ["Schedule 29"]


def test_a_broken_second_page(double: JSM) -> None:
    """The fault is on the page by its place in the list."""
    double.add_schedule("Search")
    double.fail(SCHEDULES, faults.Status(500), page=2)
    assert get(double, f"{SCHEDULES}?size=1")[0] == 200
    assert get(double, f"{SCHEDULES}?size=1&offset=1")[0] == 500


def test_rotations_hold_everybody(double: JSM) -> None:
    """They come when asked for, or with the one schedule, whether somebody is on shift or not."""
    double.put_on_shift("Payments", ANA, NOON - DAY, NOON - HOUR)
    double.put_on_shift("Payments", None)
    assert "rotations" not in right(double, SCHEDULES)["values"][0]
    (rotation,) = right(double, f"{SCHEDULES}?expand=rotation")["values"][0]["rotations"]
    assert rotation["participants"] == [
        {"id": account(double, ANA), "type": "user"},
        {"type": "noone"},
    ]
    assert right(double, PAYMENTS)["rotations"] == [rotation]


def test_a_name_in_the_path_is_404(double: JSM) -> None:
    """Only an id will do, and no parameter makes a name of it."""
    double.rename_schedule("Payments", "Core / nights")
    assert right(double, PAYMENTS)["name"] == "Core / nights"
    name = quote("Core / nights", safe="")
    for path in (name, f"{name}/on-calls?scheduleIdentifierType=name", "none/timeline"):
        assert get(double, f"{SCHEDULES}/{path}")[0] == 404


# -- who is on call ------------------------------------------------------------------------------


def test_flat_list_is_of_account_ids(double: JSM) -> None:
    """Its field is not Opsgenie's, and back-ups are mixed in."""
    steps = double.add_escalation("First, then", [(ANA, 0), (BO, 5)])
    double.put_on_shift("Payments", CY)
    double.put_on_shift("Payments", steps)
    body = right(double, f"{PAYMENTS}/on-calls?flat=true")
    assert body == {"onCallUsers": [account(double, each) for each in (CY, ANA, BO)]}
    assert body["onCallUsers"][0].startswith("712020:")


def test_tree_has_no_names_and_no_times(double: JSM) -> None:
    """A step of an escalation does not say when it comes: only the escalation's rules do."""
    team = double.add_team("Core")
    steps = double.add_escalation("First, then", [(ANA, 0), (BO, 5)], team=team)
    double.put_on_shift("Payments", steps)
    ana, bo = account(double, ANA), account(double, BO)
    assert right(double, f"{PAYMENTS}/on-calls?flat=false") == {
        "onCallParticipants": [
            {
                "id": steps.id,
                "type": "escalation",
                "onCallParticipants": [{"id": ana, "type": "user"}, {"id": bo, "type": "user"}],
            }
        ]
    }
    (listed,) = right(double, f"{API}/v1/teams/{team.id}/escalations")["values"]
    assert [(rule["delay"], rule["recipient"]) for rule in listed["rules"]] == [
        (0, {"id": ana, "type": "user"}),
        (5, {"id": bo, "type": "user"}),
    ]
    assert right(double, f"{API}/v1/teams/none/escalations")["values"] == []


def test_teams_and_schedules_within(double: JSM) -> None:
    """Both are opened; a team of nobody is an id alone, and nobody is a participant too."""
    inner = double.add_schedule("Inner")
    double.put_on_shift(inner, ANA)
    double.put_on_shift("Payments", double.add_team("Core", [BO]))
    double.put_on_shift("Payments", inner)
    empty = double.add_team("Empty")
    double.put_on_shift("Payments", empty)
    double.put_on_shift("Payments", None)
    core, nested, alone, nobody = tree(double)
    assert core["onCallParticipants"] == [{"id": account(double, BO), "type": "user"}]
    assert (nested["id"], nested["type"]) == (inner.id, "schedule")
    assert nested["onCallParticipants"] == [{"id": account(double, ANA), "type": "user"}]
    assert alone == {"id": empty.id, "type": "team"}
    assert nobody == {"type": "noone"}
    assert on_call(double) == [account(double, BO), account(double, ANA)]


def test_forwarded_for_a_while(double: JSM, watch: Watch) -> None:
    """Whoever it is forwarded to is on call instead, until that ends."""
    ana, bo = account(double, ANA), account(double, BO)
    double.put_on_shift("Payments", ANA, end=NOON + DAY)
    double.forward(ANA, BO, end=NOON + HOUR)
    assert tree(double) == [
        {"id": bo, "type": "user", "forwardedFrom": {"id": ana, "type": "user"}}
    ]
    assert on_call(double) == [bo]
    watch.time = NOON + HOUR
    assert on_call(double) == [ana]


def test_on_call_follows_the_clock(double: JSM, watch: Watch) -> None:
    """A disabled schedule has its people too; a date asks about another time."""
    double.put_on_shift("Payments", ANA, NOON + HOUR, NOON + 2 * HOUR)
    double.enable_schedule("Payments", enabled=False)
    assert right(double, PAYMENTS)["enabled"] is False
    assert on_call(double) == []
    watch.time = NOON + HOUR
    assert on_call(double) == [account(double, ANA)]
    earlier = f"{PAYMENTS}/on-calls?flat=true&date=2026-03-04T12:59:59Z"
    assert right(double, earlier) == {"onCallUsers": []}
    double.take_off_shift("Payments", ANA)
    assert on_call(double) == []


def test_timeline_tells_until_when(double: JSM) -> None:
    """It is cut at whole days, and has ids of responders only."""
    ana, bo = account(double, ANA), account(double, BO)
    double.put_on_shift("Payments", ANA, NOON - DAY, NOON)
    double.put_on_shift("Payments", BO, NOON, NOON + DAY)
    double.forward(BO, CY, NOON + HOUR, NOON + 2 * HOUR)
    past, first, second, third = periods(double, "interval=1&intervalUnit=days")
    assert past == {
        "startDate": "2026-03-04T00:00:00Z",
        "endDate": "2026-03-04T12:00:00.250Z",
        "type": "historical",
        "responder": {"id": ana, "type": "user"},
        "flattenedResponders": [{"id": ana, "type": "user"}],
    }
    assert (first["type"], first["responder"]) == ("base", {"id": bo, "type": "user"})
    assert (second["type"], second["from"]) == ("forwarding", {"id": bo, "type": "user"})
    assert second["responder"] == {"id": account(double, CY), "type": "user"}
    assert (third["responder"]["id"], third["endDate"]) == (bo, "2026-03-05T00:00:00Z")
    (_, whole) = periods(double, "expand=base", "baseTimeline")
    assert (whole["endDate"], whole["responder"]["id"]) == ("2026-03-05T12:00:00.250Z", bo)


def test_timeline_names_an_escalation_and_not_its_people(double: JSM) -> None:
    """As long as it lasts, only the tree tells who is behind it."""
    steps = double.add_escalation("Steps", [(ANA, 0)])
    double.put_on_shift("Payments", steps)
    (period,) = periods(double, "")
    assert period["responder"] == {"id": steps.id, "type": "escalation"}
    assert "flattenedResponders" not in period


# -- users ---------------------------------------------------------------------------------------


def test_user_by_account_id(double: JSM) -> None:
    """The e-mail is as it was written; who is unknown is 404 in Jira's own words."""
    bo = account(double, BO)
    body = right(double, f"{USER}?accountId={bo}")
    told = {"accountId": bo, "accountType": "atlassian", "emailAddress": BO, "active": True}
    assert told.items() <= body.items()
    assert body["displayName"] == "Bo Berg"
    status, body, _ = get(double, f"{USER}?accountId=none")
    assert (status, set(body)) == (404, {"errorMessages", "errors"})


def test_hidden_email_is_absent(double: JSM) -> None:
    """The profile decides, and may be changed."""
    dee = double.add_person("Dee Dark", "dee@acme.example", hidden=True)
    for target in (f"{USER}?accountId={dee.id}", f"{USER}/bulk?accountId={dee.id}"):
        body = right(double, target)
        (row,) = body.get("values", [body])
        assert "emailAddress" not in row
    double.change_person(dee, hidden=False)
    assert right(double, f"{USER}?accountId={dee.id}")["emailAddress"] == "dee@acme.example"


def test_kinds_and_states_of_accounts(double: JSM) -> None:
    """A closed account and a program's can be on call, and say what they are."""
    app = double.add_person("Robot", None, account_type="app")
    customer = double.add_person("Guest", "guest@other.example", account_type="customer")
    double.put_on_shift("Payments", BO)
    closed = double.change_person(BO, active=False)
    ids = "&".join(f"accountId={each.id}" for each in (app, customer, closed))
    rows = right(double, f"{USER}/bulk?{ids}")["values"]
    assert [(row["accountType"], row["active"], row.get("emailAddress")) for row in rows] == [
        ("app", True, None),
        ("customer", True, "guest@other.example"),
        ("atlassian", False, BO),
    ]
    assert on_call(double) == [closed.id]


def test_users_in_bulk_come_in_pages_of_ten(double: JSM) -> None:
    """The default cuts; the rest is told of; who is unknown or named twice is left out."""
    ids = [double.add_person(f"User {n}", f"u{n}@acme.example").id for n in range(12)]
    asked = "&".join(f"accountId={each}" for each in [*ids, ids[0], "none"])
    first = right(double, f"{USER}/bulk?{asked}")
    assert [row["accountId"] for row in first["values"]] == ids[:10]
    assert (first["total"], first["maxResults"], first["startAt"], first["isLast"]) == (
        12,
        10,
        0,
        False,
    )
    following = urlsplit(first["nextPage"])
    second = right(double, f"{following.path}?{following.query}")
    assert [row["accountId"] for row in second["values"]] == ids[10:]
    assert (second["isLast"], second["startAt"]) == (True, 10)
    assert "nextPage" not in second
    assert right(double, f"{USER}/bulk?{asked}&maxResults=12")["isLast"] is True
    assert right(double, f"{USER}/bulk?{asked}&maxResults=900")["maxResults"] == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ANA", ["Ana Lima", "Mo Ana", "Nat Hall"]),
        (ANA, ["Ana Lima", "Nat Hall"]),
        ("ana@acme.example.", ["Nat Hall"]),
        ("ana@acme", ["Ana Lima", "Nat Hall"]),
        ("dee@acme.example", ["Dee Dark"]),
        ("dee@acme", []),
        ("dark", ["Dee Dark"]),
        ("closed", []),
        ("lim", ["Ana Lima"]),
        ("ima", []),
    ],
)
def test_search_finds_beginnings(double: JSM, query: str, found: list[str]) -> None:
    """Of names and visible e-mails, so also of others; a hidden e-mail must be whole."""
    double.add_person("Mo Ana", "mo@acme.example")
    double.add_person("Nat Hall", "ana@acme.example.org")
    double.add_person("Dee Dark", "dee@acme.example", hidden=True)
    double.add_person("Closed", "closed@acme.example", active=False)
    rows = right(double, f"{USER}/search?query={query}")
    assert [row["displayName"] for row in rows] == found
    assert right(double, f"{USER}/search?query={query}&maxResults=1") == rows[:1]
    assert right(double, f"{USER}/search?query={query}&startAt=1") == rows[1:]


def test_account_that_may_not_browse_users() -> None:
    """A single user is 403, a search finds nobody, and in bulk they are all there."""
    with JSM(BOT, TOKEN, browses_users=False) as double:
        ana = double.add_person("Ana Lima", ANA)
        assert get(double, f"{USER}?accountId={ana.id}")[0] == 403
        assert right(double, f"{USER}/search?query=ana") == []
        assert right(double, f"{USER}/bulk?accountId={ana.id}")["total"] == 1


# -- the API's manners ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        basic(BOT, "wrong"),
        basic(ANA, TOKEN),
        f"Bearer {TOKEN}",
        f"GenieKey {TOKEN}",
        f"Basic {BOT}:{TOKEN}",
    ],
    ids=["none", "another token", "another account", "bearer", "Opsgenie's", "not encoded"],
)
@pytest.mark.parametrize("path", [SCHEDULES, USER, "/unheard-of"])
def test_only_the_account_with_its_token_opens(
    double: JSM, authorization: str | None, path: str
) -> None:
    """Whatever else is sent is 401, on every path but the cloud id's."""
    assert get(double, path, authorization)[:2] == (401, {"code": 401, "message": "Unauthorized"})


@pytest.mark.parametrize(
    ("scope", "opened", "closed"),
    [
        (OPS_SCOPE, SCHEDULES, f"{USER}/search?query=a"),
        (USER_SCOPE, f"{USER}/search?query=a", SCHEDULES),
    ],
)
def test_token_without_the_scope_is_401(scope: str, opened: str, closed: str) -> None:
    """Schedules and users need one each."""
    with JSM(BOT, TOKEN, scopes=[scope]) as double:
        assert get(double, opened)[0] == 200
        status, body, _ = get(double, closed)
        assert (status, body["message"]) == (401, "Unauthorized; scope does not match")


def test_account_of_a_team_sees_that_teams_schedules(double: JSM) -> None:
    """What it does not see leaves an empty list, not an error; by id it is 403."""
    double.add_team("Core")
    double.put_on_shift("Payments", ANA)
    double.restrict_key("Core")
    assert right(double, f"{SCHEDULES}?query=Payments")["values"] == []
    for path in ("", "/on-calls", "/timeline"):
        status, body, _ = get(double, PAYMENTS + path)
        assert (status, set(body)) == (403, {"errors"})
    mine = double.add_schedule("Mine", team="Core")
    assert names(double, SCHEDULES) == ["Mine"]
    assert right(double, f"{SCHEDULES}/{mine.id}/on-calls?flat=true") == {"onCallUsers": []}
    double.restrict_key(None)
    assert names(double, SCHEDULES) == ["Payments", "Mine"]


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (f"{SCHEDULES}?size=101", "size"),
        (f"{SCHEDULES}?size=0", "size"),
        (f"{SCHEDULES}?offset=-1", "offset"),
        (f"{SCHEDULES}?expand=everything", "expand"),
        (f"{PAYMENTS}/on-calls?flat=1", "flat"),
        (f"{PAYMENTS}/on-calls?date=today", "date"),
        (f"{PAYMENTS}/timeline?intervalUnit=hours", "intervalUnit"),
    ],
)
def test_invalid_values_are_422(double: JSM, target: str, named: str) -> None:
    """The title names the parameter."""
    status, body, _ = get(double, target)
    assert status == 422
    assert body["errors"][0]["title"].startswith(f"{named} ")


@pytest.mark.parametrize("target", [f"{USER}/bulk", f"{USER}/search"])
def test_users_of_nothing_are_400(double: JSM, target: str) -> None:
    """Both need to be told whom to look for, and say so in Jira's own words."""
    status, body, _ = get(double, target)
    assert (status, set(body)) == (400, {"errorMessages", "errors"})


def test_too_many_requests_say_when_to_come_back(double: JSM) -> None:
    """On both hosts, in seconds; any error has a title and a code."""
    double.fail("/", faults.TooManyRequests(17))
    for target in (SCHEDULES, f"{USER}/bulk?accountId=a"):
        status, body, headers = get(double, target)
        assert (status, headers["Retry-After"]) == (429, "17")
        assert set(body["errors"][0]) == {"title", "code"}


@pytest.mark.parametrize("repeat", [False, True])
def test_pages_without_end(double: JSM, repeat: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Each says that there is another, of schedules as of users."""
    ana = account(double, ANA)
    fault = jsm_faults.EndlessPages(repeat=repeat)
    double.fail(SCHEDULES, fault)
    pages = [right(double, f"{SCHEDULES}?offset={offset}") for offset in (0, 7)]
    assert [page["values"][0]["name"] for page in pages] == ["Payments"] * 2
    assert len({page["links"]["next"] for page in pages}) == (1 if repeat else 2)
    double.fail(USER, fault)
    users = [right(double, f"{USER}/bulk?accountId={ana}&startAt={start}") for start in (0, 9)]
    assert [(page["isLast"], len(page["values"])) for page in users] == [(False, 1)] * 2
    assert len({page["nextPage"] for page in users}) == (1 if repeat else 2)


# -- wrong types ---------------------------------------------------------------------------------

_WRONG: list[object] = [
    pytest.param(target, fault, id=f"{name}: {what}")
    for name, target, wrong in (
        ("tenant", lambda _: "/_edge/tenant_info", jsm_faults.WRONG_TENANTS),
        ("schedules", lambda _: SCHEDULES, jsm_faults.WRONG_SCHEDULES),
        ("flat", lambda _: f"{PAYMENTS}/on-calls?flat=true", jsm_faults.WRONG_FLAT_ON_CALLS),
        ("tree", lambda _: f"{PAYMENTS}/on-calls", jsm_faults.WRONG_TREES),
        ("timeline", lambda _: f"{PAYMENTS}/timeline", jsm_faults.WRONG_TIMELINES),
        (
            "search",
            lambda _: f"{USER}/search?query={ANA}",
            jsm_faults.WRONG_SEARCHES,
        ),
        (
            "users",
            lambda double: f"{USER}/bulk?accountId={account(double, ANA)}",
            jsm_faults.WRONG_USERS,
        ),
    )
    for what, fault in wrong.items()
]


@pytest.mark.parametrize(("target", "fault"), _WRONG)
def test_wrong_types_are_in_the_body(
    double: JSM, target: Callable[[JSM], str], fault: faults.Replaced
) -> None:
    """Each named fault changes a body that holds everything it could be about."""
    double.put_on_shift("Payments", double.add_escalation("Steps", [(ANA, 0)]))
    address = target(double)
    before = right(double, address)
    double.fail("/", fault)
    after = right(double, address)
    assert after != before
    assert found_at(fault, after) == fault.value
