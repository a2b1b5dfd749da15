"""An HTTP API in front of the function, served locally.

Protocol: "Create AWS Lambda proxy integrations for HTTP APIs" and "Throttle requests to your HTTP
APIs" in the API Gateway developer guide.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote
from uuid import UUID

from sandbox.lambda_url.event import Request, Response, event_of, message
from sandbox.lambda_url.runtime import Failure, Fault
from sandbox.lambda_url.server import Endpoint

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from sandbox.lambda_url.runtime import FunctionConfig
    from sandbox.lambda_url.server import Options

THROTTLED: Final = message(HTTPStatus.TOO_MANY_REQUESTS, message="Too Many Requests")
UNAVAILABLE: Final = message(HTTPStatus.SERVICE_UNAVAILABLE, message="Service Unavailable")
ERROR: Final = message(HTTPStatus.INTERNAL_SERVER_ERROR, message="Internal Server Error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What AWS says of a deployed API.

    Attributes:
        account: the account's number.
        domain: its host.
        rate, burst: the calls that it passes on, per second and at once.
    """

    account: str
    domain: str
    rate: float
    burst: int


class HttpApi(Endpoint):
    """An HTTP API whose default route is a function.

    Calls beyond its throttling get 429. `may_call` is asked on each call: if the function's policy
    doesn't let the API call it, 500. A function that has no room for the call, or no time, is 503.
    """

    most_bytes: ClassVar[int] = 10 * 1024 * 1024
    too_large: ClassVar[Response] = message(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message="Request Entity Too Large"
    )

    def __init__(
        self,
        config: FunctionConfig,
        zip_bytes: bytes,
        *,
        api: ApiConfig,
        may_call: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        **options: Unpack[Options],
    ) -> None:
        self._api = api
        self._may_call = may_call
        self._bucket = TokenBucket(api.rate, api.burst, monotonic)
        super().__init__(config, zip_bytes, **options)

    def refusal(self) -> Response | None:
        """Throttle, and check the function's policy."""
        if not self._bucket.take():
            return THROTTLED
        return None if self._may_call() else ERROR

    def event(self, request: Request, request_id: str, now: datetime) -> dict[str, Any]:
        """Translate a request to API Gateway's event, with the headers that it adds.

        Its id is in base64, and another one than Lambda's. Its path is decoded, and ends at a
        question mark even if that was encoded.
        """
        path, _, query = request.target.partition("?")
        path = unquote(path).partition("?")[0]
        names = {name.lower() for name, _ in request.headers}
        added = {
            "content-length": str(len(request.body)),
            "x-amzn-trace-id": f"Root=1-{int(now.timestamp()):08x}-{secrets.token_hex(12)}",
            "x-forwarded-for": request.source_ip,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
        headers = [pair for pair in request.headers if pair[0].lower() != "host"]
        headers.append(("host", self._api.domain))
        headers += [
            (name, value)
            for name, value in added.items()
            if name not in names or name == "x-forwarded-for"
        ]
        return event_of(
            replace(request, target=f"{path}?{query}", headers=tuple(headers)),
            request_id=base64.urlsafe_b64encode(UUID(request_id).bytes[:11]).decode(),
            now=now,
            account=self._api.account,
            domain=self._api.domain,
        )

    def failure(self, failure: Failure | None) -> Response:
        """Answer as API Gateway does."""
        if failure is None or failure.fault is Fault.TIMED_OUT:
            return UNAVAILABLE
        return ERROR


class TokenBucket:
    """How API Gateway throttles: each call takes a token; `rate` new ones come in each second."""

    def __init__(self, rate: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._rate, self._burst, self._monotonic = rate, burst, monotonic
        self._tokens, self._filled_at = float(burst), monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        with self._lock:
            now = self._monotonic()
            new = (now - self._filled_at) * self._rate
            self._tokens, self._filled_at = min(self._burst, self._tokens + new), now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
