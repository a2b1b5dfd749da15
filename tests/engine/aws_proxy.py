"""A proxy of the local AWS with which a test can hold a call, or look at each change."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID

from sandbox.local_aws.moto_server import Aws

PATIENCE = 240  # seconds until a call that doesn't arrive fails its test
READING = re.compile("GET|HEAD|Get|List|Describe")
FORBIDDEN = ("403 Forbidden", "AccessDenied")
Look = Callable[[str], None]
Call = Callable[[], Iterable[bytes]]


class HeldCall:
    """A call that waits at the proxy."""

    def __init__(self, pattern: str) -> None:
        self.pattern = re.compile(pattern)
        self._came = threading.Event()
        self._decided = threading.Event()
        self._ended = threading.Event()
        self._reaches_aws = False

    def wait_for(self) -> None:
        """Wait until the call has arrived; AWS hasn't seen it."""
        assert self._came.wait(PATIENCE), f"no call of {self.pattern.pattern} came"

    def release(self, *, reaches_aws: bool = True) -> None:
        """Pass the call on to AWS and wait for the answer, or drop it."""
        self._reaches_aws = reaches_aws
        self._decided.set()
        assert self._ended.wait(PATIENCE), f"{self.pattern.pattern} does not end"

    def wait(self, call: Call, lost: Call) -> Iterable[bytes]:
        """Hold the call until the test decides."""
        self._came.set()
        decided = self._decided.wait(PATIENCE)
        try:
            return call() if decided and self._reaches_aws else lost()
        finally:
            self._ended.set()


class AwsProxy:
    """The local AWS on another port, for as long as the context lasts.

    A call's name is its operation (`PutSecretValue`) or, for services with paths, its method and
    path (`POST /2015-03-31/functions`); for a bucket, with the query (`GET /b?tagging`).

    Moto has one account, and ignores the expected owner of a bucket. Like S3, the proxy answers
    403 if the bucket has another owner than expected, or belongs to another account.

    Attributes:
        endpoint: its address.
        calls: every call, by its name.
        foreign_buckets: the names of buckets that belong to another account.
        calls_without_owner: the calls for such a bucket without an expected owner.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._server = aws.make_server(self._answer)
        self.endpoint = self._server.url
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self._held: HeldCall | None = None
        self._look: Look | None = None
        self._one_look = threading.Lock()  # a plugin may make several changes at once
        self.foreign_buckets: set[str] = set()
        self.calls_without_owner: list[str] = []

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def hold(self, pattern: str) -> HeldCall:
        """Hold the next call whose whole name matches the pattern."""
        self._held = HeldCall(pattern)
        return self._held

    @contextmanager
    def observed(self, look: Look) -> Iterator[None]:
        """Look after each change that AWS has made, before the CLI gets the answer."""
        self._look = look
        try:
            yield
        finally:
            self._look = None

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - WSGI's own
        name = _name_of(environ)
        self.calls.append(name)
        if refusal := self._refused_bucket(environ, name):
            status, code = refusal
            start_response(status, [("Content-Type", "text/xml; charset=utf-8")])
            error = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
            # S3's errors have no wrapper, unlike those of services with operations.
            return [(error if " " in name else f"<E>{error}</E>").encode()]

        def call() -> Iterable[bytes]:
            answer: Iterable[bytes] = self._aws.answer(environ, start_response)
            if self._look and not READING.match(name):
                with self._one_look:
                    self._look(name)
            return answer

        def lost() -> Iterable[bytes]:
            start_response("503 Service Unavailable", [])
            return []

        with self._lock:
            held = self._held if self._held and self._held.pattern.fullmatch(name) else None
            self._held = None if held else self._held
        return held.wait(call, lost) if held else call()

    def _refused_bucket(self, environ: Mapping[str, Any], name: str) -> tuple[str, str] | None:
        """Refuse, like S3, a bucket of another account or of another owner than expected."""
        if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        bucket, _, key = environ["PATH_INFO"].strip("/").partition("/")
        expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
        if bucket not in self.foreign_buckets:
            return None if expected in {None, DEFAULT_ACCOUNT_ID} else FORBIDDEN
        if environ["REQUEST_METHOD"] == "PUT" and not key and not environ.get("QUERY_STRING"):
            return "409 Conflict", "BucketAlreadyExists"
        if expected is None:
            self.calls_without_owner.append(name)
        return FORBIDDEN


def _name_of(environ: dict[str, Any]) -> str:
    """Return the name of a call; its body is read and put back."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if environ["PATH_INFO"] == "/" and environ["REQUEST_METHOD"] == "POST":
        query: Mapping[str, list[str]] = parse_qs(body.decode())
        return query["Action"][0]
    name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    read = environ.get("QUERY_STRING", "").partition("&")[0].removesuffix("=")
    return f"{name}?{read}" if name.startswith("GET ") and re.fullmatch("[a-zA-Z]+", read) else name
