"""What the space refuses with: google.rpc codes, and the HTTP status that a gRPC gateway gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

_HTTP: Mapping[int, int] = MappingProxyType(
    {
        INVALID_ARGUMENT: 400,
        FAILED_PRECONDITION: 400,
        UNAUTHENTICATED: 401,
        PERMISSION_DENIED: 403,
        NOT_FOUND: 404,
        ALREADY_EXISTS: 409,
        RESOURCE_EXHAUSTED: 429,
        INTERNAL: 500,
        UNIMPLEMENTED: 501,
        UNAVAILABLE: 503,
    }
)
_CODES = {http: code for code, http in _HTTP.items() if code != FAILED_PRECONDITION}
_CLIENT, _SERVER = range(400, 500), INTERNAL


class ApiError(Exception):
    """A call that gets an HTTP error.

    Attributes:
        code: the google.rpc code.
        message: the sentence that the caller reads.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http(self) -> int:
        """The HTTP status."""
        return _HTTP[self.code]


def code_of(http: int) -> int:
    """The code that a gateway would have turned into this HTTP status."""
    return _CODES.get(http, INVALID_ARGUMENT if http in _CLIENT else _SERVER)


def body(code: int, message: str) -> dict[str, object]:
    """The body of an error; older gateways, and clients of them, call its message `error`."""
    return {"code": code, "message": message, "error": message, "details": []}


def not_found(what: str, name: str) -> ApiError:
    """Say that there is no such thing."""
    return ApiError(NOT_FOUND, f"There is no {what} {name!r} in this space.")
