"""HTTP requests to the API: sent, retried where that is harmless, and their responses read."""

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
    error_from_response,
    parse_json,
)
from indentapi.version import __version__

Query = Mapping[str, str | list[str]]
_POOL_SIZE = 16
_MIN_TIMEOUT = 0.001
_FIRST_NOT_SUCCESS = 300
_REQUEST_TIMEOUT = 408
_TOO_MANY_REQUESTS = 429
_FIRST_SERVER_ERROR = 500
_MAX_RETRY_AFTER = 60.0
_INITIAL_BACKOFF, _MAX_BACKOFF, _JITTER = 0.5, 8.0, 0.25


class Clock(Protocol):
    """Time and sleep; the module `time` is one."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for that long."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt.

    Attributes:
        error: what to raise if there is no further attempt.
        connected: False only when no connection was made, so that the API cannot have acted.
    """

    error: IndentError
    connected: bool = True


class Transport:
    """The connections to the API, shared by all threads of a client.

    Arguments:
        base_url: without a slash at its end; https, or http on loopback.
        token: sent with every request, and never part of an error.
        timeout: seconds for one attempt to connect, and for each silence of the API after that.
        max_retries: further attempts after a failure.
        clock: for retries and deadlines.
    """

    def __init__(
        self, base_url: str, token: str, *, timeout: float, max_retries: int, clock: Clock
    ) -> None:
        self.clock: Clock = clock
        self._base_url = base_url
        self._token = token
        self._timeout = timeout
        self._max_retries = max_retries
        self._adapter = HTTPAdapter(pool_maxsize=_POOL_SIZE)
        self._session = _open_session(base_url, token, self._adapter)
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
            # The session only drops its pools, and a failed attempt leaves references to them.
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
        """Send a request, and return the JSON object of its response.

        Arguments:
            method: in upper case.
            path: below the base URL, beginning with a slash, its segments quoted.
            query: parameters, a list for one that is repeated.
            body: what to send as JSON.
            within: seconds for all attempts together; None for no limit.

        Raises:
            IndentError: of the class that the last attempt's failure has.
            RuntimeError: it is closed.
        """
        self.check_open()
        deadline = None if within is None else self.clock.monotonic() + within
        attempts = 0
        while True:
            attempts += 1
            outcome = self._attempt(method, path, query, body, deadline)
            if not isinstance(outcome, Failure):
                return outcome
            delay = retry_delay(attempts, outcome)
            too_late = deadline is not None and self.clock.monotonic() + delay >= deadline
            if attempts > self._max_retries or too_late or not is_retryable(method, outcome):
                raise outcome.error
            self.clock.sleep(delay)

    def _attempt(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, Any] | None,
        deadline: float | None,
    ) -> dict[str, Any] | Failure:
        timeout = self._timeout
        if deadline is not None:
            timeout = min(timeout, deadline - self.clock.monotonic())
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                params=query,
                json=body,
                timeout=max(_MIN_TIMEOUT, timeout),
                # A redirect would turn a POST into a GET, or carry the token elsewhere.
                allow_redirects=False,
            )
        except requests.RequestException as exception:
            return _no_response(exception, method, path, self._base_url)
        status = response.status_code
        # An error page may quote the request, and the token with it.
        text = response.content.decode("utf-8", "replace").replace(self._token, "[token]")
        if status < _FIRST_NOT_SUCCESS:
            return _decode_object(text, method=method, path=path, status=status)
        retry_after = parse_retry_after(response.headers, self.clock.time())
        return Failure(
            error_from_response(
                text, method=method, path=path, status=status, retry_after=retry_after
            )
        )


def is_retryable(method: str, failure: Failure) -> bool:
    """Whether another attempt is harmless and has a chance.

    Reading is always harmless. Anything else could be done twice, so it is sent again only when
    the API cannot have done it: never connected, or refused for its rate limit.
    """
    status, retry_after = failure.error.status, failure.error.retry_after
    if retry_after is not None and retry_after > _MAX_RETRY_AFTER:
        return False
    if not failure.connected or status == _TOO_MANY_REQUESTS:
        return True
    if method != "GET":
        return False
    return status is None or status == _REQUEST_TIMEOUT or status >= _FIRST_SERVER_ERROR


def retry_delay(attempts: int, failure: Failure) -> float:
    """The seconds to wait after that many failed attempts: as the API asked, or with back-off."""
    if failure.error.retry_after is not None:
        return failure.error.retry_after
    backoff = min(_INITIAL_BACKOFF * 2.0 ** (attempts - 1), _MAX_BACKOFF)
    return backoff * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, guards nothing


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that `Retry-After` asks for (RFC 9110, 10.2.3), None if it is absent or unclear.

    Arguments:
        headers: of the response, whatever their case.
        now: seconds since the epoch, for the form that is a date.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _open_session(base_url: str, token: str, adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    # Not a plain header: a .netrc entry for the host would replace that.
    session.auth = authorize
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = f"indentapi/{__version__} Python/{platform.python_version()}"
    # The jar is the one part of a session that threads would write to.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # No proxy of the environment for this machine itself: over plain http it would see the token.
    session.trust_env = not base_url.startswith("http://")
    session.mount(base_url, adapter)
    return session


def _decode_object(text: str, *, method: str, path: str, status: int) -> dict[str, Any]:
    """The object in the body of a successful response; an empty body is an empty object."""
    body = parse_json(text) if text.strip() else {}
    if not isinstance(body, dict):
        raise UnexpectedAnswerError(
            "the answer isn't a JSON object", method=method, path=path, status=status
        )
    return body


def _no_response(
    exception: requests.RequestException, method: str, path: str, base_url: str
) -> Failure:
    """The failure without the library's exception, which contains the request and so the token."""
    cause = exception.args[0] if exception.args else exception
    reason = getattr(cause, "reason", None) or cause
    connected = not isinstance(reason, ConnectTimeoutError)
    if isinstance(exception, requests.Timeout) or isinstance(cause, ReadTimeoutError):
        return Failure(
            IndentTimeoutError("no answer in time", method=method, path=path), connected=connected
        )
    # The library puts the connection object before the reason: `<…HTTPConnection object …>: `.
    reason_text = re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", str(reason))
    error = IndentConnectionError(
        f"the connection failed: {reason_text}",
        method=method,
        path=path,
        hint=f"{base_url} cannot be reached: check the network, or INDENT_API_URL",
    )
    return Failure(error, connected=connected)
