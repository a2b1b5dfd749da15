"""The conventions of Indent's API: how to read a request, page a list, and write an error.

An error has a google.rpc code, and the HTTP status that a gRPC gateway gives to the code.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from handler.json_fields import as_object, as_str, get_object
from sandbox.space import selectors
from sandbox.space.tokens import Owner
from sandbox.vendors.server import OK, Request, Response

Json = dict[str, Any]
_DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 500
_CLIENT_ERRORS = range(400, 500)


class Code(IntEnum):
    """The google.rpc codes that the space answers with."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_HTTP_STATUS: Mapping[Code, int] = MappingProxyType(
    {
        Code.FAILED_PRECONDITION: 400,
        Code.INVALID_ARGUMENT: 400,  # of two codes with one status, the last is its meaning
        Code.UNAUTHENTICATED: 401,
        Code.PERMISSION_DENIED: 403,
        Code.NOT_FOUND: 404,
        Code.ALREADY_EXISTS: 409,
        Code.RESOURCE_EXHAUSTED: 429,
        Code.INTERNAL: 500,
        Code.UNIMPLEMENTED: 501,
        Code.UNAVAILABLE: 503,
    }
)
_CODE = {status: code for code, status in _HTTP_STATUS.items()}


class ApiError(Exception):
    """An error that becomes an HTTP response.

    Attributes:
        code: the google.rpc code.
        message: the sentence that the client reads.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http_status(self) -> int:
        """The HTTP status that belongs to the code."""
        return _HTTP_STATUS[self.code]


class HalfSurrogateError(ValueError):
    """A text holds half a surrogate pair, which UTF-8 cannot encode."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request by the owner of a token; `body` is its JSON object."""

    owner: Owner
    query: Mapping[str, list[str]]
    body: Mapping[str, Any]

    def item(self, field: str) -> Mapping[str, Any]:
        """The object in a field of the body; ShapeError where it isn't one."""
        return get_object(self.body, field)

    def parameter(self, name: str) -> str:
        """The value of a query parameter, or ""."""
        return _parameter(self.query, name)


def read_request(request: Request, owner: Owner) -> ApiRequest:
    """Read a request; raises ApiError where its body isn't a JSON object."""
    try:
        body = as_object(read_json(request.body) if request.body else {}, "the body")
    except HalfSurrogateError as error:
        raise invalid_argument(f"The body cannot be read: {error}.") from None
    except (ValueError, RecursionError):
        raise invalid_argument("The body is not a JSON object.") from None
    return ApiRequest(owner, request.query, body)


def read_json(raw: bytes) -> object:
    """Read JSON, all of whose texts UTF-8 can encode.

    Raises:
        HalfSurrogateError: one of its texts cannot.
        ValueError, RecursionError: it isn't JSON, or is nested too deep.
    """
    value = json.loads(raw)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise HalfSurrogateError("it holds half a surrogate pair") from None
    return value


def read_labels(body: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The labels of a body; ShapeError, with the prefix, where a value isn't a text."""
    labels = get_object(body, "labels", prefix)
    return {name: as_str(value, f"a value of {prefix}labels") for name, value in labels.items()}


def read_meta_labels(body: Mapping[str, Any]) -> dict[str, str]:
    """The labels in the `meta` of a body; ShapeError where a value isn't a text."""
    return read_labels(get_object(body, "meta"), "meta.")


def page_of(
    query: Mapping[str, list[str]], field: str, items: Sequence[tuple[str, Json]]
) -> Response:
    """One page of a list.

    Args:
        query: selects by `labelSelector` and `among` (names), and pages by `pageSize` and
            `pageToken`: the page begins after the item that the token names.
        field: the name of the list in the answer.
        items: name and body of each.
    """
    items = _select(query, items)
    size, start = _page_size(_parameter(query, "pageSize")), 0
    names = [name for name, _ in items]
    if token := _parameter(query, "pageToken"):
        last = _decode_page_token(token)
        if last not in names:
            raise invalid_argument("pageToken isn't from this list.")
        start = names.index(last) + 1
    page = items[start : start + size]
    has_more = start + size < len(items)
    body = {
        field: [body for _, body in page],
        "nextPageToken": _page_token(page[-1][0]) if has_more else "",
    }
    return Response(OK, body, page=1 + -(-start // size))


def error_body(code: Code, message: str) -> Json:
    """The body of an error; older gateways, and their clients, call its message `error`."""
    return {"code": code, "message": message, "error": message, "details": []}


def code_of_status(status: int) -> Code:
    """The code that a gateway would have turned into this HTTP status."""
    default = Code.INVALID_ARGUMENT if status in _CLIENT_ERRORS else Code.INTERNAL
    return _CODE.get(status, default)


def not_found(kind: str, name: str) -> ApiError:
    """The error for something that does not exist."""
    return ApiError(Code.NOT_FOUND, f"There is no {kind} {name!r} in this space.")


def invalid_argument(message: str) -> ApiError:
    """The error for a request that isn't valid, whatever the state of the space."""
    return ApiError(Code.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ApiError:
    """The error for a request that isn't valid in the present state."""
    return ApiError(Code.FAILED_PRECONDITION, message)


def permission_denied(message: str) -> ApiError:
    """The error for a request that this owner of a token may not make."""
    return ApiError(Code.PERMISSION_DENIED, message)


def unimplemented(message: str) -> ApiError:
    """The error for a request that Indent supports and this space doesn't."""
    return ApiError(Code.UNIMPLEMENTED, message)


def _parameter(query: Mapping[str, list[str]], name: str) -> str:
    return query.get(name, [""])[-1]


def _select(
    query: Mapping[str, list[str]], items: Sequence[tuple[str, Json]]
) -> list[tuple[str, Json]]:
    try:
        selector = selectors.parse(_parameter(query, "labelSelector"))
    except selectors.SelectorError as error:
        raise invalid_argument(f"labelSelector: {error}.") from None
    among = query.get("among")
    return [
        (name, body)
        for name, body in items
        if selectors.matches(selector, _labels_of(body)) and (among is None or name in among)
    ]


def _labels_of(body: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of a body itself, or else of its `meta`."""
    labels: Mapping[str, str] = body.get("labels") or body.get("meta", {}).get("labels", {})
    return labels


def _page_size(text: str) -> int:
    if not text or text == "0":
        return _DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdecimal()):
        raise invalid_argument("pageSize is not a number.")
    return min(int(text[:9]), _MAX_PAGE_SIZE)


def _page_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _decode_page_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        return ""
