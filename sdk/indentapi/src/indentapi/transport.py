"""HTTP requests to the API: sent, repeated where that is harmless, and their responses read."""

from __future__ import annotations

import platform
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

from indentapi.errors import (
    IndentConnectionError,
    IndentError,
    IndentTimeoutError,
    UnexpectedAnswerError,
    error_of,
    parse_json,
)
from indentapi.settings import Settings
from indentapi.version import __version__

Query = Mapping[str, str | list[str]]
_CONNECTIONS_KEPT = 16
_SHORTEST_TRY = 0.001
_FIRST_NOT_GOOD = 300


class Clock(Protocol):
    """Time and sleep; the module `time` is one."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Let them pass."""


class Transport:
    """The connections to the API, shared by all threads of a client."""

    def __init__(
        self, settings: Settings, *, timeout: float, max_retries: int, clock: Clock
    ) -> None:
        self.settings: Settings = settings
        self.clock: Clock = clock
        self._timeout = timeout
        self._max_retries = max_retries
        self._adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS_KEPT)
        self._session = _session(settings, self._adapter)
        self._closed = False

    def check_open(self) -> None:
        """Raise RuntimeError once it is closed."""
        if self._closed:
            raise RuntimeError(
                "this IndentAPI is closed: make the call inside of its `with`, or a new client"
            )

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        pools = self._adapter.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it cannot be iterated
            # The session drops its pools, and after a failed try something still refers to them.
            pools[key].close()
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        within: float | None = None,
    ) -> dict[str, Any]:
        """Send it, and return the object of the answer.

        Arguments:
            method: in upper case.
            path: below the base URL, beginning with a slash, its segments quoted.
            query: parameters, a list for one that is repeated.
            body: what to send as JSON.
            within: seconds for all tries together; None for as many as they take.

        Raises:
            IndentError: after the last try, the class that its failure has.
            RuntimeError: it is closed.
        """
        self.check_open()
        end = None if within is None else self.clock.monotonic() + within
        tries = 0
        while True:
            tries += 1
            outcome = self._try(method, path, query, body, end)
            if not isinstance(outcome, tuple):
                return outcome
            error, failure = outcome
            wait = pause(tries, failure)
            late = end is not None and self.clock.monotonic() + wait >= end
            if tries > self._max_retries or late or not may_repeat(method, failure):
                raise error
            self.clock.sleep(wait)

    def _try(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, Any] | None,
        end: float | None,
    ) -> dict[str, Any] | tuple[IndentError, Failure]:
        left = self._timeout if end is None else end - self.clock.monotonic()
        try:
            answer = self._session.request(
                method,
                self.settings.base_url + path,
                params=query,
                json=body,
                timeout=max(_SHORTEST_TRY, min(left, self._timeout)),
                # A redirect would turn a POST into a GET, or carry the token elsewhere.
                allow_redirects=False,
            )
        except requests.RequestException as caught:
            return _broken(caught, method, path, self.settings.base_url)
        # An error page may quote the request, and the token with it.
        text = answer.content.decode("utf-8", "replace").replace(self.settings.token, "[token]")
        if answer.status_code < _FIRST_NOT_GOOD:
            return read(text, method=method, path=path, status=answer.status_code)
        wait = retry_after(answer.headers, self.clock.time())
        error = error_of(
            text, method=method, path=path, status=answer.status_code, retry_after=wait
        )
        return error, Failure(answer.status_code, retry_after=wait)


def _session(settings: Settings, adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {settings.token}"
        return request

    # Not a plain header: a .netrc entry for the host would replace that.
    session.auth = authorize
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = f"indentapi/{__version__} Python/{platform.python_version()}"
    # The jar is the one part of a session that threads would write to.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # No proxy of the environment for this machine itself: the token would leave it in the clear.
    session.trust_env = not settings.local
    session.mount(settings.base_url, adapter)
    return session


def _broken(
    caught: requests.RequestException, method: str, path: str, base_url: str
) -> tuple[IndentError, Failure]:
    """Say what happened; the library's own exception stays behind, for it holds the request."""
    cause = caught.args[0] if caught.args else caught
    reason = getattr(cause, "reason", None) or cause
    if isinstance(caught, requests.Timeout) or isinstance(cause, ReadTimeoutError):
        error: IndentError = IndentTimeoutError("no answer in time", method=method, path=path)
    else:
        error = IndentConnectionError(
            f"the connection failed: {_sentence(reason)}",
            method=method,
            path=path,
            hint=f"{base_url} cannot be reached: check the network, or what INDENT_API_URL says",
        )
    return error, Failure(unreached=isinstance(reason, ConnectTimeoutError))


def _sentence(reason: object) -> str:
    """What went wrong, without the object that the library puts before it."""
    return re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", str(reason))


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


def read(text: str, *, method: str, path: str, status: int) -> dict[str, Any]:
    """The object in the body of a good answer; an empty body is an empty object.

    Raises:
        UnexpectedAnswerError: it is something else.
    """
    body = parse_json(text) if text.strip() else {}
    if not isinstance(body, dict):
        raise UnexpectedAnswerError(
            "the answer is no JSON object", method=method, path=path, status=status
        )
    return body
