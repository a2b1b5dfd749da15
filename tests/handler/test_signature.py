"""Signatures over the raw body: only recent ones, with a known secret, are accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from handler.callers import indent
from handler.callers.base import Refusal, read_call
from handler.durations import parse_instant

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SECRET = "the-current-secret"
PREVIOUS = "the-previous-secret"
BODY = b'{"info":true}'
FIVE_MINUTES = timedelta(minutes=5)


class Vector(NamedTuple):
    """A signed call, as recorded in vectors.json."""

    secret: str
    timestamp: str
    body: bytes
    signature: str


VECTORS = [
    Vector(vector["secret"], vector["timestamp"], vector["body"].encode(), vector["signature"])
    for vector in json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
]


def headers(timestamp: str = "2026-03-04T12:00:00Z", secret: str = SECRET) -> dict[str, str]:
    """Sign `BODY`."""
    signature = indent.sign(secret, timestamp, BODY)
    return {"x-indent-timestamp": timestamp, "x-indent-signature": signature}


def verify(
    sent_headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: datetime,
    max_age: timedelta,
) -> None:
    """Check a call as the handler does: first the age, then the signature."""
    event = {"requestContext": {"http": {"method": "POST"}}, "headers": sent_headers}
    sent = read_call(event, ("POST",), now).headers
    signature = indent.read_signature(sent, now=now, max_age=max_age)
    indent.verify(signature, body, secrets)


def refusal(sent_headers: Mapping[str, str], body: bytes = BODY, *secrets: str) -> Refusal | None:
    """Give the refusal of a call, or None."""
    try:
        verify(sent_headers, body, secrets or (SECRET,), now=NOW, max_age=FIVE_MINUTES)
    except Refusal as error:
        return error
    return None


def accepts(vector: Vector) -> bool:
    """Check a call's signature, regardless of its age."""
    sent_headers = {"x-indent-timestamp": vector.timestamp, "x-indent-signature": vector.signature}
    now = parse_instant(vector.timestamp) or NOW
    try:
        verify(sent_headers, vector.body, [vector.secret], now=now, max_age=FIVE_MINUTES)
    except Refusal:
        return False
    return True


def flipped(text: str) -> Iterator[str]:
    """Flip each bit of each character in turn."""
    for position, character in enumerate(text):
        for bit in range(8):
            yield text[:position] + chr(ord(character) ^ 1 << bit) + text[position + 1 :]


class TestSignature:
    """Hex HMAC-SHA256 over `v0:<timestamp>:<raw body>`."""

    @pytest.mark.parametrize("vector", VECTORS)
    def test_vector(self, vector: Vector) -> None:
        """Our signature equals the recorded one, and is accepted."""
        assert indent.sign(vector.secret, vector.timestamp, vector.body) == vector.signature
        assert accepts(vector)

    @pytest.mark.parametrize("vector", VECTORS)
    def test_a_flipped_bit_anywhere_fails(self, vector: Vector) -> None:
        """Any flipped bit of secret, timestamp, body or signature is refused."""
        for position in range(len(vector.body)):
            for bit in range(8):
                body = bytearray(vector.body)
                body[position] ^= 1 << bit
                assert not accepts(vector._replace(body=bytes(body))), (position, bit)
        for secret in flipped(vector.secret):
            assert not accepts(vector._replace(secret=secret)), secret
        for timestamp in flipped(vector.timestamp):
            assert not accepts(vector._replace(timestamp=timestamp)), timestamp
        for signature in flipped(vector.signature):
            assert not accepts(vector._replace(signature=signature)), signature

    @pytest.mark.parametrize("vector", VECTORS)
    def test_nothing_added_or_left_out(self, vector: Vector) -> None:
        """Added or missing bytes, and a signature in upper case, are refused."""
        for body in (b"", vector.body[:-1], vector.body + b"\n", b" " + vector.body):
            assert not accepts(vector._replace(body=body))
        signature = vector.signature
        for other in (signature.upper(), signature[:-1], f"{signature}0", f" {signature}"):
            assert not accepts(vector._replace(signature=other))

    def test_bytes_that_are_not_text(self) -> None:
        """The signature is checked over raw bytes, before they are decoded."""
        body = b"\xff\x00\xed\xa0\x80"
        timestamp = "2026-03-04T12:00:00Z"
        signed = {
            "x-indent-timestamp": timestamp,
            "x-indent-signature": indent.sign(SECRET, timestamp, body),
        }
        assert refusal(signed, body) is None


class TestVerify:
    """Only recent calls signed with one of the secrets are answered."""

    def test_both_secrets_are_accepted(self) -> None:
        """While a secret is rotated, both are accepted."""
        for secret in (SECRET, PREVIOUS):
            assert refusal(headers(secret=secret), BODY, SECRET, PREVIOUS) is None
        for secret in (PREVIOUS, "another-secret-still"):
            wrong = refusal(headers(secret=secret), BODY, SECRET)
            assert wrong is not None
            assert wrong.why == "the signature is wrong"

    @pytest.mark.parametrize("secrets", [("",), ("", ""), ()])
    def test_nothing_is_checked_against_an_empty_key(self, secrets: tuple[str, ...]) -> None:
        """An empty secret accepts nothing, not even calls signed with it."""
        with pytest.raises(Refusal):
            verify(headers(secret=""), BODY, secrets, now=NOW, max_age=FIVE_MINUTES)

    def test_an_empty_key_is_ignored(self) -> None:
        """An empty secret beside a real one accepts nothing, and doesn't affect the other."""
        assert refusal(headers(secret=""), BODY, SECRET, "") is not None
        assert refusal(headers(), BODY, "", SECRET) is None

    @pytest.mark.parametrize(
        ("timestamp", "signature"),
        [
            ("x-indent-timestamp", "x-indent-signature"),
            ("X-Indent-Timestamp", "X-Indent-Signature"),
            ("X-INDENT-TIMESTAMP", "x-InDeNt-SiGnAtUrE"),
        ],
    )
    def test_header_names_in_any_case(self, timestamp: str, signature: str) -> None:
        """Header names may be in any case."""
        at, signed = headers().values()
        assert refusal({timestamp: at, "Other": "x", signature: signed}) is None

    @pytest.mark.parametrize(
        "timestamp",
        [
            "2026-03-04T12:00:00Z",
            "2026-03-04T12:00:00.000Z",
            "2026-03-04T11:59:59.123456789Z",
            "2026-03-04T14:00:00+02:00",
            "2026-03-04T06:30:00.5-05:30",
        ],
    )
    def test_with_and_without_fraction_and_offset(self, timestamp: str) -> None:
        """Any RFC 3339 timestamp is accepted, and signed as sent."""
        assert refusal(headers(timestamp)) is None

    @pytest.mark.parametrize("timestamp", ["2026-03-04T11:55:00Z", "2026-03-04T12:05:00Z"])
    def test_just_recent_enough(self, timestamp: str) -> None:
        """A call of exactly the maximum age is accepted, in the past and the future."""
        assert refusal(headers(timestamp)) is None

    @pytest.mark.parametrize(
        ("timestamp", "age"),
        [
            ("2026-03-04T11:54:59Z", "301"),
            ("2026-03-04T12:05:01Z", "-301"),
            ("2026-03-04T11:54:59.999Z", "300"),
            ("2026-03-04T12:05:00.001Z", "-300"),
            ("2026-03-03T12:00:00Z", "86400"),
            ("2026-03-04T12:00:00-01:00", "-3600"),
            ("0001-01-01T00:00:00Z", "63908222400"),
        ],
    )
    def test_stale_or_from_the_future(self, timestamp: str, age: str) -> None:
        """A call beyond the maximum age is refused, though correctly signed."""
        stale = refusal(headers(timestamp))
        assert stale is not None
        assert stale.why == f"the timestamp is {age} s old"

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"x-indent-timestamp": None}, "the timestamp or the signature is missing"),
            ({"x-indent-timestamp": ""}, "the timestamp or the signature is missing"),
            ({"x-indent-signature": None}, "the timestamp or the signature is missing"),
            ({"x-indent-signature": ""}, "the timestamp or the signature is missing"),
            ({"x-indent-timestamp": "now"}, "the timestamp isn't an RFC 3339 time"),
            ({"x-indent-timestamp": "2026-03-04T12:00:00"}, "the timestamp isn't an RFC 3339 time"),
            ({"x-indent-timestamp": "1772625600"}, "the timestamp isn't an RFC 3339 time"),
            ({"x-indent-timestamp": "2026-03-03T12:00:00Z"}, "the timestamp is 86400 s old"),
            ({"x-indent-timestamp": "2026-03-04T12:00:01Z"}, "the signature is wrong"),
            ({"x-indent-signature": "0" * 64}, "the signature is wrong"),
            ({"x-indent-signature": "undefined"}, "the signature is wrong"),
            ({"x-indent-signature": "sch\u00f6n \u2705"}, "the signature is wrong"),
            ({"x-indent-signature": "\ud800"}, "the signature is wrong"),
        ],
    )
    def test_the_caller_learns_nothing(self, change: dict[str, str | None], why: str) -> None:
        """Every refusal has the same answer; only the log has the reason."""
        changed = {**headers(), **change}
        result = refusal({name: value for name, value in changed.items() if value is not None})
        assert result is not None
        assert result.why == why
        answer = indent.Indent.failure(result.http, result.message, {}, None)
        assert answer["statusCode"] == 401
        message = "The call is not authenticated."
        assert json.loads(answer["body"]) == {"status": {"code": 16, "message": message}}
