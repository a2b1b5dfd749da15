"""A function, served locally: the deployed zip, run in one child process per concurrent call.

`FunctionUrl` is its URL; `sandbox.lambda_url.http_api` has an HTTP API in front of it.

Protocol: "Invoking Lambda function URLs" and "Understanding Lambda function scaling" in the Lambda
developer guide.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
import zipfile
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Required, Self, TypedDict, Unpack
from uuid import uuid4

from sandbox.lambda_url.event import (
    BAD_GATEWAY,
    BAD_LENGTH,
    FORBIDDEN,
    NO_LENGTH,
    THROTTLED,
    TOO_LARGE,
    MalformedAnswerError,
    Request,
    Response,
    to_event,
    to_response,
)
from sandbox.lambda_url.runtime import PAYLOAD_LIMIT, Answer, Failure, Fault, Result, Worker
from sandbox.local_server import LocalHandler, LocalServer, checked_by_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.lambda_url.runtime import FunctionConfig

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})
_WITH_BODY: Final = {"POST", "PUT", "PATCH"}


class Options(TypedDict, total=False):
    """How any endpoint is served; see `Endpoint`."""

    concurrency: Required[int]
    log: Callable[[str], None]
    extra_environment: Mapping[str, str]


class Endpoint(ABC):
    """Serves a function at `url` until closed; any path and method reaches its handler.

    Starts at most `concurrency` children, on demand. `log` gets the function's log, line by line,
    from any thread.
    """

    most_bytes: ClassVar[int] = PAYLOAD_LIMIT
    too_large: ClassVar[Response] = TOO_LARGE

    def __init__(
        self,
        config: FunctionConfig,
        zip_bytes: bytes,
        **options: Unpack[Options],
    ) -> None:
        self._log = options.get("log", print)
        self._directory = tempfile.TemporaryDirectory(prefix=f"{config.name}-")
        self._extra_environment = options.get("extra_environment", _NO_VARIABLES)
        unpack(zip_bytes, Path(self._directory.name))
        self._workers = _Workers(self._starter(config), options["concurrency"])
        self._server = _Server(self)
        self._server.start()

    @property
    def url(self) -> str:
        """Where it answers: ends with a slash, as AWS's address does."""
        return f"{self._server.url}/"

    def answer(self, request: Request) -> Response:
        """Answer one request, as AWS would."""
        if refusal := self.refusal():
            return refusal
        request_id = str(uuid4())
        event = self.event(request, request_id, datetime.now(UTC))
        payload = json.dumps(event).encode()
        if len(payload) > PAYLOAD_LIMIT:
            return self.too_large
        result = self._workers.invoke(payload, request_id)
        if not isinstance(result, Answer):
            return self.failure(result)
        try:
            return to_response(result.payload)
        except MalformedAnswerError as error:
            self._log(f"RequestId: {request_id} Error: the answer's {error}")
            return self.failure(Failure(Fault.RAISED, "MalformedAnswer", str(error)))

    @abstractmethod
    def refusal(self) -> Response | None:
        """Say how a call is refused before the function is called; None means that it isn't."""

    @abstractmethod
    def event(self, request: Request, request_id: str, now: datetime) -> dict[str, Any]:
        """Translate a request to the function's event."""

    @abstractmethod
    def failure(self, failure: Failure | None) -> Response:
        """Answer for a function that gave no answer; None means that too many calls run."""

    def reconfigure(self, config: FunctionConfig) -> None:
        """Use another configuration of the same code from now on, as after an update.

        A running call keeps the old one.
        """
        self._workers.replace(self._starter(config))

    def _starter(self, config: FunctionConfig) -> Callable[[], Worker]:
        return lambda: Worker(
            config,
            Path(self._directory.name),
            log=self._log,
            extra_environment=self._extra_environment,
        )

    def close(self) -> None:
        """Stop, even in the middle of a call: no child, thread or file is left."""
        self._server.stop_accepting()
        self._workers.close()
        self._server.close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FunctionUrl(Endpoint):
    """A function's URL. `is_public` is asked on each call: without, it gets 403.

    A call beyond the function's concurrency gets 429.
    """

    def __init__(
        self,
        config: FunctionConfig,
        zip_bytes: bytes,
        *,
        is_public: Callable[[], bool],
        **options: Unpack[Options],
    ) -> None:
        self._region = config.region
        self._is_public = is_public
        super().__init__(config, zip_bytes, **options)

    def refusal(self) -> Response | None:
        """Refuse a call that the function's policy doesn't allow."""
        return None if self._is_public() else FORBIDDEN

    def event(self, request: Request, request_id: str, now: datetime) -> dict[str, Any]:
        """Translate a request to a function URL's event."""
        return to_event(request, request_id=request_id, now=now, region=self._region)

    def failure(self, failure: Failure | None) -> Response:
        """Answer as Lambda does."""
        return BAD_GATEWAY if failure else THROTTLED


def unpack(zip_bytes: bytes, task_root: Path) -> None:
    """Unpack a function's zip into an empty directory, and make all of it read-only.

    Only this user may read it, since a policy file names people.
    """
    with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
        archive.extractall(task_root)
    for path in [*task_root.rglob("*"), task_root]:
        path.chmod(0o500 if path.is_dir() else 0o400)


class _Workers:
    """The children: one for each concurrent call, at most `limit`; idle ones are used again."""

    def __init__(self, start: Callable[[], Worker], limit: int) -> None:
        self._start = start
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._outdated: set[Worker] = set()

    def invoke(self, event: bytes, request_id: str) -> Result | None:
        """Let a child answer; None if too many are busy."""
        with self._lock:
            if len(self._busy) >= self._limit:
                return None
            # The one used last, as in Lambda: the others stay idle.
            worker = self._idle.pop() if self._idle else self._start()
            self._busy.add(worker)
        result = worker.invoke(event, request_id)
        with self._lock:
            self._busy.discard(worker)
            ends = worker in self._outdated
            self._outdated.discard(worker)
            if not ends and not (isinstance(result, Failure) and result.is_fatal):
                self._idle.append(worker)
        if ends:
            worker.close()
        return result

    def replace(self, start: Callable[[], Worker]) -> None:
        """Start children in another way; no call begins in an older one."""
        with self._lock:
            self._start = start
            idle, self._idle = self._idle, []
            self._outdated |= self._busy
        for worker in idle:
            worker.close()

    def close(self) -> None:
        """End every child and its call; no other call begins."""
        with self._lock:
            self._limit = 0
            workers = [*self._idle, *self._busy]
        for worker in workers:
            worker.close()


class _Server(LocalServer):
    def __init__(self, function: Endpoint) -> None:
        # A call's signature is its credential, which the function checks.
        super().__init__(_Call, checked_by_service)
        self.function = function


class _Call(LocalHandler):
    server: _Server
    timeout = 60  # seconds a client may stay silent

    def _serve(self) -> None:
        length = self._length()
        if isinstance(length, Response):
            self._refuse(length)
            return
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up in the middle
            self.close_connection = True
            return
        request = Request(
            self.command,
            self.path,
            self.request_version,
            tuple(self.headers.items()),
            body,
            self.client_address[0],
        )
        response = self.server.function.answer(request)
        self.reply(response.status, response.body, response.headers)

    do_GET = do_HEAD = do_OPTIONS = do_POST = _serve  # noqa: N815 - http.server's names
    do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815 - the same

    def _length(self) -> int | Response:
        is_missing = self.command in _WITH_BODY and "Content-Length" not in self.headers
        if is_missing or "Transfer-Encoding" in self.headers:
            return NO_LENGTH
        length = self.body_length()
        if length is None:
            return BAD_LENGTH
        function = self.server.function
        return length if length <= function.most_bytes else function.too_large

    def _refuse(self, response: Response) -> None:
        """Answer without reading the body."""
        self.reply(response.status, response.body, (*response.headers, ("Connection", "close")))
        self.hang_up()
