"""The double of JSM Operations answers as its documentation describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.vendors import faults
from sandbox.vendors.jsm import CLOUD_ID, JSM, OPS_SCOPE, USER_SCOPE
from tests.sandbox.manual_clock import DAY, HOUR, NOON, ManualClock
from tests.sandbox.vendor_accounts import (
    ANA,
    BO,
    BOT,
    KEY,
    PEOPLE,
    authorization,
    get,
    read,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEDULES = f"/jsm/ops/api/{CLOUD_ID}/v1/schedules"
ON_CALLS, TIMELINE = f"{SCHEDULES}/pay-0001/on-calls", f"{SCHEDULES}/pay-0001/timeline"
USERS = f"/ex/jira/{CLOUD_ID}/rest/api/3/user"
BULK, SEARCH = f"{USERS}/bulk", f"{USERS}/search"
SITE_PATHS = ("/rest/api/3/user/bulk", "/rest/api/3/user/search")


@pytest.fixture
def double(clock: ManualClock) -> Iterator[JSM]:
    """A site of three people, and a schedule with nobody on it."""
    with JSM(BOT, KEY, now=clock) as double:
        for name, email in PEOPLE.items():
            double.add_person(name, email)
        double.add_schedule("Payments", id="pay-0001")
        yield double


def ids(double: JSM) -> list[str]:
    """Return the account ids of Ana, Bo and Cy."""
    return [person.id for person in double.people[:3]]


def tree(double: JSM) -> list[dict[str, Any]]:
    """Return the participants of the schedule."""
    participants: list[dict[str, Any]] = read(double, ON_CALLS)["onCallParticipants"]
    return participants


def bulk(double: JSM, accounts: list[str], more: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Look up accounts in bulk."""
    return read(double, f"{BULK}?{'&'.join(f'accountId={account}' for account in accounts)}{more}")


def test_anybody_may_ask_for_the_cloud_id(double: JSM) -> None:
    """The cloud id needs no token; schedules exist only below it."""
    assert request(double, "/_edge/tenant_info", None)[:2] == (200, {"cloudId": CLOUD_ID})
    assert get(double, SCHEDULES.replace(CLOUD_ID, "another"))[0] == 404


def test_pages_of_schedules(double: JSM) -> None:
    """A page has 25 by default; the next link is relative to the API's path."""
    for number in range(29):
        double.add_schedule(f"Schedule {number}", enabled=False)
    first = read(double, SCHEDULES)
    assert len(first["values"]) == 25
    assert [row["enabled"] for row in first["values"][:2]] == [True, False]
    assert first["links"]["next"] == "/v1/schedules?offset=25&size=25"
    second = read(double, SCHEDULES, offset=25, size=25)
    assert [row["name"] for row in second["values"]] == [f"Schedule {n}" for n in range(24, 29)]
    assert second["links"] == {}
    double.fail(SCHEDULES, faults.Status(500), page=2)
    assert get(double, SCHEDULES, size=1)[0] == 200
    assert get(double, SCHEDULES, size=1, offset=1)[0] == 500


def test_tree_has_no_names_and_no_times(double: JSM) -> None:
    """Participants have ids only, escalation steps no time; "noone" is a participant."""
    steps = double.add_escalation("First, then", [(ANA, 0), (BO, 5)])
    empty = double.add_team("Empty")
    for who in (steps, empty, None):
        double.put_on_shift("Payments", who)
    ana, bo, _ = ids(double)
    assert ana.startswith("712020:")
    assert tree(double) == [
        {
            "id": steps.id,
            "type": "escalation",
            "onCallParticipants": [{"id": ana, "type": "user"}, {"id": bo, "type": "user"}],
        },
        {"id": empty.id, "type": "team"},
        {"type": "noone"},
    ]


def test_forwarded_for_a_while(double: JSM, clock: ManualClock) -> None:
    """Forwarded shifts belong to the other person for a while; the timeline shows both."""
    ana, bo, _ = ({"id": id_, "type": "user"} for id_ in ids(double))
    double.put_on_shift("Payments", ANA, end=NOON + DAY)
    double.forward(ANA, BO, end=NOON + HOUR)
    assert tree(double) == [{**bo, "forwardedFrom": ana}]
    body = read(double, TIMELINE, intervalUnit="days")
    (rotation,) = body["finalTimeline"]["rotations"]
    assert rotation["periods"] == [
        {
            "startDate": "2026-03-02T12:00:00Z",
            "endDate": "2026-03-02T13:00:00Z",
            "type": "forwarding",
            "responder": bo,
            "from": ana,
        },
        {
            "startDate": "2026-03-02T13:00:00Z",
            "endDate": "2026-03-03T00:00:00Z",
            "type": "base",
            "responder": ana,
        },
    ]
    clock.time = NOON + HOUR
    assert tree(double) == [ana]


def test_a_name_in_the_path_is_404(double: JSM) -> None:
    """Schedules are found by id only, not by name."""
    double.add_schedule("Nights")
    for path in ("Nights/on-calls", "Nights/timeline"):
        assert get(double, f"{SCHEDULES}/{path}", intervalUnit="days")[0] == 404


def test_kinds_and_states_of_accounts(double: JSM) -> None:
    """Hidden e-mails are absent; closed accounts and apps are marked."""
    app = double.add_person("Robot", None, account_type="app")
    hidden = double.add_person("Dee Dark", "dee@acme.example", hidden=True)
    closed = double.change_person(BO, active=False)

    def states() -> list[tuple[str, bool, str | None]]:
        rows = bulk(double, [app.id, hidden.id, closed.id])["values"]
        return [(row["accountType"], row["active"], row.get("emailAddress")) for row in rows]

    assert states() == [("app", True, None), ("atlassian", True, None), ("atlassian", False, BO)]
    double.change_person(hidden, hidden=False)
    assert states()[1] == ("atlassian", True, "dee@acme.example")


def test_users_in_bulk_come_in_pages_of_ten(double: JSM) -> None:
    """A page has ten by default; unknown and repeated ids are left out."""
    accounts = [double.add_person(f"User {n}", f"u{n}@acme.example").id for n in range(12)]
    first = bulk(double, [*accounts, accounts[0], "none"])
    assert [row["accountId"] for row in first["values"]] == accounts[:10]
    assert (first["total"], first["startAt"], first["isLast"]) == (12, 0, False)
    second = bulk(double, accounts, "&startAt=10")
    assert [row["accountId"] for row in second["values"]] == accounts[10:]
    assert (second["startAt"], second["isLast"]) == (10, True)
    assert bulk(double, accounts, "&maxResults=900")["maxResults"] == 200


@pytest.mark.parametrize(
    ("query", "people"),
    [
        ("ANA", ["Ana Lima", "Mo Ana", "Nat Hall"]),
        (ANA, ["Ana Lima", "Nat Hall"]),
        ("dee@acme.example", []),
        ("dee@acme", []),
        ("dark", ["Dee Dark"]),
        ("closed", []),
        ("ima", []),
    ],
)
def test_search_finds_beginnings(double: JSM, query: str, people: list[str]) -> None:
    """Search matches the start of names and visible e-mails, so it finds other people too."""
    double.add_person("Mo Ana", "mo@acme.example")
    double.add_person("Nat Hall", "ana@acme.example.org")
    double.add_person("Dee Dark", "dee@acme.example", hidden=True)
    double.add_person("Closed", "closed@acme.example", active=False)
    assert [row["displayName"] for row in read(double, SEARCH, query=query)] == people


@pytest.mark.parametrize("path", [SCHEDULES, BULK, "/unheard-of"])
def test_only_the_account_with_its_token_opens(double: JSM, path: str) -> None:
    """Without the right account and token, all paths but the cloud id's answer 401."""
    with JSM(ANA, KEY) as other_account, JSM(BOT, "wrong") as other_token:
        wrong = [authorization(other_account), authorization(other_token)]
    for header in (None, *wrong, f"Bearer {KEY}", f"GenieKey {KEY}", f"Basic {BOT}:{KEY}"):
        assert request(double, path, header)[:2] == (
            401,
            {"code": 401, "message": "Unauthorized"},
        )


def test_each_kind_of_token_has_its_host_for_users(double: JSM) -> None:
    """Only the gateway accepts scoped tokens for users, only the site others."""
    for scopes, user_paths in (((OPS_SCOPE, USER_SCOPE), (BULK, SEARCH)), (None, SITE_PATHS)):
        double.scopes = scopes
        assert get(double, SCHEDULES)[0] == 200
        opened = [path for path in (BULK, SEARCH, *SITE_PATHS) if get(double, path)[0] == 200]
        assert opened == list(user_paths)


def test_schedules_are_found_by_a_part_of_their_name(double: JSM) -> None:
    """The list searches in any case; a single schedule needs its id."""
    eu = double.add_schedule("Payments EU")
    double.add_schedule("Search")
    rows = read(double, SCHEDULES, query="payments")["values"]
    assert [row["name"] for row in rows] == ["Payments", "Payments EU"]
    assert read(double, f"{SCHEDULES}/{eu.id}") == rows[1]
    assert get(double, f"{SCHEDULES}/Search")[0] == 404


@pytest.mark.parametrize(
    ("scope", "opened", "closed"), [(OPS_SCOPE, SCHEDULES, BULK), (USER_SCOPE, BULK, SCHEDULES)]
)
def test_token_without_the_scope_is_401(double: JSM, scope: str, opened: str, closed: str) -> None:
    """Schedules and users each need a scope."""
    double.scopes = frozenset({scope})
    assert get(double, opened)[0] == 200
    status, body, _ = get(double, closed)
    assert (status, body["message"]) == (401, "Unauthorized; scope does not match")


def test_account_of_a_team_sees_that_teams_schedules(double: JSM) -> None:
    """Other teams' schedules are missing from lists, and 403 by id."""
    double.restrict_key(double.add_team("Core"))
    assert read(double, SCHEDULES)["values"] == []
    for path in (ON_CALLS, TIMELINE):
        assert get(double, path)[0] == 403
    mine = double.add_schedule("Mine", team="Core")
    assert [row["id"] for row in read(double, SCHEDULES)["values"]] == [mine.id]
    double.restrict_key(None)
    assert len(read(double, SCHEDULES)["values"]) == 2


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (SCHEDULES, "size", 101),
        (SCHEDULES, "size", 0),
        (SCHEDULES, "offset", -1),
        (TIMELINE, "intervalUnit", "hours"),
    ],
)
def test_invalid_values_are_422(double: JSM, path: str, name: str, value: object) -> None:
    """The title names the parameter."""
    status, body, _ = get(double, path, **{name: value})
    assert status == 422
    assert body["errors"][0]["title"].startswith(f"{name} ")


def test_too_many_requests_say_when_to_come_back(double: JSM) -> None:
    """Both hosts send Retry-After; errors have title and code."""
    double.fail("/", faults.TooManyRequests(17))
    for path in (SCHEDULES, BULK):
        status, body, headers = get(double, path)
        assert (status, headers["Retry-After"]) == (429, "17")
        assert set(body["errors"][0]) == {"title", "code"}
