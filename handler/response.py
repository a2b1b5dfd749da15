"""Reads a response of HTTP/1.1 (RFC 9112), and refuses whatever leaves its end unclear.

`http.client` guesses instead, and takes a sixteenth of a cold start: see docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from handler.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from io import BufferedReader

# Of the lines before a body, with those of interim responses, or of a trailer.
MAX_HEAD_BYTES = 64 * 1024
# Of the lines around chunks: small chunks take more time than their bytes.
MAX_FRAMING_BYTES = 256 * 1024
_DIGITS, _LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"
# RFC 9110, 5.6.2.
_TOKEN = f"!#$%&'*+-.^_`|~{_DIGITS}{_LETTERS}{_LETTERS.upper()}"
_HEXADECIMAL = f"{_DIGITS}abcdefABCDEF"
_MOST_DIGITS = 16
# All but the tab.
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_CONTINUE, _SWITCHING_PROTOCOLS, _OK, _END = 100, 101, 200, 600
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class ResponseError(Exception):
    """There is no whole response of HTTP/1.1. The message quotes nothing of what came."""


class ResponseTooLargeError(Exception):
    """The body is longer than its reader allows."""


class Response(NamedTuple):
    """A response.

    Attributes:
        status: 200 to 599.
        headers: by their names in lower case; the values of a repeated one are joined by ", ".
        body: all of it, without the framing of chunks.
        is_last: whether no other response may be read from the connection.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool


def read_response(stream: BufferedReader[Any], max_bytes: int) -> Response:
    """Read the response to a GET or POST, and skip interim ones before it.

    Args:
        stream: what the connection brings; its errors go to the caller.
        max_bytes: the most that the body may have.

    Raises:
        ConnectionResetError: the connection ended without a response.
        ResponseError: it isn't a whole response of HTTP/1.1, or its end is unclear.
        ResponseTooLargeError: the body is longer.
    """
    if not stream.peek(1):
        raise ConnectionResetError
    lines, status = _Lines(stream, MAX_HEAD_BYTES), 0
    while status < _OK:
        version, status = _parse_status_line(lines.read())
        headers = lines.read_fields()
        if status == _SWITCHING_PROTOCOLS:
            raise ResponseError("the response changes the protocol")
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    size = None if length is None else _parse_number(length, 10, _DIGITS)
    is_last = version == "HTTP/1.0" or "close" in headers.get("connection", "").lower()
    if coding is not None and (coding.lower(), size, version) != ("chunked", None, "HTTP/1.1"):
        raise ResponseError("the response has no clear length")  # RFC 9112, 6.3
    if status in {_NO_CONTENT, _NOT_MODIFIED}:
        body, is_last = b"", True  # some servers send a body even so
    elif coding:
        body = _read_chunks(stream, max_bytes)
    elif size is not None:
        body = _read_exactly(stream, size, max_bytes)
    else:
        body, is_last = stream.read(max_bytes + 1), True
        if len(body) > max_bytes:
            raise ResponseTooLargeError
    return Response(status, headers, body, is_last)


class _Lines:
    """Reads lines, up to a number of bytes in all."""

    def __init__(self, stream: BufferedReader[Any], most: int) -> None:
        self._stream = stream
        self._left = most

    def read(self) -> str:
        """Read a line, and give it without its end."""
        line = self._stream.readline(self._left)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            problem = "was cut off" if self._left else "has too much outside its body"
            raise ResponseError(f"the response {problem}")
        text = line[:-2]
        if not line.endswith(b"\r\n") or text.translate(None, _CONTROLS) != text:
            raise _invalid()
        return text.decode("latin-1")

    def read_fields(self) -> dict[str, str]:
        """Read headers or a trailer, with the empty line that ends them."""
        fields: dict[str, list[str]] = {}
        while line := self.read():
            name, colon, value = line.partition(":")
            if not (name and colon) or name.strip(_TOKEN):
                raise _invalid()
            fields.setdefault(name.lower(), []).append(value.strip("\t "))
        return {name: ", ".join(values) for name, values in fields.items()}


def _parse_status_line(line: str) -> tuple[str, int]:
    """Give the version and the status; servers may leave out the space after it."""
    version, _, rest = line.partition(" ")
    if version not in {"HTTP/1.0", "HTTP/1.1"} or rest[3:4] not in {"", " "}:
        raise _invalid()
    status = _parse_number(rest[:3], 10, _DIGITS)
    if not _CONTINUE <= status < _END:
        raise _invalid()
    return version, status


def _read_chunks(stream: BufferedReader[Any], max_bytes: int) -> bytes:
    """Read chunks and the trailer (RFC 9112, 7.1)."""
    lines, body = _Lines(stream, MAX_FRAMING_BYTES), bytearray()
    while size := _parse_number(lines.read().partition(";")[0].rstrip("\t "), 16, _HEXADECIMAL):
        body += _read_exactly(stream, size, max_bytes - len(body))
        if lines.read():
            raise _invalid()
    _Lines(stream, MAX_HEAD_BYTES).read_fields()
    return bytes(body)


def _read_exactly(stream: BufferedReader[Any], size: int, most: int) -> bytes:
    if size > most:
        raise ResponseTooLargeError
    data = stream.read(size)
    if len(data) < size:
        raise ResponseError("the response was cut off")
    return data


def _parse_number(text: str, base: int, digits: str) -> int:
    """Parse digits and nothing else; `int` would take signs, spaces and underscores as well."""
    if not 0 < len(text) <= _MOST_DIGITS or text.strip(digits):
        raise _invalid()
    return int(text, base)


def _invalid() -> ResponseError:
    return ResponseError("the response is not valid HTTP/1.1")
