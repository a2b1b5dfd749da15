"""Helpers for the tests of doubles: people, and plain GET requests."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection, HTTPMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty

if TYPE_CHECKING:
    from sandbox.vendors.server import Double

KEY, BOT = "the-double-s-own-key", "bot@acme.example"
ANA, BO, CY = "ana@acme.example", "Bo@Acme.example", "cy@acme.example"
PEOPLE = {"Ana Lima": ANA, "Bo Berg": BO, "Cy Cole": CY}


def authorization(double: Double) -> str:
    """The header that a double accepts."""
    match double:
        case IncidentIO():
            return f"Bearer {double.api_key}"
        case PagerDuty():
            return f"Token token={double.api_key}"
        case Opsgenie():
            return f"GenieKey {double.api_key}"
        case JSM():
            return "Basic " + b64encode(f"{double.email}:{double.api_token}".encode()).decode()
        case _:
            raise AssertionError(double)


def request(
    double: Double, path: str, authorization: str | None, **query: object
) -> tuple[int, Any, HTTPMessage]:
    """Send one GET on its own connection, and return status, JSON (or None) and headers.

    A list in the query becomes a repeated parameter whose name ends with brackets.
    """
    pairs = {
        f"{name}[]" if isinstance(value, list) else name: value for name, value in query.items()
    }
    target = f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path
    headers = {"Authorization": authorization} if authorization is not None else {}
    with closing(HTTPConnection(urlsplit(double.url).netloc, timeout=10)) as connection:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None, response.headers


def get(double: Double, path: str, **query: object) -> tuple[int, Any, HTTPMessage]:
    """Send one GET with the right key."""
    return request(double, path, authorization(double), **query)


def read(double: Double, path: str, **query: object) -> Any:  # noqa: ANN401 - any JSON
    """Send one GET that must succeed, and return its body."""
    status, body, _ = get(double, path, **query)
    assert status == 200, body
    return body


def iso(moment: datetime) -> str:
    """Write a moment as a query needs it."""
    return moment.isoformat().replace("+00:00", "Z")
