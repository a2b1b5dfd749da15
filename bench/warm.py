"""Warm decisions, beside the least that a webhook does which makes the same calls.

That is: verify the call, make the same GETs over connections that are kept, parse their bodies,
write a log line and an answer of the same size. Both are measured in CPU time of this process: how
long a decision waits depends on how fast the providers answer, and on what else the machine does.

Each decision waits for all answers, so that all make the same calls: one that may end earlier makes
more or fewer of them, depending on which provider is the fastest this time.
"""

from __future__ import annotations

import hmac
import http.client
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.cold import SECRET
from bench.measure import (
    Figure,
    cpu_seconds,
    median_ratio,
    one_processor,
    show_progress,
    side_by_side,
)
from bench.providers import Call, ProviderProcess, serve_providers
from cli.webhook_client import request_event, signed
from handler.app import SYSTEM_CLOCK, App
from handler.callers.indent import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from sandbox.demo_data import JANE

# By the number of live incidents.
ROUNDS = {3: 800, 250: 300}
# Jane leads an incident. If she were on call as well, her access would be longer.
POLICY = {
    "rules": [
        {
            "name": "on call",
            "resources": "any",
            "when": {"on_call": {"schedules": "any"}},
            "duration": "6h",
        },
        {
            "name": "incident lead",
            "resources": "any",
            "when": {"incident_role": {"roles": ["Incident Lead"]}},
            "duration": "1h",
        },
    ],
    "aliases": {},
}


def figures() -> Iterator[Figure]:
    """Measure the middle of many decisions, few incidents and many."""
    for incidents, rounds in ROUNDS.items():
        show_progress(f"warm decisions with {incidents} live incidents, {rounds} rounds ...")
        with tempfile.TemporaryDirectory() as folder, serve_providers(incidents) as providers:
            policy_file = Path(folder) / "policy.json"
            policy_file.write_text(json.dumps(POLICY), encoding="utf-8")
            name = f"warm decision / bare webhook, {incidents} live incidents, CPU"
            yield _warm(providers, policy_file, name, rounds)


def _warm(providers: ProviderProcess, policy_file: Path, name: str, rounds: int) -> Figure:
    settings = {
        "INDENT_WEBHOOK_SECRET": SECRET,
        "AUTO_APPROVAL_POLICY": "policy/bench.yaml",
        **providers.settings,
    }
    lines: list[Mapping[str, Any]] = []
    app = App(settings, SYSTEM_CLOCK, lines.append, policy_file=str(policy_file))
    decide(app, event())  # asks for what is kept, too
    providers.take_calls()
    answer = json.loads(app.handle(event())["body"])
    # What a warm decision asks, each call on a connection of its own.
    fetchers = [_fetcher(call) for call in providers.take_calls()]
    app.client.close()
    app = App(settings, SYSTEM_CLOCK, log, policy_file=str(policy_file))

    def seconds(webhook: Callable[[], object]) -> float:
        result = cpu_seconds(webhook)
        if len(providers.take_calls()) != len(fetchers):
            raise RuntimeError("the decisions don't all make the same calls")
        return result

    decide(app, event())
    providers.take_calls()
    with one_processor():
        ours, bare = side_by_side(
            rounds,
            lambda: seconds(partial(decide, app, event())),
            lambda: seconds(partial(_bare_webhook, event(), fetchers, lines[-1], answer)),
        )
    app.client.close()
    # The difference is our own work: deciding while the answers come in, making the log line,
    # checking each connection; and for 250 incidents half of what `json.loads` takes.
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
