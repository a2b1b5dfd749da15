"""What the tests of the doubles share: a clock to turn, and one plain GET."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from sandbox.vendors.server import Double

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Watch:
    """A clock that a test turns."""

    def __init__(self, time: datetime = _NOON) -> None:
        self.time = time

    def __call__(self) -> datetime:
        """The time it shows."""
        return self.time


def get(double: Double, target: str, authorization: str | None) -> tuple[int, Any, HTTPMessage]:
    """Status, JSON and headers of one GET on a connection of its own; no body is None."""
    headers = {} if authorization is None else {"Authorization": authorization}
    with closing(HTTPConnection(urlsplit(double.url).netloc, timeout=10)) as connection:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None, response.headers
