"""Warm decisions: beside the bare pooled GETs, and `json.loads`, of the same bodies."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bench.cold import SECRET
from bench.measure import Figure, median_ratio, say
from bench.organisation import API_KEY, JANE, organisation
from handler.app import SYSTEM_CLOCK, App
from sandbox.send import request_event, signed

ROUNDS = 1000
LIVE = "status_category%5Bone_of%5D=live&mode%5Bone_of%5D=standard"
TARGETS = (f"/v2/incidents?{LIVE}&page_size=250", "/v2/schedules?page_size=250")


def figures() -> Iterator[Figure]:
    """Measure the middle of many decisions, few incidents and many."""
    for incidents in (3, 250):
        say(f"warm decisions with {incidents} live incidents, {ROUNDS} rounds ...")
        with organisation(incidents) as url:
            yield _warm(url, f"warm decision / bare GETs, {incidents} live incidents")


def _warm(url: str, name: str) -> Figure:
    app = App(
        {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": url,
        },
        SYSTEM_CLOCK,
        _log,
    )
    ours, bare = [], []
    fetchers = [_fetcher(url, target) for target in TARGETS]
    for _ in range(ROUNDS):
        bare.append(_seconds(partial(_at_once, fetchers)))
        ours.append(_seconds(partial(_decide, app, _event())))
    app.client.close()
    return Figure(name, median_ratio(ours, bare), "x", 1.5)


def _log(record: Mapping[str, Any]) -> None:
    """Take as long as a log does, and keep nothing."""
    json.dumps(record)


def _at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Make the calls in a thread each, started for it, as the handler does."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _fetcher(url: str, target: str) -> Callable[[], object]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def fetch() -> object:
        connection.request("GET", target, headers={"Authorization": f"Bearer {API_KEY}"})
        with connection.getresponse() as response:
            return json.loads(response.read())

    return fetch


def _decide(app: App, event: Mapping[str, Any]) -> None:
    if '"access/approve"' not in app.handle(event)["body"]:
        raise RuntimeError("not approved")


def _event() -> dict[str, Any]:
    body, headers = signed(SECRET, {"events": [request_event(JANE, ["prod-db"])]})
    return {
        "requestContext": {"http": {"method": "POST"}},
        "headers": headers,
        "body": body.decode(),
    }


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
