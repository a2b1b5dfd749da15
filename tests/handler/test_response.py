"""Reading a response of HTTP/1.1: what is accepted, what is refused, and h11 beside it."""

from __future__ import annotations

import io

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.response import (
    MAX_FRAMING_BYTES,
    MAX_HEAD_BYTES,
    Response,
    ResponseError,
    ResponseTooLargeError,
    read_response,
)
from tests.handler.strategies import STEADY

MOST = 1000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
INVALID = "^the response is not valid HTTP/1.1$"
UNCLEAR = "^the response has no clear length$"
CUT_OFF = "^the response was cut off$"
TOO_MUCH = "^the response has too much outside its body$"


def read(data: bytes) -> tuple[Response, bytes]:
    """Read a response, and give what is left of the data."""
    stream = io.BufferedReader(io.BytesIO(data))
    response = read_response(stream, MOST)
    return response, stream.read()


@pytest.mark.parametrize(
    ("data", "body", "is_last"),
    [
        pytest.param(OK + b"Content-Length: 2\r\n\r\n[]", b"[]", False, id="with a length"),
        pytest.param(OK + b"content-length:2 \t\r\n\r\n[]", b"[]", False, id="spaced otherwise"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", b"", False, id="empty"),
        pytest.param(
            OK + b"Content-Length: 0000000000000002\r\n\r\n[]", b"[]", False, id="zeros before it"
        ),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n[]", b"[]", False, id="no phrase"),
        pytest.param(
            b"HTTP/1.1 200 tr\xe8s\tbien\r\nContent-Length: 0\r\n\r\n", b"", False, id="a phrase"
        ),
        pytest.param(CHUNKED + b"2\r\n[]\r\n0\r\n\r\n", b"[]", False, id="a chunk"),
        pytest.param(CHUNKED + b"1\r\n[\r\n01\r\n]\r\n00\r\n\r\n", b"[]", False, id="chunks"),
        pytest.param(
            CHUNKED + b"0000000000000002\r\n[]\r\n" + b"0" * 16 + b"\r\n\r\n",
            b"[]",
            False,
            id="sizes of 64 bits, with their zeros",
        ),
        pytest.param(
            CHUNKED + b"1a;a=b \r\n" + LETTERS + b'\r\n0 \t;c="d"\r\n\r\n',
            LETTERS,
            False,
            id="chunks with extensions",
        ),
        pytest.param(CHUNKED + b"0\r\nA: b\r\nC: d\r\n\r\n", b"", False, id="a trailer"),
        pytest.param(OK + b"transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", b"", False, id="CHUNKED"),
        pytest.param(OK + b"\r\n[]", b"[]", True, id="until the end"),
        pytest.param(
            OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n[]", b"[]", True, id="closes"
        ),
        pytest.param(
            OK + b"Connection: a\r\nconnection: b, Close\r\nContent-Length: 2\r\n\r\n[]",
            b"[]",
            True,
            id="closes, in a list",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"[]", True, id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", True, id="204"),
        pytest.param(
            b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", b"", True, id="204, 4 bytes"
        ),
        pytest.param(
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True, id="304"
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            + OK
            + b"Content-Length: 2\r\n\r\n[]",
            b"[]",
            False,
            id="after interim ones",
        ),
        pytest.param(
            OK + b"A: " + b"b" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n", b"", False, id="long"
        ),
        pytest.param(OK + b"A: b\r\n" * 9000 + b"Content-Length: 0\r\n\r\n", b"", False, id="many"),
        pytest.param(
            OK + b"Content-Type: multipart/mixed\r\nContent-Length: 2\r\n\r\n[]",
            b"[]",
            False,
            id="a multipart type without its boundary",
        ),
    ],
)
def test_whole_responses(data: bytes, body: bytes, *, is_last: bool) -> None:
    """It is read exactly to its end, however that is told."""
    response, rest = read(data if is_last and b"Length" not in data else data + b"HTTP")
    assert (response.body, response.is_last) == (body, is_last)
    assert rest == (b"" if is_last and b"Length" not in data else b"HTTP")


def test_its_parts() -> None:
    """Names are in lower case, values without spaces around them; several of one are joined."""
    lines = b"A-b: \t c d\t \r\nX:\r\na-B:\xe9, f\r\nE:Xg:h\xa0\r\nContent-Length: 2\r\n\r\n[]"
    response, _ = read(OK + lines)
    headers = {"a-b": "c d, \xe9, f", "x": "", "e": "Xg:h\xa0", "content-length": "2"}
    assert response == Response(200, headers, b"[]", is_last=False)


REFUSED: dict[str, tuple[bytes, ...]] = {
    INVALID: (
        *(b"\r\n", b"SSH-2.0-OpenSSH\r\n\r\n", b" HTTP/1.1 200 OK\r\n\r\n", b"<html>\r\n\r\n"),
        *(b"HTTP/1.1\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n", b"HTTP/1.1 200\tOK\r\n\r\n"),
        *(b"HTTP/2 200\r\n\r\n", b"HTTP/0.9 200 OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n"),
        *(b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 +20 OK\r\n\r\n"),
        *(b"HTTP/1.1 2_0 OK\r\n\r\n", b"HTTP/1.1 0200 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n"),
        *(b"HTTP/1.1 600 OK\r\n\r\n", b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", OK[:-2] + b"\n\r\n"),
        *(b"HTTP/1.1 200 O\rK\r\n\r\n", b"HTTP/1.1 200 O\0K\r\n\r\n", OK[:-2] + b"\r\r\n\r\n"),
        *(OK + b"no colon\r\n\r\n", OK + b": no name\r\n\r\n", OK + b"A : b\r\n\r\n"),
        *(OK + b" A: b\r\n\r\n", OK + b"A: b\r\n folded\r\n\r\n", OK + b"A\xe9: b\r\n\r\n"),
        *(OK + b"A: b\n\r\n", OK + b"A: b\rC: d\r\n\r\n", OK + b"A: \0\r\n\r\n"),
        *(OK + b"A: \x7f\r\n\r\n", OK + b"A: b\r\n\n", OK + b"A(: b\r\n\r\n", OK + b"\n"),
        OK + b"Content-Length:\r\n\r\n[]",
        OK + b"Content-Length: -2\r\n\r\n[]",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: no\r\n\r\n",
        OK + b"Content-Length: +2\r\n\r\n[]",
        OK + b"Content-Length: 1_0\r\n\r\n[]",
        OK + b"Content-Length: \xb2\r\n\r\n[]",
        OK + b"Content-Length: 2, 2\r\n\r\n[]",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
        OK + b"Content-Length: 2\r\ncontent-length: 3\r\n\r\n[]]",
        OK + b"Content-Length: 0x2\r\n\r\n[]",
        OK + b"Content-Length: None\r\n\r\n[]",
        OK + b"Content-Length: " + b"0" * 17 + b"\r\n\r\n",
        *(CHUNKED + b"\r\n", CHUNKED + b"zz\r\n[]", CHUNKED + b"-1\r\n[]\r\n0\r\n\r\n"),
        *(CHUNKED + b"+2\r\n[]\r\n0\r\n\r\n", CHUNKED + b"0x2\r\n[]\r\n0\r\n\r\n"),
        *(CHUNKED + b"2\xa0\r\n[]\r\n0\r\n\r\n", CHUNKED + b"2X\r\n[]\r\n0\r\n\r\n"),
        *(CHUNKED + b" 2\r\n[]\r\n0\r\n\r\n", CHUNKED + b"2_\r\n[]\r\n0\r\n\r\n"),
        *(CHUNKED + b"2\n[]\r\n0\r\n\r\n", CHUNKED + b"2\r\n[]\n0\r\n\r\n", CHUNKED + b";\r\n"),
        *(CHUNKED + b"2\r\n[]x\r\n0\r\n\r\n", CHUNKED + b"2\r\n[]0\r\n\r\n"),
        *(CHUNKED + b"0\r\nno colon\r\n\r\n", CHUNKED + b"0\r\n[]\r\n\r\n"),
        CHUNKED + b"0" * 17 + b"\r\n\r\n",
    ),
    UNCLEAR: (
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: gzip\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n[]",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding:\r\n\r\n[]",
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n[]",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    CUT_OFF: (
        *(b"H", OK[:-1], OK, OK + b"A: b", OK + b"A: b\r\n", OK + b"A: b\r\n\r"),
        *(OK + b"Content-Length: 3\r\n\r\n[]", b"HTTP/1.1 100 Continue\r\n\r\n"),
        *(CHUNKED, CHUNKED + b"2", CHUNKED + b"2\r\n[", CHUNKED + b"2\r\n[]", CHUNKED + b"0\r\n"),
        *(CHUNKED + b"2\r\n[]\r\n", CHUNKED + b"0\r\nA: b\r\n", CHUNKED + b"0\r\n\r"),
    ),
    TOO_MUCH: (
        *(b"H" * (MAX_HEAD_BYTES + 1), OK + b"A: b\r\n" * 11_000),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
        *(CHUNKED + b"0" * (MAX_FRAMING_BYTES + 1), CHUNKED + b"0\r\n" + b"A: b\r\n" * 11_000),
    ),
    "^the response changes the protocol$": (b"HTTP/1.1 101 Switching\r\n\r\n",),
}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(data, problem, id=ascii(data[:70]))
        for problem, responses in REFUSED.items()
        for data in responses
    ],
)
def test_refused_responses(data: bytes, problem: str) -> None:
    """No response whose end is unclear is read, and the error quotes nothing of it."""
    with pytest.raises(ResponseError, match=problem):
        read(data)


@pytest.mark.parametrize("size", [MOST, MOST + 1])
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"Content-Length: %d\r\n\r\n", id="with a length"),
        pytest.param(CHUNKED + b"1\r\n \r\n%x\r\n", id="in chunks"),
        pytest.param(OK + b"\r\n", id="until the end"),
    ],
)
def test_the_largest_body(head: bytes, size: int) -> None:
    """It is read; of one that has a byte more, or even says so, the rest isn't waited for."""
    length = size - 1 if head.startswith(CHUNKED) else size
    data = (head % length if b"%" in head else head) + b" " * length
    if size == MOST:
        end = b"\r\n0\r\n\r\n" if head.startswith(CHUNKED) else b""
        assert read(data + end)[0].body == b" " * MOST
        return
    stream = io.BufferedReader(io.BytesIO(data + b"more"))
    with pytest.raises(ResponseTooLargeError):
        read_response(stream, MOST)
    assert stream.read() == (data[-length:] if b"%" in head else b"") + b"more"


def test_tiny_chunks() -> None:
    """Tens of thousands are read; many more would take the time of other providers' answers."""
    for count in (50_000, 60_000):
        data = CHUNKED + b"1\r\n1\r\n" * count + b"0\r\n\r\n"
        stream = io.BufferedReader(io.BytesIO(data))
        if count == 50_000:
            assert read_response(stream, count).body == b"1" * count
        else:
            with pytest.raises(ResponseError, match=TOO_MUCH):
                read_response(stream, count)


def test_no_response() -> None:
    """A connection that ends without a response is a lost connection."""
    with pytest.raises(ConnectionResetError):
        read(b"")


PIECES = st.sampled_from(
    [
        *(b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"0", b"1", b"2", b"-", b"\0"),
        *(b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n"),
        *(b"2\r\n[]\r\n", b"0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0", b"\xff"),
    ]
)
WHOLE = st.sampled_from(
    [
        OK + b"Content-Length: 2\r\nA: b\r\n\r\n[]",
        CHUNKED + b"2\r\n[]\r\n0\r\nA: b\r\n\r\n",
        OK + b"A: b\r\n\r\n[]",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ]
)
NEXT = st.sampled_from([b"", OK + b"Content-Length: 2\r\n\r\n[]"])
EDITS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 6), PIECES), max_size=4)


def read_by_h11(data: bytes) -> tuple[Response, bytes]:
    """Read a response by an independent library."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
    headers: dict[str, list[str]] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
    joined = {name: ", ".join(values) for name, values in headers.items()}
    is_last = connection.their_state is not h11.DONE
    return Response(head.status_code, joined, body, is_last), connection.trailing_data[0]


@STEADY
@given(WHOLE, NEXT, EDITS)
def test_h11_reads_the_same(
    whole: bytes, following: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    """Whatever is accepted of damaged responses, h11 reads in the same way, to the same end."""
    data = whole + following
    for place, length, piece in edits:
        data = data[:place] + piece + data[place + length :]
    try:
        response, rest = read(data)
    except (ResponseError, ResponseTooLargeError, ConnectionResetError):
        return
    try:
        theirs, their_rest = read_by_h11(data)
    except h11.RemoteProtocolError:
        # It refuses a length or coding in a trailer; here a trailer is ignored.
        assert "transfer-encoding" in response.headers
        assert b"-" in data.removesuffix(rest).partition(b"\r\n\r\n")[2]
        return
    assert (response._replace(is_last=True), rest) == (theirs._replace(is_last=True), their_rest)
    assert response.is_last >= theirs.is_last
