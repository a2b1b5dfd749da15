"""What all doubles share: HTTP answers, recorded calls, and faults on demand.

The handler's tests show that each fault has the effect that its name says.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from sandbox.vendors import faults
from sandbox.vendors.server import MOST_CALLS, Double, Fault, Request, Response
from tests.sandbox.manual_clock import NOON
from tests.sandbox.vendor_accounts import iso, request

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10


class Books(Double):
    """A provider of three books, one per page."""

    def __init__(self) -> None:
        super().__init__({"GET /books": self._list, "GET /books/{number}": self._one}, lambda: NOON)

    def error(self, status: int, *, retry_at: datetime | None = None) -> Response:
        """Make an error with its status and retry time."""
        return Response(status, {"status": status, "retry_at": retry_at and iso(retry_at)})

    def _list(self, request: Request) -> Response:
        after = request.query.get("after", ["0"])[0]
        if after not in {"0", "1", "2"}:
            return self.error(422)
        number = int(after) + 1
        meta = {"after": str(number)} if number < 3 else {}
        body = {"books": [{"number": number, "author": {"name": "Ana"}}], "pagination_meta": meta}
        return Response(200, body, page=number)

    def _one(self, _: Request, number: str) -> Response:
        return Response(200, {"number": int(number)})


def get(double: Double, target: str) -> tuple[int, Any, http.client.HTTPMessage]:
    """Send one GET on its own connection."""
    return request(double, target, None)


@pytest.fixture
def books() -> Iterator[Books]:
    """A running double."""
    with Books() as double:
        yield double


def connect(double: Double) -> http.client.HTTPConnection:
    """Open a connection with a short timeout."""
    return http.client.HTTPConnection(urlsplit(double.url).netloc, timeout=PATIENCE)


def test_routes_by_method_and_path(books: Books) -> None:
    """Braces in a route are arguments; another method or a longer path gets 404."""
    assert get(books, "/books/7")[:2] == (200, {"number": 7})
    assert get(books, "/books/7/8")[0] == 404
    with closing(connect(books)) as connection:
        connection.request("POST", "/books", body=b"a body that must be read away")
        assert connection.getresponse().read() == b'{"status": 404, "retry_at": null}'
        connection.request("GET", "/books")
        assert connection.getresponse().status == 200


def test_keeps_a_connection_alive(books: Books) -> None:
    """Two requests use one connection."""
    sockets = set()
    with closing(connect(books)) as connection:
        for _ in range(2):
            connection.request("GET", "/books")
            response = connection.getresponse()
            response.read()
            assert not response.will_close
            sockets.add(connection.sock)
    assert len(sockets) == 1


def test_records_calls(books: Books) -> None:
    """Method, path, repeated query values and headers of the last calls are recorded in order."""
    with closing(connect(books)) as connection:
        connection.request("GET", "/books?a=1&a=2&b%5Bc%5D=", headers={"X-Key": "Value"})
        connection.getresponse().read()
    get(books, "/books/1")
    books.calls.wait_for(2)
    assert books.calls.paths() == ["/books", "/books/1"]
    assert books.calls[0].method == "GET"
    assert books.calls[0].query == {"a": ["1", "2"], "b[c]": [""]}
    assert books.calls[0].headers["x-key"] == "Value"
    for number in range(MOST_CALLS):
        books.calls.record(Request("GET", f"/{number}", {}, {}))
    assert books.calls.paths() == [f"/{number}" for number in range(MOST_CALLS)]


def test_prints_nothing_on_stderr(books: Books, capfd: pytest.CaptureFixture[str]) -> None:
    """Calls, bad requests and disconnected clients print nothing."""
    get(books, "/books")
    books.fail("/books", faults.EndlessBody())
    with closing(connect(books)) as connection:
        connection.request("GET", "/books")
    host, port = urlsplit(books.url).hostname, urlsplit(books.url).port
    with socket.create_connection((host, port), PATIENCE) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"400" in raw.recv(1000)
    books.close()
    assert capfd.readouterr() == ("", "")


def test_a_defect_of_the_double_is_shown(books: Books, capfd: pytest.CaptureFixture[str]) -> None:
    """A bug in the double prints a traceback."""
    with pytest.raises(http.client.RemoteDisconnected):
        get(books, "/books/seven")
    books.close()
    assert "invalid literal for int" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("switches", "statuses"),
    [
        pytest.param({}, [500, 500, 500, 500], id="every call"),
        pytest.param({"times": 1}, [500, 200, 200, 200], id="the first call"),
        pytest.param({"page": 2}, [200, 500, 200, 500], id="the second page, whenever asked"),
        pytest.param({"page": 2, "times": 1}, [200, 500, 200, 200], id="the second page, once"),
    ],
)
def test_faults_apply_to_their_calls_only(
    books: Books, switches: dict[str, int], statuses: list[int]
) -> None:
    """A fault hits only the pages and paths that it is switched on for."""
    books.fail("/books", faults.Status(500), **switches)
    targets = ["/books", "/books?after=1", "/books?after=2", "/books?after=1"]
    assert [get(books, target)[0] for target in targets] == statuses
    books.fail("/other", faults.Status(500))
    books.clear_faults()
    assert get(books, "/books")[0] == 200


def test_the_newest_fault_applies_first(books: Books) -> None:
    """After the newest fault is used up, the one before it applies."""
    books.fail("/books", faults.Status(503))
    books.fail("/books", faults.Status(401), times=1)
    assert [get(books, "/books")[0] for _ in range(2)] == [401, 503]


def test_slow_answers_when_released(books: Books) -> None:
    """The answer is held until the event, then it is correct."""
    slow = faults.Slow()
    books.fail("/books", slow)
    with closing(connect(books)) as connection:
        connection.request("GET", "/books")
        books.calls.wait_for(1)
        assert select.select([connection.sock], [], [], 0)[0] == []
        slow.released.set()
        assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.Slow(seconds=0.01), id="slow"),
        pytest.param(faults.Drip(0.0001), id="dripping body"),
        pytest.param(faults.Drip(0.0001, since="headers"), id="dripping headers"),
    ],
)
def test_the_late_answer_is_right(books: Books, fault: Fault) -> None:
    """A client that waits long enough gets the complete answer."""
    right = get(books, "/books")[:2]
    books.fail("/books", fault)
    assert get(books, "/books")[:2] == right


def test_drip_sends_one_byte_and_waits(books: Books) -> None:
    """After the first byte, the part that drips nearly stops."""
    books.fail("/books", faults.Drip(60))
    with closing(connect(books)) as connection:
        connection.request("GET", "/books")
        assert connection.getresponse().read1() == b"{"


@pytest.mark.parametrize(
    "fault",
    [faults.Hang(), faults.Slow(), faults.Drip(60), faults.EndlessBody()],
    ids=["hang", "slow", "drip", "endless body"],
)
def test_closing_ends_a_fault_at_work(books: Books, fault: Fault) -> None:
    """Closing ends all threads of the double, and its client's call."""
    before = set(threading.enumerate())
    books.fail("/books", fault)
    with closing(connect(books)) as connection:
        connection.request("GET", "/books")
        books.calls.wait_for(1)
        books.close()
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse().read()
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("fault", [faults.Hang(), faults.Slow(3600)], ids=["hang", "slow"])
def test_a_client_that_goes_ends_its_call(books: Books, fault: Fault) -> None:
    """When a client disconnects, the thread of its call ends."""
    before = set(threading.enumerate())
    books.fail("/books", fault)
    with closing(connect(books)) as connection:
        connection.request("GET", "/books")
        books.calls.wait_for(1)
        (serving,) = set(threading.enumerate()) - before
    serving.join(PATIENCE)
    assert not serving.is_alive()


def test_pipelined_calls_are_answered(books: Books) -> None:
    """A client that sends its next request is still connected, and gets both answers."""
    released = threading.Event()
    books.fail("/books/1", faults.Slow(released=released))
    at = urlsplit(books.url)
    with closing(socket.create_connection((at.hostname, at.port), PATIENCE)) as connection:
        for number in (1, 2):
            connection.sendall(
                f"GET /books/{number} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode()
            )
        books.calls.wait_for(1)
        released.set()
        answers = b""
        while b'{"number": 2}' not in answers:
            answers += connection.recv(1000)
    assert b'{"number": 1}' in answers


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        (faults.TooManyRequests(7), "7"),
        (faults.TooManyRequests(7, retry_after="date"), "Mon, 02 Mar 2026 12:00:07 GMT"),
        (faults.TooManyRequests(7, retry_after=None), None),
        (faults.TooManyRequests(), None),
    ],
)
def test_too_many_requests_has_a_retry_time(
    books: Books, fault: faults.TooManyRequests, retry_after: str | None
) -> None:
    """It sends Retry-After, or the vendor's own form, or neither."""
    books.fail("/books", fault)
    status, body, headers = get(books, "/books")
    assert (status, headers["Retry-After"]) == (429, retry_after)
    assert body["retry_at"] == iso(NOON + timedelta(seconds=fault.seconds or 0))
