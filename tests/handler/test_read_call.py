"""Reading a call from a function URL's event."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from handler.callers.base import (
    Refusal,
    check_size,
    headers_of,
    id_of,
    path_of,
    read_call,
    unauthenticated,
)
from handler.request import Resource

MIB = 1024 * 1024
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def posted(body: str | None, *, base64: bool = False, method: str = "POST") -> dict[str, Any]:
    """An event like a function URL's."""
    return {
        "version": "2.0",
        "requestContext": {"http": {"method": method, "path": "/"}},
        "body": body,
        "isBase64Encoded": base64,
    }


def raw_body(event: dict[str, Any]) -> bytes:
    """Read the body as a caller does that accepts POST."""
    return read_call(event, ("POST",), NOW).body


def test_all_of_a_call() -> None:
    """All fields of a call are read; header names are in lower case, and the path defaults to /."""
    event = posted("x") | {"rawPath": "/a/b", "headers": {"X-Some": "Value"}}
    event["requestContext"] |= {"requestId": "r-1", "domainName": "x.lambda-url.on.aws"}
    call = read_call(event, ("POST",), NOW)
    host = "x.lambda-url.on.aws"
    assert call == ("r-1", "POST", host, "/a/b", {"x-some": "Value"}, b"x", NOW)
    assert read_call(posted(None), ("GET", "POST"), NOW) == ("", "POST", "", "/", {}, b"", NOW)


@pytest.mark.parametrize("event", [None, [], "x", {}, {"rawPath": None}, {"rawPath": 7}])
def test_no_path(event: object) -> None:
    """An event without a path is for /, so that some caller answers it."""
    assert path_of(event) == "/"


@pytest.mark.parametrize(
    "event", [None, [], "text", 7, {}, {"requestContext": [], "headers": []}, {"headers": "x"}]
)
def test_an_event_without_a_call(event: object) -> None:
    """For any JSON as the event, id and headers are empty, without an exception."""
    assert (id_of(event), headers_of(event)) == ("", {})


def test_plain() -> None:
    """A text body is read as UTF-8."""
    assert raw_body(posted('{"reason":"dépannage ✅"}')) == '{"reason":"dépannage ✅"}'.encode()


def test_base64() -> None:
    """A base64 body is decoded first."""
    sent = bytes(range(256))
    encoded = base64.b64encode(sent).decode()
    assert raw_body(posted(encoded, base64=True)) == sent
    assert raw_body(posted(encoded)) == encoded.encode()


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("body", [None, ""])
def test_no_body(body: str | None, flag: bool) -> None:  # noqa: FBT001 - a row of a table
    """A missing body is empty, whatever the base64 flag."""
    assert raw_body(posted(body, base64=flag)) == b""
    event = posted(body, base64=flag)
    del event["body"], event["isBase64Encoded"]
    assert raw_body(event) == b""


@pytest.mark.parametrize(
    "body", ["{}", "e30", "e30=\n", "e3 0=", "=", "e30=e30=", "é30=", "\ud800"]
)
def test_invalid_base64(body: str) -> None:
    """Invalid base64 gets the same 401 as a wrong signature."""
    with pytest.raises(Refusal) as caught:
        raw_body(posted(body, base64=True))
    assert caught.value.why == "the body is marked as base64 but isn't valid base64"
    stranger = unauthenticated("")
    assert (caught.value.http, caught.value.message) == (stranger.http, stranger.message)


def test_a_lone_surrogate_raises_nothing() -> None:
    """A lone surrogate in the body doesn't raise; no signature matches it."""
    assert raw_body(posted("\ud800")) == b"\xed\xa0\x80"


@pytest.mark.parametrize("flag", [False, True])
def test_up_to_one_mebibyte(flag: bool) -> None:  # noqa: FBT001 - a row of a table
    """A body of 1 MiB is accepted, and one byte more gets a 413."""
    largest, larger = b"x" * MIB, b"x" * (MIB + 1)

    def event(body: bytes) -> dict[str, Any]:
        text = (base64.b64encode(body) if flag else body).decode()
        return posted(text, base64=flag)

    assert raw_body(event(largest)) == largest
    with pytest.raises(Refusal) as caught:
        raw_body(event(larger))
    assert caught.value.http == 413
    assert caught.value.message == "the body is over 1 MiB"


def test_bytes_are_counted_and_not_characters() -> None:
    """The limit counts bytes, not characters."""
    assert len(raw_body(posted("é" * (MIB // 2)))) == MIB
    with pytest.raises(Refusal):
        raw_body(posted("é" * (MIB // 2) + "x"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"])
def test_only_post(method: str) -> None:
    """Any other method gets a 405, before anything else is checked."""
    with pytest.raises(Refusal) as caught:
        raw_body(posted("x" * (MIB + 1), method=method))
    assert caught.value.http == 405
    assert caught.value.message == f"{method} isn't supported here: use POST"


def problem_of(
    resources: int = 1,
    entities: Sequence[Resource] = (),
    labels: Sequence[Mapping[str, str]] = (),
    actions: Sequence[str] = (),
) -> str:
    """Give the message of a 413, or ""."""
    try:
        check_size(resources, entities, labels, actions)
    except Refusal as refusal:
        return refusal.message if refusal.http == 413 else str(refusal.http)
    return ""


def test_most_resources() -> None:
    """At most 200 resources."""
    assert problem_of(200) == ""
    assert problem_of(201) == "the call asks for 201 resources: at most 200 are decided at once"


def test_most_labels() -> None:
    """At most 2000 labels in all requests and entities together."""
    labels = {str(number): "" for number in range(1000)}
    assert problem_of(labels=[labels, labels]) == ""
    assert problem_of(labels=[labels, labels, {"x": ""}]) == (
        "the call has 2001 labels: at most 2000 are decided at once"
    )


@pytest.mark.parametrize("kind", ["kind", "id", "email", "name", "value", "action"])
def test_most_characters(kind: str) -> None:
    """At most 50,000 characters in all texts together."""

    def problem(length: int) -> str:
        texts = {"kind": "aa", "id": "bbb", "email": "cc", "name": "d", "value": "e", "action": "f"}
        texts[kind] += "x" * (length - 10)
        entity = Resource(texts["kind"], texts["id"], texts["email"])
        return problem_of(1, [entity], [{texts["name"]: texts["value"]}], [texts["action"]])

    assert problem(50_000) == ""
    assert problem(50_001) == (
        "the call names and labels its resources in 50001 characters: at most 50000 are decided at "
        "once"
    )
