"""What the providers answer fits the function's memory, whatever it is, all of them together."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.duties import ON_CALL, Duty, Titled
from handler.http import MOST_BYTES, MOST_UNPACKED_BYTES, Client, HttpError, _unpacked_bytes
from handler.sources import MOST_HELD_BYTES, Page, Question, ask
from sandbox.program import ROOT
from tests.handler.conftest import SetClock
from tests.handler.scripted import Scripted, reply

Serve = Callable[..., Scripted]

MOST_PAGES = 14
MOST_MIB = 300  # of the 512 that the function has
CHILD = Path(__file__).with_name("memory_child.py")
LISTS = ("incidents", "schedules", "oncalls", "data", "values")
GOES_ON = '"more": true, "pagination_meta": {"after": "%s"}, "links": {"next": "x"}, "cloudId": "c"'


def lists_of(entry: str, most: int) -> bytes:
    """A page of any list of any provider, with as many entries as fit, and another page to come."""
    room = (most - 1000) // (len(LISTS) * (len(entry) + 1))
    lists = ", ".join(f'"{name}": [{",".join([entry] * room)}]' for name in LISTS)
    return f"{{{lists}, {GOES_ON}}}".encode()


def at_the_limit(entry: str) -> bytes:
    """The largest such page that is still unpacked."""
    most = MOST_BYTES
    while _unpacked_bytes(body := lists_of(entry, most)) > MOST_UNPACKED_BYTES:
        most = most * 9 // 10
    return body


@contextmanager
def hostile(body: bytes) -> Iterator[str]:
    """A server that answers all questions with the same, but for the next page's mark.

    After two pages a question its lists end: what is held together is what counts.
    """
    count = iter(range(10**6))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = next(count)
            page = body.replace(b"%s", b"%08d" % number) if number < MOST_PAGES else b"{}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("{}", id="empty objects"),
        pytest.param('{"a": 1}', id="small objects"),
        pytest.param("[[[[]]]]", id="lists in lists"),
        pytest.param('{"id": "S1", "name": "DBA"}', id="schedules"),
        pytest.param(json.dumps({"id": "S1", "name": "\N{PARTY POPPER}" + "x" * 9000}), id="names"),
        pytest.param(f'"{"x" * 100_000}\N{PARTY POPPER}"', id="long texts"),
    ],
)
def test_hostile_answers_together(entry: str) -> None:
    """Seven questions at once, to all providers, page after page: it stays below 300 MiB."""
    with hostile(at_the_limit(entry)) as url:
        ended = subprocess.run(
            [sys.executable, str(CHILD), url],
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    assert len(said["asked"]) == 4
    assert not said["approved"]
    assert said["peak"] < MOST_MIB, said


def test_a_full_page_of_incidents_is_far_below_the_limit() -> None:
    """250 incidents with long texts and many fields, in another script than Latin, are unpacked."""
    fields = {f"field {number}": {"id": "01H" * 9, "value": "x" * 20} for number in range(40)}
    incident = {
        "id": "01H" * 9,
        "summary": "\u0438\u043d\u0446\u0438\u0434\u0435\u043d\u0442 " * 100,
        **fields,
    }
    page = json.dumps({"incidents": [incident] * 250}, ensure_ascii=False).encode()
    assert len(page) > 1024 * 1024
    assert _unpacked_bytes(page) < MOST_UNPACKED_BYTES


@pytest.mark.parametrize("text", ["\u0438" * 300_000, '\N{PARTY POPPER}\\ " \u00e9' * 40_000])
def test_what_is_large_and_beyond_ascii_is_read_as_it_is(
    client: Client, serve: Serve, set_clock: SetClock, text: str
) -> None:
    """However it is unpacked, the text is the same."""
    server = serve(reply(json.dumps([text], ensure_ascii=False).encode()))
    assert client.get_json(server.url, {}, set_clock.deadline()) == [text]


def test_what_unpacks_to_too_much_is_left_packed(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Small values take many times their length."""
    server = serve(reply(b"[%b{}]" % (b"{}," * 300_000)))
    with pytest.raises(HttpError, match=r"^the answer is too large to be unpacked$"):
        client.get_json(server.url, {}, set_clock.deadline())


def test_one_answer_is_unpacked_and_read_at_a_time(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """While one is being read, another waits, no longer than its deadline."""
    first, second = serve(reply(b"1")), serve(reply(b"2"))

    def read(value: int) -> int:
        assert value == 1
        with pytest.raises(HttpError, match=r"^no whole answer in time$"):
            client.get_json(second.url, {}, Deadline(SYSTEM_CLOCK, 0.05))
        return value

    assert client.get_json(first.url, {}, set_clock.deadline(), read) == 1


def test_what_a_question_brings_is_bounded(set_clock: SetClock) -> None:
    """Page after page of long names is cut short, and said to be; what came before counts."""
    duty = Duty("P", ON_CALL, "S0", "DBA", "jane@example.com")
    titled = tuple(Titled("P", ON_CALL, f"S{each}", ("x" * 1000,)) for each in range(1000))

    def pages(_: Deadline) -> Iterator[Page]:
        yield Page((duty,))
        while True:
            yield Page(titled=titled)

    found = ask([Question("P", "schedules", ON_CALL, pages)], set_clock.deadline())
    assert [each.problem for each in found.failures] == ["the rest of the list is too much to hold"]
    assert sum(len(each.names[0]) for each in found.titled) < MOST_HELD_BYTES
    assert [each.id for each in found.duties] == ["S0"]
    assert found.partly == {("P", ON_CALL)}
