"""Whatever providers answer, all answers together fit into the function's memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.duty import ON_CALL, Duty, ScheduleOrRole
from handler.http import (
    _MAX_GROWTH,
    MAX_BODY_BYTES,
    MAX_PARSED_BYTES,
    SMALL_BODY_BYTES,
    Client,
    HttpError,
    _estimate_parsed_bytes,
    _parse_json,
)
from handler.providers.base import Page, Question
from handler.providers.runner import MOST_HELD_BYTES, ask
from infra.approval_webhook import ALLOCATION
from sandbox.local_aws.program import ROOT
from tests.handler.conftest import SetClock
from tests.handler.scripted import Scripted, reply

Serve = Callable[..., Scripted]

MOST_PAGES = 14
MOST_MIB = 270  # of the 512 that the function has
CHILD = Path(__file__).with_name("memory_child.py")
LISTS = ("incidents", "schedules", "oncalls", "data", "values")
GOES_ON = '"more": true, "pagination_meta": {"after": "%s"}, "links": {"next": "x"}, "cloudId": "c"'


def lists_of(entry: str, most: int) -> bytes:
    """A page for any list of any provider, full of this entry, with a next page."""
    room = (most - 1000) // (len(LISTS) * (len(entry) + 1))
    lists = ", ".join(f'"{name}": [{",".join([entry] * room)}]' for name in LISTS)
    return f"{{{lists}, {GOES_ON}}}".encode()


def at_the_limit(entry: str) -> bytes:
    """The largest such page that is still parsed."""
    most = MAX_BODY_BYTES
    while _estimate_parsed_bytes(body := lists_of(entry, most)) > MAX_PARSED_BYTES:
        most = most * 9 // 10
    return body


@contextmanager
def hostile(body: bytes) -> Iterator[str]:
    """A server that answers every question with the same page, and another cursor each time.

    Lists end after two pages per question, since memory in use at one time is what matters.
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
        pytest.param('{"a": 1}', id="small objects"),
        pytest.param('{"id": "S1", "name": "DBA"}', id="schedules"),
        pytest.param(json.dumps({"id": "S1", "name": "\N{PARTY POPPER}" + "x" * 9000}), id="names"),
    ],
)
def test_hostile_answers_together(entry: str) -> None:
    """Seven questions to all providers at once, with huge pages, fit into the memory.

    Small objects and schedules would exceed it if several pages were parsed at a time;
    of long texts with wide characters, the bodies themselves take most.
    """
    with hostile(at_the_limit(entry)) as url:
        ended = subprocess.run(
            [sys.executable, str(CHILD), url],
            env={"PYTHONPATH": str(ROOT), **ALLOCATION},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    output: dict[str, Any] = json.loads(ended.stdout)
    assert len(output["asked"]) == 4
    assert not output["approved"]
    assert output["peak"] < MOST_MIB, output


def page_of(words: str, most: int) -> bytes:
    """A page of incidents as incident.io sends them, of this size, with these words."""
    person = {"id": "01H" * 9, "name": words, "email": "jane@example.com", "role": "responder"}
    role = {"id": "01J" * 9, "name": words, "shortform": "lead", "role_type": "custom"}
    field = {"id": "01K" * 9, "name": words, "options": [], "field_type": "single_select"}
    incident = {
        "id": "01H" * 9,
        "reference": "INC-42",
        "name": words * 3,
        "summary": words * 20,
        "incident_status": {"id": "01G" * 9, "name": words, "category": "live", "rank": 1},
        "incident_role_assignments": [{"role": role, "assignee": person}] * 4,
        "custom_field_entries": [{"custom_field": field, "values": [{"value_text": words}]}] * 4,
    }
    entry = json.dumps(incident, ensure_ascii=False, separators=(",", ":")).encode()
    return b'{"incidents":[%b]}' % b",".join([entry] * ((most - 20) // (len(entry) + 1)))


JAPANESE = "\u672c\u756a\u306e\u969c\u5bb3 "


@pytest.mark.parametrize(
    "words",
    ["the database is slow ", "la base r\u00e9pond mal ", JAPANESE, "\N{PARTY POPPER} done "],
)
@pytest.mark.parametrize("most", [MAX_BODY_BYTES // 2, MAX_BODY_BYTES])
def test_ordinary_pages_are_parsed(words: str, most: int) -> None:
    """Ordinary pages stay below the limit up to the largest body, in any script."""
    page = page_of(words, most)
    assert most - 10_000 < len(page) <= most
    assert _estimate_parsed_bytes(page) < MAX_PARSED_BYTES


@pytest.mark.parametrize(
    "entry",
    [
        "{}",
        "[]",
        "[[[[]]]]",
        "1.5",
        "999",
        '"ab"',
        '{"a":1}',
        '"\u3042\u3044"',
        '"\u3042a\u3042a"',
        '"\u00e9a\u00e9a"',
        r'"\u3042"',
        json.dumps("x" * 9000 + "\N{PARTY POPPER}", ensure_ascii=False),
    ],
)
def test_estimate_is_an_upper_bound(entry: str) -> None:
    """Parsing never takes more memory than estimated before."""
    data = entry.encode()
    body = b"[%b]" % b",".join([data] * (100_000 // (len(data) + 1)))
    tracemalloc.start()
    try:
        _parse_json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= _estimate_parsed_bytes(body)
    assert peak <= _MAX_GROWTH * len(body)


def test_small_answers_fit_together() -> None:
    """Seven small answers, parsed at once, take no more than one large answer."""
    assert 7 * _MAX_GROWTH * SMALL_BODY_BYTES < MAX_PARSED_BYTES


def test_a_body_that_would_grow_too_much_is_not_parsed(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A body of small values that would grow too much isn't parsed."""
    server = serve(reply(b"[%b{}]" % (b"{}," * 1_000_000)))
    with pytest.raises(HttpError, match=r"^the response is too large to parse$"):
        client.get_json(server.url, {}, set_clock.deadline())


LARGE = b"[%b{}]" % (b"{}," * 100_000)


def test_large_answers_are_parsed_one_at_a_time(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """While one large answer is read, another waits until its deadline at most."""
    first, second = serve(reply(LARGE)), serve(reply(LARGE))

    def read(value: list[Any]) -> int:
        with pytest.raises(HttpError, match=r"^no complete answer in time$"):
            client.get_json(second.url, {}, Deadline(SYSTEM_CLOCK, 0.3))
        return len(value)

    assert client.get_json(first.url, {}, set_clock.deadline(), read) == 100_001


def test_a_large_answer_does_not_block_small_ones(
    client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """While a large answer is read, a small one is read without waiting."""
    first, second = serve(reply(LARGE)), serve(reply(b'{"schedules": ["DBA"]}'))

    def read(_: list[Any]) -> object:
        return client.get_json(second.url, {}, set_clock.deadline())

    assert client.get_json(first.url, {}, set_clock.deadline(), read) == {"schedules": ["DBA"]}


def test_what_a_question_brings_is_bounded(set_clock: SetClock) -> None:
    """A list that takes too much memory is cut, and that is reported."""
    duty = Duty("P", ON_CALL, "S0", "DBA", "jane@example.com")
    titled = tuple(
        ScheduleOrRole("P", ON_CALL, f"S{number}", ("x" * 1000,)) for number in range(1000)
    )

    def pages(_: Deadline) -> Iterator[Page]:
        yield Page((duty,))
        while True:
            yield Page(schedules_and_roles=titled)

    result = ask([Question("P", "schedules", ON_CALL, pages)], set_clock.deadline())
    assert [failure.problem for failure in result.failures] == [
        "the rest of the list is too much to hold"
    ]
    assert sum(len(listed.names[0]) for listed in result.schedules_and_roles) < MOST_HELD_BYTES
    assert [duty.id for duty in result.duties] == ["S0"]
    assert result.incomplete == {("P", ON_CALL)}
