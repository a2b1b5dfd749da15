"""The exceptions, all below `IndentError`, and the one that an error response becomes. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http.client import responses
from types import MappingProxyType
from typing import Any

from indentapi.api_types import Petition


class IndentError(Exception):
    """The API could not be called, or refused the request.

    Attributes:
        message: what happened, in the API's words where it gave any.
        method: the HTTP method, `""` when no request was made.
        path: the path below the base URL, without its query.
        status: the HTTP status, None without an answer.
        code: the gRPC code of the error body (google.rpc.Code), None when it had none.
        details: the error body's details, objects with an `@type`.
        retry_after: the seconds that the API asked to wait before another try, if it did.
        hint: what to check or to set, `""` if unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str = "",
        path: str = "",
        status: int | None = None,
        code: int | None = None,
        details: Sequence[Mapping[str, object]] = (),
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message: str = message
        self.method: str = method
        self.path: str = path
        self.status: int | None = status
        self.code: int | None = code
        self.details: tuple[Mapping[str, object], ...] = tuple(details)
        self.retry_after: float | None = retry_after
        self.hint: str = hint

    def __str__(self) -> str:
        request = f"{self.method} {self.path}: " if self.method else ""
        message = self.message.removesuffix(".") if self.hint else self.message
        status = f" (HTTP {self.status})" if self.status else ""
        hint = f". {self.hint}" if self.hint else ""
        return escape_unprintable(f"{request}{message}{status}{hint}")


class ConfigurationError(IndentError, ValueError):
    """A setting is missing or isn't valid; the message names it, and what to type."""


class IndentConnectionError(IndentError, ConnectionError):
    """There was no connection, or it broke before the answer was complete."""


class IndentTimeoutError(IndentError, TimeoutError):
    """No answer in time; whether the request took effect is unknown."""


class PetitionTimeoutError(IndentTimeoutError):
    """The petition was still undecided when the timeout was over.

    Attributes:
        petition: its last known state.
    """

    def __init__(self, message: str, petition: Petition) -> None:
        super().__init__(message)
        self.petition: Petition = petition

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.petition)


class UnexpectedAnswerError(IndentError):
    """The API's answer isn't what it promises: not JSON, or pages that never end."""


class BadRequestError(IndentError):
    """HTTP 400: the API cannot read the request."""


class AuthenticationError(IndentError):
    """HTTP 401: the token is wrong or has expired."""


class PermissionDeniedError(IndentError):
    """HTTP 403: the token's owner may not do this."""


class NotFoundError(IndentError):
    """HTTP 404: it does not exist, or this token may not see it."""


class ConflictError(IndentError):
    """HTTP 409: it exists already, or changed meanwhile."""


class UnprocessableError(IndentError):
    """HTTP 422: the request is well formed, but cannot be carried out."""


class RateLimitError(IndentError):
    """HTTP 429: too many requests."""


class ServerError(IndentError):
    """HTTP 500 and above: the API failed."""


_BY_STATUS: Mapping[int, type[IndentError]] = MappingProxyType(
    {
        400: BadRequestError,
        401: AuthenticationError,
        403: PermissionDeniedError,
        404: NotFoundError,
        409: ConflictError,
        422: UnprocessableError,
        429: RateLimitError,
    }
)
_FIRST_SERVER_ERROR = 500
_NOT_FOUND = 404
_MAX_QUOTED_LENGTH = 200
# A 404 for a space, or for one of its collections as a whole, means that the space doesn't exist.
_SPACE_PATH = re.compile(r"/spaces/([^/]+)(?:/[^/:]+)?")
_SPACE_HINT = "Is {} the name of your space? Set INDENT_SPACE or pass space_name="
_HINTS: Mapping[int, str] = MappingProxyType(
    {
        401: "Set INDENT_API_TOKEN or pass api_token=: a new access token from your space's "
        "settings, or from the .sandbox/env of a running sandbox",
        404: "INDENT_SPACE or space_name= is the space that was searched",
    }
)


def error_from_response(
    text: str, *, method: str, path: str, status: int, retry_after: float | None = None
) -> IndentError:
    """The exception for an error response, in the API's own words where it has any.

    The body is the gRPC gateway's (google.rpc.Status in JSON: `code`, `message`, `details`);
    older gateways add `error`, a text or an object of the same form.
    """
    body = parse_json(text)
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    nested = fields.get("error")
    if isinstance(nested, dict):
        fields = {**nested, **{k: v for k, v in fields.items() if k != "error"}}
    candidates = [
        fields.get("message"),
        nested,
        text.strip()[:_MAX_QUOTED_LENGTH],
        responses.get(status),
    ]
    message = next((c for c in candidates if isinstance(c, str) and c), "no reason given")
    space = _SPACE_PATH.fullmatch(path) if status == _NOT_FOUND else None
    code, details = fields.get("code"), fields.get("details")
    return _error_class(status)(
        message,
        method=method,
        path=path,
        status=status,
        code=code if isinstance(code, int) else None,
        details=[d for d in details if isinstance(d, dict)] if isinstance(details, list) else (),
        retry_after=retry_after,
        hint=_SPACE_HINT.format(space[1]) if space else _HINTS.get(status, ""),
    )


def parse_json(text: str) -> object:
    """The value of a JSON body, None if it isn't JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def escape_unprintable(text: str) -> str:
    """The text with its control characters as visible escapes.

    Messages repeat the API's words and are printed to a terminal: nothing in them may control it,
    or start another line.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _error_class(status: int) -> type[IndentError]:
    if status >= _FIRST_SERVER_ERROR:
        return ServerError
    return _BY_STATUS.get(status, IndentError)
