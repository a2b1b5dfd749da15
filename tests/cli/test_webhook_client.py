"""Signed calls to a webhook: the bytes that are sent, and the errors of failed calls."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.webhook_client import SendError, WebhookAnswer, request_event, send, signed
from handler.callers.indent import sign
from handler.durations import parse_instant
from tests.handler.scripted import (
    CHUNKED,
    Scripted,
    drip,
    flood,
    head,
    reply,
    write,
    write_and_close,
    write_and_hang,
)
from tests.handler.scripted import Answer as Scripting

SECRET = "wks0-secret-of-these-tests"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_request_event() -> None:
    """The event has requester, labelled resources, reason and duration, as Indent sends it."""
    event = request_event(
        "jane@example.com",
        ["prod-db", "okta.v1.Group:00g1", "arn:aws:s3:::b"],
        resource_labels={"Env": "Prod"},
        duration="30m",
        reason="to look",
    )
    labels = {"Env": "Prod"}
    assert event["actor"] == {
        "kind": "user",
        "id": "jane@example.com",
        "email": "jane@example.com",
    }
    assert event["resources"] == [
        {"kind": kind, "id": name, "displayName": name, "labels": labels}
        for kind, name in (
            ("example.v1.Resource", "prod-db"),
            ("okta.v1.Group", "00g1"),
            ("arn", "aws:s3:::b"),
        )
    ]
    assert event["reason"] == "to look"
    assert event["meta"]["labels"]["indent.com/petition/duration"] == "30m"


def test_every_request_has_its_own_petition() -> None:
    """Each request has its own petition id, and no duration by default."""
    labels = [request_event("j@example.com", ["x"])["meta"]["labels"] for _ in range(2)]
    assert [set(names) for names in labels] == [{"petition"}] * 2
    assert labels[0] != labels[1]
    named = request_event("j@example.com", ["x"], petition="p-1")
    assert named["meta"]["labels"] == {"petition": "p-1"}


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"kinds": ["indent.v1.Bot"], "flags": {}}, b'{"kinds":["indent.v1.Bot"],"flags":{}}'),
        ({"reason": "d\u00e9pannage \u2705"}, '{"reason":"d\u00e9pannage \u2705"}'.encode()),
        ({"reason": 'a"\\\n\x01\x7f\u2028'}, '{"reason":"a\\"\\\\\\n\\u0001\x7f\u2028"}'.encode()),
        ({"reason": "half \ud800 pair"}, b'{"reason":"half \\ud800 pair"}'),
    ],
)
def test_bodies_match_json_stringify(body: dict[str, Any], sent: bytes) -> None:
    """Bodies match JavaScript's, so receivers that reserialize them can verify."""
    raw, headers = signed(SECRET, body)
    assert raw == sent
    assert headers["X-Indent-Signature"] == sign(SECRET, headers["X-Indent-Timestamp"], raw)


def test_signature_covers_body_and_time() -> None:
    """The headers sign the exact body and the given time."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    raw, headers = signed(SECRET, {"info": True}, moment)
    assert json.loads(raw) == {"info": True}
    assert headers["X-Indent-Timestamp"] == "2026-01-02T03:04:05.000Z"
    assert headers["X-Indent-Signature"] == sign(SECRET, "2026-01-02T03:04:05.000Z", raw)


def test_sends_what_it_signed() -> None:
    """One POST goes to the whole address, signed with the current time by default."""
    with Scripted(reply(b'{"claims": [{"reason": "x"}]}')) as server:
        answer = send(f"{server.url}/hook?stage=prod", SECRET, {"info": True})
    (asked,) = server.requests
    assert answer == WebhookAnswer(200, {"claims": [{"reason": "x"}]})
    assert answer.claims == [{"reason": "x"}]
    assert (asked.method, asked.target) == ("POST", "/hook?stage=prod")
    timestamp = asked.headers["x-indent-timestamp"]
    assert asked.headers["x-indent-signature"] == sign(SECRET, timestamp, asked.body)
    moment = parse_instant(timestamp)
    assert moment is not None
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_the_servers_date() -> None:
    """The Date header of the answer is returned, or "" without one."""
    date = "Tue, 24 Nov 2026 12:00:00 GMT"
    with Scripted(reply(headers={"Date": date}), reply()) as server:
        assert [send(server.url, SECRET, {}).date for _ in range(2)] == [date, ""]


@pytest.mark.parametrize("body", [b"Bad Gateway", b"\xff\xfe", b"", b"[" * 100_000])
def test_other_answers_than_json(body: bytes) -> None:
    """A body that isn't JSON is returned as text, and has no claims."""
    with Scripted(reply(body, 502)) as server:
        answer = send(server.url, SECRET, {})
    assert answer == WebhookAnswer(502, body.decode(errors="replace"))
    assert answer.claims == []


@pytest.mark.parametrize("answer", [write_and_close(), write_and_close(HALF), write(b"?\r\n")])
def test_answers_that_are_not_http(answer: Scripting) -> None:
    """The error names the address."""
    with Scripted(answer) as server, pytest.raises(SendError, match=f"^{server.url} did not"):
        send(server.url, SECRET, {})


SIZED = head(200, {"Content-Length": "9000000"})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(write_and_hang(), id="hangs at once"),
        pytest.param(
            write_and_hang(head(200, {"Content-Length": "9000"}) + b"[1"),
            id="hangs within the body",
        ),
        pytest.param(drip(b"", b"HTTP/1.1 200 OK"), id="drips the status line"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), id="drips headers"),
        pytest.param(drip(head(), b" "), id="drips a body"),
        pytest.param(drip(CHUNKED, b"1\r\n1\r\n"), id="drips chunks"),
        pytest.param(drip(b"", head(100)), id="drips 100 Continue"),
    ],
)
def test_the_whole_call_has_one_deadline(answer: Scripting) -> None:
    """However slowly the answer arrives, the call ends at its deadline."""
    with Scripted(answer) as server, pytest.raises(SendError) as ended:
        send(server.url, SECRET, {}, timeout=0.2)
    assert str(ended.value) == f"{server.url} did not answer completely within 0.2 s"
    assert isinstance(ended.value.__cause__, TimeoutError)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(b"1" * 1001), id="one byte too many"),
        pytest.param(flood(SIZED, b"1"), id="as long as promised"),
        pytest.param(flood(head(), b"1"), id="without end"),
        pytest.param(flood(CHUNKED, b"10\r\n" + b"1" * 16 + b"\r\n"), id="chunks without end"),
    ],
)
def test_a_huge_answer_is_an_error(answer: Scripting) -> None:
    """An answer over the size limit is an error."""
    with Scripted(answer) as server, pytest.raises(SendError, match="more than 1000 bytes"):
        send(server.url, SECRET, {}, most=1000)
    with Scripted(reply(b"1" * 1000)) as server:
        assert send(server.url, SECRET, {}, most=1000).http == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_connection(port: int, scheme: str) -> None:
    """The error names the address and the system's reason."""
    with pytest.raises(SendError, match=rf"^{scheme}://127.0.0.1:{port} did not answer: .+ref"):
        send(f"{scheme}://127.0.0.1:{port}", SECRET, {})


def test_an_invalid_host_name() -> None:
    """A host name with an empty part isn't looked up."""
    with pytest.raises(SendError, match=r"^'http://a\.\.b/' isn't a valid address: its host name "):
        send("http://a..b/", SECRET, {})


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:1",
        "ftp://127.0.0.1/",
        "http://",
        "http:///path",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:no/",
        "http://[::1",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/ü",
        "http://127.0.0.1/\r\nX: y",
        "http://user@host:1:2/",
        "http://hook.example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://0.0.0.0:1/",
    ],
)
def test_invalid_addresses_are_refused(url: str) -> None:
    """The error names the invalid address, and nothing is called."""
    with pytest.raises(SendError, match="isn't a valid address: ") as refused:
        send(url, SECRET, {})
    assert repr(url) in str(refused.value)
