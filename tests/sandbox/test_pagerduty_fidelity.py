"""The vendor's own client, `pagerduty` on PyPI, can read the double's answers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import httpx2
import pagerduty
import pytest

from sandbox.vendors import faults
from tests.sandbox.manual_clock import HOUR, NOON
from tests.sandbox.vendor_accounts import ANA, BO, KEY, iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.vendors.pagerduty import PagerDuty
    from sandbox.vendors.server import Fault

UTC_USERS = {"include[]": ["users"], "time_zone": "UTC"}


class ToDouble(httpx2.HTTPTransport):
    """Redirects the client's requests to the double, since the client requires https."""

    def __init__(self, account: PagerDuty) -> None:
        super().__init__()
        self._url = httpx2.URL(account.url)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the double."""
        where = {"scheme": "http", "host": self._url.host, "port": self._url.port}
        request.url = request.url.copy_with(**where)
        request.headers["Host"] = self._url.netloc.decode("ascii")
        return super().handle_request(request)


def client_of(account: PagerDuty, key: str) -> pagerduty.RestApiV2Client:
    """The vendor's client, without its endless retries of a 429."""
    client = pagerduty.RestApiV2Client(key, transport=ToDouble(account))
    client.retry = {429: 1}
    client.sleep_timer = 0
    return client


@pytest.fixture
def vendor(account: PagerDuty) -> Iterator[pagerduty.RestApiV2Client]:
    """The client with the right key."""
    with client_of(account, KEY) as client:
        yield client


def code_of(error: pagerduty.Error) -> tuple[int, int | None]:
    """Return the status and the vendor's code of the client's exception."""
    assert error.response is not None
    body = error.response.content and error.response.json()
    return error.response.status_code, body["error"]["code"] if body else None


def test_vendor_client_sends_key_and_version(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """Every call has the key and the API version in its headers."""
    list(vendor.iter_all("oncalls"))
    headers = account.calls[0].headers
    assert headers["authorization"] == f"Token token={KEY}"
    assert headers["accept"] == "application/vnd.pagerduty+json;version=2"
    assert vendor.subdomain == "sandbox"


def test_vendor_client_reads_all_pages_of_on_calls(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """Seven rows in pages of three arrive once each, with all fields."""
    schedule = account.add_schedule("Payments", id="PABC123")
    account.put_on_shift(schedule, ANA, NOON - HOUR, NOON + HOUR)
    for number in range(7):
        account.add_escalation_policy(f"Policy {number}", schedule)
    rows = list(vendor.iter_all("oncalls", params=dict(UTC_USERS), page_size=3))
    assert [call.query["offset"] for call in account.calls] == [["0"], ["3"], ["6"]]
    assert [row["escalation_policy"]["summary"] for row in rows] == [
        f"Policy {number}" for number in range(7)
    ]
    (row,) = (row for row in rows if row["escalation_policy"]["summary"] == "Policy 0")
    assert (row["escalation_level"], row["user"]["email"]) == (1, ANA)
    assert (row["start"], row["end"]) == ("2026-03-02T11:00:00Z", "2026-03-02T13:00:00Z")
    assert (row["schedule"]["id"], row["schedule"]["summary"]) == ("PABC123", "Payments")


def test_vendor_client_finds_a_user_by_email(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """The exact address is found in any case, among similar ones."""
    account.add_person("Joana", f"jo{ANA}")
    user = vendor.find("users", ANA.upper(), attribute="email")
    assert user is not None
    assert (user["email"], user["name"]) == (ANA, "Ana Lima")
    assert vendor.rget(user["self"]) == user
    assert vendor.find("users", "nobody@acme.example", attribute="email") is None


def test_vendor_client_reads_the_on_calls_of_one_user(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """On-calls can be read by user or schedule, and schedules found by name."""
    for name, who in (("Payments", ANA), ("Payments EU", BO)):
        account.put_on_shift(account.add_schedule(name), who)
        account.add_escalation_policy(name, name)
    ana = vendor.find("users", ANA, attribute="email")
    assert ana is not None
    rows = list(vendor.iter_all("oncalls", params={"user_ids[]": [ana["id"]]}))
    assert [row["schedule"]["summary"] for row in rows] == ["Payments"]
    schedule = vendor.find("schedules", "Payments")
    assert schedule is not None
    rows = list(vendor.iter_all("oncalls", params={"schedule_ids[]": [schedule["id"]]}))
    assert [row["user"]["summary"] for row in rows] == ["Ana Lima"]


def test_vendor_client_reads_both_kinds_of_schedules(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """All pages of both lists, and each schedule with who is on."""
    for number in range(120):
        account.add_schedule(f"Layers {number}")
        account.add_schedule(f"Shifts {number}", v3=True)
    layers, shifts = account.schedules[-2:]
    account.put_on_shift(layers, ANA)
    account.put_on_shift(shifts, ANA)
    for path, called in (("schedules", "Layers"), ("v3/schedules", "Shifts")):
        names = [schedule["summary"] for schedule in vendor.iter_all(path)]
        assert names == [f"{called} {number}" for number in range(120)]
    window = {"since": iso(NOON), "until": iso(NOON + HOUR), "include[]": ["final_schedule"]}
    final_schedule = vendor.rget(f"schedules/{layers.id}", params=window)["final_schedule"]
    assert [entry["user"]["summary"] for entry in final_schedule["rendered_schedule_entries"]] == [
        "Ana Lima"
    ]
    final_schedule = vendor.rget(f"v3/schedules/{shifts.id}", params=window)["final_schedule"]
    (assignment,) = final_schedule["computed_shift_assignments"]
    member = vendor.rget(f"users/{assignment['member']['user_id']}")
    assert member["email"] == ANA


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("schedules/PNOBODY", 404, 3004),
        ("v3/schedules/PNOBODY", 404, 2100),
        ("users/PNOBODY", 404, 2100),
        ("schedules/PSHIFTS", 400, 2001),
        ("v3/schedules/PLAYERS", 400, 2001),
    ],
)
def test_vendor_client_reads_errors(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client, path: str, status: int, code: int
) -> None:
    """A refusal is an exception with the status and the vendor's code."""
    account.add_schedule("Layers", id="PLAYERS")
    account.add_schedule("Shifts", id="PSHIFTS", v3=True)
    with pytest.raises(pagerduty.HttpError) as caught:
        vendor.rget(path)
    assert code_of(caught.value) == (status, code)


def test_vendor_client_gives_up_on_a_wrong_key(account: PagerDuty) -> None:
    """A 401 isn't retried; the client reports a wrong or expired key."""
    with (
        client_of(account, "another-key") as client,
        pytest.raises(pagerduty.HttpError, match="401 Unauthorized"),
    ):
        client.rget("users")
    assert len(account.calls) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [(faults.TooManyRequests(1, retry_after=None), 2020), (faults.Status(429, b""), None)],
    ids=["as documented", "without a word"],
)
def test_vendor_client_tries_again_after_a_limit(
    account: PagerDuty,
    vendor: pagerduty.RestApiV2Client,
    fault: Fault,
    code: int | None,
) -> None:
    """After a 429 it retries once, with or without the vendor's headers."""
    account.add_escalation_policy("Boss", ANA)
    account.fail("/oncalls", fault, times=1)
    assert len(vendor.list_all("oncalls")) == 1
    account.fail("/oncalls", fault)
    with pytest.raises(pagerduty.HttpError) as caught:
        vendor.list_all("oncalls")
    assert code_of(caught.value) == (429, code)
    assert len(account.calls) == 4


@pytest.mark.parametrize(("status", "code"), [(403, 2010), (500, 2000)])
def test_vendor_client_reads_faults(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client, status: int, code: int
) -> None:
    """A fault's error has the vendor's format."""
    account.fail("/oncalls", faults.Status(status))
    with pytest.raises(pagerduty.HttpError) as caught:
        vendor.list_all("oncalls")
    assert code_of(caught.value) == (status, code)


def test_vendor_client_stops_at_ten_thousand(
    account: PagerDuty, vendor: pagerduty.RestApiV2Client
) -> None:
    """It stops before a page that PagerDuty would refuse."""
    schedule = account.add_schedule("Payments")
    account.put_on_shift(schedule, ANA)
    for number in range(100):
        account.add_escalation_policy(str(number), schedule)
    account.fail("/oncalls", faults.EndlessPages())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = vendor.list_all("oncalls", params={"offset": 9700})
    assert len(rows) == 300
    assert "exceeds the maximum permitted" in str(caught[0].message)
