"""The double of PagerDuty pages, refuses and fails as its documentation says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.vendors import faults, pagerduty_faults
from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.pagerduty_asked import ANA, BO, HOUR, KEY, NOON, get, iso, on_calls

if TYPE_CHECKING:
    from tests.sandbox.pagerduty_asked import Values

PATHS = {
    "/abilities": "abilities.read",
    "/oncalls": "oncalls.read",
    "/schedules": "schedules.read",
    "/users": "users.read",
    "/v3/schedules": "schedules.read",
}


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY, f"Bearer {KEY}", "Token token=wrong", f"token={KEY}"])
@pytest.mark.parametrize("path", ["/oncalls", "/schedules/PNOBODY", "/unheard-of"])
def test_only_the_key_opens(account: PagerDuty, key: str | None, path: str) -> None:
    """Whatever else is sent is 401, on every path, and no limit is told."""
    status, body, headers = get(account, path, key)
    assert (status, body["error"]["code"]) == (401, 2006)
    assert headers["ratelimit-limit"] is None


@pytest.mark.parametrize("scope", sorted(set(PATHS.values())))
def test_each_path_needs_its_scope(scope: str) -> None:
    """Without it the answer is 403."""
    with PagerDuty(KEY, scopes=[scope]) as account:
        for path, needed in PATHS.items():
            status, body, _ = get(account, path)
            assert status == (200 if needed == scope else 403)
            assert body.get("error", {}).get("code") == (None if needed == scope else 2010)


def test_key_is_checked_by_abilities(account: PagerDuty) -> None:
    """What the account may do is told to every key that may read it."""
    assert "teams" in get(account, "/abilities")[1]["abilities"]


def test_nothing_can_be_written(account: PagerDuty) -> None:
    """There are no other paths."""
    status, body, _ = get(account, "/incidents")
    assert (status, body["error"]) == (404, {"message": "Not Found", "code": 2100})


# -- pages ---------------------------------------------------------------------------------------


def test_pages(account: PagerDuty) -> None:
    """25 rows unless asked for more, 100 at most; what is left is told by `more` alone."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA)
    for number in range(130):
        account.add_escalation_policy(f"Policy {number}", schedule)
    body = get(account, "/oncalls")[1]
    assert len(body.pop("oncalls")) == 25
    assert body == {"limit": 25, "offset": 0, "more": True, "total": None}
    body = get(account, "/oncalls", limit=1000, total="true")[1]
    assert len(body.pop("oncalls")) == 100
    assert body == {"limit": 100, "offset": 0, "more": True, "total": 130}
    body = get(account, "/oncalls", limit=30, offset=100)[1]
    rows = body.pop("oncalls")
    assert [rows[0]["escalation_policy"]["summary"], len(rows)] == ["Policy 100", 30]
    assert body == {"limit": 30, "offset": 100, "more": False, "total": None}
    assert on_calls(account, offset=130) == []


def test_no_page_lies_beyond_ten_thousand(account: PagerDuty) -> None:
    """Offset and limit are counted together."""
    assert get(account, "/oncalls", offset=9900, limit=100)[0] == 200
    status, body, _ = get(account, "/oncalls", offset=9901, limit=100)
    assert (status, body["error"]["code"]) == (400, 2001)


def test_pages_of_shift_based_schedules_are_larger(account: PagerDuty) -> None:
    """100 unless asked for more, 1000 at most."""
    for number in range(1001):
        account.add_schedule(str(number), v3=True)
    for query, limit in (({}, 100), ({"limit": 1000}, 1000), ({"limit": 1001}, 1000)):
        body = get(account, "/v3/schedules", **query)[1]
        assert (body["limit"], len(body["schedules"]), body["more"]) == (limit, limit, True)


def test_a_broken_second_page(account: PagerDuty) -> None:
    """The fault is on the page by its place in this list."""
    account.add_escalation_policy("Boss", ANA, BO)
    account.fail("/oncalls", faults.Status(500), page=2)
    assert get(account, "/oncalls", limit=1)[0] == 200
    status, body, _ = get(account, "/oncalls", limit=1, offset=1)
    assert (status, body["error"]["code"]) == (500, 2000)


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/oncalls", {"limit": "0"}, 2001),
        ("/oncalls", {"limit": "many"}, 2001),
        ("/oncalls", {"offset": "-1"}, 2001),
        ("/oncalls", {"time_zone": "Mars/Olympus"}, 2001),
        ("/oncalls", {"time_zone": ""}, 2001),
        ("/oncalls", {"since": "whenever"}, 2004),
        # An offset whose plus sign was not encoded.
        ("/oncalls", {"until": "2026-03-02T12:00:00 01:00"}, 2004),
        ("/oncalls", {"since": iso(NOON + HOUR), "until": iso(NOON)}, 2005),
        # `until` is now unless told, and that is before it.
        ("/oncalls", {"since": iso(NOON + HOUR)}, 2005),
        ("/schedules/PLAYERS", {"since": iso(NOON + HOUR), "until": iso(NOON)}, 2005),
        ("/v3/schedules/PSHIFTS", {"until": "whenever"}, 2004),
    ],
)
def test_invalid_values_are_400(
    account: PagerDuty, path: str, query: dict[str, str], code: int
) -> None:
    """With the vendor's code, and a sentence that names the parameter."""
    account.add_schedule("Layers", id="PLAYERS")
    account.add_schedule("Shifts", id="PSHIFTS", v3=True)
    status, body, _ = get(account, path, **query)
    assert (status, body["error"]["code"]) == (400, code)
    assert any(name in body["error"]["errors"][0] for name in query)


# -- limits and faults ---------------------------------------------------------------------------


def test_rate_limit_headers(account: PagerDuty) -> None:
    """Right and wrong answers tell the limit, and in how many seconds it is over."""
    for path in ("/oncalls", "/nothing"):
        headers = get(account, path)[2]
        told = [headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        assert told == ["960", "959", "60"]


def test_limit_reached(account: PagerDuty) -> None:
    """There is no Retry-After: the seconds are in ratelimit-reset."""
    account.fail("/oncalls", pagerduty_faults.RateLimited(20), times=1)
    status, body, headers = get(account, "/oncalls")
    assert (status, body) == (429, {"error": {"message": "Rate Limit Exceeded", "code": 2020}})
    assert (headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("0", "20")
    assert headers["Retry-After"] is None
    assert get(account, "/oncalls")[0] == 200


def test_limit_reached_without_a_word(account: PagerDuty) -> None:
    """A 429 may have neither body nor headers."""
    account.fail("/oncalls", pagerduty_faults.RateLimited())
    status, body, headers = get(account, "/oncalls")
    assert (status, body) == (429, None)
    assert not [name for name in headers if name.startswith("ratelimit")]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 2006), (402, 2014), (403, 2010), (404, 2100), (408, 2016), (500, 2000), (503, 2000)],
)
def test_errors_have_the_vendors_codes(account: PagerDuty, status: int, code: int) -> None:
    """Also those that only a fault makes."""
    account.fail("/oncalls", faults.Status(status))
    answered, body, _ = get(account, "/oncalls")
    assert (answered, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("empty", "rows"), [(False, 1), (True, 0)], ids=["again", "empty"])
def test_endless_pages(account: PagerDuty, *, empty: bool, rows: int) -> None:
    """There is always more, wherever one is."""
    account.add_escalation_policy("Boss", ANA)
    account.fail("/oncalls", pagerduty_faults.EndlessPages(empty=empty))
    for offset in (0, 7000):
        body = get(account, "/oncalls", offset=offset)[1]
        assert (len(body["oncalls"]), body["more"], body["offset"]) == (rows, True, offset)


_WRONG = [
    pytest.param(path, fault, id=f"{path}: {what}")
    for path, wrong in (
        ("/oncalls", pagerduty_faults.WRONG_ONCALLS | pagerduty_faults.WRONG_PAGES),
        ("/schedules", pagerduty_faults.WRONG_SCHEDULES | pagerduty_faults.WRONG_PAGES),
        ("/v3/schedules", pagerduty_faults.WRONG_SCHEDULES | pagerduty_faults.WRONG_PAGES),
        ("/schedules/PLAYERS", pagerduty_faults.WRONG_LAYERED),
        ("/v3/schedules/PSHIFTS", pagerduty_faults.WRONG_SHIFT_BASED),
        ("/users/P000001", pagerduty_faults.WRONG_USERS),
    )
    for what, fault in wrong.items()
]


@pytest.mark.parametrize(("path", "fault"), _WRONG)
def test_wrong_types_are_in_the_body(account: PagerDuty, path: str, fault: faults.Replaced) -> None:
    """Each named fault changes a body that holds everything it could be about."""
    account.add_schedule("Layers", id="PLAYERS")
    account.add_schedule("Shifts", id="PSHIFTS", v3=True)
    account.add_escalation_policy("Payments", "PLAYERS", "PSHIFTS")
    for schedule in ("PLAYERS", "PSHIFTS"):
        account.put_on_shift(schedule, ANA)
    window = {"since": iso(NOON), "until": iso(NOON + timedelta(seconds=1))}
    query: dict[str, Values] = {**window, "include": ["users", "final_schedule"]}
    right = get(account, path, **query)[1]
    account.fail(path, fault)
    wrong: Any = get(account, path, **query)[1]
    assert json.dumps(wrong) != json.dumps(right)  # by which true is not 1
    for step in fault.path:
        wrong = wrong[0] if step == "*" else wrong[step]
    assert wrong == fault.value
