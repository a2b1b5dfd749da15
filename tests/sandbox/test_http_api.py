"""The HTTP API over real HTTP: API Gateway's events, refusals and throttling."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.lambda_url.http_api import ApiConfig, HttpApi, TokenBucket
from sandbox.lambda_url.runtime import PAYLOAD_LIMIT, FunctionConfig
from tests.sandbox.lambda_functions import CONFIG, ECHO
from tests.sandbox.test_function_url import FAULTY, PID, call, send, zip_of

DOMAIN = "abc123.execute-api.us-west-2.amazonaws.com"
API = ApiConfig(account="123456789012", domain=DOMAIN, rate=1.0, burst=3)
EVENTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "handler" / "http_api_events.json").read_text(encoding="utf-8")
)["events"]
Start = Callable[..., HttpApi]


class Clock:
    """A monotonic clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock that throttling uses."""
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Serve this source; every API is closed after the test."""
    with ExitStack() as stack:

        def started(
            source: str = ECHO,
            *,
            config: FunctionConfig = CONFIG,
            concurrency: int = 10,
            may_call: Callable[[], bool] = lambda: True,
        ) -> HttpApi:
            api = HttpApi(
                config,
                zip_of(source),
                api=API,
                may_call=may_call,
                monotonic=clock,
                concurrency=concurrency,
                log=lambda _: None,
            )
            return stack.enter_context(api)

        yield started


def test_event_is_api_gateways(start: Start) -> None:
    """The event has the API's account, id and host, and a proxy's headers in lower case."""
    sent = {"X-Twice": "1", "Cookie": "a=1; b=2", "Content-Type": "application/json"}
    event = call(start(), "POST", "/a/b?c=1&c=2&d=", b'{"a": 1}', sent).json
    context = event["requestContext"]
    assert event["body"] == '{"a": 1}'
    assert event["isBase64Encoded"] is False
    assert event["rawPath"] == context["http"]["path"] == "/a/b"
    assert event["rawQueryString"] == "c=1&c=2&d="
    assert event["queryStringParameters"] == {"c": "1,2", "d": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (context["accountId"], context["apiId"]) == ("123456789012", "abc123")
    assert (context["domainName"], context["domainPrefix"]) == (DOMAIN, "abc123")
    assert (event["routeKey"], context["stage"]) == ("$default", "$default")
    headers = event["headers"]
    assert headers["host"] == DOMAIN
    assert headers["x-forwarded-for"] == context["http"]["sourceIp"] == "127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert headers["content-length"] == "8"
    assert "cookie" not in headers


def test_event_has_the_fields_of_a_published_one(start: Start) -> None:
    """The event has the fields of AWS's sample without a body, but for the client certificate."""
    sample = copy.deepcopy(EVENTS["no-authorizer"])
    del sample["requestContext"]["authentication"]
    event = call(start(), "GET", sample["rawPath"], headers={"User-Agent": "curl/7.58.0"}).json
    assert event.keys() == sample.keys()
    assert event["requestContext"].keys() == sample["requestContext"].keys()
    assert event["requestContext"]["http"].keys() == sample["requestContext"]["http"].keys()
    assert sample["headers"].keys() - event["headers"].keys() == {
        "accept"
    }  # this client sends none
    for key, value in sample["requestContext"].items():
        assert type(event["requestContext"][key]) is type(value)
    ids = [one["requestContext"]["requestId"] for one in (event, sample)]
    assert [len(id_) for id_ in ids] == [16, 16]
    assert all(re.fullmatch("[A-Za-z0-9_-]{15}=", id_) for id_ in ids)


def test_path_is_decoded(start: Start) -> None:
    """Unlike a function URL's, and it ends at a question mark; the query stays as it was sent."""
    event = call(start(), target="/%61%2Fb%3Fc?d=%65").json
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/a/b"
    assert event["rawQueryString"] == "d=%65"


def test_binary_bodies_are_base64(start: Start) -> None:
    """A binary type, or no type at all, makes the body base64."""
    api = start()
    for headers in ({"Content-Type": "application/octet-stream"}, {}):
        event = call(api, "POST", body=b"{}", headers=headers).json
        assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"{}").decode(), True)


def test_a_forwarded_address_comes_before_the_clients(start: Start) -> None:
    """The client's X-Forwarded-For is kept, and its address added at the end."""
    event = call(start(), headers={"X-Forwarded-For": "203.0.113.7"}).json
    assert event["headers"]["x-forwarded-for"] == "203.0.113.7,127.0.0.1"


def test_calls_beyond_the_burst_are_throttled(start: Start, clock: Clock) -> None:
    """Three calls pass at once, then one each second."""
    api = start()
    assert [call(api).status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert call(api).json == {"message": "Too Many Requests"}
    clock.now += 1
    assert [call(api).status for _ in range(2)] == [200, 429]


def test_unused_tokens_are_no_more_than_the_burst() -> None:
    """Even after a day without calls, only three pass at once."""
    clock = Clock()
    bucket = TokenBucket(0.5, 3, clock)
    clock.now += 86400
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now += 1
    assert not bucket.take()
    clock.now += 1
    assert bucket.take()


def test_function_that_the_api_may_not_call(start: Start) -> None:
    """Without permission the function isn't called, and the answer is a plain 500."""
    allowed = False
    api = start(PID, may_call=lambda: allowed)
    reply = call(api, "POST", body=b"{}")
    assert (reply.status, reply.json) == (500, {"message": "Internal Server Error"})
    allowed = True
    assert call(api).status == 200


@pytest.mark.parametrize("what", ["raise", "exit", "malformed", "large"])
def test_function_without_an_answer(start: Start, what: str) -> None:
    """Any failure of the function is a plain 500."""
    reply = call(start(FAULTY), target=f"/?{what}")
    assert (reply.status, reply.json) == (500, {"message": "Internal Server Error"})


def test_function_that_is_too_slow(start: Start) -> None:
    """The API gives up after the function's timeout, with 503."""
    config = replace(CONFIG, timeout=0.05)
    reply = call(start(FAULTY, config=config), target="/?hang")
    assert (reply.status, reply.json) == (503, {"message": "Service Unavailable"})


def test_function_that_is_shut(start: Start) -> None:
    """If Lambda throttles the function, the API answers 503."""
    reply = call(start(concurrency=0))
    assert (reply.status, reply.json) == (503, {"message": "Service Unavailable"})


def test_body_over_the_limit(start: Start) -> None:
    """A body over API Gateway's or Lambda's limit gets 413."""
    api = start()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n"
    assert b" 413 " in send(api, head).splitlines()[0]
    reply = call(api, "POST", body=b"x" * (PAYLOAD_LIMIT + 1), headers={"Content-Type": "text/a"})
    assert (reply.status, reply.json) == (413, {"message": "Request Entity Too Large"})
