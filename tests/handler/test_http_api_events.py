"""Calls by way of an HTTP API of API Gateway: its events are read as a function URL's are."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from handler.callers.base import id_of, read_call, seconds_since
from handler.clock import Clock

# The samples that AWS publishes. Bodies in them are `{"a": 1}` with line breaks, or absent.
EVENTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "http_api_events.json").read_text(encoding="utf-8")
)["events"]
BODY = b'{\r\n\t"a": 1\r\n}'
TOKEN = "token-of-the-tests-0123456789abcdef"


def event_of(
    name: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Copy a sample, with another path and method, and more headers."""
    event = copy.deepcopy(EVENTS[name])
    event["rawPath"] = path
    event["requestContext"]["http"]["method"] = method
    event["headers"] |= headers or {}
    return event


def sent_at(event: dict[str, Any]) -> datetime:
    """Say when API Gateway took the call."""
    return datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, UTC)


@pytest.fixture
def app() -> Iterator[App]:
    """An App with AuthZEN, which is called as the events come in."""
    now = sent_at(EVENTS["no-authorizer"])
    clock = Clock(lambda: now, lambda: 0.0, lambda _: None)
    environment = {
        "AUTHZEN_TOKEN": TOKEN,
        "INCIDENTIO_API_KEY": "key-of-a-test",
        "INCIDENTIO_BASE_URL": "http://127.0.0.1:9",
    }
    app = App(environment, clock, lambda _: None)
    yield app
    app.client.close()


@pytest.mark.parametrize("name", EVENTS)
def test_every_sample_is_a_call(name: str) -> None:
    """Method, host, path, id, time and body are where a function URL's event has them."""
    event = EVENTS[name]
    context = event["requestContext"]
    call = read_call(event, ("GET", "POST"), sent_at(event))
    assert (call.host, call.id) == (context["domainName"], context["requestId"])
    assert (call.method, call.path) == (context["http"]["method"], event["rawPath"])
    assert call.body == (BODY if "body" in event else b"")
    assert call.headers == {name.lower(): value for name, value in event["headers"].items()}
    assert id_of(event) == call.id
    assert seconds_since(event, sent_at(event) + timedelta(seconds=2)) == pytest.approx(2)


@pytest.mark.parametrize("name", EVENTS)
def test_samples_are_refused(app: App, name: str) -> None:
    """At a caller's path they lack its token, and their own path is nobody's."""
    assert app.handle(EVENTS[name])["statusCode"] == 404
    assert app.handle(event_of(name, "/access/v1/evaluation", "POST"))["statusCode"] == 401


def test_headers_that_came_twice_are_one() -> None:
    """They are joined by a comma, as at a function URL; cookies are no header."""
    event = event_of("iam", "/", headers={"X-Twice": "1,2"})
    call = read_call(event, ("GET",), sent_at(event))
    assert call.headers["x-twice"] == "1,2"
    assert event["cookies"]
    assert "cookie" not in call.headers


def test_addresses_in_answers_are_the_apis(app: App) -> None:
    """AuthZEN's metadata names the host that was called."""
    event = event_of("no-authorizer", "/.well-known/authzen-configuration")
    answer = app.handle(event)
    assert answer["statusCode"] == 200
    host = event["requestContext"]["domainName"]
    assert json.loads(answer["body"])["policy_decision_point"] == f"https://{host}"


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("name", ["iam", "jwt-authorizer", "lambda-authorizer"])
def test_the_caller_proves_itself_at_the_function(app: App, name: str, *, is_binary: bool) -> None:
    """What API Gateway says about a caller (a certificate, a claim, a scope) proves nothing."""
    headers = {"Content-Type": "application/json"}
    event = event_of(name, "/access/v1/evaluation", "POST", headers)
    if is_binary:
        event |= {"body": b64encode(BODY).decode(), "isBase64Encoded": True}
    assert app.handle(event)["statusCode"] == 401
    event["headers"]["Authorization"] = f"Bearer {TOKEN}"
    answer = app.handle(event)
    assert answer["statusCode"] == 400  # it is authenticated, and asks nothing
    assert "subject" in answer["body"]
