"""One exchange of HTTP/1.1, as bytes: what is sent, and how an answer is read. No sockets.

Written here, after RFC 9112, since `http.client` loads the mail package to read headers: a fifth of
a cold start. It reads what an API answers, and takes everything else for a broken connection.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

from handler import __version__

USER_AGENT = f"oncall-approvals/{__version__}"
LONGEST_LINE = 65536
MOST_HEADERS = 100
_CHUNK = 256 * 1024
_MOST_INTERIM = 8
_WITHOUT_BODY = (204, 304)


class BrokenError(Exception):
    """What came is no whole answer of HTTP/1.1."""


class RemoteDisconnected(BrokenError):  # noqa: N818 - named as Python's own
    """The other side hung up before it answered."""


class BadStatusLine(BrokenError):  # noqa: N818 - the same
    """The answer does not begin as one of HTTP."""


class LineTooLong(BrokenError):  # noqa: N818 - the same
    """A line of the head has no end."""


class TooManyHeaders(BrokenError):  # noqa: N818 - the same
    """The head has no end."""


class IncompleteRead(BrokenError):  # noqa: N818 - the same
    """The answer ends before it is whole, or where it ends cannot be told."""


class TooLarge(Exception):  # noqa: N818 - it is whole, but not wanted
    """The body is longer than the caller takes."""


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: the HTTP status.
        headers: by name in lower case; of one that comes twice, the last.
        body: the body, whole.
        is_last: whether the connection ends with it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool


def encode_request(
    method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Write a request.

    Raises:
        BrokenError: something in it would begin another line.
    """
    fields = {
        "Host": host,
        "User-Agent": USER_AGENT,  # some firewalls refuse whoever does not name themselves
        "Accept-Encoding": "identity",
        **headers,
    }
    if body is not None:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if not (target.isascii() and target.isprintable()) or " " in target:
        raise BrokenError
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise BrokenError
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


def read_answer(stream: io.BufferedReader[Any], most: int) -> Answer:
    """Read an answer whose body has at most so many bytes.

    Raises:
        BrokenError: it is no whole answer.
        TooLarge: its body is longer.
    """
    for _ in range(_MOST_INTERIM):
        version, status = _status(_line(stream, begins=True))
        headers = _headers(stream)
        if status >= 200:  # noqa: PLR2004 - what is below only announces the answer
            break
    else:
        raise BadStatusLine
    is_last = version < b"HTTP/1.1" or "close" in headers.get("connection", "").lower()
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if status in _WITHOUT_BODY:
        return Answer(status, headers, b"", is_last)
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise IncompleteRead
        return Answer(status, headers, _chunks(stream, most), is_last)
    if length is None:
        return Answer(status, headers, _whole(stream, None, most), is_last=True)
    return Answer(status, headers, _whole(stream, _number(length, 10), most), is_last)


def _status(line: bytes) -> tuple[bytes, int]:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if not (version.startswith(b"HTTP/1.") and code.isdigit() and rest[3:4] in {b"", b" "}):
        raise BadStatusLine
    if not 100 <= int(code) <= 599:  # noqa: PLR2004 - the statuses that there are
        raise BadStatusLine
    return version, int(code)


def _headers(stream: io.BufferedReader[Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS + 1):
        line = _line(stream)
        if not line:
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        name, value = name.lower(), value.strip()
        if name == "content-length" and headers.get(name, value) != value:
            raise IncompleteRead
        if colon:
            headers[name] = value
    raise TooManyHeaders


def _line(stream: io.BufferedReader[Any], *, begins: bool = False) -> bytes:
    line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise LineTooLong
    if not line.endswith(b"\n"):
        raise RemoteDisconnected if begins and not line else IncompleteRead
    return line.rstrip(b"\r\n")


def _chunks(stream: io.BufferedReader[Any], most: int) -> bytes:
    data = bytearray()
    while length := _number(_line(stream).partition(b";")[0].strip().decode("latin-1"), 16):
        _read(stream, len(data) + length, data, most)
        if _line(stream):
            raise IncompleteRead
    _headers(stream)  # of the trailer
    return bytes(data)


def _whole(stream: io.BufferedReader[Any], length: int | None, most: int) -> bytes:
    data = bytearray()
    _read(stream, length, data, most)
    return bytes(data)


def _read(stream: io.BufferedReader[Any], length: int | None, data: bytearray, most: int) -> None:
    """Read until there are so many bytes, or all there are until the end."""
    while length is None or len(data) < length:
        piece = stream.read1(_CHUNK if length is None else min(_CHUNK, length - len(data)))
        if not piece:
            if length is None:
                return
            raise IncompleteRead
        data += piece
        if len(data) > most:
            raise TooLarge


def _number(text: str, base: int) -> int:
    digits = "0123456789abcdef"[:base]
    if not text or len(text) > 15 or not set(text.lower()) <= set(digits):  # noqa: PLR2004 - far more than is ever read
        raise IncompleteRead
    return int(text, base)
