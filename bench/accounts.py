"""What one decision costs in accounts of three sizes: calls, bytes and time, 200 ms a call.

A provider that can be asked about a person or a schedule costs the same whatever the size. Where an
API cannot, the figures say what grows, and have no bound.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bench.measure import Figure, show_progress
from handler.clock import Clock, Deadline
from handler.http import Client
from handler.providers.base import ProviderClient
from handler.providers.collect import collect_and_decide, load_clients
from handler.providers.registry import BY_ID
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from sandbox.vendors import create_double
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double, Exchange

SIZES = (10, 1_000, 10_000)
ROUNDS = 3
# Where the cost grows, the largest account takes too long.
GROWING_SIZES = SIZES[:-1]
LATENCY = 0.2
MOST_CALLS = 4  # two, and two for the one schedule that matters
MOST_GROWTH = 1.2
WHO = "the.requester@example.com"
NAME = "The schedule"
IDS = {
    "incidentio": "01FCNDV6P870EA6S7TK1DSYDG0",
    "pagerduty": "PX7Y8Z9",
    "opsgenie": "e71d500f-896a-4b28-8b08-3bfe56e1ed76",
    "jsm": "e71d500f-896a-4b28-8b08-3bfe56e1ed76",
}
# By provider, by how the rule names the schedule: what grows, or "".
CASES: Mapping[str, Mapping[str, str]] = {
    "pagerduty": {"id": "", "name": "", "any": ""},
    "jsm": {"id": "", "name": "", "any": "pages of schedules; only the first 20 are asked about"},
    "opsgenie": {
        "id": "",
        "name": "the one answer that has all schedules",
        "any": "the one answer that has all schedules",
    },
    "incidentio": {"id": "", "name": "pages of schedules", "any": "pages of schedules"},
}
_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)


class Cost(NamedTuple):
    """What one decision costs."""

    calls: int
    size: int
    seconds: float
    approved: bool


class _Counted:
    """Answers after the latency, and counts the bytes."""

    def __init__(self) -> None:
        self.size = 0

    def __call__(self, exchange: Exchange) -> None:
        began = time.monotonic()
        head, body = exchange.response.head_and_body()
        self.size += len(head) + len(body)
        # What the double itself takes is part of the latency.
        exchange.wait(max(0.0, LATENCY - (time.monotonic() - began)))
        exchange.write(head + body)


def fill(double: Any, provider: str, size: int) -> None:  # noqa: ANN401 - a double of any provider
    """Add so many people, each on call for a schedule of their own; last, the requester."""
    for number in range(size - 1):
        person = double.add_person(f"Person {number}", f"person-{number}@example.com")
        _put_on_call(double, double.add_schedule(f"Schedule {number}"), person)
    schedule = double.add_schedule(NAME, id=IDS[provider])
    _put_on_call(double, schedule, double.add_person("The Requester", WHO))


def _put_on_call(double: Any, schedule: Any, person: Any) -> None:  # noqa: ANN401 - the same
    double.put_on_shift(schedule, person)
    if isinstance(double, PagerDuty):
        double.add_escalation_policy(schedule.name, schedule)


def costs(double: Double, provider: str, named: str, rounds: int = ROUNDS) -> Cost:
    """Decide several times whether the requester is approved; give the lowest costs."""
    counted = _Counted()
    double.clear_faults()
    double.fail("/", counted)
    client = Client(_CLOCK)
    clients = load_clients(client, _CLOCK, {provider: double.settings})
    try:
        _decide(clients, provider, named)  # finds the cloud id, and connects
        results = []
        for _ in range(rounds):
            double.calls.clear()
            counted.size = 0
            began = time.perf_counter()
            approved = _decide(clients, provider, named)
            seconds = time.perf_counter() - began
            results.append(Cost(len(double.calls), counted.size, seconds, approved))
    finally:
        client.close()
    fastest = min(result.seconds for result in results)  # the rest is other work of the machine
    return results[0]._replace(seconds=fastest)


def _decide(clients: Mapping[str, ProviderClient], provider: str, named: str) -> bool:
    schedules: object = {"id": [IDS[provider]], "name": [NAME], "any": "any"}[named]
    when = {"on_call": {"schedules": schedules, "provider": provider}}
    rule = {"name": "r", "resources": "any", "when": when, "duration": "1h"}
    policy = read_policy(json.dumps({"rules": [rule], "aliases": {}}))
    request = Request(Resource(email=WHO), (Resource("db", "1"),))
    outcome = collect_and_decide([request], policy, clients, _CLOCK, Deadline(_CLOCK, 60))
    return outcome.decisions[0].approved


def figures(sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """Measure each provider, each way to name a schedule, in accounts of each size."""
    show_progress(f"one decision in accounts of {', '.join(map(str, sizes))} schedules ...")
    for provider, cases in CASES.items():
        results: dict[str, list[Cost]] = {named: [] for named in cases}
        for size in sizes:
            with create_double(provider) as double:
                fill(double, provider, size)
                for named, grows in cases.items():
                    if not grows:
                        results[named].append(costs(double, provider, named))
                    elif size in GROWING_SIZES:
                        results[named].append(costs(double, provider, named, 1))
        for named, grows in cases.items():
            yield from _figures_of(BY_ID[provider].name, named, grows, results[named])


def _figures_of(provider: str, named: str, grows: str, results: list[Cost]) -> Iterator[Figure]:
    smallest, largest = results[0], results[-1]
    way = {"id": "a schedule by id", "name": "a schedule by name", "any": "any schedule"}[named]
    label = f"{provider}, {way}"
    bytes_, seconds = largest.size / smallest.size, largest.seconds / smallest.seconds
    if grows:
        show_progress(f"{label}: what grows is {grows}")
        yield Figure(f"{label}: calls (grows)", largest.calls, "")
        yield Figure(f"{label}: bytes (grows)", bytes_)
        yield Figure(f"{label}: time (grows)", seconds)
        return
    yield Figure(f"{label}: calls", largest.calls, "", MOST_CALLS)
    yield Figure(f"{label}: bytes", bytes_, "x", MOST_GROWTH)
    yield Figure(f"{label}: time", seconds, "x", MOST_GROWTH)
    unapproved = sum(not result.approved for result in results)
    yield Figure(f"{label}: decisions that are not approved", unapproved, "", 0)


if __name__ == "__main__":
    ok = True
    for figure in figures():
        print(figure, flush=True)
        ok = ok and figure.holds
    sys.exit(not ok)
