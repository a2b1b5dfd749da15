"""Calls by way of an HTTP API of API Gateway: its events are read as a function URL's are."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from handler.callers.base import id_of, read_call, seconds_since
from handler.clock import Clock

EVENTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "http_api_events.json").read_text(encoding="utf-8")
)["events"]
HOST = "f0rexample.execute-api.eu-west-1.amazonaws.com"
SENT_AT = datetime(2026, 2, 5, 14, 33, 6, 123000, tzinfo=UTC)
TOKEN = "token-of-the-tests-0123456789abcdef"


@pytest.fixture
def app() -> Iterator[App]:
    """An App with AuthZEN, which is called as the events come in."""
    clock = Clock(lambda: SENT_AT, lambda: 0.0, lambda _: None)
    environment = {
        "AUTHZEN_TOKEN": TOKEN,
        "INCIDENTIO_API_KEY": "key-of-a-test",
        "INCIDENTIO_BASE_URL": "http://127.0.0.1:9",
    }
    app = App(environment, clock, lambda _: None)
    yield app
    app.client.close()


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_a_call(name: str) -> None:
    """Method, host, path, id and body are where a function URL's event has them."""
    event = EVENTS[name]
    call = read_call(event, ("GET", "POST"), SENT_AT)
    assert (call.host, call.id) == (HOST, event["requestContext"]["requestId"])
    assert (call.method, call.path) == (event["requestContext"]["http"]["method"], event["rawPath"])
    assert call.body == (b'{\r\n\t"a": 1\r\n}' if call.method == "POST" else b"")
    assert all(name == name.lower() for name in call.headers)
    assert id_of(event) == call.id
    assert seconds_since(event, SENT_AT + timedelta(seconds=2)) == pytest.approx(2)


def test_headers_that_came_twice_are_one() -> None:
    """They are joined by a comma, as at a function URL; cookies are no header."""
    call = read_call(EVENTS["every field, text body"], ("POST",), SENT_AT)
    assert call.headers["x-twice"] == "1,2"
    assert "cookie" not in call.headers


def test_addresses_in_answers_are_the_apis(app: App) -> None:
    """AuthZEN's metadata names the host that was called."""
    answer = app.handle(EVENTS["no body, no authorizer"])
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["policy_decision_point"] == f"https://{HOST}"


@pytest.mark.parametrize("name", ["every field, text body", "binary body"])
def test_the_caller_proves_itself_at_the_function(app: App, name: str) -> None:
    """What API Gateway says about a caller (a certificate, a claim, a scope) proves nothing."""
    event = copy.deepcopy(EVENTS[name])
    assert app.handle(event)["statusCode"] == 400  # it is authenticated, and asks nothing
    for header in ("Authorization", "authorization"):
        event["headers"].pop(header, None)
    assert app.handle(event)["statusCode"] == 401
