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
from bench.measure import Figure, median_ratio, show_progress
from bench.providers import JANE, Call, ProviderProcess, serve_providers
from cli.webhook_client import request_event, signed
from handler.app import SYSTEM_CLOCK, App

ROUNDS = 1000


def figures() -> Iterator[Figure]:
    """Measure the middle of many decisions, few incidents and many."""
    for incidents in (3, 250):
        show_progress(f"warm decisions with {incidents} live incidents, {ROUNDS} rounds ...")
        with serve_providers(incidents) as providers:
            yield _warm(providers, f"warm decision / bare GETs, {incidents} live incidents")


def _warm(providers: ProviderProcess, name: str) -> Figure:
    app = App({"INDENT_WEBHOOK_SECRET": SECRET, **providers.settings}, SYSTEM_CLOCK, log)
    decide(app, event())
    providers.take_calls()
    decide(app, event())
    # What a warm decision asks, each provider's calls on a connection of its own.
    fetchers = [_fetcher(call) for call in providers.take_calls()]
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(seconds(partial(_at_once, fetchers)))
        ours.append(seconds(partial(decide, app, event())))
    app.client.close()
    return Figure(name, median_ratio(ours, bare), "x", 1.5)


def log(record: Mapping[str, Any]) -> None:
    """Take as long as a log does, and keep nothing."""
    json.dumps(record)


def _at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Make the calls in a thread each, started for it, as the handler does."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _fetcher(call: Call) -> Callable[[], object]:
    parts = urlsplit(call.url)
    connection = http.client.HTTPConnection(parts.netloc)
    headers = {name: value for name, value in call.headers.items() if name != "host"}

    def fetch() -> object:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        with connection.getresponse() as response:
            return json.loads(response.read())

    return fetch


def decide(app: App, call: Mapping[str, Any]) -> None:
    """Have a call answered, which has to be by an approval."""
    if '"access/approve"' not in app.handle(call)["body"]:
        raise RuntimeError("not approved")


def event() -> dict[str, Any]:
    """Make Jane's call, signed now."""
    body, headers = signed(SECRET, {"events": [request_event(JANE, ["prod-db"])]})
    return {
        "requestContext": {"http": {"method": "POST"}},
        "headers": headers,
        "body": body.decode(),
    }


def seconds(call: Callable[[], object]) -> float:
    """Say how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
