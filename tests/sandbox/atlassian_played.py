"""What the tests of both Atlassian doubles share: a clock, one GET, and a look into a body."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from sandbox.vendors.faults import Replaced
    from sandbox.vendors.server import Double

NOON = datetime(2026, 3, 4, 12, 0, 0, 250_000, tzinfo=UTC)  # a Wednesday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANA, BO, CY = "ana@acme.example", "Bo@Acme.example", "cy@acme.example"


class Watch:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        """The time it shows."""
        return self.time


def fetch(
    double: Double, target: str, authorization: str | None
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers of one plain GET."""
    headers = {} if authorization is None else {"Authorization": authorization}
    with closing(HTTPConnection(urlsplit(double.url).netloc, timeout=10)) as connection:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read()), dict(response.headers)


def found_at(fault: Replaced, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """What a fault has put where it says."""
    for step in fault.path:
        body = body[0] if step == "*" else body[step]
    return body
