"""Everything that can go wrong with the API: one tree of exceptions, `IndentError` its root."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http.client import responses
from types import MappingProxyType
from typing import Any

from indentapi.types import Petition


class IndentError(Exception):
    """Something between the caller and the answer went wrong.

    Attributes:
        message: what happened, in the API's words where it gave any.
        method: the HTTP method, `""` when no request was made.
        path: the path below the base URL, without its query.
        status: the HTTP status, None without an answer.
        code: the gRPC code of the error body (google.rpc.Code), None when it had none.
        details: the error body's details, objects with an `@type`.
        retry_after: the seconds that the API asked to wait before another try, if it did.
        hint: what to check or to set, `""` when nothing is known.
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
        status = f" (HTTP {self.status})" if self.status else ""
        asked = f"{self.method} {self.path}: " if self.method else ""
        hint = f". {self.hint}" if self.hint else ""
        said = f"{asked}{self.message.removesuffix('.') if hint else self.message}{status}{hint}"
        # Part of it are the API's words, and Python prints it as it is: escapes are shown instead.
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in said)


class ConfigurationError(IndentError, ValueError):
    """A setting is missing or cannot be used; the message says which, and what to do."""


class IndentConnectionError(IndentError, ConnectionError):
    """No connection, or it broke before the whole answer was there."""


class IndentTimeoutError(IndentError, TimeoutError):
    """No answer in time; whether the request took effect is unknown."""


class PetitionTimeoutError(IndentTimeoutError):
    """The petition was still waiting for a decision when the time was over.

    Attributes:
        petition: as it was last seen.
    """

    def __init__(self, message: str, petition: Petition) -> None:
        super().__init__(message)
        self.petition: Petition = petition

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.petition)


class UnexpectedAnswerError(IndentError):
    """The API answered with something that it does not promise: no JSON, or pages in a circle."""


class BadRequestError(IndentError):
    """HTTP 400: the request makes no sense to the API."""


class AuthenticationError(IndentError):
    """HTTP 401: the token is wrong or has expired."""


class PermissionDeniedError(IndentError):
    """HTTP 403: the token's owner may not do this."""


class NotFoundError(IndentError):
    """HTTP 404: there is no such thing, or not for this token."""


class ConflictError(IndentError):
    """HTTP 409: it exists already, or changed meanwhile."""


class UnprocessableError(IndentError):
    """HTTP 422: the request is well formed, and still not possible."""


class RateLimitError(IndentError):
    """HTTP 429: too many requests."""


class ServerError(IndentError):
    """HTTP 500 and above: the API failed."""


_BY_STATUS: dict[int, type[IndentError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitError,
}
_FIRST_SERVER_ERROR = 500


def class_for(status: int) -> type[IndentError]:
    """The class of an HTTP status; `IndentError` itself for one that has none of its own."""
    if status >= _FIRST_SERVER_ERROR:
        return ServerError
    return _BY_STATUS.get(status, IndentError)


_LONGEST_TEXT = 200
_NOT_FOUND = 404
# A space itself, or one of its collections: what is not there is then the space.
_IN_A_SPACE = re.compile(r"/spaces/([^/]+)(?:/[^/:]+)?")
_NO_SPACE = "Is {} the name of your space? Set INDENT_SPACE or pass space_name="
_HINTS: Mapping[int, str] = MappingProxyType(
    {
        401: "Set INDENT_API_TOKEN or pass api_token=: a new access token from your space's "
        "settings, or from the .sandbox/env of a running sandbox",
        404: "Its space is what INDENT_SPACE or space_name= says",
    }
)


def error_of(
    text: str, *, method: str, path: str, status: int, retry_after: float | None = None
) -> IndentError:
    """The exception for a bad answer, in the API's own words where it has any."""
    body = parse_json(text)
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    nested = fields.get("error")
    if isinstance(nested, dict):
        fields = {**nested, **{k: v for k, v in fields.items() if k != "error"}}
    named = [fields.get("message"), nested]
    said = next((word for word in named if isinstance(word, str) and word), None)
    unknown_space = status == _NOT_FOUND and _IN_A_SPACE.fullmatch(path)
    code, details = fields.get("code"), fields.get("details")
    return class_for(status)(
        said or text.strip()[:_LONGEST_TEXT] or responses.get(status, "no reason given"),
        method=method,
        path=path,
        status=status,
        code=code if isinstance(code, int) else None,
        details=[d for d in details if isinstance(d, dict)] if isinstance(details, list) else (),
        retry_after=retry_after,
        hint=_NO_SPACE.format(unknown_space[1]) if unknown_space else _HINTS.get(status, ""),
    )


def parse_json(text: str) -> object:
    """The value that a body holds as JSON, None for one that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
