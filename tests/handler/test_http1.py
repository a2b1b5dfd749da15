"""HTTP/1.1 as bytes: what is written, and which answers are whole."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler import __version__
from handler.http1 import (
    Answer,
    BadStatusLine,
    BrokenError,
    IncompleteRead,
    LineTooLong,
    RemoteDisconnected,
    TooLarge,
    TooManyHeaders,
    encode_request,
    read_answer,
)
from tests.handler.strategies import STEADY

MOST = 1000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(data: bytes) -> Answer:
    """Read these bytes as an answer."""
    return read_answer(io.BufferedReader(io.BytesIO(data)), MOST)


def test_request() -> None:
    """The line, the host, the fields as given, and the length of a body."""
    assert encode_request("POST", "api.example", "/a?b=c", {"X-Key": "k"}, b"{}") == (
        b"POST /a?b=c HTTP/1.1\r\nHost: api.example\r\n"
        b"User-Agent: oncall-approvals/"
        + __version__.encode()
        + b"\r\nAccept-Encoding: identity\r\n"
        b"X-Key: k\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert b"Content-Length" not in encode_request("GET", "api.example", "/", {}, None)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nX: 1", {}),
        ("/\u00e4", {}),
        ("/\x7f", {}),
        ("/", {"X-Key": "k\r\nX: 1"}),
        ("/", {"X-Key": "\u00e4"}),
        ("/", {"X\n": "k"}),
    ],
)
def test_nothing_can_begin_another_line(target: str, headers: dict[str, str]) -> None:
    """What would is not sent."""
    with pytest.raises(BrokenError):
        encode_request("GET", "api.example", target, headers, None)


WHOLE = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]more", (200, b"[]", False)),
    (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", (200, b"", False)),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n[]", (200, b"[]", False)),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n[]", (200, b"[]", True)),
    (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n[]", (200, b"[]", True)),
    (b"HTTP/1.1 200 OK\r\n\r\n[]", (200, b"[]", True)),
    (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", False)),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, b"", False)),
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        (200, b"[]", False),
    ),
    (
        CHUNKED.upper() + b"1;x=y\r\n[\r\n1\r\n]\r\n0\r\nA: b\r\n\r\n",
        (200, b"[]", False),
    ),
    (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n[]", (200, b"[]", False)),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n[]",
        (200, b"[]", False),
    ),
]


@pytest.mark.parametrize(("data", "read_as"), WHOLE)
def test_whole(data: bytes, read_as: tuple[int, bytes, bool]) -> None:
    """Status, body, and whether the connection ends with it."""
    answer = read(data)
    assert (answer.status, answer.body, answer.is_last) == read_as


def test_headers_by_name_in_lower_case() -> None:
    """Trimmed; of one that comes twice, the last."""
    answer = read(b"HTTP/1.1 204 X\r\nRetry-After:  3 \r\nA: 1\r\nA: 2\r\n\r\n")
    assert answer.headers == {"retry-after": "3", "a": "2"}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", RemoteDisconnected),
        (b"HTTP/1.1 200 OK", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\n", IncompleteRead),
        (b"HTTP/2 200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 099 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 600 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 8, BadStatusLine),
        (b"H" * 70_000, LineTooLong),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n", TooManyHeaders),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n[]", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n[]", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n[]", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]]", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n[]", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n[]", IncompleteRead),
        (
            CHUNKED + b"2\r\n[]x\r\n0\r\n\r\n",
            IncompleteRead,
        ),
        (CHUNKED + b"\r\n", IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"1" * 1001, TooLarge),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"1" * 1001, TooLarge),
    ],
)
def test_not_whole(data: bytes, error: type[Exception]) -> None:
    """Whatever is no whole answer is an error, and no shorter answer."""
    with pytest.raises(error):
        read(data)


@STEADY
@given(data=st.binary(max_size=300) | st.binary(max_size=200).map(lambda end: WHOLE[0][0] + end))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are an answer or one of these errors."""
    try:
        read(b"HTTP/1.1 200 OK\r\n" + data)
    except (BrokenError, TooLarge):
        return


@STEADY
@given(
    value=st.recursive(st.text() | st.integers(), st.lists, max_leaves=20), size=st.integers(1, 9)
)
def test_chunks_are_put_together(value: object, size: int) -> None:
    """However a body is cut into chunks, it is read as it was."""
    body = json.dumps(value).encode()[:MOST]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces)
    assert read(CHUNKED + chunks + b"0\r\n\r\n").body == body
