"""Whether a failed try may be repeated, and after how long. No I/O, no clock."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_TOO_MANY = 429
_REQUEST_TIMEOUT = 408
_FIRST_SERVER_ERROR = 500
_LONGEST_WAIT = 60.0
_FIRST_BACKOFF, _LONGEST_BACKOFF, _JITTER = 0.5, 8.0, 0.25


@dataclass(frozen=True, slots=True)
class Failure:
    """How one try failed: with a status, or without an answer.

    `unreached` is True only when no connection came about, so that the API cannot have acted.
    """

    status: int | None = None
    unreached: bool = False
    retry_after: float | None = None


def may_repeat(method: str, failure: Failure) -> bool:
    """Whether another try is harmless and has a chance.

    Reading is always harmless. Anything else could be done twice, so it is repeated only when the
    API cannot have done it: never reached, or refused for its rate limit.
    """
    if failure.retry_after is not None and failure.retry_after > _LONGEST_WAIT:
        return False
    if failure.unreached or failure.status == _TOO_MANY:
        return True
    if method != "GET":
        return False
    status = failure.status
    return status is None or status == _REQUEST_TIMEOUT or status >= _FIRST_SERVER_ERROR


def pause(tries: int, failure: Failure) -> float:
    """The seconds before the next try, when `tries` have failed; what the API asked comes first."""
    if failure.retry_after is not None:
        return failure.retry_after
    longest = min(_FIRST_BACKOFF * 2.0 ** (tries - 1), _LONGEST_BACKOFF)
    return longest * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, guards nothing


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that a `Retry-After` asks for (RFC 9110, 10.2.3), None for none or nonsense.

    Arguments:
        headers: of the answer, whatever their case.
        now: seconds since the epoch, for the form that is a date.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
