"""Warm decisions, beside the least that a webhook does which makes the same calls.

That is: verify the call, make the same GETs over connections that are kept, parse their bodies,
write a log line and an answer of the same size. Both are measured in CPU time of this process: how
long a decision waits depends on how fast the providers answer, and on what else the machine does.
"""

from __future__ import annotations

import hmac
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bench.cold import SECRET
from bench.measure import Figure, cpu_seconds, median_ratio, show_progress
from bench.providers import Call, ProviderProcess, serve_providers
from cli.webhook_client import request_event, signed
from handler.app import SYSTEM_CLOCK, App
from handler.callers.indent import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from sandbox.demo_data import JANE

ROUNDS = 1000


def figures() -> Iterator[Figure]:
    """Measure the middle of many decisions, few incidents and many."""
    for incidents in (3, 250):
        show_progress(f"warm decisions with {incidents} live incidents, {ROUNDS} rounds ...")
        with serve_providers(incidents) as providers:
            name = f"warm decision / bare webhook, {incidents} live incidents, CPU"
            yield _warm(providers, name)


def _warm(providers: ProviderProcess, name: str) -> Figure:
    lines: list[Mapping[str, Any]] = []
    app = App({"INDENT_WEBHOOK_SECRET": SECRET, **providers.settings}, SYSTEM_CLOCK, lines.append)
    decide(app, event())
    providers.take_calls()
    answer = json.loads(app.handle(event())["body"])
    # What a warm decision asks, each call on a connection of its own.
    fetchers = [_fetcher(call) for call in providers.take_calls()]
    app.client.close()
    app = App({"INDENT_WEBHOOK_SECRET": SECRET, **providers.settings}, SYSTEM_CLOCK, log)
    decide(app, event())
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(cpu_seconds(partial(_bare_webhook, event(), fetchers, lines[-1], answer)))
        ours.append(cpu_seconds(partial(decide, app, event())))
    app.client.close()
    # The difference is our own work, of about 1 ms: deciding before and after the answers, making
    # the log line, checking each connection; and for 250 incidents half of what `json.loads` takes.
    return Figure(name, median_ratio(ours, bare), "x", 1.85)


def log(record: Mapping[str, Any]) -> None:
    """Take as long as a log does, and keep nothing."""
    json.dumps(record)


def _bare_webhook(
    call: Mapping[str, Any],
    fetchers: Sequence[Callable[[], object]],
    line: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> str:
    """Do what needs no decision: this line and this answer are known before."""
    body = call["body"].encode()
    headers = {name.lower(): value for name, value in call["headers"].items()}
    signature = sign(SECRET, headers[TIMESTAMP_HEADER], body)
    if not hmac.compare_digest(signature, headers[SIGNATURE_HEADER]):
        raise RuntimeError("the call is not signed")
    json.loads(body)
    _at_once(fetchers)
    log(line)
    return json.dumps(answer)


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
