"""No input makes the handler raise, or approve anybody but Mary."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handler.app import App
from handler.callers import indent
from handler.clock import Clock
from tests.handler.scripted import Exchange, Scripted, reply
from tests.handler.strategies import (
    BODY,
    CALL,
    JSON,
    LABELS,
    NOT_MARY,
    NOW,
    ODD_BODY,
    STEADY,
    TEXT,
    TIMESTAMP,
    rarely,
)

# Other tests cover the same lines, and measuring coverage here would double the time.
pytestmark = pytest.mark.no_cover
SECRET = "the-signing-secret"
API_KEY = "inc-the-api-key"
MARY = "mary@example.com"


class Called:
    """The handler with a provider where only Mary is on duty; log lines must be JSON."""

    def __init__(self, base_url: str) -> None:
        self.log: list[str] = []
        self.app = App(
            {
                "INDENT_WEBHOOK_SECRET": SECRET,
                "INCIDENTIO_API_KEY": API_KEY,
                "INCIDENTIO_BASE_URL": base_url,
                "INCIDENTIO_APPROVE_PARTICIPANTS": "true",
            },
            Clock(lambda: NOW, lambda: 0.0, lambda _: None),
            lambda record: self.log.append(json.dumps(record, allow_nan=False)),
        )

    def handle(self, event: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - any event
        """Handle an event, check the answer's form, and give status and body."""
        self.log.clear()
        answer = self.app.handle(event)
        assert set(answer) == {"statusCode", "headers", "body"}
        assert answer["headers"] == {"Content-Type": "application/json"}
        body = json.loads(answer["body"], parse_constant=pytest.fail)
        assert (answer["statusCode"] == 200) is (body["status"]["code"] == 0)
        output = f"{answer['body']}{self.log}"
        assert SECRET not in output
        assert API_KEY not in output
        return answer["statusCode"], body

    def signed(self, body: bytes, *, base64_encoded: bool = True) -> tuple[int, dict[str, Any]]:
        """Sign a body, and send it."""
        text = base64.b64encode(body).decode() if base64_encoded else body.decode()
        signature = indent.sign(SECRET, TIMESTAMP, body)
        return self.handle(
            {
                "requestContext": {"http": {"method": "POST"}},
                "headers": {"x-indent-timestamp": TIMESTAMP, "x-indent-signature": signature},
                "body": text,
                "isBase64Encoded": base64_encoded,
            }
        )


def only_mary(exchange: Exchange) -> None:
    """Answer that Mary leads an incident, is on call, and posted an update."""
    mary = {"id": "U1", "email": MARY}
    role = {"id": "R1", "name": "Lead", "role_type": "lead"}
    shift = {"user": mary, "start_at": "2026-03-04T00:00:00Z", "end_at": "2026-03-05T00:00:00Z"}
    body = {
        "incidents": [
            {
                "id": "I1",
                "reference": "INC-42",
                "incident_role_assignments": [{"role": role, "assignee": mary}],
            }
        ],
        "schedules": [{"id": "S1", "name": "DBA", "current_shifts": [shift]}],
        "incident_updates": [{"updater": {"user": mary}}],
    }
    reply(json.dumps(body).encode())(exchange)


@pytest.fixture(scope="module")
def called() -> Iterator[Called]:
    """One environment of the function for all calls, as in Lambda."""
    with Scripted(only_mary) as provider:
        made = Called(provider.url)
        yield made
        made.app.client.close()


def request_of(email: str, labels: Mapping[str, str] | None = None) -> bytes:
    """A complete and valid request."""
    event = {
        "event": "access/request",
        "actor": {"kind": "user", "id": "u1", "email": email},
        "resources": [{"kind": "g", "id": "1"}],
        "meta": {"labels": labels or {}},
    }
    return json.dumps({"events": [event]}).encode()


def test_mary_is_approved(called: Called) -> None:
    """Mary is approved, so the other properties aren't vacuous."""
    status, body = called.signed(request_of(MARY))
    assert status == 200
    assert [claim["event"] for claim in body["claims"]] == ["access/approve"]
    assert called.signed(request_of("jane@example.com")) == (
        200,
        {"status": {"code": 0}, "claims": []},
    )


@STEADY
@given(event=rarely(JSON, CALL))
def test_no_event_makes_it_raise(called: Called, event: object) -> None:
    """Any event gets an answer, and without a valid signature no claim."""
    status, body = called.handle(event)
    assert status in {401, 405, 500}
    assert set(body) == {"status"}


def nested(depth: int) -> list[Any]:
    """Nested lists."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("place", ["requestContext", "method", "headers", "header", "body", "flag"])
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        10**5000,
        "\ud800",
        "\x00",
        nested(5000),
        {"a": nested(900)},
        b"x",
        "x" * 3,
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_odd_value_makes_it_raise(called: Called, place: str, value: object) -> None:
    """NaN, huge integers, lone surrogates and deep nesting anywhere in an event don't raise."""
    header = {"x-indent-timestamp": value, "x-indent-signature": value}
    method = value if place == "method" else "POST"
    event = {
        "requestContext": value if place == "requestContext" else {"http": {"method": method}},
        "headers": {"headers": value, "header": header}.get(place, {}),
        "body": value if place == "body" else "{}",
        "isBase64Encoded": value if place == "flag" else False,
    }
    status, body = called.handle(event)
    assert status in {401, 405, 500}
    assert set(body) == {"status"}


@STEADY
@given(
    body=st.just(request_of(MARY)) | st.binary(max_size=50),
    secret=TEXT.filter(lambda text: text.isascii() and text != SECRET),
    signature=TEXT | st.sampled_from(["", "0" * 64, "undefined", "null"]),
    signs=st.booleans(),
)
@example(body=request_of(MARY), secret="", signature="", signs=True)
@example(body=request_of(MARY), secret=f"{SECRET} ", signature="", signs=True)
@example(body=request_of(MARY), secret=SECRET[:-1], signature="", signs=True)
def test_nobody_else_can_sign(
    called: Called,
    body: bytes,
    secret: str,
    signature: str,
    signs: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """Another secret, or any text as signature, gets a 401, though Mary is on duty."""
    made = indent.sign(secret, TIMESTAMP, body) if signs else signature
    event = {
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"x-indent-timestamp": TIMESTAMP, "x-indent-signature": made},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    status, answer = called.handle(event)
    assert status == 401
    assert set(answer) == {"status"}


@STEADY
@given(body=BODY | ODD_BODY, as_base64=st.booleans())
def test_no_signed_json_is_approved_without_a_duty(
    called: Called,
    body: object,
    as_base64: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """No signed JSON is approved, since Mary doesn't ask; the answer is 200, 400 or 404."""
    status, answer = called.signed(json.dumps(body).encode(), base64_encoded=as_base64)
    assert status in {200, 400, 404}
    assert answer.get("claims", []) == []


@STEADY
@given(email=NOT_MARY | TEXT, labels=LABELS)
def test_nobody_else_is_mary(called: Called, email: str, labels: dict[str, str]) -> None:
    """No other e-mail is approved, however similar to Mary's."""
    status, answer = called.signed(request_of(email, labels))
    assert (status, answer["claims"]) == (200, [])


@STEADY
@given(body=st.binary(max_size=200))
def test_no_signed_bytes_make_it_raise(called: Called, body: bytes) -> None:
    """Signed bytes that aren't a call get a 400 or 404."""
    status, answer = called.signed(body)
    assert status in {400, 404}
    assert set(answer) == {"status"}
