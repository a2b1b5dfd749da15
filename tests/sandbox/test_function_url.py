"""The function URL over real HTTP: events, responses, child processes, and cleanup."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.lambda_url.event import MalformedAnswerError, Request, Response, to_event, to_response
from sandbox.lambda_url.runtime import PAYLOAD_LIMIT, FunctionConfig
from sandbox.lambda_url.server import Endpoint, FunctionUrl, unpack
from tests.sandbox.lambda_functions import CONFIG, ECHO, PATIENCE, assert_gone

PID = "import os\ndef handle(event, context):\n    return os.getpid()\n"
# Sends its process id to the port in the query string, and continues after a byte from there.
WAITING = """
import os, socket
def handle(event, context):
    port = event.get("queryStringParameters", {}).get("port")
    if port:
        with socket.create_connection(("127.0.0.1", int(port))) as barrier:
            barrier.sendall(b"%d\\n" % os.getpid())
            barrier.recv(1)
    return os.getpid()
"""
# Fails in the way that the query string names.
FAULTY = """
import os, threading
def handle(event, context):
    what = event["rawQueryString"]
    if what == "raise":
        raise ValueError("secret detail")
    if what == "exit":
        os._exit(1)
    if what == "hang":
        threading.Event().wait()
    if what == "large":
        return "x" * 7_000_000
    if what == "malformed":
        return {"statusCode": "many"}
    return os.getpid()
"""
Start = Callable[..., FunctionUrl]


def zip_of(source: str) -> bytes:
    """Make a function's zip with one file, `app.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """The body as JSON."""
        return json.loads(self.body)


def connect(function: Endpoint) -> http.client.HTTPConnection:
    """Open a new connection."""
    return http.client.HTTPConnection(urlsplit(function.url).netloc, timeout=PATIENCE)


def call(
    function: Endpoint,
    method: str = "GET",
    target: str = "/",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send one request on a new connection."""
    with closing(connect(function)) as connection:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())


def send(function: Endpoint, raw: bytes) -> bytes:
    """Send bytes, with this server as Host instead of `x`, and return the whole answer."""
    parts = urlsplit(function.url)
    raw = raw.replace(b"Host: x\r\n", f"Host: {parts.netloc}\r\n".encode())
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        connection.sendall(raw)
        with connection.makefile("rb") as answer:
            return answer.read()


class Barrier:
    """The waiting handler connects here; each call continues when it is released."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._waiting: dict[int, socket.socket] = {}
        self.target = f"/?port={self._listener.getsockname()[1]}"

    def wait_for_call(self) -> int:
        """Wait until a handler has connected, and return its process id."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        with connection.makefile("rb") as file:
            pid = int(file.readline())
        self._waiting[pid] = connection
        return pid

    def release(self, pid: int) -> None:
        """Let the call of this process continue."""
        with self._waiting.pop(pid) as connection:
            connection.sendall(b"x")

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()
        for connection in self._waiting.values():
            connection.close()


@pytest.fixture
def barrier() -> Iterator[Barrier]:
    """A barrier for the waiting handler."""
    with closing(Barrier()) as barrier:
        yield barrier


@pytest.fixture
def start() -> Iterator[Start]:
    """Serve this source; every function is closed after the test."""
    with ExitStack() as stack:

        def started(
            source: str,
            *,
            config: FunctionConfig = CONFIG,
            concurrency: int = 10,
            is_public: Callable[[], bool] = lambda: True,
            log: Callable[[str], None] = lambda _: None,
        ) -> FunctionUrl:
            return stack.enter_context(
                FunctionUrl(
                    config, zip_of(source), concurrency=concurrency, is_public=is_public, log=log
                )
            )

        yield started


@pytest.fixture(scope="module")
def echo() -> Iterator[FunctionUrl]:
    """A function that answers with its event."""
    with FunctionUrl(
        CONFIG, zip_of(ECHO), concurrency=10, is_public=lambda: True, log=lambda _: None
    ) as function:
        yield function


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Threads that make calls."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


# The event.


def test_event_has_payload_format_two(echo: FunctionUrl) -> None:
    """A signed POST arrives as the event that Lambda would create."""
    with closing(connect(echo)) as connection:
        connection.putrequest("POST", "/a%20b?x=1&y=%C3%BC&x=2&empty=", skip_accept_encoding=True)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Content-Length", "13"),
            ("X-Twice", "one"),
            ("x-twice", "two"),
            ("User-Agent", "tests"),
            ("Cookie", "a=1; b=2"),
        ):
            connection.putheader(name, value)
        connection.endheaders(b'{"text": "!"}')
        event = json.loads(connection.getresponse().read())
    context = event["requestContext"]
    clock = context.pop("timeEpoch")
    at = datetime.fromtimestamp(clock / 1000, UTC)
    assert context.pop("time") == at.strftime("%d/%b/%Y:%H:%M:%S +0000")
    assert len(context.pop("requestId")) == 36
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b",
        "rawQueryString": "x=1&y=%C3%BC&x=2&empty=",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "host": urlsplit(echo.url).netloc,
            "content-type": "application/json",
            "content-length": "13",
            "x-twice": "one,two",
            "user-agent": "tests",
        },
        "queryStringParameters": {"x": "1,2", "y": "ü", "empty": ""},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "sandbox",
            "domainName": "sandbox.lambda-url.us-west-2.on.aws",
            "domainPrefix": "sandbox",
            "http": {
                "method": "POST",
                "path": "/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "tests",
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": '{"text": "!"}',
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_reaches_the_handler(echo: FunctionUrl, method: str) -> None:
    """The handler gets every method; fields without a value are left out."""
    event = call(echo, method, "/some/path", b"").json
    assert event["requestContext"]["http"]["method"] == method
    assert (event["rawPath"], event["rawQueryString"]) == ("/some/path", "")
    assert not {"body", "cookies", "queryStringParameters"} & event.keys()


def test_head_is_answered_without_a_body(echo: FunctionUrl) -> None:
    """HEAD reaches the handler; the answer has the body's length, but no body."""
    reply = call(echo, "HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert int(dict(reply.headers)["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("application/json", "ü".encode(), False),
        ("Application/JSON; charset=utf-8", b"{}", False),
        ("text/plain", b"x", False),
        ("application/xml", b"<x/>", False),
        ("application/javascript", b"1", False),
        ("application/json", b"\xff", True),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("application/octet-stream", b"x", True),
        ("", b"x", True),
    ],
)
def test_body_is_text_or_base64(content_type: str, body: bytes, *, is_base64: bool) -> None:
    """Valid text of a text type arrives as text, and anything else as base64."""
    headers = (("Content-Type", content_type),)
    request = Request("POST", "/", "HTTP/1.1", headers, body, "127.0.0.1")
    event = to_event(request, request_id="1", now=datetime.now(UTC), region="us-west-2")
    assert event["isBase64Encoded"] is is_base64
    decoded = base64.b64decode(event["body"]) if is_base64 else event["body"].encode()
    assert decoded == body


# The response.


def test_response_is_the_handlers(start: Start) -> None:
    """Status, headers, cookies and body are those of the handler's answer."""
    function = start("""
def handle(event, context):
    return {"statusCode": 201, "headers": {"X-One": "1", "Content-Type": "text/plain",
            "Content-Length": "99", "Connection": "close"},
            "cookies": ["a=1", "b=2"], "body": "ü"}
""")
    reply = call(function)
    assert (reply.status, reply.body) == (201, "ü".encode())
    headers = [pair for pair in reply.headers if pair[0] not in {"Server", "Date"}]
    assert headers == [
        ("X-One", "1"),
        ("Content-Type", "text/plain"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Content-Length", "2"),
    ]


JSON = (("Content-Type", "application/json"),)


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ({"a": 1}, Response(200, JSON, b'{"a": 1}')),
        ("text", Response(200, JSON, b'"text"')),
        (None, Response(200, JSON, b"null")),
        ({"statusCode": 204}, Response(204, JSON, b"")),
        ({"statusCode": 200, "headers": None, "body": None}, Response(200, JSON, b"")),
        (
            {"statusCode": 200, "headers": {"content-type": "x/y", "n": 3}, "body": "b"},
            Response(200, (("content-type", "x/y"), ("n", "3")), b"b"),
        ),
        (
            {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True},
            Response(200, JSON, b"\xff\x00"),
        ),
    ],
)
def test_answers_become_responses(answer: object, response: Response) -> None:
    """An answer without a status code is the body of a 200; missing parts get defaults."""
    assert to_response(json.dumps(answer).encode()) == response


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "200"},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"not": "a string"}},
        {"statusCode": 200, "body": "ü", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "cookies": "a=1"},
    ],
)
def test_malformed_answers_are_refused(answer: object) -> None:
    """An answer that can't be sent over HTTP is an error."""
    with pytest.raises(MalformedAnswerError):
        to_response(json.dumps(answer).encode())


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body_has_none(start: Start, status: int) -> None:
    """A status that forbids a body gets none, as it would look like the next response."""
    answer = {"statusCode": status, "body": "not sent"}
    function = start(f"def handle(event, context):\n    return {answer}\n")
    raw = send(function, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert raw.startswith(f"HTTP/1.1 {status} ".encode())
    assert raw.endswith(b"\r\n\r\n")


REASONS = {
    "raise": "secret detail",
    "exit": "exited with exit status 1",
    "hang": "timed out after 1.00 seconds",
    "large": "an answer of 7000002 bytes",
    "malformed": "statusCode is 'many'",
}


@pytest.mark.parametrize("what", REASONS)
def test_failed_call_is_a_bad_gateway(start: Start, what: str) -> None:
    """If the handler fails in any way, the call gets 502, and the next one 200.

    The log has the cause, the answer doesn't.
    """
    lines: list[str] = []
    # The timeout for the case that hangs; the others end at once.
    function = start(FAULTY, config=replace(CONFIG, timeout=1.0), log=lines.append)
    first = call(function).json
    reply = call(function, target=f"/?{what}")
    assert (reply.status, reply.json) == (502, {"message": "Internal Server Error"})
    second = call(function)
    assert second.status == 200
    if what in {"raise", "malformed"}:
        assert second.json == first
    else:
        assert second.json != first
        assert_gone(first)
    function.close()  # waits for the thread that reads the child's output
    assert REASONS[what] in "\n".join(lines)


# What is refused.


def test_forbidden_unless_public(start: Start) -> None:
    """Each call checks whether the URL is public."""
    public = False
    function = start(PID, is_public=lambda: public)
    reply = call(function, "POST", body=b"{}")
    assert reply.status == 403
    assert reply.json["Message"].startswith("Forbidden.")
    public = True
    assert call(function).status == 200


def test_request_over_the_limit_is_refused(echo: FunctionUrl) -> None:
    """A body over 6 MB gets 413, by its length or after it was sent."""
    assert call(echo, "POST", body=b"x" * (PAYLOAD_LIMIT + 1)).status == 413
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n"
    assert b" 413 " in send(echo, head).splitlines()[0]


def test_event_over_the_limit_is_refused(start: Start) -> None:
    """The limit applies to the event, so base64 makes a 5 MB body too large."""
    function = start("def handle(event, context):\n    return len(event['body'])\n")
    assert call(function, "POST", body=b"\xff" * 5_000_000).status == 413
    assert call(function, "POST", body=b"\xff" * 3_000_000).json == 4_000_000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 411),
        ("Transfer-Encoding: chunked\r\n", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 411),
        ("Content-Length: many\r\n", 400),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", 400),
    ],
)
def test_request_of_unknown_length_is_refused(echo: FunctionUrl, headers: str, status: int) -> None:
    """Without one valid length the body isn't read, and the connection closes."""
    request = f"POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n2\r\n{{}}\r\n0\r\n\r\n"
    answer = send(echo, request.encode())
    assert f" {status} ".encode() in answer.splitlines()[0]
    assert answer.count(b"HTTP/1.1") == 1


def test_client_that_hangs_up_in_the_middle_is_forgotten(echo: FunctionUrl) -> None:
    """Half a body starts no child, and the next client is served."""
    parts = urlsplit(echo.url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        head = f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 10\r\n\r\n"
        connection.sendall(head.encode() + b"12345")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert call(echo).status == 200


def test_connection_is_kept(start: Start) -> None:
    """One connection serves several calls, even after a refusal."""
    public = True
    function = start(ECHO, is_public=lambda: public)
    with closing(connect(function)) as connection:
        connection.connect()
        first = connection.sock
        for public in (True, False, True):
            connection.request("POST", "/", b"{}")
            response = connection.getresponse()
            response.read()
            assert response.status == (200 if public else 403)
            assert connection.sock is first


# The children.


def test_concurrent_calls_have_a_child_each(
    start: Start, callers: ThreadPoolExecutor, barrier: Barrier
) -> None:
    """Each concurrent call has its own child; the most recently used is reused first."""
    function = start(WAITING)
    calls: dict[int, Future[Reply]] = {}
    for _ in range(3):
        ongoing = callers.submit(call, function, target=barrier.target)
        calls[barrier.wait_for_call()] = ongoing
    one, two, three = calls
    for pid in (two, three, one):
        barrier.release(pid)
        assert calls[pid].result(PATIENCE).json == pid
    assert call(function).json == one


def test_calls_beyond_the_concurrency_are_throttled(
    start: Start, callers: ThreadPoolExecutor, barrier: Barrier
) -> None:
    """A call beyond the limit gets 429, until another call has ended."""
    function = start(WAITING, concurrency=1)
    ongoing = callers.submit(call, function, target=barrier.target)
    pid = barrier.wait_for_call()
    reply = call(function)
    assert (reply.status, reply.json["Reason"]) == (429, "ConcurrentInvocationLimitExceeded")
    barrier.release(pid)
    assert ongoing.result(PATIENCE).status == 200
    assert call(function).json == pid


def test_zip_is_unpacked_read_only(tmp_path: Path) -> None:
    """The files are read-only for the owner, and closed to others, whatever the zip's modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("package/app.py", ECHO)
    unpack(buffer.getvalue(), tmp_path)
    modes = {
        str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777
        for path in [tmp_path, *tmp_path.rglob("*")]
    }
    assert modes == {".": 0o500, "package": 0o500, "package/app.py": 0o400}
    assert (tmp_path / "package/app.py").read_text(encoding="utf-8") == ECHO
    tmp_path.chmod(0o700)
    (tmp_path / "package").chmod(0o700)


# The end.


def test_close_in_the_middle_of_calls_leaves_nothing_running(
    start: Start, callers: ThreadPoolExecutor, barrier: Barrier
) -> None:
    """Closing ends all children, threads, connections and files.

    The remaining threads are those of the test's callers.
    """
    before = set(threading.enumerate())
    function = start(WAITING)
    calls = [callers.submit(call, function, target=barrier.target) for _ in range(2)]
    pids = [barrier.wait_for_call() for _ in calls]
    (folder,) = {Path(f"/proc/{pid}/cwd").readlink() for pid in pids}
    with closing(connect(function)) as idle:
        idle.connect()
        function.close()
        with suppress(ConnectionResetError):  # if the connection wasn't accepted yet
            assert idle.sock.recv(1) == b""
    for pid in pids:
        assert_gone(pid)
    left = set(threading.enumerate()) - before
    assert all(thread.name.startswith("ThreadPoolExecutor") for thread in left)
    assert not folder.exists()
    for ongoing in calls:
        error = ongoing.exception(PATIENCE)
        assert isinstance(error, OSError | http.client.HTTPException) or (
            error is None and ongoing.result().status == 502
        )
