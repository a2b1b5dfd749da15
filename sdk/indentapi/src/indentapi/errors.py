"""Everything that can go wrong with the API: one tree of exceptions, `IndentError` its root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
