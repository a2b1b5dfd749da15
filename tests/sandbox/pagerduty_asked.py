"""What the tests of the PagerDuty double share: its key, its people and how it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.sandbox import asked

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from sandbox.vendors.pagerduty import PagerDuty

KEY = "the-double-s-own-key"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BO = "ana@acme.example", "Bo@Acme.example"

Values = str | int | list[str]


def get(
    account: PagerDuty, path: str, key: str | None = f"Token token={KEY}", /, **query: Values
) -> tuple[int, Any, HTTPMessage]:
    """Status, JSON and headers of one GET; a list is a repeated parameter with brackets."""
    told = {
        f"{name}[]" if isinstance(value, list) else name: value for name, value in query.items()
    }
    target = f"{path}?{urlencode(told, doseq=True)}" if told else path
    return asked.get(account, target, key)


def on_calls(account: PagerDuty, **query: Values) -> list[dict[str, Any]]:
    """The rows of one page."""
    rows: list[dict[str, Any]] = get(account, "/oncalls", **query)[1]["oncalls"]
    return rows


def who(account: PagerDuty, **query: Values) -> list[tuple[int, str | None, str]]:
    """The level, the schedule's name and the person's, of each row."""
    return [
        (
            row["escalation_level"],
            row["schedule"] and row["schedule"]["summary"],
            row["user"]["summary"],
        )
        for row in on_calls(account, **query)
    ]


def final(account: PagerDuty, path: str, **query: Values) -> dict[str, Any]:
    """Who is on when in one schedule."""
    body = get(account, path, include=["final_schedule"], time_zone="UTC", **query)[1]
    told: dict[str, Any] = body["schedule"]["final_schedule"]
    return told


def iso(moment: datetime) -> str:
    """The moment as the vendor takes it."""
    return moment.isoformat().replace("+00:00", "Z")
